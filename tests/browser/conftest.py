"""Real Chromium under the page's real Content-Security-Policy (it is never bypassed).

Every test fails on a console error, an uncaught exception, a policy violation or a request to another
host. ``stage`` opens the page on a server whose two pipelines are exact and answer when told to.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser_stage import PATIENCE_MS, Stage, Watch, run_of, settling, without_viewers
from live import Live, live
from molecule_toy import MoleculeToy, TwinToy
from picture_toy import PictureToy, TokenToy
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from school import Frames, Molecule, Picture, School, light
from toy import Toy

from models.dye.pipeline import Dye

expect.set_options(timeout=PATIENCE_MS)

FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """``CHROMIUM`` names a browser; else the machine's own, else the one Playwright installed."""
    arguments = {**browser_type_launch_args, "args": FLAGS}
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    return {**arguments, "executable_path": found} if found else arguments


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": {"width": 1366, "height": 768}}


@pytest.fixture
def new_context(new_context: Callable[..., BrowserContext]) -> Callable[..., BrowserContext]:
    def patient(**settings: Any) -> BrowserContext:
        context = new_context(**settings)
        context.set_default_timeout(PATIENCE_MS)
        return context

    return patient


@pytest.fixture(autouse=True)
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    watching = Watch()
    if "page" in request.fixturenames:  # tests of pure modules have none, it takes time to open
        page: Page = request.getfixturevalue("page")
        page.on("console", watching.console)
        page.on("pageerror", lambda error: watching.problems.append(f"exception: {error}"))
        page.on("request", watching.request)
    yield watching
    assert watching.unexpected() == []


@pytest.fixture
def serve(serve: Callable[..., Live], browser: Browser) -> Iterator[Callable[..., Live]]:
    """With a lane for each of two networks that a test may hold and one for all else, so that what is
    held never stands in the way of another run, whichever of them began first."""
    urls: list[str] = []

    def start(*pipelines: Any, **settings: Any) -> Live:
        server = serve(*pipelines, **{"threads": 3, "lanes": 3, **settings})
        urls.append(server.url)
        return server

    yield start
    # Pages end before their server does: else they complain of its absence while the test is over.
    for page in [page for context in browser.contexts for page in context.pages]:
        if page.url.startswith(tuple(urls)):
            page.close()


@pytest.fixture(scope="module")
def origin(browser: Browser) -> Iterator[Page]:
    """One page of the server for all tests here; it has no pipelines, only files."""
    server = live({})
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{server.url}/docs")
    yield page
    page.close()
    server.end()


@pytest.fixture
def module(origin: Page) -> Any:
    """Calls ``body`` (JavaScript, returns a value) with a module's exports as ``m``."""

    def call(name: str, body: str, argument: Any = None) -> Any:
        script = f"async (a) => {{ const m = await import('/static/js/{name}.js'); {body} }}"
        return origin.evaluate(script, argument)

    return call


@pytest.fixture
def toys() -> tuple[Toy, Toy]:
    return Toy("image", id="dalle2"), Toy("molecule", id="alphafold3")


@pytest.fixture
def full(page: Page, serve: Callable[..., Live], toys: tuple[Toy, Toy]) -> Stage:
    """The page on a server of its own, with recorded runs of the same toys, the 3-D viewer and Plotly."""
    return stage_of(page, serve(*toys), *toys)


@pytest.fixture
def stage(full: Stage, page: Page) -> Stage:
    """The same without the viewers."""
    without_viewers(page)
    return full


@pytest.fixture
def pictures(page: Page, serve: Callable[..., Live]) -> Stage:
    """The same with a picture pipeline that knows the tricks, and one that draws by tokens."""
    without_viewers(page)
    picture, molecule = PictureToy(), Toy("molecule", id="alphafold3")
    return stage_of(page, serve(picture, molecule, TokenToy()), picture, molecule, tokens=True)


@pytest.fixture
def molecules(page: Page, serve: Callable[..., Live]) -> Stage:
    """The same with a molecule pipeline that has everything, and a twin beside it: the flat drawing answers
    to the same calls as the 3-D viewer."""
    without_viewers(page)
    picture, molecule = Toy("image", id="dalle2"), MoleculeToy()
    return stage_of(page, serve(picture, molecule, TwinToy()), picture, molecule)


@pytest.fixture
def school(page: Page, serve: Callable[..., Live]) -> School:
    """A stage for lessons: exact pipelines, and less motion, so that nothing is waited for."""
    page.emulate_media(reduced_motion="reduce")
    picture, molecule = Picture(), Molecule()
    server = serve(picture, molecule, TokenToy(), Frames(), Dye())
    traces = {
        "dalle2": run_of(server, "dalle2", {"prompt": "a toy"}),
        "alphafold3": run_of(server, "alphafold3", {"smiles": "CCO"}),
        "dye": run_of(server, "dye", {"shape": "drop"}),
    }
    light(page, traces)
    return School(page, server, picture, molecule, traces)


def stage_of(page: Page, server: Live, picture: Toy, molecule: Toy, tokens: bool = False) -> Stage:
    traces = {
        "dalle2": run_of(server, "dalle2", {"prompt": "a toy"}),
        "alphafold3": run_of(server, "alphafold3", {"smiles": "CCO"}, steps=9),
    }
    beside = {"dalle1": run_of(server, "dalle1", {"prompt": "a toy"})} if tokens else {}
    names = {"dalle2": ("low", "middle", "high"), "alphafold3": ("global", "angles", "bonds")}
    for id, trace in traces.items():
        trace["events"][-1]["data"]["settling"] = settling(trace, names[id])

    def recorded(route: Route) -> None:
        id = urlsplit(route.request.url).path.rsplit("/", 1)[1].removesuffix(".json")
        # The dye drop has no part here; its shipped recording is loaded in test_shipped.py.
        empty = {"input": {}, "events": [{"event": "start", "data": {"stages": []}}]}
        body = traces.get(id) or beside.get(id) or empty
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))

    page.route("**/static/traces/*.json", recorded)
    return Stage(page, server, picture, molecule, traces)
