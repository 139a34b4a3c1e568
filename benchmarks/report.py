"""The tables of ``docs/benchmarks.md`` and ``docs/scaling.md``, made from the result files.

``python -m benchmarks.report`` rewrites the parts between the markers; a test keeps them equal to the
files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "classroom.json"
PAGE = ROOT / "docs" / "benchmarks.md"
ROOMS = RESULTS.with_name("rooms.json")
VISIT = RESULTS.with_name("page.json")
SCALING = PAGE.with_name("scaling.md")
NAMES = {
    "engine": "Twofold's engine",
    "one_at_a_time": "same models, one at a time",
    "gradio": "diffusers loop behind Gradio's queue",
    "cluster": "two Ray replicas, one thread each",
}
FASTER, FIRST_FRAME_S, OVERHEAD, LOOP_S = 4.0, 2.5, 0.05, 0.05  # the targets


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{1000 * value:.0f} ms"


def crowd_table(result: dict[str, Any]) -> str:
    head = ["visitors, both panels", "contender", "runs/s", "against one at a time"]
    head += ["first frame p50", "first frame p95", "whole run p95", "small request p95"]
    rows = []
    crowds = result["crowds"]
    for visitors in crowds["engine"]:
        base = crowds.get("one_at_a_time", {}).get(visitors)
        for name in crowds:
            one = crowds[name][visitors]
            ratio = f"{one['runs_per_s'] / base['runs_per_s']:.2f}x" if base else "-"
            rows.append(
                [visitors, NAMES[name], f"{one['runs_per_s']:.2f}", ratio]
                + [seconds(one[key]) for key in ("first_frame_p50_s", "first_frame_p95_s")]
                + [seconds(one["total_p95_s"]), milliseconds(one["small_request_p95_s"])]
            )
    return markdown(head, rows)


def alone_table(result: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{1000 * one['forward_s']:.0f} ms",
            f"{1000 * one['loop_s']:.0f} ms",
            f"{1000 * one['wall_s']:.0f} ms",
            f"{100 * one['overhead']:.1f} %",
            f"{100 * one['engine_overhead']:.1f} %",
            milliseconds(one["first_frame_s"]),
        ]
        for name, one in result["alone"].items()
    ]
    head = ["one visitor", "bare forwards", "plain loop", "over HTTP", "over forwards"]
    return markdown([*head, "over the loop", "first frame"], rows)


def batch_table(result: dict[str, Any]) -> str:
    rows = []
    for visitors, one in result["crowds"]["engine"].items():
        nets = ", ".join(f"{net} {mean:.1f}" for net, mean in one["runs_per_forward"].items())
        waste = one.get("padding_waste")
        rows.append(
            [
                visitors,
                nets,
                "-" if waste is None else f"{100 * waste:.1f} %",
                milliseconds(one.get("loop_delay_p95_s")),
                f"{one['cpu_s_per_run']:.2f} s",
            ]
        )
    head = ["visitors", "runs per forward", "padding", "event loop p95", "processor time per run"]
    return markdown(head, rows)


def targets(result: dict[str, Any]) -> str:
    """What was asked for, what was measured, met or not; only what was measured."""
    engine, base = result["crowds"]["engine"], result["crowds"].get("one_at_a_time", {})
    rows = []

    def row(what: str, asked: str, measured: str, met: bool) -> None:
        rows.append([what, asked, measured, "yes" if met else "**no**"])

    if "32" in engine and "32" in base:
        ratio = engine["32"]["runs_per_s"] / base["32"]["runs_per_s"]
        row("32 visitors: runs/s against one at a time", "≥ 4x", f"{ratio:.2f}x", ratio >= FASTER)
    if "32" in engine:
        first = engine["32"]["first_frame_p95_s"]
        row("32 visitors: first frame p95", "< 2.5 s", seconds(first), first < FIRST_FRAME_S)
        loop = engine["32"].get("loop_delay_p95_s")
        if loop is not None:
            row("32 visitors: event loop p95", "< 50 ms", milliseconds(loop), loop < LOOP_S)
    both = "both panels"
    worst = max((one["overhead"], name) for name, one in result["alone"].items() if name != both)
    for over, name in ((result["alone"][both]["overhead"], both), worst):
        what = f"1 visitor, {name}: overhead over bare forwards"
        row(what, "< 5 %", f"{100 * over:.1f} %", over < OVERHEAD)
    return markdown(["target", "asked", "measured", "met"], rows)


def table(result: dict[str, Any]) -> str:
    """Everything that ``make bench`` prints."""
    machine = result["machine"]
    head = (
        f"Measured {result['measured_at']} on {machine['cores']} cores, {machine['threads']} threads, "
        f"pictures by {machine['backend']}, load average before {machine['load_average_before']}."
    )
    parts = (targets, crowd_table, alone_table, batch_table)
    return "\n\n".join([head, *(part(result) for part in parts)])


def visit_table(visit: dict[str, Any]) -> str:
    """What ``make page`` prints: weight and first picture of every page, work while 300 atoms move."""

    def kilobytes(count: int) -> str:
        return f"{count / 1000:.0f} kB"

    pages = [
        [
            name,
            kilobytes(one["own_bytes"]),
            *(kilobytes(one["bytes"].get(kind, 0)) for kind in ("html", "css", "js", "words")),
            *(kilobytes(one["bytes"].get(kind, 0)) for kind in ("recorded", "libraries")),
            one["requests"],
            *("-" if one[key] is None else f"{one[key]} ms" for key in ("paint_ms", "moved_ms")),
        ]
        for name, one in visit["pages"].items()
    ]
    head = ["page, first load", "own", "HTML", "CSS", "JS", "words", "recorded runs", "libraries"]
    loads = markdown([*head, "requests", "first paint", "recorded run moves"], pages)
    motion = visit["motion"]
    rows = [
        [name]
        + [f"{one[key]:.1f} ms" for key in ("work_ms_median", "work_ms_p95", "wall_ms_median")]
        + [one.get(key, "-") for key in ("moves_per_s", "turns_per_s")]
        for name, one in motion.items()
        if isinstance(one, dict)
    ]
    head = [f"{motion['atoms']} atoms, per 1/30 s", "main thread p50", "p95", "by the clock p50"]
    moved = markdown([*head, "playhead's moves/s", "turns/s"], rows)
    stage, work = visit["pages"]["stage"], motion["all"]["work_ms_median"]
    asked = [
        ["stage: HTML + CSS + JS + words", "< 150 kB", kilobytes(stage["own_bytes"])],
        ["stage: first paint", "< 1 s", f"{stage['paint_ms'] / 1000:.2f} s"],
        ["stage: recorded run moves", "< 1 s", f"{stage['moved_ms'] / 1000:.2f} s"],
        ["main thread, 300 atoms at 30 inputs a second", "< 16 ms", f"{work:.1f} ms"],
    ]
    met = [
        stage["own_bytes"] < 150_000,
        *(stage[key] < 1000 for key in ("paint_ms", "moved_ms")),
        work < 16,
    ]
    rows = [[*row, "yes" if yes else "**no**"] for row, yes in zip(asked, met, strict=True)]
    machine = visit["machine"]
    when = (
        f"Measured {visit['measured_at']} on {machine['cores']} cores, Chromium {visit['browser']}, "
        f"WebGL by the processor, load average before {machine['load_average_before']}."
    )
    return "\n\n".join([when, markdown(["target", "asked", "measured", "met"], rows), loads, moved])


def insert(page: str, name: str, text: str, command: str = "make bench") -> str:
    """Puts ``text`` between the page's markers of that name. Raises ValueError if there are none."""
    begin, end = f"<!-- {name}: written by {command} -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no markers for {name}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def costs(result: dict[str, Any], rooms: dict[str, Any] | None) -> str:
    """What one run and one follower cost, in processor time."""
    rows = []
    for visitors, one in result["crowds"]["engine"].items():
        rows.append([f"a run, {_crowd(visitors)}", f"{one['cpu_s_per_run']:.3f} core seconds"])
    for visitors, one in result["crowds"].get("cluster", {}).items():
        cost = f"{one['cpu_s_per_run']:.3f} core seconds"
        rows.append([f"of it in the front of a cluster, {_crowd(visitors)}", cost])
    if rooms:
        rows.append(
            ["a follower of a run of 30 frames/s", f"{rooms['cores_per_follower']:.5f} cores"]
        )
    return markdown(["what", "cost"], rows)


