"""Rooms in real browsers: a presenter on a projector, followers on phones, under the real policy."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_stage import Stage, Watch, address, without_viewers
from live import Live
from playwright.sync_api import BrowserContext, Page, expect
from toy import Toy

from app.languages import part
from app.room_polls import READY


def lighten(page: Page) -> None:
    """Without the viewers, and without recorded runs: what is on the stage is what was run here."""
    without_viewers(page)
    page.route("**/static/traces/*.json", lambda route: route.fulfill(status=404, body=""))


@dataclass
class Class:
    """A presenter, and followers who come when asked."""

    presenter: Stage
    new_context: Callable[..., BrowserContext]
    watches: list[Watch]

    def open(self) -> str:
        """-> the room's code, the dialog closed."""
        page = self.presenter.page
        page.click("#room-open")
        expect(page.locator("#room-dialog")).to_be_visible()
        code = page.locator("#room-code").inner_text().replace(" ", "")
        self.presenter.until("document.querySelector('#room-qr').naturalWidth > 0")
        page.keyboard.press("Escape")
        expect(page.locator("#room-chip")).to_be_visible()
        return code

    def join(self, code: str) -> Stage:
        page = self.new_context(has_touch=True).new_page()
        page.set_viewport_size({"width": 390, "height": 844})
        watch = Watch()
        watch.expected = ["404"]  # the recordings that are not there
        page.on("console", watch.console)
        page.on("pageerror", lambda error: watch.problems.append(f"exception: {error}"))
        page.on("request", watch.request)
        self.watches.append(watch)
        lighten(page)
        page.goto(f"{self.presenter.server.url}/room/{code}?lowgfx=1")
        return Stage(page, self.presenter.server, self.presenter.picture, self.presenter.molecule)


@pytest.fixture
def lesson(
    page: Page,
    watch: Watch,
    new_context: Callable[..., BrowserContext],
    serve: Callable[..., Live],
    toys: tuple[Toy, Toy],
) -> Iterator[Class]:
    lighten(page)
    watch.expected = ["404"]
    page.set_viewport_size({"width": 1920, "height": 1080})
    stage = Stage(page, serve(*toys), *toys).open()
    a_class = Class(stage, new_context, [])
    yield a_class
    assert [w.unexpected() for w in a_class.watches if w.unexpected()] == []


def same_place(*stages: Stage) -> None:
    """Waits until all of them stand at the presenter's (the first one's) place."""
    wanted = stages[0].page.locator("#track").get_attribute("aria-valuetext")
    for stage in stages[1:]:
        expect(stage.page.locator("#track")).to_have_attribute("aria-valuetext", wanted or "")


def says(stage: Stage, text: str) -> None:
    expect(stage.page.locator("#room-words")).to_have_text(text)


