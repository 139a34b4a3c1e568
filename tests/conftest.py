"""Fixtures for all tests: live servers, of test pipelines or as shipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import Live, live
from toy import Toy

from app.pipelines import PIPELINES


@pytest.fixture
def serve() -> Iterator[Callable[..., Live]]:
    """Factory of live servers: ``serve(pipeline, ..., setting=value)``."""
    servers: list[Live] = []
    toys: list[Toy] = []

    def start(*pipelines: Any, **settings: Any) -> Live:
        toys.extend(p for p in pipelines if isinstance(p, Toy))
        servers.append(live({p.id: p for p in pipelines}, **settings))
        return servers[-1]

    yield start
    for toy in toys:
        toy.let_go()
    for server in servers:
        server.end()


@pytest.fixture(scope="session")
def live_server() -> Iterator[Live]:
    """The application as shipped, with every pipeline whose checkpoints are there."""
    server = live(PIPELINES)
    yield server
    server.end()
