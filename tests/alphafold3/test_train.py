"""Training: the loss falls, and what the losses weigh."""

import numpy as np
import pytest
import torch

from alphafold3.structures import FIXTURES, TINY
from models.alphafold3.data.batches import MoleculeBatches, ProteinBatches, Proteins, endless
from models.alphafold3.data.store import Molecules
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.losses import aligned_truth, denoising_loss
from models.alphafold3.train import main, step_loss
from models.checkpoint import load


@pytest.fixture
def batches():
    molecules = MoleculeBatches(Molecules(FIXTURES / "molecules.npz"), 4, 192, 40, 20.0)
    proteins = ProteinBatches(Proteins(FIXTURES / "proteins.npz"), 4, 192)
    return endless(molecules, proteins, 0.3, (0, 0))


def test_thirty_steps_lower_the_loss():
    torch.manual_seed(0)
    data = MoleculeBatches(Molecules(FIXTURES / "molecules.npz"), 4, 192, 40, 20.0)
    batch = data.draw(np.random.default_rng(3))
    model = StructureModel(TINY)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(30):
        loss = step_loss(model, batch, 16)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.65 * losses[0]


def test_a_fresh_model_answers_with_the_preconditioner_alone(batches):
    model = StructureModel(TINY)
    losses = [float(step_loss(model, next(batches), 4)["coordinates"]) for _ in range(8)]
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


def test_the_command_writes_a_checkpoint_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr("models.alphafold3.train.ModelConfig", lambda: TINY)
    arguments = [
        "--threads", "1", "--out", str(tmp_path / "run"), "--checkpoint", str(tmp_path / "a.safetensors"),
        "--molecules", str(FIXTURES / "molecules.npz"), "--proteins", str(FIXTURES / "proteins.npz"),
    ]  # fmt: skip
    main(["--minutes", "0.02", *arguments])
    _, first = load(tmp_path / "a.safetensors")
    main(["--minutes", "0.04", *arguments])
    _, second = load(tmp_path / "a.safetensors")
    assert second["meta"]["step"] > first["meta"]["step"] > 0
