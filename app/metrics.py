"""Prometheus metrics of one application: the engine's work, runs, streams and refusals."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """A registry of its own per application, so that several may live in one process (tests)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.streams = Gauge("twofold_streams", "Open event streams", registry=self.registry)
        self.refused = Counter(
            "twofold_refusals", "Requests refused", ["status"], registry=self.registry
        )

    def forward(self, net: str, requests: int, rows: int, seconds: float) -> None:
        """Engine observer: one forward."""
        self._rows.labels(net).observe(rows)
        self._requests.labels(net).observe(requests)
        self._forward.labels(net).observe(seconds)

    def tick(self, seconds: float, forward_seconds: float) -> None:
        """Engine observer: one tick."""
        self._tick.observe(seconds)
        self._busy.labels("forward").inc(forward_seconds)
        self._busy.labels("outside").inc(max(0.0, seconds - forward_seconds))

    def text(self) -> bytes:
        return generate_latest(self.registry)
