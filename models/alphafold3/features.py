"""Graphs to padded tensors: the only place that knows how a graph is shown to the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.graph import (
    ATOM,
    BACKBONE_RESIDUE,
    NO_ATOM,
    NO_INDEX,
    NUCLEOTIDE,
    RESIDUE,
    TOKEN_COLUMNS,
    TURNS,
    Graph,
)
from models.alphafold3.residues import BACKBONE, SUGAR

MAX_DISTANCE = 9  # graph distances beyond are one value
MAX_RELATIVE = 32  # residues further apart along the chain are one value
SECOND_SHELL = 12  # atoms two bonds away that an atom looks at
TRIPLES = 1 + TURNS  # planes an atom looks at
KIND = list(TOKEN_COLUMNS).index("kind")
# The slot that stands for a token in distances between tokens: CA, C1', the atom itself.
REPRESENTATIVE = {
    ATOM: 0,
    BACKBONE_RESIDUE: BACKBONE.index("CA"),
    RESIDUE: BACKBONE.index("CA"),
    NUCLEOTIDE: SUGAR.index("C1'"),
}

# Columns of Features.pair and the number of values each may take.
PAIR_COLUMNS: dict[str, int] = {
    "bond": 5,  # none, single, double, triple, aromatic
    "distance": MAX_DISTANCE + 2,  # bonds between: 0..9, not connected
    "ring": 2,  # share a ring
    "handed": 3,  # 0, or the cyclic order a>b>c around a stereocentre (1) or against it (2)
    "cis_trans": 3,
    "relative": 2 * MAX_RELATIVE + 2,  # not one polymer, else offset along the chain
    "chain": 2,  # same chain
}


@dataclass(frozen=True)
class TokenFeatures:
    """What the trunk reads: B structures padded to T tokens with zeros."""

    tokens: Tensor  # (B, T, len(TOKEN_COLUMNS)) int64
    profile: Tensor  # (B, T, 21) float32: shares of 20 residues, 1 where they are known
    pair: Tensor  # (B, T, T, len(PAIR_COLUMNS)) int64
    token_mask: Tensor  # (B, T) bool


@dataclass(frozen=True)
class Features(TokenFeatures):
    """The same with A slots per token, M = T * A. Padding holds zeros and index M - 1."""

    atom_types: Tensor  # (B, M) int64, 0 = no atom
    near: Tensor  # (B, M, MAX_NEIGHBOURS) int64 bonded slots
    near_mask: Tensor  # (B, M, MAX_NEIGHBOURS) float32
    second: Tensor  # (B, M, SECOND_SHELL) int64 slots two bonds away
    second_mask: Tensor  # (B, M, SECOND_SHELL) float32
    handed: Tensor  # (B, M, TRIPLES, 3) int64
    handed_mask: Tensor  # (B, M, TRIPLES) float32
    centre: (
        Tensor  # (B, M) float32, 1 at stereocentres, whose triples are three of their neighbours
    )

    @property
    def atom_mask(self) -> Tensor:
        """(B, M) bool"""
        return self.atom_types > 0

    @property
    def representative(self) -> Tensor:
        """(B, T) int64 slot of the atom that stands for each token; it may be absent in padding."""
        kinds = self.tokens[..., KIND]
        slot = torch.tensor(
            [REPRESENTATIVE[k] for k in sorted(REPRESENTATIVE)], device=kinds.device
        )
        first = torch.arange(kinds.shape[1], device=kinds.device) * self.slots
        return first + slot[kinds].clamp_max(self.slots - 1)

    @property
    def slots(self) -> int:
        return self.atom_types.shape[1] // self.tokens.shape[1]

    def to(self, device: str | torch.device) -> Features:
        return Features(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def rows(self, index: slice) -> Features:
        return Features(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def graph_distances(bonds: np.ndarray, size: int) -> np.ndarray:
    """(T, T) uint8 bonds on the shortest way; MAX_DISTANCE for more, MAX_DISTANCE + 1 for none."""
    step = np.eye(size, dtype=np.float32)
    step[bonds[:, 0], bonds[:, 1]] = step[bonds[:, 1], bonds[:, 0]] = 1
    distance = np.full((size, size), MAX_DISTANCE + 1, np.uint8)
    reached = np.eye(size, dtype=np.float32)
    distance[reached > 0] = 0
    for d in range(1, MAX_DISTANCE):
        wider = np.minimum(reached @ step, 1)
        fresh = (wider > 0) & (reached == 0)
        if not fresh.any():
            return distance
        distance[fresh] = d
        reached = wider
    for _ in range(size):  # what is connected at all, however far
        wider = np.minimum(reached @ step, 1)
        if (wider > 0).sum() == (reached > 0).sum():
            break
        distance[(wider > 0) & (reached == 0)] = MAX_DISTANCE
        reached = wider
    return distance


def pair_features(graph: Graph) -> np.ndarray:
    """(T, T, len(PAIR_COLUMNS)) uint8"""
    size, slots = graph.size, graph.slots
    pair = np.zeros((size, size, len(PAIR_COLUMNS)), np.uint8)
    column = {name: pair[:, :, k] for k, name in enumerate(PAIR_COLUMNS)}
    ends, order = graph.bonds[:, :2].astype(np.int64) // slots, graph.bonds[:, 2]
    between = ends[:, 0] != ends[:, 1]
    ends, order = ends[between], order[between]
    for i, j in ((0, 1), (1, 0)):
        column["bond"][ends[:, i], ends[:, j]] = order
    column["distance"][...] = graph_distances(ends, size)
    column["ring"][...] = (graph.rings[:, None] & graph.rings[None, :]) != 0
    kind = graph.tokens[:, KIND]
    for triple in graph.handed[graph.handed[:, 0] != NO_ATOM].tolist():
        a, b, c = (m // slots for m in triple)
        if not (kind[a] or kind[b] or kind[c]):  # between atom tokens only
            for i, j in ((a, b), (b, c), (c, a)):
                column["handed"][i, j], column["handed"][j, i] = 1, 2
    for i, j, geometry in graph.cis_trans.tolist():
        i, j = i // slots, j // slots
        column["cis_trans"][i, j] = column["cis_trans"][j, i] = geometry
    chain = graph.chain if graph.chain is not None else np.zeros(size, np.uint8)
    same = chain[:, None] == chain[None, :]
    column["chain"][...] = same
    index = graph.residue_index
    index = np.full(size, NO_INDEX, np.int16) if index is None else index
    polymer = (index[:, None] != NO_INDEX) & (index[None, :] != NO_INDEX) & same
    offset = index[None, :].astype(np.int64) - index[:, None]
    offset = np.clip(offset, -MAX_RELATIVE, MAX_RELATIVE) + MAX_RELATIVE + 1
    column["relative"][...] = np.where(polymer, offset, 0)
    return pair


def second_shell(near: np.ndarray) -> np.ndarray:
    """near: (M, MAX_NEIGHBOURS) -> (M, SECOND_SHELL) atoms two bonds away, -1 where there are fewer."""
    table = np.full((len(near), SECOND_SHELL), NO_ATOM, np.int16)
    neighbours = [[n for n in row if n >= 0] for row in near.tolist()]
    for m, row in enumerate(neighbours):
        far = sorted({k for n in row for k in neighbours[n]} - set(row) - {m})[:SECOND_SHELL]
        table[m, : len(far)] = far
    return table


def triples(graph: Graph, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> (M, TRIPLES, 3) planes of every atom, (M,) which atoms are stereocentres.

    A centre of four neighbours gets all four planes of three of them: from one alone, the fourth
    neighbour could not be told to be on the wrong side. near: (M, MAX_NEIGHBOURS).
    """
    handed = graph.handed.astype(np.int64)
    out = np.full((len(handed), TRIPLES, 3), NO_ATOM, np.int16)
    out[:, 0] = handed
    if graph.turns is not None:
        out[:, 1:] = graph.turns
    known = handed[:, 0] != NO_ATOM
    centre = known & (handed[:, :, None] == near[:, None, :]).any(-1).all(-1)
    for m in np.flatnonzero(centre & ((near >= 0).sum(-1) == 4)):
        a, b, c = handed[m]
        (d,) = set(near[m][near[m] >= 0].tolist()) - {a, b, c}
        # Even permutations of (d, a, b, c) see the same hand.
        out[m, 1:] = (d, c, b), (d, a, c), (d, b, a)
    return out, centre


