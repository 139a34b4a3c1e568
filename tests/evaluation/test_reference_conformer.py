"""The ablation compares like with like: the same start, the same batches, the same noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rdkit import Chem

from models.alphafold3.chemistry import molecule_graph
from models.alphafold3.data.batches import Batch
from models.alphafold3.features import arrays, collate
from models.alphafold3.train import step_loss
from models.evaluation import reference_conformer as ablation


@pytest.fixture
def batch() -> Batch:
    graph = molecule_graph(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O"))
    features = collate([arrays(graph)] * 2, slots=1)
    truth = torch.randn(2, 13, 3, generator=torch.Generator().manual_seed(1)) * 2
    return Batch(features, truth, torch.zeros(2, dtype=torch.long), torch.ones(2, 13), 2)


def models() -> dict[str, ablation.Trainee]:
    plain = ablation.build(0, reference=False)
    start = {name: value.clone() for name, value in plain.state_dict().items()}
    told = ablation.build(0, True, start)
    return {"plain": ablation.Trainee(plain, False), "told": ablation.Trainee(told, True)}


def test_distances_become_bins():
    xyz = torch.tensor([[[0.0, 0, 0], [0.3, 0, 0], [50.0, 0, 0]]])
    bins = ablation.distance_bins(xyz)
    assert bins[0].tolist() == [[0, 2, 48], [2, 0, 48], [48, 48, 0]]


def test_both_start_from_the_same_answer(batch):
    pair = models()
    bins = ablation.distance_bins(batch.truth)
    losses = []
    for trainee in pair.values():
        features = ablation.told(batch.features, bins) if trainee.reference else batch.features
        torch.manual_seed(3)
        losses.append(float(step_loss(trainee.model, replace(batch, features=features))["loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_only_the_told_one_learns_from_the_reference(batch):
    pair = models()
    near, far = (ablation.distance_bins(batch.truth * scale) for scale in (0.3, 3.0))
    for number in range(3):
        for trainee in pair.values():
            trainee.step(number, 0.0, batch, near)
    assert pair["plain"].curve[0] == pytest.approx(pair["told"].curve[0], rel=1e-5)
    model = pair["told"].model
    with torch.no_grad():
        one, other = (model.trunk(ablation.told(batch.features, b), 0)[1] for b in (near, far))
    assert float((one - other).abs().max()) > 1e-4


def test_molecules_are_drawn_with_as_many_samples_as_asked(batch):
    class Data:
        def graph(self, place: int):
            return molecule_graph(Chem.MolFromSmiles("CCO"))

    reference = ablation.Reference({0: np.eye(3, dtype=np.float32)})
    settings = replace(ablation.AlphaFold3.defaults, steps=2, samples=3, seed=1)
    for trainee in models().values():
        trainee.model.eval()
        xyz = ablation.draw(trainee, Data(), 0, reference, settings)
        assert xyz.shape == (3, 3, 3) and np.isfinite(xyz).all()
