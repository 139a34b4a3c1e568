"""The visitors of a benchmark: what each asks for, and what each feels, over HTTP.

One visitor presses the button once: a caption and a molecule at the same time. Who is next asks for
something else, with other steps and another guidance, so that nobody's run is like the neighbour's. Every
contender is given exactly the same list.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

STEPS = {"dalle2": (24, 16, 32), "alphafold3": (40, 30, 50)}  # the default first; equal on average
GUIDANCE = (2.0, 1.5, 3.0, 1.0)
PANELS = tuple(STEPS)


@dataclass(frozen=True)
class Ask:
    """One run of one panel, as ``POST /api/runs`` takes it."""

    pipeline: str
    input: dict[str, Any]
    settings: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        return {"pipeline": self.pipeline, "input": self.input, "settings": self.settings}


@dataclass(frozen=True)
class Felt:
    """Seconds from the press to the first frame and to the last event of one run."""

    pipeline: str
    first_frame_s: float
    total_s: float
    done: dict[str, Any]


Runs = Callable[[httpx.AsyncClient, Ask], Awaitable[Felt]]


def asks(examples: dict[str, Sequence[dict[str, Any]]], visitor: int) -> list[Ask]:
    """What visitor number ``visitor`` asks for: the examples in turn, steps and guidance in turn."""
    wanted = []
    for pipeline in PANELS:
        settings: dict[str, Any] = {
            "seed": visitor,
            "steps": STEPS[pipeline][visitor % len(STEPS[pipeline])],
        }
        if pipeline == "dalle2":
            settings["guidance_scale"] = GUIDANCE[visitor % len(GUIDANCE)]
        listed = examples[pipeline]
        wanted.append(Ask(pipeline, listed[visitor % len(listed)]["input"], settings))
    return wanted


async def twofold(client: httpx.AsyncClient, ask: Ask) -> Felt:
    """One run on our server."""
    begun = time.perf_counter()
    answer = await client.post("/api/runs", json=ask.body)
    answer.raise_for_status()
    return await _follow(client, answer.json()["events"], ask, begun, b"event: frame", b"done")


async def gradio(client: httpx.AsyncClient, ask: Ask) -> Felt:
    """One run on the Gradio server, by the calls that its own documentation gives for other programs."""
    begun = time.perf_counter()
    call = f"/gradio_api/call/{ask.pipeline}"
    answer = await client.post(call, json={"data": [ask.input, ask.settings]})
    answer.raise_for_status()
    events = f"{call}/{answer.json()['event_id']}"
    return await _follow(client, events, ask, begun, b"event: generating", b"complete")


async def _follow(
    client: httpx.AsyncClient, url: str, ask: Ask, begun: float, frame: bytes, last: bytes
) -> Felt:
    """Reads a stream to its end; ``frame`` marks the first picture, ``last`` names the good end."""
    first, tail = 0.0, b""
    async with client.stream("GET", url) as stream:
        stream.raise_for_status()
        async for chunk in stream.aiter_raw():
            tail += chunk
            if not first and frame in tail:
                first = time.perf_counter() - begun
            # Only the event under way is kept: a whole run is megabytes, and this is not what is measured.
            tail = tail[max(0, tail.rfind(b"event: ")) :] if tail.endswith(b"\n\n") else tail
    total = time.perf_counter() - begun
    head, _, data = tail.strip().partition(b"\ndata: ")
    if head.rpartition(b"event: ")[2] != last:
        raise RuntimeError(f"a run of {ask.pipeline} ended with {tail[:200]!r}")
    return Felt(ask.pipeline, first, total, json.loads(data.partition(b"\n")[0]))


async def press(client: httpx.AsyncClient, run: Runs, wanted: Sequence[Ask]) -> list[Felt]:
    """One visitor presses the button: every panel at once."""
    return list(await asyncio.gather(*(run(client, ask) for ask in wanted)))


async def crowd(
    client: httpx.AsyncClient,
    run: Runs,
    examples: dict[str, Sequence[dict[str, Any]]],
    visitors: int,
    spread_s: float,
) -> dict[str, Any]:
    """``visitors`` press once each, evenly within ``spread_s`` seconds. -> what they felt."""

    async def visit(number: int) -> list[Felt]:
        await asyncio.sleep(spread_s * number / max(1, visitors))
        return await press(client, run, asks(examples, number))

    begun = time.perf_counter()
    felt = [one for run in await asyncio.gather(*map(visit, range(visitors))) for one in run]
    wall = time.perf_counter() - begun
    return {
        "runs": len(felt),
        "wall_s": round(wall, 3),
        "runs_per_s": round(len(felt) / wall, 3),
        "first_frame_p50_s": percentile([f.first_frame_s for f in felt], 50),
        "first_frame_p95_s": percentile([f.first_frame_s for f in felt], 95),
        "total_p50_s": percentile([f.total_s for f in felt], 50),
        "total_p95_s": percentile([f.total_s for f in felt], 95),
    }


async def pulse(client: httpx.AsyncClient, path: str, pause_s: float) -> AsyncIterator[float]:
    """Seconds that a trivial request takes, again and again: the event loop's delay, felt outside."""
    while True:
        begun = time.perf_counter()
        (await client.get(path)).raise_for_status()
        yield time.perf_counter() - begun
        await asyncio.sleep(pause_s)


def percentile(values: Sequence[float], percent: int) -> float:
    """Nearest rank, to the millisecond."""
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, -(-len(ranked) * percent // 100) - 1)], 3)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
