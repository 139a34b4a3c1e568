"""The dye pipeline: frames, determinism, and coarse before fine."""

from dataclasses import replace

import numpy as np

from models.diffusion.sampler import run
from models.dye.pipeline import PARTICLES, Dye


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
