"""The shipped weights keep the scores they were shipped with, and the files on the card are theirs."""

from __future__ import annotations

import json

import pytest

from models.alphafold3.pipeline import CHECKPOINT
from models.checkpoint import CHECKPOINTS, fingerprint
from models.evaluation.molecules import METRICS, PARTS
from models.evaluation.molecules_sheets import CONTACT, FAILURES
from models.evaluation.reference_conformer import OUT as ABLATION
from models.evaluation.sheets import CARDS


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads((CHECKPOINTS / METRICS).read_text())


def test_the_scores_are_of_the_shipped_weights(metrics):
    for name, print_ in metrics["checkpoint"].items():
        assert fingerprint(CHECKPOINTS / name) == print_
    assert CHECKPOINT in metrics["checkpoint"]


def test_every_part_was_scored(metrics):
    assert set(PARTS) - {"contact"} <= set(metrics)
    assert {"against_etkdg", "distogram", "classes", "data", "failures"} <= set(metrics)
    assert metrics["molecules"]["twofold"]["all"]["molecules"] == 200


def test_the_sheets_are_there_and_small():
    sizes = [(CARDS / name).stat().st_size for name in (CONTACT, FAILURES)]
    assert sum(sizes) <= 120_000 and min(sizes) > 5_000


def test_the_ablation_compared_the_same_molecules():
    found = json.loads(ABLATION.read_text())
    rows = [found[name] for name in ("without", "with_reference_conformer", "etkdg_v3")]
    assert len({row["molecules"] for row in rows}) == 1 and rows[0]["molecules"] >= 30


def test_molecules_keep_their_level(metrics):
    table = metrics["molecules"]
    ours, theirs = table["twofold"], table["etkdg_v3"]
    assert ours["8-20"]["posebusters"] >= 0.99 and ours["21-40"]["posebusters"] >= 0.97
    assert ours["all"]["posebusters_full"] >= 0.97
    assert ours["all"]["stereo"] >= 0.98
    assert ours["all"]["stereo"] > table["network_alone"]["all"]["stereo"]
    assert ours["all"]["bond_mae_A"] < 0.025 and ours["all"]["angle_mae_deg"] < 2.9
    assert ours["all"]["rmsd_best_of_1_A"]["mean"] < theirs["all"]["rmsd_best_of_1_A"]["mean"]
    assert (
        ours["all"]["rmsd_best_of_10_A"]["mean"] < theirs["all"]["rmsd_best_of_10_A"]["mean"] + 0.03
    )
    assert metrics["against_etkdg"]["all"]["mean_of_samples"]["high_A"] < 0
    assert ours["all"]["diversity_A"] > 1.0


def test_proteins_keep_their_level(metrics):
    plain, profile = (metrics["proteins"][n]["all"] for n in ("sequence_only", "with_profile"))
    assert plain["lddt_ca"] > plain["lddt_ca_floor"] + 0.05
    assert profile["lddt_ca"] > max(0.42, plain["lddt_ca"])
    assert profile["tm_score"] > profile["tm_score_floor"] + 0.06
    for name in ("sequence_only", "with_profile"):
        found = metrics["distogram"][name]
        assert found["precision_top_half"] > 4 * found["chance"]


def test_nucleic_acids_keep_their_level(metrics):
    assert metrics["structures"]["dna_6bp"]["rmsd_A"] < 2.0


def test_confidence_is_worth_showing(metrics):
    for name in ("molecules", "proteins", "structures"):
        found = metrics["confidence"][name]
        assert found["calibration"]["error"] < 5 and found["per_atom"]["pearson"] > 0.35
        assert found["ranking"]["lddt"]["first_gain"]["ci95"][0] > 0
