"""Structures that go on from a frame of another structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.alphafold3.pipeline import AlphaFold3
from models.branching import Branch, Remembering
from models.diffusion.sampler import run
from models.pipeline import InputError

LEFT, RIGHT = {"smiles": "C[C@H](N)C(=O)O"}, {"smiles": "C[C@@H](N)C(=O)O"}
STEPS = 16


@pytest.fixture(scope="module")
def pipeline() -> AlphaFold3:
    return AlphaFold3()


def drive(pipeline, plan, settings, branch=None):
    """As the server does it. -> frames, done"""
    view, frames = pipeline.view(plan, settings), []
    assert isinstance(view, Remembering)

    def look(request, answer):
        if request.frame:
            frames.append(view.frame(request, answer))
        elif request.past:
            view.past(request, answer)

    return frames, view.done(run(pipeline.run(plan, settings, branch), look))


def pairs(xyz: np.ndarray) -> np.ndarray:
    return np.linalg.norm(xyz[..., :, None, :] - xyz[..., None, :, :], axis=-1)


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "euler", "step_scale": 1.0},
        {"sampler": "heun", "step_scale": 1.0},
        {"sampler": "ancestral"},
        {"sampler": "af3"},
        {"sampler": "af3", "gamma_0": 0.8, "gamma_min": 0.1},
    ],
)
def test_unchanged_it_is_the_same_structure_in_the_same_place(pipeline, changes) -> None:
    plan = pipeline.parse({"ccd": "CFF"})
    settings = replace(pipeline.defaults, seed=4, steps=STEPS, samples=2, **changes)
    before, expected = drive(pipeline, plan, settings)
    branch = Branch(plan, settings, "atoms", 7)
    frames, done = drive(pipeline, plan, settings, branch)
    assert [frame.step for frame in frames] == list(range(7, STEPS))
    assert {frame.steps for frame in frames} == {STEPS}
    # Posed like the frames of the run that it goes on from, so that both lie on each other.
    for own, other in zip(frames, before[7:], strict=True):
        assert own.sigma == other.sigma
        assert np.abs(own.denoised - other.denoised).max() < 0.02
        assert np.abs(own.x - other.x).max() < 0.02
    assert np.abs(done["sample"] - expected["sample"]).max() < 0.02
    start = pipeline.start(plan, settings, branch)
    assert start["branch"] == {"stage": "atoms", "step": 7, "sigma": frames[0].sigma}
    assert start["stages"][0]["first"] == 7 and len(start["stages"][0]["sigmas"]) == STEPS - 7 + 1
    assert done["calls"]["atoms"] == (2 * STEPS if changes["sampler"] == "heun" else STEPS + 1)


def test_the_published_preset_reproduces_itself_with_its_churn(pipeline) -> None:
    plan = pipeline.parse({"ccd": "CFF"})
    settings = replace(pipeline.presets["published"], seed=2, steps=40)
    _, expected = drive(pipeline, plan, settings)
    branch = Branch(plan, settings, "atoms", 21, Branch(plan, settings, "atoms", 9))
    frames, done = drive(pipeline, plan, settings, branch)
    schedule = settings.build_schedule(frames[0].sigma_data)
    assert schedule.gammas[21] > 0 and frames[0].sigma == schedule.sigma_hat(21)
    assert np.abs(pairs(done["sample"]) - pairs(expected["sample"])).max() < 0.02


def test_the_hand_can_be_changed_while_it_is_open(pipeline) -> None:
    """The mirror image is another molecule of as many atoms; early in the run both are still possible."""
    left, right = pipeline.parse(LEFT), pipeline.parse(RIGHT)
    settings = replace(pipeline.defaults, seed=1, steps=STEPS, samples=5)
    early, late = (
        drive(pipeline, right, settings, Branch(left, settings, "atoms", step))[1]
        for step in (2, STEPS - 2)
    )
    assert early["scores"]["stereo"] is True
    assert late["scores"]["stereo"] is False
    assert np.isfinite(early["sample"]).all() and early["sample"].shape == (5, 6, 3)


def test_another_seed_starts_from_the_estimate_and_new_noise(pipeline) -> None:
    plan = pipeline.parse({"smiles": "OCCCCCCCCO"})
    settings = replace(
        pipeline.defaults, seed=1, steps=STEPS, samples=3, gamma_0=0.8, gamma_min=0.1
    )
    branch, at = Branch(plan, settings, "atoms", 4), []
    run(
        pipeline.run(plan, replace(settings, seed=2), branch),
        lambda r, a: at.append((r, a)) if r.step == 4 and (r.frame or r.past) else None,
    )
    (before, answer), (after, _) = at
    assert before.past and after.frame and torch.equal(before.sigma, after.sigma)
    noise = (after.x - answer) / before.sigma.float().reshape(-1, 1, 1)
    assert float(noise.std()) == pytest.approx(1, abs=0.2)
    assert torch.corrcoef(noise.flatten(1))[0, 1:].abs().max() < 0.5


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"ccd": "ATP"}, "14 heavy atoms that is drawn atom by atom"),
        ({"protein": "A" * 40}, "14 heavy atoms"),
    ],
)
def test_another_number_of_atoms_is_refused(pipeline, given, wanted) -> None:
    plan = pipeline.parse({"ccd": "CFF"})
    branch = Branch(plan, pipeline.defaults, "atoms", 3)
    with pytest.raises(InputError) as error:
        pipeline.start(pipeline.parse(given), pipeline.defaults, branch)
    assert error.value.field == "branch" and wanted in error.value.accepted


def test_as_many_atoms_drawn_otherwise_are_refused(pipeline) -> None:
    backbone = pipeline.parse({"protein": "G" * 12})  # 48 atoms, four per residue
    smiles = pipeline.parse({"smiles": "C" * len(backbone.atoms)})
    assert len(smiles.atoms) == len(backbone.atoms)
    with pytest.raises(InputError, match="as a protein's backbone") as error:
        pipeline.start(smiles, pipeline.defaults, Branch(backbone, pipeline.defaults, "atoms", 3))
    assert error.value.field == "branch"


def test_the_cost_holds_the_way_and_every_molecule_s_trunk(pipeline) -> None:
    one, other = pipeline.parse({"protein": "A" * 64}), pipeline.parse({"protein": "G" * 64})
    settings = replace(pipeline.defaults, steps=STEPS)
    alone = pipeline.cost(one, settings)
    same = pipeline.cost(one, settings, Branch(one, settings, "atoms", 5))
    changed = pipeline.cost(other, settings, Branch(one, settings, "atoms", 5))
    assert same - alone == pytest.approx(64 / 32)  # that step is made twice
    assert changed - same == pytest.approx((64 / 15) ** 2)
    assert torch.is_tensor(
        run(pipeline.run(other, settings, Branch(one, settings, "atoms", 5))).xyz
    )
