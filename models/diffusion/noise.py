"""Which noise a network was trained at. Sampling may leave that range; a run then says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from models.diffusion.training import lognormal_sigma

RARE = 1e-4  # share of training beyond an end of the range that is called trained


@dataclass(frozen=True)
class TrainedNoise:
    """The levels that a network saw in training: ln sigma ~ N(log_mean, log_std^2) (Karras et al. 2022,
    table 1). Training draws from it and nowhere else; a sampler's schedule is chosen freely."""

    log_mean: float
    log_std: float

    def times(self, factor: float) -> TrainedNoise:
        """The same in other units: sigma * factor."""
        return TrainedNoise(self.log_mean + math.log(factor), self.log_std)

    def draw(self, rows: int, device: torch.device | str = "cpu") -> Tensor:
        """Levels for a training batch (rows,), stratified."""
        return lognormal_sigma(rows, self.log_mean, self.log_std, device)

    def share_above(self, sigma: float) -> float:
        """Share of training at a higher level than sigma, 0 to 1."""
        z = (math.log(sigma) - self.log_mean) / self.log_std
        return 0.5 * math.erfc(z / math.sqrt(2))

    def share_below(self, sigma: float) -> float:
        return self.share_above(math.exp(2 * self.log_mean) / sigma)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest level that count as trained: all but RARE at either end."""
        z = NormalDist().inv_cdf(1 - RARE)
        return math.exp(self.log_mean - z * self.log_std), math.exp(
            self.log_mean + z * self.log_std
        )

    def data(self) -> dict[str, float]:
        """As clients are told, in the units of sigma."""
        low, high = self.range
        return {"low": low, "high": high, "log_mean": self.log_mean, "log_std": self.log_std}
