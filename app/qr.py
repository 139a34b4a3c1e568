"""Addresses as QR codes. Drawing one is plain Python and takes up to 50 ms, so it is done one at a time,
beside the event loop, and remembered: a class asks for the same one."""

from __future__ import annotations

import io
from functools import lru_cache

import segno
from anyio.to_thread import run_sync
from fastapi import Request, Response

from app.limiters import limiter
from app.schemas import BadRequest

LENGTH = 1000  # characters: beyond it the dots are too small for a phone at arm's length


async def qr_code(address: str, request: Request, field: str) -> Response:
    """An address as a QR code. Raises BadRequest naming ``field`` when it is too long for one."""
    if len(address) > LENGTH:
        raise BadRequest.one(
            field, "is too long for a QR code", f"at most {LENGTH} characters in all"
        )
    drawn = await run_sync(_drawn, address, limiter=limiter(request, "qr codes"))
    return Response(drawn, media_type="image/svg+xml")


@lru_cache(maxsize=64)
def _drawn(address: str) -> bytes:
    svg = io.BytesIO()
    # Dark on light with its quiet zone in every theme: many readers know nothing else.
    segno.make_qr(address, error="m").save(
        svg, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, omitsize=True
    )
    return svg.getvalue()