def test_a_class_follows_looks_around_predicts_and_is_let_go(lesson: Class) -> None:
    presenter = lesson.presenter
    code = lesson.open()
    first = lesson.join(code)
    says(first, "Following the presenter")
    expect(presenter.page.locator("#room-chip-count")).to_have_text("1")
    expect(first.page.locator("#ask")).to_be_hidden()
    expect(first.page.locator("#room-open")).to_have_count(0)

    # A live run, half of it; the second follower joins in the middle.
    presenter.picture.net.hold()
    presenter.molecule.net.hold()
    presenter.page.click("#run")
    presenter.picture.net.permit(3)
    presenter.molecule.net.permit(3)
    status = "#dalle2 [data-role=status]"
    expect(presenter.page.locator(status)).to_contain_text("step")
    expect(first.page.locator(status)).to_contain_text("step")
    second = lesson.join(code)
    expect(second.page.locator(status)).to_contain_text("step")
    presenter.picture.net.permit(9)
    presenter.molecule.net.permit(9)
    for stage in (presenter, first, second):
        expect(stage.page.locator(status)).to_contain_text("finished")
        expect(stage.page.locator("#alphafold3 [data-role=status]")).to_contain_text("finished")
        assert stage.origin("dalle2") == "live"
    assert len(presenter.picture.net.batches) == 6  # one run, however many follow

    # The playhead, the theme and the layout are the presenter's.
    presenter.page.locator("#track").focus()
    presenter.page.keyboard.press("4")
    same_place(presenter, first, second)
    read = "() => document.querySelector('#dalle2 .estimate canvas').toDataURL()"
    assert first.page.evaluate(read) == presenter.page.evaluate(read)
    presenter.page.click("[data-theme-name=projector]")
    presenter.page.keyboard.press("x")
    for stage in (first, second):
        expect(stage.page.locator("html")).to_have_attribute("data-theme", "projector")
        expect(stage.page.locator("#dalle2")).to_have_attribute("data-focus", "estimate")
    assert (
        first.page.evaluate("() => localStorage.getItem('theme')") is None
    )  # it is not their choice

    # One looks around and comes back; the other one goes on.
    second.page.locator("#track").focus()
    second.page.keyboard.press("Home")
    says(second, "You look around on your own")
    presenter.page.locator("#track").focus()
    presenter.page.keyboard.press("7")
    same_place(presenter, first)
    assert second.value() == 0
    second.page.click("#room-back")
    same_place(presenter, second)
    says(second, "Following the presenter")

    # Predict, then reveal.
    presenter.page.click("#room-ask")
    presenter.page.locator("#ask-ready button").first.click()
    for stage, option in ((first, 0), (second, 1)):
        expect(stage.page.locator("#poll-question")).to_contain_text("settles first")
        stage.page.locator(".option").nth(option).click()
        expect(stage.page.locator("#poll [data-role=note]")).to_contain_text("Your answer is in")
        expect(stage.page.locator(".count").first).to_be_empty()
    card = presenter.page.locator("#poll")
    expect(card.locator("[data-role=note]")).to_have_text("2 answers")
    expect(card.locator(".count").first).to_be_empty()  # the class sees this screen
    presenter.page.click("#poll-peek")
    expect(card.locator(".count").first).to_have_text("50 % (1)")
    second.page.locator(".option").nth(0).click()  # changes its mind
    expect(card.locator(".count").first).to_have_text("100 % (2)")
    presenter.page.click("#poll-reveal")
    for stage in (presenter, first, second):
        expect(stage.page.locator(".option.right .count")).to_have_text("100 % (2) ✓ right")
        expect(stage.page.locator("#poll [data-role=why]")).to_contain_text(
            "stand out of the noise"
        )
    expect(first.page.locator("#poll [data-role=note]")).to_have_text("That is what you said.")
    presenter.page.click("#poll-clear")
    expect(first.page.locator("#poll")).to_be_hidden()

    # The end: a sentence, and a stage that works.
    presenter.page.click("#room-chip")
    presenter.page.click("#room-end")
    expect(presenter.page.locator("#room-end")).to_have_text("End it for everybody?")
    presenter.page.click("#room-end")
    expect(presenter.page.locator("#room-open")).to_be_visible()
    assert "room=" not in address(presenter.page)
    for stage in (first, second):
        expect(stage.page.locator("#room-words")).to_contain_text("has ended the room")
        expect(stage.page.locator("#ask")).to_be_visible()
    first.page.locator("#track").focus()
    first.page.keyboard.press("Home")
    assert first.value() == 0
    first.page.click("#run")
    expect(first.page.locator(status)).to_contain_text("step")


def test_what_the_class_sees_is_stopped_by_the_presenter_only(lesson: Class) -> None:
    presenter = lesson.presenter
    code = lesson.open()
    pupil = lesson.join(code)
    lesson.watches[-1].expected.append("403")
    presenter.picture.net.hold()
    presenter.molecule.net.hold()
    with presenter.page.expect_response("**/api/runs") as answer:
        presenter.page.click("#run")
    run = answer.value.json()["id"]
    presenter.picture.net.permit(3)
    presenter.molecule.net.permit(3)
    for panel in ("#dalle2", "#alphafold3"):  # the run is one of these
        expect(pupil.page.locator(f"{panel} [data-role=status]")).to_contain_text("step")
    ask = "id => fetch(`/api/runs/${id}`, {method: 'DELETE'}).then(({status}) => status)"
    assert pupil.page.evaluate(ask, run) == 403
    with presenter.page.expect_response(
        lambda a: a.request.method == "DELETE" and a.url.endswith(f"/api/runs/{run}")
    ) as gone:
        presenter.page.click("#run")
    assert gone.value.status == 204
    presenter.picture.net.permit(9)
    presenter.molecule.net.permit(9)


