"""The lessons in real Chromium: every step is completed by doing it, on exact networks."""

from __future__ import annotations

import re

import numpy as np
from browser_stage import Watch
from playwright.sync_api import Page, expect
from school import School


def test_the_dye_spreads_gathers_and_is_stirred(school: School, page: Page) -> None:
    school.lesson("dye")
    expect(page.locator("#ask")).to_be_hidden()
    assert not any(school.done)
    page.click("#dye-forward")
    school.is_done()
    assert school.value() == 0 and page.locator("#dye-origin").inner_text() == "computed here"
    school.says(".lesson-said", "0.99 %")  # 1 part of data in 1 + 10 squared
    school.on()
    page.locator(".lesson-options .option").first.click()
    school.on()
    page.click("#dye-reverse")
    school.press("Home", "End")
    school.is_done()
    assert page.locator("#dye-origin").inner_text() == "recorded"
    bands = {
        band["name"]: band["settled_at"]
        for band in school.traces["dye"]["events"][-1]["data"]["settling"]["bands"]
    }
    assert bands["far"] > 1.1 * bands["near"]
    levels = [f"{bands[name]:.2g}" for name in ("far", "near")]
    school.says(".lesson-outcome", "You were right.", *levels)
    school.on()
    page.locator("#ticks .equal").click(force=True)
    track, tick = (page.locator(s).bounding_box() for s in ("#track", "#ticks .equal"))
    assert track and tick
    page.mouse.click(tick["x"] + tick["width"] / 2, track["y"] + track["height"] / 2)
    school.on()
    page.click("#dye-run")
    school.is_done()
    same, nearest = map(float, re.findall(r"\d+\.\d+", school.says(".lesson-said"))[:2])
    assert same > 5 * nearest  # another sample of the same shape
    school.on()
    page.get_by_role("button", name="cat").click()
    school.is_done()
    school.all_done()
    expect(page.locator(".lesson-complete")).to_be_visible()
    assert page.locator(".lesson-nav a").get_attribute("href") == "/?lesson=axis&step=1"


def test_two_models_are_watched_on_one_axis(school: School, page: Page) -> None:
    school.lesson("axis")
    school.press("Home", "End")
    school.on()
    page.locator(".lesson-options .option").nth(2).click()
    school.on()
    school.run()
    school.is_done()
    levels = [
        school.traces[id]["events"][-1]["data"]["settling"]["bands"][0]["settled_at"]
        for id in ("dalle2", "alphafold3")
    ]
    right = "The picture's" if levels[0] > levels[1] else "The molecule's"
    assert max(levels) > 1.1 * min(levels)  # so it is not "both at about the same"
    school.says(".lesson-outcome", f"Measured here: {right}.", "It went another way")
    school.on()
    school.press(",")
    school.is_done()
    school.says(".lesson-said", "Global settled at noise")
    page.locator("[data-hold=next]").click()
    school.press("Home", ".")
    school.on()
    school.press("x")
    school.on()
    page.click("#dice")
    school.run()
    school.is_done()
    school.on()
    school.press("Home", "ArrowRight", "ArrowRight")
    page.click("#dice")
    page.click("#branch")
    school.is_done()
    school.says(".lesson-said", "The picture was left at step")
    school.all_done()


def test_one_caption_gives_many_pictures(school: School, page: Page) -> None:
    school.lesson("clip")
    page.fill("#prompt", "a cat")
    school.run()
    school.on()
    page.locator(".lesson-options .option").nth(2).click()
    school.on()
    school.slide("picture", 1, 4)
    school.run()
    school.is_done()
    # The toy's embeddings are at right angles.
    school.says(".lesson-outcome", "mean cosine of 0.", "You were right.")
    school.on()
    page.click("#tab-map")
    school.press("End", "Home")
    school.on()
    page.select_option("#mode", "direct")
    school.run()
    school.is_done()
    # The toy's judge calls everything a cat.
    school.says(".lesson-said", "4 of 4 without the prior, 4 of 4 with it")
    school.on()
    page.get_by_role("button", name="Variations").click()
    school.is_done()
    school.says(".lesson-said", "Pictures of one idea differ by")
    school.on()
    page.select_option("#mode", "interpolate")
    page.fill("#prompt-to", "a dog")
    school.run()
    school.on()
    page.select_option("#mode", "diff")
    page.fill("#prompt", "a cat")
    page.fill("#prompt-to", "a dog")
    school.run()
    school.is_done()
    school.all_done()


