"""``python -m benchmarks.rooms``: 200 followers of one run of 30 frames a second, over loopback.

A server process of its own serves one pipeline that is paced at 30 frames a second and draws frames of the
usual size; this process opens a room, shows the run, moves the playhead ten times a second and holds the
followers' streams. Measured: processor time of the server per second (its own, by the kernel's count, so
that other work on the machine does not enter), the time from a frame's birth in the engine to its arrival
at a follower, and whether anybody missed anything, also those whose connection was cut on the way. What
the same run costs with one follower is measured too: the difference is what 199 more cost.

Writes ``benchmarks/results/rooms.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import torch

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "rooms.json"
READY = "Twofold is ready at "
FPS = 30
SIDE = 32  # pixels of a frame's pictures, as the picture model streams most of them
TARGETS = {"cores": 0.3, "p95_ms": 100, "gaps": 0}


class Paced:
    """A pipeline that answers ``FPS`` times a second: noise of the size of a picture. The first eight
    bytes of a frame hold the time it was made (CLOCK_MONOTONIC, the same in all processes)."""

    id = "paced"
    name = "paced"
    sigma_data = 0.5
    title = "Thirty frames a second"
    samplers = ("euler",)
    examples: Sequence[Mapping[str, Any]] = ()
    checkpoints: Mapping[str, str] = {}

    def __init__(self) -> None:
        from models.pipeline import SampleSettings, ScheduleSpec

        self.defaults = SampleSettings(steps=60, schedule=ScheduleSpec("karras", 80.0, 0.01, 7.0))
        self.bounds = {"steps": (1, 4000), "samples": (1, 1), "guidance_scale": (1, 1)}
        self._next = 0.0
        self._picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)

    def bucket(self, request: Any) -> int:
        return 0

    def answer(self, requests: Sequence[Any]) -> list[torch.Tensor]:
        now = time.monotonic()
        self._next = max(self._next + 1 / FPS, now)
        time.sleep(self._next - now)
        return [torch.zeros(1)] * len(requests)

    def parse(self, input: Mapping[str, Any]) -> int:
        return int(input["frames"])

    def start(self, plan: int, settings: Any) -> dict[str, Any]:
        sigmas = np.geomspace(80, 0.01, plan).tolist()
        stage = {"name": self.name, "sigma_data": self.sigma_data, "sigmas": sigmas, "unit": ""}
        return {"stages": [stage], "notes": []}

    def run(self, plan: int, settings: Any) -> Any:
        from models.diffusion.sampler import Request

        sigmas = torch.from_numpy(np.geomspace(80, 0.01, plan))
        for step in range(plan):
            yield Request(self, torch.zeros(1), sigmas[step : step + 1], None, step, plan)

    def view(self, plan: int, settings: Any) -> Paced:
        return self

    def frame(self, request: Any, answer: Any) -> Any:
        from models.pipeline import Frame

        stamped = self._picture.copy()
        stamped.reshape(-1)[:8] = np.frombuffer(np.float64(time.monotonic()).tobytes(), np.uint8)
        sigma, data = float(request.sigma[0]), self.sigma_data
        return Frame(self.name, request.step, request.steps, sigma, data, stamped, self._picture)

    def done(self, result: Any) -> dict[str, Any]:
        return {"sample": self._picture}

    def warm_up(self) -> None:
        pass


def serve(followers: int) -> None:
    """The server process; says its address on stdout."""
    from app.main import create_app
    from app.pipelines import Pipelines
    from app.server import serve as server_of
    from app.settings import Settings

    settings = Settings(
        threads=1,
        room_followers=followers + 10,
        max_frames=4000,
        max_run_bytes=2**30,
        max_cost=10**6,
    )
    app = create_app(settings, Pipelines({"paced": Paced()}))
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def announce() -> None:
        app.state.services.pipelines.wait()
        print(f"{READY}{url}", flush=True)

    started = threading.Thread(target=announce).start
    server_of(app, listening, started).run(sockets=[listening])


@dataclass
class Follower:
    """One stream, read as bytes: what it costs must not hide what the server costs."""

    host: str
    port: int
    path: str
    cut_after: int | None  # run events after which the connection is cut once
    delays: list[float] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)  # indices of the run's events
    cells: list[int] = field(default_factory=list)  # versions of the room
    back_s: float | None = None  # from the cut to the first byte of news
    bytes: int = 0
    connected: int = 0
    ended: bool = False

    async def follow(self) -> None:
        last = ""
        while not self.ended:
            reader, writer = await asyncio.open_connection(self.host, self.port, limit=2**22)
            head = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n"
            writer.write(
                f"{head}{f'Last-Event-ID: {last}' if last else 'X-None: 1'}\r\n\r\n".encode()
            )
            cut_at = time.monotonic() if last else None
            buffer = b""
            self.connected += 1
            try:
                status = await reader.readline()
                if b" 200 " not in status:
                    raise RuntimeError(f"a follower got {status.decode().strip()}")
                while chunk := await reader.read(2**18):
                    buffer += chunk
                    self.bytes += len(chunk)
                    now = time.monotonic()
                    *blocks, buffer = buffer.split(b"\n\n")
                    for block in blocks:
                        last = self._take(block, now) or last
                    if cut_at and blocks and self.back_s is None:
                        self.back_s = now - cut_at
                    if self.ended or (self.cut_after and len(self.seen) >= self.cut_after):
                        break
            finally:
                self.cut_after = None
                writer.transport.abort()

    def _take(self, block: bytes, now: float) -> str:
        """-> the event's id, if it has one."""
        if b"event: room" in block:
            self.cells.append(int(block.partition(b'"version":')[2].split(b",", 1)[0]))
            return ""
        if b"event: ended" in block:
            self.ended = True
            return ""
        if b"event: run" not in block:
            return ""
        # Cut out by hand: 200 JSON parsers in one process would be slower than the server.
        self.seen.append(int(_between(block, b'","id":', b",")))
        if b'"event":"frame"' in block:
            stamp = _between(block, b'"x":{', b"}").partition(b'"data":"')[2][:12]
            self.delays.append(now - struct.unpack("<d", base64.b64decode(stamp)[:8])[0])
        return _between(block, b"id: ", b"\n").decode()


