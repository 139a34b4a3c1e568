"""Themes, sizes, links; accessibility is in test_access.py."""

from __future__ import annotations

import pytest
from browser_stage import Stage, address, comes, not_wider, query_of
from playwright.sync_api import Page, expect

THEMES = ("light", "dark", "projector")
SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overflows_and_the_essentials_are_above_the_fold(
    full: Stage, page: Page, size: str
) -> None:
    """With everything on it, in each theme: the projector's letters are larger."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    full.open(f"&theme={THEMES[0]}").still().charted()
    essentials = ["#prompt", "#molecule", "#run", "#dalle2 .estimate .well", ".play", "#track"]
    if size != "phone":
        essentials.append("#alphafold3 .estimate .well")
    for theme in THEMES:
        page.evaluate("(name) => { document.documentElement.dataset.theme = name; }", theme)
        not_wider(page, width)
        comes(page, lambda: beyond(page, essentials, height), lambda found: found == [])
        if size == "phone":
            continue
        if theme != "projector":
            chart = page.locator("#chart-frame").bounding_box()
            assert chart and chart["y"] < height - 24  # the curves begin in sight
        well = page.locator("#dalle2 .estimate .well").bounding_box()
        assert well and well["height"] > 0.3 * height  # pictures are the point of the page


def beyond(page: Page, selectors: list[str], height: int) -> list[str]:
    """What of them does not lie between the window's edges."""
    boxes = {selector: page.locator(selector).bounding_box() for selector in selectors}
    return [
        selector
        for selector, box in boxes.items()
        if not box or box["y"] < 0 or box["y"] + box["height"] > height
    ]


def test_on_a_phone_typing_is_not_covered_by_the_player(stage: Stage, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 480})  # what a keyboard leaves
    stage.open()
    page.locator("#molecule").focus()
    page.locator("#molecule").scroll_into_view_if_needed()

    def boxes() -> list:
        return [page.locator(s).bounding_box() for s in ("#molecule", "#player")]

    def apart(found: list) -> bool:
        field, player = found
        return field["y"] + field["height"] <= player["y"] or player["y"] > 480

    comes(page, boxes, apart)  # the page scrolls to the field
    page.keyboard.type("N")
    assert page.input_value("#molecule").endswith("N")


def test_the_theme_switch_changes_everything_and_is_remembered(stage: Stage, page: Page) -> None:
    stage.open()
    light = page.evaluate("() => getComputedStyle(document.body).color")
    page.click("[data-theme-name=dark]")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("() => getComputedStyle(document.body).color") != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("[data-theme-name=dark]")).to_have_attribute("aria-pressed", "true")


def test_a_link_runs_the_same_again(stage: Stage, page: Page) -> None:
    stage.open()
    page.fill("#prompt", "a red fish & chips")
    page.fill("#molecule", "C[C@H](N)C#N")
    page.fill("#seed", "123")
    page.click("#settings summary")
    page.locator("#settings-form fieldset[data-accent=picture] input").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    posted: list[dict] = []
    page.on(
        "request",
        lambda r: posted.append(r.post_data_json) if r.url.endswith("/api/runs") else None,
    )
    page.click("#run")
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    page.click("#copy-link")
    given = query_of(page)
    assert given["prompt"] == ["a red fish & chips"] and given["seed"] == ["123"]
    assert given["molecule"] == ["C[C@H](N)C#N"] and given["steps"] == ["7,6"]
    first = sorted(posted, key=lambda body: body["pipeline"])
    posted.clear()
    page.goto(address(page))
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    assert sorted(posted, key=lambda body: body["pipeline"]) == first
    assert first[1]["settings"]["seed"] == 123 and first[1]["settings"]["steps"] == 7


def test_the_dice_changes_the_seed_and_nothing_else_does(stage: Stage, page: Page) -> None:
    stage.open()
    seed = page.input_value("#seed")
    page.fill("#prompt", "something else")
    page.click("#run")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    assert page.input_value("#seed") == seed
    page.click("#dice")
    assert page.input_value("#seed") != seed


def test_everything_can_be_reached_by_keyboard(stage: Stage, page: Page) -> None:
    stage.open()
    page.evaluate("() => document.activeElement.blur()")
    name = """() => {
      const { id, dataset } = document.activeElement;
      return id || dataset.action || dataset.themeName;
    }"""
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(name))
    wanted = {"copy-link", "dark", "prompt", "molecule", "kind", "run", "seed", "dice", "track",
              "first", "back", "toggle", "forward", "last", "speed", "loop", "swap"}  # fmt: skip
    assert wanted - reached == set()