def arrays(graph: Graph) -> dict[str, np.ndarray]:
    """What :func:`collate` pads, for one graph; small integers, worth caching during training."""
    near = graph.neighbours()
    handed, centre = triples(graph, near)
    return {
        "tokens": graph.tokens,
        "profile": np.zeros((graph.size, 20), np.uint8) if graph.profile is None else graph.profile,
        "pair": pair_features(graph),
        "atom_types": graph.atom_types,
        "near": near,
        "second": second_shell(near),
        "handed": handed,
        "centre": centre,
    }


def collate_tokens(
    items: Sequence[dict[str, np.ndarray]], tokens: int | None = None
) -> TokenFeatures:
    """Pads the tokens of the :func:`arrays` of B graphs, with any number of slots, to ``tokens`` (default:
    largest). Raises ValueError when a graph has more tokens than that."""
    largest = max(len(item["tokens"]) for item in items)
    size = tokens or largest
    if size < largest:
        raise ValueError(f"cannot pad {largest} tokens to {size}")
    batch = len(items)
    out: dict[str, np.ndarray] = {
        "tokens": np.zeros((batch, size, len(TOKEN_COLUMNS)), np.int64),
        "profile": np.zeros((batch, size, 21), np.float32),
        "pair": np.zeros((batch, size, size, len(PAIR_COLUMNS)), np.int64),
        "token_mask": np.zeros((batch, size), bool),
    }
    for b, item in enumerate(items):
        t = len(item["tokens"])
        out["tokens"][b, :t] = item["tokens"]
        out["profile"][b, :t, :20] = item["profile"] / 255.0
        out["profile"][b, :t, 20] = item["profile"].any(-1)
        out["pair"][b, :t, :t] = item["pair"]
        out["token_mask"][b, :t] = True
    return TokenFeatures(**{name: torch.from_numpy(value) for name, value in out.items()})


