"""unCLIP's tricks with CLIP image embeddings (Ramesh et al. 2022, section 3): geometry on the sphere.

All vectors are rows of unit length; nothing here knows a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_STRENGTH = 0.4  # of a text difference; the paper shows 0.25 to 0.5


def weights(points: int, highest: float = 1.0) -> list[float]:
    """`points` evenly spaced weights from 0 to `highest`, both included; a single one is `highest`."""
    if points == 1:
        return [highest]
    return [highest * i / (points - 1) for i in range(points)]


def slerp(start: Tensor, end: Tensor, weight: Sequence[float]) -> Tensor:
    """Spherical interpolation (Shoemake 1985): the points of the great arc at the given weights.

    start, end: (D,) of unit length -> (len(weight), D) of unit length. Vectors that point the same way
    have no arc and give themselves; opposite ones have many arcs, of which one is chosen.
    """
    t = torch.tensor(weight, dtype=torch.float64)[:, None]
    a, b = F.normalize(start.double(), dim=0), F.normalize(end.double(), dim=0)
    # The part of b that a lacks; its length is the sine of the angle.
    across = b - (a @ b) * a
    if across.norm() < 1e-6:
        if a @ b > 0:
            return a.float().expand(len(weight), -1)
        across = torch.zeros_like(a).index_fill_(0, a.abs().argmin(), 1.0)
        across = across - (a @ across) * a
    angle = torch.atan2(b @ F.normalize(across, dim=0), a @ b) * t
    return (angle.cos() * a + angle.sin() * F.normalize(across, dim=0)).float()


def text_difference(before: Tensor, after: Tensor) -> Tensor:
    """z_d = norm(z_t - z_t0), the direction from one caption to another. (D,), (D,) -> (D,) unit"""
    return F.normalize(after - before, dim=0)
