"""The engine: one thread that answers the requests of many visitors' generators, batched.

A run is a generator that yields ``Request(net, x, sigma, cond)`` and is sent the answer. Every tick the
engine takes the one pending request of each live run, groups them by network and bucket, computes each
group with a single forward, sends the answers back and collects the next requests. Runs join and leave
between ticks, each row sits at its own noise level, and nobody waits for somebody else's run to end:
continuous batching, as language-model servers do it, for diffusion.

The engine knows no model, no picture and no web server. It talks to a :class:`Client` per run, always
from its own thread.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from models.diffusion.sampler import Network, Request
from models.diffusion.sampler import Run as RunGenerator

log = logging.getLogger(__name__)


class Full(Exception):
    """No room for another run; ``retry_after`` is a guess in whole seconds of when there will be."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"full, try again in {retry_after} s")
        self.retry_after = retry_after


class Client(Protocol):
    """Who a run is computed for. All calls come from the engine's thread; the last one is exactly one
    of ``finished``, ``failed`` and ``cancelled``. An exception in ``answered`` or ``finished`` fails
    the run, and only this run."""

    def started(self) -> None: ...

    def answered(self, request: Request, answer: Any) -> None: ...

    def finished(self, result: Any) -> None: ...

    def failed(self, error: Exception) -> None: ...

    def cancelled(self, reason: str) -> None: ...


class Observer(Protocol):
    """Told about the engine's own work, for metrics."""

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None: ...

    def tick(self, seconds: float, forward_seconds: float) -> None: ...


class Blind:
    """The observer that looks at nothing."""

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None:
        pass

    def tick(self, seconds: float, forward_seconds: float) -> None:
        pass


@dataclass(frozen=True)
class Limits:
    """runs: admitted at once, live or waiting; live_rows: samples that advance together in a tick;
    batch_rows: samples per forward. A single run with more rows than a limit still runs, alone."""

    runs: int = 128
    live_rows: int = 64
    batch_rows: int = 32


@dataclass(eq=False)
class Job:
    """One run inside the engine. ``forward_s`` is the time of the forwards that answered it,
    ``outside_s`` the time of its own sampler steps and pictures; the rest it spent waiting."""

    generator: RunGenerator[Any]
    client: Client
    rows: int
    request: Request | None = None
    stopped: str | None = None  # why it shall not go on
    begun: float = field(default_factory=time.perf_counter)
    forward_s: float = 0.0
    outside_s: float = 0.0

    @property
    def asked(self) -> int:
        """Rows of the pending request; a stage may ask for several per sample."""
        return 0 if self.request is None else len(self.request.sigma)


