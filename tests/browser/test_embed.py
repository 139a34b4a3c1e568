"""The stage in a frame of another origin, as in slides."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from browser_stage import PATIENCE_MS, Watch, comes, run_of
from live import Live, live
from molecule_toy import MoleculeToy, TwinToy
from picture_toy import PictureToy, TokenToy
from playwright.sync_api import Browser, FrameLocator, Page, expect
from test_access import judged

from models.dye.pipeline import Dye

SLIDE = """<!doctype html><title>slide</title><body style="margin:0">
<iframe id="frame" width="{width}" height="{height}" src="{src}"></iframe>"""


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({p.id: p for p in (PictureToy(), MoleculeToy(), TokenToy(), TwinToy(), Dye())})
    yield started
    started.end()


@pytest.fixture(scope="module")
def slides() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Another origin with pages of its own, and those pages by path."""
    pages: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            if self.path == "/isolated":
                self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
                self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def log_message(self, *_: Any) -> None: ...

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{other.server_port}", pages
    other.shutdown()
    thread.join()
    other.server_close()


@pytest.fixture(scope="module")
def slide(browser: Browser, server: Live) -> Iterator[tuple[Page, Watch, list[dict[str, Any]]]]:
    page = browser.new_page(viewport={"width": 1000, "height": 600}, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    watching, posted = Watch(), []
    page.on("console", watching.console)
    page.on("pageerror", lambda error: watching.problems.append(f"exception: {error}"))
    page.on("request", watching.request)
    page.on(
        "request",
        lambda r: posted.append(r.post_data_json) if r.url.endswith("/api/runs") else None,
    )
    page.route("**/3Dmol-min.js", lambda route: route.fulfill(status=200, body=""))
    inputs: dict[str, dict[str, Any]] = {
        "alphafold2": {"protein": "ACDEFGHIKLMN"},
        "dalle1": {"prompt": "a toy"},
        "dalle2": {"prompt": "a toy"},
        "alphafold3": {"smiles": "CCO"},
        "dye": {"shape": "drop"},
    }
    traces = {id: run_of(server, id, input) for id, input in inputs.items()}

    def recorded(route: Any) -> None:
        route.fulfill(
            status=200, json=traces[route.request.url.rsplit("/", 1)[1].removesuffix(".json")]
        )

    page.route("**/static/traces/*.json", recorded)
    yield page, watching, posted
    page.close()


def framed(
    slide: tuple[Page, Watch, list], slides: tuple[str, dict[str, bytes]], src: str,
    width: int = 960, height: int = 540, path: str = "/",
) -> FrameLocator:  # fmt: skip
    page, watching, posted = slide
    watching.problems.clear()
    posted.clear()
    origin, pages = slides
    pages[path] = SLIDE.format(width=width, height=height, src=src.replace("&", "&amp;")).encode()
    page.goto(origin + path)
    return page.frame_locator("#frame")


@pytest.mark.parametrize(
    "query, ids",
    [
        ("", ["dalle2", "alphafold3"]),
        ("only=dalle2", ["dalle2"]),
        ("only=alphafold3", ["alphafold3"]),
        ("only=dye", ["dye"]),
        ("only=nonsense", ["dalle2", "alphafold3"]),
    ],
)
def test_the_recorded_run_in_a_frame_of_another_origin(
    slide: tuple[Page, Watch, list], slides: Any, server: Live, query: str, ids: list[str]
) -> None:
    frame = framed(slide, slides, f"{server.url}/embed?lowgfx=1&{query}")
    for id in ids:
        expect(frame.locator(f"#{id} .origin")).to_have_text("recorded")
        expect(frame.locator(f"#{id} [data-role=status]")).to_contain_text("finished")
    assert frame.locator(".panel").count() == len(ids)
    assert frame.locator("#ask, #below, dialog").count() == 0
    frame.locator("#track").focus()
    slide[0].keyboard.press("Home")
    expect(frame.locator(f"#{ids[0]} [data-role=status]")).to_contain_text("step 1 of")
    assert slide[2] == [] and slide[1].unexpected() == []


@pytest.mark.parametrize("width, height", [(960, 540), (480, 320)])
@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
def test_it_fits_its_frame(
    slide: tuple[Page, Watch, list], slides: Any, server: Live, width: int, height: int, theme: str
) -> None:
    frame = framed(slide, slides, f"{server.url}/embed?lowgfx=1&theme={theme}", width, height)
    for id in ("dalle2", "alphafold3"):
        expect(frame.locator(f"#{id} .origin")).to_have_text("recorded")
    size = "(root) => [root.scrollWidth, root.scrollHeight]"
    root = frame.locator("html")
    comes(slide[0], lambda: root.evaluate(size), lambda found: found == [width, height])
    wells = ("#dalle2 .estimate .well", "#alphafold3 .estimate .well")

    def large(boxes: list) -> bool:
        return all(box and box["width"] > 100 and box["height"] > 90 for box in boxes)

    comes(slide[0], lambda: [frame.locator(well).bounding_box() for well in wells], large)
    for button in ("toggle", "forward", "last", "swap"):
        expect(frame.locator(f"[data-action={button}]")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("query", ["", "only=dye"])
def test_it_is_for_everybody(slide: tuple[Page, Watch, list], server: Live, query: str) -> None:
    page = slide[0]
    page.goto(f"{server.url}/embed?lowgfx=1&{query}")
    page.wait_for_selector("body[data-ready]")
    judged(page, f"embed {query}")


def test_an_input_in_the_query_runs_live_to_its_step_and_opens_on_the_stage(
    slide: tuple[Page, Watch, list], slides: Any, server: Live
) -> None:
    query = "lowgfx=1&prompt=a+red+fish&molecule=CCO&seed=9&steps=5,7&u=0.5&v=0123abcd&speed=9"
    frame = framed(slide, slides, f"{server.url}/embed?{query}")
    for id in ("dalle2", "alphafold3"):
        expect(frame.locator(f"#{id} .origin")).to_have_text("live")
    expect(frame.locator("#track")).to_have_attribute("aria-valuenow", "50")
    asked = {body["pipeline"]: body for body in slide[2]}
    assert asked["dalle2"]["input"] == {"prompt": "a red fish"}
    assert asked["alphafold3"]["input"] == {"smiles": "CCO"}
    assert (
        asked["dalle2"]["settings"]["seed"] == 9 and asked["alphafold3"]["settings"]["steps"] == 7
    )
    expect(frame.locator("#notice")).to_contain_text("speed = “9”")
    expect(frame.locator("#notice")).to_contain_text("made with other weights")
    way = frame.get_by_role("link", name="Open in Twofold")
    there = urlsplit(way.get_attribute("href") or "")
    assert there.path == "/" and parse_qs(there.query)["prompt"] == ["a red fish"]
    assert way.get_attribute("target") == "_blank"
    assert slide[1].unexpected() == []


@pytest.mark.parametrize(
    "query, ids",
    [
        ("mode=compare&prompt=x", ["dalle2", "dalle1"]),
        ("twins=1&molecule=ACDEFGHIKLMN", ["alphafold2", "alphafold3"]),
    ],
)
def test_two_models_side_by_side(
    slide: tuple[Page, Watch, list], slides: Any, server: Live, query: str, ids: list[str]
) -> None:
    frame = framed(slide, slides, f"{server.url}/embed?lowgfx=1&seed=1&{query}")
    for id in ids:
        expect(frame.locator(f"#{id} .origin")).to_have_text("live")
    assert sorted(body["pipeline"] for body in slide[2]) == sorted(ids)
    assert slide[1].unexpected() == []


def test_a_frame_that_is_not_seen_starts_no_run(
    slide: tuple[Page, Watch, list], slides: Any, server: Live
) -> None:
    page, _, posted = slide
    origin, pages = slides
    src = f"{server.url}/embed?lowgfx=1&amp;prompt=x&amp;only=dalle2"
    far = '<p style="height:4000px">a long page</p>'
    pages["/far"] = far.encode() + SLIDE.format(width=480, height=320, src=src).encode()
    posted.clear()
    page.goto(f"{origin}/far")
    page.frame_locator("#frame").locator("body[data-ready]").wait_for(state="attached")
    assert posted == []
    with page.expect_request("**/api/runs"):
        page.locator("#frame").scroll_into_view_if_needed()


def test_an_isolated_page_may_show_it(
    slide: tuple[Page, Watch, list], slides: Any, server: Live
) -> None:
    frame = framed(slide, slides, f"{server.url}/embed?lowgfx=1", path="/isolated")
    expect(frame.locator("#dalle2 .origin")).to_have_text("recorded")
    assert slide[1].unexpected() == []


def test_no_other_page_can_be_framed(
    slide: tuple[Page, Watch, list], slides: Any, server: Live
) -> None:
    framed(slide, slides, f"{server.url}/?lowgfx=1")
    page = slide[0]
    with page.expect_event(
        "console", lambda m: "frame-ancestors" in m.text or "refused" in m.text.lower()
    ):
        page.reload()
    assert page.frame_locator("#frame").locator("#ask").count() == 0


def test_an_operator_may_name_who_frames_it(slide: tuple[Page, Watch, list], slides: Any) -> None:
    server = live({"dalle2": PictureToy()}, embed_ancestors="'self' https://school.example")
    try:
        framed(slide, slides, f"{server.url}/embed?lowgfx=1")
        page = slide[0]
        with page.expect_event("console", lambda m: "frame-ancestors" in m.text):
            page.reload()
        assert page.frame_locator("#frame").locator("#track").count() == 0
    finally:
        slide[0].goto("about:blank")
        server.end()
