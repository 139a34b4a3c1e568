"""``python -m benchmarks.stage``: starts the server as a visitor would, measures what the visitor feels,
prints it and writes ``benchmarks/results/stage.json``.

Everything goes over HTTP against a fresh process. Each number is a median of repeated rounds; one
visitor at a time and many at once are measured in the same process, one after the other in every round,
so that their ratio means something on a machine with other work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.servers import ROOT, ServerProcess

RESULTS = ROOT / "benchmarks" / "results" / "stage.json"


def stage() -> ServerProcess:
    """A server as a visitor meets it."""
    return ServerProcess(["-m", "app", "--port", "0"], {"TWOFOLD_MAX_RUNS": "256"})


async def visit(client: httpx.AsyncClient, pipeline: dict[str, Any], seed: int) -> dict[str, float]:
    """One visitor's run of the pipeline's first example with default settings. -> seconds to the first
    frame and to the end, and the server's own account of them."""
    body = {
        "pipeline": pipeline["id"],
        "input": pipeline["examples"][0]["input"],
        "settings": {"seed": seed},
    }
    begun = time.perf_counter()
    answer = await client.post("/api/runs", json=body)
    answer.raise_for_status()
    first, event, data = 0.0, "", ""
    async with client.stream("GET", answer.json()["events"]) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
                if event == "frame" and not first:
                    first = time.perf_counter() - begun
            elif event == "done" and line.startswith("data: "):
                data = line.removeprefix("data: ")
    total = time.perf_counter() - begun
    if not data:
        raise RuntimeError(f"a run of {pipeline['id']} ended with {event}")
    timings = json.loads(data)["timings"]
    return {"first_frame_s": first, "total_s": total, **{f"own_{k}": v for k, v in timings.items()}}


async def alone(client: httpx.AsyncClient, pipeline: dict[str, Any], rounds: int) -> dict[str, Any]:
    """One visitor, nobody else: first frame, whole run, share of engine time outside of forwards."""
    runs = [await visit(client, pipeline, seed) for seed in range(rounds)]
    outside = [r["own_outside_forward_s"] for r in runs]
    forward = [r["own_forward_s"] for r in runs]
    return {
        "first_frame_ms": round(1000 * median(r["first_frame_s"] for r in runs), 1),
        "total_s": round(median(r["total_s"] for r in runs), 3),
        "forward_s": round(median(forward), 3),
        "outside_forward_share": round(
            median(o / (o + f) for o, f in zip(outside, forward, strict=True)), 4
        ),
        "overhead_share": round(
            median(1 - r["own_forward_s"] / r["own_total_s"] for r in runs), 4
        ),
    }  # fmt: skip


async def together(
    client: httpx.AsyncClient, pipelines: Sequence[dict[str, Any]], rounds: int
) -> dict[str, Any]:
    """What one press of the button costs: all pipelines at once, by one visitor."""
    firsts, totals = [], []
    for seed in range(rounds):
        begun = time.perf_counter()
        runs = await asyncio.gather(*(visit(client, p, seed) for p in pipelines))
        totals.append(time.perf_counter() - begun)
        firsts.append(max(run["first_frame_s"] for run in runs))
    return {
        "pipelines": [p["id"] for p in pipelines],
        "all_show_a_frame_ms": round(1000 * median(firsts), 1),
        "all_done_s": round(median(totals), 3),
    }


async def crowd(
    client: httpx.AsyncClient, pipeline: dict[str, Any], sizes: Sequence[int], rounds: int
) -> dict[str, Any]:
    """Runs per second with 1 visitor after the other, and with ``sizes`` of them at once."""
    rates: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            begun = time.perf_counter()
            if size == 1:
                count = 4
                for seed in range(count):
                    await visit(client, pipeline, 100 * number + seed)
            else:
                count = size
                await asyncio.gather(
                    *(visit(client, pipeline, 100 * number + k) for k in range(size))
                )
            rates[size].append(count / (time.perf_counter() - begun))
    single = rates[1]
    return {
        str(size): {
            "runs_per_s": round(median(rates[size]), 3),
            "against_one_at_a_time": round(
                median(many / one for many, one in zip(rates[size], single, strict=True)), 2
            ),
        }
        for size in sizes
    }


def median(values: Any) -> float:
    return statistics.median(list(values))


async def measure(url: str, rounds: int, sizes: Sequence[int]) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        listed = (await client.get("/api/pipelines")).json()["pipelines"]
        ready = {p["id"]: p for p in listed if p["available"]}
        report: dict[str, Any] = {
            "off": {p["id"]: p["reason"] for p in listed if not p["available"]},
            "checkpoints": {id: p["checkpoints"] for id, p in ready.items()},
            "alone": {id: await alone(client, p, rounds) for id, p in ready.items()},
        }
        panels = [ready[id] for id in ("dalle2", "alphafold3") if id in ready]
        if panels:
            report["both_panels"] = await together(client, panels, rounds)
        report["visitors"] = {
            id: await crowd(client, p, sizes, max(1, rounds // 2)) for id, p in ready.items()
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with stage() as server:
        report = asyncio.run(measure(server.url, args.rounds, sorted({1, *args.visitors})))
        memory = server.memory_mb
    result = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "load_average_at_end": round(os.getloadavg()[0], 2),
        },
        "start_to_ready_s": round(server.ready_s, 2),
        "memory_mb": memory,
        **report,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
