"""What the graph says about noisy coordinates, as vectors that a linear layer can read: where neighbours
are, how far bonds are stretched, which side of its neighbours' planes an atom is on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.alphafold3.features import Features
from models.alphafold3.graph import ATOM_TYPES, BACKBONE_TYPE, TOKEN_COLUMNS

REACH = 4.0  # A
VECTORS = 14  # three numbers each, see local_vectors
SCALARS = 2
HEIGHT = (
    0.5  # A, of a stereocentre over the plane of three of its neighbours; 0.49 +- 0.07 in the CCD
)
HYBRIDISATIONS = TOKEN_COLUMNS["hybridisation"]
CLASSES = BACKBONE_TYPE * HYBRIDISATIONS + len(ATOM_TYPES) - BACKBONE_TYPE


def atom_classes(features: Features) -> Tensor:
    """(B, M) what decides an ideal distance: element x hybridisation, or the named atom of a polymer."""
    column = list(TOKEN_COLUMNS).index("hybridisation")
    hybridisation = features.tokens[..., column].repeat_interleave(features.slots, 1)
    types = features.atom_types
    named = types + BACKBONE_TYPE * (HYBRIDISATIONS - 1)
    return torch.where(types < BACKBONE_TYPE, types * HYBRIDISATIONS + hybridisation, named)


def _gather(x: Tensor, index: Tensor) -> Tensor:
    """x: (B, K, M, 3), index: (B, M, n) -> (B, K, M, n, 3)"""
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    return x.transpose(1, 2)[batch, index].permute(0, 3, 1, 2, 4)


def _scatter(values: Tensor, index: Tensor) -> Tensor:
    """Adds up what every atom is sent. values: (B, K, M, n, 3), index: (B, M, n) -> (B, K, M, 3)"""
    batch, copies, atoms, n, _ = values.shape
    place = index[:, None, :, :, None].expand_as(values).reshape(batch, copies, atoms * n, 3)
    out = values.new_zeros(batch, copies, atoms, 3)
    return out.scatter_add_(2, place, values.flatten(2, 3))


def _bounded(v: Tensor) -> Tensor:
    """Vectors of a few units stay as they are, those of a molecule drowned in noise end at REACH."""
    return v / (1 + v.square().sum(-1, keepdim=True) / REACH**2).sqrt()


def _shell(
    x: Tensor, index: Tensor, mask: Tensor, ideal: Tensor, c_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean vector and mean unit vector to the listed atoms, and the pull of springs of length ``ideal``
    to them, in units of c_out. x: (B, K, M, 3) A, index, mask, ideal: (B, M, n), c_out: (B, K, 1, 1)."""
    gap = _gather(x, index) - x.unsqueeze(-2)  # (B, K, M, n, 3)
    share = (mask / mask.sum(-1, keepdim=True).clamp_min(1))[:, None, :, :, None]
    length = (gap.square().sum(-1, keepdim=True) + 1e-6).sqrt()
    unit = gap / length
    stretch = (length - ideal[:, None, :, :, None]) * mask[:, None, :, :, None]
    pull = _bounded((stretch * unit).sum(-2) / c_out)
    return _bounded((gap * share).sum(-2)), (unit * share).sum(-2), pull


def _planes(
    position: Tensor, features: Features, c_out: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Unit normals (B, K, M, TRIPLES, 3) of an atom's planes; the way (B, K, M, 3) to the middle of the
    first; the pulls (B, K, M, 3) on a stereocentre through its planes and on the neighbours that span
    them, in units of c_out; the mean height (B, K, M, 1) of its planes over a centre, A.

    The normal is a cross product: it turns with the molecule and changes sign in a mirror. Seen along
    it every plane of a stereocentre lies HEIGHT above the centre; in the mirror image it lies below.
    """
    known = features.handed_mask[:, None, :, :, None]
    corners = _gather(position, features.handed.flatten(2)).unflatten(-2, (-1, 3))
    a, b, c = corners.unbind(-2)  # (B, K, M, TRIPLES, 3)
    normal = torch.linalg.cross(b - a, c - a)
    normal = normal / (normal.square().sum(-1, keepdim=True) + 1e-6).sqrt() * known
    away = (corners.mean(-2) - position.unsqueeze(-2)) * known
    centre = known * features.centre[:, None, :, None, None]
    height = (away * normal).sum(-1, keepdim=True) * centre
    pull = (height - HEIGHT * centre) * normal
    own = _bounded(pull.sum(-2) / c_out)
    shared = -pull.unsqueeze(-2).expand_as(corners).flatten(3, 4) / 3
    theirs = _bounded(_scatter(shared, features.handed.flatten(2)) / c_out)
    mean_height = height.sum(-2) / centre.sum(-2).clamp_min(1)
    return normal, _bounded(away[..., 0, :]), own, theirs, mean_height


def local_vectors(
    x: Tensor, features: Features, ideal: IdealDistances, scale: Tensor, c_out: Tensor
) -> tuple[Tensor, Tensor]:
    """What the graph makes of the noisy coordinates: (B, K, M, VECTORS, 3) and (B, K, M, SCALARS).

    0: x itself; 1, 2: mean vector and mean unit vector to the bonded atoms, 3, 4: to those two bonds
    away; 5, 6: for atoms with a handed triple its unit normal and the way from the atom to its middle;
    7, 8: how bonds and 1-3 distances that are too long or too short pull at the atom, in units of c_out,
    which is what the network's answer is scaled by; 9 to 11: normals of further planes; 12, 13: how a
    stereocentre of the wrong hand is pulled through its planes, and its neighbours the other way. A
    linear map of coordinates cannot tell hands apart, these cross products do. Scalars: the height of
    its planes over a centre, and how far the bonds of an atom are stretched, A.
    x: (B, K, M, 3), scale: (B, K, 1, 1) A per unit of x, c_out: (B, K, 1, 1) A.
    """
    position = x * scale
    bonds, angles = ideal(features)
    bond, bond_unit, bond_pull = _shell(position, features.near, features.near_mask, bonds, c_out)
    angle, angle_unit, angle_pull = _shell(
        position, features.second, features.second_mask, angles, c_out
    )
    normal, middle, hand, hand_given, height = _planes(position, features, c_out)
    vectors = [x, bond, bond_unit, angle, angle_unit, normal[..., 0, :], middle]
    vectors += [bond_pull, angle_pull, *normal[..., 1:, :].unbind(-2), hand, hand_given]
    stretch = (bond_pull * c_out).square().sum(-1, keepdim=True).add(1e-6).sqrt()
    scalars = torch.cat([height, stretch], -1).clamp(-REACH, REACH)
    return torch.stack(vectors, -2), scalars


class IdealDistances(nn.Module):
    """Mean bonded and 1-3 distances between classes of atoms, measured on the training set (A)."""

    bonds: Tensor
    angles: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bonds", torch.full((CLASSES, CLASSES), 1.5))
        self.register_buffer("angles", torch.full((CLASSES, CLASSES), 2.5))

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """-> (B, M, MAX_NEIGHBOURS), (B, M, SECOND_SHELL)"""
        own = atom_classes(features)
        batch = torch.arange(len(own), device=own.device)[:, None, None]
        return (
            self.bonds[own.unsqueeze(-1), own[batch, features.near]],
            self.angles[own.unsqueeze(-1), own[batch, features.second]],
        )
