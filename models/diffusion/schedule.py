"""Noise schedules: functions that return the levels a sampler walks down.

A schedule is two float64 tensors: ``sigmas`` with N + 1 strictly falling levels, the last one 0, and
``gammas`` with N churn factors. The sampler reads the two tensors and never knows which function
made them, so a hand-drawn schedule is as good as a published one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_STEPS = 1000


@dataclass(frozen=True)
class Schedule:
    """Noise levels and churn of one run.

    sigmas: (N + 1,) float64, strictly falling, ``sigmas[-1] == 0``.
    gammas: (N,) float64, noise added back before step i: sigma_hat = sigma_i * (1 + gamma_i).
    first: number of the first step, above 0 where other steps came before it (:func:`resumed`).
    Raises ValueError if the levels do not fall to 0 or the shapes differ.
    """

    sigmas: Tensor
    gammas: Tensor
    first: int = 0

    def __post_init__(self) -> None:
        if self.sigmas.ndim != 1 or len(self.sigmas) < 2:
            raise ValueError("a schedule needs at least one noise level and the final 0")
        if not torch.isfinite(self.sigmas).all() or self.sigmas[-1] != 0:
            raise ValueError("sigmas must be finite and end in 0")
        if not (self.sigmas[1:] < self.sigmas[:-1]).all():
            raise ValueError("sigmas must fall strictly from noise to data")
        if self.gammas.shape != (len(self.sigmas) - 1,) or not (self.gammas >= 0).all():
            raise ValueError("gammas needs one factor >= 0 for every step")

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    def sigma_hat(self, step: int) -> float:
        """The level that the network sees at a step, churn included; steps count from ``first``."""
        i = step - self.first
        return float(self.sigmas[i] * (1 + float(self.gammas[i])))


def _end_in_zero(levels: Tensor) -> Tensor:
    return torch.cat([levels, levels.new_zeros(1)])


def _check(steps: int, sigma_min: float, sigma_max: float) -> None:
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps must be between 1 and {MAX_STEPS}, got {steps}")
    if not 0 < sigma_min <= sigma_max < math.inf:
        raise ValueError(f"need 0 < sigma_min <= sigma_max, got {sigma_min} and {sigma_max}")
    if steps > 1 and sigma_min == sigma_max:
        raise ValueError("sigma_min must be below sigma_max when there is more than one step")


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Levels evenly spaced in sigma^(1/rho), then 0 (Karras et al. 2022, eq. 5). -> (steps + 1,)"""
    _check(steps, sigma_min, sigma_max)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _end_in_zero((high + ramp * (low - high)) ** rho)


def af3(
    steps: int,
    sigma_data: float = 16.0,
    s_max: float = 160.0,
    s_min: float = 4e-4,
    rho: float = 7.0,
) -> Tensor:
    """AlphaFold 3's levels (Abramson et al. 2024, supplement, section 3.7.1), then 0. -> (steps + 1,)

    The paper's levels are the Karras ramp in units of sigma_data: 2560 A down to 0.0064 A. Published
    code ends them in three ways; ours appends 0 to the ``steps`` levels, as EDM does.
    """
    return karras(steps, sigma_data * s_min, sigma_data * s_max, rho)


def cosine(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Improved-DDPM's cosine schedule in EDM units: sigma = tan(angle) (Nichol & Dhariwal 2021, eq. 17).

    alpha_bar(t) = cos^2((t + s) / (1 + s) * pi / 2) gives sigma = sqrt(1 / alpha_bar - 1) = tan(...).
    The paper's offset s only fixes where t = 0 and t = 1 lie; here the angles of sigma_max and
    sigma_min do. -> (steps + 1,)
    """
    _check(steps, sigma_min, sigma_max)
    angles = torch.linspace(math.atan(sigma_max), math.atan(sigma_min), steps, dtype=torch.float64)
    return _end_in_zero(torch.tan(angles))


def linear(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Levels evenly spaced in sigma, then 0. -> (steps + 1,)"""
    _check(steps, sigma_min, sigma_max)
    return _end_in_zero(torch.linspace(sigma_max, sigma_min, steps, dtype=torch.float64))


def explicit(sigmas: Sequence[float]) -> Tensor:
    """A hand-drawn schedule: levels as given, a final 0 appended if it is missing."""
    if not 1 <= len(sigmas) <= MAX_STEPS + 1:
        raise ValueError(f"give between 1 and {MAX_STEPS} noise levels")
    levels = torch.tensor(list(sigmas), dtype=torch.float64)
    return levels if levels[-1] == 0 else _end_in_zero(levels)


def without_churn(sigmas: Tensor) -> Schedule:
    """A deterministic schedule: no noise is added back."""
    return Schedule(sigmas, torch.zeros(len(sigmas) - 1, dtype=torch.float64))


def edm_churn(
    sigmas: Tensor, s_churn: float, s_min: float = 0.0, s_max: float = math.inf
) -> Schedule:
    """EDM's churn: gamma = min(s_churn / N, sqrt(2) - 1) where the *current* level lies in
    [s_min, s_max] (Karras et al. 2022, algorithm 2)."""
    steps = len(sigmas) - 1
    current = sigmas[:-1]
    gamma = min(s_churn / steps, math.sqrt(2) - 1)
    return Schedule(sigmas, gamma * ((current >= s_min) & (current <= s_max)).double())


def af3_churn(sigmas: Tensor, gamma_0: float = 0.8, gamma_min: float = 1.0) -> Schedule:
    """AlphaFold 3's churn: gamma_0 where the *next* level exceeds gamma_min (supplement, algorithm 18,
    line 3). gamma_min is in the units of sigma."""
    return Schedule(sigmas, gamma_0 * (sigmas[1:] > gamma_min).double())


def resumed(whole: Schedule, before: Schedule, step: int) -> Schedule:
    """What is left of ``whole`` for a run that goes on from step ``step`` of a run along ``before``: that
    step's own level and churn, then all levels of ``whole`` below it. With equal schedules it is the
    rest of them. Steps count on. Raises IndexError for a step that ``before`` does not have."""
    i = step - before.first
    if not 0 <= i < before.steps:
        raise IndexError(f"there are steps {before.first} to {before.first + before.steps - 1}")
    level = before.sigmas[i : i + 1]
    below = whole.sigmas < level
    return Schedule(
        torch.cat([level, whole.sigmas[below]]),
        torch.cat([before.gammas[i : i + 1], whole.gammas[below[:-1]]]),
        step,
    )
