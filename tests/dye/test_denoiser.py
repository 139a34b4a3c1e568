"""The exact denoiser is exact, and its drop is really traced back."""

import pytest
import torch

from models.diffusion.sampler import run
from models.dye.denoiser import exact_denoised
from models.dye.pipeline import PARTICLES, Dye
from models.dye.shapes import BLOB, SHAPES, centres
from models.pipeline import InputError, SampleSettings


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_have_unit_scale(name: str) -> None:
    points = centres(name)
    assert points.mean(0).abs().max() < 1e-5
    assert float((points.square().mean() + BLOB**2).sqrt()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_tweedie(sigma: float) -> None:
    """D(x) = x + sigma^2 grad log p(x; sigma), with the gradient taken by autograd."""
    means = centres("spiral").double()
    torch.manual_seed(0)
    x = torch.randn(1, 40, 2, dtype=torch.float64, requires_grad=True)
    variance = BLOB**2 + sigma**2
    log_p = torch.logsumexp(
        -(x.unsqueeze(2) - means).square().sum(-1) / (2 * variance), dim=-1
    ).sum()
    score = torch.autograd.grad(log_p, x)[0]
    exact = exact_denoised(x.detach(), torch.tensor([sigma], dtype=torch.float64), means)
    assert torch.allclose(exact, x.detach() + sigma**2 * score, atol=1e-9)


@pytest.mark.parametrize("sampler", ["euler", "heun", "ancestral"])
def test_samples_lie_on_the_shape(sampler: str) -> None:
    dye = Dye()
    plan = dye.parse({"shape": "helix"})
    settings = SampleSettings(
        seed=7,
        steps=60,
        sampler=sampler,
        schedule=dye.defaults.schedule,  # type: ignore[arg-type]
    )
    x = run(dye.run(plan, settings))
    assert x.shape == (1, PARTICLES, 2)
    nearest = torch.cdist(x[0], plan.means).min(1).values
    assert float(nearest.median()) < 2 * BLOB  # chance: about 0.4
    covered = torch.cdist(plan.means, x[0]).min(1).values
    assert float((covered < 0.2).float().mean()) > 0.95  # no part of the shape is missing


@pytest.mark.parametrize("bad", [{"shape": "duck"}, {"shape": 3}, {"form": "drop"}])
def test_bad_input_is_named(bad) -> None:
    with pytest.raises(InputError) as error:
        Dye().parse(bad)
    assert error.value.field.startswith("input.")
    assert "spiral" in error.value.accepted
