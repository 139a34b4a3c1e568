"""Which way a double helix turns."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from models.alphafold3.graph import NUCLEOTIDE, RESIDUE_ID, TOKEN_COLUMNS, Graph

SHORTEST = 3  # base pairs that show a turn
_KIND, _RESIDUE, _PLACE = (list(TOKEN_COLUMNS).index(n) for n in ("kind", "residue", "from_start"))


@cache
def _complements() -> frozenset[tuple[int, int]]:
    letters = (("A", "U"), ("C", "G"))
    both = [(a, b) for x, y in letters for a, b in ((x, y), (y, x))]
    forms = {"A": ("A", "DA"), "C": ("C", "DC"), "G": ("G", "DG"), "U": ("U", "DT")}
    return frozenset(
        (RESIDUE_ID[p], RESIDUE_ID[q]) for a, b in both for p in forms[a] for q in forms[b]
    )


def base_pairs(graph: Graph) -> list[tuple[int, int]]:
    """The pairs of the first strand, 5' to 3', with another that is complementary
    to it from end to end; empty where there is no such duplex."""
    rows = graph.tokens[:, [_KIND, _RESIDUE, _PLACE]].tolist()
    strands: list[list[int]] = []
    for t, (kind, _, place) in enumerate(rows):
        if kind == NUCLEOTIDE and place == 1:
            strands.append([t])
        elif kind == NUCLEOTIDE and strands and strands[-1][-1] == t - 1:
            strands[-1].append(t)
    for i, first in enumerate(strands):
        for second in strands[i + 1 :]:
            pairs = list(zip(first, reversed(second), strict=False))
            if SHORTEST <= len(first) == len(second) and all(
                (rows[a][1], rows[b][1]) in _complements() for a, b in pairs
            ):
                return pairs
    return []


def winding(x: Tensor, pairs: Tensor) -> Tensor:
    """How far the pairs turn along the axis: > 0 for a right-handed helix. x: (..., T, 3) C1' atoms,
    pairs: (n, 2) -> (...)"""
    across = torch.nn.functional.normalize(x[..., pairs[:, 1], :] - x[..., pairs[:, 0], :], dim=-1)
    middle = (x[..., pairs[:, 1], :] + x[..., pairs[:, 0], :]) / 2
    rise = torch.nn.functional.normalize(middle[..., 1:, :] - middle[..., :-1, :], dim=-1)
    turn = torch.linalg.cross(across[..., :-1, :], across[..., 1:, :])
    return (turn * rise).sum(-1).mean(-1)
