"""Branch from here: a run goes on from the playhead, both tracks stay, the link brings them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from branch_toy import BranchToy
from browser_stage import Stage, Watch, address, comes, query_of, without_viewers
from conftest import stage_of
from live import Live
from playwright.sync_api import BrowserContext, Page, expect

PICTURE, MOLECULE = "#dalle2", "#alphafold3"
DRAWN = """(place) => [...document.querySelectorAll(place)].map((canvas) => canvas.toDataURL())"""
MAIN = f"{PICTURE} .estimate canvas"
GHOST = f"{PICTURE} .ghost canvas"


@pytest.fixture
def forked(page: Page, serve: Callable[..., Live]) -> Stage:
    """A stage whose runs can be left, their recorded runs at the noise, without the heavy viewers."""
    without_viewers(page)
    picture, molecule = BranchToy("image", "dalle2"), BranchToy("molecule", "alphafold3")
    return stage_of(page, serve(picture, molecule), picture, molecule)


def posted(page: Page) -> list[dict[str, Any]]:
    """Bodies of the runs that the page asks for, filled as it asks."""
    bodies: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: (
            bodies.append(json.loads(request.post_data or "{}"))
            if request.method == "POST" and request.url.endswith("/api/runs")
            else None
        ),
    )
    return bodies


def at_step(stage: Stage, presses: int) -> None:
    stage.still()
    expect(stage.page.locator("#settings-form input").first).to_be_attached()
    for _ in range(presses):
        stage.page.keyboard.press("ArrowRight")


def ends(stage: Stage) -> None:
    """The branches have come to their end, and the playhead with them."""
    expect(stage.page.locator("#run")).to_have_text("Run")
    expect(stage.page.locator("#track")).to_have_attribute("aria-valuenow", "100")
    for panel in (PICTURE, MOLECULE):  # 99.6 % of the way is 100, and not the end
        expect(stage.page.locator(f"{panel} [data-role=status]")).to_contain_text("finished")


def test_a_picture_goes_on_with_another_caption(forked: Stage, page: Page) -> None:
    stage, bodies = forked.open(), posted(page)
    trace = stage.traces["dalle2"]
    at_step(stage, 3)
    there = stage.status("dalle2")
    step = int(there.split()[1])
    assert 1 < step < 6
    expect(page.locator("#branch-run")).to_be_hidden()
    page.fill("#prompt", "a snowman")
    expect(page.locator("#branch-run")).to_be_visible()
    page.click("#branch-run")
    expect(page.locator(".fork-bar")).to_have_count(1)  # the molecule was not changed
    ends(stage)

    (body,) = bodies
    branch = body["branch"]
    assert body["input"] == {"prompt": "a snowman"} and body["settings"]["seed"] == 3
    assert branch["stage"] == "toy" and branch["step"] == step - 1
    assert branch["of"] == {"input": trace["input"], "settings": trace["settings"]}
    assert stage.origin("dalle2") == "live" and stage.origin("alphafold3") == "recorded"
    expect(page.locator(f"{PICTURE} .ghost figcaption")).to_have_text("first track")
    expect(page.locator(f"{PICTURE} .fork-words")).to_contain_text("“a toy”")
    expect(page.locator(f"{PICTURE} .fork-end")).to_contain_text("from the first track: layout")
    expect(page.locator("#branch-said")).to_contain_text("from the first track")
    last = [page.evaluate(DRAWN, place) for place in (MAIN, GHOST)]
    assert last[0] != last[1]

    # Left of the fork the child shows what its parent did, and both tracks are one.
    page.keyboard.press("Home")
    assert stage.status("dalle2") == "step 1 of 6"
    expect(page.locator(f"{PICTURE} .ghost figcaption")).to_have_text("one track until here")
    assert page.evaluate(DRAWN, MAIN) == page.evaluate(DRAWN, GHOST)

    # G changes them; the grid of samples, which has that key else, has only one.
    page.keyboard.press("End")
    page.locator("#track").focus()
    page.keyboard.press("g")
    assert stage.origin("dalle2") == "recorded"
    expect(page.locator(f"{PICTURE} .ghost figcaption")).to_have_text("the branch")
    assert [page.evaluate(DRAWN, place) for place in (MAIN, GHOST)] == last[::-1]
    page.get_by_role("button", name="Swap tracks").click()
    assert stage.origin("dalle2") == "live"
    expect(page.get_by_role("button", name="Swap tracks")).to_be_focused()

    # A branch of the branch keeps the whole way, and the link too.
    at_step(stage, step)
    page.fill("#prompt", "a moon")
    page.click("#branch-run")
    ends(stage)
    expect(page.locator(f"{PICTURE} .fork-words")).to_contain_text("“a snowman”")
    assert bodies[1]["branch"]["of"]["branch"]["of"]["input"] == trace["input"]
    page.get_by_role("button", name="Keep only the main track").click()
    expect(page.locator(".fork-bar, .view.ghost")).to_have_count(0)
    assert stage.origin("dalle2") == "live"


def test_by_keyboard_alone_and_back_by_its_link(forked: Stage, page: Page) -> None:
    stage, bodies = forked.open(), posted(page)
    at_step(stage, 3)
    page.keyboard.press("b")  # nothing was changed: new dice, for both
    expect(page.locator(".fork-bar")).to_have_count(2)
    ends(stage)
    seed = page.input_value("#seed")
    assert seed != "3" and {body["settings"]["seed"] for body in bodies} == {int(seed)}
    said = page.locator("#branch-said")
    expect(said).to_have_attribute("role", "status")
    expect(page.locator(f"{MOLECULE} .fork-end")).to_contain_text("Å from the first track")
    # The other molecule is drawn over this one.
    flat = f"{MOLECULE} .estimate canvas.flat"
    both = page.evaluate(DRAWN, flat)
    pictures = [page.evaluate(DRAWN, place) for place in (MAIN, GHOST)]
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()

    # The address computes all of it again, from nothing but itself.
    query = urlsplit(address(page)).query
    assert parse_qs(query)["branch"] and parse_qs(query)["seed"] == [seed]
    again = bodies[:]
    bodies.clear()
    page.goto("about:blank")
    page.goto(f"{stage.server.url}/?{query}")
    expect(page.locator(".fork-bar")).to_have_count(2)
    ends(stage)
    expect(page.locator(f"{MOLECULE} .fork-end")).to_contain_text("Å from the first track")
    assert [page.evaluate(DRAWN, place) for place in (MAIN, GHOST)] == pictures
    assert page.evaluate(DRAWN, flat) == both
    branches = {body["pipeline"]: body for body in bodies if "branch" in body}
    for body in again:
        assert branches[body["pipeline"]]["branch"]["step"] == body["branch"]["step"]
        assert branches[body["pipeline"]]["input"] == body["input"]
    assert query_of(page)["branch"] == parse_qs(query)["branch"]

    # Dropped by keyboard: only the main track is drawn.
    page.locator(f"{MOLECULE} .fork-bar").get_by_role("button", name="Keep only").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".fork-bar")).to_have_count(1)
    assert page.evaluate(DRAWN, flat) != both
    # Run begins anew: no track of before stays, and the link says so.
    page.click("#run")
    expect(page.locator(".fork-bar")).to_have_count(0)
    ends(stage)
    assert "branch" not in query_of(page)


def test_refused_at_the_field_and_left_while_it_streams(
    forked: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["422"]
    stage, bodies = forked.open(), posted(page)
    at_step(stage, 3)
    page.fill("#molecule", "CCCO")
    page.click("#branch-run")
    expect(page.locator("#molecule-error")).to_contain_text("has 3 atoms, not 4")
    assert stage.origin("alphafold3") == "recorded"
    expect(page.locator(".fork-bar")).to_have_count(0)
    # At the end of a run there is nothing to go on from: said, not only greyed.
    page.locator("#track").focus()
    page.keyboard.press("End")
    expect(page.locator("#branch")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("b")
    expect(page.locator("#branch-said")).to_contain_text("Move the playhead into the run")
    bodies.clear()

    # A run that still streams goes on beside its branch, to its own end.
    page.fill("#molecule", "CCO")
    stage.picture.net.hold()
    page.fill("#prompt", "a sun")
    page.click("#run")
    stage.picture.net.permit(3)
    expect(page.locator(f"{PICTURE} [data-role=status]")).to_have_text("step 3 of 6")
    page.locator("#track").focus()
    page.keyboard.press("ArrowLeft")
    page.fill("#prompt", "a star")
    page.click("#branch-run")
    stage.picture.net.permit(30)
    expect(page.locator(".fork-bar")).to_have_count(1)
    ends(stage)
    expect(page.locator(f"{PICTURE} .fork-end")).to_contain_text("from the first track")
    assert [body["input"] for body in bodies if body["pipeline"] == "dalle2"] == [
        {"prompt": "a sun"},
        {"prompt": "a star"},
    ]
    page.locator("#track").focus()
    page.keyboard.press("g")
    assert stage.status("dalle2").startswith("finished")


def test_a_class_sees_the_branch(
    forked: Stage, page: Page, watch: Watch, new_context: Callable[..., BrowserContext]
) -> None:
    """Who was there sees both tracks; who comes later sees the branch from where it began."""
    watch.expected = ["404"]
    page.unroute("**/static/traces/*.json")
    page.route("**/static/traces/*.json", lambda route: route.fulfill(status=404, body=""))
    stage = forked.open()
    expect(page.locator("#settings-form input").first).to_be_attached()
    page.fill("#prompt", "a sun")
    page.click("#run")
    ends(stage)
    page.click("#room-open")
    expect(page.locator("#room-dialog")).to_be_visible()
    code = page.locator("#room-code").inner_text().replace(" ", "")
    page.keyboard.press("Escape")

    def join() -> Page:
        other = new_context().new_page()
        for script in ("**/3Dmol-min.js", "**/plotly.min.js", "**/static/traces/*.json"):
            other.route(script, lambda route: route.fulfill(status=404, body=""))
        other.goto(f"{stage.server.url}/room/{code}?lowgfx=1")
        expect(other.locator("#room-words")).to_have_text("Following the presenter")
        return other

    first = join()
    expect(first.locator(f"{PICTURE} [data-role=status]")).to_contain_text("finished")
    at_step(stage, 3)
    page.fill("#prompt", "a moon")
    page.click("#branch-run")
    expect(page.locator(".fork-bar")).to_have_count(1)
    ends(stage)
    expect(first.locator(f"{PICTURE} .fork-words")).to_contain_text("“a sun”")
    expect(first.locator(f"{PICTURE} .fork-end")).to_contain_text("from the first track")
    # Its playhead comes to the presenter's; then both show the same.
    wanted = page.evaluate(DRAWN, GHOST)
    comes(first, lambda: first.evaluate(DRAWN, GHOST), lambda seen: seen == wanted)
    late = join()
    expect(late.locator(f"{PICTURE} [data-role=notes]")).to_contain_text("of another one")
    page.locator("#track").focus()
    page.keyboard.press("g")
    expect(first.locator(f"{PICTURE} .ghost figcaption")).to_have_text("the branch")
    expect(first.locator(f"{PICTURE} .fork-words")).to_contain_text("“a moon”")
