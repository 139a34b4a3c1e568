"""What a client may send and what it is answered.

Every refusal is a :class:`Problem`: the field as a dotted path, what is wrong, what would be accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.diffusion.sampler import SamplerName
from models.diffusion.schedule import MAX_STEPS
from models.pipeline import InputError

SEED_MAX = 2**32 - 1
MAX_DEPTH = 32  # brackets inside of each other in an input
MAX_BRANCHES = 4  # from a run back to the one that began from noise


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(examples=["settings.steps"])
    message: str = Field(examples=["must be at most 400"])
    accepted: str = Field(examples=["a whole number from 1 to 400"])


class Problems(BaseModel):
    """The body of every refusal. With 429 and 503 also which bound was met, when to come back (as in
    Retry-After), and how full the engine is."""

    detail: list[Problem]
    reason: str | None = Field(default=None, examples=["client_runs"])
    retry_after: int | None = None
    queue: dict[str, Any] | None = None


class BadRequest(Exception):
    """A request that cannot be used; becomes a 422 (or ``status``) with ``problems``."""

    def __init__(self, problems: Iterable[Problem], status: int = 422) -> None:
        self.problems = list(problems)
        self.status = status
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in self.problems))

    @classmethod
    def one(cls, field: str, message: str, accepted: str, status: int = 422) -> BadRequest:
        return cls([Problem(field=field, message=message, accepted=accepted)], status)

    @classmethod
    def from_input_error(cls, error: InputError) -> BadRequest:
        return cls.one(error.field, error.message, error.accepted)


@contextmanager
def below(prefix: str) -> Iterator[None]:
    """Refusals name their fields below ``prefix``."""
    try:
        yield
    except BadRequest as error:
        found = [p.model_copy(update={"field": prefix + p.field}) for p in error.problems]
        raise BadRequest(found, error.status) from error


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ScheduleIn(Strict):
    """Noise levels. Give ``sigmas`` for a schedule drawn by hand, the others for a formula."""

    kind: Literal["karras", "af3", "cosine", "linear", "explicit"] | None = None
    sigma_max: float | None = None
    sigma_min: float | None = None
    rho: float | None = None
    sigmas: list[float] | None = Field(default=None, min_length=1, max_length=MAX_STEPS + 1)


class SettingsIn(Strict):
    """Settings to change; everything left out gets the pipeline's default, the seed a random one."""

    seed: int | None = Field(default=None, ge=0, le=SEED_MAX)
    steps: int | None = None
    samples: int | None = None
    guidance_scale: float | None = None
    sampler: SamplerName | None = None
    schedule: ScheduleIn | None = None
    gamma_0: float | None = None
    gamma_min: float | None = None
    noise_scale: float | None = None
    step_scale: float | None = None
    temperature: float | None = None
    top_k: int | None = None


class OfIn(Strict):
    """A run that need not live: what it was asked with, the seed among the settings."""

    input: dict[str, Any]
    settings: SettingsIn | None = None
    branch: BranchIn | None = None


class BranchIn(Strict):
    """Where to go on from: a frame (stage, step) of the run with an id, or of the run that ``of``
    describes. ``sigma``: the noise there as the server told it; it is only compared."""

    run: str | None = Field(default=None, max_length=64)
    of: OfIn | None = None
    stage: str = Field(max_length=64)
    step: int = Field(ge=0, lt=MAX_STEPS)
    sigma: float | None = None


class RunIn(Strict):
    """What ``POST /api/runs`` takes. With a branch, seed and samples are those of the run that it goes
    on from unless they are given."""

    pipeline: str = Field(max_length=64, examples=["dalle2"])
    input: dict[str, Any] = Field(examples=[{"prompt": "a green elephant on a pink background"}])
    settings: SettingsIn | None = None
    branch: BranchIn | None = None


