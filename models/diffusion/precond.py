"""EDM preconditioning: turns a raw network F into a denoiser D (Karras et al. 2022, eq. 7, table 1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Scalings(NamedTuple):
    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def scalings(sigma: Tensor, sigma_data: float | Tensor) -> Scalings:
    """The four coefficients at noise level ``sigma`` (any shape; sigma_data broadcasts against it).

    c_noise is ln(sigma / sigma_data) / 4, as in AlphaFold 3, so that vectors, pixels and atoms show a
    network the same range; EDM's own table uses ln(sigma) / 4.
    """
    total = sigma**2 + sigma_data**2
    return Scalings(
        c_skip=sigma_data**2 / total,
        c_out=sigma * sigma_data / total.sqrt(),
        c_in=1 / total.sqrt(),
        c_noise=(sigma / sigma_data).clamp_min(1e-20).log() / 4,
    )


def loss_weight(sigma: Tensor, sigma_data: float | Tensor) -> Tensor:
    """lambda(sigma) = (sigma^2 + sigma_data^2) / (sigma * sigma_data)^2, so that lambda * c_out^2 = 1.

    AlphaFold 3's supplement prints a sum in the denominator (eq. 6); only the product form keeps the
    effective weight of the raw network's output at 1 for every level.
    """
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def rows(value: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, ..., 1) float32, ready to multiply ``like`` of shape (B, ...)."""
    return value.to(like.device, torch.float32).reshape(-1, *([1] * (like.ndim - 1)))


class Precond(nn.Module):
    """D(x; sigma) = c_skip x + c_out F(c_in x, c_noise).

    The wrapped network is called as ``network(c_in * x, c_noise, *args, **cond)`` with x (B, ...) and
    c_noise (B,) and returns something shaped like x. It may autocast inside; everything here stays in
    float32, because at low noise c_skip x carries the answer and bf16 would blur it.
    """

    def __init__(self, network: nn.Module, sigma_data: float) -> None:
        super().__init__()
        if not sigma_data > 0:
            raise ValueError(f"sigma_data must be positive, got {sigma_data}")
        self.network = network
        self.sigma_data = float(sigma_data)

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        *args: Any,
        sigma_data: Tensor | None = None,  # (B,) when rows of one batch have different scales
        **cond: Any,
    ) -> Tensor:
        x = x.float()
        sigma = sigma.to(x.device, torch.float32)
        scale = scalings(sigma, self.sigma_data if sigma_data is None else sigma_data.to(sigma))
        raw = self.network(rows(scale.c_in, x) * x, scale.c_noise, *args, **cond)
        return rows(scale.c_skip, x) * x + rows(scale.c_out, x) * raw.float()
