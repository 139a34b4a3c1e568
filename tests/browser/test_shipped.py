"""The page as shipped: real checkpoints, real recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser_stage import Stage
from live import Live
from playwright.sync_api import Page, expect
from toy import Toy

TRACES = Path(__file__).parents[2] / "static" / "traces"


@pytest.fixture
def shipped(page: Page, live_server: Live) -> Stage:
    return Stage(page, live_server, Toy(), Toy())


def test_the_recordings_paint_first(shipped: Stage, page: Page) -> None:
    shipped.open()
    assert shipped.origin("dalle2") == shipped.origin("alphafold3") == "recorded"
    trace = json.loads((TRACES / "dalle2.json").read_text())
    assert page.input_value("#prompt") == trace["input"]["prompt"]
    page.locator("#track").focus()
    page.keyboard.press("End")
    assert shipped.status("dalle2").startswith("finished")
    assert shipped.status("alphafold3").startswith("finished")
    shipped.charted()
    expect(page.locator("#chart-summary")).to_contain_text("A picture: layout")
    expect(page.locator("#dalle2 .panel-foot")).to_contain_text("numbers")


def test_both_models_run_live_and_move_together(shipped: Stage, page: Page) -> None:
    shipped.open()
    page.fill("#prompt", "a blue fish on a yellow background")
    page.fill("#molecule", "CC(=O)Oc1ccccc1C(=O)O")
    page.fill("#seed", "11")
    page.click("#run")
    for id in ("dalle2", "alphafold3"):
        page.wait_for_selector(f"#{id} .origin[data-origin=live]")
        shipped.until(
            f"document.querySelector('#{id} [data-role=status]').textContent.startsWith('finished')"
        )
    page.locator("#track").focus()
    page.keyboard.press("Home")
    first = (shipped.status("dalle2"), shipped.status("alphafold3"))
    page.keyboard.press("5")
    middle = (shipped.status("dalle2"), shipped.status("alphafold3"))
    assert all(a != b for a, b in zip(first, middle, strict=True))
    assert "% noise" in shipped.words() and "Å" in shipped.words()
    expect(page.locator("#alphafold3 [data-role=notes]")).to_contain_text("training")


def test_a_kind_that_came_with_an_example_does_not_outlive_it(shipped: Stage, page: Page) -> None:
    shipped.open()
    page.fill("#molecule", "GWK")
    page.select_option("#kind", "protein")
    page.fill("#molecule", "GW")  # chosen by hand: it stays
    assert page.locator("#kind").input_value() == "protein"
    page.get_by_role("button", name="Peptide Gly-Trp-Lys").click()
    assert page.locator("#kind").input_value() == "protein"
    page.fill("#molecule", "CCO")  # the example's kind: it goes
    assert page.locator("#kind").input_value() == "auto"


@pytest.mark.parametrize(
    ("field", "typed", "error"),
    [
        ("#prompt", "", "#prompt-error"),
        ("#prompt", "a " * 5000, "#prompt-error"),
        ("#molecule", "C1CC(", "#molecule-error"),
        ("#molecule", "C" * 500, "#molecule-error"),
        ("#molecule", "A0ZZ9", "#molecule-error"),
    ],
)
def test_what_cannot_be_used_is_refused_beside_the_field(
    shipped: Stage, page: Page, watch, field: str, typed: str, error: str
) -> None:  # type: ignore[no-untyped-def]
    watch.expected = ["422"]
    shipped.open()
    page.fill(field, typed)
    page.click("#run")
    expect(page.locator(error)).to_contain_text("Accepted:")
    other = {"#prompt": "alphafold3", "#molecule": "dalle2"}[field]
    page.wait_for_selector(f"#{other} .origin[data-origin=live]")


def test_the_dye_is_stirred_and_gathers_again(shipped: Stage, page: Page) -> None:
    shipped.open()
    page.locator("#dye-section").scroll_into_view_if_needed()
    page.get_by_role("button", name="spiral").click()
    page.wait_for_selector("#dye-origin[data-origin=live]")
    page.locator("#track").focus()
    shipped.until("document.querySelector('#run').dataset.state === 'idle'")
    read = "() => document.querySelector('#dye .noisy canvas').toDataURL()"
    page.keyboard.press("Home")
    stirred = page.evaluate(read)
    page.keyboard.press("End")
    assert page.evaluate(read) != stirred
