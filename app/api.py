"""The JSON calls: pipelines, runs, exports, health and metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app import exports
from app.admission import AFTER_SHUTDOWN_S, DRAINING, Busy
from app.clients import client_of
from app.cost import estimate
from app.engine import Full
from app.limiters import limiter
from app.logs import fields
from app.pipelines import Unavailable
from app.preparing import affordable, prepare
from app.references import with_branch, with_pictures
from app.resolving import describe, settings_json
from app.runs import Run
from app.schemas import (
    BadRequest,
    PlanOut,
    Problems,
    QueueState,
    RunIn,
    RunOut,
    RunState,
    parse_run,
    run_schema,
)
from app.sending import Held
from app.services import Has, Services
from models.pipeline import Pipeline

LOADING_S = 2  # between two looks at a server that loads
REPAIR_S = 600  # until a pipeline that is off may have been put right

router = APIRouter()
log = logging.getLogger(__name__)

_REFUSALS = {
    404: "no run with this id",
    400: "the body broke off",
    403: "a room shows the run, and the key is not the room's",
    408: "the body did not arrive in time",
    409: "the run has not ended",
    413: "the body is too large",
    415: "the body is another kind of file than declared",
    422: "a field cannot be used",
    429: "no room now, see Retry-After",
    503: "full, shutting down, or the pipeline is off or loading; see Retry-After",
    507: "the file needs more space than there is",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the 4xx and 5xx answers of a call."""
    return {status: {"model": Problems, "description": _REFUSALS[status]} for status in statuses}


def find_run(services: Services, id: str) -> Run:
    """Raises a 404 for an unknown or forgotten run."""
    run = services.runs.get(id)
    if run is None:
        raise BadRequest.one(
            "id", "no run has this id", "the id of a run that was started lately", status=404
        )
    return run


def find_pipeline(services: Services, id: str) -> Pipeline:
    """Raises a 422 for an unknown pipeline, Unavailable for one that is off."""
    try:
        return services.pipelines.get(id)
    except KeyError as error:
        raise BadRequest.one(
            "pipeline",
            "is not a pipeline of this server",
            f"one of {', '.join(services.pipelines.ids)}",
        ) from error


@router.get("/api/pipelines", tags=["pipelines"])
async def pipelines(services: Has) -> dict[str, list[dict[str, Any]]]:
    """Every pipeline: settings with defaults and bounds, examples, checkpoints; or why it is off."""
    listed: list[dict[str, Any]] = []
    for id in services.pipelines.ids:
        try:
            listed.append(describe(services.pipelines.get(id)))
        except Unavailable as error:
            listed.append({"id": id, "available": False, "reason": error.reason})
    return {"pipelines": listed}


@router.post(
    "/api/runs",
    status_code=201,
    tags=["runs"],
    responses=refusals(404, 408, 413, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": run_schema()}},
        }
    },
)
async def create_run(request: Request, response: Response, services: Has) -> RunOut:
    """Starts a run. The answer holds every setting as it was resolved, so that the same body with
    these settings draws the same picture again."""
    limits = services.settings
    services.admission.open()
    pipeline, asked = await _asked(request, services)
    place = services.admission.run(client_of(request), services.runs.held_bytes)
    try:
        # Parsing a molecule may take a while; two at a time leave the engine its core.
        prepared = await run_sync(
            prepare, pipeline, asked, limits.max_cost, limiter=limiter(request, "runs", 2)
        )
        place.weigh(affordable(estimate(pipeline, prepared), limits.max_cost))
        run = services.runs.create(pipeline, prepared, asked.input, place)
    except BaseException:
        place.release()
        raise
    response.headers["Location"] = f"/api/runs/{run.id}"
    return RunOut(
        id=run.id,
        events=f"/api/runs/{run.id}/events",
        settings=settings_json(pipeline, prepared.settings),
        notes=[str(note) for note in prepared.start.get("notes", ())],
    )


