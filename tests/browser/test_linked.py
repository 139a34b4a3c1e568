"""What is pointed at in one place is shown in the others: chart, frames, pixels, atoms, map, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from browser_stage import Stage, query_of
from playwright.sync_api import Page, expect

from app.wire import encode_array


def test_a_pixel_settles_where_it_stays(module: Any) -> None:
    """One pixel of a coarse guess stands for a block of the final picture."""
    final = np.full((8, 8, 3), 100, np.uint8)
    final[:2, :2] = np.array([[90, 110], [95, 105]])[..., None]  # mean 100
    guesses = [np.full((4, 4, 3), value, np.uint8) for value in (0, 98, 200, 110, 102)]
    guesses[4][3, 3] = 0
    got = module(
        "settles",
        """const {decode} = await import('/static/js/decode.js');
        const frames = a.guesses.map((g, i) => ({level: 2 - i, guess: decode(g)}));
        const at = (x, y) => m.pixelSettles(frames, decode(a.final), x, y);
        return [at(0.1, 0.1), at(0.99, 0.99), at(1, 0)];""",
        {"final": encode_array(final), "guesses": [encode_array(g) for g in guesses]},
    )
    assert got == [-1, None, -1]  # right before as well, but it went away again


def test_an_atom_settles_however_the_molecule_is_turned(module: Any) -> None:
    final = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], np.float32)
    turned = final[:, [1, 2, 0]] + 5
    wrong = final * 1.8
    loose = final.copy()
    loose[2] += [0, 2, 0]
    got = module(
        "settles",
        """const {decode} = await import('/static/js/decode.js');
        const frames = a.guesses.map((g, i) => ({level: 2 - i, guess: decode(g)}));
        return [0, 1, 2].map((atom) => m.atomSettles(frames, decode(a.final), atom));""",
        {
            "final": encode_array(final),
            "guesses": [encode_array(g.astype(np.float32)) for g in (wrong, turned, loose, turned)],
        },
    )
    assert got == [-1, -1, -1]
    kept = module(
        "near_table",
        "return m.nearestPairs({size: 4, values: [0, 5, 1, 2, 5, 0, 9, 3, 1, 9, 0, 4, 2, 3, 4, 0]}, 2, 2);",
    )
    assert kept == [[0, 2], [0, 3]]


def test_pixels_and_places_on_the_axis_are_linked(pictures: Stage, page: Page) -> None:
    pictures.open()
    page.locator("#track").focus()
    page.keyboard.press("End")
    pixel = page.locator("#dalle2 [data-role=estimate] canvas.pixels")
    pixel.hover(position={"x": 20, "y": 30})
    words = page.locator(".linkhead span")
    expect(words).to_be_attached()  # its module comes with the first look
    page.mouse.move(0, 0)
    pixel.hover(position={"x": 22, "y": 30})
    expect(words).to_contain_text("pixel")
    expect(page.locator("#dalle2 .pixel-mark").nth(0)).to_be_visible()
    expect(page.locator("#dalle2 .pixel-mark").nth(1)).to_be_visible()
    assert pictures.value() == 100
    pixel.click(position={"x": 22, "y": 30})
    assert 0 < pictures.value() < 100
    page.mouse.move(0, 0)
    expect(page.locator("#dalle2 .pixel-mark").nth(0)).to_be_hidden()
    # The prior's way as a table: a row goes to its step, and the step that is shown is marked.
    page.click("#tab-map")
    page.click("#map-table summary")
    rows = page.locator("#map-table tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(2).locator("td").nth(1)).to_contain_text("thing")
    rows.nth(3).locator("button").focus()
    page.keyboard.press("Enter")
    expect(rows.nth(3)).to_have_attribute("data-here", "")
    # And on the map itself.
    value = pictures.value()
    expect(page.locator("#map-summary")).to_contain_text("concepts")
    page.click("#to-lab")
    page.wait_for_url("**/lab?**")
    asked = query_of(page)
    assert asked["prompt"] == ["a toy"] and asked["seed"] == ["3"] and value > 0


def test_the_curves_lead_to_their_frames(full: Stage, page: Page) -> None:
    full.open()
    page.locator("#track").focus()
    page.keyboard.press("End")
    full.charted()
    page.locator("#stage").hover()
    expect(page.locator(".linkhead").first).to_be_attached()
    frame = page.locator("#chart-frame")
    frame.scroll_into_view_if_needed()
    status = page.locator("#dalle2 [data-role=status]")
    expect(status).to_contain_text("finished")
    width = (frame.bounding_box() or {})["width"]
    frame.hover(position={"x": 0.3 * width, "y": 300}, force=True)
    expect(status).to_contain_text("step")  # the frames of that place, while the playhead stays
    assert full.value() == 100
    page.mouse.move(2, 2)
    expect(status).to_contain_text("finished")
    page.locator("#chart-panel > .table summary").click()
    row = page.locator("#chart-table button").nth(2)
    row.focus()
    page.keyboard.press("Enter")
    assert 0 < full.value() < 100


def test_pairs_of_the_matrix_are_linked_to_atoms(molecules: Stage, page: Page) -> None:
    molecules.open()
    page.locator("#track").focus()
    page.keyboard.press("End")
    page.click("#tab-near")
    page.click("#near-table summary")
    first = page.locator("#near-table tbody button").first
    expect(first).to_contain_text("–")
    first.focus()
    expect(page.locator(".near-tip")).to_contain_text("Å")
    count = page.locator("#near-table tbody tr").count()
    page.keyboard.press("Shift+Tab")
    page.locator("#track").focus()
    page.keyboard.press("Home")
    expect(page.locator("#near-table tbody tr")).to_have_count(count)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []
