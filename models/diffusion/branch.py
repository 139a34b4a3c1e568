"""A run that goes on from a frame of another run.

The other run is driven again up to that frame, unseen: its requests are passed on as what they are, so
whoever answers them need not know. What is caught there is all that the sampler has at that moment: the
state, its noise level, the estimate, and the generators that the rest of the noise comes from. Going on
from it with the same settings therefore gives the other run's sample again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from models.diffusion.sampler import Request, Run, randn

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """A run at one of its frames. x, denoised: (S, ...); sigma: level of x; generators: one per row,
    as they are after everything that made x; cond: what the network was asked with."""

    x: Tensor
    sigma: float
    denoised: Tensor
    generators: Sequence[torch.Generator]
    cond: Any = None

    def renewed(self, generators: Sequence[torch.Generator], centre: Tensor | None = None) -> State:
        """Another state with the same estimate: denoised + sigma * new noise, the forward process from
        it. ``centre``: where that process puts the estimate at this level, if not on itself."""
        noise = self.sigma * randn(self.x.shape[1:], generators)
        x = (self.denoised.float() if centre is None else centre) + noise
        return replace(self, x=x, generators=generators)


def unseen(run: Run[T]) -> Run[T]:
    """The same run and result; of its frames nobody is shown any."""
    answer = None
    try:
        while True:
            answer = yield _unseen(run.send(answer))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        run.close()


def reach(run: Run[Any], stage: str, step: int) -> Run[State]:
    """Drives another run, unseen, until the frame of this stage and step is answered, and ends it there.
    Raises LookupError when it has no such frame."""
    answer = None
    try:
        while True:
            request = run.send(answer)
            answer = yield _unseen(request)
            if request.frame and (request.net.name, request.step) == (stage, step):
                sigma = float(request.sigma[0])
                return State(request.x, sigma, answer, request.generators, request.cond)
    except StopIteration as stop:
        raise LookupError(f"the run has no step {step} of {stage}") from stop
    finally:
        run.close()


def _unseen(request: Request) -> Request:
    return replace(request, frame=False, past=request.past or request.frame)
