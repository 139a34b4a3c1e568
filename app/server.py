"""uvicorn with what a public page needs: bounded connections, patience with nobody, and a quiet end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.admission import DRAINING
from app.clients import is_trusted
from app.headers import SECURITY
from app.services import Services

HEALTH = ("/healthz", "/readyz")
MAX_HEAD_BYTES = 32 * 1024
SPARE = 256  # connections beyond the bound that still get an answer; the next ones are dropped


def _answer(field: str, message: str, accepted: str) -> bytes:
    detail = [{"field": field, "message": message, "accepted": accepted}]
    return json.dumps({"detail": detail}).encode()


class Guard:
    """Counts connections, for the whole server and by address."""

    def __init__(self, services: Services) -> None:
        self._settings = services.settings
        self._metrics = services.metrics
        self._by_host: Counter[str] = Counter()
        self.header_s = services.settings.header_s
        self.send_s = services.settings.send_s

    @property
    def total(self) -> int:
        return self._by_host.total()

    def enter(self, host: str) -> str:
        """-> "" to serve it, "busy" to answer that there is no room, "drop" not even that."""
        self._by_host[host] += 1
        settings = self._settings
        self._metrics.connections.set(self.total)
        proxy = is_trusted(host, settings.trusted_proxies)
        if self.total > settings.max_connections + SPARE:
            verdict = "drop"
        elif self.total > settings.max_connections:
            verdict = "busy"
        elif not proxy and self._by_host[host] > settings.max_client_connections:
            # A single address must not use up the spare ones either.
            over = self._by_host[host] - settings.max_client_connections
            verdict = "drop" if over > SPARE else "busy"
        else:
            return ""
        self._metrics.busy.labels("connections").inc()
        return verdict

    def refused(self, status: int) -> None:
        """Counts an answer that the application never sees."""
        self._metrics.refused.labels(str(status)).inc()

    def leave(self, host: str) -> None:
        self._by_host[host] -= 1
        if self._by_host[host] <= 0:
            del self._by_host[host]
        self._metrics.connections.set(self.total)


class Connection(HttpToolsProtocol):
    """One connection. It gets ``header_s`` for the head of a request, ``send_s`` to take the next part of
    an answer, and when there are too many of them a 503 for everything but the health checks."""

    def __init__(self, guard: Guard, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._host: str | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._host = self.client[0] if self.client else ""
        verdict = self._guard.enter(self._host)
        if verdict == "drop":
            transport.abort()
            return
        if verdict == "busy":
            self.app = _crowded(self.app)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._host is not None:
            self._guard.leave(self._host)
            self._host = None
        self._end_head()
        self._end_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits for the reader than a connection should hold."""
        self._begin_stall()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._end_stall()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """The connection is closed, but not before its reader has taken what is left."""
        self._begin_stall()
        super().timeout_keep_alive_handler()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None:  # still inside a head, for which the parser has no bound
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                body = _answer("request", "has too long a head", f"up to {MAX_HEAD_BYTES} bytes")
                self._refuse(431, "Request Header Fields Too Large", body)

    def on_message_begin(self) -> None:
        if self._deadline is None:
            self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "Bad Request", _answer("request", "is not HTTP", "HTTP/1.1"))

    def _begin_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(self._guard.header_s, self._too_late)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _begin_stall(self) -> None:
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._guard.send_s, self.transport.abort)

    def _end_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            body = _answer("request", "did not arrive in time", "a whole request head")
            self._refuse(408, "Request Timeout", body)

    def _refuse(self, status: int, phrase: str, body: bytes) -> None:
        """An answer that the application never sees."""
        if self.transport.is_closing():
            return
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            **SECURITY,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._guard.refused(status)
        self._begin_stall()
        self.transport.write(f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode() + body)
        self.transport.close()


def _crowded(app: ASGIApp) -> ASGIApp:
    """The application for a connection too many: the health checks, and a 503 for the rest."""
    body = _answer("server", "too many connections are open", "try again in 5 s")
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Retry-After": "5",
        "Cache-Control": "no-store",
        "Connection": "close",
        **SECURITY,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in HEALTH:
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 503, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return answer


class Server(uvicorn.Server):
    """uvicorn that ends the runs before it waits for the streams: each stream gets its last event
    instead of being cut off. For ``drain_s`` before that it still listens: runs may end by themselves,
    new ones are refused and ``/readyz`` says so."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, on_started: Callable[[], None] | None = None
    ) -> None:
        super().__init__(config)
        self._services: Services = app.state.services
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_started is not None:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._services.admission.draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services = self._services
        services.admission.draining = True
        loop = asyncio.get_running_loop()
        until = loop.time() + services.settings.drain_s
        engine = services.engine
        while loop.time() < until and not self.force_exit:
            if not (engine.live or engine.waiting or services.admission.streams):
                break
            await asyncio.sleep(0.02)
        services.rooms.stop()
        services.runs.cancel_all(DRAINING)
        await super().shutdown(sockets)


def serve(
    app: FastAPI, listening: socket.socket, on_started: Callable[[], None] | None = None
) -> Server:
    """A server for ``app`` on a bound socket; ``server.run(sockets=[listening])`` serves. No header of a
    proxy is read by uvicorn (see :mod:`app.clients`), and there are no web sockets."""
    services: Services = app.state.services
    config = uvicorn.Config(
        app,
        http=partial(Connection, Guard(services)),  # type: ignore[arg-type]
        ws="none",
        proxy_headers=False,
        server_header=False,
        log_config=None,
        log_level="error",  # whoever sends nonsense must not fill the log; it is counted
        access_log=False,
        timeout_graceful_shutdown=services.settings.shutdown_s,
    )
    return Server(config, app, on_started)
