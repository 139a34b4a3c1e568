"""The application factory: ``uvicorn --factory app.main:create_app``, or ``python -m app``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException

from app import (
    api,
    etkdg,
    openapi,
    pages,
    picture_routes,
    room_pages,
    rooms_api,
    sharing,
    streaming,
)
from app.admission import DRAINING, Busy
from app.computing import Computing
from app.engine import Full
from app.error_pages import error_page, for_people
from app.headers import SECURITY, Headers
from app.origins import OwnPages
from app.pipelines import Pipelines, Unavailable
from app.room_store import Store
from app.schemas import BadRequest, Problem
from app.sending import Pieces
from app.services import Services
from app.settings import Settings

ROUTERS = (
    pages.router,
    room_pages.router,
    sharing.router,
    api.router,
    etkdg.router,
    picture_routes.router,
    streaming.router,
    rooms_api.router,
)
DESCRIPTION = (
    "Two generative models, a tiny DALL·E 2 and a tiny AlphaFold 3, on one diffusion core."
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The engine runs and the pipelines load beside the first requests, which are told to wait."""
    services: Services = app.state.services
    services.engine.start()
    services.pulse.start()
    loading = asyncio.create_task(asyncio.to_thread(services.pipelines.load))
    yield
    services.rooms.stop()
    services.runs.cancel_all(DRAINING)
    services.pulse.stop()
    await asyncio.to_thread(services.engine.stop)
    await loading


def create_app(
    settings: Settings | None = None,
    pipelines: Pipelines | None = None,
    engine: Computing | None = None,
    store: Store | None = None,
) -> FastAPI:
    """Builds the application; ``engine`` and ``store``: see Services.build. Raises
    pydantic.ValidationError or ValueError for bad settings."""
    settings = settings or Settings()
    pipelines = pipelines or Pipelines.named(settings.pipelines)
    app = FastAPI(
        title="Twofold", description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    pipelines.cache_bytes = settings.cache_bytes
    pipelines.backend = settings.backend
    pipelines.threads = (settings.threads, settings.lane_threads)
    app.state.limiters = {}
    app.state.services = Services.build(settings, pipelines, engine, store)
    for router in ROUTERS:
        app.include_router(router)
    pages.mount_static(app)
    openapi.install(app)
    app.add_middleware(Pieces)
    app.add_middleware(OwnPages)
    app.add_middleware(Headers, embed_ancestors=settings.embed_ancestors)
    for kind in (BadRequest, Busy, Full, Unavailable):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _crash)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """JSON, and a page for whoever followed a link to a card that is not there."""
    if isinstance(error, BadRequest) and error.status == 404 and for_people(request):
        return error_page(request, 404)
    return await api.refuse(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    """What the framework itself finds wrong with a parameter, in our shape."""
    assert isinstance(error, RequestValidationError)
    problems = [
        Problem(
            field=".".join(str(part) for part in item["loc"][1:]) or "body",
            message=item["msg"],
            accepted="see /docs",
        )
        for item in error.errors()
    ]
    return await api.refuse(request, BadRequest(problems))


async def _http_error(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, in our shape; Allow names the methods of all routes of the path."""
    assert isinstance(error, StarletteHTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 404 and for_people(request):
        return error_page(request, 404, headers)
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request.url.path))
    return await api.refuse(request, HTTPException(error.status_code, error.detail, headers))


def _methods(path: str) -> list[str]:
    routes = [route for router in ROUTERS for route in router.routes]
    found = [
        r.methods or () for r in routes if isinstance(r, APIRoute) and r.path_regex.match(path)
    ]
    return sorted(set().union(*found)) or ["GET", "HEAD"]  # static files know only these


async def _crash(request: Request, error: Exception) -> Response:
    """Starlette answers a crash outside of all middleware, so the headers are added by hand."""
    refused = await api.refuse(request, error)  # which also logs what it was
    response = error_page(request, 500) if for_people(request) else refused
    response.headers.update(SECURITY)
    response.headers["Connection"] = "close"  # which uvicorn does, said or not
    return response
