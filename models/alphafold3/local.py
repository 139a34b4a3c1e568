"""What the graph says about noisy coordinates, as vectors that a linear layer can read: where neighbours
are, how far bonds are stretched, which side of its neighbours' planes an atom is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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


def classes_of(types: Tensor, hybridisation: Tensor) -> Tensor:
    """What decides an ideal distance: element x hybridisation, or the named atom of a polymer."""
    named = types + BACKBONE_TYPE * (HYBRIDISATIONS - 1)
    return torch.where(types < BACKBONE_TYPE, types * HYBRIDISATIONS + hybridisation, named)


def atom_classes(features: Features) -> Tensor:
    """(B, M), see :func:`classes_of`."""
    column = list(TOKEN_COLUMNS).index("hybridisation")
    hybridisation = features.tokens[..., column].repeat_interleave(features.slots, 1)
    return classes_of(features.atom_types, hybridisation)


class Places(Protocol):
    """Which atoms the atoms look at, one place for each that is looked at. Trailing dimensions of places
    and atoms are all that the arithmetic below relies on, so that atoms may be padded or packed."""

    def others(self, x: Tensor) -> Tensor:
        """Of atoms (..., atoms, 3): those that are looked at, by place."""

    def own(self, x: Tensor) -> Tensor:
        """Of atoms (..., atoms, n): those that look, to be broadcast against places."""

    def total(self, values: Tensor) -> Tensor:
        """Of places: the sum over those of every atom that looks, (..., atoms, n)."""

    def given(self, values: Tensor) -> Tensor:
        """Of places: the sum over those where an atom is looked at, (..., atoms, n)."""

    def by_number(self, planes: Tensor) -> Tensor:
        """Of planes: (..., atoms, TRIPLES, 3), zeros where an atom has fewer."""


@dataclass(frozen=True)
class Rows:
    """Places of padded atoms: n in a row for everyone. index: (B, M, n), x: (B, K, M, 3)."""

    index: Tensor

    def others(self, x: Tensor) -> Tensor:
        """-> (B, K, M, n, 3)"""
        batch = torch.arange(len(x), device=x.device)[:, None, None]
        return x.transpose(1, 2)[batch, self.index].permute(0, 3, 1, 2, 4)

    def own(self, x: Tensor) -> Tensor:
        return x.unsqueeze(-2)

    def total(self, values: Tensor) -> Tensor:
        return values.sum(-2)

    def given(self, values: Tensor) -> Tensor:
        """values: (B, K, M, n, 3) -> (B, K, M, 3)"""
        batch, copies, atoms, n, _ = values.shape
        place = self.index[:, None, :, :, None].expand_as(values)
        out = values.new_zeros(batch, copies, atoms, 3)
        return out.scatter_add_(2, place.reshape(batch, copies, atoms * n, 3), values.flatten(2, 3))

    def by_number(self, planes: Tensor) -> Tensor:
        return planes


@dataclass(frozen=True)
class Shell:
    """Atoms one or two bonds away. known: 0 at places that are padding; share: 1 / number of those that
    an atom looks at; ideal: lengths, A. All broadcast against places (..., 1)."""

    places: Places
    known: Tensor | float
    share: Tensor
    ideal: Tensor


@dataclass(frozen=True)
class Planes:
    """The planes of atoms, three corners in a row of ``places``. known: as for shells; centre: 1 at planes
    of stereocentres, both (..., 1) by plane; centres: their number (..., atoms, 1), at least 1."""

    places: Places
    known: Tensor | float
    centre: Tensor
    centres: Tensor


@dataclass(frozen=True)
class Around:
    """What every atom sees of its structure, whatever the coordinates."""

    bonds: Shell
    angles: Shell
    planes: Planes


def around(features: Features, ideal: IdealDistances) -> Around:
    """Of padded structures."""

    def shell(index: Tensor, mask: Tensor, lengths: Tensor) -> Shell:
        share = mask / mask.sum(-1, keepdim=True).clamp_min(1)
        return Shell(Rows(index), *(t[:, None, :, :, None] for t in (mask, share, lengths)))

    bonds, angles = ideal(features)
    known = features.handed_mask[:, None, :, :, None]
    centre = known * features.centre[:, None, :, None, None]
    return Around(
        shell(features.near, features.near_mask, bonds),
        shell(features.second, features.second_mask, angles),
        Planes(Rows(features.handed.flatten(2)), known, centre, centre.sum(-2).clamp_min(1)),
    )


def _bounded(v: Tensor) -> Tensor:
    """Vectors of a few units stay as they are, those of a molecule drowned in noise end at REACH."""
    return v / (1 + v.square().sum(-1, keepdim=True) / REACH**2).sqrt()


def _shell(x: Tensor, shell: Shell, c_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean vector and mean unit vector to the atoms of a shell, and the pull of springs of its ideal
    lengths to them, in units of c_out. x: (..., atoms, 3) A, c_out: broadcasts to (..., atoms, 1)."""
    total = shell.places.total
    gap = shell.places.others(x) - shell.places.own(x)
    length = (gap.square().sum(-1, keepdim=True) + 1e-6).sqrt()
    unit = gap / length
    stretch = (length - shell.ideal) * shell.known
    pull = _bounded(total(stretch * unit) / c_out)
    return _bounded(total(gap * shell.share)), total(unit * shell.share), pull


