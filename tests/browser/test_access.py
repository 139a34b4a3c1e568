"""Every page in every theme, judged by axe-core; and the whole way through the stage by keyboard alone.

The states that need more than a click are judged where they are made, by the same :func:`judged`:
rooms, lessons, the modes of pictures and molecules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_stage import Stage, Watch, address, not_wider
from conftest import stage_of
from live import Live, live
from molecule_toy import MoleculeToy, TwinToy
from picture_toy import PictureToy, TokenToy
from playwright.sync_api import Page, expect

from models.dye.pipeline import Dye

THEMES = ("light", "dark", "projector")


def judged(page: Page, state: str, themes: tuple[str, ...] = THEMES) -> None:
    """What axe-core has to say about the page as it is, in each theme."""
    found = []
    for theme in themes:
        page.evaluate("(name) => { document.documentElement.dataset.theme = name; }", theme)
        for violation in Axe().run(page).response["violations"]:
            targets = [node["target"] for node in violation["nodes"]]
            found.append((state, theme, violation["id"], targets))
    assert found == []


@pytest.fixture
def whole(page: Page, serve: Callable[..., Live]) -> Stage:
    """A stage with everything on it; still, so that no colour is judged on its way to another."""
    page.emulate_media(reduced_motion="reduce")
    picture, molecule = PictureToy(), MoleculeToy()
    server = serve(picture, molecule, TokenToy(), TwinToy(), Dye())
    return stage_of(page, server, picture, molecule, tokens=True)


def test_the_stage_from_its_first_picture_to_its_last(whole: Stage, page: Page) -> None:
    whole.open().charted()
    judged(page, "recorded")
    page.click("#settings summary")
    judged(page, "settings")
    page.keyboard.press("Escape")
    assert isinstance(whole.molecule, MoleculeToy)
    nets = (whole.picture.net, whole.molecule.nets[False])
    for net in nets:
        net.hold()
    page.click("#run")
    for net in nets:
        net.permit(2)
    for id in ("dalle2", "alphafold3"):
        expect(page.locator(f"#{id} .origin[data-origin=live]")).to_be_visible()
        expect(page.locator(f"#{id} [data-role=status]")).to_contain_text("step")
    whole.still()
    expect(page.locator(".follow")).to_be_visible()
    judged(page, "in mid-run")
    for net in nets:
        net.permit(99)
    expect(page.locator("#run")).to_have_attribute("data-state", "idle")
    page.locator("#track").focus()
    page.keyboard.press("End")
    page.locator("#dye-section").scroll_into_view_if_needed()
    expect(page.locator("#dye-shapes button").first).to_be_visible()
    judged(page, "finished")
    page.click("#library-open")
    expect(page.locator("#library")).to_be_visible()
    judged(page, "library")
    page.keyboard.press("Escape")
    page.fill("#seed", "no number")
    page.click("#run")
    expect(page.locator("#seed-error")).to_be_visible()
    page.fill("#seed", "3")
    page.fill("#molecule", '{"sequences": [')
    page.click("#run")
    expect(page.locator("#molecule-error")).to_be_visible()
    judged(page, "refused")


def test_what_goes_wrong_is_readable_too(whole: Stage, page: Page, watch: Watch) -> None:
    watch.expected = ["exception: on purpose"]
    whole.open()
    page.evaluate("() => setTimeout(() => { throw new Error('on purpose'); })")
    expect(page.locator("#trouble button")).to_be_visible()
    judged(page, "trouble")


@pytest.fixture(scope="module")
def plain() -> Iterator[Live]:
    server = live({"dye": Dye()})
    yield server
    server.end()


PAGES = {
    "/lessons": "[data-lesson-id] .lesson-doing",
    "/lessons?print=axis": "#lesson-sheet h2",
    "/models": ".model-list",
    "/models/dalle2": "body[data-ready]",
    "/models/alphafold3": "body[data-ready]",
    "/docs": "main",
    "/room": "#code",
    "/nowhere": "h1",
    "/models/none": "h1",
}


@pytest.mark.parametrize("path", PAGES)
def test_the_other_pages(plain: Live, page: Page, watch: Watch, path: str) -> None:
    watch.expected = ["404"] if path in ("/nowhere", "/models/none") else []
    page.goto(plain.url + path)
    page.wait_for_selector(PAGES[path])
    judged(page, path)
    page.set_viewport_size({"width": 390, "height": 844})
    not_wider(page, 390)


def test_what_is_not_there_has_a_page_and_a_way_back(plain: Live, page: Page, watch: Watch) -> None:
    watch.expected = ["404"]
    answer = page.goto(f"{plain.url}/nowhere?lang=de")
    assert answer and answer.status == 404
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.click("main a >> nth=0")
    expect(page.locator("#track")).to_be_visible()
    assert "lang=de" in address(page)


def test_the_whole_way_by_keyboard_alone(whole: Stage, page: Page) -> None:
    """Type, run, pause, step, markers, sample, export, theme, lesson: no pointer anywhere."""
    whole.open()
    page.evaluate("() => document.activeElement.blur()")
    keys = page.keyboard
    keys.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    reach(page, "#prompt")
    keys.press("Control+A")
    keys.type("a red fish, 5 k")
    assert whole.value() == 100  # typing moved nothing
    keys.press("Enter")
    expect(page.locator("#dalle2 .origin")).to_have_attribute("data-origin", "live")
    expect(page.locator("#run")).to_have_attribute("data-state", "idle")
    reach(page, "#track")
    keys.press("Home")
    keys.press(" ")
    expect(page.locator(".play")).to_have_attribute("data-state", "playing")
    keys.press("k")
    expect(page.locator(".play")).to_have_attribute("data-state", "paused")
    keys.press("Home")
    keys.press("ArrowRight")
    stepped = whole.value()
    assert stepped > 0
    for key, action in ((",", "global"), (".", "local")):
        button = page.locator(f"[data-action={action}]")
        if button.is_visible():
            keys.press(key)
            at = whole.value()
            reach(page, f"[data-action={action}]")
            keys.press("Home")
            keys.press("Enter")
            assert whole.value() == at
    reach(page, "[data-theme-name=dark]")
    keys.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert focus_is_visible(page)
    reach(page, "a[href^='/lessons']")
    keys.press("Enter")
    expect(page.locator("[data-lesson-id]").first).to_be_visible()
    reach(page, "[data-lesson-id] a")
    keys.press("Enter")
    expect(page.locator("#lesson h3")).to_be_visible()
    reach(page, "[data-hold=next]")
    assert re.search(r"lesson=\w+", address(page))


def reach(page: Page, selector: str, most: int = 150) -> None:
    """Goes on with Tab until what the selector finds has the focus."""
    for _ in range(most):
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {selector}")


def focus_is_visible(page: Page) -> bool:
    outline, shadow = page.evaluate(
        """() => {
          const style = getComputedStyle(document.activeElement);
          return [style.outlineStyle, style.boxShadow];
        }"""
    )
    return outline != "none" or shadow != "none"
