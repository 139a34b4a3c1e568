"""The player: keyboard, pointer, words; both panels move by noise level."""

from __future__ import annotations

import math

import pytest
from browser_stage import Stage, comes, settled_shot
from playwright.sync_api import Page, expect


def test_both_panels_move_by_noise_level_not_by_step(stage: Stage, page: Page) -> None:
    """At every stop both show the frame at or above the same noise; 6 steps of one against 9 of the
    other, over different ranges."""
    stage.open().still()
    levels = {
        id: [
            math.log10(event["data"]["sigma_over_data"])
            for event in trace["events"]
            if event["event"] == "frame"
        ]
        for id, trace in stage.traces.items()
    }
    expected = [
        tuple(
            f"step {max(1, sum(own >= level - 1e-6 for own in levels[id]))} of {len(levels[id])}"
            for id in ("dalle2", "alphafold3")
        )
        for level in sorted(levels["dalle2"] + levels["alphafold3"], reverse=True)
    ]
    seen = []
    while stage.value() < 100 and len(seen) < 40:
        seen.append((stage.status("dalle2"), stage.status("alphafold3")))
        page.keyboard.press("ArrowRight")
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(expected))
    assert stage.status("dalle2") == "finished: 6 steps"
    assert stage.status("alphafold3") == "finished: 9 steps"


def test_every_key_does_what_the_page_says(stage: Stage, page: Page) -> None:
    stage.open().still()
    page.keyboard.press("End")
    assert stage.value() == 100
    page.keyboard.press("5")
    assert stage.value() == 50
    page.keyboard.press("l")
    assert stage.value() > 50
    page.keyboard.press("Home")
    assert stage.value() == 0
    page.keyboard.press(" ")
    expect(page.locator(".play")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press("k")
    expect(page.locator(".play")).to_have_attribute("aria-label", "Play")
    page.keyboard.press(">")
    expect(page.locator("[data-action=speed]")).to_have_text("2×")
    for focus in ("estimate", "noisy", "both"):
        page.keyboard.press("x")
        expect(page.locator("#dalle2")).to_have_attribute("data-focus", focus)
        for view in ("noisy", "estimate"):  # both stay in sight
            expect(page.locator(f"#dalle2 .{view} canvas.pixels")).to_be_visible()


def test_the_slider_speaks_in_words(stage: Stage, page: Page) -> None:
    stage.open().still()
    track = page.locator("#track")
    assert track.get_attribute("role") == "slider"
    assert "A picture step 1 of 6, picture is > 99 % noise" in stage.words()
    assert "A molecule step 1 of 9, noise 10 Å" in stage.words()
    page.keyboard.press("End")
    assert stage.words() == "A picture finished, no noise left; A molecule finished, no noise left"


def test_listeners_hear_what_has_settled(stage: Stage, page: Page) -> None:
    stage.open().still()
    assert stage.words().count("nothing has settled yet") == 2
    page.keyboard.press(",")
    assert "layout settled, shapes and edges still rough" in stage.words()
    page.keyboard.press(".")
    assert stage.words().count("all scales settled") == 2
    page.keyboard.press("Home")
    heard = page.evaluate_handle(
        """() => {
          const heard = [];
          const box = document.getElementById("welcome");
          new MutationObserver(() => heard.push(box.textContent)).observe(box, {childList: true});
          return heard;
        }"""
    )
    for _ in range(2):
        page.keyboard.press(">")  # 4 times as fast
    page.keyboard.press(" ")
    expect(page.locator("#track")).to_have_attribute("aria-valuenow", "100")
    said = ["The overall picture has settled.", "The detail has settled."]
    assert [text for text in heard.json_value() if "settled" in text] == said


def test_an_example_in_focus_is_not_under_the_arrow(stage: Stage, page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 700})
    stage.open()
    row = page.locator("#prompt-examples")
    row.evaluate(
        "e => (e.prepend(document.createElement('i')), e.firstChild.style.flex = '0 0 900px')"
    )
    arrow = page.locator("#picture-field .more-chips")
    arrow.evaluate("e => e.hidden = false")
    chip = row.locator("button").last
    chip.focus()
    stage.until(
        """document.activeElement.getBoundingClientRect().right
        <= document.querySelector('#picture-field .more-chips').getBoundingClientRect().left + 16"""
    )


@pytest.mark.parametrize("field", ["#prompt", "#molecule", "#seed"])
def test_typing_does_not_move_the_player(stage: Stage, page: Page, field: str) -> None:
    stage.open().still()
    page.locator(field).focus()
    page.keyboard.type("5 kxjl")
    page.keyboard.press("ArrowLeft")
    assert stage.value() == 0
    expect(page.locator(".play")).to_have_attribute("aria-label", "Play")
    assert "5 kxjl"[:-1] in page.input_value(field)


