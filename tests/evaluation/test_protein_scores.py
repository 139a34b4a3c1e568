"""Scores of backbones on inputs whose answer is known."""

import numpy as np
import pytest
import torch
from test_superposition import moved, walk

from models.evaluation.proteins import (
    backbone_scores,
    contact_precision,
    kinds,
    peptide_bonds,
)

pytest.importorskip("biotite")


def backbone(seed: int, length: int = 32) -> torch.Tensor:
    """(L, 4, 3): CA along a walk, the others beside it."""
    ca = walk(length, seed)
    return torch.stack([ca - 0.5, ca, ca + 0.5, ca + 1], 1)


def test_a_perfect_backbone_is_perfect_and_its_floor_is_not():
    truth = [backbone(k) for k in range(3)]
    predicted = [moved(t.reshape(-1, 3)).expand(2, -1, -1) for t in truth]
    dssp = [np.frombuffer(b"H" * 32, np.uint8), np.frombuffer(b"E" * 32, np.uint8)]
    found = backbone_scores(predicted, truth, [*dssp, dssp[0]])
    whole = found["all"]
    assert whole["crops"] == 3 and found["mostly_helix"]["crops"] == 2
    assert whole["lddt_ca"] == 1 and whole["tm_score"] == pytest.approx(1, abs=1e-4)
    assert whole["rmsd_ca_A"] == pytest.approx(0, abs=1e-3)
    assert whole["lddt_ca_floor"] < 0.7 and whole["tm_score_floor"] < 0.6


def test_the_best_sample_is_not_the_mean():
    truth = [backbone(1), backbone(2)]
    good = [t.reshape(-1, 3) for t in truth]
    wrong = [good[1], good[0]]
    predicted = [torch.stack(pair) for pair in zip(good, wrong, strict=True)]
    dssp = [np.zeros(32, np.uint8)] * 2
    whole = backbone_scores(predicted, truth, dssp)["all"]
    assert whole["best_lddt_ca"] == 1 and whole["lddt_ca"] < 0.9
    assert whole["best_tm_score"] > whole["tm_score"] + 0.2


def test_groups_follow_the_crystals_helices_and_strands():
    letters = [b"HHHHHHCC", b"EEEECCCC", b"CCCCCCCC"]
    assert kinds([np.frombuffer(t, np.uint8) for t in letters]) == {
        "all": [0, 1, 2],
        "mostly_helix": [0],
        "mostly_strand": [1],
    }


def test_contacts_are_precise_when_the_near_pairs_are_said():
    truth = walk(40, 3).numpy()
    distance = np.linalg.norm(truth[:, None] - truth[None], axis=-1)
    right, chance = contact_precision(-distance, truth)
    wrong, _ = contact_precision(distance, truth)
    i, j = np.triu_indices(40, 6)
    there = int((distance[i, j] < 8).sum())
    assert right == pytest.approx(min(1, there / 20)) and wrong == 0
    assert chance == pytest.approx(there / len(i))


def test_the_peptide_bond_is_between_neighbours():
    flat = torch.zeros(2, 8, 3)
    flat[:, 2, 0], flat[:, 4, 0] = 1.0, torch.tensor([2.33, 2.35])
    found = peptide_bonds([flat])
    assert found["mean_A"] == pytest.approx(1.34) and found["std_A"] == pytest.approx(0.0141)
