"""Which of several samples to believe: mean pLDDT, minus what can be checked without knowing the answer.

AlphaFold 3 ranks by its confidence with penalties for clashes and for wrong hands (Abramson et al. 2024,
supplement 5.9.3). Here likewise: 100 off the mean pLDDT for atoms that stand inside each other, 100 for
hands or double bonds other than the input's, so that a sample which breaks a rule ranks behind all that
do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from models.alphafold3.features import KIND
from models.alphafold3.graph import ATOM, ELEMENTS, NO_ATOM, TOKEN_COLUMNS, Graph
from models.alphafold3.structure import Structure
from models.evaluation.settling import graph_distances

PENALTY = 100.0
CLASH = 2.0  # A; a strong hydrogen bond is 2.4 A between its heavy atoms
APART = 4  # bonds; nearer atoms are held together by the graph
CIS, DOUBLE = 1, 2
_ELEMENT = list(TOKEN_COLUMNS).index("element")


def _elements(graph: Graph) -> np.ndarray:
    """(M,) id of the element of atom tokens, 0 in polymers."""
    element = np.where(graph.tokens[:, KIND] == ATOM, graph.tokens[:, _ELEMENT], 0)
    return element.repeat(graph.slots)


def clashes(graph: Graph, samples: np.ndarray) -> list[bool]:
    """Whether two atoms at least APART bonds from each other are nearer than CLASH. Metals do not count:
    what holds them is nearer. samples: (S, N, 3) A"""
    place = np.cumsum(graph.present) - 1
    far = graph_distances(samples.shape[1], place[graph.bonds[:, :2]], within=APART - 1) >= APART
    metal = (_elements(graph) >= len(ELEMENTS))[graph.present]
    i, j = np.nonzero(np.triu(far & ~metal[:, None] & ~metal[None, :], 1))
    gaps = (((xyz[i] - xyz[j]) ** 2).sum(-1) for xyz in samples)
    return [bool((gap < CLASH**2).any()) for gap in gaps]


def _centres(structure: Structure) -> np.ndarray:
    """(n, 4) atom and three of its neighbours, seen counter-clockwise, of every stereocentre. Phosphates
    and sulphates are left out: their oxygens differ only by where the input draws the proton."""
    graph, near = structure.graph, structure.arrays["near"]
    centre = structure.arrays["centre"].astype(bool)
    element = _elements(graph)
    for m in np.flatnonzero(centre & np.isin(element, [ELEMENTS.index("P"), ELEMENTS.index("S")])):
        around = near[m][near[m] != NO_ATOM]
        ends = (element[around] == ELEMENTS.index("O")) & ((near[around] != NO_ATOM).sum(1) == 1)
        centre[m] = ends.sum() < 2
    found = np.flatnonzero(centre)
    return np.column_stack([found, structure.arrays["handed"][found, 0]])


def _double_bonds(graph: Graph, near: np.ndarray) -> list[tuple[int, int, int, int, bool]]:
    """Substituent, the two atoms of the double bond, substituent on its other end, whether they are cis."""
    double = {frozenset((i, j)) for i, j, order in graph.bonds.tolist() if order == DOUBLE}
    out = []
    for i, j, geometry in graph.cis_trans.tolist():
        for begin in near[i][near[i] != NO_ATOM].tolist():
            for end in near[j][near[j] != NO_ATOM].tolist():
                if frozenset((begin, end)) in double:
                    out.append((i, begin, end, j, geometry == CIS))
    return out


def hands_right(structure: Structure, samples: np.ndarray) -> list[bool | None]:
    """Whether every hand and double bond of a sample is the input's; None where it specifies none.
    samples: (S, N, 3) A"""
    graph = structure.graph
    place = np.cumsum(graph.present) - 1
    centres = place[_centres(structure)]
    bonds = _double_bonds(graph, structure.arrays["near"])
    if not len(centres) and not bonds:
        return [None] * len(samples)
    out: list[bool | None] = []
    for xyz in samples:
        a, b, c = (xyz[centres[:, k]] - xyz[centres[:, 0]] for k in (1, 2, 3))
        right = bool(((a * np.cross(b, c)).sum(-1) > 0).all())
        for i, begin, end, j, cis in bonds:
            p, q, r, s = (xyz[place[m]] for m in (i, begin, end, j))
            same_side = np.dot(np.cross(r - q, p - q), np.cross(r - q, s - q)) > 0
            right = right and bool(same_side == cis)
        out.append(right)
    return out


def rank(structure: Structure, samples: np.ndarray, plddt: Tensor) -> dict[str, Any]:
    """samples: (S, N, 3) A, plddt: (S, N). -> order (best first), and per sample score, plddt (its
    mean), clash and stereo."""
    mean = plddt.mean(-1).tolist()
    clash, right = clashes(structure.graph, samples), hands_right(structure, samples)
    score = [
        m - PENALTY * hit - PENALTY * (ok is False)
        for m, hit, ok in zip(mean, clash, right, strict=True)
    ]
    return {
        "order": sorted(range(len(score)), key=lambda k: -score[k]),
        "score": [round(s, 2) for s in score],
        "plddt": [round(m, 2) for m in mean],
        "clash": clash,
        "stereo": right,
    }
