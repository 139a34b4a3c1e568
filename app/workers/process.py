"""A worker: an engine and its pipelines without a web server. Runs of all visitors meet in it."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import TypeAdapter

from app import wire
from app.engine import Engine, Limits
from app.logs import fields
from app.pipelines import Pipelines
from app.preparing import Prepared, prepare_again
from app.runs import Run
from app.settings import Settings
from app.workers.messages import Sender, read
from models.pipeline import Pipeline, SampleSettings

log = logging.getLogger(__name__)

SETTINGS = TypeAdapter(SampleSettings)
REPORT_S = 0.5  # between two reports of what the engine did
WEIGH_S = 5.0  # between two looks at the process's memory, which take milliseconds


class Reporter:
    """Tells the server what the engine did, a few times a second; see :class:`app.forwards.Observer`."""

    def __init__(self, sender: Sender, pipelines: Pipelines) -> None:
        self._sender, self._pipelines = sender, pipelines
        self._seen: list[list[Any]] = []
        self._reported = time.monotonic()
        self._weighed, self._bytes = -WEIGH_S, 0
        self._lock = threading.Lock()

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None:
        self._seen.append(["forward", net, requests, rows, seconds])

    def cells(self, net: str, used: int, padded: int) -> None:
        self._seen.append(["cells", net, used, padded])

    def tick(self, seconds: float, forward_seconds: float) -> None:
        self._seen.append(["tick", seconds, forward_seconds])
        if time.monotonic() - self._reported > REPORT_S:
            self.report()

    def report(self) -> None:
        """Everything since the last report, and what the process has and remembers now."""
        with self._lock:
            seen, self._seen = self._seen, []
            self._reported = time.monotonic()
            caches = [
                [name, cache.hits, cache.misses, cache.bytes]
                for name, cache in self._pipelines.caches()
            ]
            if self._reported > self._weighed + WEIGH_S:
                self._weighed, self._bytes = self._reported, _private()
            process = {"bytes": self._bytes, "cpu_s": time.process_time()}
            self._sender.send({"seen": seen, "caches": caches, "process": process})


class Sent(Run):
    """A run whose events go to the server, which keeps them; ``start`` it has already."""

    def __init__(
        self,
        id: str,
        pipeline: Pipeline,
        prepared: Prepared,
        limits: Settings,
        sender: Sender,
        reporter: Reporter,
    ) -> None:
        self._sender, self._reporter = sender, reporter
        super().__init__(pipeline, prepared, {}, limits, self._place)
        self.id = id

    def started(self) -> None:
        super().started()
        self._sender.send({"run": self.id, "event": "started"})

    def _place(self, run: Run) -> None:
        if self.queue is not None:
            event, data = wire.split(wire.queued_bytes(*self.queue))
            self._sender.send({"run": self.id, "event": event}, data)

    def _keep(self, event: str, data: bytes) -> int:
        if event != "start":
            if event != "frame":
                self._reporter.report()  # whoever looks after the run has ended sees all of it
            self._sender.send({"run": self.id, "event": event}, data)
        return len(data)


class Worker:
    """``settings`` with this process's share of threads; ``ids``: of the pipelines that it answers for,
    which are loaded but not warm."""

    def __init__(
        self, channel: socket.socket, settings: Settings, pipelines: Pipelines, ids: Sequence[str]
    ) -> None:
        self._channel, self._settings, self._pipelines = channel, settings, pipelines
        self._ids = ids
        self._sender = Sender(channel)
        self._runs: dict[str, Sent] = {}
        self._reporter = Reporter(self._sender, pipelines)
        self._engine = Engine(
            Limits(
                sys.maxsize,  # how many there may be, the server knows
                settings.max_live_rows,
                settings.max_batch_rows,
                settings.max_forward_s,
            ),
            self._reporter,
            settings.threads,
            settings.used_lanes,
        )

    def serve(self) -> None:
        """Computes until the server has gone."""
        torch.set_num_threads(self._settings.lane_threads)
        for id in self._ids:
            reason = self._pipelines.warm(id)
            backend = "" if reason else getattr(self._pipelines.get(id), "backend", "torch")
            self._sender.send({"ready": id, "reason": reason, "backend": backend})
        self._reporter.report()
        self._engine.start()
        while (said := read(self._channel)) is not None:
            if "run" in said:
                self._begin(said)
            elif (run := self._runs.pop(said["cancel"], None)) is not None:
                self._engine.cancel(run.job, "the server has let it go")

    def _begin(self, said: Mapping[str, Any]) -> None:
        id, pipeline = said["run"], said["pipeline"]
        try:
            chosen = self._pipelines.get(pipeline)
            settings = SETTINGS.validate_python(said["settings"])
            prepared = prepare_again(
                chosen, said["input"], settings, said["branch"], self._settings.max_cost
            )
            run = Sent(id, chosen, prepared, self._settings, self._sender, self._reporter)
            self._runs[id] = run
            self._engine.submit(run.job)
        except Exception as error:
            # The server has found nothing wrong with it, so it is this process that cannot do it.
            log.exception("a worker refused a run", extra=fields(run=id, pipeline=pipeline))
            data = wire.json_bytes(wire.failed_data(error))
            self._sender.send({"run": id, "event": "error"}, data)


def _private() -> int:
    """Bytes of this process that it shares with nobody; 0 where the system does not tell."""
    try:
        with open("/proc/self/smaps_rollup") as rollup:
            lines = [line.split() for line in rollup if line.startswith("Private_")]
    except OSError:
        return 0
    return 1024 * sum(int(line[1]) for line in lines)
