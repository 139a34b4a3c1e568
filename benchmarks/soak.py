"""``python -m benchmarks.soak [--minutes 30]``: full load for a long time; memory must stay flat, nothing
may be left over at the end, and the event loop must stay on time.

A fresh server is loaded by visitors who behave as people do: most watch a run to its end, some leave in
the middle, some stop it, some come back with Last-Event-ID, some download it. Prints a verdict and writes
``benchmarks/results/soak.json``; the exit status is 1 when the verdict is no.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.servers import ROOT, ServerProcess
from benchmarks.stage import stage

RESULTS = ROOT / "benchmarks" / "results" / "soak.json"
WATCHED = (
    "twofold_runs_live", "twofold_runs_waiting", "twofold_streams", "twofold_connections",
    "twofold_work_units", "twofold_held_bytes", "twofold_event_loop_delay_p95_seconds",
)  # fmt: skip
HABITS = ("watch", "watch", "watch", "watch", "leave", "stop", "return", "export")
GROWTH = 1.05  # of memory between the first third of the time after the warm-up and the last
DELAY_S = 0.05


Example = tuple[str, Any, bool]  # pipeline, input, whether several samples may be asked for


class Visitor:
    """Comes again and again until the time is over; what happened is counted in ``seen``."""

    def __init__(self, url: str, examples: list[Example], seed: int, seen: Counter[str]):
        self.url = url
        self.examples = examples
        self.random = random.Random(seed)
        self.seen = seen

    async def stay(self, until: float) -> None:
        limits = httpx.Limits(max_connections=4)
        async with httpx.AsyncClient(base_url=self.url, timeout=120, limits=limits) as client:
            while time.monotonic() < until:
                try:
                    await self._visit(client)
                except httpx.HTTPError as error:
                    self.seen[f"broken: {type(error).__name__}"] += 1
                    await asyncio.sleep(0.5)

    async def _visit(self, client: httpx.AsyncClient) -> None:
        pipeline, given, several = self.random.choice(self.examples)
        settings = {"samples": self.random.choice((1, 1, 1, 2, 4))} if several else {}
        body = {"pipeline": pipeline, "input": given, "settings": settings}
        answer = await client.post("/api/runs", json=body)
        if answer.status_code in (429, 503):
            self.seen[f"refused {answer.status_code}"] += 1
            await asyncio.sleep(float(answer.headers["retry-after"]))
            return
        if answer.status_code != 201:
            self.seen[f"unexpected {answer.status_code}"] += 1
            await asyncio.sleep(0.5)
            return
        run, habit = answer.json()["id"], self.random.choice(HABITS)
        blocks = await self._follow(
            client, run, 3 if habit in ("leave", "stop", "return") else None
        )
        if habit == "stop":
            await client.delete(f"/api/runs/{run}")
        elif habit == "return":
            last = blocks - 1
            if await self._follow(client, run, None, last) == 0:
                self.seen["nothing left to see"] += 1
        elif habit == "export":
            format = self.random.choice(("json", "csv", "png"))
            status = (await client.get(f"/api/runs/{run}/export.{format}")).status_code
            self.seen[f"export {status}"] += 1
        self.seen[habit] += 1

    async def _follow(
        self, client: httpx.AsyncClient, run: str, blocks: int | None, last: int | None = None
    ) -> int:
        """Reads events, all or only that many; -> how many came."""
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        count, tail = 0, b""
        async with client.stream("GET", f"/api/runs/{run}/events", headers=headers) as stream:
            async for chunk in stream.aiter_raw():
                count += chunk.count(b"\n\nid: ") + chunk.startswith((b"id: ", b"retry: "))
                tail = (tail + chunk)[-200_000:]
                if blocks is not None and count >= blocks:
                    return count
        if b"event: error\n" in tail:
            self.seen["error event"] += 1
        return count


async def readings(
    client: httpx.AsyncClient, server: ServerProcess, begun: float
) -> dict[str, float]:
    text = (await client.get("/metrics")).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {
        "second": round(time.monotonic() - begun, 1),
        "memory_mb": server.memory_mb,
        "files": len(os.listdir(f"/proc/{server.process.pid}/fd")),
        **{name.removeprefix("twofold_"): float(values[name]) for name in WATCHED},
    }


async def soak(server: ServerProcess, seconds: float, visitors: int) -> dict[str, Any]:
    seen: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        listed = (await client.get("/api/pipelines")).json()["pipelines"]
        examples = [
            (p["id"], example["input"], "samples" in p["settings"])
            for p in listed
            if p["available"]
            for example in p["examples"][:6]
        ]
        begun = time.monotonic()
        crowd = [
            asyncio.create_task(Visitor(server.url, examples, k, seen).stay(begun + seconds))
            for k in range(visitors)
        ]
        samples = []
        while any(not visitor.done() for visitor in crowd):
            await asyncio.wait(crowd, timeout=max(1.0, min(10.0, seconds / 60)))
            if time.monotonic() < begun + seconds:
                samples.append(await readings(client, server, begun))
                print(json.dumps(samples[-1]), flush=True)
        await asyncio.gather(*crowd)
        await asyncio.sleep(12)  # TWOFOLD_GRACE_S of the runs that were left
        after = await readings(client, server, begun)
        errors = (await client.get("/metrics")).text.count('twofold_refusals_total{status="500"}')
    return {"samples": samples, "after": after, "seen": dict(seen), "status_500": errors}


def slope(samples: list[dict[str, float]]) -> float | None:
    """Megabytes of memory per hour, least squares; None for fewer than two samples."""
    if len(samples) < 2:
        return None
    fit = statistics.linear_regression(
        [s["second"] for s in samples], [s["memory_mb"] for s in samples]
    )
    return round(3600 * fit.slope, 1)


def verdict(found: dict[str, Any], warm_up: float) -> dict[str, Any]:
    """What was promised, and whether it was kept. Memory is judged after ``warm_up`` minutes, in which kept
    runs and the libraries' own caches fill up; None when the soak was too short for that."""
    samples, after, seen = found["samples"], found["after"], found["seen"]
    settled = [s for s in samples if s["second"] >= 60 * warm_up]
    third = len(settled) // 3
    early = statistics.mean(s["memory_mb"] for s in settled[:third] or samples[-1:])
    late = statistics.mean(s["memory_mb"] for s in settled[-third:] or samples[-1:])
    delay = statistics.median(s["event_loop_delay_p95_seconds"] for s in samples)
    promises = {
        "memory_is_flat": late <= GROWTH * early if third >= 3 else None,
        "nothing_is_left": after["runs_live"] == after["runs_waiting"] == after["streams"] == 0
        and after["work_units"] == 0,
        "event_loop_on_time": delay < DELAY_S,
        "nothing_broke": found["status_500"] == 0
        and not any(name.startswith(("broken", "unexpected")) for name in seen),
    }
    return {
        "memory_mb_after_warm_up": settled[0]["memory_mb"] if settled else None,
        "memory_mb_at_the_end": samples[-1]["memory_mb"],
        "memory_mb_slope_per_hour": slope(settled),
        "memory_mb_first_third_after_warm_up": round(early, 1),
        "memory_mb_last_third": round(late, 1),
        "memory_mb_peak": max(s["memory_mb"] for s in samples),
        "event_loop_delay_p95_ms_median": round(1000 * delay, 1),
        "event_loop_delay_p95_ms_worst_minute": round(
            1000 * max(s["event_loop_delay_p95_seconds"] for s in samples), 1
        ),
        "visits": sum(seen.get(habit, 0) for habit in set(HABITS)),
        **promises,
        "passed": all(kept is not False for kept in promises.values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--warm-up", type=float, default=6, help="minutes before memory is judged")
    parser.add_argument("--visitors", type=int, default=48)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    with stage() as server:
        found = asyncio.run(soak(server, 60 * given.minutes, given.visitors))
    result = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "load_average_at_end": os.getloadavg(),
        "minutes": given.minutes,
        "visitors": given.visitors,
        "settings": {k: v for k, v in sorted(os.environ.items()) if k.startswith("TWOFOLD_")},
        "warm_up_minutes": given.warm_up,
        "verdict": verdict(found, given.warm_up),
        **found,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({**result["verdict"], "seen": found["seen"]}, indent=1))
    return 0 if result["verdict"]["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
