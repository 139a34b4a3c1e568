"""The confidence head: what it may depend on, what it learns, and what a run tells about its samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alphafold3.structures import FIXTURES, TINY, graph_of, random_model
from models import checkpoint
from models.alphafold3.assembly import Unit, assemble
from models.alphafold3.confidence import (
    BINS,
    CHECKPOINT,
    ConfidenceConfig,
    ConfidenceHead,
    ConfidenceNetwork,
    NoConfidence,
    agreement,
    load_head,
    plddt,
)
from models.alphafold3.data import rollouts
from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.rollouts import MoleculeSource, ProteinSource, Rollout, atom_scores
from models.alphafold3.data.scored import Rollouts
from models.alphafold3.data.store import Molecules
from models.alphafold3.geometry import lddt_by_atom, rotations_from
from models.alphafold3.network import TrunkNetwork
from models.alphafold3.polymer import backbone_graph, residue_ids
from models.alphafold3.structure import Structure
from models.alphafold3.train_confidence import confidence_loss, held_out, watch
from models.alphafold3.trunk import DISTANCE_EDGES
from models.diffusion.sampler import Request

SIZES = ConfidenceConfig(
    trunk_single=TINY.single, trunk_pair=TINY.pair, single=16, pair=8, triangle=8, heads=2, atom=16
)


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def network(model):
    torch.manual_seed(1)
    head = ConfidenceHead(SIZES)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return ConfidenceNetwork(model, head.eval().requires_grad_(False))


def duplex():
    pairs = [("DG", "DC"), ("DA", "DT"), ("DC", "DG")]
    units = [Unit(a, 0, n + 1) for n, (a, _) in enumerate(pairs)]
    units += [Unit(b, 1, n + 1) for n, (_, b) in enumerate(reversed(pairs))]
    return assemble(units).graph


GRAPHS = {
    "molecules": [graph_of(s) for s in ("C[C@H](N)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CCO")],
    "backbones": [backbone_graph(residue_ids(s)) for s in ("ACDEFGHIKLMN", "GGGGG")],
    "all atoms": [duplex()],
}


def request(network, graph, samples=2, seed=0):
    """As a run asks: the trunk's answer and samples that could be anything."""
    trunk = TrunkNetwork(network.model)
    structure = Structure(graph)
    with torch.inference_mode():
        (cond,) = trunk.answer([Request(trunk, torch.zeros(1), torch.zeros(1), structure)])
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, len(structure.atoms), 3, generator=generator) * 3
    return Request(network, x, torch.zeros(samples), cond, frame=False)


@pytest.mark.parametrize("kind", GRAPHS)
def test_an_answer_is_the_same_alone_and_among_others(network, kind):
    asked = [request(network, graph, seed=k) for k, graph in enumerate(GRAPHS[kind])]
    with torch.inference_mode():
        for one, answer in zip(asked, network.answer(asked), strict=True):
            (alone,) = network.answer([one])  # padded by its own size
            assert answer.shape == one.x.shape[:2]
            assert torch.allclose(answer, alone, atol=1e-2)
            assert 0 <= float(answer.min()) and float(answer.max()) <= 100
            assert float(answer.std()) > 0.1


@pytest.mark.parametrize("kind", GRAPHS)
def test_turning_a_sample_changes_nothing_and_its_mirror_image_does(network, kind):
    asked = request(network, GRAPHS[kind][0])
    turn = rotations_from(torch.randn(2, 3, generator=torch.Generator().manual_seed(5)))
    with torch.inference_mode():
        (answer,) = network.answer([asked])
        (turned,) = network.answer([replace(asked, x=asked.x @ turn.T + 4.0)])
        (mirrored,) = network.answer([replace(asked, x=-asked.x)])
    assert torch.allclose(turned, answer, atol=1e-2)
    # Of distances alone a molecule's wrong hand could not be told.
    assert ((mirrored - answer).abs().max() > 0.1) == (kind != "backbones")


