"""Runs: what one visitor asked for, its log of encoded events, and who is watching.

A run's events are encoded once, in one of the engine's threads, and appended to a log that only grows.
Every viewer walks the log at its own pace: a late viewer, a reconnecting one (Last-Event-ID) and an
export read the same bytes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from app import wire
from app.admission import AFTER_SHUTDOWN_S, DRAINING, Place
from app.computing import Computing
from app.jobs import Job
from app.logs import fields
from app.metrics import Metrics
from app.preparing import Prepared, begin
from app.settings import Settings
from models.branching import Remembering
from models.diffusion.sampler import Request
from models.pipeline import InputError, Pipeline, View

log = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "cancelled", "failed"]


class Run:
    """The record of one run; also the engine's :class:`~app.engine.Client` for it.

    ``log`` is written by one of the engine's threads at a time and read from the event loop; ``closed``
    turns true after the last event is in it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        prepared: Prepared,
        input: Mapping[str, Any],
        limits: Settings,
        notify: Callable[[Run], None],
    ) -> None:
        plan, settings = prepared.plan, prepared.settings
        self.id = secrets.token_urlsafe(16)
        self.pipeline = pipeline
        self.input = dict(input)
        self.settings = settings
        self.branch: dict[str, Any] | None = prepared.start.get("branch")
        self.state: State = "queued"
        self.closed = False
        self.over = False  # closed, and what it took has been given back; told in the event loop
        self.log: list[bytes] = []
        self.size = 0  # bytes in the log
        self.queue: tuple[int, float] | None = (
            None  # place from 1 and expected seconds, if it waits
        )
        self.created = time.time()  # for people; ages are counted on the monotonic clock
        self.cost = 0.0
        self.place: Place | None = None
        self.viewers = 0
        self.timer: asyncio.TimerHandle | None = None
        self.job = Job(
            begin(pipeline, plan, settings, prepared.branch), self, rows=settings.samples
        )
        self._view: View | None = pipeline.view(plan, settings)
        self._max_frames = limits.max_frames
        self._max_bytes = limits.max_run_bytes
        self._strides: dict[str, int] = {}  # per stage: every which step is streamed
        self._notify = notify
        self._waiters: set[asyncio.Future[None]] = set()
        self.begun = time.perf_counter()
        self._queued_s: float | None = None
        self._first_frame_s: float | None = None
        self._total_s: float | None = None
        self._append("start", wire.encode(prepared.start))

    @property
    def timings(self) -> dict[str, float | None]:
        """Seconds since the run was asked for, and how the engine spent them: ``forward_s`` in the
        forwards that answered it, ``outside_forward_s`` in its sampler steps and pictures."""
        seconds = {
            "queued_s": self._queued_s,
            "first_frame_s": self._first_frame_s,
            "total_s": self._total_s,
            "forward_s": self.job.forward_s,
            "outside_forward_s": self.job.outside_s,
        }
        return {key: None if value is None else round(value, 6) for key, value in seconds.items()}

    def events(self) -> list[dict[str, Any]]:
        """The log decoded: [{"id", "event", "data"}]."""
        return [wire.parse_event(block) for block in list(self.log)]

    # -- called by the engine, in its threads ----------------------------------------------------

    def waiting(self, place: int, seconds: float) -> None:
        self.queue = (place, seconds)
        self._notify(self)

    def started(self) -> None:
        self.state = "running"
        self.queue = None
        self._queued_s = self._elapsed()

    def answered(self, request: Request, answer: Any) -> None:
        # One sum tells it: NaN and infinity survive adding, and looking at each takes ten times as long.
        if isinstance(answer, Tensor) and not torch.isfinite(answer.sum()):
            raise wire.NotFinite(f"the {request.net.name} network's answer is not finite")
        if not request.frame:
            if request.past and isinstance(self._view, Remembering):
                self._view.past(request, answer)
            return
        assert self._view is not None
        frame = self._view.frame(request, answer)  # sees every frame, also those not streamed
        if frame.step % self._strides.get(frame.stage, 1) and frame.step != frame.steps - 1:
            return
        data = wire.frame_data(frame)
        if self._first_frame_s is None:
            self._first_frame_s = self._elapsed()
        size = self._append("frame", data)
        if frame.stage not in self._strides:
            room = max(2, min(self._max_frames, self._max_bytes // size))
            self._strides[frame.stage] = math.ceil(frame.steps / room)

    def finished(self, result: Any) -> None:
        assert self._view is not None
        start = time.perf_counter()
        data = wire.encode(self._view.done(result))
        self.job.telling_s += time.perf_counter() - start
        self._close("done", "done", {**data, "timings": self._final_timings()})

    def failed(self, error: Exception) -> None:
        data = wire.failed_data(error)
        if isinstance(error, (InputError, wire.NotFinite)):
            data["message"] = str(error)
        log.error("failed", exc_info=error, extra=fields(run=self.id, pipeline=self.pipeline.id))
        self._close("failed", "error", data)

    def cancelled(self, reason: str) -> None:
        data: dict[str, Any] = {"message": reason, "state": "cancelled"}
        if reason == DRAINING:  # a hint that trying again makes sense, and when
            data |= {"reason": "shutdown", "retry_after": AFTER_SHUTDOWN_S}
        self._close("cancelled", "error", data)

    # -- called in the event loop, of a run that another process computes ---------------------------

    def relay(self, event: str, data: bytes) -> None:
        """One of this run's events as the other process encoded it; it goes on in this log."""
        if event == "queued":
            place = json.loads(data)
            self.waiting(place["place"], place["wait_s"])
        elif event == "frame":
            self._first_frame_s = self._first_frame_s or self._elapsed()
            self._keep(event, data)
        else:
            said = json.loads(data)
            spent = said.get("timings", {})
            self.job.forward_s = spent.get("forward_s", 0.0)
            self.job.telling_s = spent.get("outside_forward_s", 0.0)
            self._end("done" if event == "done" else said["state"], event, data)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.begun

    def _final_timings(self) -> dict[str, float | None]:
        self._total_s = self._elapsed()
        return self.timings

    def _close(self, state: State, event: str, data: Mapping[str, Any]) -> None:
        self._end(state, event, wire.json_bytes(data))

    def _end(self, state: State, event: str, data: bytes) -> None:
        self._total_s = self._total_s or self._elapsed()
        self.state = state
        self._keep(event, data)
        self._view = None  # it remembers every frame; from here on the log is enough
        self.closed = True
        self._notify(self)  # once more: whoever saw the last event before ``closed`` sleeps

    def _append(self, event: str, data: Mapping[str, Any]) -> int:
        """-> the bytes that it took."""
        return self._keep(event, wire.json_bytes(data))

    def _keep(self, event: str, data: bytes) -> int:
        block = wire.event_bytes(len(self.log), event, data)
        self.size += len(block)
        self.log.append(block)
        self._notify(self)
        return len(block)

    # -- called in the event loop ----------------------------------------------------------------

    def wake(self) -> None:
        """Lets every follower look at the log again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def follow(self, after: int = -1, places: bool = False) -> AsyncIterator[bytes]:
        """The events with ids above ``after``, as they come, until the run has closed. With
        ``places`` also ``queued`` events while the run waits; they have no id and are not kept."""
        position = max(0, after + 1)
        told: tuple[int, float] | None = None
        while True:
            over = self.over  # whoever has seen the end may come again at once: there is a place
            while position < len(self.log):
                yield self.log[position]
                position += 1
            if over:
                return
            queue = self.queue
            if places and queue is not None and queue != told:
                told = queue
                yield wire.queued_bytes(*queue)
                continue
            # What is appended from here on is followed by a wake in this loop, hence after the waiter
            # is in the set.
            if position == len(self.log) and not self.over:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await waiter
                finally:
                    self._waiters.discard(waiter)


class Runs:
    """All runs of the application. Lives in the event loop; finished runs are kept as long as count,
    bytes and age allow, the least recently used go first."""

    def __init__(self, engine: Computing, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._runs: dict[str, Run] = {}  # least recently used first
        self._open: set[str] = set()  # ids of runs that have not closed
        self._news: deque[Run] = deque()  # runs whose log grew since the loop last looked
        self._looking = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def create(
        self,
        pipeline: Pipeline,
        prepared: Prepared,
        input: Mapping[str, Any],
        place: Place | None = None,
    ) -> Run:
        """Admits a run. Raises engine.Full; ``place`` is given back then and when the run has ended."""
        self._loop = asyncio.get_running_loop()
        run = Run(pipeline, prepared, input, self._settings, self._notify)
        if place is not None:
            run.place, run.cost = place, place.cost
        self._engine.submit(run.job)
        self._runs[run.id] = run
        self._open.add(run.id)
        self._cancel_later(run, self._settings.unclaimed_s, "nobody came to see this run")
        log.info(
            "admitted",
            extra=fields(
                run=run.id,
                pipeline=pipeline.id,
                samples=run.settings.samples,
                steps=run.settings.steps,
                cost=round(run.cost, 1),
                input=run.input if self._settings.log_inputs else None,
            ),
        )
        return run

    def get(self, id: str) -> Run | None:
        """The run, which counts as a use of it."""
        self._evict()
        run = self._runs.pop(id, None)
        if run is not None:
            self._runs[id] = run
            if run.viewers == 0 and not run.closed:
                self._cancel_later(run, self._settings.unclaimed_s, "nobody came to see this run")
        return run

    def cancel(self, run: Run, reason: str) -> None:
        """The engine stops computing it at the next tick."""
        if not run.closed:
            self._engine.cancel(run.job, reason)

    def cancel_all(self, reason: str) -> None:
        """For the shutdown: every stream gets its last event."""
        for run in self._runs.values():
            self.cancel(run, reason)

    @property
    def held_bytes(self) -> int:
        """Of all events in memory."""
        return sum(run.size for run in self._runs.values())

    async def watch(self, run: Run, after: int = -1, places: bool = False) -> AsyncIterator[bytes]:
        """:meth:`Run.follow` for a viewer. When the last viewer has gone, the run is cancelled after
        ``grace_s``, so that a dropped connection can come back and an abandoned page costs nothing."""
        run.viewers += 1
        self._metrics.streams.inc()
        self._stop_timer(run)
        try:
            async for block in run.follow(after, places):
                yield block
        finally:
            self._metrics.streams.dec()
            run.viewers -= 1
            if run.viewers == 0 and not run.closed:
                self._cancel_later(run, self._settings.grace_s, "the last viewer has left")

    def _cancel_later(self, run: Run, seconds: float, reason: str) -> None:
        self._stop_timer(run)
        loop = asyncio.get_running_loop()
        run.timer = loop.call_later(seconds, self.cancel, run, reason)

    @staticmethod
    def _stop_timer(run: Run) -> None:
        if run.timer is not None:
            run.timer.cancel()
            run.timer = None

    def _notify(self, run: Run) -> None:
        """Called in any thread. A tick that brings news of many runs wakes the event loop once."""
        self._news.append(run)
        if not self._looking and self._loop is not None:
            self._looking = True
            try:
                self._loop.call_soon_threadsafe(self._look)
            except RuntimeError:  # the loop is closed: nobody is left to tell
                log.debug("went on after the event loop", extra=fields(run=run.id))

    def _look(self) -> None:
        self._looking = False  # first: what comes while this runs must schedule another look
        while self._news:
            run = self._news.popleft()
            if run.closed and run.id in self._open:
                self._closed(run)
                run.over = True
            run.wake()

    def _closed(self, run: Run) -> None:
        self._open.remove(run.id)
        self._stop_timer(run)
        if run.place is not None:
            run.place.release()
        timings = run.timings
        self._metrics.runs.labels(run.pipeline.id, run.state).inc()
        if timings["first_frame_s"] is not None:
            self._metrics.first_frame.labels(run.pipeline.id).observe(timings["first_frame_s"])
        log.info(
            run.state,
            extra=fields(run=run.id, pipeline=run.pipeline.id, events=len(run.log), **timings),
        )
        self._evict()

    def _evict(self) -> None:
        """Forgets finished runs beyond the limits; a run with viewers stays."""
        settings = self._settings
        done = [run for run in self._runs.values() if run.closed and run.viewers == 0]
        count, size = len(done), sum(run.size for run in done)
        oldest = time.perf_counter() - settings.keep_s
        for run in done:
            too_many = count > settings.keep_runs or size > settings.keep_bytes
            if too_many or run.begun < oldest:
                del self._runs[run.id]
                count, size = count - 1, size - run.size
