"""The turn of a double helix on helices drawn by formula."""

import numpy as np
import pytest
import torch

from models.alphafold3.assembly import Unit, assemble
from models.alphafold3.residues import FULL_SLOTS, RESIDUE_ATOMS
from models.evaluation.duplexes import base_pairs, winding

C1 = RESIDUE_ATOMS["DA"].index("C1'")
LETTERS = "DA DC DG DG DT".split()
OTHER = "DA DC DC DG DT".split()


def graph(first=LETTERS, second=OTHER, protein=()):
    units = [Unit(c, 0, k) for k, c in enumerate(first, 1)]
    units += [Unit(c, 1, k) for k, c in enumerate(second, 1)]
    return assemble([*units, *(Unit(c, 2, k) for k, c in enumerate(protein, 1))]).graph


def helix(graph, twist, seed=0):
    """C1' atoms of a duplex with ``twist`` degrees per step; all other atoms near their C1'."""
    n = len(LETTERS)
    xyz = torch.randn(graph.size, FULL_SLOTS, 3, generator=torch.Generator().manual_seed(seed))
    for t in range(graph.size):
        pair, side = (t, 0.0) if t < n else (2 * n - 1 - t, 150.0)
        if t >= 2 * n:
            pair, side = t, 40.0
        angle = np.radians(twist * pair + side)
        place = torch.tensor([5 * np.cos(angle), 5 * np.sin(angle), 3.4 * pair])
        xyz[t] = xyz[t] * 0.3 + place
        xyz[t, C1] = place
    return xyz.flatten(0, 1) * torch.from_numpy(graph.present)[:, None]


def test_pairs_run_from_end_to_end():
    made = graph(protein=("ALA",))
    assert base_pairs(made) == [(k, 9 - k) for k in range(5)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (LETTERS, LETTERS),  # not complementary
        (LETTERS, OTHER[:4]),  # not of one length
        (("DA", "DT"), ("DA", "DT")),  # too short to turn
        (LETTERS, ()),
    ],
)
def test_what_is_no_duplex(first, second):
    made = graph(first, second)
    assert base_pairs(made) == []


def test_rna_pairs_with_dna():
    made = graph(("A", "C", "G"), ("DC", "DG", "DT"))
    assert len(base_pairs(made)) == 3


@pytest.mark.parametrize("twist", [30.0, 36.0, -36.0])
def test_winding_has_the_sign_of_the_twist(twist):
    built = graph()
    x = helix(built, twist).unflatten(0, (built.size, FULL_SLOTS))[:, C1]
    pairs = torch.tensor([(k, 9 - k) for k in range(5)])
    turned, _ = torch.linalg.qr(torch.randn(3, 3))
    turned = turned * torch.linalg.det(turned).sign()
    for placed in (x, x @ turned.T + 7):
        assert float(winding(placed, pairs)) == pytest.approx(np.sin(np.radians(twist)), abs=0.02)
