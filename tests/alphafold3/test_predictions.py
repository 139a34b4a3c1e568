"""What a run tells when it has ended: confidence, ranking, distances, the way to the reference."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from alphafold3.structures import FIXTURES, graph_of
from app.engine import Blind, Engine, Job
from models import checkpoint
from models.alphafold3.assembly import Unit, assemble
from models.alphafold3.confidence import CHECKPOINT, ConfidenceConfig, ConfidenceHead
from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.rollouts import MoleculeSource, ProteinSource, atom_scores
from models.alphafold3.data.store import Molecules
from models.alphafold3.geometry import lddt, rmsd
from models.alphafold3.pipeline import CHECKPOINT as STRUCTURE_CHECKPOINT
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.polymer import backbone_graph, residue_ids
from models.alphafold3.ranking import _centres, clashes, hands_right, rank
from models.alphafold3.structure import Structure
from models.alphafold3.view import against_reference, named_reference, representatives
from models.checkpoint import CHECKPOINTS, fingerprint
from models.diffusion.sampler import run
from models.evaluation.confidence import predict
from models.evaluation.molecules_drawing import sample_structures


class Watcher:
    """A client of the engine that waits for its result."""

    def __init__(self):
        self.over, self.result, self.error = threading.Event(), None, None

    def waiting(self, place, seconds):
        pass

    def started(self):
        pass

    def answered(self, request, answer):
        pass

    def finished(self, result):
        self.result = result
        self.over.set()

    def failed(self, error):
        self.error = error
        self.over.set()

    def wait(self):
        assert self.over.wait(60)
        assert self.error is None
        return self


CAFFEINE, ALANINE = {"ccd": "CFF"}, {"smiles": "C[C@H](N)C(=O)O"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The shipped structure model beside an untrained head that belongs to it."""
    out = tmp_path_factory.mktemp("checkpoints")
    (out / STRUCTURE_CHECKPOINT).symlink_to(CHECKPOINTS / STRUCTURE_CHECKPOINT)
    return out


@pytest.fixture(scope="module")
def pipeline(folder):
    torch.manual_seed(0)
    config = ConfidenceConfig()
    head = ConfidenceHead(config)
    torch.nn.init.normal_(head.out.weight, std=1.0)
    weights = fingerprint(folder / STRUCTURE_CHECKPOINT)
    checkpoint.save(folder / CHECKPOINT, head.state_dict(), config, {"weights": weights})
    return AlphaFold3(folder)


def drive(pipeline, given, **changes):
    plan, settings = pipeline.parse(given), replace(pipeline.defaults, **changes)
    view, asked = pipeline.view(plan, settings), []

    def show(request, answer):
        asked.append(request.net.name)
        if request.frame:
            view.frame(request, answer)

    result = run(pipeline.run(plan, settings), show)
    return plan, pipeline.start(plan, settings), view.done(result), asked


def test_several_samples_are_ranked_by_a_confidence_of_their_own(pipeline):
    _, start, done, asked = drive(pipeline, CAFFEINE, steps=4, samples=3)
    assert asked[-1] == "confidence" and asked.count("confidence") == 1
    assert done["calls"] == {"trunk": 1, "atoms": 4, "confidence": 1}
    assert done["plddt"].shape == (3, 14) and done["plddt"].dtype == np.float32
    ranking = done["ranking"]
    assert sorted(ranking["order"]) == [0, 1, 2]
    assert [ranking["score"][k] for k in ranking["order"]] == sorted(ranking["score"], reverse=True)
    assert np.allclose(ranking["plddt"], done["plddt"].mean(1), atol=0.01)
    assert CHECKPOINT in pipeline.checkpoints and not any("confidence" in n for n in start["notes"])
    assert start["token_atoms"] == list(range(14))
    assert done["distogram"].shape == (14, 14) and done["distogram"].dtype == np.float16


def test_one_sample_has_a_confidence_and_no_ranking(pipeline):
    _, start, done, _ = drive(pipeline, {"protein": "ACDEFGHIKLMNPQRS"}, steps=3)
    assert done["plddt"].shape == (64,) and "ranking" not in done
    assert done["scores"]["plddt"] == pytest.approx(done["plddt"].mean(), abs=0.01)
    assert start["token_atoms"] == [4 * t + 1 for t in range(16)]  # CA
    assert done["distogram"].shape == (16, 16)


