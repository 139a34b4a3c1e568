"""Around the lessons: links, questions that the runs answer, the panel, a class that follows, words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser_stage import Stage, Watch, address, comes, not_wider, query_of
from playwright.sync_api import BrowserContext, Page, expect
from school import School, light
from test_access import judged

from app.languages import part
from app.room_polls import LESSONS

SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}


def test_a_link_opens_the_lesson_at_its_step(school: School, page: Page) -> None:
    school.lesson("axis", 4)
    heading = page.locator("#lesson h3")
    expect(heading).to_have_text("Go to “Global settled”")
    page.locator("[data-hold=next]").click()  # always there, and it ticks nothing
    expect(heading).to_have_text("Go to “Local settled”")
    expect(heading).to_be_focused()
    assert not any(school.done)
    given = query_of(page)
    assert given["lesson"] == ["axis"] and given["step"] == ["5"]
    page.click("#copy-link")
    copied = query_of(page)
    assert copied["lesson"] == ["axis"] and copied["step"] == ["5"]
    expect(page.locator("dialog.share")).to_be_visible()
    page.keyboard.press("Escape")
    page.go_back()
    expect(heading).to_have_text("Go to “Global settled”")
    page.reload()
    expect(heading).to_have_text("Go to “Global settled”")
    page.locator(".lesson-steps button").nth(0).click()
    school.press("Home", "End")
    school.is_done()
    page.reload()
    school.is_done()  # what was done is remembered
    page.keyboard.press("Tab")
    page.locator("[data-hold=close]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#lesson")).to_be_hidden()
    assert "lesson" not in address(page)
    page.go_back()
    expect(heading).to_be_visible()
    school.open("&lesson=axis&step=99")
    expect(heading).to_have_text("Branch from here")
    school.open("&lesson=nonsense")
    expect(page.locator("#welcome")).to_contain_text("no lesson")
    expect(page.locator("#lesson")).to_be_hidden()


def test_the_reveal_says_what_the_runs_have_measured(school: School, page: Page) -> None:
    """The same guess is right or wrong, as the run on the stage has it."""
    bands = school.traces["dye"]["events"][-1]["data"]["settling"]["bands"]
    far, near = (next(b for b in bands if b["name"] == name) for name in ("far", "near"))
    far["settled_at"], near["settled_at"] = 0.3, 0.6
    school.lesson("dye", 2)
    page.locator(".lesson-options .option").nth(1).click()
    page.locator("[data-hold=next]").click()
    school.press("Home", "End")
    school.is_done()
    school.says(
        ".lesson-outcome",
        "You said: The fine parts.", "You were right.", "noise 0.3 × data", "0.6",
    )  # fmt: skip
    page.locator("[data-hold=back]").click()
    page.locator(".lesson-options .option").nth(2).click()
    page.locator("[data-hold=next]").click()
    school.says(".lesson-outcome", "It went another way")


def test_particles_take_independent_steps(school: School, page: Page) -> None:
    got = page.goto(f"{school.server.url}/docs") and page.evaluate(
        """async () => {
          const { spread } = await import('/static/js/dye_forward.js');
          const { Run } = await import('/static/js/run.js');
          const run = new Run({pipeline: 'dye', input: {}, settings: {}, source: 'live'});
          run.apply('start', {stages: [{name: 'particles', sigma_data: 1, sigmas: [10, 0.02]}]});
          const start = {shape: [4000, 2], values: new Float32Array(8000).fill(1)};
          const out = spread(run, start, 7);
          const again = spread(run, start, 7);
          const frames = out.stages[0].frames;
          const rms = ({decoded: {x}}) =>
            Math.sqrt(x.values.reduce((sum, v) => sum + (v - 1) ** 2, 0) / x.values.length);
          const [a, b] = [frames[0], frames[10]].map(({decoded: {x}}) => x.values.map((v) => v - 1));
          const dot = (p, q) => p.reduce((sum, v, i) => sum + v * q[i], 0);
          return {levels: frames.map(({sigma}) => sigma), spread: frames.map(rms), source: out.source,
            
            same: frames[0].decoded.x.values.every(
              (v, i) => v === again.stages[0].frames[0].decoded.x.values[i]),
            kept: dot(a, b) / dot(b, b),
            falling: frames.every(({level}, i) => !i || level < frames[i - 1].level)};
        }"""
    )
    assert got["source"] == "computed" and got["same"] and got["falling"]
    np.testing.assert_allclose(got["spread"], got["levels"], rtol=0.05)
    assert got["kept"] == pytest.approx(1, abs=0.1)  # a later state holds the earlier one


def test_the_playhead_goes_left_while_the_dye_spreads(school: School, page: Page) -> None:
    page.emulate_media(reduced_motion="no-preference")
    school.lesson("dye")
    expect(page.locator("#dye-origin")).to_have_text("recorded")
    page.click("#dye-forward")
    expect(page.locator("#dye-origin")).to_have_text("computed here")
    went = page.evaluate(
        """() => new Promise((done) => {
          const seen = [];
          const look = () => {
            seen.push(Number(document.querySelector('#track').ariaValueNow));
            if (seen.at(-1) < 90) done(seen);
            else requestAnimationFrame(look);
          };
          look();
        })"""
    )
    assert went == sorted(went, reverse=True) and went[-1] < 90
    school.press("End")  # whoever takes the playhead ends it
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    assert school.value() == 100


def test_notes_are_shown_on_request(school: School, page: Page) -> None:
    school.lesson("dye")
    note = page.locator(".lesson-note")
    expect(note).to_be_hidden()
    page.click("[data-hold=notes]")
    expect(note).to_be_visible()
    page.locator("[data-hold=next]").click()
    expect(note).to_be_visible()  # the switch holds
    page.goto(f"{school.server.url}/lessons?print=dye")
    expect(page.locator("#lesson-sheet .lesson-note")).to_have_count(6)
    expect(page.locator(".lesson-sources a").first).to_have_attribute(
        "href", re.compile(r"^https://arxiv\.org/abs/\d{4}\.\d{5}$")
    )
    page.goto(f"{school.server.url}/lessons")
    expect(page.locator(".lesson-card")).to_have_count(6)
    page.locator(".lesson-card a").first.click()
    expect(page.locator("#lesson h3")).to_have_text("Let it spread")


@pytest.mark.parametrize("size", SIZES)
def test_the_panel_covers_neither_the_player_nor_the_page(
    school: School, page: Page, size: str
) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    for id in ("axis", "dye"):
        school.lesson(id, 2)

        def boxes() -> list[Any]:
            return [page.locator(s).bounding_box() for s in ("#lesson", "#track")]

        def apart(found: list[Any]) -> bool:
            lesson, player = found
            beside = player["x"] + player["width"] <= lesson["x"]
            above = player["y"] + player["height"] <= lesson["y"]
            inside = player["y"] >= 0 and player["y"] + player["height"] <= height
            return inside and (beside or above)

        lesson, _ = comes(page, boxes, apart)  # the player makes room once the sheet has a height
        not_wider(page, width)
        next_ = page.locator("[data-hold=next]").bounding_box()
        assert next_ and next_["y"] + next_["height"] <= height
    if size == "phone":
        assert lesson["height"] < 0.5 * height
        page.click("[data-hold=fold]")
        folded = page.locator("#lesson").bounding_box()
        assert folded and folded["height"] < 60
        expect(page.locator("[data-hold=fold]")).to_have_attribute("aria-expanded", "false")


def test_lessons_are_accessible(school: School, page: Page) -> None:
    school.lesson("axis", 2)
    page.locator(".lesson-options .option").first.click()
    page.click("[data-hold=notes]")
    judged(page, "a question")
    school.lesson("dye", 3)
    school.press("Home", "End")
    school.is_done()
    page.locator(".lesson-more summary").first.click()
    judged(page, "an outcome")
    page.goto(f"{school.server.url}/lessons")
    expect(page.locator(".lesson-progress").first).to_be_visible()
    judged(page, "the list")
    page.goto(f"{school.server.url}/lessons?print=alphafold2")
    expect(page.locator("#lesson-sheet h2").first).to_be_visible()
    judged(page, "a sheet")


# -- a class -------------------------------------------------------------------------------------


@pytest.fixture
def follow(new_context: Callable[..., BrowserContext], school: School) -> Iterator[Callable]:
    watches: list[Watch] = []

    def join(code: str) -> Stage:
        page = new_context(has_touch=True).new_page()
        page.set_viewport_size({"width": 390, "height": 844})
        watches.append(Watch())
        page.on("console", watches[-1].console)
        page.on("pageerror", lambda error: watches[-1].problems.append(f"exception: {error}"))
        page.on("request", watches[-1].request)
        light(page, school.traces)
        page.goto(f"{school.server.url}/room/{code}?lowgfx=1")
        return Stage(page, school.server, school.picture, school.molecule)

    yield join
    assert [w.unexpected() for w in watches if w.unexpected()] == []


def test_a_class_follows_the_lesson_predicts_and_is_told(
    school: School, page: Page, follow: Callable
) -> None:
    school.lesson("axis", 2)
    page.click("[data-hold=notes]")
    page.click("#room-open")
    expect(page.locator("#room-code")).to_be_visible()
    code = page.locator("#room-code").inner_text().replace(" ", "")
    page.keyboard.press("Escape")
    pupil = follow(code).page
    heading = pupil.locator("#lesson h3")
    expect(heading).to_have_text("Which is settled earlier?")
    assert pupil.locator(".lesson-note, [data-hold=notes], .lesson-options").count() == 0
    page.click("[data-hold=ask]")  # the presenter does not answer: the class does
    expect(pupil.locator("#poll-question")).to_contain_text("overall shape is settled")
    pupil.locator("#poll .option").nth(1).click()
    expect(page.locator("#poll [data-role=note]")).to_have_text("1 answer")
    page.locator("[data-hold=next]").click()
    expect(heading).to_have_text("Run your own")
    school.run()
    school.is_done()
    expect(pupil.locator("#dalle2 [data-role=status]")).to_contain_text("finished")
    for side in (page, pupil):  # both screens are seen while the class still answers
        expect(side.locator(".lesson-outcome")).not_to_contain_text("Measured")
    levels = [
        school.traces[id]["events"][-1]["data"]["settling"]["bands"][0]["settled_at"]
        for id in ("dalle2", "alphafold3")
    ]
    right = 0 if levels[0] > levels[1] else 1
    page.click("[data-hold=reveal]")
    for side in (page, pupil):
        expect(side.locator("#poll .option").nth(right)).to_have_class(re.compile("right"))
        expect(side.locator("#poll [data-role=why]")).to_contain_text(
            "On the stage now: The overall"
        )
        expect(side.locator(".lesson-outcome")).to_contain_text("Measured")
    expect(pupil.locator("#poll [data-role=note]")).to_have_text(
        "That is what you said." if right == 1 else "You said: The molecule's"
    )
    pupil.locator("[data-hold=next]").click()  # looks around
    expect(pupil.locator("#room-words")).to_have_text("You look around on your own")
    expect(heading).to_have_text("Go to “Global settled”")
    pupil.click("#room-back")
    expect(heading).to_have_text("Run your own")
    page.locator("[data-hold=close]").click()
    expect(pupil.locator("#lesson")).to_be_hidden()
    page.go_back()
    expect(heading).to_have_text("Run your own")
    page.click("#room-chip")
    page.click("#room-end")
    page.click("#room-end")
    pupil.locator("[data-hold=notes]").click()  # the lesson is the pupil's own now
    expect(pupil.locator(".lesson-note")).to_be_visible()


# -- words ---------------------------------------------------------------------------------------


def test_every_lesson_has_its_words(school: School, page: Page) -> None:
    page.goto(f"{school.server.url}/docs")
    got = page.evaluate(
        """async () => {
          const { LESSONS } = await import('/static/js/lesson_list.js');
          const { SOURCES } = await import('/static/js/lesson_sources.js');
          return {sources: Object.keys(SOURCES),
            used: [...new Set(LESSONS.flatMap(({ sources }) => sources))],
            lessons: LESSONS.map(({ id, correct, sources, steps }) => ({id, correct, sources,
              steps: steps.map(({ id, asks, reveals, said, act, done }) =>
                ({id, asks: Boolean(asks), reveals: Boolean(reveals), said: Boolean(said),
                  act: act?.key ?? null,
                  by_doing: typeof done === 'function'}))}))};
        }"""
    )
    words = {**part("en", "lessons"), **part("en", "room")}
    assert {f"lesson_{lesson['id']}": 3 for lesson in got["lessons"]} == LESSONS
    assert sorted(got["used"]) == sorted(got["sources"])
    wanted = set()
    for lesson in got["lessons"]:
        key, steps = f"lesson.{lesson['id']}", lesson["steps"]
        assert 4 <= len(steps) <= 8
        assert all(step["by_doing"] or step["asks"] for step in steps)
        asks = [i for i, step in enumerate(steps) if step["asks"]]
        reveals = [i for i, step in enumerate(steps) if step["reveals"]]
        assert len(asks) == len(reveals) == 1 and asks[0] < reveals[0]
        wanted |= {f"{key}.{name}" for name in ("title", "lead", "reveal")}
        wanted |= {f"{key}.correct.{k}" for k in range(lesson["correct"])}
        for step in steps:
            parts = ["title", "text", "note", *(["said"] if step["said"] else [])]
            wanted |= {f"{key}.step.{step['id']}.{part}" for part in parts}
            wanted |= {step["act"]} - {None}
        poll = f"poll.lesson_{lesson['id']}"
        wanted |= {
            f"{poll}.{part}" for part in ("question", "why", "option.0", "option.1", "option.2")
        }
    assert wanted - set(words) == set()
    own = {
        key for key in words if re.match(r"lesson\.\w+\.(title|lead|reveal|step\.|correct\.)", key)
    }
    assert own - wanted - {"lesson.dye.lane"} == set()  # no sentence that nobody shows


def test_lessons_are_fetched_when_one_is_opened(school: School, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    school.open()
    late = {"/static/js/lesson.js", "/text/en/lessons,room.json", "/static/css/lesson.css"}
    assert not late & set(asked)
    page.goto(f"{school.server.url}/?lesson=dye&lowgfx=1")
    expect(page.locator("#lesson h3")).to_be_visible()
    assert late <= set(asked)
