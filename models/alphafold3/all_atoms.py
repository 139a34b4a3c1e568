"""The form of an input in which every atom is drawn: nucleic acids, ions, modified residues, pockets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.alphafold3 import templates
from models.alphafold3.assembly import Unit, assemble, atom_names
from models.alphafold3.chains import Chain, molecule_bonds
from models.alphafold3.forms import MAX_FULL_TOKENS, Drawn, check_size
from models.alphafold3.graph import ATOM, TOKEN_COLUMNS, Graph
from models.alphafold3.residues import AMINO_ACIDS, FULL_SLOTS
from models.alphafold3.sequences import PEPTIDE, modification_notes
from models.pipeline import InputError

TRAINED_TOKENS = 96
TRAINED_STRAND = {"dna": 10, "rna": 14}  # nucleotides
AROMATIC = 4
_KIND = list(TOKEN_COLUMNS).index("kind")
# Where the double bonds of the standard aromatic rings are drawn.
_DOUBLE = {
    "PHE": "CG CD1 CE1 CZ CE2 CD2",
    "TYR": "CG CD1 CE1 CZ CE2 CD2",
    "HIS": "CG CD2 ND1 CE1",
    "TRP": "CG CD1 CD2 CE2 CE3 CZ3 CZ2 CH2",
    "A": "C8 N7 C5 C4 C6 N1 C2 N3",
    "G": "C8 N7 C5 C4 C2 N3",
    "C": "N3 C4 C5 C6",
    "U": "C5 C6",
    "T": "C5 C6",
}
# A chromophore that a protein makes of three of its residues is numbered as the middle one.
_THREE_IN_ONE = frozenset({"CRO", "CRQ", "CR2", "CRF", "NRQ", "CH6", "GYS"})


def _units(chains: list[Chain]) -> tuple[list[Unit], list[tuple[int, int]]]:
    """-> units, and (chain, residue number for people) of each. The units' own numbers rise by one where
    residues are bonded, as they did in training."""
    units: list[Unit] = []
    origin: list[tuple[int, int]] = []
    for k, chain in enumerate(chains):
        if not chain.polymer:
            units.append(Unit(chain.residue, k, names=_ion_name(chain), mol=chain.mol))
            origin.append((k, 1))
            continue
        number, before = 1, None
        for place, comp in enumerate(chain.components()):
            here = (chain.number(place), comp)
            number += 0 if before is None else _step(before, here)
            before = here
            if place in chain.modifications:
                mol, names = templates.modified(comp)
                units.append(Unit(comp, k, number, names, mol))
            else:
                units.append(Unit(comp, k, number))
            origin.append((k, here[0]))
    return units, origin


def _ion_name(chain: Chain) -> tuple[str, ...] | None:
    """Ions are named by their element, other molecules' atoms by element and count."""
    if chain.kind != "ion" or chain.mol is None:
        return None
    return (chain.mol.GetAtomWithIdx(0).GetSymbol().upper(),)


def _step(before: tuple[int, str], here: tuple[int, str]) -> int:
    """How much further along the chain a residue stands than the one before it in the cut-out."""
    gap = here[0] - before[0]
    return 1 if gap == 2 and {before[1], here[1]} & _THREE_IN_ONE else gap


def all_atoms(chains: list[Chain]) -> Drawn:
    units, origin = _units(chains)
    sizes = [1 if unit.mol is None else unit.mol.GetNumAtoms() for unit in units]
    loose = [n for n, (k, _) in zip(sizes, origin, strict=True) if not chains[k].polymer]
    check_size(chains, sum(sizes), sum(loose), MAX_FULL_TOKENS)
    try:
        assembly = assemble(units)
    except ValueError as error:
        raise InputError(
            chains[0].path, f"makes no structure: {error}", "chains whose bonds are possible"
        ) from error
    graph = _with_profile(assembly.graph, chains)
    atoms = []
    for (k, name), slot in zip(assembly.atoms, assembly.slots.tolist(), strict=True):
        unit, (number, residue_index) = units[k], origin[k]
        chain = chains[number]
        atom = unit.mol.GetAtomWithIdx(atom_names(unit).index(name)) if unit.mol else None
        atoms.append(
            chain.record(
                element=atom.GetSymbol() if atom else name[0],
                charge=atom.GetFormalCharge() if atom else 0,
                name=name,
                residue=unit.comp,
                residue_index=residue_index,
                token=slot // FULL_SLOTS,
            )
        )
    place = {slot: i for i, slot in enumerate(assembly.slots.tolist())}
    rows = [(place[i], place[j], order) for i, j, order in graph.bonds.tolist()]
    return Drawn(
        graph, atoms, _kekule(rows, atoms, assembly.atoms, units), _notes(chains, graph.size)
    )


def _with_profile(graph: Graph, chains: list[Chain]) -> Graph:
    """Rows of the residues that a profile is known for; modified ones have none."""
    if all(chain.profile is None for chain in chains):
        return graph
    table = np.zeros((graph.size, 20), np.uint8)
    assert graph.chain is not None
    for number, chain in enumerate(chains):
        if chain.profile is not None:
            kept = [t for t in range(len(chain.sequence)) if t not in chain.modifications]
            here = (graph.chain == number) & (graph.tokens[:, _KIND] != ATOM)
            table[here] = chain.profile[kept]
    return replace(graph, profile=table)


def _kekule(
    rows: list[tuple[int, int, int]],
    atoms: list[dict[str, Any]],
    origin: list[tuple[int, str]],
    units: list[Unit],
) -> list[list[int]]:
    """Aromatic bonds as single and double ones."""
    double: set[tuple[int, str, str]] = set()
    for k, unit in enumerate(units):
        if unit.mol is not None:
            names = atom_names(unit)
            pairs = [(names[i], names[j]) for i, j, o in molecule_bonds(unit.mol) if o == 2]
        else:
            ring = _DOUBLE.get(unit.comp if unit.comp in AMINO_ACIDS else unit.comp[-1], "").split()
            pairs = list(zip(ring[::2], ring[1::2], strict=True))
        double |= {(k, a, b) for a, b in pairs} | {(k, b, a) for a, b in pairs}
    out = []
    for i, j, order in rows:
        if order == AROMATIC:
            order = 2 if (origin[i][0], origin[i][1], origin[j][1]) in double else 1
        out.append([i, j, order])
    return out


def _notes(chains: list[Chain], tokens: int) -> list[str]:
    kinds = {chain.kind for chain in chains}
    notes = [note for chain in chains for note in modification_notes(chain)]
    for kind, limit in TRAINED_STRAND.items():
        longest = max((len(c.sequence) for c in chains if c.kind == kind), default=0)
        if longest > limit:
            notes.append(
                f"{longest} nucleotides are outside the trained range ({kind.upper()} strands of up to "
                f"{limit})."
            )
    if kinds & {"protein", "ligand", "ion"} and tokens > TRAINED_TOKENS:
        notes.append(f"{tokens} tokens are outside the trained range (up to {TRAINED_TOKENS}).")
    if len(kinds) > 1 and not kinds <= {"dna", "rna"}:
        notes.append(
            "Seen in training only as cut-outs of a few hundred complexes: the residues or base pairs "
            "around a ligand, an ion or an interface. An illustration, no docking."
        )
    if "protein" in kinds:
        whole = max(
            (len(c.sequence) for c in chains if c.kind == "protein" and not c.positions), default=0
        )
        if whole > PEPTIDE:
            notes.append(
                f"All atoms of {whole} residues are drawn; whole chains were trained as backbones only."
            )
    return notes