async def _asked(request: Request, services: Services) -> tuple[Pipeline, RunIn]:
    """What a body asks for, with everything looked up that it only names. Raises BadRequest."""
    limits = services.settings
    asked = parse_run(await read_body(request, limits.max_body, limits.body_s))
    pipeline = find_pipeline(services, asked.pipeline)

    async def find(id: str) -> Run:
        return find_run(services, id)

    asked.input = await with_pictures(asked.input, services.pictures, find)
    asked.branch = await with_branch(asked.branch, pipeline.id, services.pictures, find)
    return pipeline, asked


@router.post(
    "/api/plans",
    tags=["runs"],
    responses=refusals(404, 408, 413, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": run_schema()}},
        }
    },
)
async def plan_run(request: Request, services: Has) -> PlanOut:
    """What the same body would start with ``POST /api/runs``, without running it: the levels of its
    schedule, and notes, among them where it leaves the noise that training saw."""
    limits = services.settings
    with services.admission.plan(client_of(request)):
        pipeline, asked = await _asked(request, services)
        prepared = await run_sync(
            prepare, pipeline, asked, limits.max_cost, limiter=limiter(request, "plans")
        )
    return PlanOut(
        settings=settings_json(pipeline, prepared.settings),
        stages=prepared.start["stages"],
        notes=[str(note) for note in prepared.start.get("notes", ())],
        cost=affordable(estimate(pipeline, prepared), limits.max_cost),
    )


