"""TM-score of protein backbones (Zhang & Skolnick 2004): biotite scores, this finds where to lay them.

``tm_scores`` compares residue i with residue i, as the TM-score program does for a model and its
answer. ``tm_align_scores`` also looks for the alignment that says most, as TM-align does (Zhang &
Skolnick 2005), so it is the larger one: unrelated chains of 64 residues reach about 0.3 by it.
Both searches are heuristics over many starts; a better superposition could only raise a score.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.geometry import rigid_fit

ROUNDS = 8
GAP = -0.6  # for opening one; its length is free, as in TM-align
STARTS = 8


def tm_distance(length: int) -> float:
    """d0 in A: the distance at which a pair of residues counts one half."""
    return max(0.5, 1.24 * max(length - 15, 0) ** (1 / 3) - 1.8)


def _counted(distance: Tensor, length: int) -> Tensor:
    return 1 / (1 + (distance / tm_distance(length)) ** 2)


def _laid(moving: Tensor, fixed: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """All of ``moving`` after the fit of the masked pairs, and all distances. (..., L, 3), (..., L)"""
    rotation, shift = rigid_fit(moving, fixed, mask)
    laid = moving @ rotation.transpose(-1, -2) + shift
    return laid, (laid - fixed).norm(dim=-1)


def _windows(length: int) -> Tensor:
    """(F, L) bool: the stretches that a search starts from, the whole chain first."""
    rows = [torch.ones(length, dtype=torch.bool)]
    size = length // 2
    while size >= 4:
        for start in range(0, length - size + 1, max(1, size // 4)):
            row = torch.zeros(length, dtype=torch.bool)
            row[start : start + size] = True
            rows.append(row)
        size //= 2
    return torch.stack(rows)


def lay(moving: Tensor, fixed: Tensor, paired: Tensor, length: int) -> Tensor:
    """``moving`` where the TM-score over ``paired`` is largest. (B, L, 3) twice, (B, L) -> (B, L, 3)

    From every window: fit, keep the pairs nearer than a limit, fit again.
    """
    windows = _windows(moving.shape[1])
    out = []
    near = min(8.0, max(4.5, tm_distance(length)))
    for x, y, known in zip(moving, fixed, paired, strict=True):
        starts = windows & known
        starts = starts[starts.sum(-1) >= 3]
        if not len(starts):
            out.append(x)
            continue
        a, b = x.expand(len(starts), -1, -1), y.expand(len(starts), -1, -1)
        mask, best, place = starts, torch.tensor(-1.0), x
        for _ in range(ROUNDS):
            laid, distance = _laid(a, b, mask)
            score = (_counted(distance, length) * known).sum(-1)
            k = int(score.argmax())
            if score[k] > best:
                best, place = score[k], laid[k]
            chosen = (distance < near) & known
            # A fit needs three pairs: where fewer are near, the three nearest are kept.
            third = distance.masked_fill(~known, torch.inf).kthvalue(3, -1).values
            chosen |= (distance <= third[:, None]) & known
            if bool((chosen == mask).all()):
                break
            mask = chosen
        out.append(place)
    return torch.stack(out)


def tm_scores(predicted: Tensor, truth: Tensor) -> list[float]:
    """CA of B models and of their answers, (B, L, 3) A twice -> TM-scores, residue by residue."""
    length = truth.shape[1]
    everything = torch.ones(predicted.shape[:2], dtype=torch.bool)
    laid = lay(predicted.float(), truth.float(), everything, length)
    index = np.arange(length)
    return [_judged(x, y, index, index) for x, y in zip(laid, truth, strict=True)]


def tm_align_scores(predicted: Tensor, truth: Tensor) -> list[float]:
    """The same with the alignment searched for. (B, L, 3) A twice -> TM-scores, of the truth's length."""
    scores = []
    for x, y in zip(predicted.float(), truth.float(), strict=True):
        best = tm_scores(x[None], y[None])[0]
        for i, j in _threadings(x, y):
            found = 0.0
            for _ in range(3):
                if len(i) < 4:
                    break
                laid = _laid_by(x, y, i, j)
                found = _judged(laid, y, i, j)
                best = max(best, found)
                i, j = _align(_counted(torch.cdist(laid, y), len(y)).numpy())
        scores.append(best)
    return scores


def _laid_by(x: Tensor, y: Tensor, i: np.ndarray, j: np.ndarray) -> Tensor:
    """All of x after the best superposition of x[i] on y[j]."""
    paired = torch.ones(1, len(i), dtype=torch.bool)
    moved = lay(x[i][None], y[j][None], paired, len(y))[0]
    rotation, shift = rigid_fit(x[i], moved, paired[0])
    return x @ rotation.transpose(-1, -2) + shift


def _threadings(x: Tensor, y: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """The STARTS best ways to lay one chain along the other without gaps."""
    n, m = len(x), len(y)
    found = []
    for offset in range(-(n - n // 2), m - m // 2 + 1):
        i = np.arange(max(0, -offset), min(n, m - offset))
        _, distance = _laid(x[i], y[i + offset], torch.ones(len(i), dtype=torch.bool))
        found.append((float(_counted(distance, m).sum()), i, i + offset))
    found.sort(key=lambda f: -f[0])
    return [(i, j) for _, i, j in found[:STARTS]]


def _align(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global alignment by dynamic programming, gaps cost GAP to open. (n, m) -> index pairs"""
    n, m = score.shape
    value = np.zeros((n + 1, m + 1))
    diagonal = np.zeros((n + 1, m + 1), bool)
    step = np.zeros((n + 1, m + 1), np.int8)
    for a in range(1, n + 1):
        row, above = value[a], value[a - 1]
        match = above[:-1] + score[a - 1]
        up = above[1:] + np.where(diagonal[a - 1, 1:], GAP, 0.0)
        for b in range(1, m + 1):
            left = row[b - 1] + (GAP if diagonal[a, b - 1] else 0.0)
            best = max(match[b - 1], up[b - 1], left)
            row[b] = best
            if match[b - 1] >= best:
                diagonal[a, b] = True
            else:
                step[a, b] = 1 if up[b - 1] >= left else 2
    a, b, pairs = n, m, []
    while a > 0 and b > 0:
        if diagonal[a, b]:
            a, b = a - 1, b - 1
            pairs.append((a, b))
        elif step[a, b] == 1:
            a -= 1
        else:
            b -= 1
    found = np.array(pairs[::-1], np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _judged(laid: Tensor, truth: Tensor, i: np.ndarray, j: np.ndarray) -> float:
    """biotite's TM-score of coordinates as they lie, divided by the truth's length."""
    import biotite.structure as structure

    def chain(xyz: Tensor) -> structure.AtomArray:
        array = structure.AtomArray(len(xyz))
        array.coord = xyz.numpy().astype(np.float32)
        array.res_id = np.arange(1, len(xyz) + 1)
        array.res_name[:] = "ALA"  # the score knows no residues but wants amino acids
        array.atom_name[:] = "CA"
        array.element[:] = "C"
        return array

    return float(structure.tm_score(chain(truth), chain(laid), j, i, reference_length="reference"))