def test_a_reload_keeps_the_room_and_a_copied_address_follows(lesson: Class) -> None:
    presenter = lesson.presenter
    code = lesson.open()
    presenter.page.click("#run")
    expect(presenter.page.locator("#dalle2 [data-role=status]")).to_contain_text("finished")
    presenter.page.locator("#track").focus()
    presenter.page.keyboard.press("4")
    follower = lesson.join(code)
    same_place(presenter, follower)
    before = presenter.words()
    presenter.page.reload()
    expect(presenter.page.locator("#room-chip")).to_be_visible()
    expect(presenter.page.locator("#room-chip-code")).to_have_text(f"{code[:3]} {code[3:]}")
    expect(presenter.page.locator("#track")).to_have_attribute("aria-valuetext", before)
    presenter.page.locator("#track").focus()
    presenter.page.keyboard.press("Home")
    same_place(presenter, follower)
    # The address of the presenter's page makes nobody a presenter.
    stranger = lesson.join(code)
    stranger.page.goto(address(presenter.page))
    stranger.page.wait_for_url(f"**/room/{code}")
    says(stranger, "Following the presenter")


def test_a_lost_connection_is_said_and_made_good(lesson: Class) -> None:
    presenter = lesson.presenter
    code = lesson.open()
    follower = lesson.join(code)
    lesson.watches[-1].expected.append("ERR_FAILED")
    says(follower, "Following the presenter")
    presenter.picture.net.hold()
    presenter.page.locator("#prompt-examples button").first.click()
    presenter.picture.net.permit(2)
    expect(follower.page.locator("#dalle2 [data-role=status]")).to_contain_text("step 2 of 6")
    follower.page.route("**/api/rooms/*/events*", lambda route: route.abort())
    room = presenter.server.services.rooms._rooms[code]
    cut(presenter.server, room)
    expect(follower.page.locator("#room-words")).to_contain_text("The connection is lost")
    presenter.picture.net.permit(9)
    expect(presenter.page.locator("#dalle2 [data-role=status]")).to_contain_text("finished")
    follower.page.unroute("**/api/rooms/*/events*")
    expect(follower.page.locator("#dalle2 [data-role=status]")).to_contain_text("finished")
    says(follower, "Following the presenter")
    run = "() => document.querySelector('#dalle2 [data-role=status]').textContent"
    steps = set()
    follower.page.locator("#track").focus()
    follower.page.keyboard.press("Home")
    while follower.value() < 100:
        steps.add(follower.page.evaluate(run))
        follower.page.keyboard.press("ArrowRight")
    assert {re.sub(r".*step (\d).*", r"\1", s) for s in steps} == set("123456")  # no gap


def cut(server: Live, room: Any) -> None:
    """Ends the room's streams without a word, as a broken network would; the room goes on."""

    async def now() -> None:
        room.stop()
        while room.followers:  # until each of them has noticed
            await asyncio.sleep(0.01)
        room.stopped = False

    asyncio.run_coroutine_threadsafe(now(), server.services.runs._loop).result(30)


def test_a_question_of_one_s_own_is_checked_and_asked(lesson: Class) -> None:
    page = lesson.presenter.page
    follower = lesson.join(lesson.open())
    page.click("#room-ask")
    page.fill("#ask-own [name=question]", "Is <b>this</b> clear?")
    page.click("#ask-own [type=submit]")
    expect(page.locator("#ask-error")).to_be_visible()
    for n, text in enumerate(("yes", "", "no")):
        page.locator("#ask-own [name=option]").nth(n).fill(text)
    page.select_option("#ask-right", "2")
    page.click("#ask-own [type=submit]")
    expect(follower.page.locator("#poll-question")).to_have_text("Is <b>this</b> clear?")
    expect(follower.page.locator(".option")).to_have_count(2)
    follower.page.locator(".option").nth(0).click()
    follower.page.reload()  # the answer outlives it
    expect(follower.page.locator(".option").nth(0)).to_have_attribute("aria-pressed", "true")
    page.click("#poll-reveal")
    expect(follower.page.locator("#poll [data-role=note]")).to_have_text("You said: yes")
    expect(follower.page.locator(".option").nth(1)).to_have_class("option right")