def _planes(
    position: Tensor, planes: Planes, c_out: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Unit normals (..., atoms, TRIPLES, 3) of an atom's planes; the way (..., atoms, 3) to the middle of
    the first; the pulls (..., atoms, 3) on a stereocentre through its planes and on the neighbours that
    span them, in units of c_out; the mean height (..., atoms, 1) of its planes over a centre, A.

    The normal is a cross product: it turns with the molecule and changes sign in a mirror. Seen along
    it every plane of a stereocentre lies HEIGHT above the centre; in the mirror image it lies below.
    """
    places, known, centre = planes.places, planes.known, planes.centre
    corners = places.others(position).unflatten(-2, (-1, 3))
    a, b, c = corners.unbind(-2)  # (..., planes, 3)
    normal = torch.linalg.cross(b - a, c - a)
    normal = normal / (normal.square().sum(-1, keepdim=True) + 1e-6).sqrt() * known
    away = (corners.mean(-2) - places.own(position)) * known
    height = (away * normal).sum(-1, keepdim=True) * centre
    pull = (height - HEIGHT * centre) * normal
    own = _bounded(places.total(pull) / c_out)
    shared = -pull.unsqueeze(-2).expand_as(corners).flatten(-3, -2) / 3
    theirs = _bounded(places.given(shared) / c_out)
    mean_height = places.total(height) / planes.centres
    middle = _bounded(places.by_number(away)[..., 0, :])
    return places.by_number(normal), middle, own, theirs, mean_height


def local_vectors(x: Tensor, around: Around, scale: Tensor, c_out: Tensor) -> tuple[Tensor, Tensor]:
    """What the graph makes of the noisy coordinates: (..., atoms, VECTORS, 3) and (..., atoms, SCALARS).

    0: x itself; 1, 2: mean vector and mean unit vector to the bonded atoms, 3, 4: to those two bonds
    away; 5, 6: for atoms with a handed triple its unit normal and the way from the atom to its middle;
    7, 8: how bonds and 1-3 distances that are too long or too short pull at the atom, in units of c_out,
    which is what the network's answer is scaled by; 9 to 11: normals of further planes; 12, 13: how a
    stereocentre of the wrong hand is pulled through its planes, and its neighbours the other way. A
    linear map of coordinates cannot tell hands apart, these cross products do. Scalars: the height of
    its planes over a centre, and how far the bonds of an atom are stretched, A.
    x: (..., atoms, 3), scale: A per unit of x, c_out: A, both broadcast to (..., atoms, 1).
    """
    position = x * scale
    bond, bond_unit, bond_pull = _shell(position, around.bonds, c_out)
    angle, angle_unit, angle_pull = _shell(position, around.angles, c_out)
    normal, middle, hand, hand_given, height = _planes(position, around.planes, c_out)
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
