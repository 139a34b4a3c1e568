"""``make bench``: a class presses the button. Our engine, the same models one request at a time, and the
usual demonstration (a `diffusers` loop behind Gradio's default queue), in one run on one machine.

Writes ``benchmarks/results/classroom.json``, prints the table and puts it into ``docs/benchmarks.md``. All
servers are up during the whole run and take turns, so that all meet the same machine. A crowd is that many
visitors who press both panels once, all within ``--spread`` seconds (see ``benchmarks.visitors``).
After the others, because Ray needs some of the machine also when nobody asks, and where Ray is installed:
two replicas of one thread each behind a front.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from benchmarks.account import samples, spent
from benchmarks.report import publish, table
from benchmarks.servers import ROOT, ServerProcess
from benchmarks.visitors import (
    PANELS,
    Ask,
    Runs,
    asks,
    crowd,
    gradio,
    median,
    percentile,
    press,
    pulse,
    twofold,
)

RESULTS = ROOT / "benchmarks" / "results" / "classroom.json"
CONTENDERS = ("engine", "one_at_a_time", "gradio", "cluster")
PULSE_S = 0.05
# The comparison is about scheduling, so no contender refuses anybody.
OPEN_DOORS = {
    "TWOFOLD_PIPELINES": ",".join(PANELS),
    **{f"TWOFOLD_MAX_{what}": "1000000000" for what in ("TOTAL_COST", "CLIENT_COST")},
    **{f"TWOFOLD_MAX_{what}": "4096" for what in ("RUNS", "CLIENT_RUNS", "CLIENT_STREAMS")},
}


class Contender:
    """A server under test and the way to ask it for a run."""

    def __init__(self, server: ServerProcess, run: Runs, alive: str) -> None:
        self.server, self.run, self.alive = server, run, alive
        limits = httpx.Limits(max_connections=None)
        self.client = httpx.AsyncClient(base_url=server.url, timeout=600, limits=limits)

    async def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by name and labels; nothing for a server without."""
        answer = await self.client.get("/metrics")
        return samples(answer.text) if answer.status_code == 200 else {}


async def measure_crowd(
    contender: Contender, examples: dict[str, Any], visitors: int, spread_s: float
) -> dict[str, Any]:
    """One crowd, with what the server spent on it."""
    delays: list[float] = []

    async def feel() -> None:
        async for delay in pulse(contender.client, contender.alive, PULSE_S):
            delays.append(delay)

    before, cpu = await contender.metrics(), contender.server.cpu_s
    feeling = asyncio.create_task(feel())
    felt = await crowd(contender.client, contender.run, examples, visitors, spread_s)
    feeling.cancel()
    cpu_s = contender.server.cpu_s - cpu
    after = await contender.metrics()
    return {
        **felt,
        "cpu_s_per_run": round(cpu_s / felt["runs"], 4),
        "cores_busy": round(cpu_s / felt["wall_s"], 2),
        "small_request_p95_s": percentile(delays, 95) if delays else None,
        **spent({key: value - before.get(key, 0) for key, value in after.items()}),
    }


class Bare:
    """The forwards alone, in a process of their own."""

    def __init__(self, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.baselines", "bare", "--threads", str(threads)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def run(self, ask: Ask) -> dict[str, float]:
        """-> forward_s, loop_s of one run."""
        assert self._process.stdin is not None
        print(json.dumps(ask.body), file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)


async def alone(
    engine: Contender, bare: Bare, examples: dict[str, Any], rounds: int
) -> dict[str, Any]:
    """One visitor against bare forwards of the same runs, in turns, and against the plain loop around
    them. overhead = wall / forwards - 1, engine_overhead = wall / loop - 1."""
    report: dict[str, Any] = {}
    cases = {panel: [panel] for panel in PANELS} | {"both panels": list(PANELS)}
    for name, panels in cases.items():
        forwards, loops, walls, firsts = [], [], [], []
        for number in range(rounds + 1):  # the first is a warm-up
            wanted = [ask for ask in asks(examples, 0) if ask.pipeline in panels]
            wanted = [Ask(a.pipeline, a.input, {**a.settings, "seed": number}) for a in wanted]
            plain = [bare.run(ask) for ask in wanted]
            felt = await press(engine.client, engine.run, wanted)
            if number:
                forwards.append(sum(one["forward_s"] for one in plain))
                loops.append(sum(one["loop_s"] for one in plain))
                walls.append(max(f.total_s for f in felt))
                firsts.append(max(f.first_frame_s for f in felt))
        report[name] = {
            "forward_s": round(median(forwards), 4),
            "loop_s": round(median(loops), 4),
            "wall_s": round(median(walls), 4),
            "engine_overhead": round(
                median([w / f - 1 for w, f in zip(walls, loops, strict=True)]), 4
            ),
            "overhead": round(median([w / f - 1 for w, f in zip(walls, forwards, strict=True)]), 4),
            "first_frame_s": round(median(firsts), 4),
        }
    return report


async def offered(engine: Contender) -> dict[str, Any]:
    """-> the two pipelines as the server lists them."""
    listed = (await engine.client.get("/api/pipelines")).json()["pipelines"]
    ready = {p["id"]: p for p in listed if p["available"]}
    if missing := set(PANELS) - set(ready):
        raise SystemExit(f"{', '.join(sorted(missing))} cannot be used: nothing to measure")
    return {id: ready[id] for id in PANELS}


async def crowds(
    contenders: dict[str, Contender], examples: dict[str, Any], visitors: list[int], spread_s: float
) -> dict[str, dict[int, dict[str, Any]]]:
    """-> by contender, by number of visitors: what each crowd felt."""
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in contenders}
    for contender in contenders.values():  # nobody pays for first times
        await crowd(contender.client, contender.run, examples, 2, 0)
    for count in visitors:
        for name, contender in contenders.items():
            print(f"{count} visitors, {name} ...", file=sys.stderr, flush=True)
            found[name][count] = await measure_crowd(contender, examples, count, spread_s)
    return found


