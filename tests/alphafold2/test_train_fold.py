"""Training on the frozen trunk: what is read once is used again, what is written fits its trunk."""

import json
import math
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from alphafold2.folds import RESIDUE, save_tiny
from models.alphafold2 import train
from models.alphafold2.checkpoint import CHECKPOINT, TRUNK, load_module
from models.alphafold2.pipeline import AlphaFold2
from models.alphafold2.structure_module import StructureConfig
from models.alphafold3.data.batches import ProteinBatches, Proteins
from models.alphafold3.pipeline import load_model
from models.checkpoint import fingerprint, load
from models.diffusion.sampler import run
from models.diffusion.training import TrainConfig

PROTEINS = Path(__file__).parents[1] / "fixtures/molecules/proteins.npz"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A tiny trunk and module, and the fixture's proteins with its test crop as validation."""
    save_tiny(tmp_path)
    with np.load(PROTEINS) as file:
        arrays = {key: file[key] for key in file.files}
    arrays["split"] = np.where(arrays["split"] == "test", "val", arrays["split"])
    np.savez(tmp_path / "proteins.npz", **arrays)
    return tmp_path


def learn(folder: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command for a small module, bounded by steps instead of minutes and with small batches."""
    small = partial(StructureConfig, single=16, heads=2, hidden=4, angle=8, blocks=2)
    monkeypatch.setattr(train, "StructureConfig", small)
    bounded = partial(TrainConfig, max_steps=steps)
    monkeypatch.setattr(
        train, "TrainConfig", lambda **given: bounded(**{**given, "max_seconds": math.inf})
    )
    monkeypatch.setattr(train, "ROWS", 128)
    train.main(
        [
            *("--minutes", "1", "--threads", "1", "--device", "cpu"),
            *("--proteins", str(folder / "proteins.npz"), "--trunk", str(folder / TRUNK)),
            *("--out", str(folder / "runs"), "--checkpoint", str(folder / CHECKPOINT)),
        ]
    )


def test_the_average_residue_is_that_of_proteins():
    residue = train.mean_residue(Proteins(PROTEINS))
    assert torch.allclose(residue, RESIDUE, atol=0.03)
    assert residue[1].abs().max() == 0 and residue[2, 1:].abs().max() == 0


def test_a_trunk_pass_serves_several_steps(folder, monkeypatch):
    model = load_model(folder / TRUNK)
    passes = []
    monkeypatch.setattr(train, "read", lambda *given: passes.append(given) or len(passes))
    used = list(
        islice(train.readings(model, ProteinBatches(Proteins(PROTEINS), 1, 128), "cpu", (0,)), 88)
    )
    assert len(passes) == 88 / train.REUSED
    counts = np.bincount(used)[1:]
    assert counts.sum() == 88 and (counts > 0).mean() > 0.7


def test_it_learns_writes_curves_and_goes_on_where_it_stopped(folder, monkeypatch):
    before = load(folder / CHECKPOINT)[0]
    learn(folder, 20, monkeypatch)
    state, header = load(folder / CHECKPOINT)
    assert header["meta"][TRUNK] == fingerprint(folder / TRUNK)
    assert state.keys() == before.keys() and state["residue"].abs().sum() > 0
    assert header["meta"]["step"] == 20
    lines = [json.loads(line) for line in (folder / "runs/log.jsonl").read_text().splitlines()]
    assert any("held_out_lddt_ca" in line for line in lines)
    learn(folder, 40, monkeypatch)
    assert load(folder / CHECKPOINT)[1]["meta"]["step"] == 40
    curves = json.loads((folder / train.CURVES).read_text())
    assert curves["runs"]["step"] == [20, 40]  # nothing was trained twice
    assert "held_out_lddt_ca" in curves["runs_held_out"]
    module = load_module(folder / CHECKPOINT, folder / TRUNK)
    assert not module.training and not any(p.requires_grad for p in module.parameters())


def test_what_was_trained_answers(folder, monkeypatch):
    learn(folder, 1, monkeypatch)
    pipeline = AlphaFold2(folder)
    result = run(pipeline.run(pipeline.parse({"protein": "ACDEFGHIKLMNPQRST"}), pipeline.defaults))
    assert torch.isfinite(result.fold.backbone).all()
    assert result.calls == {"trunk": 1, "structure module": 2}


def test_violations_begin_to_count_late():
    weights = []
    for spent in (0, 59, 65, 71, 99):
        mending = train.Mending(100.0, spent, 0.6, full=0.1)
        weights.append(mending.weight() / 0.1)
    assert weights[0] == weights[1] == 0
    assert weights[2] == pytest.approx(0.5, abs=0.02) and weights[3] == weights[4] == 1
