"""A run inside the engine, and who it is computed for.

What a client is told goes through its job: calls come one after the other and in order, whichever of the
engine's threads makes them, so that one thread may draw a run's pictures while another one is at the
run's next forward.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from models.diffusion.sampler import Request
from models.diffusion.sampler import Run as RunGenerator

log = logging.getLogger(__name__)

AHEAD = 2  # answers that a run may be ahead of its client


class Client(Protocol):
    """Who a run is computed for. Calls come from the engine's threads, never two at once; the last one
    is exactly one of ``finished``, ``failed`` and ``cancelled``. An exception in ``answered`` or
    ``finished`` fails the run, and only this run."""

    def waiting(self, place: int, seconds: float) -> None:
        """There is no room yet: ``place`` counts from 1, ``seconds`` is the expected wait. Called
        again whenever the place changes, before ``started``."""
        ...

    def started(self) -> None: ...

    def answered(self, request: Request, answer: Any) -> None: ...

    def finished(self, result: Any) -> None: ...

    def failed(self, error: Exception) -> None: ...

    def cancelled(self, reason: str) -> None: ...


_numbers = itertools.count()


@dataclass(eq=False)
class Job:
    """One run inside the engine. ``forward_s`` is the time of the forwards that answered it,
    ``stepping_s`` that of its own sampler steps and ``telling_s`` that of its pictures (the client adds
    that of its end); the rest it spent waiting."""

    generator: RunGenerator[Any]
    client: Client
    rows: int
    request: Request | None = None
    held: bool = False  # one of the engine's threads is at it
    ended: bool = False
    stopped: str | None = None  # why it shall not go on
    error: Exception | None = None  # the client's own
    forward_s: float = 0.0
    stepping_s: float = 0.0
    telling_s: float = 0.0
    # what app.turns looks at
    number: int = field(default_factory=lambda: next(_numbers))
    key: Hashable = None
    answers: int = 0
    shown: bool = False
    served: float = 0.0
    _news: deque[tuple[Any, ...]] = field(default_factory=deque)
    _telling: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> int:
        """Rows of the pending request; a stage may ask for several per sample."""
        return 0 if self.request is None else len(self.request.sigma)

    @property
    def stopping(self) -> bool:
        """It takes no further step."""
        return self.stopped is not None or self.error is not None

    @property
    def ready(self) -> bool:
        """Its request may be answered now: nobody is at it and its client keeps up."""
        free = not (self.request is None or self.held or self.stopping)
        return free and len(self._news) < AHEAD

    @property
    def outside_s(self) -> float:
        """Seconds of its own outside of forwards."""
        return self.stepping_s + self.telling_s

    def answered(self, request: Request, answer: Any) -> None:
        """To be told: an answer."""
        self._news.append((self._say_answered, request, answer))

    def end(self, how: Literal["finished", "failed", "cancelled"], what: Any) -> None:
        """To be told: the end, with its result, error or reason."""
        self.ended = True
        self._news.append((self._say_end, how, what))

    def tell(self) -> None:
        """Tells the client what it was not told yet, unless another thread is at it, which then does."""
        while self._news and self._telling.acquire(blocking=False):
            try:
                while self._news:
                    say, *what = self._news.popleft()
                    say(*what)
            finally:
                self._telling.release()

    def _say_answered(self, request: Request, answer: Any) -> None:
        if self.stopping:
            return
        begun = time.perf_counter()
        try:
            self.client.answered(request, answer)
        except Exception as error:
            self.error = error
        finally:
            self.telling_s += time.perf_counter() - begun

    def _say_end(self, how: str, what: Any) -> None:
        if how == "finished" and self.error is None:
            try:
                self.client.finished(what)
                return
            except Exception as error:
                self.error = error
        say: Callable[[Any], None] = self.client.failed
        if self.error is not None:
            what = self.error
        elif how == "cancelled":
            say = self.client.cancelled
        try:  # the thread outlives whatever a client makes of its run's end
            say(what)
        except Exception:
            log.exception("a client could not be told that its run has ended")
