"""What every file format wants to know about a run's molecule: atoms, residues, chains, entities.

Atoms, bonds and chains are those of a run's ``start`` event; bonds come from the input graph, never from
distances. The formats themselves are in :mod:`app.mmcif_file`, :mod:`app.pdb_file` and
:mod:`app.sdf_file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

AMINO_ACIDS = frozenset(
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL UNK".split()
)
# Components that a polymer of each kind is made of; every other one is a modification.
STANDARD: Mapping[str, frozenset[str]] = {
    "protein": AMINO_ACIDS,
    "dna": frozenset("DA DC DG DT DN".split()),
    "rna": frozenset("A C G U N".split()),
}
UNKNOWN = {"protein": "UNK", "dna": "DN", "rna": "N"}
LINKS = ({"C", "N"}, {"O3'", "P"})  # bonds along a chain, which every reader makes by itself


class FileAtom:
    """An atom of the start event. polymer: of a protein, DNA or RNA chain; standard: of one of the
    usual residues there. kind: protein, dna, rna, ligand or ion."""

    def __init__(self, index: int, atom: Mapping[str, Any], chain_kind: str = "") -> None:
        self.element = str(atom["element"])
        self.name = str(atom.get("name") or f"{self.element}{index + 1}")
        self.chain = str(atom.get("chain") or "A")
        self.residue = str(atom.get("residue") or "LIG")
        self.charge = int(atom.get("charge") or 0)
        known = "protein" if self.residue in AMINO_ACIDS else "ligand"
        self.kind = str(atom.get("kind") or chain_kind or known)
        self.polymer = self.kind in STANDARD
        index = int(atom.get("residue_index") or 1)
        self.residue_index = index if self.polymer else max(index, 1)  # others have no place
        self.standard = self.residue in STANDARD.get(self.kind, ())


@dataclass(frozen=True)
class Entity:
    """A kind of molecule; chains with the same sequence are the same entity. residues: component ids
    in their order; of a chain that is given in pieces, the unknown residue stands where nothing is."""

    number: int
    kind: str
    residues: tuple[str, ...]

    @property
    def polymer(self) -> bool:
        return self.kind in STANDARD


class FileMolecule:
    """A run's molecule. atoms: in the order of the coordinates; bonds: (i, j, order)."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        kinds = {chain["id"]: chain.get("kind", "") for chain in start.get("chains", ())}
        self.atoms = [
            FileAtom(i, atom, kinds.get(atom.get("chain"), ""))
            for i, atom in enumerate(start["atoms"])
        ]
        self.bonds: Sequence[Sequence[int]] = start["bonds"]

    @cached_property
    def chains(self) -> dict[str, list[FileAtom]]:
        """Atoms by chain id, chains in the order of the input."""
        chains: dict[str, list[FileAtom]] = {}
        for atom in self.atoms:
            chains.setdefault(atom.chain, []).append(atom)
        return chains

    @cached_property
    def entities(self) -> dict[str, Entity]:
        """The entity of every chain."""
        found: dict[tuple[str, tuple[str, ...]], Entity] = {}
        chosen = {}
        for chain, atoms in self.chains.items():
            kind, residues = atoms[0].kind, self._residues(chain)
            number = len(found) + 1
            chosen[chain] = found.setdefault((kind, residues), Entity(number, kind, residues))
        return chosen

    def _residues(self, chain: str) -> tuple[str, ...]:
        named = {atom.residue_index: atom.residue for atom in self.chains[chain]}
        kind = self.chains[chain][0].kind
        if kind not in STANDARD:
            return tuple(named[k] for k in sorted(named))
        places = range(min(named), max(named) + 1)
        return tuple(named.get(place, UNKNOWN[kind]) for place in places)

    @cached_property
    def _first(self) -> dict[str, int]:
        return {
            chain: min(atom.residue_index for atom in atoms) for chain, atoms in self.chains.items()
        }

    def place(self, atom: FileAtom) -> int:
        """The residue's place in its entity's sequence, from 1."""
        return atom.residue_index - self._first[atom.chain] + 1

    def implied(self, i: int, j: int) -> bool:
        """Whether the bond joins neighbours along a chain of usual residues."""
        a, b = self.atoms[i], self.atoms[j]
        along = a.chain == b.chain and abs(a.residue_index - b.residue_index) == 1
        return along and a.standard and b.standard and {a.name, b.name} in LINKS


def confidence(done: Mapping[str, Any], samples: int, atoms: int) -> np.ndarray | None:
    """The ``plddt`` of a done event (decoded) as (S, N), None where the run has none."""
    given = done.get("plddt")
    if given is None:
        return None
    plddt = np.asarray(given, np.float64).reshape(-1, atoms)
    return plddt if len(plddt) == samples else None


def slices(text: str, width: int) -> list[str]:
    """Text in lines that give it back when they are joined: if it can be, none begins or ends with a blank,
    which a reader may drop."""
    lines = []
    while len(text) > width:
        places = (at for at in range(width, 1, -1) if " " not in (text[at - 1], text[at]))
        at = next(places, width)
        lines.append(text[:at])
        text = text[at:]
    return [*lines, text]
