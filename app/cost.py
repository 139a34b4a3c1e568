"""What a run will cost, before anything of it is computed.

The unit is one step of one small picture (16x16 pixels) or of one molecule of up to 32 heavy atoms: a few
milliseconds on the machine that the page is made for. A pipeline may know better (``cost(plan,
settings)``); else it is counted from what the ``start`` event says about every stage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from app.preparing import Prepared
from models.branching import Branching
from models.pipeline import Pipeline

ATOMS, PIXELS = 32, 16 * 16  # of one unit


def estimate(pipeline: Pipeline, prepared: Prepared) -> float:
    """-> units of work: steps x samples x size, summed over the stages. Of a branch also the way to the
    frame that it goes on from, which is computed again."""
    settings, start = prepared.settings, prepared.start
    if prepared.branch is not None:
        assert isinstance(pipeline, Branching)
        return float(pipeline.cost(prepared.plan, settings, prepared.branch))
    own = getattr(pipeline, "cost", None)
    if own is not None:
        return float(own(prepared.plan, settings))
    molecule = max(1.0, len(start.get("atoms", ())) / ATOMS)
    units = 0.0
    for stage in start["stages"]:
        size = stage.get("size")
        weight = molecule if size is None else max(1.0, math.prod(size) / PIXELS)
        units += stage_steps(stage) * weight
    calls = 2 if settings.sampler == "heun" else 1
    return units * settings.samples * calls


def stage_steps(stage: Mapping[str, Any]) -> int:
    """Steps of a stage as its start event tells them."""
    if "steps" in stage:
        return int(stage["steps"])
    return sum(1 for sigma in stage.get("sigmas") or (1.0,) if sigma is None or sigma > 0)
