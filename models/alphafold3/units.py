"""What complexes are made of: residues, nucleotides and molecules, and how chains hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdchem

from models.alphafold3.graph import NO_INDEX
from models.alphafold3.residues import RESIDUE_ATOMS, STANDARD_ATOMS

# Atoms that give way to a bond of the chain: the free acid's and the free phosphate's third oxygen.
LEAVING = {"C": "OXT", "C3": "OXT", "P": "OP3"}
# The atoms that hold a chain together, (towards the end, towards the start); a chromophore's own names.
JOINTS = (("C", "N"), ("O3'", "P"), ("C3", "N"), ("C", "N1"))

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


def without_leaving(unit: Unit, leaves: set[str]) -> Unit:
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
