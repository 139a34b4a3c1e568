"""The dye pipeline: frames, determinism, and coarse before fine."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.branching import Branch
from models.diffusion.sampler import SAMPLERS, run
from models.dye.pipeline import PARTICLES, Dye
from models.pipeline import InputError


def play(seed: int, samples: int = 1):
    dye = Dye()
    settings = replace(dye.defaults, seed=seed, samples=samples, steps=30)
    plan = dye.parse({"shape": "cat"})
    view = dye.view(plan, settings)
    frames = []
    result = run(dye.run(plan, settings), lambda r, a: frames.append(view.frame(r, a)))
    return dye.start(plan, settings), frames, view.done(result)


def test_frames_walk_down_the_announced_levels() -> None:
    start, frames, done = play(1)
    assert [f.sigma for f in frames] == start["stages"][0]["sigmas"][:-1]
    assert [f.step for f in frames] == list(range(30))
    assert frames[0].x.shape == frames[0].denoised.shape == done["sample"].shape == (PARTICLES, 2)
    assert frames[0].log_snr < 0 < frames[-1].log_snr


def test_same_seed_same_drop_whatever_else_is_drawn() -> None:
    one, two = play(5)[2]["sample"], play(5, samples=2)[2]["sample"]
    assert two.shape == (2, PARTICLES, 2)
    assert np.allclose(one, two[0], atol=1e-5)
    assert not np.allclose(one, two[1], atol=0.1)


def test_the_layout_settles_before_single_positions() -> None:
    bands = {b["name"]: b["settled_at"] for b in play(2)[2]["settling"]["bands"]}
    assert bands["far"] is not None
    assert bands["position"] is None or bands["far"] >= bands["position"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_branch_that_changes_nothing_is_the_same_drop(sampler) -> None:
    dye = Dye()
    plan = dye.parse({"shape": "cat"})
    settings = replace(dye.defaults, seed=3, steps=20, sampler=sampler, gamma_0=0.5, samples=2)
    whole = run(dye.run(plan, settings))
    branch = Branch(plan, settings, "particles", 8, Branch(plan, settings, "particles", 3))
    assert torch.equal(run(dye.run(plan, settings, branch)), whole)
    view, frames = dye.view(plan, settings), []
    result = run(
        dye.run(plan, settings, branch),
        lambda r, a: frames.append(view.frame(r, a)) if r.frame else None,
    )
    done = view.done(result)
    start = dye.start(plan, settings, branch)
    assert [f.step for f in frames] == list(range(8, 20)) == done["settling"]["step"]
    assert start["branch"]["sigma"] == frames[0].sigma
    assert dye.cost(plan, settings, branch) == (2 if sampler == "heun" else 1) * 2 * (20 + 2)


def test_half_a_cat_becomes_a_spiral() -> None:
    dye = Dye()
    cat, spiral = dye.parse({"shape": "cat"}), dye.parse({"shape": "spiral"})
    settings = replace(dye.defaults, seed=3, steps=30)
    drawn = run(dye.run(spiral, settings, Branch(cat, settings, "particles", 8)))
    alone = run(dye.run(cat, settings))
    # Every particle ends on the new shape, as near to it as the old one's lie on theirs.
    apart = [
        torch.cdist(x[0], plan.means.float()).min(1).values.mean()
        for x, plan in ((drawn, spiral), (alone, cat))
    ]
    assert apart[0] < 1.5 * apart[1]


@pytest.mark.parametrize(
    ("stage", "step", "samples", "field"),
    [
        ("decoder", 0, 1, "branch.stage"),
        ("particles", 50, 1, "branch.step"),
        ("particles", 0, 2, "settings.samples"),
    ],
)
def test_a_branch_that_cannot_be_names_its_field(stage, step, samples, field) -> None:
    dye = Dye()
    plan = dye.parse({})
    with pytest.raises(InputError) as error:
        dye.start(
            plan, replace(dye.defaults, samples=samples), Branch(plan, dye.defaults, stage, step)
        )
    assert error.value.field == field and error.value.accepted
