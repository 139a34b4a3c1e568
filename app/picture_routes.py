"""Calls about pictures: uploads, the map of concepts, and the drawings that networks learned from."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from PIL import Image
from pydantic import BaseModel

from app import uploads, wire
from app.api import read_body, refusals
from app.clients import client_of
from app.pipelines import Unavailable
from app.schemas import BadRequest
from app.services import Has, Services
from models.pipeline import Drawn

router = APIRouter()

_FILE = {"schema": {"type": "string", "format": "binary"}}


class PictureOut(BaseModel):
    """A picture that was understood. width, height: of the file; image: the 32 x 32 array that runs
    use, which may also be sent back as it is."""

    id: str
    width: int
    height: int
    image: dict[str, Any]


@router.post(
    "/api/pictures",
    status_code=201,
    tags=["pictures"],
    responses=refusals(408, 413, 415, 422, 429, 503),
    openapi_extra={
        "requestBody": {"required": True, "content": {kind: _FILE for kind in uploads.KINDS}}
    },
)
async def upload(request: Request, services: Has) -> PictureOut:
    """Takes a PNG or JPEG file as the raw body. A photograph is cut to its central square, a drawing
    with transparency is put on white; both become 32 x 32, which is what the models see."""
    settings = services.settings
    with services.admission.upload(client_of(request)):
        declared = uploads.media_type(request.headers.get("content-type", ""))
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > settings.max_picture_bytes:
            raise BadRequest.one(
                "body", "is too large", f"at most {settings.max_picture_bytes} bytes", status=413
            )
        body = await read_body(request, settings.max_picture_bytes, settings.body_s)
        # One at a time: a picture of the largest size takes a tenth of a gigabyte while it is decoded.
        found = await run_sync(
            uploads.decode, body, declared, settings.max_picture_pixels, limiter=_decoding(request)
        )
    id = services.pictures.add(found.pixels)
    return PictureOut(
        id=id, width=found.width, height=found.height, image=wire.encode_array(found.pixels)
    )


def _decoding(request: Request) -> anyio.CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "decoding"):
        state.decoding = anyio.CapacityLimiter(1)
    limiter: anyio.CapacityLimiter = state.decoding
    return limiter


@router.get(
    "/api/pipelines/{id}/map",
    tags=["pictures"],
    response_class=Response,
    responses={
        200: {"description": "points and projection", "content": {"application/json": {}}},
        304: {"description": "unchanged since the ETag that was sent"},
        **refusals(404, 503),
    },
)
async def concept_map(id: str, request: Request, services: Has) -> Response:
    """The concepts as points in the plane, and the linear projection that put them there: a vector v
    of the prior's frames lies at projection @ (v / scale - mean)."""
    data = _drawn(services, id).concept_map()
    if data is None:
        raise Unavailable(id, "its map belongs to other checkpoints", loading=False)
    body = json.dumps(wire.encode(data), separators=(",", ":")).encode()
    return _cacheable(request, body, "application/json")


@router.get(
    "/api/pipelines/{id}/drawings/{index}.png",
    tags=["pictures"],
    response_class=Response,
    responses={
        200: {"description": "the drawing", "content": {"image/png": {}}},
        304: {"description": "unchanged since the ETag that was sent"},
        **refusals(404, 503),
    },
)
async def drawing(id: str, index: str, request: Request, services: Has) -> Response:
    """One drawing that the networks were trained on, as ``nearest`` of a finished run names it."""
    pipeline = _drawn(services, id)
    # As text, or the framework would answer "1e3" or "٣" in its own words.
    number = int(index) if index.isascii() and index.isdigit() and len(index) < 9 else -1
    try:
        pixels = pipeline.drawing(number)
    except IndexError as error:
        raise BadRequest.one(
            "index", "no drawing has this number", "an index of a run's nearest", status=404
        ) from error
    if pixels is None:
        raise Unavailable(id, "its drawings belong to other checkpoints", loading=False)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return _cacheable(request, file.getvalue(), "image/png")


def _drawn(services: Services, id: str) -> Drawn:
    """The picture pipeline of that id. Raises a 404 for any other, Unavailable if it is off."""
    try:
        pipeline = services.pipelines.get(id)
    except KeyError:
        pipeline = None
    if not isinstance(pipeline, Drawn):
        raise BadRequest.one("id", "no pipeline of pictures has this id", "dalle2", status=404)
    return pipeline


def _cacheable(request: Request, body: bytes, media_type: str) -> Response:
    """200 with an ETag, or 304 to whoever has these very bytes. Asked about each time: what an address
    shows changes with the checkpoints."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = [
        part.strip().removeprefix("W/")
        for part in request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