class Engine:
    """See the module docstring. ``submit`` and ``cancel`` may be called from any thread."""

    def __init__(
        self,
        limits: Limits | None = None,
        observer: Observer | None = None,
        threads: int | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._observer = observer or Blind()
        self._threads = threads
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._live: list[Job] = []
        self._closing = False
        self._run_seconds = 1.0  # moving average of a run's life, for Retry-After
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)

    @property
    def live(self) -> int:
        return len(self._live)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cancels every run and returns when the thread has ended, at the latest after the forward
        that is under way."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def submit(self, job: Job) -> None:
        """Admits a run; it joins the others at the next tick that has room for it, first come first
        served. Raises Full when ``limits.runs`` are admitted already or the engine is closing."""
        with self._changed:
            admitted = len(self._live) + len(self._waiting)
            if self._closing or admitted >= self.limits.runs:
                rounds = admitted / max(1, len(self._live))
                raise Full(max(1, min(60, math.ceil(self._run_seconds * rounds / 2))))
            self._waiting.append(job)
            self._changed.notify()

    def cancel(self, job: Job, reason: str) -> None:
        """Stops a run: it is in no forward after the one under way. A run that has ended stays so."""
        with self._changed:
            job.stopped = job.stopped or reason
            self._changed.notify()

    # -- the engine's thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._live or self._waiting or self._closing)
                if self._closing:
                    for job in [*self._live, *self._waiting]:
                        job.stopped = job.stopped or "the server is shutting down"
                joining = self._admit()
            self._tick(joining)
            if self._closing and not self._live and not self._waiting:
                return

    def _admit(self) -> list[Job]:
        """Moves waiting runs to the live ones as far as there are rows; cancelled ones always move, so
        that the tick can end them."""
        joining = [job for job in self._waiting if job.stopped is not None]
        waiting = deque(job for job in self._waiting if job.stopped is None)
        rows = sum(job.rows for job in self._live)
        while waiting and (rows == 0 or rows + waiting[0].rows <= self.limits.live_rows):
            rows += waiting[0].rows
            joining.append(waiting.popleft())
        self._waiting = waiting
        self._live.extend(joining)
        return joining

    def _tick(self, joining: Sequence[Job]) -> None:
        """Advances every live run by one answer."""
        start = time.perf_counter()
        forward_s = 0.0
        for job in joining:
            if job.stopped is None:
                self._begin(job)
        for jobs in self._batches():
            jobs = [job for job in jobs if job.stopped is None]
            if jobs:
                forward_s += self._answer(jobs)
        for job in list(self._live):
            if job.stopped is not None:
                self._end_cancelled(job)
        self._observer.tick(time.perf_counter() - start, forward_s)

    def _batches(self) -> Iterator[list[Job]]:
        """Live runs by (network, bucket), split so that no batch exceeds ``batch_rows``. A batch's
        runs advance before the next batch is computed: their answer does not wait for the others'."""
        groups: dict[tuple[int, Hashable], list[Job]] = {}
        for job in list(self._live):
            if job.request is None or job.stopped is not None:
                continue
            try:
                key = (id(job.request.net), job.request.net.bucket(job.request))
            except Exception as error:
                self._end_failed(job, error)
                continue
            groups.setdefault(key, []).append(job)
        for jobs in groups.values():
            batch: list[Job] = []
            rows = 0
            for job in jobs:
                if batch and rows + job.asked > self.limits.batch_rows:
                    yield batch
                    batch, rows = [], 0
                batch.append(job)
                rows += job.asked
            yield batch

    def _answer(self, jobs: list[Job]) -> float:
        """One forward for all of ``jobs``; -> its seconds. If it fails, each is tried alone, so that
        one visitor's impossible input does not end the runs of the others."""
        requests = [job.request for job in jobs if job.request is not None]
        net = requests[0].net
        start = time.perf_counter()
        try:
            answers = self._forward(net, requests)
        except Exception as error:
            if len(jobs) > 1:
                log.warning("a batch of %d for %s failed, trying each alone", len(jobs), net.name)
                return sum(self._answer([job]) for job in jobs)
            self._end_failed(jobs[0], error)
            return time.perf_counter() - start
        seconds = time.perf_counter() - start
        rows = sum(len(request.sigma) for request in requests)
        self._observer.forward(net.name, len(jobs), rows, seconds)
        for job, request, answer in zip(jobs, requests, answers, strict=True):
            job.forward_s += seconds
            if job.stopped is None:
                self._advance(job, request, answer)
        return seconds

    @staticmethod
    def _forward(net: Network, requests: Sequence[Request]) -> list[Any]:
        with torch.inference_mode():
            answers = net.answer(requests)
        if len(answers) != len(requests):
            raise RuntimeError(
                f"{net.name} gave {len(answers)} answers to {len(requests)} requests"
            )
        return answers

    def _begin(self, job: Job) -> None:
        """Runs a generator up to its first request."""
        try:
            job.client.started()
        except Exception as error:
            self._end_failed(job, error)
            return
        self._send(job, None)

    def _advance(self, job: Job, request: Request, answer: Any) -> None:
        """Hands one answer to the client and to the generator, which asks for the next or ends."""
        start = time.perf_counter()
        try:
            job.client.answered(request, answer)
        except Exception as error:
            self._end_failed(job, error)
            return
        finally:
            job.outside_s += time.perf_counter() - start
        self._send(job, answer)

    def _send(self, job: Job, answer: Any) -> None:
        start = time.perf_counter()
        try:
            job.request = job.generator.send(answer)
        except StopIteration as stop:
            job.outside_s += time.perf_counter() - start
            self._end_finished(job, stop.value)
        except Exception as error:
            self._end_failed(job, error)
        else:
            job.outside_s += time.perf_counter() - start

    # -- the three ends of a run -----------------------------------------------------------------

    def _end_finished(self, job: Job, result: Any) -> None:
        try:
            job.client.finished(result)
        except Exception as error:
            self._end_failed(job, error)
            return
        self._leave(job)
        self._run_seconds += 0.2 * (time.perf_counter() - job.begun - self._run_seconds)

    def _end_failed(self, job: Job, error: Exception) -> None:
        self._leave(job)
        job.client.failed(error)

    def _end_cancelled(self, job: Job) -> None:
        self._leave(job)
        job.client.cancelled(job.stopped or "cancelled")

    def _leave(self, job: Job) -> None:
        """Takes a run out and closes its generator, whatever that generator does about it."""
        self._live.remove(job)
        job.request = None
        try:
            job.generator.close()
        except Exception:
            log.exception("a generator did not close cleanly")
