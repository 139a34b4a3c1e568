"""What the other tests of the player leave open: each key by itself, each button, loop and speed."""

from __future__ import annotations

from typing import Any

import pytest
from browser_stage import Stage
from playwright.sync_api import Page, expect


def test_each_key_and_its_opposite(stage: Stage, page: Page) -> None:
    stage.open().still()

    def at(*keys: str) -> int:
        for key in keys:
            page.keyboard.press(key)
        return stage.value()

    stops = [at("Home"), *(at("ArrowRight") for _ in range(8))]
    assert stops == sorted(stops) and stops[0] == 0
    assert at("ArrowLeft") == stops[7] and at("ArrowUp") == stops[8] and at("ArrowDown") == stops[7]
    assert at("Home", "l") == stops[5] and at("j") == 0
    assert at("PageUp") == stops[5] and at("PageDown") == 0
    assert at("End") == 100
    assert [at(str(tenth)) for tenth in range(10)] == [10 * tenth for tenth in range(10)]
    # Away from the slider up and down scroll the page, the others still move the player.
    page.locator("#track").evaluate("(track) => track.blur()")
    page.keyboard.press("ArrowUp")
    assert stage.value() == 90
    assert at("3") == 30
    speed = page.locator("[data-action=speed]")
    shown = []
    for key in "<<<>>>>>":
        page.keyboard.press(key)
        shown.append(speed.inner_text())
    assert shown == ["0.5×", "0.25×", "0.25×", "0.5×", "1×", "2×", "4×", "4×"]


def test_each_button(stage: Stage, page: Page) -> None:
    stage.open().still()
    for act, value in (("last", 100), ("first", 0)):
        page.click(f"#player [data-action={act}]")
        assert stage.value() == value
    page.click("#player [data-action=forward]")
    assert stage.value() > 0
    page.click("#player [data-action=back]")
    assert stage.value() == 0
    loop = page.locator("#player [data-action=loop]")
    loop.click()
    expect(loop).to_have_attribute("aria-pressed", "true")
    page.click("#player [data-action=speed]")
    expect(page.locator("#player [data-action=speed]")).to_have_text("2×")
    page.click("#player [data-action=swap]")
    expect(page.locator("#dalle2")).to_have_attribute("data-focus", "estimate")
    page.click("#player .play")
    expect(page.locator("#player .play")).to_have_attribute("aria-label", "Pause")


def test_a_loop_begins_again_and_speed_is_speed(module: Any) -> None:
    got = module(
        "player",
        """const p = new m.Player();
        const whole = (speed) => { p.speed = speed; p.seek(0, true); let s = 0;
          while (p.u < 1 && s < 100) { p.tick(0.05); s += 0.05; } return s; };
        const times = [whole(1), whole(2), whole(0.25)];
        p.speed = 4; p.loop = true; p.seek(0, true);
        let turns = 0, before = 0;
        for (let i = 0; i < 400; i += 1) { p.tick(0.05); if (p.u < before) turns += 1; before = p.u; }
        const looping = p.playing;
        p.loop = false;
        for (let i = 0; i < 400; i += 1) p.tick(0.05);
        return {times, turns, looping, end: p.u, playing: p.playing, duration: m.DURATION};""",
    )
    whole, half, long = got["times"]
    assert whole == pytest.approx(got["duration"], abs=0.2)
    assert half == pytest.approx(whole / 2, abs=0.2) and long == pytest.approx(4 * whole, abs=0.4)
    assert got["turns"] >= 3 and got["looping"]
    assert got["end"] == 1 and not got["playing"]  # without the loop it stops at the data
