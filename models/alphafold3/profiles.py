"""Sequence profiles of an input: what related sequences have at every place of a protein.

AlphaFold 3 reads an alignment; this model reads its profile, the share of each of the 20 residues at
every place. It may be typed as numbers, taken from the library, or counted from the alignment of the
public format.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.alphafold3.graph import RESIDUES
from models.alphafold3.library import Library
from models.pipeline import InputError

SUM_SLACK = 0.05  # how far from 1 a row of shares may add up
MAX_ROWS = 512  # sequences of an alignment that are read


def quantised(shares: np.ndarray) -> np.ndarray:
    """(T, 20) shares -> uint8, as Graph.profile wants them."""
    return np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def typed(given: Any, path: str, sequence: str, library: Library) -> np.ndarray | None:
    """``true`` (the library's profile of this sequence) or rows of numbers -> (T, 20) uint8, None for
    null and false. Raises InputError."""
    if given is None or given is False:
        return None
    if given is True:
        stored = library.profile(sequence)
        if stored is None:
            raise InputError(
                path,
                "is true, but no profile ships for this sequence",
                f"true for an example protein, or {len(sequence)} rows of 20 shares",
            )
        return stored
    form = f"{len(sequence)} rows (one per residue) of 20 shares in the order {RESIDUES}"
    if not isinstance(given, list):
        raise InputError(path, "is neither true nor a list of rows", form)
    if len(given) != len(sequence):
        raise InputError(path, f"has {len(given)} rows for {len(sequence)} residues", form)
    for t, row in enumerate(given):
        if not isinstance(row, list) or len(row) != 20:
            count = f"{len(row)} numbers" if isinstance(row, list) else "no list of numbers"
            raise InputError(f"{path}.{t}", f"has {count}", form)
        if not all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v <= 1 for v in row
        ):
            raise InputError(f"{path}.{t}", "holds something else than shares from 0 to 1", form)
        total = math.fsum(row)
        if total and abs(total - 1) > SUM_SLACK:
            raise InputError(
                f"{path}.{t}",
                f"adds up to {total:.3g}",
                "shares that add up to 1, or only zeros for a place about which nothing is known",
            )
    return quantised(np.array(given, np.float64))


def from_alignment(given: Any, path: str, sequence: str) -> np.ndarray | None:
    """The public format's ``unpairedMsa`` (A3M text, the sequence itself first) -> (T, 20) uint8.

    None when it is empty or holds the sequence alone. Sequences count less the more of the alignment is
    like them (Henikoff & Henikoff 1994), which is what keeps a thousand copies from drowning a relative.
    Raises InputError.
    """
    form = "an alignment in A3M format whose first sequence is the chain's own"
    if not given:
        return None
    if not isinstance(given, str):
        raise InputError(path, "must be text", form)
    rows: list[str] = []
    for line in given.splitlines():
        if line.startswith(">"):
            if len(rows) == MAX_ROWS:
                break
            rows.append("")
        elif rows:
            # Lower case marks letters that the chain has no place for.
            rows[-1] += "".join(c for c in line if not c.islower() and not c.isspace())
    if not rows or rows[0] != sequence:
        raise InputError(path, "does not begin with the chain's own sequence", form)
    for number, row in enumerate(rows):
        if len(row) != len(sequence):
            raise InputError(
                path, f"has {len(row)} places in sequence {number + 1}, not {len(sequence)}", form
            )
    if len(rows) == 1:
        return None
    lookup = np.full(128, 20)
    lookup[[ord(letter) for letter in RESIDUES]] = np.arange(20)
    codes = np.array([[lookup[ord(c) & 127] for c in row] for row in rows])
    one_hot = np.eye(21)[codes][..., :20]  # (rows, T, 20), gaps and unknown letters are zeros
    counts = one_hot.sum(0)
    weight = (one_hot / np.maximum(counts, 1)).sum(-1) / np.maximum((counts > 0).sum(-1), 1)
    present = np.maximum(one_hot.sum((1, 2)), 1)  # places where a sequence has a letter
    shares = np.einsum("r,rta->ta", weight.sum(-1) / present, one_hot)
    return quantised(shares / np.maximum(shares.sum(-1, keepdims=True), 1e-9))