def test_samples_do_not_see_each_other(network):
    asked = request(network, GRAPHS["molecules"][1], samples=4)
    with torch.inference_mode():
        (answer,) = network.answer([asked])
        order = torch.tensor([2, 0, 3, 1])
        (shuffled,) = network.answer([replace(asked, x=asked.x[order])])
        (one,) = network.answer([replace(asked, x=asked.x[2:3], sigma=torch.zeros(1))])
    assert torch.allclose(shuffled, answer[order], atol=1e-3)
    assert torch.allclose(one[0], answer[2], atol=1e-3)
    assert (answer[0] - answer[1]).abs().max() > 0.1


def test_a_large_question_is_answered_in_parts(network, monkeypatch):
    asked = [
        request(network, graph, samples=3, seed=k) for k, graph in enumerate(GRAPHS["molecules"])
    ]
    with torch.inference_mode():
        whole = network.answer(asked)
        monkeypatch.setattr("models.alphafold3.confidence.MOST_CELLS", 300)
        sizes = []
        inner = network._answer
        monkeypatch.setattr(
            network, "_answer", lambda r: sizes.append(network.cells(r)[1]) or inner(r)
        )
        parts = network.answer(asked)
    assert len(sizes) > 3 and max(sizes) <= 300
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-2)


def test_agreement_is_the_distograms_share_within_reach():
    logits = torch.full((1, 1, 1, len(DISTANCE_EDGES) + 1), -30.0)
    logits[..., 9] = 30.0  # all of it between 10 and 11 A
    distance = torch.tensor([10.5, 10.0, 8.0, 20.0]).view(1, 4, 1, 1)
    share = agreement(logits, distance)[0, :, 0, 0]
    expected = [[1, 1, 1, 1], [0.5, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert torch.allclose(share, torch.tensor(expected, dtype=torch.float32), atol=1e-4)


def test_a_flat_guess_is_fifty_and_a_sure_one_its_bin():
    assert float(plddt(torch.zeros(BINS))) == pytest.approx(50)
    assert float(plddt(torch.nn.functional.one_hot(torch.tensor(BINS - 1), BINS) * 1e3)) == 99


def test_lddt_by_atom_is_biotites():
    structure = pytest.importorskip("biotite.structure")
    data = Proteins(FIXTURES / "proteins.npz")
    truth = torch.from_numpy(data.backbone(0).reshape(-1, 3))
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    predicted = truth + noise * torch.linspace(0, 3, len(truth))[:, None]
    atoms = structure.AtomArray(len(truth))
    atoms.coord = truth.numpy()
    atoms.res_id = np.arange(len(truth)) // 4
    ours, known = lddt_by_atom(predicted, truth, torch.from_numpy(atoms.res_id))
    theirs = structure.lddt(atoms, predicted.numpy(), aggregation="atom", exclude_same_residue=True)
    assert known.all()
    assert np.abs(ours.numpy() - theirs).max() < 2e-3
    assert ours[:20].mean() > 0.85 > 0.6 > ours[-20:].mean()


def test_atoms_that_only_names_tell_apart_are_matched():
    """Benzoic acid with its ring turned over; a phenylalanine likewise. Both are the same structure."""
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    mol = Chem.MolFromSmiles("OC(=O)c1ccccc1Cl".replace("Cl", ""))
    full = Chem.AddHs(mol)
    rdDistGeom.EmbedMolecule(full, randomSeed=1)
    truth = full.GetConformer().GetPositions()[: mol.GetNumAtoms()].astype(np.float32)
    flipped = truth.copy()
    flipped[[4, 8, 5, 7]] = truth[[8, 4, 7, 5]]
    graph = graph_of("OC(=O)c1ccccc1")
    score, known = atom_scores(graph, flipped[None], truth, mol)
    assert known.all() and score.min() > 0.999
    named, _ = atom_scores(graph, flipped[None], truth)
    assert named.min() < 0.9

    graph = assemble([Unit(c, 0, n + 1) for n, c in enumerate(("GLY", "PHE", "GLY"))]).graph
    xyz = np.random.default_rng(0).normal(size=(int(graph.present.sum()), 3)).astype(np.float32) * 4
    other = xyz.copy()
    ring = 4 + 6  # GLY has four atoms, then N CA C O CB CG CD1 CD2 CE1 CE2 CZ
    other[[ring, ring + 1, ring + 2, ring + 3]] = xyz[[ring + 1, ring, ring + 3, ring + 2]]
    score, _ = atom_scores(graph, other[None], xyz)
    assert score.min() > 0.999


def noisy_rollouts(source, name, numbers, samples=3):
    """Truths with noise of a strength that differs by sample: what a head must tell apart."""
    rng = np.random.default_rng(0)
    for number in numbers:
        truth = source.truth(number)
        strength = np.linspace(0.1, 1.5, samples)[:, None, None]
        xyz = (truth + strength * rng.normal(size=(samples, *truth.shape))).astype(np.float32)
        graph, mol = source.structure(number).graph, source.molecule(number)
        lddt, known = atom_scores(graph, xyz, truth, mol)
        yield Rollout(name, number, "val", xyz, np.where(known, lddt, np.nan))


@pytest.fixture(scope="module")
def sources():
    return {
        "molecules": MoleculeSource(Molecules(FIXTURES / "molecules.npz")),
        "proteins": ProteinSource(Proteins(FIXTURES / "proteins.npz")),
    }


@pytest.fixture(scope="module")
def kept(sources):
    rng = np.random.default_rng(0)
    out = []
    for name, count in (("molecules", 12), ("proteins", 3)):
        numbers = sources[name].members(("val", "train", "test"), rng)[:count]
        out += noisy_rollouts(sources[name], name, [int(k) for k in numbers])
    return out


def test_rollouts_survive_the_disk(kept, tmp_path):
    rollouts.save(tmp_path / "rollouts-a-000.npz", kept[:5])
    rollouts.save(tmp_path / "rollouts-b-000.npz", kept[5:])
    again = rollouts.read(tmp_path)
    assert [(r.source, r.number, r.split) for r in again] == [
        (r.source, r.number, r.split) for r in kept
    ]
    for one, other in zip(kept, again, strict=True):
        centred = one.xyz - one.xyz.mean(1, keepdims=True)
        assert np.abs(centred - other.xyz).max() < 0.002
        assert np.nanmax(np.abs(one.lddt - other.lddt)) < 0.003


def test_training_lowers_the_loss_and_finds_the_noisier_sample(model, sources, kept):
    torch.manual_seed(0)
    head = ConfidenceHead(SIZES)
    data = Rollouts(model, TrunkNetwork(model), sources, kept, cells=4000)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    losses = []
    batches = data.endless((0,))
    for _ in range(60):
        losses_now = confidence_loss(head, next(batches))
        optimizer.zero_grad()
        losses_now["loss"].backward()
        optimizer.step()
        losses.append(float(losses_now["entropy"]))
    assert losses[0] == pytest.approx(np.log(BINS), abs=0.05)  # a fresh head knows nothing
    assert np.mean(losses[-10:]) < losses[0] - 0.5
    found = watch(head, data, "cpu")
    assert found["held_out_correlation"] > 0.7 and found["held_out_ranking"] > 0.7


def test_every_structure_is_watched_or_trained_on_and_test_never_drawn(sources, kept):
    trained, watched = held_out(kept)
    assert len(trained) + len(watched) == len(kept)
    members = sources["molecules"].members(("val", "train"), np.random.default_rng(0))
    splits = [sources["molecules"].split(int(k)) for k in members]
    assert "test" not in splits and splits == sorted(splits, key=("val", "train").index)


def test_a_head_answers_only_for_its_own_weights(tmp_path):
    path = tmp_path / CHECKPOINT
    with pytest.raises(NoConfidence, match="is missing"):
        load_head(path, "abc")
    torch.manual_seed(0)
    head = ConfidenceHead(SIZES)
    checkpoint.save(path, head.state_dict(), SIZES, {"weights": "abc"})
    assert load_head(path, "abc").config == SIZES
    with pytest.raises(NoConfidence, match="other weights"):
        load_head(path, "abd")
    checkpoint.save(path, {"out.bias": torch.zeros(3)}, SIZES, {"weights": "abc"})
    with pytest.raises(checkpoint.CheckpointError, match="does not fit"):
        load_head(path, "abc")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(checkpoint.CheckpointError, match="cannot be read"):
        load_head(path, "abc")


def test_the_head_is_small():
    head = ConfidenceHead(ConfidenceConfig())
    assert sum(p.numel() for p in head.parameters()) <= 300_000
