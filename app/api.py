"""The JSON calls: pipelines, runs, exports, health and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from app import exports
from app.engine import Full
from app.pipelines import Unavailable
from app.runs import Run
from app.schemas import (
    BadRequest,
    Problems,
    RunIn,
    RunOut,
    RunState,
    describe,
    parse_run,
    resolve,
    run_schema,
    settings_json,
)
from app.services import Has, Services
from models.pipeline import InputError, Pipeline, SampleSettings

router = APIRouter()

_REFUSALS = {
    404: "no run with this id",
    409: "the run has not ended",
    413: "the body is too large",
    422: "a field cannot be used",
    429: "no room for another run, see Retry-After",
    503: "the pipeline is off or still loading",
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
    responses=refusals(413, 422, 429, 503),
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
    asked = parse_run(await _body(request, services.settings.max_body))
    pipeline = find_pipeline(services, asked.pipeline)
    # Parsing a molecule may take a while; two at a time leave the engine its core.
    plan, settings, start = await run_sync(
        prepare, pipeline, asked, services.settings.max_cost, limiter=_preparing(request)
    )
    run = services.runs.create(pipeline, plan, asked.input, settings, start)
    response.headers["Location"] = f"/api/runs/{run.id}"
    return RunOut(
        id=run.id,
        events=f"/api/runs/{run.id}/events",
        settings=settings_json(settings),
        notes=[str(note) for note in start.get("notes", ())],
    )


def prepare(
    pipeline: Pipeline, asked: RunIn, max_cost: int
) -> tuple[Any, SampleSettings, dict[str, Any]]:
    """-> (plan, resolved settings, data of the start event). Raises BadRequest."""
    settings = resolve(pipeline, asked.settings, max_cost)
    try:
        plan = pipeline.parse(asked.input)
        start = pipeline.start(plan, settings)
    except InputError as error:
        raise BadRequest.from_input_error(error) from error
    head = {"pipeline": pipeline.id, "input": asked.input, "settings": settings_json(settings)}
    return plan, settings, {**head, **start}


def _preparing(request: Request) -> anyio.CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "preparing"):
        state.preparing = anyio.CapacityLimiter(2)
    limiter: anyio.CapacityLimiter = state.preparing
    return limiter


async def _body(request: Request, limit: int) -> bytes:
    """The request body. Raises a 413 as soon as it is longer than ``limit``."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BadRequest.one("body", "is too large", f"at most {limit} bytes", status=413)
    return bytes(body)


@router.get("/api/runs/{id}", tags=["runs"], responses=refusals(404))
async def run_state(id: str, services: Has) -> RunState:
    """Where a run stands, its settings and timings."""
    run = find_run(services, id)
    return RunState(
        id=run.id,
        pipeline=run.pipeline.id,
        state=run.state,
        settings=settings_json(run.settings),
        timings=run.timings,
        events=len(run.log),
    )


@router.delete("/api/runs/{id}", status_code=204, tags=["runs"], responses=refusals(404))
async def cancel_run(id: str, services: Has) -> None:
    """Stops a run at the engine's next tick. Of a run that has ended nothing changes."""
    services.runs.cancel(find_run(services, id), "cancelled")


@router.get(
    "/api/runs/{id}/export.{format}",
    response_class=Response,
    tags=["runs"],
    responses=refusals(404, 409, 422),
)
async def export(id: str, format: str, services: Has) -> Response:
    """The finished run as a file: json, csv, png, gif, mp4, cif or sdf. Settings and versions inside."""
    run = find_run(services, id)
    accepted = exports.formats(run) if run.closed else tuple(exports.FORMATS)
    if format not in accepted:
        raise BadRequest.one(
            "format", f"there is no {format[:20]} of this run", f"one of {', '.join(accepted)}"
        )
    if run.state != "done":
        raise BadRequest.one("id", f"the run is {run.state}", "a run that is done", status=409)
    data = await run_sync(exports.export, run, format)
    return Response(
        data,
        media_type=exports.FORMATS[format].media_type,
        headers={"Content-Disposition": f'attachment; filename="{exports.file_name(run, format)}"'},
    )


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", tags=["server"])
async def healthz(services: Has) -> JSONResponse:
    """200 as long as the server answers and its engine lives."""
    alive = services.engine.alive
    return JSONResponse({"status": "ok" if alive else "engine stopped"}, 200 if alive else 503)


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", tags=["server"])
async def readyz(services: Has) -> JSONResponse:
    """200 when loading and warming up have ended and at least one pipeline works."""
    status: Mapping[str, Any] = services.pipelines.status()
    ready = services.pipelines.loaded and any(entry["ready"] for entry in status.values())
    return JSONResponse({"ready": ready, "pipelines": status}, 200 if ready else 503)


@router.get("/metrics", tags=["server"], response_class=Response)
async def metrics(services: Has) -> Response:
    """Prometheus text."""
    services.metrics.runs_live.set(services.engine.live)
    services.metrics.runs_waiting.set(services.engine.waiting)
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """One shape for every refusal: {"detail": [{"field", "message", "accepted"}]}."""
    status, headers = 500, {}
    if isinstance(error, BadRequest):
        status, detail = error.status, [problem.model_dump() for problem in error.problems]
    elif isinstance(error, Full):
        status, headers = 429, {"Retry-After": str(error.retry_after)}
        detail = _detail("runs", "the server is full", f"try again in {error.retry_after} s")
    elif isinstance(error, Unavailable):
        status, headers = 503, {"Retry-After": "2"} if error.loading else {}
        detail = _detail("pipeline", str(error), "another pipeline, see /api/pipelines")
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        accepted = headers.get("Allow", "see /docs")
        detail = _detail("method" if status == 405 else "path", str(error.detail), accepted)
    else:
        detail = _detail("server", "an internal error, it has been logged", "nothing you can do")
    services: Services = request.app.state.services
    services.metrics.refused.labels(str(status)).inc()
    return JSONResponse({"detail": detail}, status, headers)


def _detail(field: str, message: str, accepted: str) -> list[dict[str, str]]:
    return [{"field": field, "message": message, "accepted": accepted}]
