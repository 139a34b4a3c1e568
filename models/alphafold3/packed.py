"""Atoms laid end to end, without padding: what the graph of one structure says about its own, and the lists
of who looks at whom in a batch of them.

In the padded layout (see :mod:`models.alphafold3.features`) a residue among nucleotides takes 23 slots for
its 8 atoms and a token of a ligand 23 for one, and every atom looks at 30 places of which 5 are taken.
Training lives with that, its batches being alike. A server meets every class at once, so it computes what
is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from models.alphafold3.features import TRIPLES
from models.alphafold3.graph import NO_ATOM, TOKEN_COLUMNS, Graph
from models.alphafold3.local import Around, IdealDistances, Planes, Shell, classes_of

HYBRIDISATION = list(TOKEN_COLUMNS).index("hybridisation")


@dataclass(frozen=True)
class PackedGraph:
    """N present atoms of T tokens, numbered in the order of their slots. Everything int64 unless said so.

    types: (N,) into ATOM_TYPES; classes: (N,) into the tables of ideal distances; token, slot: (N,).
    near, second: (2, E) who looks, at whom: atoms one and two bonds away, sorted by who looks.
    planes: (2, P) whose plane, which of its TRIPLES; corners: (P, 3) atoms; centre: (P,) float32, 1 at
    planes of stereocentres.
    """

    size: int  # tokens
    types: np.ndarray
    classes: np.ndarray
    token: np.ndarray
    slot: np.ndarray
    near: np.ndarray
    second: np.ndarray
    planes: np.ndarray
    corners: np.ndarray
    centre: np.ndarray

    @cached_property
    def slots_used(self) -> np.ndarray:
        """(T,) slots of each token up to the last one that holds an atom."""
        used = np.zeros(self.size, np.int64)
        np.maximum.at(used, self.token, self.slot + 1)
        return used


def packed(graph: Graph, features: dict[str, np.ndarray]) -> PackedGraph:
    """``features``: of the graph, as :func:`models.alphafold3.features.arrays` makes them."""
    present = np.flatnonzero(graph.present)
    number = np.zeros(len(graph.present), np.int64)
    number[present] = np.arange(len(present))

    def listed(table: np.ndarray) -> np.ndarray:
        who, place = np.nonzero(table[present] != NO_ATOM)
        return np.stack([who, number[table[present][who, place]]])

    handed = features["handed"][present].astype(np.int64)
    planes = np.stack(np.nonzero(handed[:, :, 0] != NO_ATOM))
    types, token = graph.atom_types[present].astype(np.int64), present // graph.slots
    hybridisation = graph.tokens[token, HYBRIDISATION].astype(np.int64)
    return PackedGraph(
        graph.size,
        types,
        classes_of(torch.from_numpy(types), torch.from_numpy(hybridisation)).numpy(),
        token,
        present % graph.slots,
        listed(features["near"]),
        listed(features["second"]),
        planes,
        number[handed[planes[0], planes[1]]],
        features["centre"][present][planes[0]].astype(np.float32),
    )


def sums(values: Tensor, index: Tensor, offsets: Tensor) -> Tensor:
    """(n, k), (m,), (bags,) -> (bags, k): sums of values[index[a:b]] from one offset to the next."""
    return nn.functional.embedding_bag(index, values, offsets, mode="sum")


def starts(counts: np.ndarray) -> np.ndarray:
    """Where each of several parts begins when they are laid end to end."""
    return np.cumsum(counts) - counts


class Lists:
    """:class:`models.alphafold3.local.Places` of packed atoms (A, 3). owner: (E,) who looks, ascending;
    index: (E * c,) at whom, c after each other for each entry; number: (E,) of planes."""

    def __init__(
        self, atoms: int, owner: np.ndarray, index: np.ndarray, number: np.ndarray | None = None
    ) -> None:
        self.atoms = atoms
        self.owner, self.index = torch.from_numpy(owner), torch.from_numpy(index)
        self.everyone = torch.arange(len(owner))
        self.first = torch.from_numpy(starts(np.bincount(owner, minlength=atoms)))
        # Who is looked at, the other way round.
        self.by_index = torch.from_numpy(np.argsort(index, kind="stable"))
        self.first_given = torch.from_numpy(starts(np.bincount(index, minlength=atoms)))
        if number is not None:
            self.place = torch.from_numpy(owner * TRIPLES + number)

    def others(self, x: Tensor) -> Tensor:
        return x.index_select(0, self.index)

    def own(self, x: Tensor) -> Tensor:
        return x.index_select(0, self.owner)

    def total(self, values: Tensor) -> Tensor:
        return sums(values, self.everyone, self.first)

    def given(self, values: Tensor) -> Tensor:
        return sums(values, self.by_index, self.first_given)

    def by_number(self, planes: Tensor) -> Tensor:
        out = planes.new_zeros(self.atoms * TRIPLES, planes.shape[-1])
        return out.index_copy_(0, self.place, planes).unflatten(0, (self.atoms, TRIPLES))

    def counts(self) -> Tensor:
        """(atoms, 1) entries of each, at least 1."""
        ones = torch.ones(len(self.owner), 1)
        return self.total(ones).clamp_min(1)


def joined(parts: Sequence[np.ndarray], first: np.ndarray) -> np.ndarray:
    """Lists of atoms (..., n) end to end, each raised by the number of its structure's first atom."""
    lengths = [part.shape[-1] for part in parts]
    return np.concatenate(parts, -1) + np.repeat(first, lengths)


def packed_around(
    graphs: Sequence[PackedGraph], first: np.ndarray, atoms: int, ideal: IdealDistances
) -> Around:
    """Of structures whose atoms begin at ``first``; ``atoms``: of all, with those that are nobody's."""
    classes = torch.zeros(atoms, dtype=torch.int64)
    own = np.concatenate([graph.classes for graph in graphs])
    classes[: len(own)] = torch.from_numpy(own)

    def shell(pairs: Sequence[np.ndarray], lengths: Tensor) -> Shell:
        owner, index = joined(pairs, first)
        places = Lists(atoms, owner, index)
        share = (1 / places.counts()).index_select(0, places.owner)
        given = lengths[classes[places.owner], classes[places.index]].unsqueeze(-1)
        return Shell(places, 1.0, share, given)

    owner = joined([graph.planes[0] for graph in graphs], first)
    number = np.concatenate([graph.planes[1] for graph in graphs])
    corners = joined([graph.corners.ravel() for graph in graphs], first)
    places = Lists(atoms, owner, corners, number)
    centre = torch.from_numpy(np.concatenate([graph.centre for graph in graphs])).unsqueeze(-1)
    return Around(
        shell([graph.near for graph in graphs], ideal.bonds),
        shell([graph.second for graph in graphs], ideal.angles),
        Planes(places, 1.0, centre, places.total(centre).clamp_min(1)),
    )