def test_samples_are_drawn_alike_with_and_without_a_head(pipeline, folder, tmp_path):
    (tmp_path / STRUCTURE_CHECKPOINT).symlink_to(CHECKPOINTS / STRUCTURE_CHECKPOINT)
    without = AlphaFold3(tmp_path)
    _, start, done, asked = drive(without, CAFFEINE, steps=4, samples=2)
    _, _, told, _ = drive(pipeline, CAFFEINE, steps=4, samples=2)
    assert "confidence" not in asked and "plddt" not in done and "ranking" not in done
    assert any("confidence.safetensors is missing" in note for note in start["notes"])
    assert np.array_equal(done["sample"], told["sample"])


def test_a_head_of_other_weights_is_left_out(folder, pipeline, tmp_path):
    (tmp_path / STRUCTURE_CHECKPOINT).symlink_to(CHECKPOINTS / STRUCTURE_CHECKPOINT)
    state, _ = checkpoint.load(folder / CHECKPOINT)
    checkpoint.save(tmp_path / CHECKPOINT, state, ConfidenceConfig(), {"weights": "0" * 12})
    other = AlphaFold3(tmp_path)
    assert other.confidence is None and CHECKPOINT not in other.checkpoints
    assert any(
        "other weights" in n for n in other.start(other.parse(CAFFEINE), other.defaults)["notes"]
    )


def test_every_frame_is_compared_with_the_reference(pipeline):
    _, _, done, _ = drive(pipeline, CAFFEINE, seed=1)
    told = done["against_reference"]
    assert told["of"] == "atoms"
    for name in ("lddt", "rmsd", "distance_error"):
        assert len(told[name]) == len(done["settling"]["step"]) == 40
    assert told["lddt"][-1] > 0.97 and told["lddt"][-1] > told["lddt"][0]
    assert told["rmsd"][-1] < 0.3 and told["rmsd"][-1] < told["rmsd"][0]
    assert (
        told["distance_error"][-1] < 0.2 and told["distance_error"][-1] < told["distance_error"][0]
    )
    assert told["lddt"][-1] == pytest.approx(done["scores"]["lddt"], abs=0.02)
    _, _, unknown, _ = drive(pipeline, {"smiles": "CCCCCCCCCN"}, steps=2)
    assert "against_reference" not in unknown and "reference" not in unknown


@pytest.mark.parametrize("example", [{"ccd": "NAD"}, {"ccd": "CFF"}])
def test_looking_at_every_pair_once_gives_the_same_measures(pipeline, example):
    plan = pipeline.parse(example)
    reference = plan.reference.numpy()
    noise = np.random.default_rng(5)
    sizes = np.geomspace(10, 0.05, 12)
    frames = [(reference + s * noise.standard_normal(reference.shape)).astype("f4") for s in sizes]
    told = against_reference(plan, frames, reference)
    xyz, true = torch.from_numpy(np.stack(frames)), torch.from_numpy(reference).float()[None]
    everything = torch.ones(1, len(reference), dtype=torch.bool)
    gap = (torch.cdist(xyz, xyz) - torch.cdist(true, true)).abs()
    error = gap.sum((1, 2)) / (len(reference) * (len(reference) - 1))
    assert told["lddt"] == pytest.approx(lddt(xyz, true, everything).tolist(), abs=2e-4)
    assert told["rmsd"] == pytest.approx(rmsd(xyz, true, everything).tolist(), abs=2e-3)
    assert told["distance_error"] == pytest.approx(error.tolist(), abs=2e-3)


def test_runs_share_one_confidence_forward_in_the_engine(pipeline):
    forwards = []

    class Observer(Blind):
        def forward(self, net, requests, rows, seconds):
            forwards.append((net, requests, rows))

    engine = Engine(observer=Observer())
    watchers = [Watcher() for _ in range(3)]
    settings = replace(pipeline.defaults, steps=3, samples=2)
    for k, watcher in enumerate(watchers):
        plan = pipeline.parse(ALANINE)
        engine.submit(Job(pipeline.run(plan, replace(settings, seed=k)), watcher, rows=2))
    engine.start()
    results = [watcher.wait().result for watcher in watchers]
    engine.stop()
    assert [f for f in forwards if f[0] == "confidence"] == [("confidence", 3, 6)]
    for k, result in enumerate(results):
        alone = run(pipeline.run(pipeline.parse(ALANINE), replace(settings, seed=k)))
        assert torch.allclose(alone.xyz, result.xyz, atol=1e-3)
        assert torch.allclose(alone.plddt, result.plddt, atol=0.1)


def structure_of(smiles):
    return Structure(graph_of(smiles))


