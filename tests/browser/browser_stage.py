"""What the browser tests work with: the page as an object, its watcher, runs in recorded form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from live import Live, all_events
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect
from toy import Toy

T = TypeVar("T")
# Bounds, not waits: a machine that does something else beside the tests is slow.
PATIENCE_MS = 60_000
VIEWERS = ("**/3Dmol-min.js", "**/plotly.min.js")


@dataclass
class Watch:
    """What went wrong in the page; ``expected`` holds parts of messages a test provokes."""

    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.problems.append(f"request to another host: {request.url}")

    def unexpected(self) -> list[str]:
        return [p for p in self.problems if not any(part in p for part in self.expected)]


def address(page: Page) -> str:
    """Where the page is, as it says itself: ``page.url`` hears of ``replaceState`` a moment later."""
    return str(page.evaluate("() => location.href"))


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address(page)).query)


def without_viewers(page: Page) -> None:
    """The 3-D viewer and Plotly have no part in most tests and take seconds each to start. Molecules are
    then drawn flat, and charts are tables."""
    for script in VIEWERS:
        page.route(script, lambda route: route.fulfill(status=200, body=""))


def comes(page: Page, look: Callable[[], T], fits: Callable[[T], bool]) -> T:
    """What ``look`` finds as soon as it fits, for what no selector can tell."""
    end = monotonic() + PATIENCE_MS / 1000
    while not fits(found := look()):
        assert monotonic() < end, f"it has not come; the last was {str(found)[:500]}"
        page.wait_for_timeout(50)
    return found


def not_wider(page: Page, width: int) -> None:
    """Nothing sticks out of the window, once what follows its size has followed."""
    comes(
        page,
        lambda: page.evaluate("() => document.documentElement.scrollWidth"),
        lambda w: w <= width,
    )


def settled_shot(page: Page, place: Locator) -> bytes:
    """What is seen there as soon as three looks in a row see the same. Another process draws it, and a
    camera may glide to its place; every look makes a frame."""
    seen: list[bytes] = []

    def look() -> list[bytes]:
        seen.append(place.screenshot())
        return seen[-3:]

    return comes(page, look, lambda last: len(last) == 3 and len(set(last)) == 1)[0]


def run_of(server: Live, pipeline: str, input: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A finished run in the form of a recorded one."""
    body = {"pipeline": pipeline, "input": input, "settings": {"seed": 3, **settings}}
    answer = httpx.post(f"{server.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    run = answer.json()
    events = all_events(server.url + run["events"])
    return {
        "pipeline": pipeline,
        "input": input,
        "settings": run["settings"],
        "events": events,
        "recorded_at": "2026-01-01T00:00:00Z",
        "checkpoints": {},
    }


def settling(trace: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Curves for a toy run, which measures none: band k falls in step k of the way."""
    frames = [event["data"] for event in trace["events"] if event["event"] == "frame"]
    count = len(frames)
    bands = []
    for k, name in enumerate(names):
        error = [max(0.0, 1 - (i + 1) / (count - len(names) + k)) for i in range(count)]
        level = frames[next(i for i, e in enumerate(error) if e < 0.1)]["sigma_over_data"]
        bands.append({"name": name, "label": name, "unit": "", "error": error, "settled_at": level})
    levels = [frame["sigma_over_data"] for frame in frames]
    return {"bands": bands, "sigma_over_data": levels, "stage": ["toy"] * count}


@dataclass
class Stage:
    """The page, its server, and the two toys behind it."""

    page: Page
    server: Live
    picture: Toy
    molecule: Toy
    traces: dict[str, Any] = field(default_factory=dict)

    def open(self, query: str = "", wait: bool = True) -> Stage:
        """With its recorded runs on it and what is on offer known, if ``wait``."""
        self.page.goto(f"{self.server.url}/?lowgfx=1{query}")
        if wait:
            self.page.wait_for_selector("body[data-ready]")
            expect(self.page.locator("#settings-form fieldset").first).to_be_attached()
        return self

    def charted(self) -> None:
        """The curves are there; of a stage with Plotly."""
        expect(self.page.locator("#chart")).to_have_attribute("data-state", "drawn")

    def still(self) -> Stage:
        """Playback off, playhead at the noise."""
        self.page.locator("#track").focus()
        self.page.keyboard.press("Home")
        return self

    def value(self) -> int:
        return int(self.page.locator("#track").get_attribute("aria-valuenow") or -1)

    def words(self) -> str:
        return self.page.locator("#track").get_attribute("aria-valuetext") or ""

    def status(self, pipeline: str) -> str:
        return self.page.locator(f"#{pipeline} [data-role=status]").inner_text()

    def origin(self, pipeline: str) -> str:
        return self.page.locator(f"#{pipeline} .origin").inner_text()

    def until(self, condition: str) -> None:
        """Waits for a JavaScript condition; a function, because the policy forbids eval."""
        self.page.wait_for_function(f"() => {condition}")
