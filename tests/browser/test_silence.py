"""A run that says nothing for seconds is not frozen: it says so, in the picture and to those who listen."""

from __future__ import annotations

from browser_stage import Stage, Watch
from playwright.sync_api import Page, expect


def test_seconds_without_a_frame_are_counted(stage: Stage, page: Page) -> None:
    page.clock.install()
    stage.open()
    net = stage.picture.net
    net.hold()
    page.click("#run")
    net.permit(2)
    expect(page.locator("#dalle2 .origin[data-origin=live]")).to_be_visible()
    said = page.locator("#dalle2 .silence")
    page.clock.run_for(2000)
    expect(said).to_have_count(0)
    page.clock.run_for(10_000)
    expect(said).to_contain_text("The server is computing")
    expect(said).to_contain_text("s without a frame")
    expect(page.locator("#welcome")).to_contain_text("A picture, The server is computing")
    expect(page.locator("#alphafold3 .silence")).to_have_count(0)  # this one has finished
    net.permit(50)
    page.clock.run_for(2000)
    expect(said).to_have_count(0)
    expect(page.locator("#dalle2 [data-role=status]")).to_contain_text("finished")


def test_a_server_that_does_not_answer_is_asked_again(
    stage: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["ERR_FAILED", "Failed to load"]
    stage.open()
    page.route("**/api/runs", lambda route: route.abort())
    page.click("#run")
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text("asked again every few seconds")
    expect(page.locator("#run")).to_have_attribute("data-state", "running")  # and can be stopped
    page.unroute("**/api/runs")
    expect(page.locator("#dalle2 .origin")).to_have_attribute("data-origin", "live")
    expect(trouble).to_be_hidden()
