"""From the settings that a client sends to all settings of a run, and back."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable
from typing import Any

from app.schemas import SEED_MAX, BadRequest, Problem, ScheduleIn, SettingsIn
from models.diffusion.schedule import without_churn
from models.pipeline import (
    SCHEDULE_KINDS,
    Pipeline,
    SampleSettings,
    ScheduleSpec,
    used_settings,
)

DESCRIPTIONS = {
    "seed": "start of the random numbers; the same seed draws the same picture",
    "steps": "noise levels of the main stage",
    "samples": "pictures drawn side by side, each from its own seed",
    "guidance_scale": "how strongly the condition pulls; 1 is the model itself",
    "sampler": "how a step is made",
    "schedule.kind": "how the noise levels are spaced",
    "schedule.sigma_max": "first noise level, in the units of the data",
    "schedule.sigma_min": "last noise level before 0",
    "schedule.rho": "bend of the karras schedule",
    "schedule.sigmas": "noise levels drawn by hand, falling; a final 0 is added",
    "gamma_0": "churn: share of fresh noise before a step",
    "gamma_min": "churn only above this noise level",
    "noise_scale": "factor on all fresh noise",
    "step_scale": "factor on every step; 1 is unbiased",
    "temperature": "below 1 likely tokens are drawn more often; 0 takes the likeliest",
    "top_k": "a token is drawn from this many likeliest ones",
}


def resolve(
    pipeline: Pipeline, asked: SettingsIn | None, max_cost: int, samples: int | None = None
) -> SampleSettings:
    """Every setting of a run: what was asked for, else the pipeline's default (`samples` of them if it
    is given); a random seed if none was given. Raises BadRequest for what the pipeline does not use,
    what lies outside its bounds or makes no schedule."""
    given = asked or SettingsIn()
    problems = list(_unused(pipeline, given))
    if problems:
        raise BadRequest(problems)
    values = given.model_dump(exclude_none=True, exclude={"schedule"})
    values.setdefault("seed", secrets.randbits(32))
    values.setdefault("samples", samples or pipeline.defaults.samples)
    schedule = _schedule(pipeline.defaults.schedule, given.schedule)
    if schedule.kind == "explicit" and schedule.sigmas is not None:
        steps = len(schedule.sigmas) - (schedule.sigmas[-1] == 0)
        if values.setdefault("steps", steps) != steps:
            raise BadRequest.one(
                "settings.steps", f"does not fit the {steps} levels of settings.schedule.sigmas",
                f"{steps}, or leave it out",
            )  # fmt: skip
    settings = dataclasses.replace(pipeline.defaults, **values, schedule=schedule)
    problems = list(_out_of_bounds(pipeline, settings))
    if problems:
        raise BadRequest(problems)
    try:
        without_churn(schedule.levels(settings.steps, 1.0))
    except ValueError as error:
        raise BadRequest.one(
            "settings.schedule",
            str(error),
            "noise levels that fall from sigma_max to sigma_min > 0",
        ) from error
    if settings.steps * settings.samples > max_cost:
        raise BadRequest.one(
            "settings.steps", f"times samples is {settings.steps * settings.samples}, too much",
            f"steps x samples up to {max_cost}",
        )  # fmt: skip
    return settings


def _unused(pipeline: Pipeline, given: SettingsIn) -> Iterable[Problem]:
    used = used_settings(pipeline)
    for name in given.model_fields_set - used:
        if getattr(given, name) is not None:
            yield Problem(
                field=f"settings.{name}",
                message=f"is no setting of {pipeline.id}",
                accepted=f"one of {', '.join(n for n in SettingsIn.model_fields if n in used)}",
            )


def _schedule(default: ScheduleSpec, given: ScheduleIn | None) -> ScheduleSpec:
    if given is None:
        return default
    values = given.model_dump(exclude_none=True)
    if "sigmas" in values:
        values["sigmas"] = tuple(values["sigmas"])
        if values.setdefault("kind", "explicit") != "explicit":
            raise BadRequest.one(
                "settings.schedule.sigmas",
                "are only used by the explicit schedule",
                'kind "explicit"',
            )
    elif values.get("kind") == "explicit":
        raise BadRequest.one(
            "settings.schedule.sigmas", "are missing", "a list of falling noise levels"
        )
    return dataclasses.replace(default, **values)


def flat(pipeline: Pipeline, settings: SampleSettings) -> dict[str, Any]:
    """The settings that a pipeline uses by dotted name: {"seed": .., "schedule.kind": ..}."""
    used = used_settings(pipeline)
    names = (f.name for f in dataclasses.fields(settings) if f.name in used)
    values = {name: getattr(settings, name) for name in names}
    schedule = values.pop("schedule", None)
    if schedule is not None:
        for f in dataclasses.fields(schedule):
            values[f"schedule.{f.name}"] = getattr(schedule, f.name)
    return values


def _bounds(pipeline: Pipeline, name: str) -> tuple[float, float] | None:
    return (0, SEED_MAX) if name == "seed" else pipeline.bounds.get(name.removeprefix("schedule."))


def _out_of_bounds(pipeline: Pipeline, settings: SampleSettings) -> Iterable[Problem]:
    for name, value in flat(pipeline, settings).items():
        bounds = _bounds(pipeline, name)
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            yield Problem(
                field=f"settings.{name}",
                message=f"is {_short(value)}, outside what {pipeline.id} accepts",
                accepted=_range(bounds, whole=isinstance(value, int)),
            )
    highest = (settings.schedule.sigmas or (0,))[0]
    bounds = _bounds(pipeline, "schedule.sigma_max")
    if bounds is not None and highest > bounds[1]:
        yield Problem(
            field="settings.schedule.sigmas",
            message=f"begin at {highest:g}, above what {pipeline.id} accepts",
            accepted=f"levels up to {bounds[1]:g}",
        )
    if settings.sampler not in pipeline.samplers:
        yield Problem(
            field="settings.sampler",
            message=f"{settings.sampler} is not a sampler of {pipeline.id}",
            accepted=f"one of {', '.join(pipeline.samplers)}",
        )


def _short(value: float) -> str:
    """A number as it is told. JSON's whole numbers may have thousands of digits, which no float holds."""
    if isinstance(value, int) and abs(value) >= 10**9:
        return f"{str(value)[:7]}..."
    return f"{value:g}"


