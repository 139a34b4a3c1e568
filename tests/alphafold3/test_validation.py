"""The held-out loss: the same noise every time, structures that training does not see, lower if learned."""

import json

import numpy as np
import torch

from alphafold3.structures import FIXTURES, TINY
from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.store import Molecules
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.train import main, step_loss
from models.alphafold3.validation import held_out_loss, validation_batches


def given():
    molecules = Molecules(FIXTURES / "molecules.npz")
    proteins = Proteins(FIXTURES / "proteins.npz")
    for data in (molecules, proteins):  # the fixtures are too small for a side of their own
        data.arrays["split"] = np.where(np.arange(len(data)) % 2 == 0, "val", "train")
    return molecules, proteins


def test_it_repeats_and_leaves_the_trainings_noise_alone():
    model = StructureModel(TINY).train()
    measure = held_out_loss(model, validation_batches(*given(), None), step_loss)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = measure(1), measure(2)
    assert torch.equal(torch.rand(3), expected) and model.training
    assert first == second and set(first) == {"molecules_held_out", "proteins_held_out"}


def test_it_falls_when_the_model_learns_those_structures():
    torch.manual_seed(0)
    model = StructureModel(TINY)
    batches = validation_batches(given()[0], None, None)
    measure = held_out_loss(model, batches, step_loss)
    before = measure(0)["molecules_held_out"]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(25):
        optimizer.zero_grad()
        step_loss(model, batches["molecules"])["loss"].backward()
        optimizer.step()
    assert measure(1)["molecules_held_out"] < 0.8 * before


def test_only_the_validation_side_is_measured():
    molecules, proteins = given()
    batches = validation_batches(molecules, proteins, None)
    sizes = set(molecules["atom_counts"][molecules["split"] == "val"].tolist())
    assert set(batches["molecules"].features.token_mask.sum(1).tolist()) <= sizes
    known = batches["proteins"].features.profile.any(-1).any(-1).tolist()
    assert known == [k % 2 == 1 for k in range(len(known))]
    molecules.arrays["split"][:] = "train"
    assert validation_batches(molecules, None, None) == {}


def test_the_command_writes_the_curves(tmp_path, monkeypatch):
    monkeypatch.setattr("models.alphafold3.train.ModelConfig", lambda: TINY)
    cache = tmp_path / "cache"
    (cache / "molecules").mkdir(parents=True)
    arrays = dict(np.load(FIXTURES / "molecules.npz"))
    arrays["split"] = np.where(np.arange(len(arrays["split"])) % 2 == 0, "val", "train")
    np.savez(cache / "molecules/molecules.npz", **arrays)
    main(
        ["--minutes", "0.05", "--shares", "molecules=1", "--cache", str(cache), "--threads", "1",
         "--out", str(tmp_path / "net"), "--checkpoint", str(tmp_path / "net.safetensors")]
    )  # fmt: skip
    kept = json.loads((tmp_path / "alphafold3-curves.json").read_text())
    assert len(kept["molecules, held out"]["loss"]) >= 1
