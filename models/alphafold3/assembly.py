"""Complexes as one graph: residues and nucleotides with all their atoms, ligands, ions and modified
residues atom by atom, and the bonds between them.

A standard residue or nucleotide is one token of FULL_SLOTS slots, everything else one token per atom
(its slot 0), as in AlphaFold 3 (Abramson et al. 2024, supplement 2.6). Bonds to metals are no bonds:
the network must place an ion by what surrounds it.
"""

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
from models.alphafold3.residues import (
    AMINO_ACIDS,
    FULL_SLOTS,
    RESIDUE_ATOMS,
    STANDARD_ATOMS,
    polymer_atom,
)

_COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}
FURTHEST_PLACE = TOKEN_COLUMNS["from_start"] - 1
# Atoms that give way to a bond of the chain: the free acid's and the free phosphate's third oxygen.
LEAVING = {"C": "OXT", "C3": "OXT", "P": "OP3"}
# The atoms that hold a chain together, (towards the end, towards the start); a chromophore's own names.
JOINTS = (("C", "N"), ("O3'", "P"), ("C3", "N"), ("C", "N1"))
# Where the triples that show a chain's direction sit, the atoms they join and how far apart along it.
_CHAIN_TURNS: dict[int, tuple[tuple[str, int, str, int], ...]] = {
    RESIDUE: (("C", 0, "CA", 1), ("N", 0, "CA", 3)),
    NUCLEOTIDE: tuple(
        (name, k, name, reach) for name in ("P", "C4'", "C1'") for k, reach in enumerate((1, 2, 3))
    ),
}

Link = tuple[int, str, int, str]  # unit, atom name, unit, atom name


@dataclass(frozen=True)
class Unit:
    """One residue or nucleotide, or a molecule.

    comp: a key of residues.RESIDUE_ATOMS when ``mol`` is None, else any code.
    chain: units of one number are one chain or one molecule. number: place in the chain, NO_INDEX
    for what is in none; units n and n + 1 of a chain are bonded.
    names: atoms that are there (None = all of the component); with ``mol`` the names of its atoms.
    mol: atoms by themselves, without explicit hydrogens; its stereo tags are what is asked for.
    """

    comp: str = ""
    chain: int = 0
    number: int = NO_INDEX
    names: tuple[str, ...] | None = None
    mol: rdchem.Mol | None = None


@dataclass(frozen=True)
class Assembly:
    """graph; atoms: (unit, atom name) of every present atom in slot order; slots: (N,) int64 theirs."""

    graph: Graph
    atoms: list[tuple[int, str]]
    slots: np.ndarray


def atom_names(unit: Unit) -> tuple[str, ...]:
    """The names of a unit's atoms. Raises ValueError for names that do not fit it."""
    if unit.mol is None:
        if unit.comp not in RESIDUE_ATOMS:
            raise ValueError(
                f"{unit.comp!r} is no standard residue or nucleotide: give its molecule"
            )
        return STANDARD_ATOMS[unit.comp] if unit.names is None else unit.names
    if unit.names is not None:
        if len(unit.names) != unit.mol.GetNumAtoms():
            raise ValueError(
                f"{unit.comp}: {len(unit.names)} names for {unit.mol.GetNumAtoms()} atoms"
            )
        return unit.names
    if unit.mol.GetNumAtoms() == 1:
        return (unit.mol.GetAtomWithIdx(0).GetSymbol().upper(),)
    count: dict[str, int] = {}
    names = []
    for atom in unit.mol.GetAtoms():
        symbol = atom.GetSymbol()
        count[symbol] = count.get(symbol, 0) + 1
        names.append(f"{symbol.upper()}{count[symbol]}")
    return tuple(names)


def chain_links(units: Sequence[Unit]) -> list[Link]:
    """The bonds between neighbours n and n + 1 of every chain that have the atoms for one."""
    place = {(u.chain, u.number): k for k, u in enumerate(units) if u.number != NO_INDEX}
    named = [set(atom_names(u)) for u in units]
    links = []
    for (chain, number), here in place.items():
        there = place.get((chain, number + 1))
        for tail, head in JOINTS if there is not None else ():
            if there is not None and tail in named[here] and head in named[there]:
                links.append((here, tail, there, head))
                break
    return links


