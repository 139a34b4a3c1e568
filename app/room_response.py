"""The answer that a follower's stream is: Server-Sent Events out of finished bytes.

sse-starlette, which the runs' streams use, opens a cancel scope and a timer for every block it sends.
Here two hundred followers get thirty blocks a second each, so that is most of what a room costs: this
does per block nothing but send it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PING = b": ping\n\n"


class RoomStream(Response):
    """Sends ``blocks`` as they come. A comment every ``ping_s`` keeps proxies from closing the stream;
    a follower who takes nothing for ``send_s`` is let go. ``place`` is given back at the end."""

    def __init__(
        self,
        blocks: AsyncGenerator[bytes],
        ping_s: float,
        send_s: float,
        place: ExitStack | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = (
            "text/event-stream"  # of the class, it would be every refusal's in OpenAPI
        )
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._place = place or ExitStack()
        self._blocks = blocks
        self._ping_s = ping_s
        self._send_s = send_s
        self._since: float | None = None  # when the block began that is being sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await self._stream(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        tasks = [
            asyncio.ensure_future(self._write(send)),
            asyncio.ensure_future(self._watch(receive, send)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # an error of ours is one that is logged
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        async with aclosing(self._blocks) as blocks:
            async for block in blocks:
                self._since = clock()
                await send({"type": "http.response.body", "body": block, "more_body": True})
                self._since = None
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive, send: Send) -> None:
        """Returns when the follower has left or takes nothing any more."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout(min(self._ping_s, self._send_s)):
                    if (await receive())["type"] == "http.disconnect":
                        return
            except TimeoutError:
                if self._since is None:
                    await send({"type": "http.response.body", "body": PING, "more_body": True})
                elif clock() - self._since >= self._send_s:
                    return
