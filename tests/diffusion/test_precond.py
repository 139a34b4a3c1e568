"""EDM's identities."""

import pytest
import torch
from torch import nn

from models.diffusion.precond import Precond, loss_weight, scalings


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 16.0])
def test_identities(sigma_data: float) -> None:
    sigma = torch.logspace(-4, 3, 30, dtype=torch.float64)
    c_skip, c_out, c_in, c_noise = scalings(sigma, sigma_data)
    one = torch.ones_like(sigma)
    assert torch.allclose(loss_weight(sigma, sigma_data) * c_out**2, one)
    assert torch.allclose(c_in**2 * (sigma**2 + sigma_data**2), one)  # unit variance in
    # The effective target (y - c_skip x) / c_out has unit variance for x = y + sigma * noise.
    variance = ((1 - c_skip) * sigma_data) ** 2 + (c_skip * sigma) ** 2
    assert torch.allclose(variance / c_out**2, one)
    assert torch.allclose(c_noise, (sigma / sigma_data).log() / 4)


class Recorder(nn.Module):
    def forward(self, x, c_noise, scale=None):
        self.seen = x, c_noise
        return x.bfloat16()


def test_rows_keep_their_own_level() -> None:
    net = Recorder()
    precond = Precond(net, 0.5)
    x, sigma = torch.randn(3, 2, 4), torch.tensor([0.1, 1.0, 50.0])
    out = precond(x, sigma)
    assert out.dtype == torch.float32
    for k in range(3):
        alone = precond(x[k : k + 1], sigma[k : k + 1])
        assert torch.equal(alone[0], out[k])
    by_row = precond(x, sigma, sigma_data=torch.tensor([0.5, 0.5, 9.0]))
    assert torch.equal(by_row[:2], out[:2])
    assert not torch.allclose(by_row[2], out[2])


def test_low_noise_returns_x() -> None:
    x = torch.randn(2, 5)
    assert torch.allclose(Precond(Recorder(), 1.0)(x, torch.full((2,), 1e-4)), x, atol=1e-3)


def test_sigma_data_must_be_positive() -> None:
    with pytest.raises(ValueError):
        Precond(Recorder(), 0.0)