def test_one_seed_runs_under_several_schedules(school: School, page: Page) -> None:
    school.lesson("schedule")
    school.slide("molecule", 0, 20)  # so that 6 of the picture's are few and these are not
    school.slide("picture", 0, 12)
    page.click("[data-hold=act]")
    school.is_done()
    usual = school.says(".lesson-said")
    school.on()
    page.locator(".lesson-options .option").nth(0).click()
    school.on()
    page.click("[data-hold=act]")
    school.is_done()
    levels = np.linspace(10, 0.01, 20)  # the toy's range; its molecule's data are 0.01 wide
    below = int((levels < 0.01).sum())
    assert f"{int((np.array(levels) < 0.01).sum())} of 20" not in usual or below == 0
    school.says(
        ".lesson-outcome",
        f"{below} of 20 steps of the molecule", "Fewer than a tenth", "It went another way",
    )  # fmt: skip
    table = page.locator(".lesson-table table")
    expect(table.locator("thead th")).to_have_text(["usual", "even"])
    differs = table.get_by_role("row", name="differs from usual").first
    assert float(differs.locator("td").nth(1).inner_text()) >= 0
    school.on()
    school.press("8")
    school.on()
    page.click("[data-hold=act]")
    school.on()
    page.click("#settings summary")
    page.locator("#settings-form .preset input").check()
    page.keyboard.press("Escape")
    school.run()
    school.on()
    page.click("#settings summary")
    page.locator("#settings-form .preset input").uncheck()
    page.keyboard.press("Escape")
    school.slide("molecule", 0, 8)
    school.run()
    school.is_done()
    school.all_done()
    heads = ["usual", "even", "cosine", "published", "usual, few steps"]
    expect(table.locator("thead th")).to_have_text(
        heads
    )  # the last when the molecule has ended too


def test_two_ways_of_drawing_are_compared(school: School, page: Page) -> None:
    school.lesson("dalle1")
    page.select_option("#mode", "compare")
    school.on()
    page.locator(".lesson-options .option").nth(0).click()
    school.on()
    school.run()
    school.is_done()
    school.says(
        ".lesson-outcome",
        "DALL·E 1 took 7 network calls, DALL·E 2 12.",  # as the toys count
        "Measured here: DALL·E 2.",
    )
    school.on()
    school.press("5")
    school.is_done()
    expect(page.locator(".lesson-said")).to_have_text(re.compile(r"drawn \d of 6 tokens"))
    school.on()
    page.click("#dice")
    school.run()
    school.on()
    page.fill("#prompt", "a dog")
    school.slide("picture", 1, 4)
    school.run()
    school.is_done()
    # The toys' judge sees dogs in the one and numbered cats in the other.
    school.says(".lesson-said", "4 of 4 by DALL·E 1 and 0 of 4 by DALL·E 2")
    school.all_done()


def test_one_protein_is_folded_twice_and_a_ligand_has_no_frames(
    school: School, page: Page, watch: Watch
) -> None:
    watch.expected = ["422"]
    school.lesson("alphafold2")
    page.click("#molecule-mode")
    school.on()
    school.run()
    school.on()
    school.press("Home", "End")
    school.on()
    page.click("#dice")
    school.run()
    school.is_done()
    said = school.says(".lesson-said", "AlphaFold 3 changed by", "AlphaFold 2 by 0 Å.")
    assert said.endswith("AlphaFold 2 by 0 Å.")
    school.on()
    page.locator(".lesson-options .option").nth(2).click()
    school.on()
    page.fill("#molecule", "CFF")
    school.run()
    school.is_done()
    school.says(".lesson-outcome", "no frames and no torsions", "You were right.")
    school.all_done()
