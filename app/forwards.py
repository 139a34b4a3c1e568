"""One forward for the requests of several runs, timed and watched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from app.jobs import Job
from models.diffusion.sampler import Network, Request

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Told about the engine's own work, for metrics, from any lane."""

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


@dataclass
class Forward:
    """Who was answered what, who was not and why, and the seconds that it took."""

    answered: list[tuple[Job, Request, Any]] = field(default_factory=list)
    failed: list[tuple[Job, Exception]] = field(default_factory=list)
    seconds: float = 0.0


class Forwards:
    def __init__(self, observer: Observer, clock: Callable[[], float]) -> None:
        self._observer, self._clock = observer, clock

    def compute(self, net: Network, jobs: Sequence[Job], threads: int | None) -> Forward:
        """Answers the pending requests of ``jobs``. If that fails, each is tried alone, so that one
        visitor's impossible input does not end the runs of the others. ``threads``: for a network that
        can be told."""
        requests = [job.request for job in jobs if job.request is not None]
        use_threads = getattr(net, "use_threads", None)
        if use_threads is not None and threads is not None:
            use_threads(threads)
        forward, start = Forward(), self._clock()
        try:
            answers = self._answers(net, requests)
        except Exception as error:
            forward.seconds = self._clock() - start
            if len(jobs) == 1:
                forward.failed.append((jobs[0], error))
                return forward
            log.warning("a batch of %d for %s failed, trying each alone", len(jobs), net.name)
            for job in jobs:
                alone = self.compute(net, [job], threads)
                forward.answered += alone.answered
                forward.failed += alone.failed
                forward.seconds += alone.seconds
            return forward
        forward.seconds = self._clock() - start
        self._observe(net, requests, forward.seconds)
        forward.answered = list(zip(jobs, requests, answers, strict=True))
        return forward

    @staticmethod
    def _answers(net: Network, requests: Sequence[Request]) -> list[Any]:
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
