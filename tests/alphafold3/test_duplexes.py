"""The turn of a double helix on helices drawn by formula."""

import numpy as np
import pytest
import torch

from models.alphafold3.assembly import Unit, assemble
from models.alphafold3.duplexes import base_pairs, turn_right, winding
from models.alphafold3.features import arrays, collate
from models.alphafold3.residues import FULL_SLOTS, RESIDUE_ATOMS

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
    made = collate([arrays(graph(protein=("ALA",)))], FULL_SLOTS)
    assert base_pairs(made.tokens[0]) == [(k, 9 - k) for k in range(5)]


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
    made = collate([arrays(graph(first, second))], FULL_SLOTS)
    assert base_pairs(made.tokens[0]) == []


def test_rna_pairs_with_dna():
    made = collate([arrays(graph(("A", "C", "G"), ("DC", "DG", "DT")))], FULL_SLOTS)
    assert len(base_pairs(made.tokens[0])) == 3


@pytest.mark.parametrize("twist", [30.0, 36.0, -36.0])
def test_winding_has_the_sign_of_the_twist(twist):
    built = graph()
    x = helix(built, twist).unflatten(0, (built.size, FULL_SLOTS))[:, C1]
    pairs = torch.tensor([(k, 9 - k) for k in range(5)])
    turned, _ = torch.linalg.qr(torch.randn(3, 3))
    turned = turned * torch.linalg.det(turned).sign()
    for placed in (x, x @ turned.T + 7):
        assert float(winding(placed, pairs)) == pytest.approx(np.sin(np.radians(twist)), abs=0.02)


def test_only_a_left_handed_duplex_is_turned():
    built = graph(protein=("ALA", "GLY", "ILE"))
    features = collate([arrays(built)], FULL_SLOTS)
    right, left = helix(built, 34.0), helix(built, -34.0)
    rows = torch.stack([right, left, left])[None]
    strong = torch.tensor([[True, True, False]])
    out = turn_right(rows, features, strong)
    torch.testing.assert_close(out[0, 0], right)
    torch.testing.assert_close(out[0, 2], left)
    pairs = torch.tensor(base_pairs(features.tokens[0]))
    sugars = out[0, 1].unflatten(0, (built.size, FULL_SLOTS))[:, C1]
    assert float(winding(sugars, pairs)) > 0.4
    protein = torch.arange(len(left)) >= 10 * FULL_SLOTS
    torch.testing.assert_close(out[0, 1][protein], left[protein])
    # A mirror image keeps every distance inside, and stays where it was.
    nucleic = ~protein & torch.from_numpy(built.present)
    torch.testing.assert_close(
        torch.cdist(out[0, 1][nucleic], out[0, 1][nucleic]),
        torch.cdist(left[nucleic], left[nucleic]),
        atol=1e-3,
        rtol=1e-3,
    )
    torch.testing.assert_close(
        out[0, 1][nucleic].mean(0), left[nucleic].mean(0), atol=1e-3, rtol=1e-3
    )
