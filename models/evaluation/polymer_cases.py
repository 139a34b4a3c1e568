"""Held-out crops as what is compared: the present atoms, what they belong to, names that may swap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.structures import Structures
from models.alphafold3.features import REPRESENTATIVE
from models.alphafold3.geometry import lddt, rmsd
from models.alphafold3.graph import RESIDUE_ID, TOKEN_COLUMNS, Graph
from models.alphafold3.residues import RESIDUE_ATOMS

WINDOW = 6  # base pairs of a scored duplex
INTERFACE = 15.0  # A, lDDT's inclusion radius
COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}
COMPONENT = {number: comp for comp, number in RESIDUE_ID.items()}
# Names within these pairs are a matter of convention: the group turns onto itself.
_SYMMETRIC = {
    "PHE": (("CD1", "CD2"), ("CE1", "CE2")),
    "TYR": (("CD1", "CD2"), ("CE1", "CE2")),
    "ASP": (("OD1", "OD2"),),
    "GLU": (("OE1", "OE2"),),
    "ARG": (("NH1", "NH2"),),
}


@dataclass(frozen=True)
class Case:
    """One crop: graph, its place in the data, crystal (N, 3) A and slots (N,) of the present atoms,
    token of each atom (N,), atoms of the ligand, ion or modified residue (N,) bool."""

    graph: Graph
    index: int
    crystal: Tensor
    slots: np.ndarray
    token: Tensor
    focus: Tensor

    def kinds(self) -> Tensor:
        """(N,) kind of the token that each atom belongs to."""
        return torch.from_numpy(self.graph.tokens[:, COLUMN["kind"]].astype(np.int64))[self.token]

    def representatives(self) -> Tensor:
        """Atoms that stand for their tokens (CA, C1', the atom), by place among the present atoms."""
        place = {int(s): n for n, s in enumerate(self.slots)}
        kinds = self.graph.tokens[:, COLUMN["kind"]].tolist()
        slots = [t * self.graph.slots + REPRESENTATIVE[kind] for t, kind in enumerate(kinds)]
        return torch.tensor([place[s] for s in slots if s in place])


def held_out(data: Structures, name: str, limit: int, kinds: Sequence[str] = ()) -> list[int]:
    """Up to ``limit`` held-out crops of a class, taken from its groups in turn."""
    chosen = (data["split"] != "train") & (data["class"] == name)
    if kinds:
        chosen &= np.isin(data["kind"], kinds)
    by_group: dict[int, list[int]] = defaultdict(list)
    for index in np.flatnonzero(chosen).tolist():
        by_group[int(data["group"][index])].append(index)
    turns = [(turn, group) for group, held in by_group.items() for turn in range(len(held))]
    return [by_group[group][turn] for turn, group in sorted(turns)][:limit]


def case(data: Structures, index: int) -> Case:
    """The crop, or a window of WINDOW base pairs of a duplex (always the same one)."""
    graph, xyz = data.window(index, np.random.default_rng(index), WINDOW)
    slots = np.flatnonzero(graph.present)
    whole = graph.size == data["tokens_per"][index]
    focus = data.ligand(index)[slots] if whole else np.zeros(len(slots), bool)
    return Case(
        graph,
        index,
        torch.from_numpy(xyz[slots]),
        slots,
        torch.from_numpy(slots // graph.slots),
        torch.from_numpy(focus),
    )


def settle_names(item: Case, drawn: Tensor) -> Tensor:
    """Symmetric side-chain atoms swapped where that fits the crystal's distances better. (S, N, 3)"""
    place = {int(s): n for n, s in enumerate(item.slots)}
    out = drawn.clone()
    true = torch.cdist(item.crystal, item.crystal)
    for token, row in enumerate(item.graph.tokens.tolist()):
        comp = COMPONENT.get(row[COLUMN["residue"]], "")
        if comp not in _SYMMETRIC:
            continue
        names, first = RESIDUE_ATOMS[comp], token * item.graph.slots
        pairs = [tuple(place.get(first + names.index(n), -1) for n in p) for p in _SYMMETRIC[comp]]
        pairs = [p for p in pairs if -1 not in p]
        if not pairs:
            continue
        here = torch.tensor([a for a, _ in pairs] + [b for _, b in pairs])
        swapped = torch.tensor([b for _, b in pairs] + [a for a, _ in pairs])
        far = torch.nonzero(item.token != token)[:, 0]
        near = (true[here][:, far] < INTERFACE).float()

        def error(
            atoms: Tensor, far: Tensor = far, near: Tensor = near, here: Tensor = here
        ) -> Tensor:
            gap = torch.cdist(drawn[:, atoms], drawn[:, far]) - true[here][:, far]
            return (gap.abs().clamp_max(4) * near).sum((-1, -2))

        worse = error(swapped) < error(here)
        out[:, here] = torch.where(worse[:, None, None], drawn[:, swapped], drawn[:, here])
    return out


def _everything(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:-1], dtype=torch.bool)


def all_rmsd(drawn: Tensor, crystal: Tensor) -> Tensor:
    """(S, N, 3), (N, 3) -> (S,)"""
    fixed = crystal.expand_as(drawn)
    return rmsd(drawn, fixed, _everything(drawn))


def all_lddt(drawn: Tensor, crystal: Tensor) -> Tensor:
    return lddt(drawn, crystal.expand_as(drawn), _everything(drawn))
