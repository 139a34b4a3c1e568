"""What a request only names is looked up before any pipeline sees it: pictures become arrays, and a run
to go on from becomes what that run was asked with.

A visitor refers to an upload as ``{"picture": id}`` and to a picture of an earlier run as
``{"run": id, "sample": k}``. A pipeline knows neither store; it gets ``{"image": array}``, and so does
the run's record, which is therefore complete without the server that made it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from PIL import Image

from app import wire
from app.resolving import settings_json
from app.runs import Run
from app.schemas import MAX_BRANCHES, BadRequest, BranchIn, OfIn, below
from app.uploads import SIDE, PictureStore

# Where an input of a picture pipeline may hold a picture.
PLACES = (("variation_of",), ("interpolate", "from"), ("interpolate", "to"), ("diff", "of"))
RUN_ACCEPTED = '{"run": id of a finished run of pictures, "sample": whole number from 0}'

FindRun = Callable[[str], Awaitable[Run]]


async def with_branch(
    asked: BranchIn | None, pipeline: str, pictures: PictureStore, find_run: FindRun
) -> BranchIn | None:
    """The branch in its ``of`` form, with every reference resolved, so that it needs no run and no
    upload of this server any more. Raises BadRequest."""
    if asked is None:
        return None
    if asked.of is None:
        assert asked.run is not None
        of = await _asked_with(asked.run, pipeline, find_run)
    else:
        with below("branch.of."):
            of = asked.of.model_copy(
                update={
                    "input": await with_pictures(asked.of.input, pictures, find_run),
                    "branch": await with_branch(asked.of.branch, pipeline, pictures, find_run),
                }
            )
    if _depth(of) > MAX_BRANCHES:
        raise BadRequest.one(
            "branch",
            "is too far from the run that began from noise",
            f"up to {MAX_BRANCHES} in a row",
        )
    return asked.model_copy(update={"run": None, "of": of})


async def _asked_with(id: str, pipeline: str, find_run: FindRun) -> OfIn:
    """What a run that is still known was asked with."""
    accepted = f"the id of a run of {pipeline} that was started lately, or its of form"
    try:
        run = await find_run(id)
    except BadRequest as error:
        said = "is not known, or no longer: runs are kept for a while"
        raise BadRequest.one("branch.run", said, accepted, status=404) from error
    if run.pipeline.id != pipeline:
        raise BadRequest.one("branch.run", f"is a run of {run.pipeline.id}", accepted)
    settings = settings_json(run.pipeline, run.settings)
    return OfIn.model_validate({"input": run.input, "settings": settings, "branch": run.branch})


def _depth(of: OfIn) -> int:
    """Branches from a run on this one back to the run that began from noise."""
    return 1 if of.branch is None or of.branch.of is None else 1 + _depth(of.branch.of)


async def with_pictures(
    input: Mapping[str, Any], pictures: PictureStore, find_run: FindRun
) -> dict[str, Any]:
    """The input with every reference resolved. Raises BadRequest naming the field of one that cannot
    be."""
    resolved = dict(input)
    for *path, last in PLACES:
        node = _own(resolved, path)
        end = node.get(last)
        if not isinstance(end, dict):
            continue
        field = ".".join(("input", *path, last))
        if "picture" in end:
            node[last] = {"image": wire.encode_array(_upload(end, field, pictures))}
        elif "run" in end:
            run = await _run(end, field, find_run)
            pixels = await run_sync(_sample, run, end.get("sample", 0), field)
            node[last] = {"image": wire.encode_array(pixels)}
    return resolved


def _own(resolved: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The object at ``path``, as a copy that may be written to; an empty one if there is none."""
    node = resolved
    for name in path:
        inner = node.get(name)
        if not isinstance(inner, dict):
            return {}
        node[name] = node = dict(inner)
    return node


def _upload(end: Mapping[str, Any], field: str, pictures: PictureStore) -> np.ndarray:
    id = end["picture"]
    if set(end) != {"picture"} or not isinstance(id, str):
        raise BadRequest.one(
            field, "is no reference to an upload", '{"picture": id that POST /api/pictures gave}'
        )
    pixels = pictures.get(id)
    if pixels is None:
        raise BadRequest.one(
            f"{field}.picture",
            "is not known, or no longer: uploads are kept for a while only",
            "the id of a fresh upload; please upload the picture again",
        )
    return pixels


async def _run(end: Mapping[str, Any], field: str, find_run: FindRun) -> Run:
    sample = end.get("sample", 0)
    if not set(end) <= {"run", "sample"} or not isinstance(end["run"], str):
        raise BadRequest.one(field, "is no reference to a picture of a run", RUN_ACCEPTED)
    if type(sample) is not int or sample < 0:
        raise BadRequest.one(f"{field}.sample", "is no number of a sample", RUN_ACCEPTED)
    try:
        run = await find_run(end["run"])
    except BadRequest as error:
        raise BadRequest.one(
            f"{field}.run", "is not known, or no longer: runs are kept for a while", RUN_ACCEPTED
        ) from error
    if run.state != "done" or not run.closed:
        raise BadRequest.one(f"{field}.run", f"is {run.state}", RUN_ACCEPTED)
    return run


def _sample(run: Run, index: int, field: str) -> np.ndarray:
    """One finished picture of a run, (32, 32, 3) uint8. Raises BadRequest."""
    pixels = wire.decode_array(wire.parse_event(run.log[-1])["data"]["sample"])
    if pixels.dtype != np.uint8:
        raise BadRequest.one(f"{field}.run", "drew no pictures", RUN_ACCEPTED)
    pixels = pixels.reshape(-1, *pixels.shape[-3:])
    if index >= len(pixels):
        raise BadRequest.one(
            f"{field}.sample",
            f"is {index}, the run drew {len(pixels)}",
            f"a whole number from 0 to {len(pixels) - 1}",
        )
    picture = Image.fromarray(pixels[index])
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))
