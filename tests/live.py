"""The real server in a thread, and a reader of its event streams."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from app.computing import Computing
from app.main import create_app
from app.pipelines import Pipelines
from app.room_store import Store
from app.server import serve
from app.services import Services
from app.settings import Settings


class Live:
    """The real server, in a thread."""

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.app = app
        self.services: Services = app.state.services
        self.up = threading.Event()
        self.server = serve(app, listening, self.up.set)
        self.thread = threading.Thread(
            target=self.server.run, args=([listening],), name="server", daemon=True
        )

    def begin(self) -> None:
        self.thread.start()
        assert self.up.wait(60)

    def ask_to_end(self) -> None:
        """As SIGTERM does."""
        self.services.admission.draining = True
        self.server.should_exit = True

    def end(self) -> None:
        self.ask_to_end()
        self.thread.join(60)
        assert not self.thread.is_alive()


def live(
    table: Mapping[str, Any],
    wait: bool = True,
    engine: Computing | None = None,
    store: Store | None = None,
    **settings: Any,
) -> Live:
    """A started server for the pipelines of ``table``, loaded if ``wait``; the caller ends it."""
    chosen = Settings(**{"port": 0, "threads": 1, "drain_s": 0, **settings})
    app = create_app(chosen, Pipelines(table), engine, store)
    server = Live(app, socket.create_server(("127.0.0.1", 0), backlog=2048))
    server.begin()
    if wait:
        server.services.pipelines.wait()
    return server


@dataclass
class Events:
    """Reads a run's event stream: ``for event in Events(url)``; ``with`` closes it early."""

    url: str
    last_event_id: int | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    status: int = 0

    def __enter__(self) -> Events:
        sent = {} if self.last_event_id is None else {"Last-Event-ID": str(self.last_event_id)}
        self._client = httpx.Client(timeout=60)
        self._stream = self._client.stream("GET", self.url, headers=sent)
        response = self._stream.__enter__()
        self.status, self.headers = response.status_code, response.headers
        self._lines = response.iter_lines()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.__exit__(None, None, None)
        self._client.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                if name:  # a comment (": ping") has none
                    fields[name] = value
            elif fields:
                yield {
                    "id": int(fields["id"]) if "id" in fields else None,
                    "event": fields["event"],
                    "data": json.loads(fields["data"]),
                }
                fields = {}


def all_events(url: str, last_event_id: int | None = None) -> list[dict[str, Any]]:
    with Events(url, last_event_id) as events:
        return list(events)
