"""What the browser tests work with: the page as an object, its watcher, runs in recorded form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from live import Live, all_events
from playwright.sync_api import ConsoleMessage, Page, Request
from toy import Toy


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
        self.page.goto(f"{self.server.url}/?lowgfx=1{query}")
        if wait:
            self.page.wait_for_selector("body[data-ready]")
        return self

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

    def until(self, condition: str, timeout: float = 15_000) -> None:
        """Waits for a JavaScript condition; a function, because the policy forbids eval."""
        self.page.wait_for_function(f"() => {condition}", timeout=timeout)
