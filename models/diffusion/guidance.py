"""Classifier-free guidance with its own scale for every row (Ho & Salimans 2022, eq. 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Cond = Mapping[str, Tensor]


def guided(
    denoise: Callable[[Tensor, Tensor, Cond], Tensor],
    x: Tensor,
    sigma: Tensor,
    cond: Cond,
    null_cond: Cond,
    guidance_scale: Tensor,
) -> Tensor:
    """denoised = D_null + w (D_cond - D_null), in one forward.

    x: (B, ...); sigma, guidance_scale: (B,); cond, null_cond: the same keys, rows along the first axis.
    Rows with w = 1 need no unconditional pass and get none, so a batch pays only for those who guide.
    """
    weight = guidance_scale.to(x.device, torch.float32)
    extra = (weight != 1).nonzero().flatten()
    if len(extra) == 0:
        return denoise(x, sigma, cond)
    everyone = len(extra) == len(x)

    def picked(rows: Tensor) -> Tensor:
        return rows if everyone else rows[extra]

    both = {key: torch.cat([cond[key], picked(null_cond[key])]) for key in cond}
    out = denoise(torch.cat([x, picked(x)]), torch.cat([sigma, picked(sigma)]), both)
    conditional, null = out[: len(x)], out[len(x) :]
    scale = picked(weight).reshape(-1, *([1] * (x.ndim - 1)))
    steered = null + scale * (picked(conditional) - null)
    return steered if everyone else conditional.index_copy(0, extra, steered)
