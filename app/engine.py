"""The engine: one thread that answers the requests of many visitors' generators, batched.

A run is a generator that yields ``Request(net, x, sigma, cond)`` and is sent the answer. Every tick the
engine picks the run whose turn it is (:mod:`app.turns`), takes along every other run whose request can
share the same forward, computes it, sends the answers back and collects the next requests. Runs join and
leave between ticks, each row sits at its own noise level, and nobody waits for somebody else's run to
end: continuous batching, as language-model servers do it, for diffusion.

The engine knows no model, no picture and no web server. It talks to a :class:`Client` per run, always
from its own thread.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from app.turns import Turns
from models.diffusion.sampler import Network, Request
from models.diffusion.sampler import Run as RunGenerator

log = logging.getLogger(__name__)


class Full(Exception):
    """No room for another run; ``retry_after`` is a guess in whole seconds of when there will be.
    ``closing``: there never will be, the engine is stopping."""

    def __init__(self, retry_after: int, closing: bool = False) -> None:
        super().__init__(f"full, try again in {retry_after} s")
        self.retry_after = retry_after
        self.closing = closing


class Client(Protocol):
    """Who a run is computed for. All calls come from the engine's thread; the last one is exactly one
    of ``finished``, ``failed`` and ``cancelled``. An exception in ``answered`` or ``finished`` fails
    the run, and only this run."""

    def waiting(self, place: int, seconds: float) -> None:
        """There is no room yet: ``place`` counts from 1, ``seconds`` is the expected wait. Called
        again whenever the place changes, before ``started``."""
        ...

    def started(self) -> None: ...

    def answered(self, request: Request, answer: Any) -> None: ...

    def finished(self, result: Any) -> None: ...

    def failed(self, error: Exception) -> None: ...

    def cancelled(self, reason: str) -> None: ...


class Observer(Protocol):
    """Told about the engine's own work, for metrics."""

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None: ...

    def cells(self, net: str, used: int, padded: int) -> None:
        """Of one forward of a network that pads: cells that hold something, and all cells."""
        ...

    def tick(self, seconds: float, forward_seconds: float) -> None: ...


class Blind:
    """The observer that looks at nothing."""

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None:
        pass

    def cells(self, net: str, used: int, padded: int) -> None:
        pass

    def tick(self, seconds: float, forward_seconds: float) -> None:
        pass


@dataclass(frozen=True)
class Limits:
    """runs: admitted at once, live or waiting; live_rows: samples of the runs that take turns, the rest
    waits; batch_rows: samples per forward; forward_s: expected seconds of a forward that others may
    still join. A single run beyond a limit still runs."""

    runs: int = 256
    live_rows: int = 256
    batch_rows: int = 32
    forward_s: float = 0.25


_numbers = itertools.count()


@dataclass(eq=False)
class Job:
    """One run inside the engine. ``forward_s`` is the time of the forwards that answered it,
    ``outside_s`` the time of its own sampler steps and pictures; the rest it spent waiting."""

    generator: RunGenerator[Any]
    client: Client
    rows: int
    request: Request | None = None
    stopped: str | None = None  # why it shall not go on
    forward_s: float = 0.0
    outside_s: float = 0.0
    # what app.turns looks at
    number: int = field(default_factory=lambda: next(_numbers))
    key: Hashable = None
    answers: int = 0
    shown: bool = False
    served: float = 0.0

    @property
    def asked(self) -> int:
        """Rows of the pending request; a stage may ask for several per sample."""
        return 0 if self.request is None else len(self.request.sigma)