def test_the_track_can_be_dragged(stage: Stage, page: Page) -> None:
    stage.open().still()
    box = page.locator("#track").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.2, y)
    page.mouse.down()
    assert stage.value() == 20
    page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=4)
    assert stage.value() == 60
    page.mouse.move(box["x"] + box["width"] * 2, y)
    page.mouse.up()
    assert stage.value() == 100


def test_the_camera_stays_while_frames_change_and_both_views_share_it(
    full: Stage, page: Page
) -> None:
    full.open().still()
    page.keyboard.press("6")
    well = page.locator("#alphafold3 .estimate .well")
    shots = [_png(page, view) for view in (".estimate", ".noisy")]
    box = well.bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 140, steps=3)
    page.mouse.up()
    turned = [
        _png(page, view, shot) for view, shot in zip((".estimate", ".noisy"), shots, strict=True)
    ]
    page.locator("#track").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("6")
    scene = page.locator("#alphafold3 .estimate .scene")
    comes(page, scene.screenshot, lambda seen: seen == turned[0])


def _png(page: Page, view: str, other_than: bytes = b"") -> bytes:
    """What is drawn there, once it is still; with ``other_than``, once it is another picture."""
    expect(page.locator(f"#alphafold3 {view} .scale")).to_be_visible()  # it is drawn
    scene = page.locator(f"#alphafold3 {view} .scene")
    return comes(page, lambda: settled_shot(page, scene), lambda seen: seen != other_than)


def test_the_wheel_scrolls_the_page_until_the_molecule_is_clicked(full: Stage, page: Page) -> None:
    full.open().still()
    page.keyboard.press("End")
    before = page.locator("#alphafold3 .estimate .scale").bounding_box()
    page.locator("#alphafold3 .estimate .well").hover()
    page.mouse.wheel(0, 200)
    full.until("window.scrollY >= 199")  # all of it: what still rolls would go on after scrollTo
    assert before and page.locator("#alphafold3 .estimate .scale").bounding_box() is not None
    page.evaluate("() => scrollTo(0, 0)")
    width = page.locator("#alphafold3 .estimate .scale").evaluate("(bar) => bar.style.width")
    page.locator("#alphafold3 .estimate .well").click()
    page.mouse.wheel(0, -300)
    full.until(f"document.querySelector('#alphafold3 .estimate .scale').style.width !== '{width}'")
    assert page.evaluate("() => scrollY") == 0


def test_shift_and_arrows_turn_the_molecule(full: Stage, page: Page) -> None:
    full.open().still()
    page.keyboard.press("End")
    page.locator("#alphafold3 .estimate .well").focus()
    before = _png(page, ".estimate")
    page.keyboard.press("Shift+ArrowUp")
    _png(page, ".estimate", other_than=before)
    assert full.value() == 100
    # Alone they go from atom to atom; the player's are those of the rest of the page.
    page.keyboard.press("ArrowLeft")
    assert full.value() == 100
    page.locator("#track").focus()
    page.keyboard.press("ArrowLeft")
    assert full.value() < 100


def test_the_marks_lead_to_where_global_and_local_have_settled(stage: Stage, page: Page) -> None:
    stage.open().still()
    page.keyboard.press(",")
    first = stage.value()
    page.keyboard.press(".")
    second = stage.value()
    assert 0 < first < second < 100
    page.get_by_role("button", name="Global settled").click()
    assert stage.value() == first
    # It is the level of the chart's mark: the later one of both runs.
    bands = [t["events"][-1]["data"]["settling"]["bands"][0] for t in stage.traces.values()]
    lowest = min(band["settled_at"] for band in bands)
    shown = page.evaluate(
        """async ([levels, at]) => {
          const m = await import('/static/js/timeline.js');
          return Math.round(100 * m.positionOf(m.axisOf(levels.map(m.levelOf)), m.levelOf(at)));
        }""",
        [
            [x for t in stage.traces.values() for s in t["events"][0]["data"]["stages"]
             for x in (sigma / s["sigma_data"] for sigma in s["sigmas"]) if x > 0],
            lowest,
        ],
    )  # fmt: skip
    assert abs(shown - first) <= 1


def test_each_panel_shows_what_has_settled_where_the_playhead_is(stage: Stage, page: Page) -> None:
    """The signs follow the measured levels of the panel's own run, back as well as on."""
    stage.open().still()
    signs = "#{} .settled li[data-settled=true]"
    assert page.locator(signs.format("dalle2")).count() == 0
    for id in ("dalle2", "alphafold3"):
        seen = []
        for key in ("Home", *["ArrowRight"] * 24):
            page.keyboard.press(key)
            seen.append(page.locator(signs.format(id)).all_inner_texts())
        counts = [len(names) for names in seen]
        assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 3
        first = next(names for names in seen if names)
        assert first[0].startswith("●")  # the overall picture before the detail
        page.keyboard.press("Home")
        assert page.locator(signs.format(id)).count() == 0
