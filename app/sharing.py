"""What is made to be passed on: the stage for a frame in slides, and addresses as QR codes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api import refusals
from app.headers import EMBED
from app.pages import templates
from app.qr import qr_code
from app.rooms_api import phone_base
from app.schemas import BadRequest
from app.services import Has
from app.static import gzipped

router = APIRouter()

PANELS = ("dalle2", "alphafold3", "dye")


@router.api_route(EMBED, methods=["GET", "HEAD"], include_in_schema=False)
async def embed(request: Request) -> Response:
    """The panels and the player alone. The rest of the query is the stage's, read in the browser."""
    asked = request.query_params
    ids = ["dalle2", "alphafold3"]
    if asked.get("only") in PANELS:
        ids = [asked["only"]]
    elif asked.get("mode") == "compare":
        ids = ["dalle2", "dalle1"]
    elif asked.get("twins") == "1":
        ids = ["alphafold2", "alphafold3"]
    return gzipped(templates.TemplateResponse(request, "embed.html", {"ids": ids}), request)


@router.get(
    "/api/qr.svg",
    tags=["server"],
    response_class=Response,
    responses={
        200: {"description": "a picture", "content": {"image/svg+xml": {}}},
        **refusals(422),
    },
)
async def qr(
    request: Request,
    services: Has,
    path: Annotated[str, Query(description="a page of this server with its query")],
) -> Response:
    """A page of this server as a QR code, at the address that other people's devices can open."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        raise BadRequest.one("path", "is no page of this server", "what begins with one slash")
    return await qr_code(phone_base(request, services) + path, request, "path")
