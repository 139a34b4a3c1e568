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