def run_schema(model: type[Strict] = RunIn) -> dict[str, Any]:
    """A request's model as one JSON schema without references, for a place in the OpenAPI document."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def inline(node: Any, within: tuple[str, ...] = ()) -> Any:
        if isinstance(node, list):
            return [inline(item, within) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            if within.count(name) == MAX_BRANCHES:
                return {"type": "null"}  # runs go on from runs, but not for ever
            return inline(parts[name], (*within, name))
        return {key: inline(value, within) for key, value in node.items()}

    inlined: dict[str, Any] = inline(schema)
    return inlined


class RunOut(BaseModel):
    """A run that was admitted: where its events are, and every setting resolved."""

    id: str
    events: str
    settings: dict[str, Any]
    notes: list[str]


class PlanOut(BaseModel):
    """What a run would do: every setting resolved, the noise levels of its stages in their units and
    relative to sigma_data, what its networks saw in training, notes, and the work it takes."""

    settings: dict[str, Any]
    stages: list[dict[str, Any]]
    notes: list[str]
    cost: float


class QueueState(BaseModel):
    """Place from 1 in the queue of runs for which there is no room yet, and the expected wait."""

    place: int
    wait_s: float


class RunState(BaseModel):
    """Where a run stands. Timings are seconds; null until they are known. ``cost`` is in units of
    work; ``queue`` is null unless the run waits for room, ``branch`` unless it goes on from another run:
    then as ``POST /api/runs`` takes it."""

    id: str
    pipeline: str
    state: Literal["queued", "running", "done", "cancelled", "failed"]
    settings: dict[str, Any]
    timings: dict[str, float | None]
    events: int
    cost: float
    queue: QueueState | None
    branch: dict[str, Any] | None


def parse_run(body: bytes) -> RunIn:
    """The request body as a RunIn. Raises BadRequest."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadRequest.one("body", f"is not JSON{where}", "a JSON object") from error
    try:
        asked = RunIn.model_validate(data)
    except ValidationError as error:
        raise BadRequest(_problems(error)) from error
    node: RunIn | OfIn | None = asked
    for depth in range(MAX_BRANCHES + 1):
        if node is None:
            break
        _plain(node.input, "branch.of." * depth + "input")
        if node.branch is not None:
            _check_branch(node.branch, "branch.of." * depth + "branch", depth)
        node = None if node.branch is None else node.branch.of
    return asked


def _plain(input: dict[str, Any], field: str) -> None:
    """Raises BadRequest for an input that JSON cannot hold, or that nobody could mean."""
    if _too_deep(input):
        raise BadRequest.one(field, "has too many brackets inside of each other", "plain JSON")
    try:
        json.dumps(input, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        raise BadRequest.one(
            field, "holds NaN, Infinity, half a character or too many brackets", "plain JSON"
        ) from error


def _check_branch(branch: BranchIn, field: str, depth: int) -> None:
    """Raises BadRequest for one that names no run or two, or is too far from the first run."""
    if depth == MAX_BRANCHES:
        raise BadRequest.one(
            field, "is too far from the run that began from noise", f"up to {MAX_BRANCHES} in a row"
        )
    if (branch.run is None) == (branch.of is None):
        raise BadRequest.one(
            field,
            "names no run to go on from" if branch.of is None else "names two runs to go on from",
            'either "run": id, or "of": {"input", "settings"}',
        )


def _too_deep(value: Any) -> bool:
    """Whether something is nested deeper than any input is; what comes later recurses into it."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            if isinstance(node, (dict, list))
            for item in (node.values() if isinstance(node, dict) else node)
        ]
    return bool(level)


def _problems(error: ValidationError) -> list[Problem]:
    """pydantic's complaints in our shape; every one says what would be accepted."""
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"]) or "body"
        accepted = _accepted(path, item["type"], item.get("ctx", {}))
        problems.append(Problem(field=path, message=item["msg"], accepted=accepted))
    return problems


def _accepted(path: str, kind: str, context: Mapping[str, Any]) -> str:
    while path.startswith("branch.of."):
        path = path.removeprefix("branch.of.")
    if kind == "extra_forbidden":
        parent, _, _ = path.rpartition(".")
        models: dict[str, type[Strict]] = {
            "": RunIn,
            "settings": SettingsIn,
            "settings.schedule": ScheduleIn,
            "branch": BranchIn,
        }
        model = models.get(parent)
        return f"one of {', '.join(model.model_fields)}" if model else "nothing of that name"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if path == "settings.seed":
        return f"a whole number from 0 to {SEED_MAX}"
    return {
        "pipeline": "the id of a pipeline, see /api/pipelines",
        "input": "a JSON object, see the examples in /api/pipelines",
        "settings": "a JSON object of settings, see /api/pipelines",
        "settings.steps": "a whole number",
        "settings.samples": "a whole number",
        "settings.top_k": "a whole number",
        "settings.schedule": "a JSON object with kind, sigma_max, sigma_min, rho or sigmas",
        "settings.schedule.sigmas": f"a list of 1 to {MAX_STEPS + 1} falling numbers",
        "branch": "a JSON object with run or of, stage and step",
        "branch.run": "the id of a run that was started lately",
        "branch.of": "a JSON object with input and settings",
        "branch.stage": "a stage of the pipeline's branches, see /api/pipelines",
        "branch.step": f"a whole number from 0 to {MAX_STEPS - 1}",
        "body": "a JSON object with pipeline, input and settings",
    }.get(path, "a finite number")
