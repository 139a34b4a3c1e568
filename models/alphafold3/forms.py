"""Two forms of an input: molecules, one token per atom, and protein backbones, one token per residue.

The third, all atoms of everything else, is :mod:`models.alphafold3.all_atoms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.alphafold3.chains import (
    MAX_MOLECULE,
    Chain,
    backbone_atoms,
    molecule_atoms,
    molecule_bonds,
)
from models.alphafold3.chemistry import molecule_graph
from models.alphafold3.graph import Graph, join
from models.alphafold3.polymer import backbone_graph, residue_ids
from models.alphafold3.sequences import MAX_RESIDUES
from models.pipeline import InputError

MAX_TOKENS, MAX_FULL_TOKENS = 256, 128
TRAINED_ATOMS, TRAINED_RESIDUES = 40, 64


@dataclass(frozen=True)
class Drawn:
    """One form's answer: the graph, its atoms and bonds, and what it has to say."""

    graph: Graph
    atoms: list[dict[str, Any]]
    bonds: list[list[int]]
    notes: list[str]


def check_size(chains: list[Chain], tokens: int, atoms: int, limit: int) -> None:
    """atoms: heavy atoms outside polymers."""
    if atoms <= MAX_MOLECULE and tokens <= limit:
        return
    short = len({chain.path for chain in chains}) == 1
    raise InputError(
        chains[0].path if short else "input.sequences",
        f"has {atoms} heavy atoms outside polymers"
        if atoms > MAX_MOLECULE
        else f"has {tokens} tokens (residues, nucleotides, atoms of everything else)",
        f"at most {MAX_MOLECULE} heavy atoms outside polymers, {MAX_RESIDUES} residues in protein "
        f"backbones, {MAX_TOKENS} tokens of ligands and backbones, {MAX_FULL_TOKENS} tokens where all "
        "atoms are drawn",
    )


def molecules(chains: list[Chain]) -> Drawn:
    mols = [chain.mol for chain in chains if chain.mol is not None]
    sizes = [mol.GetNumAtoms() for mol in mols]
    check_size(chains, sum(sizes), sum(sizes), MAX_TOKENS)
    notes = []
    if max(sizes) > TRAINED_ATOMS:
        notes.append(
            f"{max(sizes)} heavy atoms are outside the trained range (2-{TRAINED_ATOMS}): "
            "expect strained or tangled shapes."
        )
    if len(chains) > 1:
        notes.append(
            "Molecules without a pocket are not trained together: each is shaped, their arrangement "
            "means nothing."
        )
    graphs = [molecule_graph(mol) for mol in mols]
    return _joined(
        graphs, [molecule_atoms(c) for c in chains], list(map(molecule_bonds, mols)), notes
    )


def backbones(chains: list[Chain]) -> Drawn:
    sizes = [len(chain.sequence) for chain in chains]
    check_size(chains, sum(sizes), 0, MAX_TOKENS)
    graphs = [backbone_graph(residue_ids(c.sequence), c.profile) for c in chains]
    known = [chain.profile is not None for chain in chains]
    source = "the sequence and its profile" if all(known) else "the sequence alone"
    notes = [f"Backbone only (N, CA, C, O), from {source}."]
    if any(known) and not all(known):
        notes = ["Backbone only (N, CA, C, O); not every chain has a profile."]
    beyond = [n for n in sizes if not 16 <= n <= TRAINED_RESIDUES]
    if beyond:
        notes.append(
            f"{max(beyond)} residues are outside the trained range (16-{TRAINED_RESIDUES})"
            + (": local structure only." if max(beyond) > TRAINED_RESIDUES else ".")
        )
    if len(chains) > 1:
        notes.append(
            "Complexes of protein chains are not trained: each chain is shaped, their arrangement means "
            "nothing."
        )
    bonds = []
    for graph in graphs:
        number = np.cumsum(graph.present) - 1
        bonds.append([(int(number[i]), int(number[j]), int(o)) for i, j, o in graph.bonds])
    return _joined(graphs, [backbone_atoms(c) for c in chains], bonds, notes)


def _joined(
    graphs: list[Graph],
    atoms: list[list[dict[str, Any]]],
    bonds: list[list[tuple[int, int, int]]],
    notes: list[str],
) -> Drawn:
    records: list[dict[str, Any]] = []
    numbered: list[list[int]] = []
    token = 0
    for graph, own, pairs in zip(graphs, atoms, bonds, strict=True):
        first = len(records)
        records += [record | {"token": token + record["token"]} for record in own]
        numbered += [[first + i, first + j, order] for i, j, order in pairs]
        token += graph.size
    return Drawn(graphs[0] if len(graphs) == 1 else join(graphs), records, numbered, notes)
