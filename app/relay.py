"""Runs that other processes compute: each is one stream of events, relayed into the run's own log.

A run is determined by its input and its resolved settings, the seed among them, and by the same of the
run that it goes on from, if it does. When whoever computes it dies, the run is asked for again; the
frames that the viewers have are skipped, the rest continues under the next ids. So a viewer sees a pause,
no gap and no repetition.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import aclosing

from app.engine import Full
from app.jobs import Job
from app.logs import fields
from app.runs import Run

log = logging.getLogger(__name__)


class Lost(Exception):
    """Whoever computed a run is gone, or ended its stream before the run's end."""


class Relay(ABC):
    """Computing by somebody else; lives in the event loop. ``runs``: admitted at once; ``attempts``: how
    often a run is asked for before it fails."""

    def __init__(self, runs: int, attempts: int) -> None:
        self._runs = runs
        self._attempts = attempts
        self._relays: dict[Job, asyncio.Task[None]] = {}
        self._queued: set[Job] = set()
        self._closing = False
        self._run_s = 1.0  # moving average of a run's life
        self.replayed = 0

    @abstractmethod
    def events(self, run: Run) -> AsyncIterator[tuple[str, bytes]]:
        """One attempt: the run's events as (event, data), ``start`` left out; ``queued`` while it waits
        and, where that is known, ``started`` when it does no more. Closing the iterator cancels it.
        Raises Lost."""

    @property
    def live(self) -> int:
        return len(self._relays) - len(self._queued)

    @property
    def waiting(self) -> int:
        return len(self._queued)

    @property
    def alive(self) -> bool:
        return not self._closing

    def wait_s(self, place: int) -> float:
        return place * self._run_s / max(1, self.live)

    @property
    def retry_after(self) -> int:
        return max(1, min(60, math.ceil(self.wait_s(max(2, self.waiting // 2)))))

    def start(self) -> None:  # noqa: B027  nothing to do where the others are up already
        """Called in the event loop."""

    def stop(self) -> None:
        """Nothing is left to wait for: cancelled runs are told at once."""
        self._closing = True

    def submit(self, job: Job) -> None:
        if self._closing or len(self._relays) >= self._runs:
            raise Full(self.retry_after, self._closing)
        self._queued.add(job)
        self._relays[job] = asyncio.get_running_loop().create_task(self._relay(job))

    def cancel(self, job: Job, reason: str) -> None:
        relay = self._relays.get(job)
        if relay is not None and job.stopped is None:
            job.stopped = reason
            relay.cancel()

    async def _relay(self, job: Job) -> None:
        run = job.client
        assert isinstance(run, Run)
        begun = time.perf_counter()
        try:
            await self._until_done(job, run)
        except asyncio.CancelledError:
            run.cancelled(job.stopped or "the server is shutting down")
        except Exception as error:
            run.failed(error)
        finally:
            del self._relays[job]
            self._queued.discard(job)
            self._run_s += 0.2 * (time.perf_counter() - begun - self._run_s)

    async def _until_done(self, job: Job, run: Run) -> None:
        """Relays until the run has closed, from one computer after another if it must be."""
        for attempt in range(1, self._attempts + 1):
            try:
                await self._stream(job, run)
                return
            except Lost as error:
                # A run that brings down whoever computes it must not walk through all of them.
                if attempt == self._attempts:
                    raise
                self.replayed += 1
                log.warning(
                    "who computed it was lost (%s), it is computed again",
                    error,
                    extra=fields(run=run.id, pipeline=run.pipeline.id, events=len(run.log)),
                )

    async def _stream(self, job: Job, run: Run) -> None:
        skipped = 0
        known = len(run.log) - 1  # all but "start"
        async with aclosing(self.events(run)) as events:  # type: ignore[type-var]
            async for event, data in events:
                if event == "queued":
                    run.relay(event, data)
                    continue
                if job in self._queued:
                    self._queued.discard(job)
                    run.started()
                if event == "started":
                    continue
                if event == "frame" and skipped < known:
                    skipped += 1
                else:
                    run.relay(event, data)
        if not run.closed:
            raise Lost("the stream broke off")
