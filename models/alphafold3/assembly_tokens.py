"""Tokens, atoms and bonds of one complex while it is put together (see assembly)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdchem

from models.alphafold3 import templates
from models.alphafold3.chemistry import molecule_graph
from models.alphafold3.graph import (
    ATOM_TYPE,
    ATOM_TYPES,
    ELEMENTS,
    METALS,
    NO_ATOM,
    NO_INDEX,
    NUCLEOTIDE,
    RESIDUE,
    RESIDUE_ID,
    TOKEN_COLUMNS,
    TURNS,
    Graph,
)
from models.alphafold3.residues import AMINO_ACIDS, FULL_SLOTS, RESIDUE_ATOMS, polymer_atom
from models.alphafold3.units import Unit, atom_names

_COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}
FURTHEST_PLACE = TOKEN_COLUMNS["from_start"] - 1
# Where the triples that show a chain's direction sit, the atoms they join and how far apart along it.
_CHAIN_TURNS: dict[int, tuple[tuple[str, int, str, int], ...]] = {
    RESIDUE: (("C", 0, "CA", 1), ("N", 0, "CA", 3)),
    NUCLEOTIDE: tuple(
        (name, k, name, reach) for name in ("P", "C4'", "C1'") for k, reach in enumerate((1, 2, 3))
    ),
}


def _take_hydrogen(atom: rdchem.Atom) -> None:
    if atom.GetNumExplicitHs():
        atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)


@dataclass
class Cap:
    """A bond from atom ``inside`` of a fragment to the atom in ``slot`` elsewhere."""

    inside: int
    slot: int
    element: str
    xyz: np.ndarray | None


class Builder:
    """Collects the token rows, atoms and bonds of one assembly."""

    def __init__(self, units: Sequence[Unit], coordinates: Sequence[np.ndarray] | None) -> None:
        self.units = units
        self.coordinates = coordinates
        self.slot: dict[tuple[int, str], int] = {}
        tokens = 0
        for k, unit in enumerate(units):
            for i, name in enumerate(atom_names(unit)):
                if unit.mol is None:
                    if name not in RESIDUE_ATOMS[unit.comp]:
                        raise ValueError(f"{unit.comp} has no atom {name!r}")
                    where = tokens * FULL_SLOTS + RESIDUE_ATOMS[unit.comp].index(name)
                else:
                    where = (tokens + i) * FULL_SLOTS
                if (k, name) in self.slot:
                    raise ValueError(f"{unit.comp} has two atoms named {name!r}")
                self.slot[k, name] = where
            tokens += 1 if unit.mol is None else unit.mol.GetNumAtoms()
        self.size = tokens
        self.tokens = np.zeros((tokens, len(TOKEN_COLUMNS)), np.uint8)
        self.types = np.zeros(tokens * FULL_SLOTS, np.uint8)
        self.rings = np.zeros(tokens, np.uint64)
        self.handed = np.full((tokens * FULL_SLOTS, 3), NO_ATOM, np.int16)
        self.turns = np.full((tokens * FULL_SLOTS, TURNS, 3), NO_ATOM, np.int16)
        self.chain = np.zeros(tokens, np.uint8)
        self.index = np.full(tokens, NO_INDEX, np.int16)
        self.bonds: list[tuple[int, int, int]] = []
        self.cis_trans: list[tuple[int, int, int]] = []
        self.ring_count = 0

    def polymer(self, k: int) -> None:
        unit = self.units[k]
        names = atom_names(unit)
        if not names:
            raise ValueError(f"{unit.comp} has no atoms")
        token = self.slot[k, names[0]] // FULL_SLOTS
        kind = RESIDUE if unit.comp in AMINO_ACIDS else NUCLEOTIDE
        self.tokens[token, _COLUMN["kind"]] = kind
        self.tokens[token, _COLUMN["residue"]] = RESIDUE_ID[unit.comp]
        self.chain[token], self.index[token] = unit.chain, unit.number
        first = token * FULL_SLOTS
        here = {self.slot[k, name] - first for name in names}
        for name in names:
            self.types[self.slot[k, name]] = ATOM_TYPE[polymer_atom(unit.comp, name)]
        block = templates.template(unit.comp)
        for i, j, order in block.bonds.tolist():
            if i in here and j in here:
                self.bonds.append((first + i, first + j, order))
        for m, near in block.handed.items():
            if {m, *near} <= here:
                self.handed[first + m] = [first + n for n in near]

    def fragment(self, k: int, caps: Sequence[Cap]) -> None:
        unit = self.units[k]
        names = atom_names(unit)
        assert unit.mol is not None
        slots = [self.slot[k, name] for name in names]
        tokens = np.array(slots) // FULL_SLOTS
        self.chain[tokens], self.index[tokens] = unit.chain, unit.number
        mol, kept = _organic(unit.mol)
        for i in set(range(len(names))) - set(kept):
            atom = unit.mol.GetAtomWithIdx(i)
            self._metal(tokens[i], atom.GetSymbol(), atom.GetFormalCharge())
        if not kept:
            return
        where = [slots[i] for i in kept]
        xyz = None if self.coordinates is None else [self.coordinates[k][i] for i in kept]
        for cap in caps:
            if cap.inside not in kept:
                continue
            atom = mol.GetAtomWithIdx(kept.index(cap.inside))
            _take_hydrogen(atom)
            new = mol.AddAtom(rdchem.Atom(cap.element.split("=")[0]))
            mol.AddBond(atom.GetIdx(), new, rdchem.BondType.SINGLE)
            where.append(cap.slot)
            if xyz is not None and cap.xyz is not None:
                xyz.append(cap.xyz)
            if "=" in cap.element:  # an amide's nitrogen must see the carbonyl
                oxygen = mol.AddAtom(rdchem.Atom("O"))
                mol.AddBond(new, oxygen, rdchem.BondType.DOUBLE)
                where.append(NO_ATOM)
                if xyz is not None and cap.xyz is not None:
                    xyz.append(2 * cap.xyz - xyz[kept.index(cap.inside)])
        try:
            Chem.SanitizeMol(mol)
        except (rdchem.AtomValenceException, rdchem.KekulizeException, ValueError) as error:
            raise ValueError(f"{unit.comp or 'ligand'}: {error}") from error
        if xyz is not None:
            conformer = rdchem.Conformer(mol.GetNumAtoms())
            conformer.Set3D(True)
            conformer.SetPositions(np.array(xyz, np.float64))
            mol.AddConformer(conformer)
            Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
        else:
            Chem.AssignStereochemistry(mol, cleanIt=False, force=True)
        self._place(molecule_graph(mol.GetMol()), where, len(kept))

    def _place(self, graph: Graph, where: list[int], count: int) -> None:
        slots = np.array(where[:count])
        lookup = np.array([*where, NO_ATOM], np.int64)
        self.tokens[slots // FULL_SLOTS] = graph.tokens[:count]
        self.types[slots] = graph.atom_types[:count]
        shift = self.ring_count % 64
        rings = graph.rings[:count]
        self.rings[slots // FULL_SLOTS] = (rings << np.uint64(shift)) | (
            rings >> np.uint64(64 - shift) if shift else np.uint64(0)
        )
        self.ring_count += int(rings.max()).bit_length() if count else 0
        self.handed[slots] = np.where(
            (lookup[graph.handed[:count]] < 0).any(-1, keepdims=True),
            NO_ATOM,
            lookup[graph.handed[:count]],
        )
        for i, j, order in graph.bonds.tolist():
            if i < count and j < count:
                self.bonds.append((where[i], where[j], order))
        for i, j, geometry in graph.cis_trans.tolist():
            if where[i] >= 0 and where[j] >= 0:
                self.cis_trans.append((where[i], where[j], geometry))

    def _metal(self, token: int, symbol: str, charge: int) -> None:
        if symbol not in METALS:
            raise ValueError(f"element {symbol} is not among {', '.join((*ELEMENTS[1:], *METALS))}")
        self.tokens[token, _COLUMN["element"]] = len(ELEMENTS) + METALS.index(symbol)
        self.tokens[token, _COLUMN["charge"]] = np.clip(charge, -3, 3) + 3
        self.types[token * FULL_SLOTS] = ATOM_TYPES.index(symbol)

    def chains(self) -> None:
        """Directions of the chains and the place of every nucleotide in its strand."""
        place = {(u.chain, u.number): k for k, u in enumerate(self.units) if u.number != NO_INDEX}
        for k, unit in enumerate(self.units):
            if unit.mol is not None:
                continue
            kind = RESIDUE if unit.comp in AMINO_ACIDS else NUCLEOTIDE
            for name, row, joined, reach in _CHAIN_TURNS[kind] if unit.number != NO_INDEX else ():
                around = [place.get((unit.chain, unit.number + step)) for step in (-reach, reach)]
                if (k, name) not in self.slot or None in around:
                    continue
                triple = [
                    self.slot.get((n, joined), NO_ATOM)
                    for n in (around[0], k, around[1])
                    if n is not None
                ]
                if NO_ATOM not in triple:
                    self.turns[self.slot[k, name], row] = triple
            if kind == NUCLEOTIDE:
                token = self.slot[k, atom_names(unit)[0]] // FULL_SLOTS
                for column, step in (("from_start", -1), ("to_end", 1)):
                    steps = 1
                    while (unit.chain, unit.number + step * steps) in place and (
                        steps < FURTHEST_PLACE and unit.number != NO_INDEX
                    ):
                        steps += 1
                    self.tokens[token, _COLUMN[column]] = steps


def _organic(mol: rdchem.Mol) -> tuple[rdchem.RWMol, list[int]]:
    """The molecule without its metal atoms, and which atoms those left are. What held a metal gets
    hydrogens instead, and loses the charge that only the metal's bond explained."""
    editable = Chem.RWMol(mol)
    metals = [a.GetIdx() for a in mol.GetAtoms() if a.GetSymbol() not in ELEMENTS]
    if not metals:
        return editable, list(range(mol.GetNumAtoms()))
    kept = [i for i in range(mol.GetNumAtoms()) if i not in metals]
    for metal in metals:
        for near in editable.GetAtomWithIdx(metal).GetNeighbors():
            if near.GetSymbol() in ELEMENTS:
                near.SetNoImplicit(False)
                near.SetFormalCharge(min(near.GetFormalCharge(), 0))
    for metal in sorted(metals, reverse=True):
        editable.RemoveAtom(metal)
    return editable, kept
