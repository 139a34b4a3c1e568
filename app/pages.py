"""The pages and what they are made of: templates, static files, plotly from its own package."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.templating import Jinja2Templates

from app.static import Compressed

HERE = Path(__file__).parent
ROOT = (
    HERE if (HERE / "static").is_dir() else HERE.parent
)  # inside a wheel they lie in this package
templates = Jinja2Templates(ROOT / "templates")

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def stage(request: Request) -> Response:
    """The stage."""
    return templates.TemplateResponse(request, "stage.html")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The calls, read from the OpenAPI document: a page of our own, because Swagger's comes from
    another host."""
    schema = request.app.openapi()
    calls = [
        {"method": method.upper(), "path": path, **operation}
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    return templates.TemplateResponse(
        request, "docs.html", {"info": schema["info"], "calls": calls}
    )


def mount_static(app: FastAPI) -> None:
    """``/static`` (ours) and ``/vendor/plotly`` (the plotly package's own copy of plotly.js)."""
    app.mount("/static", Compressed(directory=ROOT / "static"), name="static")
    plotly = Compressed(packages=[("plotly", "package_data")])
    app.mount("/vendor/plotly", plotly, name="plotly")
