"""By keys what a pointer does: pixels, atoms, pairs and curves; and the list of all keys."""

from __future__ import annotations

import json
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from browser_stage import Stage
from playwright.sync_api import Page, expect

WORDS = Path(__file__).parents[2] / "static" / "text"


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def ready(stage: Stage, key: str = "End") -> None:
    """The recorded runs at their end, the links' module there (it comes with the first focus)."""
    stage.page.locator("#track").focus()
    expect(stage.page.locator(".linkhead").first).to_be_attached()
    stage.page.keyboard.press(key)


def test_a_cursor_over_the_picture_and_along_the_curves(stage: Stage, page: Page) -> None:
    stage.open()
    ready(stage)
    expect(page.locator("#chart-table tbody tr").first).to_be_attached()  # the curves are known
    told = page.locator("#welcome")
    head = page.locator(".linkhead span")
    well = page.locator("#dalle2 .estimate .well")
    marks = page.locator("#dalle2 .pixel-mark")
    well.focus()
    press(page, "ArrowRight")
    expect(told).to_contain_text("Row 5, column 5 of 8. ")  # the middle first
    expect(head).to_contain_text("pixel")
    press(page, "ArrowRight", "ArrowUp", "ArrowUp")
    expect(told).to_contain_text("Row 3, column 6 of 8. ")
    press(page, "Shift+ArrowLeft", "ArrowLeft", "ArrowLeft")
    expect(told).to_contain_text("Row 3, column 1 of 8. ")  # five on, and not over the edge
    expect(marks.nth(0)).to_be_visible()
    expect(marks.nth(1)).to_be_visible()
    assert stage.value() == 100  # the player's own arrows are silent here
    press(page, "Enter")
    assert 0 < stage.value() < 100
    expect(told).to_contain_text("Gone there: A picture step")
    press(page, "Escape")
    expect(told).to_have_text("Nothing chosen.")
    expect(marks.nth(0)).to_be_hidden()
    press(page, "Enter")
    expect(told).to_have_text("Choose something with the arrow keys first.")
    press(page, "ArrowDown", "Tab")  # without the focus nothing is pointed at
    expect(marks.nth(0)).to_be_hidden()
    expect(head).to_be_hidden()

    # Along the curves: the frames of that place are shown, the playhead stays until Enter.
    ready(stage)
    status = page.locator("#dalle2 [data-role=status]")
    expect(status).to_contain_text("finished")
    page.locator("#chart-frame").focus()
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    expect(status).to_contain_text("step")
    expect(told).to_contain_text("A picture: layout ")
    expect(told).to_contain_text("bonds ")
    assert stage.value() == 100
    press(page, "Escape")
    expect(status).to_contain_text("finished")
    press(page, "ArrowLeft", "ArrowLeft", "Enter")
    assert 0 < stage.value() < 100
    page.locator("#track").focus()
    press(page, "?")
    dialog = page.locator(".keys-help")
    expect(dialog).to_be_visible()
    for row in json.loads((WORDS / "en" / "keys.json").read_text()).values():
        expect(dialog).to_contain_text(row) if row != "Enter" else None
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#track")).to_be_focused()
    page.locator("#prompt").focus()
    press(page, "?")  # a question mark in a caption is a question mark
    expect(dialog).to_be_hidden()
    assert page.input_value("#prompt").endswith("?")
    page.locator("#keys-open").focus()
    press(page, "Enter")
    expect(dialog).to_be_visible()


def test_a_cursor_over_atoms_and_pairs(molecules: Stage, page: Page) -> None:
    stage = molecules.open()
    ready(stage)
    expect(page.locator("#alphafold3 .estimate canvas").first).to_be_attached()  # it is drawn
    told = page.locator("#welcome")
    well = page.locator("#alphafold3 .estimate .well")
    assert page.locator("#alphafold3 .well[tabindex='0']").count() == 1  # one stop for the pair
    well.focus()
    press(page, "ArrowRight")
    tip = page.locator("#alphafold3 .estimate .atom-tip")
    expect(tip).to_be_visible()
    atom = tip.inner_text()
    assert told.inner_text().startswith(atom)
    seen = {atom}
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        press(page, key)
        seen.add(tip.inner_text())
    assert len(seen) > 1  # it went to other atoms
    assert stage.value() == 100
    expect(page.locator("#alphafold3 .estimate .marks circle")).to_have_count(1)
    # With Shift the arrows turn the molecule, the cursor stays on its atom.
    before = tip.inner_text()
    press(page, "Shift+ArrowLeft")
    assert tip.inner_text() == before
    press(page, "Escape")
    expect(tip).to_be_hidden()
    # The matrix: its pair is ringed in the molecule, Enter goes to where both are in place.
    page.click("#tab-near")
    matrix = page.locator('#near-panel [data-map="now"] canvas')
    expect(page.locator("#near-summary")).to_contain_text("Å")  # its module has come
    matrix.focus()
    press(page, "ArrowRight", "ArrowDown", "ArrowDown")
    expect(page.locator(".near-tip")).to_contain_text("Å")
    expect(page.locator("#alphafold3 .estimate .marks circle")).to_have_count(2)
    expect(page.locator(".linkhead span")).to_contain_text("both are in their place")
    press(page, "Enter")
    assert 0 < stage.value() < 100
    press(page, "Escape")
    expect(page.locator("#alphafold3 .estimate .marks circle")).to_have_count(0)
    expect(page.locator(".near-tip")).to_be_empty()
