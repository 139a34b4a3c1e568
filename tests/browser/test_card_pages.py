"""The model cards in a browser: readable at every size, accessible, their charts drawn under the policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_stage import not_wider
from live import Live, live
from playwright.sync_api import Page, expect

from app.cards import CARDS, card

SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}
CURVES = {
    name: {
        "step": [20 * k for k in range(1, 51)],
        "seconds": [4.0 * k for k in range(1, 51)],
        "loss": [scale / k for k in range(1, 51)],
    }
    for name, scale in (("clip", 5.0), ("prior", 1.0), ("decoder", 0.5))
}
GUIDANCE = {
    "captions": 40,
    "curve": [
        {"guidance_scale": scale, "top1": 0.3 + 0.05 * scale, "mean_cosine_distance": 0.2 / scale}
        for scale in (1.0, 2.0, 4.0)
    ],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    server = live({})
    yield server
    server.end()


@pytest.fixture
def with_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards with curves of training and of guidance, whatever the shipped files hold."""
    (tmp_path / "dalle2-curves.json").write_text(json.dumps(CURVES))
    (tmp_path / "dalle2-metrics.json").write_text(json.dumps({"guidance": GUIDANCE}))
    monkeypatch.setattr(
        "app.pages.card", lambda id, sheets, words: card(id, sheets, tmp_path, words=words)
    )


@pytest.mark.parametrize("path", ["/models", *(f"/models/{id}" for id in CARDS)])
def test_a_card_is_accessible_and_fits_every_screen(server: Live, page: Page, path: str) -> None:
    page.goto(server.url + path)
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        not_wider(page, width)
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == [], theme


def test_curves_are_drawn_and_said(server: Live, page: Page, with_curves: Callable) -> None:
    page.goto(f"{server.url}/models/dalle2")
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("#training-plot .legendtext")).to_have_text(["clip", "prior", "decoder"])
    expect(page.locator("#guidance-plot .scatter .point")).to_have_count(6)
    row = page.locator("tr", has=page.get_by_role("rowheader", name="prior", exact=True))
    expect(row.locator("td")).to_have_text(["1,000", "3.3", "1", "0.03846", "0.02"])
    page.set_viewport_size({"width": 390, "height": 844})
    not_wider(page, 390)


def test_charts_that_do_not_come_leave_the_table(
    server: Live, page: Page, with_curves: Callable, watch
) -> None:  # type: ignore[no-untyped-def]
    watch.expected = ["500"]
    page.route("**/card.json", lambda route: route.fulfill(status=500, body=""))
    page.goto(f"{server.url}/models/dalle2")
    expect(page.locator("#training-plot")).to_contain_text("the table below")


def test_the_stage_leads_to_the_cards(server: Live, page: Page) -> None:
    page.goto(f"{server.url}/models")
    page.get_by_role("link", name="A tiny AlphaFold 3").click()
    expect(page.locator("h1")).to_have_text("A tiny AlphaFold 3")
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator(".model-list li")).to_have_count(len(CARDS))