def _range(bounds: tuple[float, float], whole: bool) -> str:
    low, high = (f"{b:.12g}" for b in bounds)
    if low == high:
        return f"only {low}"
    return f"a {'whole ' if whole else ''}number from {low} to {high}"


def settings_json(pipeline: Pipeline, settings: SampleSettings) -> dict[str, Any]:
    """Resolved settings in the shape that a client may send again for the same picture."""
    used = used_settings(pipeline)
    values = {k: v for k, v in dataclasses.asdict(settings).items() if k in used}
    schedule = values.get("schedule")
    if schedule is None:
        return values
    if schedule["kind"] == "explicit":
        values["schedule"] = {"kind": "explicit", "sigmas": list(schedule["sigmas"])}
    else:
        del schedule["sigmas"]
    return values


def _changes(pipeline: Pipeline, settings: SampleSettings) -> dict[str, Any]:
    """What of ``settings`` differs from the pipeline's defaults, as ``POST /api/runs`` takes it."""
    default = settings_json(pipeline, pipeline.defaults)
    given = settings_json(pipeline, settings)
    return {name: value for name, value in given.items() if value != default[name]}


def describe(pipeline: Pipeline) -> dict[str, Any]:
    """A pipeline for ``GET /api/pipelines``."""
    settings: dict[str, dict[str, Any]] = {}
    for name, default in flat(pipeline, pipeline.defaults).items():
        entry: dict[str, Any] = {"default": default, "description": DESCRIPTIONS[name]}
        if name == "seed":
            entry["default"] = None  # a random one
        if name == "sampler":
            entry["choices"] = list(pipeline.samplers)
        elif name == "schedule.kind":
            entry["choices"] = list(SCHEDULE_KINDS)
        elif (bounds := _bounds(pipeline, name)) is not None:
            entry["minimum"], entry["maximum"] = bounds
        settings[name] = entry
    return {
        "id": pipeline.id,
        "title": pipeline.title,
        "available": True,
        "settings": settings,
        "presets": {
            name: _changes(pipeline, preset)
            for name, preset in getattr(pipeline, "presets", {}).items()
        },
        "examples": [dict(example) for example in pipeline.examples],
        "trained": list(getattr(pipeline, "trained", ())),
        "branches": list(getattr(pipeline, "branches", ())),
        "checkpoints": dict(pipeline.checkpoints),
        "backend": getattr(pipeline, "backend", "torch"),
    }
