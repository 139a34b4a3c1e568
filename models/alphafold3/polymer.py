"""Protein chains as graphs: one token per residue, four atom slots (N, CA, C, O)."""

from __future__ import annotations

import numpy as np

from models.alphafold3.graph import (
    BACKBONE,
    BACKBONE_TYPE,
    NO_ATOM,
    RESIDUES,
    TOKEN_COLUMNS,
    UNKNOWN_RESIDUE,
    Graph,
)

_COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}
SLOTS = len(BACKBONE)
N, CA, C, OXYGEN = range(SLOTS)


def residue_ids(sequence: str) -> np.ndarray:
    """(T,) uint8: 1..20 for the standard residues, UNKNOWN_RESIDUE for any other letter."""
    lookup = {letter: i + 1 for i, letter in enumerate(RESIDUES)}
    return np.array([lookup.get(letter, UNKNOWN_RESIDUE) for letter in sequence], np.uint8)


def _handed(length: int) -> np.ndarray:
    """(4 T, 3) int16 triples whose normals are pseudovectors, so that L and D chains differ.

    CA: N, CA, C of its own residue - the plane whose normal points to the side of the side chain.
    C: CA of residues t-1, t, t+1 and N: CA of t-3, t, t+3 - they turn with a helix, one step and one
    turn apart, and still tell left from right when single atoms drown in noise.
    """
    triples = np.full((length * SLOTS, 3), NO_ATOM, np.int16)
    t = np.arange(length)
    triples[t * SLOTS + CA] = np.stack([t * SLOTS + N, t * SLOTS + CA, t * SLOTS + C], -1)
    for slot, reach in ((C, 1), (N, 3)):
        inner = t[(t >= reach) & (t < length - reach)]
        triples[inner * SLOTS + slot] = (
            np.stack([inner - reach, inner, inner + reach], -1) * SLOTS + CA
        )
    return triples


def backbone_graph(residues: np.ndarray, profile: np.ndarray | None = None) -> Graph:
    """residues: (T,) ids of :func:`residue_ids`; profile: (T, 20) uint8 or None -> Graph with A = 4."""
    length = len(residues)
    tokens = np.zeros((length, len(TOKEN_COLUMNS)), np.uint8)
    tokens[:, _COLUMN["kind"]] = 1
    tokens[:, _COLUMN["residue"]] = residues
    first = np.arange(length) * SLOTS
    inside = [
        (first + a, first + b, order) for a, b, order in ((N, CA, 1), (CA, C, 1), (C, OXYGEN, 2))
    ]
    peptide = (first[:-1] + C, first[1:] + N, 1)
    bonds = np.concatenate(
        [np.stack([i, j, np.full(len(i), order)], -1) for i, j, order in (*inside, peptide)]
    )
    return Graph(
        tokens=tokens,
        atom_types=np.tile(np.arange(BACKBONE_TYPE, BACKBONE_TYPE + SLOTS), length).astype(
            np.uint8
        ),
        slots=SLOTS,
        bonds=bonds.astype(np.int16),
        rings=np.zeros(length, np.uint64),
        handed=_handed(length),
        chain=np.zeros(length, np.uint8),
        residue_index=np.arange(length, dtype=np.int16),
        profile=profile,
    )