def _without_leaving(unit: Unit, leaves: set[str]) -> Unit:
    """The unit without its atoms named in ``leaves``; bonds that they held fall to hydrogens."""
    if unit.mol is None or not leaves:
        return unit
    names = atom_names(unit)
    mol = Chem.RWMol(unit.mol)
    for i in reversed(range(len(names))):
        if names[i] in leaves:
            mol.RemoveAtom(i)
    Chem.SanitizeMol(mol)
    kept = tuple(n for n in names if n not in leaves)
    return Unit(unit.comp, unit.chain, unit.number, kept, mol.GetMol())


def _take_hydrogen(atom: rdchem.Atom) -> None:
    if atom.GetNumExplicitHs():
        atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)


@dataclass
class _Cap:
    """A bond from atom ``inside`` of a fragment to the atom in ``slot`` elsewhere."""

    inside: int
    slot: int
    element: str
    xyz: np.ndarray | None


def _carbonyl(name: str, unit: Unit) -> bool:
    return name == "C" and (unit.comp in AMINO_ACIDS or "O" in atom_names(unit))


class _Builder:
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

    def fragment(self, k: int, caps: Sequence[_Cap]) -> None:
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


def assemble(
    units: Sequence[Unit],
    links: Sequence[Link] = (),
    profile: np.ndarray | None = None,
    coordinates: Sequence[np.ndarray] | None = None,
) -> Assembly:
    """Units in token order -> one graph with FULL_SLOTS slots per token.

    links: single bonds beside those of the chains (:func:`chain_links`). profile: (T, 20) uint8.
    coordinates: (n, 3) A per unit, atoms as in :func:`atom_names`: the stereo of every molecule is
    then read from them; else its tags count.
    Raises ValueError naming the component for unknown atoms, elements or impossible valences.
    """
    links = [*chain_links(units), *links]
    leaves: list[set[str]] = [set() for _ in units]
    for a, tail, b, head in links:
        for k, name in ((a, tail), (b, head)):
            if units[k].mol is not None and name in LEAVING and coordinates is None:
                leaves[k].add(LEAVING[name])
    units = [_without_leaving(unit, gone) for unit, gone in zip(units, leaves, strict=True)]
    builder = _Builder(units, coordinates)
    caps: list[list[_Cap]] = [[] for _ in units]
    for a, tail, b, head in links:
        for k, name in ((a, tail), (b, head)):
            if (k, name) not in builder.slot:
                raise ValueError(f"{units[k].comp or 'ligand'} has no atom {name!r} to bond to")
        builder.bonds.append((builder.slot[a, tail], builder.slot[b, head], 1))
        for here, inside, there, outside in ((a, tail, b, head), (b, head, a, tail)):
            if units[here].mol is not None:
                far = atom_names(units[there]).index(outside)
                caps[here].append(
                    _Cap(
                        atom_names(units[here]).index(inside),
                        builder.slot[there, outside],
                        _element(units[there], far, inside),
                        None if coordinates is None else coordinates[there][far],
                    )
                )
    for k, unit in enumerate(units):
        if unit.mol is None:
            builder.polymer(k)
        else:
            builder.fragment(k, caps[k])
    builder.chains()
    graph = Graph(
        tokens=builder.tokens,
        atom_types=builder.types,
        slots=FULL_SLOTS,
        bonds=np.array(builder.bonds, np.int16).reshape(-1, 3),
        rings=builder.rings,
        handed=builder.handed,
        cis_trans=np.array(builder.cis_trans, np.int16).reshape(-1, 3),
        chain=builder.chain,
        residue_index=builder.index,
        profile=profile,
        turns=builder.turns,
    )
    atoms = sorted(builder.slot, key=builder.slot.__getitem__)
    return Assembly(graph, atoms, np.array([builder.slot[a] for a in atoms], np.int64))


def _element(unit: Unit, atom: int, seen_from: str) -> str:
    """What a cap for this atom is made of: an element, or C=O where a nitrogen needs an amide."""
    name = atom_names(unit)[atom]
    if name == "C" and seen_from in ("N", "N1") and _carbonyl(name, unit):
        return "C=O"
    if unit.mol is not None:
        return str(unit.mol.GetAtomWithIdx(atom).GetSymbol())
    return name[0]
