"""Levels against published numbers."""

import math

import pytest
import torch

from models.diffusion.schedule import (
    Schedule,
    af3,
    af3_churn,
    cosine,
    edm_churn,
    explicit,
    karras,
    linear,
    without_churn,
)


def test_karras_golden() -> None:
    # EDM's default: rho 7, 0.002 ... 80, 18 steps (Karras et al. 2022, table 1).
    sigmas = karras(18, 0.002, 80.0)
    assert sigmas.shape == (19,)
    assert sigmas.dtype == torch.float64
    assert sigmas[:3].tolist() == pytest.approx([80.0, 57.586, 40.786], abs=1e-3)
    assert sigmas[-3:].tolist() == pytest.approx([0.0075, 0.002, 0.0], abs=5e-5)


def test_af3_golden() -> None:
    # 16 * 160 and 16 * 4e-4 A; level 100 of the paper's 201-point formula is checked by formula.
    sigmas = af3(201)
    assert float(sigmas[0]) == pytest.approx(2560.0)
    assert float(sigmas[200]) == pytest.approx(0.0064)
    middle = 16 * (160 ** (1 / 7) + 0.5 * (4e-4 ** (1 / 7) - 160 ** (1 / 7))) ** 7
    assert float(sigmas[100]) == pytest.approx(middle)


def test_af3_churns_160_of_200_steps() -> None:
    # With the paper's 201 levels (no appended 0) 160 of 200 steps are churned.
    levels = af3(201)[:-1]
    schedule = af3_churn(torch.cat([levels[:-1], levels.new_zeros(1)]), 0.8, 1.0)
    assert int((schedule.gammas > 0).sum()) == 160
    assert set(schedule.gammas.tolist()) == {0.0, 0.8}


def test_af3_churn_looks_at_the_next_level_and_edm_at_the_current_one() -> None:
    sigmas = explicit([4.0, 2.0, 1.0])
    assert af3_churn(sigmas, 0.8, 1.5).gammas.tolist() == [0.8, 0.0, 0.0]
    assert edm_churn(sigmas, 0.3, 1.5).gammas.tolist() == pytest.approx([0.1, 0.1, 0.0])
    assert float(edm_churn(sigmas, 99.0).gammas[0]) == pytest.approx(math.sqrt(2) - 1)


def test_cosine_is_the_vp_cosine_in_edm_units() -> None:
    # alpha_bar = cos^2(angle); sigma = sqrt((1 - alpha_bar) / alpha_bar).
    sigmas = cosine(50, 0.01, 64.0)
    alpha_bar = torch.cos(torch.atan(sigmas[:-1])) ** 2
    assert torch.allclose(((1 - alpha_bar) / alpha_bar).sqrt(), sigmas[:-1])
    angles = torch.atan(sigmas[:-1])
    assert torch.allclose(angles[1:] - angles[:-1], (angles[1] - angles[0]).expand(49))


def test_linear_and_explicit() -> None:
    assert linear(3, 1.0, 3.0).tolist() == [3.0, 2.0, 1.0, 0.0]
    assert explicit([2, 1]).tolist() == explicit([2, 1, 0]).tolist() == [2.0, 1.0, 0.0]


@pytest.mark.parametrize("kind", [karras, cosine, linear])
@pytest.mark.parametrize("steps", [1, 2, 7, 200])
def test_every_schedule_falls_to_zero(kind, steps: int) -> None:
    schedule = without_churn(kind(steps, 0.01, 10.0))
    assert schedule.steps == steps
    assert float(schedule.sigmas[0]) == pytest.approx(10.0)
    assert float(schedule.sigmas[-1]) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: karras(0, 0.01, 1.0),
        lambda: karras(1001, 0.01, 1.0),
        lambda: karras(5, 2.0, 1.0),
        lambda: karras(5, 0.0, 1.0),
        lambda: karras(5, 0.1, math.inf),
        lambda: karras(5, math.nan, 1.0),
        lambda: explicit([]),
        lambda: without_churn(explicit([1.0, 2.0])),
        lambda: without_churn(explicit([1.0, math.nan])),
        lambda: without_churn(explicit([1.0, 1.0])),
        lambda: Schedule(explicit([2.0, 1.0]), torch.zeros(3)),
        lambda: Schedule(explicit([2.0, 1.0]), -torch.ones(2)),
    ],
)
def test_nonsense_is_refused(make) -> None:
    with pytest.raises(ValueError):
        make()
