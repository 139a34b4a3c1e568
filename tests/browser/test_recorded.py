"""The first paint: recorded runs move before anything is asked of a model."""

from __future__ import annotations

import numpy as np
from browser_stage import Stage, comes, settled_shot
from playwright.sync_api import Page, expect

from app.wire import decode_array, encode_array

PAINTED = """(selector) => {
  const canvas = document.querySelector(selector);
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(data).size;
}"""


def test_recorded_runs_paint_and_play(stage: Stage, page: Page) -> None:
    stage.open()
    assert stage.origin("dalle2") == "recorded"
    assert stage.origin("alphafold3") == "recorded"
    assert page.input_value("#prompt") == "a toy"
    assert page.input_value("#molecule") == "CCO"
    assert page.evaluate(PAINTED, "#dalle2 .noisy canvas.pixels") > 10
    assert page.evaluate(PAINTED, "#dalle2 .estimate canvas.pixels") > 2
    before = stage.value()
    if before < 100:  # on a slow machine it may have come to the end by now
        stage.until(f"Number(document.querySelector('#track').ariaValueNow) > {before}")
    expect(page.locator("#dalle2 [data-role=notes]")).to_contain_text("a note")


def test_the_molecule_is_drawn_in_three_dimensions(full: Stage, page: Page) -> None:
    full.open().still()
    page.keyboard.press("End")
    expect(page.locator("#alphafold3 .scene canvas")).to_have_count(2)
    expect(page.locator("#alphafold3 .estimate .scale")).to_contain_text("Å")
    expect(page.locator("#alphafold3 .legend")).to_contain_text("oxygen")
    # WebGL's own picture is not readable after it was shown; a screenshot is: red must be in it.
    well = page.locator("#alphafold3 .estimate .well")
    comes(page, lambda: _share_of_red(well.screenshot()), lambda share: share > 0.003)


def test_the_reference_lies_over_the_finished_molecule(full: Stage, page: Page) -> None:
    done = full.traces["alphafold3"]["events"][-1]["data"]
    moved = decode_array(done["sample"]) + np.array([0, 1.5, 0], np.float32)
    done["reference"] = encode_array(moved)
    full.open().still()
    button = page.get_by_role("button", name="Reference over it")
    expect(button).to_be_hidden()  # while there is noise there is nothing to compare
    page.keyboard.press("End")
    expect(page.locator("#alphafold3 .estimate .scale")).to_be_visible()
    well = page.locator("#alphafold3 .estimate .well")
    before = settled_shot(page, well)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    comes(page, well.screenshot, lambda seen: seen != before)
    button.click()
    comes(page, well.screenshot, lambda seen: seen == before)


def _share_of_red(png: bytes) -> float:
    import io

    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 120) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)
    return float(red.mean())


def test_the_chart_follows_and_moves_the_playhead(full: Stage, page: Page) -> None:
    full.open().still().charted()
    expect(page.locator("#chart-summary")).to_contain_text("settled at noise")
    assert page.locator("#chart .trace.scatter").count() >= 6
    frame = page.locator("#chart-frame").bounding_box()
    track = page.locator("#track").bounding_box()
    assert frame and track
    assert abs(frame["x"] - track["x"]) < 1 and abs(frame["width"] - track["width"]) < 1
    page.locator("#chart-frame").click(position={"x": frame["width"] * 0.4, "y": 60})
    assert full.value() == 40
    page.get_by_text("The same as a table").click()
    rows = page.locator("#chart-table table").first.locator("tbody tr").count()
    assert rows == 6


def test_reduced_motion_starts_still_and_shows_key_frames(stage: Stage, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    stage.open()
    assert stage.value() == 100
    expect(page.locator("#dalle2 .keyframes button")).to_have_count(6)
    expect(page.locator("#alphafold3 .keyframes button")).to_have_count(6)
    page.locator("#dalle2 .keyframes button").nth(2).click()
    assert 20 < stage.value() < 60


def test_a_missing_viewer_is_said_and_replaced(stage: Stage, page: Page) -> None:
    page.route("**/static/vendor/3Dmol-min.js", lambda route: route.fulfill(status=200, body=""))
    stage.open().still()
    page.keyboard.press("End")
    expect(page.locator(".flat-note")).to_contain_text("drawn flat")
    assert page.evaluate(PAINTED, "#alphafold3 .estimate canvas.flat") > 20


def test_a_script_that_fails_leaves_a_sentence_and_a_button(
    stage: Stage, page: Page, watch
) -> None:  # type: ignore[no-untyped-def]
    watch.expected = ["exception: on purpose"]
    stage.open()
    page.evaluate("() => setTimeout(() => { throw new Error('on purpose'); })")
    expect(page.locator("#trouble")).to_contain_text("went wrong")
    expect(page.locator("#trouble button")).to_have_text("Reload")


def test_every_module_of_the_first_paint_is_fetched_ahead_and_no_other(
    full: Stage, page: Page
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.split("/static/js/")[-1]))
    full.open()
    preloaded = page.locator("link[rel=modulepreload]").evaluate_all(
        "(links) => links.map((link) => link.getAttribute('href').split('/static/js/')[1])"
    )
    scripts = {url for url in asked if url.endswith(".js") and not url.startswith("http")}
    drawn_when_idle = {"chart.js", "plotly.js", "settling_words.js"}
    assert scripts - drawn_when_idle == {*preloaded, "early.js", "main.js"}