def test_a_wrong_hand_and_a_clash_rank_last(pipeline):
    plan, _, done, _ = drive(pipeline, ALANINE, seed=2)
    good = done["sample"]
    structure = plan.structure
    assert hands_right(structure, np.stack([good, -good])) == [True, False]
    assert clashes(structure.graph, np.stack([good])) == [False]
    hexane = structure_of("CCCCCC")
    line = np.arange(6)[:, None] * np.array([[1.3, 0, 0]])
    bent = line.copy()
    bent[5] = bent[0] + 1.0
    assert clashes(hexane.graph, np.stack([line, bent])) == [False, True]
    assert hands_right(hexane, line[None]) == [None]
    told = rank(structure, np.stack([-good, good]), torch.tensor([[90.0] * 6, [40.0] * 6]))
    assert told["order"] == [1, 0] and told["score"] == [-10.0, 40.0]
    assert told["stereo"] == [False, True] and told["plddt"] == [90.0, 40.0]


def test_a_double_bond_is_told_by_its_sides():
    trans, cis = structure_of("F/C=C/Cl"), structure_of("F/C=C\\Cl")
    xyz = np.array([[-1.0, 1, 0], [-0.6, 0, 0], [0.6, 0, 0], [1.0, -1, 0]])
    assert hands_right(trans, xyz[None]) == [True] and hands_right(cis, xyz[None]) == [False]


def test_phosphates_have_no_hand_that_counts_and_sugars_do():
    adenosine = structure_of("Nc1ncnc2n(cnc12)[C@@H]1O[C@H](CO[P@](O)(=O)OC)[C@@H](O)[C@H]1O")
    elements = [adenosine.graph.tokens[m, 1] for m in _centres(adenosine)[:, 0]]
    assert len(elements) == 4 and set(elements) == {1}  # carbons
    strand = assemble([Unit(c, 0, n + 1) for n, c in enumerate(("DG", "DA"))]).graph
    assert len(_centres(Structure(strand))) >= 4


def test_representatives_are_ca_c1_and_the_atoms():
    chain = backbone_graph(residue_ids("AC"))
    assert representatives(chain).tolist() == [1, 5]
    units = [Unit("DG", 0, 1), Unit("DA", 0, 2)]
    built = assemble(units)
    names = [name for _, name in built.atoms]
    assert [names[k] for k in representatives(built.graph)] == ["C1'", "C1'"]


def test_a_ring_turned_over_is_the_same_answer(pipeline):
    plan, _, done, _ = drive(pipeline, {"smiles": "N[C@@H](Cc1ccccc1)C(=O)O"}, seed=4)
    drawn = done["sample"]
    other = drawn.copy()
    other[[4, 8, 5, 7]] = drawn[[8, 4, 7, 5]]
    plan = replace(plan, reference=torch.from_numpy(other))
    assert against_reference(plan, [drawn], other)["rmsd"][0] > 0.5
    named = named_reference(plan, drawn)
    assert against_reference(plan, [drawn], named)["rmsd"][0] < 0.01


def told_and_true(pipeline, source, settings):
    """pLDDT and lDDT (0 to 100) of all atoms of samples of a source's test structures."""
    numbers = [int(k) for k in source.members(("test",), np.random.default_rng(0))]
    structures = [source.structure(k) for k in numbers]
    drawn = sample_structures(pipeline, structures, settings)
    told, true = [], []
    for k, s, xyz, plddt in zip(
        numbers, structures, drawn, predict(pipeline, structures, drawn), strict=True
    ):
        lddt, known = atom_scores(s.graph, xyz.numpy(), source.truth(k), source.molecule(k))
        told.append(plddt.numpy()[:, known].ravel())
        true.append(100 * lddt[:, known].ravel())
    return np.concatenate(told), np.concatenate(true)


def test_the_shipped_head_knows_which_unseen_atoms_are_right():
    shipped = AlphaFold3()
    assert shipped.confidence is not None, "train the head again: python -m models train confidence"
    settings = replace(shipped.defaults, seed=11, samples=2)
    molecules = MoleculeSource(Molecules(FIXTURES / "molecules.npz"))
    told, true = told_and_true(shipped, molecules, settings)
    assert np.corrcoef(told, true)[0, 1] > 0.35  # 0.53 when it was shipped
    assert np.abs(told - true).mean() < 7  # 4.4
    crops = ProteinSource(Proteins(FIXTURES / "proteins.npz"))
    folded, right = told_and_true(shipped, crops, settings)
    assert folded.mean() < told.mean() - 25 and right.mean() < true.mean() - 25  # and it says so