def _between(block: bytes, before: bytes, after: bytes) -> bytes:
    start = block.index(before) + len(before)
    return block[start : block.index(after, start)]


async def measure(url: str, pid: int, count: int, seconds: float, cuts: int) -> dict[str, Any]:
    """One room with ``count`` followers, of whom ``cuts`` lose their connection once."""
    parts = urlsplit(url)
    steps = int(seconds * FPS)
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        room = (await client.post("/api/rooms")).raise_for_status().json()
        key = {"X-Room-Key": room["key"]}
        place = f"/api/rooms/{room['code']}"
        view = (await client.get(place)).json()
        chance = random.Random(0)
        followers = [
            Follower(
                parts.hostname or "",
                parts.port or 0,
                view["events"],
                chance.randrange(steps // 5, steps // 2) if k < cuts else None,
            )
            for k in range(count)
        ]
        tasks = [asyncio.create_task(follower.follow()) for follower in followers]
        while (await client.get(view["events"].replace("/events", ""))).json()["followers"] < count:
            await asyncio.sleep(0.05)
        body = {"pipeline": "paced", "input": {"frames": steps}, "settings": {"seed": 0}}
        run = (await client.post("/api/runs", json=body)).raise_for_status().json()["id"]
        begun, used = time.monotonic(), _cpu(pid)
        for k in range(10 * 10**6):  # the playhead moves ten times a second until the run has ended
            state = {
                "panels": {"dalle2": {"run": run}},
                "player": {"u": (k % 100) / 100, "playing": True, "following": True},
            }
            try:
                (await client.post(f"{place}/state", json=state, headers=key)).raise_for_status()
            except httpx.TransportError:  # an idle connection that the server had closed
                continue
            if followers[-1].seen and followers[-1].seen[-1] == steps + 1:
                break
            await asyncio.sleep(max(0.0, begun + (k + 1) / 10 - time.monotonic()))
        wall, used = time.monotonic() - begun, _cpu(pid) - used
        await asyncio.sleep(1)
        newest = (await client.get(place)).json()["version"]
        await client.delete(place, headers=key)
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
    delays = np.array([d for f in followers for d in f.delays[1:]]) * 1000
    uncut = np.array([d for f in followers[cuts:] for d in f.delays]) * 1000
    return {
        "followers": count,
        "frames_per_s": round((steps + 2) / wall, 1),
        "frame_bytes": followers[-1].bytes // steps,
        "megabytes_per_s": round(sum(f.bytes for f in followers) / wall / 1e6, 1),
        "seconds": round(wall, 1),
        "server_cores": round(used / wall, 3),
        "p50_ms": _percentile(delays, 50),
        "p95_ms": _percentile(delays, 95),
        "p99_ms": _percentile(delays, 99),
        "p95_uncut_ms": _percentile(uncut, 95),
        "cut": cuts,
        "reconnects": sum(f.connected - 1 for f in followers),
        "p95_back_ms": _percentile([1000 * f.back_s for f in followers if f.back_s], 95),
        "gaps": sum(f.seen != list(range(steps + 2)) for f in followers),
        "without_newest_state": sum(
            f.cells[-2] < newest and f.cells[-1] < newest for f in followers
        ),
        "states_told": newest,
    }


def _percentile(values: Any, share: float) -> float | None:
    return round(float(np.percentile(values, share)), 1) if len(values) else None


def _cpu(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20, help="length of the run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.serve:
        serve(given.followers)
        return
    command = [
        sys.executable,
        "-m",
        "benchmarks.rooms",
        "--serve",
        "--followers",
        str(given.followers),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().removeprefix(READY).strip()
        alone = asyncio.run(measure(url, process.pid, 1, given.seconds, 0))
        rounds = [
            asyncio.run(
                measure(url, process.pid, given.followers, given.seconds, given.followers // 4)
            )
            for _ in range(given.rounds)
        ]
        memory = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    finally:
        process.terminate()
        process.wait(30)
    middle = sorted(rounds, key=lambda r: r["server_cores"])[len(rounds) // 2]
    result = {
        "what": f"{given.followers} followers of a run of {FPS} frames/s in one room, loopback",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
        },
        "load_average": [round(x, 1) for x in os.getloadavg()],
        "targets": TARGETS,
        "middle": middle,
        "rounds": rounds,
        "one_follower": alone,
        "cores_per_follower": round(
            (middle["server_cores"] - alone["server_cores"]) / (given.followers - 1), 6
        ),
        "server_peak_megabytes": round(memory / 1024, 1),
    }
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
