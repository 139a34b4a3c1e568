"""Training: the loss falls, and what the losses weigh."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from alphafold3.structures import FIXTURES, TINY
from models.alphafold3.data.batches import MoleculeBatches, ProteinBatches, Proteins, endless
from models.alphafold3.data.store import Molecules
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.losses import (
    aligned_truth,
    denoising_loss,
    distogram_loss,
    hand_loss,
    turn_loss,
)
from models.alphafold3.train import grow, main, step_loss
from models.alphafold3.trunk import DISTANCE_EDGES
from models.checkpoint import load


@pytest.fixture
def batches():
    molecules = MoleculeBatches(Molecules(FIXTURES / "molecules.npz"), 4, 192, 40, 20.0)
    proteins = ProteinBatches(Proteins(FIXTURES / "proteins.npz"), 4, 192)
    shares = {"molecules": 0.7, "proteins": 0.3}
    return endless({"molecules": molecules, "proteins": proteins}, shares, (0, 0))


def test_thirty_steps_lower_the_loss():
    torch.manual_seed(0)
    data = MoleculeBatches(Molecules(FIXTURES / "molecules.npz"), 16, 768, 40, 20.0)
    batch = data.draw(np.random.default_rng(3))
    model = StructureModel(TINY)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(30):
        loss = step_loss(model, batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.65 * losses[0]


def test_a_fresh_model_answers_with_the_preconditioner_alone(batches):
    model = StructureModel(TINY)
    losses = [float(step_loss(model, next(batches)[1])["coordinates"]) for _ in range(8)]
    assert 0.5 < np.mean(losses) < 1.5  # lambda c_out^2 = 1: F = 0 costs about 1 at every level


def test_truth_is_turned_onto_the_prediction_but_never_mirrored():
    truth = torch.randn(2, 10, 3, generator=torch.Generator().manual_seed(0)) * 2
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    mask = torch.ones(2, 10, dtype=torch.bool)
    one = torch.ones(2)
    rotated = truth @ turn.T
    loss = denoising_loss(rotated, aligned_truth(rotated, truth, mask), one, one, mask)
    assert loss.max() < 1e-8
    mirrored = truth * torch.tensor([-1.0, 1, 1])
    loss = denoising_loss(mirrored, aligned_truth(mirrored, truth, mask), one, one, mask)
    assert loss.min() > 0.1


def test_only_the_wrong_hand_costs_and_at_any_size():
    corners = torch.tensor([(0, 0, 0), (1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1.0)])
    handed = torch.zeros(1, 5, 4, 3, dtype=torch.long)
    handed[0, 0, 0] = torch.tensor([1, 2, 3])
    known = torch.zeros(1, 5, 4)
    known[0, 0, 0] = 1
    right, wrong = hand_loss(corners[None], handed, known), hand_loss(-corners[None], handed, known)
    assert right == 0 and wrong > 1
    assert torch.allclose(hand_loss(-0.1 * corners[None], handed, known), wrong, rtol=1e-3)
    assert hand_loss(-corners[None], handed, torch.zeros_like(known)) == 0


def test_a_helix_of_the_wrong_hand_costs_and_a_small_one_of_the_right_hand_does_not():
    t = torch.arange(14) * 0.6
    helix = torch.stack([9 * t.cos(), 9 * t.sin(), 5 * t], -1)[None]
    present = torch.ones(1, 14, dtype=torch.bool)
    assert turn_loss(helix, helix, present) < 1e-10
    assert turn_loss(0.01 * helix, helix, present) < 1e-6
    assert turn_loss(helix * torch.tensor([1.0, 1.0, -1.0]), helix, present) > 0.2
    assert turn_loss(-helix, helix, ~present) == 0
    assert turn_loss(helix[:, :3], helix[:, :3], present[:, :3]) == 0


def test_weights_of_a_smaller_model_are_a_start():
    small = replace(TINY, atom=TINY.atom // 2)
    old, new = StructureModel(small), StructureModel(TINY)
    before = new.module.vectors.weight.detach().clone()
    grow(new, old.state_dict())
    kept, added = new.module.vectors.weight.split(TINY.atom // 2)
    assert torch.equal(kept, old.module.vectors.weight)
    assert torch.equal(added, before[TINY.atom // 2 :])
    assert torch.equal(new.trunk.ends.weight, old.trunk.ends.weight)


def test_the_distogram_loss_prefers_the_true_distances():
    truth = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0)) * 6
    present = torch.tensor([[True] * 5 + [False]])
    edges = torch.tensor(DISTANCE_EDGES)
    right = torch.nn.functional.one_hot(torch.bucketize(torch.cdist(truth, truth), edges), 37)
    right = 20.0 * right
    assert distogram_loss(right, truth, present) < 0.01
    assert distogram_loss(right.roll(1, -1), truth, present) > 5
    absent = right.clone()
    absent[:, 5] = absent[:, :, 5] = 0
    assert distogram_loss(absent, truth, present) < 0.01


def test_the_command_writes_a_checkpoint_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr("models.alphafold3.train.ModelConfig", lambda: TINY)
    clock = itertools.count()  # half a second passes whenever somebody looks
    fake = SimpleNamespace(perf_counter=lambda: next(clock) / 2)  # the trainer's alone
    monkeypatch.setattr("models.diffusion.training.time", fake)
    for name in ("molecules", "proteins"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.npz").symlink_to(FIXTURES / f"{name}.npz")
    arguments = [
        "--threads", "1", "--out", str(tmp_path / "run"), "--checkpoint", str(tmp_path / "a.safetensors"),
        "--cache", str(tmp_path), "--shares", "molecules=0.5,proteins=0.5",
    ]  # fmt: skip
    main(["--minutes", "0.02", *arguments])
    _, first = load(tmp_path / "a.safetensors")
    main(["--minutes", "0.04", *arguments])
    _, second = load(tmp_path / "a.safetensors")
    assert second["meta"]["step"] > first["meta"]["step"] > 0
