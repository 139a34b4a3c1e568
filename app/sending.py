"""How answers reach readers of any speed. A stream stops by itself when nobody reads; a finished body is
handed over in pieces, so that what waits for a reader is a piece and not the whole."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PIECE = 64 * 1024  # bytes; as much as a connection takes before it asks to wait


class Pieces:
    """ASGI middleware. uvicorn copies what it is given into the connection's buffer, and waits for the
    reader only before it takes more: a large body in one go would lie there until it has been read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def in_pieces(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) <= PIECE or message.get("more_body"):
                await send(message)
                return
            for at in range(0, len(body), PIECE):
                piece, more = body[at : at + PIECE], at + PIECE < len(body)
                await send({**message, "body": piece, "more_body": more})

        await self._app(scope, receive, in_pieces)


class Held(Response):
    """A response that keeps ``place`` until its reader has taken it: files that wait for readers count
    among those that are written."""

    def __init__(self, place: ExitStack, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)
