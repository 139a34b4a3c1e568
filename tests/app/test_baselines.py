"""What the benchmark compares the engine with must draw the same runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from toy import Toy

from app import wire
from benchmarks import baselines
from models.diffusion.sampler import run


def test_gradio_s_endpoint_yields_every_frame_and_the_end_as_our_events_hold_them() -> None:
    toy: Any = Toy()
    draw = baselines.endpoint(toy)
    *frames, end = draw({"how": "well"}, {"steps": 5, "seed": 3})
    assert [(frame["step"], frame["steps"]) for frame in frames] == [(k, 5) for k in range(5)]
    plan, settings = baselines.planned(
        toy, {"pipeline": "toy", "input": {"how": "well"}, "settings": {"steps": 5, "seed": 3}}
    )
    alone = run(Toy().run(plan, settings))
    assert np.array_equal(wire.decode_array(end["sample"]), alone[0].numpy())


def test_the_plain_loop_times_every_forward() -> None:
    toy: Any = Toy()
    seconds: list[float] = []
    body = {"pipeline": "toy", "input": {}, "settings": {"steps": 4}}
    assert len(list(baselines.shown(toy, body, seconds))) == 5
    assert len(seconds) == 4 and all(s > 0 for s in seconds)
