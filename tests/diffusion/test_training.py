"""The trainer learns, resumes where it stopped, and refuses to train on NaN."""

import json
import math

import pytest
import torch
from torch import nn

from models.diffusion.precond import Precond
from models.diffusion.training import (
    TrainConfig,
    denoising_loss,
    fit,
    lognormal_sigma,
    lr_factor,
)

SIGMA_DATA = 0.6


class Affine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 2))

    def forward(self, x, c_noise):
        return self.net(torch.cat([x, c_noise[:, None]], 1))


def batches(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(64, 2, generator=generator) * SIGMA_DATA + torch.tensor([1.0, -1.0])


def loss_fn(module):
    def loss(batch):
        sigma = lognormal_sigma(len(batch), -1.0, 1.2)
        noisy = batch + sigma[:, None] * torch.randn_like(batch)
        rows = denoising_loss(module(noisy, sigma), batch, sigma, SIGMA_DATA)
        return {"loss": rows.mean()}

    return loss


def train(out, steps: int, module=None, config=None):
    torch.manual_seed(0)
    module = module or Precond(Affine(), SIGMA_DATA)
    saved = []
    state = fit(
        config or TrainConfig(lr=3e-3, max_steps=steps, warmup_steps=5, ema=0.95, log_every=10),
        module,
        loss_fn(module),
        batches(),
        out,
        lambda state, info: saved.append(info),
        progress=False,
    )
    return module, state, saved


def test_loss_falls_by_half(tmp_path) -> None:
    train(tmp_path, 150)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.5 * log[0]["loss"]
    assert log[-1]["step"] == 150


def test_resumes_and_stops_at_the_same_total(tmp_path) -> None:
    train(tmp_path, 20)
    _, _, saved = train(tmp_path, 50)
    assert saved[-1]["step"] == 50
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [10, 20, 30, 40, 50]


def test_ema_lags_behind_the_weights(tmp_path) -> None:
    module, state, _ = train(tmp_path, 30)
    assert set(state) == set(module.state_dict())
    assert any(not torch.equal(state[k], v) for k, v in module.state_dict().items())


def test_nan_is_an_error(tmp_path) -> None:
    module = Precond(Affine(), SIGMA_DATA)
    with pytest.raises(FloatingPointError, match="step 0"):
        fit(
            TrainConfig(max_steps=3),
            module,
            lambda batch: {"loss": module(batch, torch.ones(64)).sum() * math.nan},
            batches(),
            tmp_path,
            lambda state, info: None,
            progress=False,
        )


def test_lognormal_sigma_has_the_asked_moments() -> None:
    torch.manual_seed(0)
    log = lognormal_sigma(20_000, -1.2, 1.5).log()
    assert float(log.mean()) == pytest.approx(-1.2, abs=0.02)
    assert float(log.std()) == pytest.approx(1.5, abs=0.02)


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    config = TrainConfig(max_steps=1000, warmup_steps=10, decay_from=0.5)
    assert lr_factor(0.0, 0, config) == pytest.approx(0.1)
    assert lr_factor(0.4, 400, config) == 1
    assert lr_factor(1.0, 1000, config) == pytest.approx(0)


def test_an_endless_run_is_refused() -> None:
    with pytest.raises(ValueError, match="bound"):
        TrainConfig()
