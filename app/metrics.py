"""Prometheus metrics of one application: the engine's work, runs, streams and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Counted(Protocol):
    """What is counted of a memory in front of a network."""

    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class _Caches(Collector):
    """Requests answered from memory and not, read where they are counted."""

    def __init__(self, caches: Callable[[], Iterable[tuple[str, Counted]]]) -> None:
        self._caches = caches

    def collect(self) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            "twofold_cache_requests", "Requests to remembering networks", labels=["net", "result"]
        )
        held = GaugeMetricFamily("twofold_cache_bytes", "Bytes remembered", labels=["net"])
        named: dict[str, list[Counted]] = {}
        for net, cache in self._caches():  # two pipelines may each remember readings of captions
            named.setdefault(net, []).append(cache)
        for net, caches in named.items():
            asked.add_metric([net, "hit"], sum(cache.hits for cache in caches))
            asked.add_metric([net, "miss"], sum(cache.misses for cache in caches))
            held.add_metric([net], sum(cache.bytes for cache in caches))
        yield asked
        yield held


class _Workers(Collector):
    """Processes that compute for this one."""

    def __init__(self, processes: Callable[[], Iterable[tuple[str, Mapping[str, float]]]]) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        label = ["worker"]
        held = GaugeMetricFamily(
            "twofold_worker_bytes", "Memory of a worker's own, as it last said", labels=label
        )
        spent = CounterMetricFamily(
            "twofold_worker_cpu_seconds", "Processor time of the worker at work", labels=label
        )
        died = CounterMetricFamily(
            "twofold_worker_deaths", "Workers that died and were replaced", labels=label
        )
        for name, process in self._processes():
            held.add_metric([name], process["bytes"])
            spent.add_metric([name], process["cpu_s"])
            died.add_metric([name], process["deaths"])
        yield from (held, spent, died)


class Metrics:
    """A registry of its own per application, so that several may live in one process (tests)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files
        self._rows = Histogram(
            "twofold_batch_rows",
            "Samples per forward",
            ["net"],
            buckets=ROWS,
            registry=self.registry,
        )
        self._requests = Histogram(
            "twofold_batch_runs", "Runs per forward", ["net"], buckets=ROWS, registry=self.registry
        )
        self._forward = Histogram(
            "twofold_forward_seconds",
            "Time of one forward",
            ["net"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._cells = Counter(
            "twofold_cells",
            "Cells computed by networks that pad, used and padding",
            ["net", "kind"],
            registry=self.registry,
        )
        self._tick = Histogram(
            "twofold_tick_seconds",
            "Time of one step of all live runs",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._busy = Counter(
            "twofold_engine_seconds",
            "Time of the engine inside and outside of forwards",
            ["where"],
            registry=self.registry,
        )
        self.runs_live = Gauge("twofold_runs_live", "Runs being computed", registry=self.registry)
        self.runs_waiting = Gauge(
            "twofold_runs_waiting", "Runs waiting for room", registry=self.registry
        )
        self.runs = Counter(
            "twofold_runs", "Runs by how they ended", ["pipeline", "state"], registry=self.registry
        )
        self.first_frame = Histogram(
            "twofold_first_frame_seconds",
            "From request to first frame",
            ["pipeline"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.connections = Gauge("twofold_connections", "Open connections", registry=self.registry)
        self.work = Gauge("twofold_work_units", "Units of work under way", registry=self.registry)
        self.held_bytes = Gauge(
            "twofold_held_bytes", "Bytes of events in memory", registry=self.registry
        )
        self.loop_delay = Histogram(
            "twofold_event_loop_delay_seconds",
            "How late the event loop's timers come",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.loop_delay_p95 = Gauge(
            "twofold_event_loop_delay_p95_seconds",
            "Its 95th percentile over the last minute",
            registry=self.registry,
        )
        self.streams = Gauge("twofold_streams", "Open event streams", registry=self.registry)
        self.busy = Counter(
            "twofold_busy",
            "Refusals because a bound was met, by which",
            ["reason"],
            registry=self.registry,
        )
        self.rooms = Gauge("twofold_rooms", "Open rooms", registry=self.registry)
        self.room_followers = Gauge(
            "twofold_room_followers", "Followers of all rooms", registry=self.registry
        )
        self.refused = Counter(
            "twofold_refusals", "Requests refused", ["status"], registry=self.registry
        )

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None:
        """Engine observer: one forward."""
        self._rows.labels(net).observe(rows)
        self._requests.labels(net).observe(requests)
        self._forward.labels(net).observe(seconds)

    def cells(self, net: str, used: int, padded: int) -> None:
        """Engine observer: what one forward of a padding network computed, and how much of it for
        nothing."""
        self._cells.labels(net, "used").inc(used)
        self._cells.labels(net, "padding").inc(padded - used)

    def tick(self, seconds: float, forward_seconds: float) -> None:
        """Engine observer: one tick."""
        self._tick.observe(seconds)
        self._busy.labels("forward").inc(forward_seconds)
        self._busy.labels("outside").inc(max(0.0, seconds - forward_seconds))

    def watch_caches(self, caches: Callable[[], Iterable[tuple[str, Counted]]]) -> None:
        """``caches``: network names and memories, asked for at every reading."""
        self.registry.register(_Caches(caches))

    def watch_workers(
        self, processes: Callable[[], Iterable[tuple[str, Mapping[str, float]]]]
    ) -> None:
        """``processes``: worker names with ``bytes``, ``cpu_s`` and ``deaths``, asked for at every
        reading."""
        self.registry.register(_Workers(processes))

    def text(self) -> bytes:
        return generate_latest(self.registry)
