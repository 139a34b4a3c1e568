"""Who may come in: bounds per client and for the whole server, kept in the event loop.

A refusal says which bound was met, when to come back, and how long the queue is. Being busy is nobody's
fault, so every one of them carries Retry-After: 429 for runs and whatever the client itself holds too
much of, 503 for the server as a whole.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from app.computing import Computing
from app.settings import Settings

DRAINING = "the server is shutting down"
AFTER_SHUTDOWN_S = 5  # about what a restart takes


class Busy(Exception):
    """No, but try again. ``reason`` is one word for machines and metrics, ``message`` and ``accepted``
    are for people, ``queue`` tells how full the engine is."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        retry_after: int,
        queue: dict[str, Any],
        accepted: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.queue = queue
        self.accepted = accepted or f"try again in {retry_after} s"


class Place:
    """One run's place, taken before its input is even read and given back when it has ended."""

    def __init__(self, admission: Admission, client: str) -> None:
        self._admission: Admission | None = admission
        self.client = client
        self.cost = 0.0

    def weigh(self, cost: float) -> None:
        """Adds the run's cost to what is under way. Raises Busy, the place is then given back."""
        assert self._admission is not None
        try:
            self._admission._weigh(self, cost)
        except Busy:
            self.release()
            raise

    def release(self) -> None:
        """Gives the place back; once is enough, more does no harm."""
        if self._admission is not None:
            self._admission._release(self)
            self._admission = None


class Admission:
    """See the module docstring. Call everything in the event loop."""

    def __init__(self, settings: Settings, engine: Computing) -> None:
        self.draining = False
        self._settings = settings
        self._engine = engine
        self._runs: Counter[str] = Counter()
        self._costs: defaultdict[str, float] = defaultdict(float)
        self._streams: Counter[str] = Counter()
        self._plans: Counter[str] = Counter()
        self._uploads: Counter[str] = Counter()
        self._exports: Counter[str] = Counter()
        self.cost = 0.0  # of everything under way

    @property
    def streams(self) -> int:
        """Event streams of runs that are open."""
        return self._streams.total()

    def queue(self) -> dict[str, Any]:
        """How full the engine is, for people who wait."""
        engine = self._engine
        waiting = engine.waiting
        wait_s = engine.wait_s(waiting + 1) if waiting else 0.0
        return {"running": engine.live, "waiting": waiting, "wait_s": round(wait_s, 1)}

    def open(self) -> None:
        """Raises Busy while the server is shutting down."""
        if self.draining:
            raise self._busy(503, "shutdown", DRAINING, AFTER_SHUTDOWN_S)

    def run(self, client: str, held_bytes: int = 0) -> Place:
        """A place for one more run of this client. ``held_bytes``: of all events in memory. Raises
        Busy."""
        self.open()
        settings = self._settings
        if self._runs[client] >= settings.max_client_runs:
            said = f"{self._runs[client]} runs from your address are under way"
            raise self._busy(429, "client_runs", said)
        if held_bytes > settings.max_held_bytes:
            raise self._busy(503, "memory", "the server's memory for runs is full")
        self._runs[client] += 1
        return Place(self, client)

    def stream(self, client: str) -> AbstractContextManager[None]:
        """Counts one event stream of a run, from before it opens until its reader has gone. Raises
        Busy."""
        settings = self._settings
        total, own = self._streams.total(), self._streams[client]
        if total >= settings.max_streams:
            raise self._busy(503, "streams", "too many event streams are open")
        if own >= settings.max_client_streams:
            said = f"{own} event streams to your address are open"
            raise self._busy(429, "client_streams", said)
        return self._counted(self._streams, client)

    def plan(self, client: str) -> AbstractContextManager[None]:
        """Counts one plan that is being made or waits for it. Raises Busy."""
        settings = self._settings
        return self._one_of(
            "plans", self._plans, client, settings.max_plans, settings.max_client_plans
        )

    def upload(self, client: str) -> AbstractContextManager[None]:
        """Counts one upload that is being received and decoded. Raises Busy."""
        settings = self._settings
        return self._one_of(
            "uploads", self._uploads, client, settings.max_uploads, settings.max_client_uploads
        )

    def export(self, client: str) -> AbstractContextManager[None]:
        """Counts one export until its reader has taken it. Raises Busy."""
        settings = self._settings
        return self._one_of(
            "exports", self._exports, client, settings.max_exports, settings.max_client_exports
        )

    @contextmanager
    def _one_of(
        self, what: str, counter: Counter[str], client: str, bound: int, client_bound: int
    ) -> Iterator[None]:
        self.open()
        if counter.total() >= bound:
            raise self._busy(503, what, f"too many {what} are under way")
        if counter[client] >= client_bound:
            said = f"{counter[client]} {what} from your address are under way"
            raise self._busy(429, f"client_{what}", said)
        with self._counted(counter, client):
            yield

    @staticmethod
    @contextmanager
    def _counted(counter: Counter[str], client: str) -> Iterator[None]:
        counter[client] += 1
        try:
            yield
        finally:
            _less(counter, client)

    def _weigh(self, place: Place, cost: float) -> None:
        settings = self._settings
        if self._costs[place.client] + cost > settings.max_client_cost:
            said = "the runs from your address ask for too much at once"
            raise self._busy(429, "client_cost", said)
        if self.cost + cost > settings.max_total_cost:
            raise self._busy(429, "total_cost", "the server has too much to do")
        place.cost = cost
        self._costs[place.client] += cost
        self.cost += cost

    def _release(self, place: Place) -> None:
        _less(self._runs, place.client)
        # Sums of fractions do not come back to nothing by themselves.
        self.cost = self.cost - place.cost if self._runs else 0.0
        if self._runs[place.client]:
            self._costs[place.client] -= place.cost
        else:
            self._costs.pop(place.client, None)

    def _busy(self, status: int, reason: str, message: str, retry_after: int = 0) -> Busy:
        seconds = retry_after or max(1, math.ceil(self._engine.retry_after))
        return Busy(status, reason, message, seconds, self.queue())


def _less(counter: Counter[str], client: str) -> None:
    """One less; clients with nothing left are forgotten, addresses are not collected."""
    counter[client] -= 1
    if counter[client] <= 0:
        del counter[client]
