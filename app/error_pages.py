"""What a person sees where there is no page, or where one could not be made; programs get JSON."""

from __future__ import annotations

from fastapi import Request, Response

from app.pages import templates
from app.static import gzipped

# Below these only programs ask.
CALLS = (
    "/api/",
    "/static/",
    "/text/",
    "/vendor/",
    "/openapi.json",
    "/metrics",
    "/healthz",
    "/readyz",
)


def for_people(request: Request) -> bool:
    """Whether a browser asked for a page."""
    asks = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    return asks and not request.url.path.startswith(CALLS)


def error_page(request: Request, status: int, headers: dict[str, str] | None = None) -> Response:
    """A sentence and ways out, in the visitor's language; 404 for what is not there, else 500's words."""
    kind = "404" if status == 404 else "500"
    context = {"kind": kind, "path": request.url.path[:80]}
    page = templates.TemplateResponse(request, "error.html", context, status, headers)
    return gzipped(page, request)
