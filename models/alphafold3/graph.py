"""The molecular graph as plain arrays: what the network is told, free of RDKit, torch and coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from models.alphafold3.residues import AMINO_ACIDS, BACKBONE, NUCLEOTIDES, POLYMER_ATOMS

# Index 0 means "none of these" (polymer tokens carry no element).
ELEMENTS = ("", "C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Se", "Si")
# Elements that only occur as ions here; in the token column "element" they follow ELEMENTS.
METALS = ("Na", "Mg", "K", "Ca", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Cd")
# One-letter order of ProMod3's profiles; index 0 means "no residue", 21 "unknown residue".
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
UNKNOWN_RESIDUE = 21
# What a slot may hold, the vocabulary of the atom embedding: an element (atom tokens), an atom of the
# backbone, an ion, or a named atom of a side chain or nucleotide (see residues.polymer_atom).
ATOM_TYPES = (*ELEMENTS, *(f"backbone {name}" for name in BACKBONE), *METALS, *POLYMER_ATOMS)
ATOM_TYPE = {name: i for i, name in enumerate(ATOM_TYPES) if name}
BACKBONE_TYPE = len(ELEMENTS)
METAL_TYPE = BACKBONE_TYPE + len(BACKBONE)
# Values of the token column "residue" by component: amino acids first, then nucleotides.
RESIDUE_ID = {
    **{comp: i + 1 for i, comp in enumerate(AMINO_ACIDS)},
    **{comp: UNKNOWN_RESIDUE + 1 + i for i, comp in enumerate(NUCLEOTIDES)},
}
# Values of the token column "kind".
ATOM, BACKBONE_RESIDUE, RESIDUE, NUCLEOTIDE = range(4)

# Columns of ``Graph.tokens`` and the number of values each may take.
TOKEN_COLUMNS: dict[str, int] = {
    "kind": 4,  # atom token, backbone of a residue, residue with all atoms, nucleotide
    "element": 24,  # ELEMENTS, then METALS
    "charge": 7,  # formal charge + 3, clipped
    "aromatic": 2,
    "degree": 7,
    "hydrogens": 5,
    "hybridisation": 4,  # other, sp, sp2, sp3
    "ring_size": 8,  # smallest ring: 0 none, 1..6 for 3..8, 7 larger
    "rings": 4,  # number of rings, clipped
    "chirality": 3,  # none, R, S
    "residue": 32,
    # Strands are short and pair up end against end: the place from either end of a nucleotide's
    # strand, 1 to 16, 17 for more, 0 for tokens that are no nucleotides.
    "from_start": 18,
    "to_end": 18,
}

MAX_NEIGHBOURS = 6
NO_ATOM = -1
NO_INDEX = -1  # residue_index of tokens outside polymers
TURNS = 3


def _empty(width: int) -> np.ndarray:
    return np.zeros((0, width), np.int16)


@dataclass(frozen=True)
class Graph:
    """One structure: T tokens with A atom slots each, M = T * A.

    tokens: (T, len(TOKEN_COLUMNS)) uint8.          atom_types: (M,) uint8 into ATOM_TYPES, 0 = no atom.
    bonds: (E, 3) int16: atom, atom, order (1, 2, 3 or 4 = aromatic), atoms numbered by slot.
    rings: (T,) uint64, bit r set when the token's atom lies in ring r.
    handed: (M, 3) int16 slots a, b, c, or -1. The plane through them, with the normal
        (b - a) x (c - a), tells the two mirror images apart: at a stereocentre they are three of its
        neighbours in the order that makes (a - m) . ((b - m) x (c - m)) > 0; in a protein they span
        the residue (see :mod:`models.alphafold3.polymer`).
    turns: (M, TURNS, 3) int16 further triples of slots, or -1, whose normals show how a chain turns; None
        where there are none.
    cis_trans: (C, 3) int16: atoms on the two ends of a stereo double bond, 1 = cis, 2 = trans.
    chain: (T,) uint8, residue_index: (T,) int16, NO_INDEX outside polymers; consecutive numbers
        are neighbours in the chain.
    profile: (T, 20) uint8, share of each residue in related sequences x 255; all 0 = not known.
    """

    tokens: np.ndarray
    atom_types: np.ndarray
    slots: int
    bonds: np.ndarray
    rings: np.ndarray
    handed: np.ndarray
    cis_trans: np.ndarray = field(default_factory=lambda: _empty(3))
    chain: np.ndarray | None = None
    residue_index: np.ndarray | None = None
    profile: np.ndarray | None = None
    turns: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of tokens T."""
        return len(self.tokens)

    @property
    def present(self) -> np.ndarray:
        """(M,) bool: which slots hold an atom."""
        return self.atom_types > 0

    def neighbours(self) -> np.ndarray:
        """(M, MAX_NEIGHBOURS) int16 bonded slots, -1 where there are fewer."""
        table = np.full((len(self.atom_types), MAX_NEIGHBOURS), NO_ATOM, np.int16)
        count = np.zeros(len(self.atom_types), np.int64)
        for i, j in self.bonds[:, :2].tolist():
            for here, there in ((i, j), (j, i)):
                if count[here] < MAX_NEIGHBOURS:
                    table[here, count[here]] = there
                    count[here] += 1
        return table


def join(graphs: list[Graph]) -> Graph:
    """Several chains as one structure: tokens side by side, each graph its own chain.

    Atom tokens beside residues get as many (empty) slots as a residue has.
    """
    slots = max(graph.slots for graph in graphs)
    parts: dict[str, list[np.ndarray]] = {f.name: [] for f in fields(Graph) if f.name != "slots"}
    tokens = 0
    for number, graph in enumerate(graphs):
        where = np.arange(len(graph.atom_types))
        new_slot = (where // graph.slots + tokens) * slots + where % graph.slots
        lookup = np.append(new_slot, NO_ATOM).astype(np.int16)
        types = np.zeros(graph.size * slots, np.uint8)
        handed = np.full((graph.size * slots, 3), NO_ATOM, np.int16)
        types[new_slot - tokens * slots] = graph.atom_types
        handed[new_slot - tokens * slots] = lookup[graph.handed]
        for name, value in (("bonds", graph.bonds), ("cis_trans", graph.cis_trans)):
            moved = value.copy()
            moved[:, :2] = lookup[value[:, :2]]
            parts[name].append(moved)
        # Rings of different chains must not share a bit; 16 per chain are told apart.
        parts["rings"].append(graph.rings << np.uint64(16 * (number % 4)))
        parts["tokens"].append(graph.tokens)
        parts["atom_types"].append(types)
        parts["handed"].append(handed)
        parts["chain"].append(np.full(graph.size, number, np.uint8))
        turns = np.full((graph.size * slots, TURNS, 3), NO_ATOM, np.int16)
        if graph.turns is not None:
            turns[new_slot - tokens * slots] = lookup[graph.turns]
        parts["turns"].append(turns)
        index = graph.residue_index
        none = np.full(graph.size, NO_INDEX, np.int16)
        parts["residue_index"].append(none if index is None else index)
        profile = graph.profile
        parts["profile"].append(
            np.zeros((graph.size, 20), np.uint8) if profile is None else profile
        )
        tokens += graph.size
    return Graph(slots=slots, **{name: np.concatenate(values) for name, values in parts.items()})
