"""What the structure model is trained on. Masked means over the atoms that exist."""

from __future__ import annotations

import torch
from torch import Tensor

from models.alphafold3.geometry import align
from models.diffusion.precond import loss_weight

BOND_WEIGHT_CAP = 100.0


def aligned_truth(denoised: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """The truth laid rigidly onto the prediction, without gradient, in float32 (AF3 supplement 3.7.1).

    denoised, truth: (R, M, 3), mask: (R, M).
    """
    with torch.no_grad(), torch.autocast(denoised.device.type, enabled=False):
        return align(truth.float(), denoised.float(), mask)


def denoising_loss(
    denoised: Tensor, truth: Tensor, sigma: Tensor, sigma_data: Tensor, mask: Tensor
) -> Tensor:
    """lambda(sigma) x mean squared distance per coordinate. -> (R,)

    denoised and (aligned) truth: (R, M, 3) A; sigma, sigma_data: (R,) A; mask: (R, M).
    """
    weight = mask.float()
    square = ((denoised - truth) ** 2).mean(-1) * weight
    mean = square.sum(-1) / weight.sum(-1).clamp_min(1)
    return loss_weight(sigma, sigma_data) * mean


def distance_loss(
    denoised: Tensor,
    truth: Tensor,
    index: Tensor,
    index_mask: Tensor,
    sigma: Tensor,
    sigma_data: Tensor,
) -> Tensor:
    """Squared error of the distances to the atoms listed in ``index`` (bonded, or two bonds away). -> (R,)

    index: (R, M, n) slots, index_mask: (R, M, n). Weighted like the coordinates, but at most
    BOND_WEIGHT_CAP: below that level the coordinates themselves say all there is.
    """

    def distances(x: Tensor) -> Tensor:
        rows = torch.arange(len(x), device=x.device).view(-1, 1, 1)
        gap = x[rows, index] - x.unsqueeze(-2)
        return (gap.square().sum(-1) + 1e-6).sqrt()

    square = (distances(denoised) - distances(truth)) ** 2 * index_mask
    mean = square.sum((-1, -2)) / index_mask.sum((-1, -2)).clamp_min(1)
    return loss_weight(sigma, sigma_data).clamp_max(BOND_WEIGHT_CAP) * mean