def collate(
    items: Sequence[dict[str, np.ndarray]], slots: int, tokens: int | None = None
) -> Features:
    """Pads the :func:`arrays` of B graphs with ``slots`` slots per token to ``tokens`` (default: largest).

    Raises ValueError when a graph has more tokens than that.
    """
    padded = collate_tokens(items, tokens)
    batch, m = len(items), padded.tokens.shape[1] * slots
    out: dict[str, np.ndarray] = {
        "atom_types": np.zeros((batch, m), np.int64),
        "centre": np.zeros((batch, m), np.float32),
    }
    index = {
        name: np.full((batch, m, *items[0][name].shape[1:]), NO_ATOM, np.int64)
        for name in ("near", "second", "handed")
    }
    for b, item in enumerate(items):
        t = len(item["tokens"])
        out["atom_types"][b, : t * slots] = item["atom_types"]
        out["centre"][b, : t * slots] = item["centre"]
        for name, table in index.items():
            table[b, : t * slots] = item[name]
    masks = {name: (table != NO_ATOM).astype(np.float32) for name, table in index.items()}
    tables = {name: np.where(table == NO_ATOM, m - 1, table) for name, table in index.items()}
    tensors = {name: torch.from_numpy(value) for name, value in {**out, **tables}.items()}
    return Features(
        **vars(padded),
        **tensors,
        near_mask=torch.from_numpy(masks["near"]),
        second_mask=torch.from_numpy(masks["second"]),
        handed_mask=torch.from_numpy(masks["handed"][..., 0]),
    )
