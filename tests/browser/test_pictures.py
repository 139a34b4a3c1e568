"""What can be done with pictures: samples, variations, uploads, paths, changed words, the two meters."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from browser_stage import Stage, Watch, not_wider, query_of
from picture_toy import PictureToy
from PIL import Image
from playwright.sync_api import Page, expect
from test_access import judged

LIVE = "#dalle2 .origin[data-origin=live]"
DONE = "document.querySelector('#dalle2 .actions').dataset.ready === 'true' && " + (
    "document.querySelector('#run').dataset.state === 'idle'"
)
SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}


def png(colour: tuple[int, int, int] = (200, 30, 30), side: int = 64) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def asked(pictures: Stage) -> Callable[[], dict[str, Any]]:
    """The newest input that reached the picture pipeline."""
    toy = pictures.picture
    assert isinstance(toy, PictureToy)
    return lambda: dict(toy.asked[-1])


def drawn(stage: Stage, page: Page, query: str) -> None:
    """Opens a link and waits for its run's end."""
    stage.open(query)
    page.wait_for_selector(LIVE)
    stage.until(DONE)


def test_samples_stand_in_a_grid_and_one_is_chosen(pictures: Stage, page: Page) -> None:
    drawn(pictures, page, "&prompt=a+cat&molecule=CC&samples=4&seed=5")
    cells = page.locator("#dalle2 .estimate button.cell")
    expect(cells).to_have_count(4)
    expect(page.locator("#dalle2 .noisy .cell")).to_have_count(4)
    expect(page.locator("#dalle2 [data-role=scores]")).to_contain_text("cat 0 (75 %)")
    cells.nth(2).click()
    expect(cells.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#dalle2 [data-role=scores]")).to_contain_text("cat 2 (75 %)")
    before = cells.nth(2).bounding_box()
    cells.nth(2).press("Enter")  # the chosen one a second time: alone
    after = cells.nth(2).bounding_box()
    assert before and after and after["width"] > 1.7 * before["width"]
    expect(cells.nth(0)).to_be_hidden()
    page.keyboard.press("]")
    expect(page.locator("#dalle2 .samples .all")).to_have_text("4 of 4")
    page.keyboard.press("g")
    expect(cells.nth(0)).to_be_visible()
    # Every sample is another picture.
    seen = page.locator("#dalle2 .noisy canvas").evaluate_all(
        "(all) => new Set(all.map((c) => c.toDataURL())).size"
    )
    pictures.still()
    noisy = page.locator("#dalle2 .noisy canvas").evaluate_all(
        "(all) => new Set(all.map((c) => c.toDataURL())).size"
    )
    assert noisy == 4 and seen >= 1


def test_words_are_shown_as_they_were_read(pictures: Stage, page: Page) -> None:
    drawn(pictures, page, "&prompt=a+blorf&molecule=CC")
    line = page.locator("#dalle2 [data-role=reading]")
    expect(line.locator("li[data-known=true]")).to_have_text("a")
    expect(line.locator("li[data-known=false]")).to_contain_text("bl·orf")
    expect(line.locator("li[data-known=false]")).to_contain_text("not in the vocabulary")
    expect(line.locator(".near")).to_have_text("cat")


def test_a_drawn_picture_is_varied(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    drawn(pictures, page, "&prompt=a+cat&molecule=CC&samples=2&seed=5")
    page.keyboard.press("]")
    page.get_by_role("button", name="Variations").click()
    expect(page.locator("#mode")).to_have_value("variations")
    expect(page.locator("[data-end=from] .held span")).to_have_text("a cat, sample 2")
    expect(page.locator("#dalle2 .estimate button.cell")).to_have_count(4)
    pictures.until(DONE)
    image = asked()["variation_of"]["image"]
    assert image["shape"] == [32, 32, 3]
    assert query_of(page)["mode"] == ["variations"]
    page.click("#copy-link")
    expect(page.get_by_text("A picture of your own is in the form")).to_be_visible()
    page.keyboard.press("Escape")
    # Back to words: the samples are as many as before.
    page.locator("[data-end=from] .held button").click()
    page.select_option("#mode", "caption")
    page.fill("#prompt", "a dog")
    page.click("#run")
    pictures.until(DONE)
    assert asked() == {"prompt": "a dog"}
    expect(page.locator("#dalle2 .estimate button.cell")).to_have_count(2)


def test_a_recorded_picture_travels_itself(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    pictures.open()
    page.get_by_role("button", name="Variations").click()
    page.wait_for_selector(LIVE)
    pictures.until(DONE)
    sent = base64.b64decode(asked()["variation_of"]["image"]["data"])
    final = base64.b64decode(pictures.traces["dalle2"]["events"][-1]["data"]["sample"]["data"])
    assert sent == final  # 32 pixels already: nothing to reduce


def upload(page: Page, name: str, kind: str, content: bytes) -> None:
    page.set_input_files("#picture-file", {"name": name, "mimeType": kind, "buffer": content})


def test_an_uploaded_picture_is_varied_at_once(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    pictures.open()
    with page.expect_file_chooser() as chooser:
        page.locator("[data-end=from] .pick").click()
    chooser.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": png()})
    expect(page.locator("[data-end=from] .held span")).to_have_text("red.png")
    page.wait_for_selector(LIVE)
    pixels = base64.b64decode(asked()["variation_of"]["image"]["data"])
    assert pixels == bytes((200, 30, 30)) * 32 * 32


def test_a_picture_can_be_dropped_and_pasted(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    pictures.open()
    script = """([kind, data]) => {
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'green.png', {type: 'image/png'}));
      const target = document.querySelector(kind === 'drop' ? '#dalle2 .estimate' : 'body');
      const init = {bubbles: true, cancelable: true};
      if (kind === 'paste')
        return target.dispatchEvent(new ClipboardEvent('paste', {...init, clipboardData: transfer}));
      target.dispatchEvent(new DragEvent('dragover', {...init, dataTransfer: transfer}));
      const marked = document.querySelector('#picture-field').classList.contains('dropping');
      target.dispatchEvent(new DragEvent('drop', {...init, dataTransfer: transfer}));
      return marked;
    }"""
    data = base64.b64encode(png((0, 200, 0))).decode()
    assert page.evaluate(script, ["drop", data]) is True
    expect(page.locator("[data-end=from] .held span")).to_have_text("green.png")
    page.wait_for_selector(LIVE)
    page.locator("[data-end=from] .held button").click()
    page.evaluate(script, ["paste", data])
    expect(page.locator("[data-end=from] .held span")).to_have_text("green.png")
    pictures.until(DONE)
    assert asked()["variation_of"]["image"]["shape"] == [32, 32, 3]


@pytest.mark.parametrize(
    ("name", "kind", "content", "said"),
    [
        ("notes.txt", "text/plain", b"no picture", "notes.txt is not a picture"),
        ("large.png", "image/png", b"x" * (2 * 2**20 + 1), "Accepted: at most 2 MB"),
        ("false.png", "image/png", b"no picture at all", "neither a PNG nor a JPEG"),
        ("cut.png", "image/png", png()[:60], "damaged or cut off"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_in_a_sentence(
    pictures: Stage, page: Page, watch: Watch, name: str, kind: str, content: bytes, said: str
) -> None:
    watch.expected = ["415", "422"]
    pictures.open()
    upload(page, name, kind, content)
    expect(page.locator("#prompt-error")).to_contain_text(said)
    expect(page.locator("#prompt-error")).to_contain_text("Accepted:")
    expect(page.locator("[data-end=from] .held")).to_be_hidden()
    assert pictures.origin("dalle2") == "recorded"
    upload(page, "good.png", "image/png", png())
    expect(page.locator("#prompt-error")).to_be_hidden()
    page.wait_for_selector(LIVE)


def test_a_path_leads_from_a_picture_to_a_caption(
    pictures: Stage, page: Page, watch: Watch, asked: Callable[[], dict[str, Any]]
) -> None:
    watch.expected = ["422"]
    drawn(pictures, page, "&prompt=a+cat&molecule=CC")
    page.get_by_role("button", name="Interpolate from").click()
    expect(page.locator("#prompt-to")).to_be_focused()
    page.keyboard.press("Enter")  # nothing to go to
    expect(page.locator("#prompt-error")).to_contain_text("is empty")
    expect(page.locator("#prompt-to")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#prompt")).to_have_attribute("aria-invalid", "false")
    page.fill("#prompt-to", "an apple")
    expect(page.locator("#prompt-error")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#dalle2 .estimate .weight")).to_have_text(
        ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    )
    path = asked()["interpolate"]
    assert set(path["from"]) == {"image"} and path["to"] == {"prompt": "an apple"}


def test_a_link_holds_a_path_of_words(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    drawn(pictures, page, "&mode=interpolate&prompt=a+cat&to=a+dog&molecule=CC&samples=3")
    assert asked() == {"interpolate": {"from": {"prompt": "a cat"}, "to": {"prompt": "a dog"}}}
    page.click("#copy-link")
    given = query_of(page)
    assert (given["mode"], given["prompt"], given["to"]) == (["interpolate"], ["a cat"], ["a dog"])
    assert given["samples"] == ["3"]


def test_a_link_leaves_the_prior_out(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    drawn(pictures, page, "&mode=direct&prompt=a+cat&molecule=CC")
    assert asked() == {"prompt": "a cat", "prior": False}
    page.click("#copy-link")
    given = query_of(page)
    assert (given["mode"], given["prompt"]) == (["direct"], ["a cat"])


def test_a_picture_is_changed_in_words(
    pictures: Stage, page: Page, asked: Callable[[], dict[str, Any]]
) -> None:
    drawn(pictures, page, "&prompt=a+cat&molecule=CC")
    page.get_by_role("button", name="Change in words").click()
    expect(page.locator("#prompt")).to_have_value("a cat")
    expect(page.locator("#prompt-to")).to_be_focused()
    page.fill("#prompt-to", "a cat, glossy 3d style")
    page.keyboard.press("Enter")
    pictures.until("document.querySelectorAll('#dalle2 .estimate .weight').length === 5")
    diff = asked()["diff"]
    assert (diff["from"], diff["to"]) == ("a cat", "a cat, glossy 3d style")
    assert diff["of"]["image"]["shape"] == [32, 32, 3]


def test_the_copying_meter_shows_what_is_nearest(pictures: Stage, page: Page) -> None:
    drawn(pictures, page, "&prompt=a+cat&molecule=CC&samples=2")
    page.get_by_role("button", name="New or copied?").click()
    expect(page.locator("#tab-copying")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#copying-summary")).to_contain_text("A near-copy in pixels")
    figures = page.locator(".specimens figure")
    expect(figures).to_have_count(3)
    expect(figures.nth(1)).to_contain_text("tabby, noto; CLIP cosine 0.90")
    expect(figures.nth(2)).to_contain_text("pixel distance 0.01")
    loaded = "(images) => images.every((image) => image.complete && image.naturalWidth === 32)"
    pictures.until(f"({loaded})([...document.querySelectorAll('.specimens img')])")
    expect(page.locator(".judged tbody tr").first).to_contain_text("cat 0")
    page.keyboard.press("]")
    expect(page.locator("#copying-summary")).to_contain_text("Not a copy")


def test_the_map_follows_the_player(pictures: Stage, page: Page) -> None:
    drawn(pictures, page, "&prompt=a+cat&molecule=CC&samples=2")
    page.click("#tab-map")
    expect(page.locator("#map-summary")).to_contain_text("12 concepts in 2 groups")
    expect(page.locator("#map-summary")).to_contain_text("sample 2 ended among")
    expect(page.locator("#map-summary")).to_contain_text("the second was kept")
    read = "() => document.querySelector('#map-panel canvas.top').toDataURL()"
    shots = set()
    for key in ("Home", "7", "End"):
        page.locator("#track").focus()
        page.keyboard.press(key)
        shots.add(page.evaluate(read))
    assert len(shots) == 3
    page.mouse.move(0, 0)  # the page may scroll under the pointer
    page.locator("#map-panel canvas.top").focus()
    value = pictures.value()
    page.keyboard.press("ArrowRight")
    tip = page.locator(".map-tip")
    expect(tip).to_contain_text("thing")
    first = tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert tip.inner_text() != first and pictures.value() == value
    ground = page.evaluate(read.replace("top", "ground"))
    page.locator(".groups button").first.click()
    assert page.evaluate(read.replace("top", "ground")) != ground


def test_one_caption_is_drawn_by_both(pictures: Stage, page: Page) -> None:
    pictures.open()
    page.select_option("#mode", "compare")
    expect(page.locator("#alphafold3")).to_be_hidden()
    expect(page.locator("#molecule")).to_be_hidden()
    page.fill("#prompt", "a fish")
    page.click("#run")
    page.wait_for_selector("#dalle1 .origin[data-origin=live]")
    pictures.until(DONE)
    parameters = page.locator("#compare-panel tbody tr", has_text="parameters").locator("td")
    expect(parameters).to_have_text([re.compile(r"\d")] * 2)  # the cards have come
    cells = page.locator("#compare-panel tbody tr").evaluate_all(
        "(rows) => Object.fromEntries(rows.map((r) => [...r.cells].map((c) => c.textContent))"
        ".map(([key, ...rest]) => [key, rest]))"
    )
    assert cells["caption"] == ["a fish", "a fish"]
    assert cells["network calls"] == ["12", "7"]
    assert cells["order"] == ["everything at once", "top left to bottom right"]
    assert cells["the classifier sees"] == ["cat 0 (75 %)", "dog (50 %)"]
    assert all(text.endswith(" ms") for text in cells["time"])
    assert all(text.replace(",", "").isdigit() for text in cells["parameters"])
    page.locator("#track").focus()
    page.keyboard.press("Home")
    assert "token 1 of 6: no noise level" in page.locator("#reading").inner_text()
    first = pictures.status("dalle1")
    page.keyboard.press("5")
    assert pictures.status("dalle1") != first
    page.keyboard.press("End")
    assert "every token is drawn" in page.locator("#reading").inner_text()
    page.select_option("#mode", "caption")
    expect(page.locator("#alphafold3")).to_be_visible()
    expect(page.locator("#tab-compare")).to_be_hidden()


@pytest.mark.parametrize("mode", ["interpolate", "diff", "compare"])
@pytest.mark.parametrize("size", SIZES)
def test_every_mode_fits(pictures: Stage, page: Page, size: str, mode: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    pictures.open("&theme=projector" if size == "projection" else "")
    page.get_by_role("button", name="Interpolate from").click()  # a picture in the field
    page.select_option("#mode", mode)
    for tab in ("map", "copying"):
        page.click(f"#tab-{tab}")
        not_wider(page, width)


def test_the_tricks_are_accessible(pictures: Stage, page: Page) -> None:
    drawn(pictures, page, "&prompt=a+cat&molecule=CC&samples=4")
    for mode, tab in (("interpolate", "map"), ("diff", "copying"), ("compare", "compare")):
        page.select_option("#mode", mode)
        page.click(f"#tab-{tab}")
        judged(page, f"{mode}, {tab}")
