"""The shipped AlphaFold 2 must do what its recorded metrics say, on a small sample."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from models.alphafold2.checkpoint import CHECKPOINT, TRUNK
from models.alphafold2.pipeline import AlphaFold2
from models.alphafold3.polymer import CA
from models.checkpoint import CHECKPOINTS, fingerprint, load
from models.diffusion.sampler import run
from models.evaluation.twins import METRICS
from models.pipeline import InputError


@pytest.fixture(scope="module")
def pipeline() -> AlphaFold2:
    return AlphaFold2()


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(METRICS.read_text())
    return recorded


def test_the_file_is_small_and_belongs_to_the_shipped_trunk(pipeline: AlphaFold2) -> None:
    path = CHECKPOINTS / CHECKPOINT
    assert path.stat().st_size < 1_500_000
    assert sum(p.numel() for p in pipeline.structure.module.parameters()) < 1_000_000
    assert load(path)[1]["meta"][TRUNK] == fingerprint(CHECKPOINTS / TRUNK)


def test_metrics_belong_to_the_shipped_files(pipeline: AlphaFold2, metrics) -> None:
    assert metrics["checkpoints"] == dict(pipeline.checkpoints)


def test_the_rigid_residue_is_that_of_proteins(pipeline: AlphaFold2) -> None:
    n, ca, c, to_o = pipeline.structure.module.residue
    lengths = [float(x) for x in ((n - ca).norm(), (c - ca).norm(), to_o.norm())]
    assert lengths == pytest.approx([1.46, 1.525, 1.23], abs=0.02)


def test_both_sides_are_told_with_their_cost(metrics) -> None:
    cost = metrics["cost"]
    blocks = metrics["cost"]["alphafold2"]["calls"]["structure module"]
    assert cost["alphafold2"]["network_calls"] == 1 + blocks
    assert cost["alphafold3"]["calls"]["atoms"] == 40
    assert cost["alphafold2"]["parameters"] < cost["alphafold3"]["parameters"]
    for side in ("alphafold2", "alphafold3"):
        assert cost[side]["seconds_after_the_trunk"] > 0


def test_recorded_scores_are_above_an_unrelated_chain(metrics) -> None:
    for given in ("sequence_only", "with_profile"):
        scores = metrics["twins"][given]["alphafold2"]
        assert scores["lddt_ca"] > scores["lddt_ca_floor"] + 0.03
        assert scores["tm_score"] > scores["tm_score_floor"] + 0.03
        assert scores["helix_turns_right_handed"] > 0.8


def test_one_answer_has_no_spread(metrics) -> None:
    for given in ("sequence_only", "with_profile"):
        assert metrics["twins"][given]["alphafold2"]["spread_A"] == 0
        assert metrics["twins"][given]["alphafold3"]["spread_A"] > 1


def test_a_fold_is_a_chain_in_space(pipeline: AlphaFold2) -> None:
    """Of every example: neighbours about as far apart as in a chain, all within a globule's reach."""
    steps, sizes = [], []
    for example in pipeline.examples:
        plan = pipeline.parse(example["input"])
        result = run(pipeline.run(plan, pipeline.defaults))
        ca = result.fold.backbone[0, :, CA]
        assert torch.isfinite(ca).all()
        steps.append(float((ca[1:] - ca[:-1]).norm(dim=-1).mean()))
        sizes.append(float((ca - ca.mean(0)).norm(dim=-1).square().mean().sqrt()))
    assert 2.5 < np.mean(steps) < 5.0
    assert 4.0 < np.mean(sizes) < 25.0


def test_examples_of_other_classes_are_refused(pipeline: AlphaFold2) -> None:
    for given in ({"ccd": "CFF"}, {"ccd": "ZN"}, {"dna": "CGCGAATTCGCG"}, {"rna": "GGGAAACCC"}):
        with pytest.raises(InputError):
            pipeline.parse(given)