class Engine:
    """See the module docstring. ``submit`` and ``cancel`` may be called from any thread. ``clock``
    gives seconds that only ever rise (never the time of day, which may be set)."""

    def __init__(
        self,
        limits: Limits | None = None,
        observer: Observer | None = None,
        threads: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.limits = limits or Limits()
        self._observer = observer or Blind()
        self._threads = threads
        self._clock = clock
        self._turns = Turns(self.limits.batch_rows, self.limits.forward_s)
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._live: list[Job] = []
        self._closing = False
        self._end_interval = 0.5  # moving average of busy seconds between the ends of two runs
        self._busy_since_end = 0.0
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

    def wait_s(self, place: int) -> float:
        """Expected seconds until the run at this place of the queue begins."""
        return place * self._end_interval

    @property
    def retry_after(self) -> int:
        """Whole seconds after which somebody who was refused may find room."""
        return max(1, min(60, math.ceil(self.wait_s(max(2, self.waiting // 2)))))

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
                raise Full(self.retry_after, self._closing)
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
        told: list[Job] = []  # the queue as its members know it
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._live or self._waiting or self._closing)
                if self._closing:
                    for job in [*self._live, *self._waiting]:
                        job.stopped = job.stopped or "the server is shutting down"
                joining = self._admit()
                waiting = list(self._waiting)
            if waiting != told:
                told = waiting
                self._tell_places(waiting)
            try:
                self._tick(joining)
            except Exception as error:  # a fault of ours, not of one run: whose it was is not known
                log.exception("a tick failed, its runs with it")
                for job in list(self._live):
                    self._end_failed(job, error)
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

    def _tell_places(self, waiting: Sequence[Job]) -> None:
        for place, job in enumerate(waiting, 1):
            try:
                job.client.waiting(place, self.wait_s(place))
            except Exception:
                log.exception("a client could not be told its place")

    def _tick(self, joining: Sequence[Job]) -> None:
        """Begins the runs that joined, computes one forward, ends the runs that were cancelled."""
        start = self._clock()
        for job in joining:
            if job.stopped is None:
                self._begin(job)
        for job in [job for job in self._live if job.stopped is not None]:
            self._end_cancelled(job)
        pending = [job for job in self._live if job.request is not None]
        forward_s = self._answer(self._turns.pick(pending)) if pending else 0.0
        seconds = self._clock() - start
        self._busy_since_end += seconds
        self._observer.tick(seconds, forward_s)

    def _answer(self, jobs: list[Job]) -> float:
        """One forward for all of ``jobs``; -> its seconds. If it fails, each is tried alone, so that
        one visitor's impossible input does not end the runs of the others."""
        requests = [job.request for job in jobs if job.request is not None]
        net = requests[0].net
        start = self._clock()
        try:
            answers = self._forward(net, requests)
        except Exception as error:
            if len(jobs) > 1:
                log.warning("a batch of %d for %s failed, trying each alone", len(jobs), net.name)
                return sum(self._answer([job]) for job in jobs)
            self._end_failed(jobs[0], error)
            return self._clock() - start
        seconds = self._clock() - start
        self._observe(net, requests, seconds)
        self._turns.charge(jobs, seconds)
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

    def _observe(self, net: Network, requests: Sequence[Request], seconds: float) -> None:
        rows = sum(len(request.sigma) for request in requests)
        self._observer.forward(net.name, len(requests), rows, seconds)
        cells = getattr(net, "cells", None)  # only networks that pad have it
        if cells is not None:
            self._observer.cells(net.name, *cells(requests))

    def _begin(self, job: Job) -> None:
        """Runs a generator up to its first request."""
        self._turns.join(job)
        try:
            job.client.started()
        except Exception as error:
            self._end_failed(job, error)
            return
        self._send(job, None)

    def _advance(self, job: Job, request: Request, answer: Any) -> None:
        """Hands one answer to the client and to the generator, which asks for the next or ends."""
        start = self._clock()
        job.answers += 1
        job.shown = job.shown or request.frame
        try:
            job.client.answered(request, answer)
        except Exception as error:
            self._end_failed(job, error)
            return
        finally:
            job.outside_s += self._clock() - start
        self._send(job, answer)

    def _send(self, job: Job, answer: Any) -> None:
        start = self._clock()
        try:
            request = job.generator.send(answer)
            job.key = (id(request.net), request.net.bucket(request))
            job.request = request
        except StopIteration as stop:
            job.outside_s += self._clock() - start
            self._end_finished(job, stop.value)
        except Exception as error:
            self._end_failed(job, error)
        else:
            job.outside_s += self._clock() - start

    # -- the three ends of a run -----------------------------------------------------------------

    def _end_finished(self, job: Job, result: Any) -> None:
        try:
            job.client.finished(result)
        except Exception as error:
            self._end_failed(job, error)
            return
        self._leave(job)

    def _end_failed(self, job: Job, error: Exception) -> None:
        self._leave(job)
        self._tell(job.client.failed, error)

    def _end_cancelled(self, job: Job) -> None:
        self._leave(job)
        self._tell(job.client.cancelled, job.stopped or "cancelled")

    @staticmethod
    def _tell(call: Callable[[Any], None], what: Any) -> None:
        """The thread outlives whatever a client makes of its run's end."""
        try:
            call(what)
        except Exception:
            log.exception("a client could not be told that its run has ended")

    def _leave(self, job: Job) -> None:
        """Takes a run out and closes its generator, whatever that generator does about it."""
        self._live.remove(job)
        job.request = None
        self._end_interval += 0.2 * (self._busy_since_end - self._end_interval)
        self._busy_since_end = 0.0
        try:
            job.generator.close()
        except Exception:
            log.exception("a generator did not close cleanly")
