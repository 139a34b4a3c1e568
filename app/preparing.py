"""From what a client asks to what a pipeline runs: plan, settings, the start event, and the run that a
branch goes on from. Nothing here computes anything of a run; call it in a thread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.resolving import resolve, settings_json
from app.schemas import (
    BadRequest,
    BranchIn,
    OfIn,
    RunIn,
    SettingsIn,
    below,
)
from models.branching import Branch, Branching
from models.diffusion.sampler import Run
from models.pipeline import InputError, Pipeline, SampleSettings, default_samples


@dataclass(frozen=True)
class Prepared:
    """What a run needs; ``start``: data of its start event."""

    plan: Any
    settings: SampleSettings
    start: Mapping[str, Any]
    branch: Branch | None = None


def prepare(pipeline: Pipeline, asked: RunIn | OfIn, max_cost: int) -> Prepared:
    """Raises BadRequest."""
    branch = told = None
    given, samples = asked.settings or SettingsIn(), None
    if asked.branch is not None:
        branch, told = read_branch(pipeline, asked.branch, max_cost)
        # Who changes nothing gets the other run again.
        samples = branch.settings.samples
        if given.seed is None:
            given = given.model_copy(update={"seed": branch.settings.seed})
    try:
        plan = pipeline.parse(asked.input)
        if samples is None:
            samples = default_samples(pipeline, plan)
        settings = resolve(pipeline, given, max_cost, samples)
        if branch is None:
            start = pipeline.start(plan, settings)
        else:
            assert isinstance(pipeline, Branching)
            start = pipeline.start(plan, settings, branch)
    except InputError as error:
        raise BadRequest.from_input_error(error) from error
    if asked.branch is not None:
        start["branch"] = {"of": told, **start["branch"]}
        _same_sigma(asked.branch.sigma, start["branch"]["sigma"])
    head = {
        "pipeline": pipeline.id,
        "input": asked.input,
        "settings": settings_json(pipeline, settings),
    }
    return Prepared(plan, settings, {**head, **start}, branch)


def prepare_again(
    pipeline: Pipeline,
    input: Mapping[str, Any],
    settings: SampleSettings,
    branch: Mapping[str, Any] | None,
    max_cost: int,
) -> Prepared:
    """What another process has prepared already, from what it says of it: the input, the resolved
    settings and the branch as the start event tells it. Raises BadRequest and InputError."""
    plan = pipeline.parse(input)
    before = None
    if branch is not None:
        before, _ = read_branch(pipeline, BranchIn.model_validate(branch), max_cost)
    return Prepared(plan, settings, {}, before)


def read_branch(
    pipeline: Pipeline, asked: BranchIn, max_cost: int
) -> tuple[Branch, dict[str, Any]]:
    """The run that another one goes on from, and its ``of`` form with every setting resolved. ``asked``
    names no run by its id any more (:mod:`app.references`). Raises BadRequest."""
    if not isinstance(pipeline, Branching):
        raise BadRequest.one(
            "branch",
            f"runs of {pipeline.id} have no state that one could go on from",
            "nothing: leave it out, or a pipeline with branches in /api/pipelines",
        )
    of = asked.of
    assert of is not None
    if of.settings is None or of.settings.seed is None:
        raise BadRequest.one(
            "branch.of.settings.seed",
            "is missing: without it nobody knows which run is meant",
            "the seed of the run to go on from",
        )
    with below("branch.of."):
        before = prepare(pipeline, of, max_cost)
    told = {
        name: before.start[name] for name in ("input", "settings", "branch") if name in before.start
    }
    return Branch(before.plan, before.settings, asked.stage, asked.step, before.branch), told


def _same_sigma(asked: float | None, found: float) -> None:
    """Raises BadRequest when a branch was recorded at another noise level than is found there now."""
    if asked is not None and not math.isclose(asked, found, rel_tol=1e-3):
        raise BadRequest.one(
            "branch.sigma",
            f"is {asked:g}, the noise at this step is {found:g}",
            f"{found:g}, or leave it out",
        )


def begin(
    pipeline: Pipeline, plan: Any, settings: SampleSettings, branch: Branch | None
) -> Run[Any]:
    """The run itself."""
    if branch is None:
        return pipeline.run(plan, settings)
    assert isinstance(pipeline, Branching)
    return pipeline.run(plan, settings, branch)


def affordable(cost: float, max_cost: float) -> float:
    """The cost itself. Raises a 422 for what no server of this size should compute at once."""
    if cost > max_cost:
        raise BadRequest.one(
            "settings.steps",
            f"times samples times size makes {math.ceil(cost)} units of work, too much",
            f"up to {max_cost:g} units: fewer steps, fewer samples or a smaller input",
        )
    return cost
