"""What the structure model is trained on. Masked means over the atoms that exist."""

from __future__ import annotations

import torch
from torch import Tensor

from models.alphafold3.geometry import align
from models.alphafold3.trunk import DISTANCE_EDGES
from models.diffusion.precond import loss_weight

BOND_WEIGHT_CAP = 100.0
HAND_MARGIN = 0.5
QUADRUPLES, SPAN = 32, 10


def aligned_truth(denoised: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """The truth laid rigidly onto the prediction, without gradient, in float32 (AF3 supplement 3.7.1).

    denoised, truth: (R, M, 3), mask: (R, M).
    """
    with torch.no_grad(), torch.autocast(denoised.device.type, enabled=False):
        return align(truth.float(), denoised.float(), mask)


def denoising_loss(
    denoised: Tensor, truth: Tensor, sigma: Tensor, sigma_data: Tensor, weight: Tensor
) -> Tensor:
    """lambda(sigma) x weighted mean squared distance per coordinate. -> (R,)

    denoised and (aligned) truth: (R, M, 3) A; sigma, sigma_data: (R,) A; weight: (R, M), 0 where no
    atom is.
    """
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


def _triple_product(ways: Tensor) -> Tensor:
    """a . (b x c) of the unit vectors along three ways. (..., 3, 3) -> (...)"""
    a, b, c = torch.nn.functional.normalize(ways.float(), dim=-1, eps=1e-3).unbind(-2)
    return (a * torch.linalg.cross(b, c)).sum(-1)


def hand_loss(denoised: Tensor, handed: Tensor, known: Tensor) -> Tensor:
    """How far stereocentres are from their hand. -> scalar

    The triple product of the unit vectors from a centre to three neighbours is 0.77 in a tetrahedron of
    the right hand and -0.77 in its mirror image; below HAND_MARGIN its shortfall is squared. Unlike the
    coordinates' loss this does not fade at high noise, where the side is taken: a centre with four heavy
    neighbours cannot change it later. denoised: (R, M, 3), handed: (R, M, n, 3) slots, known: (R, M, n),
    1 for the planes of stereocentres.
    """
    row, atom, plane = known.nonzero(as_tuple=True)
    if len(row) == 0:
        return denoised.sum() * 0.0
    ways = denoised[row[:, None], handed[row, atom, plane]] - denoised[row, atom].unsqueeze(-2)
    return (HAND_MARGIN - _triple_product(ways)).clamp_min(0).square().mean()


def turn_loss(denoised: Tensor, truth: Tensor, present: Tensor) -> Tensor:
    """Whether the course of a chain turns the way it should, over short random stretches. -> scalar

    For QUADRUPLES random choices of four tokens within SPAN of each other, the triple product of the
    unit vectors from the first to the others, which changes sign in a mirror, against that of the truth.
    Like :func:`hand_loss` it weighs the same at every noise level: at high noise the squared error is
    content with the mirror image of a helix, and later none can turn round. denoised, truth: (R, T, 3)
    A, the tokens' representative atoms, present: (R, T).
    """
    rows, tokens, _ = truth.shape
    if tokens < 4:
        return denoised.sum() * 0.0
    span = min(SPAN, tokens)
    start = torch.randint(tokens - span + 1, (rows, QUADRUPLES, 1), device=truth.device)
    order = torch.rand(rows, QUADRUPLES, span, device=truth.device).argsort(-1)[..., :4]
    chosen = start + order.sort(-1).values  # (R, Q, 4)
    row = torch.arange(rows, device=truth.device)[:, None, None]
    known = present[row, chosen].all(-1).float()

    def product(x: Tensor) -> Tensor:
        corners = x.float()[row, chosen]
        return _triple_product(corners[..., 1:, :] - corners[..., :1, :])

    square = (product(denoised) - product(truth)).square() * known
    return square.sum() / known.sum().clamp_min(1)


def distogram_loss(logits: Tensor, truth: Tensor, present: Tensor) -> Tensor:
    """Cross-entropy of the binned distances between the tokens' representative atoms. -> scalar

    logits: (B, T, T, bins); truth: (B, T, 3) A of those atoms, present: (B, T) which exist (AF3
    supplement 4.4).
    """
    edges = torch.tensor(DISTANCE_EDGES, device=truth.device)
    bins = torch.bucketize(torch.cdist(truth.float(), truth.float()), edges)
    both = (present[:, :, None] & present[:, None, :]).float()
    entropy = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 2), bins.flatten(), reduction="none"
    )
    return (entropy * both.flatten()).sum() / both.sum().clamp_min(1)
