"""``python -m app``: checks the settings, binds the port, serves until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import socket
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app.settings import Settings


class Server(uvicorn.Server):
    """uvicorn, which ends the runs before it waits for the streams: each stream gets its last event
    instead of being cut off."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, url: str) -> None:
        super().__init__(config)
        self._services = app.state.services
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announcing = asyncio.create_task(self._announce())

    async def _announce(self) -> None:
        print(f"Twofold is loading its models, the page is at {self._url}", flush=True)
        await asyncio.to_thread(self._services.pipelines.wait)
        for id, status in self._services.pipelines.status().items():
            if not status["ready"]:
                print(f"Without {id}: {status['reason']}", flush=True)
        print(f"Twofold is ready at {self._url}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.runs.cancel_all("the server is shutting down")
        await super().shutdown(sockets)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Serves Twofold. Other settings: TWOFOLD_* variables."
    )
    parser.add_argument("--host", help="address to listen on (TWOFOLD_HOST)")
    parser.add_argument("--port", help="port to listen on, 0 picks a free one (TWOFOLD_PORT)")
    given = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        sys.exit("\n".join(f"TWOFOLD_{_name(e['loc'])}: {e['msg']}" for e in error.errors()))
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    listening = _listen(settings.host, settings.port)

    from app.main import create_app  # imports torch: seconds, which a taken port need not cost

    try:
        app = create_app(settings)
    except ValueError as error:
        sys.exit(f"TWOFOLD_PIPELINES: {error}")
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_s,
    )
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down and raises it once more
        Server(config, app, f"http://{shown}:{port}").run(sockets=[listening])


def _name(path: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in path).upper()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, or one clear line on why there is none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        sys.exit(
            f"Twofold cannot listen on {host}:{port} ({error.strerror}). "
            "Choose another port with --port or TWOFOLD_PORT."
        )


if __name__ == "__main__":
    main()
