"""The pages and what they are made of: templates, static files, plotly from its own package."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.templating import Jinja2Templates

from app import languages
from app.card_words import Words
from app.cards import CARDS, Card, card
from app.schemas import BadRequest
from app.static import Compressed, gzipped

HERE = Path(__file__).parent
ROOT = (
    HERE if (HERE / "static").is_dir() else HERE.parent
)  # inside a wheel they lie in this package
SHEETS = ROOT / "static" / "cards"
templates = Jinja2Templates(ROOT / "templates", context_processors=[languages.context])

router = APIRouter(include_in_schema=False)


def recorded() -> list[str]:
    """Pipelines of which a recorded run is there; the page asks for no other."""
    return sorted(path.stem for path in (ROOT / "static" / "traces").glob("*.json"))


templates.env.globals["recorded"] = recorded


@router.api_route("/", methods=["GET", "HEAD"])
async def stage(request: Request) -> Response:
    """The stage."""
    return gzipped(templates.TemplateResponse(request, "stage.html"), request)


@router.get("/lessons")
def lessons(request: Request) -> Response:
    """The lessons, and each as a sheet to print (``?print=``)."""
    return gzipped(templates.TemplateResponse(request, "lessons.html"), request)


@router.get("/lab")
def lab(request: Request) -> Response:
    """The schedule lab."""
    return gzipped(templates.TemplateResponse(request, "lab.html"), request)


@router.get("/models")
def models(request: Request) -> Response:
    """Every model in short, with the way to its card."""
    context = {"cards": [card(id, SHEETS) for id in CARDS]}
    return gzipped(templates.TemplateResponse(request, "models.html", context), request)


@router.get("/models/{id}")
def model(id: str, request: Request) -> Response:
    """The card of one model."""
    return gzipped(
        templates.TemplateResponse(request, "card.html", {"card": _card(id, request)}), request
    )


@router.get("/models/{id}/card.json")
def model_data(id: str, request: Request) -> JSONResponse:
    """What a card's charts are drawn from."""
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language"}
    return JSONResponse(_card(id, request).data(), headers=headers)


def _card(id: str, request: Request) -> Card:
    try:
        return card(id, SHEETS, words=Words(languages.language_of(request)))
    except KeyError as error:
        raise BadRequest.one(
            "id", "no model has this card", f"one of {', '.join(CARDS)}", status=404
        ) from error


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
    return gzipped(
        templates.TemplateResponse(request, "docs.html", {"info": schema["info"], "calls": calls}),
        request,
    )


@router.api_route("/text/{language}/{names}.json", methods=["GET", "HEAD"])
async def catalogue(language: str, names: str, request: Request) -> Response:
    """Parts of the page's words as one file, ``names`` between commas; English fills the gaps."""
    try:
        body, packed, tag = languages.served(language, tuple(names.split(",")))
    except KeyError as error:
        accepted = (
            f"one of {', '.join(languages.LANGUAGES)}, and parts of {', '.join(languages.parts())}"
        )
        raise BadRequest.one("path", "there are no such words", accepted, status=404) from error
    headers = {"ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = packed, "gzip"
    return Response(body, media_type="application/json", headers=headers)


def mount_static(app: FastAPI) -> None:
    """``/static`` (ours) and ``/vendor/plotly`` (the plotly package's own copy of plotly.js)."""
    app.mount("/static", Compressed(directory=ROOT / "static"), name="static")
    plotly = Compressed(packages=[("plotly", "package_data")])
    app.mount("/vendor/plotly", plotly, name="plotly")
