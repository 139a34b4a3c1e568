"""``make page``: what the page weighs and how it moves, in real Chromium against a fresh server.

Prints a table, writes ``benchmarks/results/page.json`` and puts the table into ``docs/benchmarks.md``.

Weight: bodies as they travel (compressed) of everything that a page fetches by itself until the network is
still, a new browser context for every load. Two libraries (3Dmol.js, Plotly) and the recorded runs are
listed beside it. Time: first contentful paint, and when the player of the recorded run has moved.

Motion: a finished run of a protein of 75 residues (300 atoms) is played, turned and scrubbed by 30 inputs
a second. Work is what the renderer's main thread computed in each thirtieth of a second (those without any
are left out): the sum of the thread's own processor time in its tasks, from Chromium's trace, so that
neither another process on this machine nor the drawing of WebGL by the processor (a process of its own)
counts; the time by the wall clock stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from playwright.sync_api import Browser, CDPSession, Request, sync_playwright

from benchmarks.report import VISIT, publish_visit, visit_table
from benchmarks.servers import ServerProcess

FLAGS = ["--no-sandbox", "--disable-background-networking", "--enable-unsafe-swiftshader"]
PAGES = {
    "stage": "/",
    "schedule lab": "/lab",
    "embed": "/embed",
    "lessons": "/lessons",
    "models": "/models",
    "a model's card": "/models/alphafold3",
    "HTTP interface": "/docs",
}
# 75 residues of ubiquitin: with N, CA, C and O of each, 300 atoms.
PROTEIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRG"
RATE = 30
IDLE_MS = 0.5
MOVED = """
new MutationObserver((_, watcher) => {
  if (!(Number(document.querySelector("#track")?.ariaValueNow) > 0)) return;
  performance.mark("moved");
  watcher.disconnect();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["aria-valuenow"] });
