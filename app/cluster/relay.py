"""The front's side of a cluster: every run is one stream from a replica."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ray.exceptions import RayError

from app.relay import Lost, Relay
from app.runs import Run


class Cluster(Relay):
    """Computing by Ray Serve replicas, which are up before there is a Cluster and belong to whoever
    deployed them. ``handle``: of the deployment; ``attempts``: replicas that one run may lose."""

    def __init__(self, handle: Any, runs: int, attempts: int) -> None:
        super().__init__(runs, attempts)
        self._handle = handle.options(stream=True)

    async def events(self, run: Run) -> AsyncIterator[tuple[str, bytes]]:
        stream = self._handle.compute.remote(run.pipeline.id, run.input, run.settings, run.branch)
        try:
            async for event, data in stream:
                yield event, data
        except RayError as error:
            raise Lost(type(error).__name__) from error
        finally:
            stream.cancel()  # of a stream that has ended: nothing happens
