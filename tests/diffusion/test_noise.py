"""Which noise training saw, and what a schedule that leaves it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch

from models.diffusion.noise import RARE, TrainedNoise
from models.diffusion.schedule import Schedule, af3_churn, karras, without_churn
from models.pipeline import outside_training, stage_data

NOISE = TrainedNoise(-1.2, 1.5)
DOUBLED = NOISE.times(2.0)


@dataclass
class Net:
    name: str = "atoms"
    sigma_data: float = 2.0
    trained: TrainedNoise | None = DOUBLED


def test_shares_are_those_of_what_is_drawn() -> None:
    torch.manual_seed(0)
    drawn = NOISE.draw(200_000)
    for sigma in (0.02, 0.3, 4.0):
        share = float((drawn > sigma).float().mean())
        assert NOISE.share_above(sigma) == pytest.approx(share, abs=2e-3)
        assert NOISE.share_below(sigma) + NOISE.share_above(sigma) == pytest.approx(1)
    low, high = NOISE.range
    assert NOISE.share_above(high) == pytest.approx(RARE)
    assert NOISE.share_below(low) == pytest.approx(RARE)
    assert math.log(low) + math.log(high) == pytest.approx(2 * NOISE.log_mean)
    ratio = float(NOISE.times(5).draw(50_000).median() / drawn.median())
    assert ratio == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize(
    ("sigmas", "said"),
    [
        (karras(20, 0.01, 60.0), []),
        (karras(20, 0.01, 600.0), ["600 Å, lies above 99.9997 % of what training saw"]),
        (karras(20, 1e-5, 60.0), ["1e-05 Å, lies below all of what training saw"]),
    ],
)
def test_a_schedule_beyond_training_is_told(sigmas: torch.Tensor, said: list[str]) -> None:
    notes = outside_training(Net(), "Å", without_churn(sigmas))
    assert len(notes) == len(said)
    for note, part in zip(notes, said, strict=True):
        assert part in note


def test_churn_counts() -> None:
    sigmas = karras(20, 0.01, 150.0)
    assert outside_training(Net(), "Å", without_churn(sigmas)) == []
    (note,) = outside_training(Net(), "Å", af3_churn(sigmas, 0.8, 1.0))
    assert "270 Å" in note


def test_what_is_exact_everywhere_has_no_range() -> None:
    schedule = Schedule(torch.tensor([1e6, 0.0]).double(), torch.zeros(1).double())
    assert outside_training(Net(trained=None), "Å", schedule) == []
    assert "trained" not in stage_data(Net(trained=None), "Å")
    told = stage_data(Net(), "Å", schedule)
    assert told["sigmas"] == [1e6, 0.0] and told["trained"]["low"] < 1 < told["trained"]["high"]
