"""How a fold is judged in training: frame-aligned point error, torsion angles, broken chains.

All lengths in A; masks (B, T) of residues.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.alphafold2.frames import Frames, backbone_torsions, frames_from_backbone
from models.alphafold2.structure_module import Fold

CLAMP = 10.0  # A: an atom further off than this is wrong, how far does not matter
LENGTH_SCALE = 10.0  # A
UNCLAMPED = 0.1  # share of the error in which it does matter, so that far atoms are pulled at all
NORM_WEIGHT = 0.02
# Atoms across the peptide bond by slot (N CA C O), ideal distance and what is still no violation, A: the
# bond and, as distances, the angles at its ends (Engh & Huber 1991; three standard deviations and more).
LINKS = ((2, 0, 1.329, 0.04), (1, 0, 2.425, 0.10), (2, 1, 2.435, 0.10))
CLASH = 3.6  # A between CA of residues that are not neighbours: real ones are rarely nearer
TORSIONS_WEIGHT = 0.25


def fape(
    frames: Frames,
    points: Tensor,
    true_frames: Frames,
    true_points: Tensor,
    mask: Tensor,
    unclamped: float = 0.0,
) -> Tensor:
    """Frame-aligned point error (algorithm 28): every atom as every residue sees it, against the truth.

    A mirror image is an error, because its points lie on the wrong side of every frame. ``unclamped``:
    share in which errors beyond CLAMP count in full; the paper leaves the clamp out in one batch of ten.
    frames: (B, T), points: (B, T, P, 3), mask: (B, T) -> (B,), in units of LENGTH_SCALE.
    """
    gap = _seen(frames, points) - _seen(true_frames, true_points)  # (B, T, T * P, 3)
    error = (gap.square().sum(-1) + 1e-4).sqrt()
    error = torch.lerp(error.clamp_max(CLAMP), error, unclamped)
    weight = mask.float()
    of_points = weight.repeat_interleave(points.shape[2], 1)
    total = (error * weight[:, :, None] * of_points[:, None]).sum((1, 2))
    return total / (weight.sum(1) * of_points.sum(1)).clamp_min(1) / LENGTH_SCALE


def _seen(frames: Frames, points: Tensor) -> Tensor:
    """(B, T) frames, (B, T, P, 3) points -> (B, T, T * P, 3)"""
    return frames.invert_apply(points.flatten(1, 2).unsqueeze(1))


def torsion_loss(raw: Tensor, true: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance on the unit circle, and how far the raw answers are off it (algorithm 27).

    raw, true: (B, T, 3, 2), known: (B, T, 3) -> (B,), (B,)
    """
    length = (raw.square().sum(-1) + 1e-8).sqrt()
    error = (raw / length.unsqueeze(-1) - true).square().sum(-1)
    weight = known.float()
    total = weight.sum((1, 2)).clamp_min(1)
    return (error * weight).sum((1, 2)) / total, ((length - 1).abs() * weight).sum((1, 2)) / total


def broken_links(backbone: Tensor, linked: Tensor) -> Tensor:
    """By how much the atoms across peptide bonds are too near or too far, beyond what is tolerated.

    backbone: (B, T, 4, 3), linked: (B, T) residue t is bonded to t - 1 -> (B,) A
    """
    excess = torch.zeros_like(linked, dtype=backbone.dtype)[:, 1:]
    for before, after, ideal, tolerance in LINKS:
        gap = backbone[:, :-1, before] - backbone[:, 1:, after]
        distance = (gap.square().sum(-1) + 1e-6).sqrt()
        excess = excess + ((distance - ideal).abs() - tolerance).clamp_min(0)
    weight = linked[:, 1:].float()
    return (excess * weight).sum(1) / weight.sum(1).clamp_min(1) / len(LINKS)


def clashes(backbone: Tensor, mask: Tensor) -> Tensor:
    """Overlap per residue of CA atoms nearer than CLASH. backbone: (B, T, 4, 3) -> (B,) A"""
    ca = backbone[:, :, 1]
    gap = ca[:, :, None] - ca[:, None]
    distance = (gap.square().sum(-1) + 1e-6).sqrt()
    apart = torch.ones_like(distance[0], dtype=torch.bool).triu(2)
    both = mask[:, :, None] & mask[:, None] & apart
    overlap = (CLASH - distance).clamp_min(0) * both
    return overlap.sum((1, 2)) / mask.float().sum(1).clamp_min(1)


def fold_losses(
    folds: list[Fold], truth: Tensor, chain: Tensor, mask: Tensor, violations: float = 0.0
) -> dict[str, Tensor]:
    """All losses of a folding of B chains. truth: (B, T, 4, 3), chain, mask: (B, T) -> scalars.

    ``loss`` is half the error of CA averaged over the blocks, half that of all atoms after the last, the
    torsion angles, and broken links and clashes with the weight ``violations``: folding begins with all
    residues in one place, so these terms help only once there is a shape to mend.
    """
    with torch.autocast(truth.device.type, enabled=False):
        true_frames = frames_from_backbone(truth)
        true_torsions, known = backbone_torsions(truth, chain)
        known = known & mask.unsqueeze(-1)
        linked = known[..., 0]

        def error(fold: Fold, atoms: slice) -> Tensor:
            points, true_points = fold.backbone[:, :, atoms], truth[:, :, atoms]
            return fape(fold.frames, points, true_frames, true_points, mask, UNCLAMPED).mean()

        along = torch.stack([error(fold, slice(1, 2)) for fold in folds]).mean()
        final = error(folds[-1], slice(0, 4))
        angles = [torsion_loss(fold.torsions, true_torsions, known) for fold in folds]
        turn = torch.stack([a for a, _ in angles]).mean()
        length = torch.stack([b for _, b in angles]).mean()
        links = broken_links(folds[-1].backbone, linked).mean()
        overlap = clashes(folds[-1].backbone, mask).mean()
        loss = (
            0.5 * (along + final)
            + TORSIONS_WEIGHT * (turn + NORM_WEIGHT * length)
            + violations * (links + overlap)
        )
    return {
        "loss": loss,
        "fape": final.detach(),
        "torsions": turn.detach(),
        "links": links.detach(),
        "clashes": overlap.detach(),
    }
