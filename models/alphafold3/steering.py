"""Keeps the hands of stereocentres right while a structure forms.

Which side of a stereocentre a neighbour takes is decided at high noise, where a squared error says little
about it, and a centre with four heavy neighbours cannot change its hand later. So at every step above
``FROM`` the estimate is moved down the gradient of a potential that is zero for the right hand. This is
inference-time steering, as Boltz-1x does it with its chirality potential; it tells the sampler nothing
but what the input says.
"""

from __future__ import annotations

import torch
from torch import Tensor

FROM = 0.1  # sigma / sigma_data; below, hands no longer change
MARGIN = 0.5  # of the triple product of unit vectors, 0.77 in a tetrahedron
STEPS, SIZE = 10, 0.2


def steer(x: Tensor, centres: Tensor, corners: Tensor) -> Tensor:
    """Coordinates (A, 3), A, with hands pushed towards those of the input at the given planes of
    stereocentres. Atoms without one, and hands that are right already, come back unchanged.

    Minimises sum max(0, MARGIN - a . (b x c))^2 over the planes by gradient steps, a, b and c being the
    unit vectors from a centre to three neighbours in the order of their hand.
    centres: (P,), corners: (P, 3) into the atoms.
    """
    if len(centres) == 0:
        return x
    x, moved = x.clone(), torch.cat([corners.flatten(), centres])
    for _ in range(STEPS):
        at = x.index_select(0, moved)
        ways = at[: corners.numel()].view(-1, 3, 3) - at[corners.numel() :].unsqueeze(1)
        length = ways.norm(dim=-1, keepdim=True).clamp_min(1e-2)
        unit = ways / length
        cross = torch.linalg.cross(unit.roll(-1, 1), unit.roll(-2, 1))
        along = (unit * cross).sum(-1, keepdim=True)  # (P, 3, 1), the triple product three times
        short = (MARGIN - along[:, :1]).clamp_min(0)
        if not short.any():
            break
        # d(product)/d(way) times the way's squared length, so that steps are in proportion to bonds.
        push = SIZE * short * (cross - unit * along) * length
        x.index_add_(0, moved, torch.cat([push.flatten(0, 1), -push.sum(1)]))
    return x