async def read_body(request: Request, limit: int, seconds: float = 20.0) -> bytes:
    """The request body. Raises a 413 as soon as it is longer than ``limit`` bytes, a 408 when it has
    not arrived after ``seconds``."""
    body = bytearray()
    try:
        with anyio.fail_after(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise BadRequest.one(
                        "body", "is too large", f"at most {limit} bytes", status=413
                    )
    except TimeoutError as error:
        raise BadRequest.one(
            "body", "did not arrive in time", f"a body within {seconds:g} s", status=408
        ) from error
    except ClientDisconnect as error:
        raise BadRequest.one("body", "broke off", "a whole body", status=400) from error
    return bytes(body)


@router.get("/api/runs/{id}", tags=["runs"], responses=refusals(404))
async def run_state(id: str, services: Has) -> RunState:
    """Where a run stands, its settings and timings."""
    run = find_run(services, id)
    return RunState(
        id=run.id,
        pipeline=run.pipeline.id,
        state=run.state,
        settings=settings_json(run.pipeline, run.settings),
        timings=run.timings,
        events=len(run.log),
        cost=round(run.cost, 1),
        queue=None if run.queue is None else _queued(*run.queue),
        branch=run.branch,
    )


def _queued(place: int, wait_s: float) -> QueueState:
    return QueueState(place=place, wait_s=round(wait_s, 1))


@router.delete("/api/runs/{id}", status_code=204, tags=["runs"], responses=refusals(403, 404))
async def cancel_run(
    id: str,
    services: Has,
    key: Annotated[str, Header(alias="X-Room-Key", max_length=200)] = "",
) -> None:
    """Stops a run at the engine's next tick. Of a run that has ended nothing changes. A run that a room
    shows is stopped by the room's presenter only, who sends the room's key."""
    run = find_run(services, id)
    if not services.rooms.may_stop(run.id, key):
        raise BadRequest.one(
            "X-Room-Key", "is not this room's key", "the key that was told at opening", status=403
        )
    services.runs.cancel(run, "cancelled")


@router.get(
    "/api/runs/{id}/export.{format}",
    response_class=Response,
    tags=["runs"],
    responses={
        200: {"description": "the file", "content": exports.content_types()},
        **refusals(404, 409, 422, 429, 503, 507),
    },
)
async def export(id: str, format: str, request: Request, services: Has) -> Response:
    """The finished run as a file: json, csv, png, gif, mp4, strip.png (key frames), zip (all samples, all
    texts), cif, pdb or sdf. Settings and versions are inside."""
    run = find_run(services, id)
    accepted = exports.formats(run) if run.closed else tuple(exports.FORMATS)
    if format not in accepted:
        raise BadRequest.one(
            "format", f"there is no {format[:20]} of this run", f"one of {', '.join(accepted)}"
        )
    if run.state != "done":
        raise BadRequest.one("id", f"the run is {run.state}", "a run that is done", status=409)
    with ExitStack() as place:
        place.enter_context(services.admission.export(client_of(request)))
        try:
            data = await run_sync(exports.export, run, format, limiter=limiter(request, "exports"))
        except (MemoryError, OSError) as error:
            log.error("no space for an export", extra=fields(run=run.id, format=format))
            raise BadRequest.one(
                "format",
                f"this {format} needs more space than the server has left",
                "another format, or the same one later",
                status=507,
            ) from error
        kept = place.pop_all()
    return Held(
        kept,
        data,
        media_type=exports.FORMATS[format].media_type,
        headers={"Content-Disposition": f'attachment; filename="{exports.file_name(run, format)}"'},
    )


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", tags=["server"])
async def healthz(services: Has) -> JSONResponse:
    """200 as long as the server answers and its engine lives."""
    alive = services.engine.alive
    return _told({"status": "ok" if alive else "engine stopped"}, alive)


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", tags=["server"])
async def readyz(services: Has) -> JSONResponse:
    """200 when loading and warming up have ended, at least one pipeline works and the server is not
    about to end."""
    status: Mapping[str, Any] = services.pipelines.status()
    ready = (
        services.pipelines.loaded
        and any(entry["ready"] for entry in status.values())
        and services.engine.alive
        and not services.admission.draining
    )
    body = {"ready": ready, "draining": services.admission.draining, "pipelines": status}
    return _told(body, ready)


def _told(body: Mapping[str, Any], well: bool) -> JSONResponse:
    """A health check's answer."""
    return JSONResponse(body) if well else JSONResponse(body, 503, {"Retry-After": str(LOADING_S)})


@router.get(
    "/metrics",
    tags=["server"],
    response_class=Response,
    responses={200: {"description": "numbers as text", "content": {"text/plain": {}}}},
)
async def metrics(services: Has) -> Response:
    """Prometheus text."""
    services.metrics.runs_live.set(services.engine.live)
    services.metrics.runs_waiting.set(services.engine.waiting)
    services.metrics.work.set(services.admission.cost)
    services.metrics.held_bytes.set(services.runs.held_bytes)
    services.metrics.loop_delay_p95.set(services.pulse.quantile(0.95))
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """One shape for every refusal: {"detail": [{"field", "message", "accepted"}]}."""
    services: Services = request.app.state.services
    status, headers = 500, {}
    extra: dict[str, Any] = {}
    if isinstance(error, BadRequest):
        status, detail = error.status, [problem.model_dump() for problem in error.problems]
        if status in (408, 413):  # or the rest of the body would still be read, only to be dropped
            headers = {"Connection": "close"}
    elif isinstance(error, Busy):
        status, headers = error.status, {"Retry-After": str(error.retry_after)}
        detail = _detail("server", error.message, error.accepted)
        services.metrics.busy.labels(error.reason).inc()
        extra = {"reason": error.reason, "retry_after": error.retry_after, "queue": error.queue}
    elif isinstance(error, Full):
        status, after = (503, AFTER_SHUTDOWN_S) if error.closing else (429, error.retry_after)
        headers = {"Retry-After": str(after)}
        message = DRAINING if error.closing else "the server is full"
        detail = _detail("runs", message, f"try again in {after} s")
        reason = "shutdown" if error.closing else "runs"
        services.metrics.busy.labels(reason).inc()
        queue = services.admission.queue()
        extra = {"reason": reason, "retry_after": after, "queue": queue}
    elif isinstance(error, Unavailable):
        status, after = 503, LOADING_S if error.loading else REPAIR_S
        headers = {"Retry-After": str(after)}
        detail = _detail("pipeline", str(error), "another pipeline, see /api/pipelines")
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        accepted = headers.get("Allow", "see /docs")
        detail = _detail("method" if status == 405 else "path", str(error.detail), accepted)
    else:
        detail = _detail("server", "an internal error, it has been logged", "nothing you can do")
    services.metrics.refused.labels(str(status)).inc()
    return JSONResponse({"detail": detail, **extra}, status, headers)


def _detail(field: str, message: str, accepted: str) -> list[dict[str, str]]:
    return [{"field": field, "message": message, "accepted": accepted}]
