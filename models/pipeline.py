"""What a pipeline is: text or molecule in, a generator of requests out, and a view of its frames.

A pipeline composes samplers (``yield from``); it neither knows a web server nor runs a network itself.
The application reads its settings and examples, parses input through it, drives :meth:`Pipeline.run`
and shows every answered request through one :class:`View`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from models.diffusion.noise import RARE
from models.diffusion.sampler import Request, Run, SamplerName
from models.diffusion.schedule import (
    Schedule,
    af3,
    af3_churn,
    cosine,
    explicit,
    karras,
    linear,
    without_churn,
)

T = TypeVar("T")

SCHEDULE_KINDS = ("karras", "af3", "cosine", "linear", "explicit")

# Bounds of the settings that mean the same in every pipeline; each adds those in its own units.
SAMPLER_BOUNDS: Mapping[str, tuple[float, float]] = {
    "rho": (1, 20),
    "gamma_0": (0, 2),
    "noise_scale": (0, 2),
    "step_scale": (0.5, 2),
}


class InputError(ValueError):
    """Something a visitor typed cannot be used.

    field: dotted path as the client sent it, for example ``input.prompt`` or ``settings.steps``;
    message: what is wrong with it; accepted: what would have been accepted.
    """

    def __init__(self, field: str, message: str, accepted: str) -> None:
        super().__init__(f"{field}: {message} (accepted: {accepted})")
        self.field = field
        self.message = message
        self.accepted = accepted


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule as settings name it. Levels are in the native units of the stage (A or pixel RMS).

    ``af3`` is the Karras ramp with the published ends taken relative to the stage's own sigma_data
    (160 and 0.0004 times), so it ignores sigma_max, sigma_min and rho. ``explicit`` needs ``sigmas``.
    """

    kind: str = "karras"
    sigma_max: float = 80.0
    sigma_min: float = 0.002
    rho: float = 7.0
    sigmas: tuple[float, ...] | None = None

    def levels(self, steps: int, sigma_data: float) -> Tensor:
        """-> (steps + 1,) float64 ending in 0. Raises ValueError when the numbers make no schedule."""
        if self.kind == "explicit":
            if self.sigmas is None:
                raise ValueError("an explicit schedule needs sigmas")
            return explicit(self.sigmas)
        if self.kind == "af3":
            return af3(steps, sigma_data)
        if self.kind == "karras":
            return karras(steps, self.sigma_min, self.sigma_max, self.rho)
        if self.kind == "cosine":
            return cosine(steps, self.sigma_min, self.sigma_max)
        if self.kind == "linear":
            return linear(steps, self.sigma_min, self.sigma_max)
        raise ValueError(
            f"unknown schedule {self.kind!r}, choose one of {', '.join(SCHEDULE_KINDS)}"
        )


@dataclass(frozen=True)
class SampleSettings:
    """Every setting of a run, resolved. ``gamma_0``/``gamma_min`` are AF3's churn (0 turns it off);
    ``temperature`` and ``top_k`` are for pipelines that draw tokens. :func:`used_settings` says which
    of them mean something to a pipeline."""

    seed: int = 0
    steps: int = 20
    samples: int = 1
    guidance_scale: float = 1.0
    sampler: SamplerName = "euler"
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    gamma_0: float = 0.0
    gamma_min: float = 0.0
    noise_scale: float = 1.0
    step_scale: float = 1.0
    temperature: float = 1.0
    top_k: int = 1

    def build_schedule(self, sigma_data: float) -> Schedule:
        """The main stage's levels and churn. Churn is off for the ``ancestral`` sampler."""
        levels = self.schedule.levels(self.steps, sigma_data)
        if self.gamma_0 > 0 and self.sampler != "ancestral":
            return af3_churn(levels, self.gamma_0, self.gamma_min)
        return without_churn(levels)


def stage_data(net: Any, unit: str, schedule: Schedule | None = None) -> dict[str, Any]:
    """A stage as clients are told: name, sigma_data, unit, what its network saw in training (``trained``:
    low, high, log_mean and log_std of sigma in ``unit``; absent where that is not known or everything is
    exact) and, of a run, its ``sigmas``."""
    trained = getattr(net, "trained", None)
    return {
        "name": net.name,
        "sigma_data": net.sigma_data,
        **(
            {}
            if schedule is None
            else {"sigmas": schedule.sigmas.tolist(), "first": schedule.first}
        ),
        "unit": unit,
        **({} if trained is None else {"trained": trained.data()}),
    }


def outside_training(net: Any, unit: str, schedule: Schedule) -> list[str]:
    """Sentences about a schedule that leaves the noise its network was trained at; none if it stays."""
    trained = getattr(net, "trained", None)
    if trained is None:
        return []
    first, last = float(schedule.sigmas[0] * (1 + schedule.gammas[0])), float(schedule.sigmas[-2])
    notes = []
    if trained.share_above(first) < RARE:
        share = _percent(1 - trained.share_above(first))
        notes.append(
            f"The first noise level, {first:.3g} {unit}, lies above {share} of what training saw."
        )
    if trained.share_below(last) < RARE:
        share = _percent(1 - trained.share_below(last))
        notes.append(
            f"The last noise level, {last:.3g} {unit}, lies below {share} of what training saw."
        )
    return notes


