"""One engine of a cluster: the application's engine and pipelines without its web server.

Ray Serve makes one of these per replica process. Runs of many fronts meet in its engine exactly as the
runs of many visitors do on one machine, so they share forwards.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from app import wire
from app.pipelines import Pipelines
from app.preparing import prepare_again
from app.services import Services
from app.settings import Settings
from models.pipeline import SampleSettings

log = logging.getLogger(__name__)


class Replica:
    """``settings`` and ``table`` are those of the front. Returns from construction when it can compute."""

    def __init__(self, settings: Mapping[str, Any], table: Mapping[str, str]) -> None:
        # What has ended was relayed: the front keeps it, not the replica.
        chosen = Settings(**{**settings, "keep_runs": 0})
        pipelines = Pipelines(table)
        pipelines.cache_bytes = chosen.cache_bytes
        pipelines.backend = chosen.backend
        pipelines.threads = (chosen.threads, chosen.lane_threads)
        self._services = Services.build(chosen, pipelines)
        self._services.engine.start()
        pipelines.load()
        status = pipelines.status()
        if not any(one["ready"] for one in status.values()):
            raise RuntimeError(f"no pipeline can be used here: {status}")

    async def compute(
        self,
        pipeline: str,
        input: Mapping[str, Any],
        settings: SampleSettings,
        branch: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[tuple[str, bytes]]:
        """A run's events as (event, data), ``start`` left out, ``queued`` while it waits; ``branch`` as
        the start event tells it. Who stops reading cancels the run."""
        services = self._services
        try:
            chosen = services.pipelines.get(pipeline)
            max_cost = services.settings.max_cost
            prepared = await asyncio.to_thread(
                prepare_again, chosen, input, settings, branch, max_cost
            )
            run = services.runs.create(chosen, prepared, input)
        except Exception as error:
            # The front has found nothing wrong with it, so it is this replica that cannot do it.
            log.exception("a replica refused a run of %s", pipeline)
            yield "error", wire.json_bytes(wire.failed_data(error))
            return
        try:
            async with aclosing(services.runs.watch(run, after=0, places=True)) as blocks:  # type: ignore[type-var]
                async for block in blocks:
                    yield wire.split(block)
        finally:
            services.runs.cancel(run, "the front has left")

    async def process(self) -> int:
        """The process id, for whoever wants to see it die."""
        return os.getpid()

    def check_health(self) -> None:
        """Ray Serve asks now and then and replaces a replica that raises."""
        if not self._services.engine.alive:
            raise RuntimeError("the engine has stopped")
