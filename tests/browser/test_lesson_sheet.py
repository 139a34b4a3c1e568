"""A lesson on a phone: its sheet is pulled down to a line, and pictures are seen while they move."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from school import School

PHONE = {"width": 390, "height": 844}


def test_the_sheet_makes_room_for_what_was_started(school: School, page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{school.server.url}/?lowgfx=1&lesson=axis&step=3")
    page.wait_for_selector("body[data-ready]")
    sheet = page.locator("#lesson")
    now = page.locator(".lesson-now")
    expect(now).to_be_hidden()
    expect(page.locator("#run")).to_be_in_viewport()  # the step asks for it
    assert (sheet.bounding_box() or {})["height"] > 200
    # Run moves the player: the sheet becomes a line that says what is to be done.
    for net in (school.picture.net, school.molecule.net):
        net.hold()
    page.click("#run")
    for net in (school.picture.net, school.molecule.net):
        net.permit(1)
    expect(sheet).to_have_attribute("data-folded", "")
    expect(now).to_contain_text("Run your own")
    assert (sheet.bounding_box() or {})["height"] < 70
    expect(page.locator("#dalle2 .estimate .well")).to_be_in_viewport(ratio=0.9)
    # At rest it comes back, with the step done.
    for net in (school.picture.net, school.molecule.net):
        net.permit(200)
    expect(sheet).not_to_have_attribute("data-folded", "")
    expect(page.locator(".lesson-tick")).to_have_attribute("data-done", "true")


def test_the_sheet_is_pulled_down_and_up(school: School, page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"{school.server.url}/?lowgfx=1&lesson=axis&step=1")
    page.wait_for_selector("body[data-ready]")
    sheet = page.locator("#lesson")
    expect(page.locator("#dalle2 .estimate .well")).to_be_in_viewport(ratio=0.9)

    def pull(by: int) -> None:
        box = page.locator("#lesson h2, .lesson-now").locator("visible=true").first.bounding_box()
        assert box
        x, y = box["x"] + 20, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + by, steps=4)
        page.mouse.up()

    pull(60)
    expect(sheet).to_have_attribute("data-folded", "")
    expect(page.locator(".lesson-fold")).to_have_attribute("aria-expanded", "false")
    pull(-60)
    expect(sheet).not_to_have_attribute("data-folded", "")
    page.locator(".lesson-fold").press("Enter")
    expect(sheet).to_have_attribute("data-folded", "")
    expect(page.locator(".lesson-now")).to_contain_text("Watch both from noise to data")
