"""Nucleic acids, ion shells, binding pockets and modified chains, cut out of the PDB. numpy only.

``python -m models data structures`` builds the file (see :mod:`models.alphafold3.data.complexes`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from models.alphafold3.data.store import restore
from models.alphafold3.graph import NO_ATOM, NO_INDEX, NUCLEOTIDE, TOKEN_COLUMNS, TURNS, Graph
from models.alphafold3.residues import FULL_SLOTS

FILE = "structures/structures.npz"
CLASSES = ("dna", "rna", "ion", "pocket", "protein_dna", "modified", "protein")
SHORTEST_DUPLEX, LONGEST_DUPLEX = 4, 10  # base pairs of the windows that training cuts
_COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}


class Structures:
    """``structures.npz``: one crop per example, all with FULL_SLOTS slots per token.

    Per example (``self[key]``): class (one of CLASSES), kind (of the source), pdb, code, title,
    group, split ("train", "val", "test"), weight (1 / sqrt of the examples of its group in its
    class: how often to draw it), tokens_per and atoms_per (sizes).
    Raises FileNotFoundError naming the command that builds the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: build it with `python -m models data structures`"
            )
        with np.load(path, allow_pickle=False) as file:
            self.arrays = {key: file[key] for key in file.files}
        self._offsets = {
            name: np.append(0, np.cumsum(self.arrays[f"{name}_per"], dtype=np.int64))
            for name in ("tokens", "atoms", "bonds", "cis_trans")
        }

    def __len__(self) -> int:
        return len(self.arrays["class"])

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def _span(self, name: str, index: int) -> slice:
        offsets = self._offsets[name]
        return slice(int(offsets[index]), int(offsets[index + 1]))

    def graph(self, index: int) -> Graph:
        tokens, atoms = self._span("tokens", index), self._span("atoms", index)
        slot = self.arrays["slot"][atoms].astype(np.int64)
        m = (tokens.stop - tokens.start) * FULL_SLOTS
        types = np.zeros(m, np.uint8)
        handed = np.full((m, 3), NO_ATOM, np.int16)
        turns = np.full((m, TURNS, 3), NO_ATOM, np.int16)
        types[slot] = self.arrays["atom_type"][atoms]
        handed[slot] = self.arrays["handed"][atoms]
        turns[slot] = self.arrays["turns"][atoms]
        return Graph(
            tokens=self.arrays["token"][tokens],
            atom_types=types,
            slots=FULL_SLOTS,
            bonds=self.arrays["bonds"][self._span("bonds", index)],
            rings=self.arrays["rings"][tokens],
            handed=handed,
            cis_trans=self.arrays["cis_trans"][self._span("cis_trans", index)],
            chain=self.arrays["chain"][tokens],
            residue_index=self.arrays["residue_index"][tokens],
            turns=turns,
        )

    def coordinates(self, index: int) -> np.ndarray:
        """(M, 3) float32 A by slot, centred on the atoms; zeros where there is no atom."""
        tokens, atoms = self._span("tokens", index), self._span("atoms", index)
        xyz = np.zeros(((tokens.stop - tokens.start) * FULL_SLOTS, 3), np.float32)
        xyz[self.arrays["slot"][atoms].astype(np.int64)] = restore(self.arrays["xyz"][atoms])
        return xyz

    def ligand(self, index: int) -> np.ndarray:
        """(M,) bool: the atoms of the ligand, ion or modified residue that the crop is cut around."""
        tokens, atoms = self._span("tokens", index), self._span("atoms", index)
        focus = np.zeros((tokens.stop - tokens.start) * FULL_SLOTS, bool)
        focus[self.arrays["slot"][atoms].astype(np.int64)] = self.arrays["focus"][atoms]
        return focus

    def pairs(self, index: int) -> np.ndarray:
        """(T,) base pair of each nucleotide along the first strand, -1 where it is no duplex."""
        return self.arrays["pair"][self._span("tokens", index)]

    def window(
        self, index: int, rng: np.random.Generator, length: int | None = None
    ) -> tuple[Graph, np.ndarray]:
        """(graph, (M, 3) A) of a random stretch of a duplex of ``length`` base pairs (default:
        SHORTEST_DUPLEX to LONGEST_DUPLEX by chance); of anything else the whole."""
        graph, xyz, pairs = self.graph(index), self.coordinates(index), self.pairs(index)
        held = int(pairs.max()) + 1
        if length is None:
            length = int(rng.integers(SHORTEST_DUPLEX, LONGEST_DUPLEX + 1))
        if not held or held <= length:
            return graph, xyz
        start = int(rng.integers(held - length + 1))
        kept = np.flatnonzero((pairs >= start) & (pairs < start + length))
        return subset(graph, kept), centred(xyz, graph, kept)


def centred(xyz: np.ndarray, graph: Graph, kept: np.ndarray) -> np.ndarray:
    """xyz: (M, 3) of ``graph`` -> (M', 3) of the ``kept`` tokens, centred on their atoms."""
    cut = xyz.reshape(graph.size, graph.slots, 3)[kept].reshape(-1, 3)
    there = graph.present.reshape(graph.size, graph.slots)[kept].reshape(-1)
    return np.where(there[:, None], cut - cut[there].mean(0), 0).astype(np.float32)


def _places(chain: np.ndarray, index: np.ndarray, step: int) -> np.ndarray:
    """(T,) uint8: 1 for a nucleotide without a neighbour at ``step``, 2 for the next one ..."""
    held = {(int(c), int(i)): k for k, (c, i) in enumerate(zip(chain, index, strict=True))}
    furthest = TOKEN_COLUMNS["from_start"] - 1
    places = np.ones(len(chain), np.uint8)
    for k, (c, i) in enumerate(zip(chain.tolist(), index.tolist(), strict=True)):
        while i != NO_INDEX and (c, i + step * int(places[k])) in held and places[k] < furthest:
            places[k] += 1
    return places


def subset(graph: Graph, kept: np.ndarray) -> Graph:
    """The tokens ``kept`` (ascending) of a graph, bonds and triples that lose an end left out."""
    slots = graph.slots
    lookup = np.full(graph.size * slots + 1, NO_ATOM, np.int64)
    old = (kept[:, None] * slots + np.arange(slots)).reshape(-1)
    lookup[old] = np.arange(len(old))

    def triples(table: np.ndarray) -> np.ndarray:
        moved = lookup[table[old].astype(np.int64)]  # -1 reads the last entry, which is NO_ATOM
        moved[(moved == NO_ATOM).any(-1)] = NO_ATOM
        return moved.astype(np.int16)

    def edges(table: np.ndarray) -> np.ndarray:
        moved = table.astype(np.int64)
        moved[:, :2] = lookup[moved[:, :2]]
        return moved[(moved[:, :2] != NO_ATOM).all(1)].astype(np.int16)

    assert graph.chain is not None and graph.residue_index is not None
    tokens, chain, index = graph.tokens[kept].copy(), graph.chain[kept], graph.residue_index[kept]
    strand = tokens[:, _COLUMN["kind"]] == NUCLEOTIDE
    for column, step in (("from_start", -1), ("to_end", 1)):
        tokens[:, _COLUMN[column]] = np.where(strand, _places(chain, index, step), 0)
    return replace(
        graph,
        tokens=tokens,
        atom_types=graph.atom_types[old],
        bonds=edges(graph.bonds),
        rings=graph.rings[kept],
        handed=triples(graph.handed),
        cis_trans=edges(graph.cis_trans),
        chain=chain,
        residue_index=index,
        profile=None if graph.profile is None else graph.profile[kept],
        turns=None if graph.turns is None else triples(graph.turns),
    )
