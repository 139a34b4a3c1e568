"""Who may change something here: our own pages, and programs. A page of another site may not do it with its
visitor's browser, which reaches servers that the site itself does not (the one on a teacher's laptop)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.schemas import Problem

READING = ("GET", "HEAD", "OPTIONS")


class OwnPages:
    """ASGI middleware. Browsers tell where a request comes from (Fetch Metadata, ``Sec-Fetch-Site``), and
    no script can change what they tell; programs tell nothing and are let through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        foreign = (
            scope["type"] == "http"
            and scope["method"] not in READING
            and Headers(scope=scope).get("sec-fetch-site") == "cross-site"
        )
        if not foreign:
            await self._app(scope, receive, send)
            return
        problem = Problem(
            field="Sec-Fetch-Site",
            message="comes from a page of another site",
            accepted="requests of this server's own pages and of programs",
        )
        refused = JSONResponse({"detail": [problem.model_dump()]}, 403)
        scope["app"].state.services.metrics.refused.labels("403").inc()
        await refused(scope, receive, send)
