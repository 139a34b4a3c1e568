"""The server's own account of a crowd, read from /metrics before and after it."""

from __future__ import annotations

import json
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str) -> dict[str, float]:
    """Every sample by name and labels; nothing for a page that is not ours."""
    if "twofold_" not in text:
        return {}
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def spent(metrics: dict[str, float]) -> dict[str, Any]:
    """The server's own account: runs per forward by network, loop delay, padding."""
    nets = sorted(
        json.loads(key.partition("{")[2].join(["{", ""]))["net"]
        for key in metrics
        if key.startswith("twofold_batch_runs_count{")
    )
    out: dict[str, Any] = {}
    batches = {}
    for net in nets:
        label = json.dumps({"net": net})
        count = metrics[f"twofold_batch_runs_count{label}"]
        if count:
            batches[net] = round(metrics[f"twofold_batch_runs_sum{label}"] / count, 2)
    if batches:
        out["runs_per_forward"] = batches
    loop = quantile(metrics, "twofold_event_loop_delay_seconds", 0.95)
    if loop is not None:
        out["loop_delay_p95_s"] = loop
    cells = {kind: total(metrics, "twofold_cells_total", kind) for kind in ("used", "padding")}
    if any(cells.values()):
        out["padding_waste"] = round(cells["padding"] / sum(cells.values()), 4)
    return out


def total(metrics: dict[str, float], name: str, kind: str) -> float:
    """Of a counter's samples of that kind, over all networks."""
    return sum(
        value
        for key, value in metrics.items()
        if key.startswith(f"{name}{{") and json.loads(key[len(name) :])["kind"] == kind
    )


def quantile(metrics: dict[str, float], name: str, q: float) -> float | None:
    """Of a Prometheus histogram, linear inside the bucket; None if there is none or it is empty."""
    buckets = sorted(
        (float(json.loads(key[len(name) + 7 :])["le"]), count)
        for key, count in metrics.items()
        if key.startswith(f"{name}_bucket{{")
    )
    if not buckets or not buckets[-1][1]:
        return None
    wanted, low, below = q * buckets[-1][1], 0.0, 0.0
    for high, count in buckets:
        if count >= wanted:
            if high == float("inf"):
                return low
            return round(low + (high - low) * (wanted - below) / (count - below), 4)
        low, below = high, count
    return low