@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
def test_rooms_are_accessible_and_fit(lesson: Class, theme: str) -> None:
    presenter = lesson.presenter
    presenter.page.click("#run")
    expect(presenter.page.locator("#alphafold3 [data-role=status]")).to_contain_text("finished")
    presenter.page.click(f"[data-theme-name={theme}]")
    presenter.page.click("#room-open")
    expect(presenter.page.locator("#room-dialog")).to_be_visible()
    violations(presenter.page)
    code = presenter.page.locator("#room-code")
    box, dialog = code.bounding_box(), presenter.page.locator("#room-dialog").bounding_box()
    assert box and dialog and box["x"] + box["width"] <= dialog["x"] + dialog["width"]
    assert box["height"] > 60  # to be read from the last row
    follower = lesson.join(code.inner_text().replace(" ", ""))
    expect(follower.page.locator("html")).to_have_attribute("data-theme", theme)
    presenter.page.keyboard.press("Escape")
    presenter.page.click("#room-ask")
    violations(presenter.page)
    presenter.page.locator("#ask-ready button").nth(1).click()
    expect(follower.page.locator("#poll")).to_be_visible()
    violations(follower.page)
    follower.page.locator(".option").first.click()
    follower.page.click("[data-action=toggle]")
    expect(follower.page.locator("#room-back")).to_be_visible()
    presenter.page.click("#poll-reveal")
    expect(follower.page.locator(".option.right")).to_be_visible()
    violations(follower.page)
    expect(presenter.page.locator(".option.right")).to_be_visible()
    violations(presenter.page)
    for page, width in ((presenter.page, 1920), (follower.page, 390)):
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_the_page_for_the_code_is_accessible_and_leads_in(lesson: Class) -> None:
    code = lesson.open()
    page = lesson.join("AAAAAA").page
    expect(page.locator("#code-error")).to_contain_text("No room has this code")
    violations(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.fill("#code", f"{code[:3].lower()} {code[3:].lower()}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/room/{code}")
    expect(page.locator("#room-words")).to_have_text("Following the presenter")


def test_every_ready_question_has_its_words(lesson: Class) -> None:
    page = lesson.presenter.page
    words = part("en", "room")
    offered = page.evaluate("async () => (await import('/static/js/room_ask.js')).READY")
    assert offered == {id: count for id, (count, _) in READY.items()}
    for id, (count, right) in READY.items():
        options = [words[f"poll.{id}.option.{k}"] for k in range(count)]
        assert 0 <= right < count and len(set(options)) == count
        assert f"poll.{id}.option.{count}" not in words
        assert words[f"poll.{id}.question"].endswith("?") and words[f"poll.{id}.why"]


def test_a_playhead_is_steered_gently(lesson: Class) -> None:
    """The arithmetic by which a follower keeps up, on its own."""
    got = lesson.presenter.page.evaluate(
        """async () => {
          const m = await import('/static/js/room_state.js');
          const {DURATION} = await import('/static/js/player.js');
          const said = {u: 0.2, playing: true, following: false, loop: false, speed: 2};
          const own = (u, more) => ({u, limit: 1, playing: true, following: false, ...more});
          const state = (u, more) => ({panels: {}, player: {...said, u, ...more}});
          return {
            expected: [m.expected(said, DURATION / 10), m.expected({...said, playing: false}, 99)],
            near: m.steer(said, DURATION / 10, own(0.41)),
            far: m.steer(said, DURATION / 10, own(0.3)),
            limited: m.steer({...said, playing: false, u: 0.9}, 0, own(0.1, {limit: 0.5})),
            stream: m.steer({...said, following: true}, 1, own(0.1)),
            still: m.differs(state(0.2), state(0.2 + 2 / DURATION), 1),
            jumped: m.differs(state(0.2), state(0.7), 1),
            paused: m.differs(state(0.2), state(0.2, {playing: false}), 0),
            first: m.differs(null, state(0), 0),
            streaming: m.differs(state(0, {following: true}), state(0.9, {following: true}), 1),
            shares: [m.shares([1, 2, 0]), m.shares([0, 0])],
          };
        }"""
    )
    assert got["expected"] == pytest.approx([0.4, 0.2])
    assert got["near"] == {"u": None, "playing": True, "following": False}
    assert got["far"]["u"] == pytest.approx(0.4)
    assert got["limited"] == {"u": 0.5, "playing": False, "following": False}
    assert got["stream"] == {"u": None, "playing": False, "following": True}
    assert (got["still"], got["jumped"], got["paused"], got["first"]) == (False, True, True, True)
    assert got["streaming"] is False
    assert got["shares"] == [[33, 67, 0], [0, 0]]


def violations(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []
