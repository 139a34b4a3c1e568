"""Static files, text gzipped once: plotly.js alone is 4.8 MB as it is and 1.5 MB compressed, which a
class room's wireless network notices."""

from __future__ import annotations

import gzip
import os
from functools import lru_cache

from anyio.to_thread import run_sync
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import FileResponse, Response
from starlette.types import Scope

TEXT = (".js", ".mjs", ".css", ".json", ".svg", ".html", ".txt", ".webmanifest")


def gzipped(response: Response, request: HTTPConnection) -> Response:
    """A rendered page for whoever accepts it smaller: the stage is 32 kB as it is and 6 kB so."""
    response.headers["vary"] = "Accept-Encoding, Accept-Language"
    if "gzip" in request.headers.get("accept-encoding", ""):
        response.body = gzip.compress(bytes(response.body), compresslevel=6, mtime=0)
        response.headers["content-encoding"] = "gzip"
        response.headers["content-length"] = str(len(response.body))
    return response


class Compressed(StaticFiles):
    """StaticFiles for clients that accept gzip; the result is kept in memory per version of a file."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        accepted = Headers(scope=scope).get("accept-encoding", "")
        if not isinstance(response, FileResponse) or not path.endswith(TEXT):
            return response
        response.headers["vary"] = "Accept-Encoding"
        if "gzip" not in accepted or "range" in Headers(scope=scope):
            return response
        file = os.fspath(response.path)
        body = await run_sync(_compressed, file, os.stat(file).st_mtime_ns)
        headers = {
            "Content-Encoding": "gzip",
            "Vary": "Accept-Encoding",
            "ETag": "W/" + response.headers["etag"],  # the same text in another encoding
            "Last-Modified": response.headers["last-modified"],
        }
        return Response(body, media_type=response.media_type, headers=headers)


@lru_cache(maxsize=256)
def _compressed(path: str, version: int) -> bytes:
    with open(path, "rb") as file:
        return gzip.compress(file.read(), compresslevel=6, mtime=0)
