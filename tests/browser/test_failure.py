"""Whatever fails, the page says it in a sentence and offers a way on; it is never blank."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_stage import PATIENCE_MS, Stage, Watch, comes, without_viewers
from conftest import FLAGS
from live import Live
from playwright.sync_api import Browser, BrowserType, Page, Route, expect
from toy import Toy

from app.pages import recorded

ROOT = Path(__file__).parents[2]
NAMES = "dye,dalle2,alphafold3"


def free_port() -> int:
    """Not one of those that the system lends for a moment: it has to be free again after a death."""
    for port in random.sample(range(20_000, 30_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


class Server:
    """The real server as a process of its own, at one port, so that it can die and come back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        script = ROOT / "tests" / "faults" / "shaky.py"
        # 300 steps at this pace take half a minute, more than enough to be hit in.
        env = {
            **os.environ,
            "TWOFOLD_PORT": str(self.port),
            "TWOFOLD_THREADS": "1",
            "TWOFOLD_PIPELINES": NAMES,
            "SHAKY_S": "0.1",
        }
        self.process = subprocess.Popen(
            [sys.executable, str(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env
        )
        assert self.process.stdout
        assert any("is ready at" in line for line in self.process.stdout)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.kill()


def test_a_server_that_dies_in_mid_run_and_comes_back(
    server: Server, page: Page, watch: Watch
) -> None:
    # How a connection to a dead server fails is the browser's affair (refused, reset, empty, cut ...).
    watch.expected = ["Failed to load resource: net::ERR_", "404"]
    without_viewers(page)
    posted: list[dict] = []
    page.on(
        "request",
        lambda r: (
            posted.append(r.post_data_json)
            if r.method == "POST" and r.url.endswith("/api/runs")
            else None
        ),
    )
    page.goto(f"{server.url}/?lowgfx=1&steps=300")
    expect(page.locator("#settings-form fieldset").first).to_be_attached()
    page.click("#run")
    for id in ("dalle2", "alphafold3"):
        expect(page.locator(f"#{id} .origin")).to_have_attribute("data-origin", "live")
    server.kill()
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text("waiting for the server")
    expect(page.locator("#dalle2 .well canvas").first).to_be_visible()  # what has come stays
    server.start()
    # Both are known to be lost, and are started again without being told to.
    expect(trouble).to_contain_text("has been started again")
    comes(page, lambda: len(posted), lambda count: count >= 4)
    before = 2
    expect(page.locator("#dalle2 .origin")).to_have_attribute("data-origin", "live")
    expect(page.locator("#alphafold3 .origin")).to_have_attribute("data-origin", "live")
    again = posted[before:]
    assert {body["pipeline"] for body in again} == {"dalle2", "alphafold3"}
    first = {body["pipeline"]: body for body in posted[:before]}
    for body in again:
        assert body["input"] == first[body["pipeline"]]["input"]
        assert isinstance(body["settings"]["seed"], int)


def test_a_queue_says_place_and_wait(stage: Stage, page: Page) -> None:
    stage.open()

    def waiting(route: Route) -> None:
        event = {"place": 3, "wait_s": 11.2}
        body = f"retry: 100000\nevent: queued\ndata: {json.dumps(event)}\n\n"
        route.fulfill(status=200, body=body, content_type="text/event-stream")

    page.route("**/api/runs/*/events", waiting)
    page.locator("#molecule-examples button").first.click()
    expect(page.locator("#molecule-error")).to_have_text(
        "Waiting for a place: number 3 in the queue, about 12 s"
    )


@pytest.fixture(scope="module")
def without_webgl(browser_type: BrowserType, browser_type_launch_args: dict) -> Iterator[Browser]:
    flags = [flag for flag in FLAGS if "swiftshader" not in flag]
    given = {
        **browser_type_launch_args,
        "args": [*flags, "--disable-gpu", "--disable-webgl", "--disable-software-rasterizer"],
    }
    browser = browser_type.launch(**given)
    yield browser
    browser.close()


def test_without_webgl_molecules_are_drawn_flat(without_webgl: Browser, live_server: Live) -> None:
    """Real recordings; turned by hand, scrubbed, and the chart is there."""
    page = without_webgl.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(live_server.url)
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate("() => document.createElement('canvas').getContext('webgl2')") is None
    expect(page.locator(".flat-note").first).to_contain_text("drawn flat")
    page.locator("#track").focus()
    page.keyboard.press("End")
    canvas = page.locator("#alphafold3 .estimate canvas.flat")
    read = "(canvas) => canvas.toDataURL()"
    before = canvas.evaluate(read)
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 90, steps=4)
    page.mouse.up()
    turned = canvas.evaluate(read)
    assert turned != before
    canvas.focus()
    page.locator("#alphafold3 .estimate .well").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert canvas.evaluate(read) != turned
    page.wait_for_selector("#chart[data-state=drawn]")
    assert problems == []
    page.close()


def test_without_javascript_recorded_pictures_and_a_sentence(
    browser: Browser, live_server: Live
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/?lang=en")
    expect(page.locator(".without .trouble")).to_contain_text("Without JavaScript")
    pictures = page.locator(".without img")
    expect(pictures).to_have_count(len({"dalle2", "alphafold3"} & set(recorded())))
    for k in range(pictures.count()):
        box = pictures.nth(k).bounding_box()
        assert box and box["width"] > 600 and box["height"] > 100  # loaded: an empty one is flat
    expect(page.locator("#ask")).to_be_hidden()
    context.close()


def test_the_page_works_with_no_other_host_and_no_answer_of_its_own(
    stage: Stage, page: Page, watch: Watch
) -> None:
    """Offline after the first load: the recorded run still plays, Run says what is wrong and mends it."""
    watch.expected = ["ERR_INTERNET_DISCONNECTED"]
    stage.open()
    page.context.set_offline(True)
    stage.still()
    page.keyboard.press("5")
    assert stage.value() == 50
    page.locator("#molecule-examples button").first.click()
    expect(page.locator("#trouble")).to_contain_text("did not answer")
    expect(page.locator("#run")).to_have_attribute("data-state", "running")  # and can be stopped
    expect(page.locator("#trouble button")).to_be_visible()
    page.context.set_offline(False)
    # At once, unless the page has just asked again by itself.
    page.evaluate("() => document.querySelector('#trouble button')?.click()")
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_module_that_does_not_come_is_said_and_can_be_tried_again(
    stage: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["ERR_FAILED", "exception", "Failed to"]
    stage.open()
    page.route("**/static/js/map_view.js", lambda route: route.abort())
    page.click("#tab-map")
    expect(page.locator("#trouble")).to_contain_text("went wrong")
    expect(page.locator("#trouble button")).to_have_text("Reload")
    stage.still()
    page.keyboard.press("5")
    assert stage.value() == 50  # the rest goes on


def test_words_that_do_not_come_are_said(stage: Stage, page: Page, watch: Watch) -> None:
    watch.expected = ["503", "exception"]
    page.route("**/text/**", lambda route: route.fulfill(status=503, body=""))
    stage.open(wait=False)
    expect(page.locator("#trouble")).to_contain_text("could not start")


def test_a_slow_network_shows_the_page_before_its_pictures(
    page: Page, serve: Callable[..., Live], toys: tuple[Toy, Toy], watch: Watch
) -> None:
    """The page stands, the words are there and the panels say that they wait, while the recorded runs
    are still on their way; then they play."""
    without_viewers(page)
    held: list[Route] = []
    page.route("**/static/traces/*.json", lambda route: held.append(route))
    page.goto(f"{serve(*toys).url}/?lowgfx=1", wait_until="commit")
    expect(page.locator("#dalle2 [data-role=status]")).not_to_be_empty()
    expect(page.locator("#run")).to_be_enabled()
    page.wait_for_function("() => document.querySelector('#settings-form fieldset')")
    comes(page, lambda: len(held), lambda count: count >= 2)
    for route in held:
        route.continue_()
    expect(page.locator("#dalle2 .origin")).to_have_attribute("data-origin", "recorded")