def middle(rounds: list[dict[int, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """-> by number of visitors: the round that was neither fast nor slow, and how fast all were."""
    found = {}
    for count in rounds[0]:
        ones = sorted((one[count] for one in rounds), key=lambda one: one["runs_per_s"])
        speeds = [one["runs_per_s"] for one in ones]
        found[str(count)] = {**ones[len(ones) // 2], "rounds": len(ones), "all_runs_per_s": speeds}
    return found


async def a_round(
    contenders: dict[str, Contender], bare: Bare | None, args: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[int, dict[str, Any]]]]:
    """-> the pipelines; one visitor alone, if ``bare`` is there to be compared with; all crowds."""
    panels = await offered(next(iter(contenders.values())))
    examples = {id: panel["examples"] for id, panel in panels.items()}
    one = await alone(contenders["engine"], bare, examples, args.presses) if bare else {}
    return panels, one, await crowds(contenders, examples, args.visitors, args.spread)


@contextlib.contextmanager
def serving(names: list[str], threads: int, gradio_python: Path) -> Iterator[dict[str, Contender]]:
    """Every contender's server, up; all stopped at the end."""
    ours = {**OPEN_DOORS, "TWOFOLD_THREADS": str(threads)}
    with contextlib.ExitStack() as stack:
        contenders: dict[str, Contender] = {}
        for name in names:
            if name == "gradio":
                env = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
                command = ["-m", "benchmarks.baselines", "gradio", "--threads", str(threads)]
                server = ServerProcess(command, env, gradio_python)
                contenders[name] = Contender(server, gradio, "/gradio_api/startup-events")
            elif name == "cluster":
                each = {"TWOFOLD_THREADS": str(max(1, threads // 2))}
                # Its processor time is the front's alone: the replicas are Ray's children.
                command = ["-m", "app.cluster", "--port", "0"]
                server = ServerProcess(command, {**ours, **each}, descendants=False)
                contenders[name] = Contender(server, twofold, "/healthz")
            else:
                # One sample may be live at a time, in one process, as in the other demonstration: the
                # queue in front of a model, with our code.
                one = {"TWOFOLD_MAX_LIVE_ROWS": "1", "TWOFOLD_WORKERS": "0"}
                alone = one if name == "one_at_a_time" else {}
                server = ServerProcess(["-m", "app", "--port", "0"], {**ours, **alone})
                contenders[name] = Contender(server, twofold, "/healthz")
            stack.callback(server.stop)
        yield contenders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--presses", type=int, default=9, help="of the single visitor")
    parser.add_argument("--rounds", type=int, default=3, help="of all crowds")
    parser.add_argument("--spread", type=float, default=0.0, help="seconds in which all press")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--without", nargs="*", default=[], choices=CONTENDERS[1:])
    parser.add_argument("--gradio-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    names = [name for name in CONTENDERS if name not in args.without]
    later = [name for name in names if name == "cluster" and find_spec("ray")]
    now = [name for name in names if name != "cluster"]
    rounds: dict[str, list[dict[int, dict[str, Any]]]] = {name: [] for name in [*now, *later]}
    report: dict[str, Any] = {}
    # Every round has servers of its own: what the round before asked would be remembered.
    for _ in range(args.rounds):
        with contextlib.ExitStack() as stack:
            contenders = stack.enter_context(serving(now, args.threads, args.gradio_python))
            bare = None if report else Bare(args.threads)
            if bare is not None:
                stack.callback(bare.close)
            panels, single, found = asyncio.run(a_round(contenders, bare, args))
            memory = {name: c.server.memory_mb for name, c in contenders.items()}
        report = report or {"alone": single}
        for name, one in found.items():
            rounds[name].append(one)
    with serving(later, args.threads, args.gradio_python) as contenders:
        for name, one in (asyncio.run(a_round(contenders, None, args))[2] if later else {}).items():
            rounds[name].append(one)
    report["checkpoints"] = {id: panel["checkpoints"] for id, panel in panels.items()}
    report["crowds"] = {name: middle(ones) for name, ones in rounds.items()}
    result = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "threads": args.threads,
            "backend": panels["dalle2"]["backend"],
            "cpu": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "load_average_before": round(load, 2),
        },
        "spread_s": args.spread,
        "memory_mb": memory,
        **report,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
    if args.out == RESULTS:
        publish()


if __name__ == "__main__":
    main()
