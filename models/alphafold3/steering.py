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

from models.alphafold3.features import Features

FROM = 0.1  # sigma / sigma_data; below, hands no longer change
MARGIN = 0.5  # of the triple product of unit vectors, 0.77 in a tetrahedron
STEPS, SIZE = 10, 0.2


def steer(denoised: Tensor, features: Features, strong: Tensor) -> Tensor:
    """``denoised`` (B, K, M, 3) A with its hands pushed towards those of the input, where ``strong`` (B, K)
    says so. Rows without stereocentres, and those that are right already, come back unchanged.

    Minimises sum max(0, MARGIN - a . (b x c))^2 over the planes of all stereocentres by gradient steps,
    a, b and c being the unit vectors from a centre to three neighbours in the order of their hand.
    """
    known = (features.handed_mask > 0) & (features.centre.unsqueeze(-1) > 0)
    row, centre, plane = known.nonzero(as_tuple=True)
    if len(row) == 0 or not strong.any():
        return denoised
    batch, copies, atoms, _ = denoised.shape
    first = (row * atoms).unsqueeze(-1)
    corners, centres = first + features.handed[row, centre, plane], first[:, 0] + centre
    wanted = strong[row][:, None, :, None]
    x = denoised.transpose(1, 2).reshape(batch * atoms, copies, 3)
    for _ in range(STEPS):
        ways = x[corners] - x[centres].unsqueeze(1)  # (P, 3, K, 3)
        length = ways.norm(dim=-1, keepdim=True).clamp_min(1e-2)
        unit = ways / length
        cross = torch.linalg.cross(unit[:, [1, 2, 0]], unit[:, [2, 0, 1]])
        product = (unit[:, :1] * cross[:, :1]).sum(-1, keepdim=True)  # (P, 1, K, 1)
        short = (MARGIN - product).clamp_min(0) * wanted
        if not short.any():
            break
        # d(product)/d(way) times the way's squared length, so that steps are in proportion to bonds.
        slope = (cross - unit * (unit * cross).sum(-1, keepdim=True)) * length
        push = SIZE * short * slope
        x = x.index_add(0, corners.flatten(), push.flatten(0, 1))
        x = x.index_add(0, centres, -push.sum(1))
    return x.unflatten(0, (batch, atoms)).transpose(1, 2)
