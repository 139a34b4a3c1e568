"""Rigid motions and the distances between structures. Everything in float32 or better, A."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LDDT_CUTOFF = 15.0  # A; pairs further apart in the truth do not count
LDDT_LIMITS = (0.5, 1.0, 2.0, 4.0)  # A, of the errors that still count as right


def centre(x: Tensor, mask: Tensor) -> Tensor:
    """Moves the mean of the present atoms to the origin. x: (..., M, 3), mask: (..., M) -> (..., M, 3)"""
    weight = mask.to(x.dtype).unsqueeze(-1)
    mean = (x * weight).sum(-2, keepdim=True) / weight.sum(-2, keepdim=True).clamp_min(1)
    return (x - mean) * weight


def rotations_from(normals: Tensor) -> Tensor:
    """Two Gaussian vectors each -> uniform proper rotations by Gram-Schmidt.

    normals: (..., 2, 3) -> (..., 3, 3), as AlphaFold 3's random augmentation does.
    """
    first = torch.nn.functional.normalize(normals[..., 0, :], dim=-1)
    second = normals[..., 1, :]
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


def augment(x: Tensor, generators: Sequence[torch.Generator], translation: float = 1.0) -> Tensor:
    """Centre, rotate, shift by N(0, translation A): before every step of the sampler (Abramson et al.
    2024, supplement, algorithm 19). x: (S, M, 3), row k moved by generator k."""
    draws = torch.stack([torch.randn(3, 3, generator=g) for g in generators])
    rotation = rotations_from(draws[:, :2])
    shift = draws[:, 2:] * translation
    return (x - x.mean(-2, keepdim=True)) @ rotation.transpose(-1, -2) + shift


def rigid_fit(moving: Tensor, fixed: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation and shift that bring ``moving`` onto ``fixed`` with the least squared distance.

    Kabsch's algorithm with the determinant corrected, so that a mirror image is never used.
    moving, fixed: (..., M, 3), mask: (..., M) -> (..., 3, 3), (..., 1, 3); apply as
    ``moving @ rotation.transpose(-1, -2) + shift``.
    """
    weight = mask.to(moving.dtype).unsqueeze(-1)
    total = weight.sum(-2, keepdim=True).clamp_min(1)
    mean_moving = (moving * weight).sum(-2, keepdim=True) / total
    mean_fixed = (fixed * weight).sum(-2, keepdim=True) / total
    covariance = ((moving - mean_moving) * weight).transpose(-1, -2) @ (fixed - mean_fixed)
    u, _, vh = torch.linalg.svd(covariance.double())
    v, ut = vh.transpose(-1, -2), u.transpose(-1, -2)
    sign = torch.linalg.det(v @ ut).sign()
    flip = torch.ones(*sign.shape, 3, dtype=torch.float64, device=sign.device)
    flip[..., 2] = torch.where(sign == 0, torch.ones_like(sign), sign)
    rotation = ((v * flip.unsqueeze(-2)) @ ut).to(moving.dtype)
    return rotation, mean_fixed - mean_moving @ rotation.transpose(-1, -2)


def align(moving: Tensor, fixed: Tensor, mask: Tensor) -> Tensor:
    """``moving`` laid onto ``fixed``: shapes as in :func:`rigid_fit` -> (..., M, 3)"""
    rotation, shift = rigid_fit(moving, fixed, mask)
    return moving @ rotation.transpose(-1, -2) + shift


def rmsd(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Root mean square distance after alignment. (..., M, 3) twice, (..., M) -> (...)"""
    weight = mask.to(a.dtype)
    square = ((align(a, b, mask) - b) ** 2).sum(-1) * weight
    return (square.sum(-1) / weight.sum(-1).clamp_min(1)).sqrt()


def lddt(predicted: Tensor, true: Tensor, mask: Tensor, cutoff: float = LDDT_CUTOFF) -> Tensor:
    """Local distance difference test (Mariani et al. 2013), all atoms given, 0..1.

    Share of pairs closer than ``cutoff`` A in the truth whose distance is reproduced within 0.5, 1, 2
    and 4 A, averaged over the four. (..., M, 3) twice, (..., M) -> (...)
    """
    d_true = torch.cdist(true.float(), true.float())
    d_predicted = torch.cdist(predicted.float(), predicted.float())
    both = mask.unsqueeze(-1) & mask.unsqueeze(-2)
    both = both & ~torch.eye(mask.shape[-1], dtype=torch.bool, device=mask.device)
    pairs = (both & (d_true < cutoff)).float()
    gap = (d_true - d_predicted).abs()
    kept = sum((gap < limit).float() for limit in LDDT_LIMITS) / len(LDDT_LIMITS)
    return (kept * pairs).sum((-1, -2)) / pairs.sum((-1, -2)).clamp_min(1)


def lddt_by_atom(
    predicted: Tensor, true: Tensor, token: Tensor, cutoff: float = LDDT_CUTOFF
) -> tuple[Tensor, Tensor]:
    """Local distance difference test of every atom, 0..1, and which atoms have one.

    As :func:`lddt`, over the partners of one atom. Atoms of one token are no partners of each other, as
    Mariani et al. (2013) leave out pairs inside a residue; an atom without a partner within ``cutoff`` A
    has no score. predicted, true: (..., N, 3) A, token: (N,) -> (..., N), (..., N) bool
    """
    d_true = torch.cdist(true.float(), true.float())
    d_predicted = torch.cdist(predicted.float(), predicted.float())
    pairs = (token[:, None] != token[None, :]) & (d_true < cutoff)
    gap = (d_true - d_predicted).abs()
    kept = torch.stack([(gap < limit).float() for limit in LDDT_LIMITS]).mean(0)
    return (kept * pairs).sum(-1) / pairs.sum(-1).clamp_min(1), pairs.any(-1)
