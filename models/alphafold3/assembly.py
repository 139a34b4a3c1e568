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

from models.alphafold3.assembly_tokens import Builder, Cap
from models.alphafold3.graph import Graph
from models.alphafold3.residues import AMINO_ACIDS, FULL_SLOTS
from models.alphafold3.units import LEAVING, Link, Unit, atom_names, chain_links, without_leaving

__all__ = ["Assembly", "Link", "Unit", "assemble", "atom_names", "chain_links"]


@dataclass(frozen=True)
class Assembly:
    """graph; atoms: (unit, atom name) of every present atom in slot order; slots: (N,) int64 theirs."""

    graph: Graph
    atoms: list[tuple[int, str]]
    slots: np.ndarray


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
    units = [without_leaving(unit, gone) for unit, gone in zip(units, leaves, strict=True)]
    builder = Builder(units, coordinates)
    caps: list[list[Cap]] = [[] for _ in units]
    for a, tail, b, head in links:
        for k, name in ((a, tail), (b, head)):
            if (k, name) not in builder.slot:
                raise ValueError(f"{units[k].comp or 'ligand'} has no atom {name!r} to bond to")
        builder.bonds.append((builder.slot[a, tail], builder.slot[b, head], 1))
        for here, inside, there, outside in ((a, tail, b, head), (b, head, a, tail)):
            if units[here].mol is not None:
                far = atom_names(units[there]).index(outside)
                caps[here].append(
                    Cap(
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


def _carbonyl(name: str, unit: Unit) -> bool:
    return name == "C" and (unit.comp in AMINO_ACIDS or "O" in atom_names(unit))


def _element(unit: Unit, atom: int, seen_from: str) -> str:
    """What a cap for this atom is made of: an element, or C=O where a nitrogen needs an amide."""
    name = atom_names(unit)[atom]
    if name == "C" and seen_from in ("N", "N1") and _carbonyl(name, unit):
        return "C=O"
    if unit.mol is not None:
        return str(unit.mol.GetAtomWithIdx(atom).GetSymbol())
    return name[0]
