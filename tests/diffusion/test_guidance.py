"""Guidance: 1 is conditional, rows have their own scale, and nobody pays for what he does not use."""

import torch

from models.diffusion.guidance import guided


class Net:
    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x, sigma, cond):
        self.rows.append(len(x))
        return x * sigma[:, None] + cond["c"]


def setup():
    torch.manual_seed(0)
    x, sigma = torch.randn(4, 3), torch.rand(4)
    return x, sigma, {"c": torch.randn(4, 3)}, {"c": torch.zeros(4, 3)}


def test_scale_one_is_conditional_and_costs_one_row_each() -> None:
    net = Net()
    x, sigma, cond, null = setup()
    out = guided(net, x, sigma, cond, null, torch.ones(4))
    assert torch.equal(out, Net()(x, sigma, cond))
    assert net.rows == [4]


def test_each_row_has_its_own_scale() -> None:
    net = Net()
    x, sigma, cond, null = setup()
    scale = torch.tensor([1.0, 0.0, 3.0, 1.0])
    out = guided(net, x, sigma, cond, null, scale)
    d_cond, d_null = Net()(x, sigma, cond), Net()(x, sigma, null)
    assert torch.allclose(out, d_null + scale[:, None] * (d_cond - d_null), atol=1e-6)
    assert net.rows == [6]  # two rows guide, two do not
