"""What the dye looked like before it spread: mixtures of small Gaussians along drawn shapes.

Each shape is K centres, shifted to mean 0 and scaled to unit RMS per coordinate, so that its noise
axis is the one of pictures and atoms once divided by sigma_data.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BLOB = 0.06  # standard deviation of every component, in units of the shape's RMS


def _line(points: list[tuple[float, float]], count: int) -> Tensor:
    """``count`` points evenly spaced along a polyline. -> (count, 2)"""
    corners = torch.tensor(points, dtype=torch.float64)
    lengths = (corners[1:] - corners[:-1]).norm(dim=1)
    at = torch.cat([torch.zeros(1, dtype=torch.float64), lengths.cumsum(0)])
    where = torch.linspace(0, float(at[-1]), count, dtype=torch.float64)
    segment = (torch.searchsorted(at, where, right=True) - 1).clamp(0, len(lengths) - 1)
    share = ((where - at[segment]) / lengths[segment]).unsqueeze(1)
    return corners[segment] * (1 - share) + corners[segment + 1] * share


def drop() -> Tensor:
    """A falling drop, filled."""
    rings = []
    for size in (0.15, 0.4, 0.65, 0.85, 1.0):
        angle = torch.linspace(0, 2 * math.pi, round(70 * size) + 2, dtype=torch.float64)[:-1]
        x = 0.9 * torch.sin(angle) * torch.sin(angle / 2) ** 1.5
        rings.append(size * torch.stack([x, torch.cos(angle)], 1))
    return torch.cat(rings)


def spiral() -> Tensor:
    turn = torch.linspace(0.25, 1, 160, dtype=torch.float64)
    angle = 5 * math.pi * turn
    return torch.stack([turn * torch.cos(angle), turn * torch.sin(angle)], 1)


def helix() -> Tensor:
    """Two strands with rungs, seen from the side."""
    height = torch.linspace(-1, 1, 70, dtype=torch.float64)
    one = torch.stack([0.45 * torch.sin(3.2 * height), height], 1)
    two = torch.stack([-0.45 * torch.sin(3.2 * height), height], 1)
    rungs = [_line([tuple(one[i].tolist()), tuple(two[i].tolist())], 7) for i in range(4, 70, 8)]
    return torch.cat([one, two, *rungs])


def cat() -> Tensor:
    """A cat's face: outline, ears, eyes, whiskers."""
    angle = torch.linspace(0, 2 * math.pi, 90, dtype=torch.float64)[:-1]
    face = torch.stack([torch.cos(angle), 0.85 * torch.sin(angle)], 1)
    parts = [face]
    for side in (-1.0, 1.0):
        parts.append(_line([(0.85 * side, 0.45), (0.8 * side, 1.3), (0.3 * side, 0.8)], 30))
        eye = torch.stack([0.38 * side + 0.1 * torch.cos(angle), 0.2 + 0.15 * torch.sin(angle)], 1)
        parts.append(eye[::6])
        for tilt in (-0.25, -0.1, 0.05):
            parts.append(_line([(0.35 * side, -0.25), (1.35 * side, -0.3 + tilt * 1.5)], 14))
    parts.append(_line([(-0.12, -0.15), (0.12, -0.15), (0.0, -0.3), (-0.12, -0.15)], 12))
    parts.append(_line([(-0.25, -0.5), (0.0, -0.35), (0.25, -0.5)], 12))
    return torch.cat(parts)


def letters() -> Tensor:
    """The digit 2 and the letter F, for Twofold."""
    two = _line(
        [(-1.2, 0.6), (-1.0, 1.0), (-0.5, 1.0), (-0.3, 0.6), (-1.2, -1.0), (-0.3, -1.0)], 80
    )
    stem = _line([(0.4, -1.0), (0.4, 1.0), (1.2, 1.0)], 60)
    return torch.cat([two, stem, _line([(0.4, 0.1), (1.0, 0.1)], 14)])


SHAPES = {"drop": drop, "spiral": spiral, "helix": helix, "cat": cat, "letters": letters}


def centres(name: str) -> Tensor:
    """Centres of the named shape, mean 0, unit RMS per coordinate with the blobs counted in. -> (K, 2)
    float32. Raises KeyError for an unknown name."""
    points = SHAPES[name]()
    points = points - points.mean(0)
    points = points / points.square().mean().sqrt() * math.sqrt(1 - BLOB**2)
    return points.float()
