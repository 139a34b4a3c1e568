"""The sampler: a generator that never calls a network (sans-IO, as h11 is for HTTP).

It yields a :class:`Request` and is sent the denoised estimate; its return value is the sample. Who
answers is somebody else's business: :func:`run` answers at once (command line, tests, notebooks), the
server's engine answers the requests of many visitors with one forward. DDIM, EDM, DDPM and AlphaFold 3
are one loop with different numbers.

Because a suspended generator holds no ``no_grad`` block, the autograd mode belongs to whoever runs
the network, and a caller is never left in a mode it did not choose.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor

from models.diffusion.schedule import Schedule

SamplerName = Literal["euler", "heun", "ancestral", "af3"]
SAMPLERS: tuple[SamplerName, ...] = ("euler", "heun", "ancestral", "af3")

T = TypeVar("T")


class Network(Protocol):
    """Answers requests. The engine groups by ``(network, bucket)`` and knows nothing else about it."""

    name: str  # the stage's name on the page: "prior", "decoder", "atoms", ...
    sigma_data: float

    def bucket(self, request: Request) -> Hashable:
        """Requests with equal buckets may share one forward (for example: the same padded shape)."""
        ...

    def answer(self, requests: Sequence[Request]) -> list[Any]:
        """One forward for all rows of all requests; answer i has the rows of request i."""
        ...


def forward_of(net: Network) -> Network:
    """Who computes the network's forwards: itself, or the network that it names as ``through``. Several
    networks that are one inside (one set of weights, several scales) share their forwards that way."""
    through: Network = getattr(net, "through", net)
    return through


@dataclass(frozen=True)
class Request:
    """What a run asks for: "net, please look at x at this noise level"."""

    net: Network
    x: Tensor  # (S, ...) noisy state
    sigma: Tensor  # (S,) float64; zeros for a network without a noise level
    cond: Any = None  # whatever net needs
    step: int = 0
    steps: int = 0
    frame: bool = True  # False: an inner evaluation that is not worth a picture
    past: bool = False  # a frame of the run that this one branches from; nobody is shown it
    generators: Sequence[torch.Generator] = ()  # what the run still draws its noise from


Run = Generator[Request, Any, T]


def randn(shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Standard normal noise (S, *shape), sample k from generator k alone, so that a seed draws the
    same sample whoever shares the batch."""
    return torch.stack([torch.randn(*shape, generator=g) for g in generators])


def run(
    generator: Run[T],
    on_answer: Callable[[Request, Any], None] | None = None,
) -> T:
    """The direct driver: answers every request at once and returns the run's result."""
    answer = None
    while True:
        try:
            request = generator.send(answer)
        except StopIteration as stop:
            return stop.value
        with torch.inference_mode():
            answer = request.net.answer([request])[0]
        if on_answer is not None:
            on_answer(request, answer)


def sample(
    net: Network,
    shape: Sequence[int],
    schedule: Schedule,
    generators: Sequence[torch.Generator],
    cond: Any = None,
    *,
    sampler: SamplerName = "euler",
    noise_scale: float = 1.0,
    step_scale: float = 1.0,
    augment: Callable[[Tensor, Sequence[torch.Generator]], Tensor] | None = None,
    x_init: Tensor | None = None,
    start: Tensor | None = None,
) -> Run[Tensor]:
    """Walks ``schedule`` from noise to data and returns the samples (S, *shape) float32.

    - ``euler``: x + (sigma_next - sigma) d with d = (x - D) / sigma. With no churn this is DDIM
      (Song et al. 2021, eq. 13, in variance-exploding coordinates).
    - ``heun``: the same with EDM's second-order correction (Karras et al. 2022, algorithm 1; with
      gammas, algorithm 2).
    - ``ancestral``: DDPM's posterior step, D + noise of the posterior's variance (Ho et al. 2020, eq. 7).
    - ``af3``: Euler on the churned state, the step stretched by ``step_scale`` (Abramson et al. 2024,
      supplement, algorithm 18, with the numerator x_hat - D as in all public code).

    Churn (schedule.gammas) applies to all but ``ancestral``, which has its own noise. ``step_scale``
    stretches ``euler``, ``heun`` and ``af3`` alike; 1.0 is the unbiased step. ``x_init`` (S, *shape)
    starts from a given state plus noise instead of from noise. ``start`` (S, *shape) is a state of
    another run at the first level, as its frame showed it: moved and churned already, nothing is added
    (:mod:`models.diffusion.branch`). ``augment`` moves x before every step.
    Raises ValueError for an unknown sampler.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}, choose one of {', '.join(SAMPLERS)}")
    sigmas, gammas = schedule.sigmas, schedule.gammas
    rows, first = len(generators), schedule.first
    last = first + schedule.steps

    def ask(x: Tensor, sigma: Tensor, i: int, frame: bool = True) -> Request:
        return Request(
            net, x, sigma.repeat(rows), cond, first + i, last, frame, generators=generators
        )

    if start is not None:
        x = start
    else:
        x = randn(shape, generators) * float(sigmas[0])
        if x_init is not None:
            x = x + x_init
    for i in range(schedule.steps):
        sigma, sigma_next, gamma = sigmas[i], sigmas[i + 1], float(gammas[i])
        ready = start is not None and i == 0
        if augment is not None and not ready:
            x = augment(x, generators)

        if sampler == "ancestral":
            denoised = yield ask(x, sigma, i)
            # q(x_next | x, D): in these coordinates the posterior splits sigma_next^2 into the part
            # that is kept from x and the part that is drawn anew.
            down = sigma_next**2 / sigma
            up = (sigma_next**2 * (1 - (sigma_next / sigma) ** 2)).clamp_min(0).sqrt()
            x = denoised + (x - denoised) * float(down / sigma)
            if sigma_next > 0:
                x = x + noise_scale * float(up) * randn(shape, generators)
            continue

        sigma_hat = sigma * (1 + gamma)
        if gamma > 0 and not ready:
            added = (sigma_hat**2 - sigma**2).sqrt()
            x = x + noise_scale * float(added) * randn(shape, generators)
        denoised = yield ask(x, sigma_hat, i)
        slope = (x - denoised) / float(sigma_hat)
        dt = step_scale * float(sigma_next - sigma_hat)
        if sampler == "heun" and sigma_next > 0:
            ahead = x + dt * slope
            corrected = yield ask(ahead, sigma_next, i, frame=False)
            slope = (slope + (ahead - corrected) / float(sigma_next)) / 2
        x = x + dt * slope
    return x
