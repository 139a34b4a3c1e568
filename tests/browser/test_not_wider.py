"""No page is wider than its window: where that was hardest, in the languages with the longest words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from branch_toy import BranchToy
from browser_stage import not_wider, without_viewers
from idea_toy import IdeaToy
from live import Live, live
from picture_toy import TokenToy
from playwright.sync_api import Browser, Page

# Each of these was 4 to 177 pixels too wide once.
WORST = [
    ("/", "es", "projector"),
    ("/", "de", "projector"),
    ("/?lesson=axis&step=2", "de", "projector"),
    ("/lab", "es", "projector"),
    ("/embed", "de", "projector"),
    ("/models", "es", "projector"),
    ("/lessons", "de", "light"),
]
WIDTHS = (320, 360, 768, 820, 1024, 1110)


@pytest.fixture(scope="module")
def server(browser: Browser) -> Iterator[Live]:
    """All kinds of pipelines, so that every button is there."""
    server = live({t.id: t for t in (IdeaToy(), BranchToy("molecule", "alphafold3"), TokenToy())})
    yield server
    server.end()


@pytest.mark.parametrize(("path", "language", "theme"), WORST)
def test_nothing_sticks_out(server: Live, page: Page, path: str, language: str, theme: str) -> None:
    without_viewers(page)
    mark = "&" if "?" in path else "?"
    page.goto(f"{server.url}{path}{mark}lang={language}&theme={theme}&lowgfx=1")
    if path[:2] in ("/", "/?"):
        page.wait_for_selector("body[data-ready]")
        page.keyboard.press("End")  # with everything that a finished run shows
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        not_wider(page, width)