def _crowd(visitors: str) -> str:
    return "1 visitor" if visitors == "1" else f"{visitors} visitors at once"


def needs(result: dict[str, Any], rooms: dict[str, Any] | None) -> str:
    """The formula of the page with the measured numbers."""
    engine = result["crowds"]["engine"]
    most = engine[max(engine, key=int)]
    run_s, rate = most["cpu_s_per_run"], most["runs_per_s"]
    head = ["visitors", "all press once a minute", "all press at once: the last is done after"]
    if rooms:
        head.append("as followers of one stage")
    rows = []
    for visitors in (30, 60, 200, 1000):
        row = [
            str(visitors),
            f"{2 * visitors / 60 * run_s:.1f} cores",
            f"{2 * visitors / rate:.0f} s on this machine",
        ]
        if rooms:
            row.append(f"{visitors * rooms['cores_per_follower']:.2f} cores")
        rows.append(row)
    return markdown(head, rows)


def publish_visit(visit: dict[str, Any]) -> None:
    PAGE.write_text(insert(PAGE.read_text(), "visit", visit_table(visit), "make page"))


def publish() -> None:
    """Rewrites both pages from the result files; rooms may not have been measured."""
    result = json.loads(RESULTS.read_text())
    rooms = json.loads(ROOMS.read_text()) if ROOMS.exists() else None
    PAGE.write_text(insert(PAGE.read_text(), "classroom", table(result)))
    if VISIT.exists():
        publish_visit(json.loads(VISIT.read_text()))
    page = insert(SCALING.read_text(), "costs", costs(result, rooms))
    SCALING.write_text(insert(page, "needs", needs(result, rooms)))


if __name__ == "__main__":
    publish()
