"""The shipped checkpoint, driven as the server drives it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from alphafold3.structures import FIXTURES
from models.alphafold3.chemistry import graph_molecule, stereo_matches, stereo_smiles
from models.alphafold3.data.store import Molecules
from models.alphafold3.pipeline import CHECKPOINT, AlphaFold3, load_model
from models.alphafold3.structure import Structure
from models.checkpoint import CHECKPOINTS, CheckpointError
from models.diffusion.sampler import run
from models.evaluation.molecules import sample_structures


@pytest.fixture(scope="module")
def pipeline() -> AlphaFold3:
    return AlphaFold3()


def drive(pipeline, given, **changes):
    plan, settings = pipeline.parse(given), replace(pipeline.defaults, **changes)
    view, frames = pipeline.view(plan, settings), []
    result = run(
        pipeline.run(plan, settings),
        lambda request, answer: (
            frames.append(view.frame(request, answer)) if request.frame else None
        ),
    )
    return plan, pipeline.start(plan, settings), frames, view.done(result)


def test_a_run_tells_what_it_draws(pipeline):
    _, start, frames, done = drive(pipeline, {"ccd": "CFF"}, seed=3)
    (stage,) = start["stages"]
    assert stage["name"] == "atoms" and stage["unit"] == "Å" and len(stage["sigmas"]) == 41
    assert len(start["atoms"]) == start["heavy_atoms"] == 14 and len(start["bonds"]) == 15
    assert start["training"] == "seen" and start["reference"]
    assert [frame.step for frame in frames] == list(range(40))
    assert frames[0].x.shape == frames[0].denoised.shape == done["sample"].shape == (14, 3)
    assert done["sample"].dtype == np.float32 and done["reference"].shape == (14, 3)
    assert {band["name"] for band in done["settling"]["bands"]} == {"global", "angles", "bonds"}
    # Caffeine is flat: the smallest spread of its atoms is that of the three methyl carbons at most.
    spread = np.linalg.svd(done["sample"] - done["sample"].mean(0))[1] / np.sqrt(14)
    assert spread[2] < 0.2


def test_the_picture_does_not_tumble(pipeline):
    _, _, frames, done = drive(pipeline, {"smiles": "CC(=O)Oc1ccccc1C(=O)O"}, seed=1)
    late = [frame.denoised for frame in frames[-12:]] + [done["sample"]]
    steps = [np.abs(b - a).max() for a, b in pairwise(late)]
    assert max(steps) < 1.0
    assert np.abs(frames[-1].x - frames[-1].denoised).max() < 0.5


def test_a_seed_draws_the_same_whoever_is_asked_beside_it(pipeline):
    _, _, _, alone = drive(pipeline, {"ccd": "AIN"}, seed=5)
    _, _, _, three = drive(pipeline, {"ccd": "AIN"}, seed=5, samples=3)
    assert three["sample"].shape == (3, 13, 3)
    a, b = alone["sample"], three["sample"][0]
    distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (a, b)]
    assert np.abs(distances[0] - distances[1]).max() < 0.02
    assert np.abs(three["sample"][1] - three["sample"][2]).max() > 0.1


@pytest.mark.parametrize("smiles", ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"])
def test_left_and_right_handed_alanine_come_out_as_drawn(pipeline, smiles):
    plan, _, _, done = drive(pipeline, {"smiles": smiles}, seed=2, samples=5)
    right = [stereo_matches(plan.chains[0].mol, xyz) for xyz in done["sample"]]
    assert sum(right) >= 4
    assert done["scores"]["stereo"] == right[0]


def test_recorded_floors_hold_on_small_unseen_molecules(pipeline):
    data = Molecules(FIXTURES / "molecules.npz")
    index = np.flatnonzero((data["split"] == "test") & data["has_crystal"])[:12]
    structures = [Structure(data.graph(int(k))) for k in index]
    drawn = sample_structures(pipeline, structures, replace(pipeline.defaults, seed=11, samples=2))
    bonds, stereo = [], []
    for k, samples in zip(index, drawn, strict=True):
        crystal = data.conformer(int(k), "crystal")
        mol, (i, j) = graph_molecule(data.graph(int(k))), data.graph(int(k)).bonds[:, :2].T
        wanted = stereo_smiles(mol, crystal)
        for xyz in samples.numpy():
            gap = np.linalg.norm(xyz[i] - xyz[j], axis=-1) - np.linalg.norm(
                crystal[i] - crystal[j], axis=-1
            )
            bonds.append(np.abs(gap).mean())
            stereo.append(stereo_smiles(mol, xyz) == wanted)
    assert np.mean(bonds) < 0.08
    assert np.mean(stereo) >= 0.85


def test_backbones_are_chains(pipeline):
    _, start, _, done = drive(pipeline, {"protein": "LSDEDFKAVFGMTRSAFANLPLWKQQNLKKEKGLF"}, seed=0)
    xyz = done["sample"].reshape(-1, 4, 3)
    assert start["chains"][0]["kind"] == "protein" and len(start["atoms"]) == 140
    assert 3.3 < np.linalg.norm(np.diff(xyz[:, 1], axis=0), axis=-1).mean() < 4.2


def test_a_missing_or_foreign_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=CHECKPOINT):
        AlphaFold3(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes((CHECKPOINTS / CHECKPOINT).read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(tmp_path / CHECKPOINT)


def test_every_example_can_be_parsed(pipeline):
    for example in pipeline.examples:
        plan = pipeline.parse(example["input"])
        assert plan.structure.graph.size <= 64


def test_a_run_s_cost_grows_with_steps_and_samples_and_counts_the_trunk_once(pipeline):
    def cost(given, **changed):
        return pipeline.cost(pipeline.parse(given), replace(pipeline.defaults, **changed))

    small, large = {"ccd": "CFF"}, {"protein": "ACDEFGHIKL" * 12}
    assert cost(small, steps=40) - cost(small, steps=20) == pytest.approx(20)
    assert cost(large, steps=1) > 50 * cost(small, steps=1) / 2  # its trunk takes half a second
    once, thrice = cost(large, samples=1), cost(large, samples=3)
    assert once < thrice < 3 * once
