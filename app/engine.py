"""The engine: it answers the requests of many visitors' generators, batched.

A run is a generator that yields ``Request(net, x, sigma, cond)`` and is sent the answer. The engine
picks the run whose turn it is (:mod:`app.turns`), takes along every other run whose request can share
the same forward, computes it, sends the answers back and collects the next requests. Runs join and
leave between forwards, each row sits at its own noise level, and nobody waits for somebody else's run to
end: continuous batching, as language-model servers do it, for diffusion.

It has one or more lanes, threads that each compute one forward at a time; two lanes never compute the
same network at once. Whichever lane is free does what is to be done next.

The engine knows no model, no picture and no web server. It talks to a :class:`app.jobs.Client` per run,
always from its own threads.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from app.forwards import Blind, Forwards, Observer
from app.jobs import Client, Job
from app.turns import Turns
from models.diffusion.sampler import Network, forward_of

__all__ = ["Client", "Engine", "Full", "Job", "Limits", "Observer"]

log = logging.getLogger(__name__)


class Full(Exception):
    """No room for another run; ``retry_after`` is a guess in whole seconds of when there will be.
    ``closing``: there never will be, the engine is stopping."""

    def __init__(self, retry_after: int, closing: bool = False) -> None:
        super().__init__(f"full, try again in {retry_after} s")
        self.retry_after = retry_after
        self.closing = closing


@dataclass(frozen=True)
class Limits:
    """runs: admitted at once, live or waiting; live_rows: samples of the runs that take turns, the rest
    waits; batch_rows: samples per forward; forward_s: expected seconds of a forward that others may
    still join. A single run beyond a limit still runs."""

    runs: int = 256
    live_rows: int = 256
    batch_rows: int = 32
    forward_s: float = 0.25


@dataclass
class Turn:
    """What a lane does next: runs that begin, runs that end, runs whose clients are to be told
    something, or runs that are answered by one forward. The lane holds the runs meanwhile."""

    begin: list[Job] = field(default_factory=list)
    end: list[Job] = field(default_factory=list)
    tell: list[Job] = field(default_factory=list)
    answer: list[Job] = field(default_factory=list)
    net: Network | None = None  # of the forward
    threads: int | None = None  # for it, of a network that can be told

    @property
    def held(self) -> list[Job]:
        return [*self.begin, *self.end, *self.answer]


class Engine:
    """See the module docstring. ``submit`` and ``cancel`` may be called from any thread. ``threads`` are
    those of all forwards together; a lane computes with its share of them. ``clock`` gives seconds that
    only ever rise (never the time of day, which may be set)."""

    def __init__(
        self,
        limits: Limits | None = None,
        observer: Observer | None = None,
        threads: int | None = None,
        lanes: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.limits = limits or Limits()
        self._observer = observer or Blind()
        self._forwards = Forwards(self._observer, clock)
        self._threads = threads
        self._clock = clock
        self._turns = Turns(self.limits.batch_rows, self.limits.forward_s)
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._told: list[Job] = []  # the queue as its members know it
        self._live: list[Job] = []
        self._new: list[Job] = []  # of the live ones: have not begun
        self._untold: deque[Job] = deque()  # left to a lane that has nothing to compute
        self._computing: set[int] = set()  # ids of the networks under way
        self._idle = 0  # lanes that wait for something to do
        self._closing = False
        self._end_interval = 0.5  # moving average of busy seconds between the ends of two runs
        self._busy_since_end = 0.0
        self._lanes = [
            threading.Thread(target=self._lane, name=f"engine-{k}", daemon=True)
            for k in range(lanes)
        ]

    @property
    def live(self) -> int:
        return len(self._live)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        return all(lane.is_alive() for lane in self._lanes)

    def wait_s(self, place: int) -> float:
        """Expected seconds until the run at this place of the queue begins."""
        return place * self._end_interval

    @property
    def retry_after(self) -> int:
        """Whole seconds after which somebody who was refused may find room."""
        return max(1, min(60, math.ceil(self.wait_s(max(2, self.waiting // 2)))))

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Cancels every run and returns when the lanes have ended, at the latest after the forwards
        that are under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for lane in self._lanes:
            if lane.ident is not None:
                lane.join()

    def submit(self, job: Job) -> None:
        """Admits a run; it joins the others at the next forward that has room for it, first come first
        served. Raises Full when ``limits.runs`` are admitted already or the engine is closing."""
        with self._changed:
            admitted = len(self._live) + len(self._waiting)
            if self._closing or admitted >= self.limits.runs:
                raise Full(self.retry_after, self._closing)
            self._waiting.append(job)
            self._changed.notify_all()

    def cancel(self, job: Job, reason: str) -> None:
        """Stops a run: it is in no forward after the one under way. A run that has ended stays so."""
        with self._changed:
            if not job.ended:
                job.stopped = job.stopped or reason
            self._changed.notify_all()

    # -- a lane: what to do next -----------------------------------------------------------------

    def _lane(self) -> None:
        if self._share is not None:
            torch.set_num_threads(self._share)
        while (turn := self._next()) is not None:
            start = self._clock()
            forward_s = 0.0
            try:
                forward_s = self._take(turn)
            except Exception as error:  # a fault of ours: whose it was is not known
                log.exception("a turn failed, its runs with it")
                for job in turn.held:
                    if not job.ended:
                        self._end(job, "failed", error)
            self._release(turn)
            seconds = self._clock() - start
            self._observer.tick(seconds, forward_s)
            with self._changed:
                self._busy_since_end += seconds / len(self._lanes)

    @property
    def _share(self) -> int | None:
        """Threads of a forward while other lanes compute too."""
        return None if self._threads is None else max(1, self._threads // len(self._lanes))

    def _next(self) -> Turn | None:
        """Waits for something to do; None when the engine has closed."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    if self._closing:
                        for job in [*self._live, *self._waiting]:
                            job.stopped = job.stopped or "the server is shutting down"
                    self._admit()
                    try:
                        turn = self._choose()
                    except Exception as error:  # a fault of ours: whose it was is not known
                        log.exception("no turn could be chosen, the live runs fail")
                        for job in self._live:
                            job.error = job.error or error
                        continue
                    if turn is not None:
                        return turn
                    if self._closing and not self._live and not self._waiting:
                        return None
                    self._changed.wait()
            finally:
                self._idle -= 1

    def _admit(self) -> None:
        """Moves waiting runs to the live ones as far as there are rows, and tells the others their
        places; cancelled ones always move, so that a lane can end them."""
        joining = [job for job in self._waiting if job.stopped is not None]
        waiting = deque(job for job in self._waiting if job.stopped is None)
        rows = sum(job.rows for job in self._live)
        while waiting and (rows == 0 or rows + waiting[0].rows <= self.limits.live_rows):
            rows += waiting[0].rows
            joining.append(waiting.popleft())
        self._waiting = waiting
        self._live.extend(joining)
        self._new.extend(joining)
        told = list(waiting)
        if told != self._told:
            self._told = told
            for place, job in enumerate(told, 1):
                try:
                    job.client.waiting(place, self.wait_s(place))
                except Exception:
                    log.exception("a client could not be told its place")

    def _choose(self) -> Turn | None:
        """Small things first: runs begin and end before the next forward is put together."""
        end = [job for job in self._live if job.stopping and not job.held]
        begin = [job for job in self._new if not job.stopping]
        if begin or end or self._untold:
            turn = Turn(begin=begin, end=end, tell=list(self._untold))
            self._new.clear()
            self._untold.clear()
        else:
            pending = [
                job for job in self._live if job.ready and id(_net(job)) not in self._computing
            ]
            if not pending:
                return None
            turn = Turn(answer=self._turns.pick(pending))
            turn.net = net = _net(turn.answer[0])
            others = (job for job in self._live if job.request is not None)
            alone = not self._computing and all(_net(job) is net for job in others)
            turn.threads = self._threads if alone else self._share
            self._computing.add(id(net))
        for job in turn.held:
            job.held = True
        return turn

    def _release(self, turn: Turn) -> None:
        """Lets go of a turn's runs, all at once, so that they can share the next forward too. What is
        to be told is left to another lane if that has nothing to compute."""
        with self._changed:
            self._free(turn)
            for job in turn.held:
                job.held = False
            left = self._idle > 0 and bool(turn.answer)
            if left:
                self._untold.extend(turn.held)
            self._changed.notify_all()
        if not left:
            for job in turn.held:
                job.tell()

    def _free(self, turn: Turn) -> None:
        """Another lane may compute the turn's network from now on."""
        if turn.net is not None:
            self._computing.discard(id(turn.net))
            turn.net = None
            self._changed.notify_all()

    # -- a lane: doing it ------------------------------------------------------------------------

    def _take(self, turn: Turn) -> float:
        """-> seconds of the forward."""
        for job in turn.tell:
            job.tell()
        for job in turn.begin:
            self._begin(job)
        for job in turn.end:
            if job.error is not None:
                self._end(job, "failed", job.error)
            else:
                self._end(job, "cancelled", job.stopped)
        if turn.net is None:
            return 0.0
        forward = self._forwards.compute(turn.net, turn.answer, turn.threads)
        with self._changed:
            self._turns.charge(turn.answer, forward.seconds)
            self._free(turn)
        for job, error in forward.failed:
            self._end(job, "failed", error)
        for job, request, answer in forward.answered:
            job.forward_s += forward.seconds
            if not job.stopping:
                job.answers += 1
                job.shown = job.shown or request.frame
                job.answered(request, answer)
                self._send(job, answer)
        return forward.seconds

    def _begin(self, job: Job) -> None:
        """Runs a generator up to its first request."""
        with self._changed:
            self._turns.join(job)
        try:
            job.client.started()
        except Exception as error:
            self._end(job, "failed", error)
            return
        self._send(job, None)

    def _send(self, job: Job, answer: Any) -> None:
        """Hands one answer to the generator, which asks for the next or ends."""
        start = self._clock()
        try:
            request = job.generator.send(answer)
            net = forward_of(request.net)
            job.key = (id(net), net.bucket(request))
            job.request = request
        except StopIteration as stop:
            self._end(job, "finished", stop.value)
        except Exception as error:
            self._end(job, "failed", error)
        finally:
            job.stepping_s += self._clock() - start

    def _end(self, job: Job, how: Any, what: Any) -> None:
        """Takes a run out and closes its generator, whatever that generator does about it."""
        try:
            job.generator.close()
        except Exception:
            log.exception("a generator did not close cleanly")
        with self._changed:
            self._live.remove(job)
            job.request = None
            self._end_interval += 0.2 * (self._busy_since_end - self._end_interval)
            self._busy_since_end = 0.0
        job.end(how, what)


def _net(job: Job) -> Network:
    assert job.request is not None
    return forward_of(job.request.net)