def _percent(share: float) -> str:
    """So many nines that it is not rounded up to all: 99.9996 %."""
    if share >= 1 - 1e-9:
        return "all"
    digits = max(0, math.ceil(-math.log10(1 - share)) - 2)
    return f"{math.floor(share * 10 ** (digits + 2)) / 10**digits:.{digits}f} %"


DIFFUSION_SETTINGS = frozenset(f.name for f in fields(SampleSettings)) - {"temperature", "top_k"}


def used_settings(pipeline: Pipeline) -> frozenset[str]:
    """Names of the settings that a pipeline uses; the others are neither listed nor accepted. A pipeline
    that draws by something else than diffusion names its own in ``uses``."""
    return getattr(pipeline, "uses", DIFFUSION_SETTINGS)


def sample_generators(seed: int, samples: int, stream: int = 0) -> list[torch.Generator]:
    """One ``torch.Generator`` per sample. Sample k of a seed is the same however many are drawn and
    whoever shares the batch; ``stream`` separates the stages of one pipeline."""
    seeds = [
        np.random.SeedSequence([seed, stream, k]).generate_state(1, np.uint64)[0]
        for k in range(samples)
    ]
    return [torch.Generator().manual_seed(int(s) & (2**63 - 1)) for s in seeds]


def counted(run: Run[T], calls: dict[str, int]) -> Run[T]:
    """The same run; adds to ``calls`` how many forwards it asked of each network, by its name."""
    answer = None
    try:
        while True:
            request = run.send(answer)
            calls[request.net.name] = calls.get(request.net.name, 0) + 1
            answer = yield request
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        run.close()


@dataclass(frozen=True)
class Frame:
    """One picture of a run. x, denoised: presentable arrays of equal shape (see the HTTP contract);
    a leading samples axis only when there are several. sigma and sigma_data are None where nothing is
    denoised, as in a picture that is drawn token by token."""

    stage: str
    step: int
    steps: int
    sigma: float | None
    sigma_data: float | None
    x: np.ndarray
    denoised: np.ndarray

    @property
    def sigma_over_data(self) -> float | None:
        """The place on the shared noise axis."""
        if self.sigma is None or self.sigma_data is None:
            return None
        return self.sigma / self.sigma_data

    @property
    def log_snr(self) -> float | None:
        """ln(signal variance / noise variance); +inf never occurs, frames have sigma > 0."""
        if self.sigma is None or self.sigma_data is None:
            return None
        return 2 * math.log(self.sigma_data / self.sigma)


class View(Protocol):
    """Turns answered requests into frames; one per run, sees every frame request once and in order."""

    def frame(self, request: Request, denoised: Any) -> Frame:
        """``denoised`` is the answer: the estimate, or whatever the pipeline's own network answers."""
        ...

    def done(self, result: Any) -> dict[str, Any]:
        """Data of the ``done`` event: ``sample`` (array), ``settling`` (curves), scores, notes.
        Values are JSON-able or numpy arrays."""
        ...


class Plan(Protocol):
    """A parsed input, immutable. ``notes`` are sentences for the visitor: words that were not
    understood, a size beyond the trained range."""

    @property
    def notes(self) -> tuple[str, ...]: ...


class Pipeline(Protocol):
    """See the module docstring. Construction loads checkpoints and raises CheckpointError."""

    id: str
    title: str
    defaults: SampleSettings
    bounds: Mapping[str, tuple[float, float]]  # inclusive, per numeric setting
    samplers: tuple[SamplerName, ...]
    checkpoints: Mapping[str, str]  # file name -> fingerprint

    @property
    def examples(self) -> Sequence[Mapping[str, Any]]:
        """{"label", "input"} each; the first one is shown first."""
        ...

    def parse(self, input: Mapping[str, Any]) -> Any:
        """-> Plan. Raises InputError with a field path below ``input.``"""
        ...

    def start(self, plan: Any, settings: SampleSettings) -> dict[str, Any]:
        """Data of the ``start`` event: ``stages`` [{name, sigma_data, sigmas, unit}], ``notes`` and, for
        molecules, ``atoms``, ``bonds``, ``chains``. Raises InputError for settings that do not fit."""
        ...

    def run(self, plan: Any, settings: SampleSettings) -> Run[Any]: ...

    def view(self, plan: Any, settings: SampleSettings) -> View: ...

    def warm_up(self) -> None:
        """One small forward per network and common shape, so that the first visitor does not wait."""
        ...


def default_samples(pipeline: Pipeline, plan: Any) -> int:
    """How many samples a run gets when nobody says: the pipeline's default, unless the plan is worth
    looking at only with several."""
    return getattr(plan, "default_samples", None) or pipeline.defaults.samples


@runtime_checkable
class Drawn(Protocol):
    """A pipeline of pictures that can show what its networks learned from."""

    def concept_map(self) -> Mapping[str, Any] | None:
        """The concepts in the plane: ``points`` [{label, group, x, y}], and the linear ``projection``,
        ``mean`` and ``scale`` that put them there. None if it does not fit the checkpoints."""
        ...

    def drawing(self, index: int) -> np.ndarray | None:
        """A training drawing, (H, W, 3) uint8; None if they do not fit the checkpoints. Raises
        IndexError."""
        ...
