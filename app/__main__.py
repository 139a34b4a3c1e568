"""``python -m app``: checks the settings, binds the port, serves until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from app import logs
from app.settings import Settings

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.pipelines import Pipelines

S = TypeVar("S", bound=Settings)

M_ARENA_MAX = -8  # from malloc.h
log = logging.getLogger(__name__)


async def _announce(pipelines: Pipelines, url: str) -> None:
    print(f"Twofold is loading its models, the page is at {url}", flush=True)
    await asyncio.to_thread(pipelines.wait)
    for id, status in pipelines.status().items():
        if not status["ready"]:
            print(f"Without {id}: {status['reason']}", flush=True)
    print(f"Twofold is ready at {url}", flush=True)


def main() -> None:
    end_on_sigterm()
    settings = read_settings(Settings, "python -m app")
    listening = listen(settings.host, settings.port)

    def build() -> FastAPI:
        # Imports torch: seconds, which a port that is taken need not cost.
        from app.main import create_app
        from app.workers.pool import Workers

        if settings.used_workers == 0:
            return create_app(settings)
        pipelines, workers = Workers.begin(settings, [listening])
        return create_app(settings, pipelines, workers)

    serve_forever(settings, listening, build)


def end_on_sigterm() -> None:
    """Ends the program on SIGTERM also where it is process 1 of a container, for which the system has no
    default: without this a stop during start-up waits until it is killed. uvicorn takes over while it
    serves and, when it has shut down, raises the signal once more: then too it means a clean end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def read_settings(kind: type[S], prog: str) -> S:
    """The settings of the environment and the command line; ends the program with one line for each
    that makes no sense."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Serves Twofold. Other settings: TWOFOLD_* variables."
    )
    parser.add_argument("--host", help="address to listen on (TWOFOLD_HOST)")
    parser.add_argument("--port", help="port to listen on, 0 picks a free one (TWOFOLD_PORT)")
    given = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    try:
        settings = kind(**given)
    except ValidationError as error:
        sys.exit("\n".join(f"TWOFOLD_{_name(e['loc'])}: {e['msg']}" for e in error.errors()))
    for name in sorted(_unknown(kind)):
        print(f"{name} is set, but there is no such setting; it does nothing.", file=sys.stderr)
    logs.configure(settings.log_level, settings.log_format, settings.log_inputs)
    _allow_files(settings.max_connections)
    _share_memory()
    return settings


def serve_forever(
    settings: Settings, listening: socket.socket, build: Callable[[], FastAPI]
) -> None:
    """Serves what ``build`` makes on a bound socket until a signal comes."""
    try:
        app = build()
    except ValueError as error:
        sys.exit(f"TWOFOLD_PIPELINES: {error}")
    from app.server import serve

    url = url_of(listening)
    announcing: list[asyncio.Task[None]] = []  # keeps the task alive

    def announce() -> None:
        announcing.append(asyncio.create_task(_announce(app.state.services.pipelines, url)))

    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down and raises it once more
        serve(app, listening, announce).run(sockets=[listening])


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _unknown(kind: type[Settings]) -> set[str]:
    """Variables that look like settings and are none: most likely a slip of the pen."""
    known = {f"TWOFOLD_{name.upper()}" for name in kind.model_fields}
    return {name for name in os.environ if name.startswith("TWOFOLD_")} - known


def _share_memory() -> None:
    """glibc gives every thread a heap of its own, and what is freed in one is lost to the others. Two are
    enough here. Other C libraries have no such thing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)


def _allow_files(connections: int) -> None:
    """Every connection is an open file; many systems allow 1024 of them until asked for more."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 512
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < connections + 64:
        log.warning(
            "only %d files may be open at once, fewer than TWOFOLD_MAX_CONNECTIONS needs", wanted
        )


def _name(path: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in path).upper()


def listen(host: str, port: int) -> socket.socket:
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