"""
# The playhead's moves and the molecule's turns, as marks: that the script did move something.
COUNTED = """() => {
  for (const name of ["move", "turn"]) performance.clearMarks(name);
  window.counting?.disconnect();
  window.counting = new MutationObserver(() => performance.mark("move"));
  const head = document.querySelector(".track .playhead");
  window.counting.observe(head, { attributes: true, attributeFilter: ["style"] });
  const well = document.querySelector("#alphafold3 .estimate .well");
  well.onpointermove = (event) => event.buttons && performance.mark("turn");
  performance.mark("twofold begins");
}"""


def kind_of(url: str, content_type: str) -> str:
    path = urlsplit(url).path
    if path.startswith(("/static/vendor/", "/vendor/")):
        return "libraries"
    if path.startswith("/static/traces/"):
        return "recorded"
    if path.startswith("/text/"):
        return "words"
    for kind, sign in (("html", "html"), ("css", "css"), ("js", "javascript")):
        if sign in content_type:
            return kind
    return "other"


class Load:
    """One load of a page in a context of its own; bodies by kind, requests, times in milliseconds."""

    def __init__(self, browser: Browser, url: str) -> None:
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        page = context.new_page()
        page.add_init_script(MOVED)
        finished: list[Request] = []
        page.on("requestfinished", lambda request: finished.append(request))
        page.goto(url, wait_until="networkidle")
        if page.locator("#chart").count() > 0:  # drawn when nothing else is to be done
            page.wait_for_selector("#chart[data-state=drawn]")
        self.bytes: dict[str, int] = defaultdict(int)
        for request in finished:
            answer = request.response()
            kind = kind_of(request.url, answer.header_value("content-type") or "" if answer else "")
            self.bytes[kind] += request.sizes()["responseBodySize"]
        self.requests = len(finished)
        self.paint_ms = page.evaluate(
            "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
        )
        has_player = page.locator("#track").count() > 0
        if has_player:
            page.wait_for_function("() => performance.getEntriesByName('moved').length > 0")
        self.moved_ms = page.evaluate(
            "() => performance.getEntriesByName('moved')[0]?.startTime ?? null"
        )
        context.close()

    @property
    def own(self) -> int:
        return sum(self.bytes[kind] for kind in ("html", "css", "js", "words"))


def loads(browser: Browser, url: str, rounds: int) -> dict[str, Any]:
    """The middle of ``rounds`` loads; the first one, which warms the server, is not among them."""
    found = [Load(browser, url) for _ in range(rounds + 1)][1:]
    last = found[-1]
    result: dict[str, Any] = {"bytes": dict(last.bytes), "own_bytes": last.own}
    result["requests"] = last.requests
    for name in ("paint_ms", "moved_ms"):
        times = [value for load in found if (value := getattr(load, name)) is not None]
        result[name] = round(statistics.median(times)) if times else None
    return result


def own_work(events: Sequence[dict[str, Any]], begin: float, end: float) -> dict[str, list[float]]:
    """Main thread's work in each thirtieth of a second between two marks, in milliseconds: ``cpu`` of the
    thread itself, ``wall`` by the clock. Tasks that cross a boundary count where they begin."""
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    marked = {(e["pid"], e["tid"]) for e in events if e.get("name") == "twofold begins"}
    main = threads & marked
    names = {e["name"] for e in events if (e.get("pid"), e.get("tid")) in main}
    task = next(name for name in ("ThreadControllerImpl::RunTask", "RunTask") if name in names)
    width = 1e6 / RATE
    count = int((end - begin) / width)
    work = {"cpu": [0.0] * count, "wall": [0.0] * count}
    for event in events:
        if event.get("ph") != "X" or (event["pid"], event["tid"]) not in main:
            continue
        if event["name"] != task:
            continue
        slot = int((event["ts"] - begin) // width)
        if 0 <= slot < count:
            work["cpu"][slot] += event.get("tdur", 0) / 1000
            work["wall"][slot] += event.get("dur", 0) / 1000
    return work


class Motion:
    """Plays, turns and scrubs a finished run of 300 atoms, and reads the trace."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page = browser.new_page(viewport={"width": 1366, "height": 768})
        query = {"molecule": PROTEIN, "kind": "protein", "prompt": "a sunflower", "seed": 1}
        self.page.goto(f"{url}/?{urlencode(query)}")
        self.page.wait_for_function(
            """() => document.querySelector('#alphafold3 .origin')?.dataset.origin === 'live'
              && document.querySelector('#run').dataset.state === 'idle'""",
            timeout=120_000,
        )
        self.page.wait_for_timeout(3000)  # charts are drawn when nothing else is to be done
        self.cdp: CDPSession = self.page.context.new_cdp_session(self.page)

    def measure(self, seconds: float) -> dict[str, Any]:
        acts = {"play": self._idle, "play and turn": self._turn, "scrub": self._scrub}
        report: dict[str, Any] = {}
        everything: dict[str, list[float]] = {"cpu": [], "wall": []}
        for name, act in acts.items():
            work, counted = self._traced(act, int(seconds * RATE), playing=name != "scrub")
            report[name] = {**summary(work), **counted}
            for kind, values in work.items():
                everything[kind] += values
        return {"atoms": 4 * len(PROTEIN), **report, "all": summary(everything)}

    def _traced(
        self, act: Callable[[float], None], count: int, playing: bool
    ) -> tuple[dict[str, list[float]], dict[str, float]]:
        page, events, done = self.page, [], []
        self.cdp.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
        self.cdp.once("Tracing.tracingComplete", lambda data: done.append(data))
        page.locator("#track").focus()
        page.keyboard.press("Home")
        page.wait_for_timeout(300)
        categories = "toplevel,devtools.timeline,blink.user_timing,__metadata"
        self.cdp.send("Tracing.start", {"categories": categories, "transferMode": "ReportEvents"})
        if playing:
            page.keyboard.press(" ")
        page.evaluate(COUNTED)
        begun = time.perf_counter()
        for k in range(count):
            act(k / count)
            rest = begun + (k + 1) / RATE - time.perf_counter()
            if rest > 0:
                page.wait_for_timeout(1000 * rest)
        page.evaluate("() => performance.mark('twofold ends')")
        moves, turns = (
            page.evaluate("(name) => performance.getEntriesByName(name).length", name)
            for name in ("move", "turn")
        )
        seconds = time.perf_counter() - begun
        page.mouse.up()
        self.cdp.send("Tracing.end")
        while not done:
            page.wait_for_timeout(50)
        page.keyboard.press("Home")
        at = {e["name"]: e["ts"] for e in events if e.get("name", "").startswith("twofold ")}
        counted = {
            "moves_per_s": round(moves / seconds, 1),
            "turns_per_s": round(turns / seconds, 1),
        }
        return own_work(events, at["twofold begins"], at["twofold ends"]), counted

    def _idle(self, share: float) -> None:
        pass

    def _turn(self, share: float) -> None:
        box = self._box("#alphafold3 .estimate .well")
        x = box["x"] + box["width"] * (0.2 + 0.6 * abs((4 * share) % 2 - 1))
        self.page.mouse.move(x, box["y"] + box["height"] * (0.3 + 0.3 * share))
        if share == 0:
            self.page.mouse.down()

    def _scrub(self, share: float) -> None:
        box = self._box("#track")
        x = box["x"] + box["width"] * (0.02 + 0.96 * abs((4 * share) % 2 - 1))
        self.page.mouse.move(x, box["y"] + box["height"] / 2)
        if share == 0:
            self.page.mouse.down()

    def _box(self, selector: str) -> Any:
        if not hasattr(self, "boxes"):
            self.boxes: dict[str, Any] = {}
        if selector not in self.boxes:
            self.boxes[selector] = self.page.locator(selector).bounding_box()
        return self.boxes[selector]


def summary(work: dict[str, list[float]]) -> dict[str, float]:
    """Of the thirtieths in which there was something to do: a machine that draws slowly has empty ones."""
    busy = [k for k, cpu in enumerate(work["cpu"]) if cpu > IDLE_MS]
    work = {kind: [values[k] for k in busy] for kind, values in work.items()}

    def at(values: list[float], share: float) -> float:
        return round(sorted(values)[int(share * (len(values) - 1))], 1)

    return {
        "work_ms_median": at(work["cpu"], 0.5),
        "work_ms_p95": at(work["cpu"], 0.95),
        "wall_ms_median": at(work["wall"], 0.5),
        "thirtieths": len(work["cpu"]),
    }


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def there(url: str) -> bool:
    return httpx.get(url, timeout=60).status_code == 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--out", type=Path, default=VISIT)
    args = parser.parse_args()
    result: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": platform.processor() or platform.machine(),
            "load_average_before": round(os.getloadavg()[0], 2),
        },
    }
    with sync_playwright() as play:
        server = ServerProcess(["-m", "app", "--port", "0"])
        try:
            browser = play.chromium.launch(args=FLAGS, executable_path=chromium())
            result["browser"] = browser.version
            paths = {name: path for name, path in PAGES.items() if there(server.url + path)}
            result["pages"] = {
                name: loads(browser, server.url + path, args.rounds) for name, path in paths.items()
            }
            result["motion"] = Motion(browser, server.url).measure(args.seconds)
            browser.close()
        finally:
            server.stop()
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(visit_table(result))
    if args.out == VISIT:
        publish_visit(result)


if __name__ == "__main__":
    main()
