"""The whole state of the stage in its address, what of one cannot be used, the dialog that makes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from browser_stage import PATIENCE_MS, Stage, Watch, query_of, run_of, without_viewers
from live import Live, live
from molecule_toy import MoleculeToy, TwinToy
from picture_toy import PictureToy, TokenToy
from playwright.sync_api import Browser, Page, expect
from test_access import judged

from models.dye.pipeline import Dye

EVERY = {
    "mode": "interpolate", "prompt": "a red fish & chips", "to": "a cat", "molecule": "C[C@H](N)C#N",
    "kind": "smiles", "seed": "4294967295", "steps": "20,50", "guidance": "2.5", "samples": "3,2",
    "temperature": "0.4", "topk": "9", "preset": "published", "twins": "1", "profile": "1",
    "view": "spheres", "colour": "element", "turn": "0.5,-0.5,0.5,0.5", "focus": "noisy", "sample": "2,1",
    "alone": "1", "tab": "near", "speed": "0.25", "loop": "1", "u": "0.512", "dye": "cat.7",
    "theme": "projector", "hide": "seed,settings,lab", "v": "0123abcd.89ef4567",
}  # fmt: skip


def test_every_key_comes_back(module: Any) -> None:
    got = module(
        "link",
        """const search = m.writeLink(a, '?lang=de&branch=xyz&prompt=old');
        return {back: m.readLink(search), bad: m.badOf(search), search,
          empty: m.writeLink({}, search)};""",
        EVERY,
    )
    assert got["back"] == EVERY and got["bad"] == []
    kept = {"lang": ["de"], "branch": ["xyz"]}
    assert parse_qs(got["search"][1:]) == kept | {key: [value] for key, value in EVERY.items()}
    assert parse_qs(got["empty"][1:]) == kept


@pytest.mark.parametrize(
    "query",
    [
        "seed=-1", "seed=1e3", "steps=abc", "steps=1,2,3", "u=1.5", "u=NaN", "theme=pink",
        "tab=<b>", "v=xyz",
        "hide=seed,nonsense", "speed=3", "turn=1,2,3", "sample=0", "twins=yes", "kind=xml", "dye=../x",
        "mode=__proto__", "molecule=" + "C" * 8001,
    ],
)  # fmt: skip
def test_what_does_not_fit_is_left_out_and_named(module: Any, query: str) -> None:
    got = module("link", "return {back: m.readLink(a), bad: m.badOf(a)};", f"?{query}&prompt=ok")
    key, _, value = query.partition("=")
    assert got == {"back": {"prompt": "ok"}, "bad": [[key, value]]}


def test_a_link_says_which_weights_it_was_made_with(module: Any) -> None:
    infos = [
        {"id": "a", "available": True, "checkpoints": {"x": "1", "y": "2"}},
        {"id": "b", "available": True, "checkpoints": {"z": "3"}},
        {"id": "c", "available": False},
    ]
    both, turned, one, none = module(
        "weights",
        """const turned = a.map((i) => ({...i, checkpoints: i.checkpoints &&
          Object.fromEntries(Object.entries(i.checkpoints).reverse())}));
        return [m.weightsOf(a, ['a', 'b']), m.weightsOf(turned, ['a', 'b']), m.weightsOf(a, ['b']),
          m.weightsOf(a, ['a', 'c']) ?? null];""",
        infos,
    )
    assert both == turned and both.endswith("." + one) and none is None
    infos[1]["checkpoints"] = {"z": "4"}
    assert module("weights", "return m.weightsOf(a, ['b']);", infos) != one


def test_a_link_without_a_form_asks_the_same(module: Any) -> None:
    bounds = {"default": 1, "minimum": 1, "maximum": 30}
    settings = {name: bounds for name in ("steps", "guidance_scale", "samples", "top_k")}
    info = {"available": True, "settings": settings, "examples": [], "checkpoints": {}}
    infos = [{**info, "id": id} for id in ("dalle2", "alphafold3", "dalle1", "dye")]
    link = {
        "prompt": "a fish", "mode": "diff", "to": "a cat", "molecule": "ATP", "seed": "5", "steps": "7,99",
        "samples": "4,2", "topk": "3", "dye": "cat.8",
    }  # fmt: skip
    ask = "return a[1].map((id) => m.requestOf(a[0], id, a[2]));"
    picture, molecule, dye, missing = module(
        "link_runs", ask, [link, ["dalle2", "alphafold3", "dye", "alphafold2"], infos]
    )
    assert picture["input"] == {"diff": {"from": "a fish", "to": "a cat"}}
    assert picture["settings"] == {"seed": 5, "steps": 7, "samples": 4}
    assert molecule == {"input": {"ccd": "ATP"}, "settings": {"seed": 5, "samples": 2}}  # 99 > 30
    assert dye == {"input": {"shape": "cat"}, "settings": {"samples": 2, "seed": 8}}
    assert missing is None
    tokens = module("link_runs", ask, [link, ["dalle1"], infos])
    assert tokens == [
        {"input": {"prompt": "a fish"}, "settings": {"seed": 5, "samples": 4, "top_k": 3}}
    ]
    assert module("link_runs", ask, [{"u": "0.5"}, ["dalle2", "dye"], infos]) == [None, None]


# -- on the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(browser: Browser) -> Iterator[tuple[Page, Live, Watch]]:
    """One server and one page for what only opens addresses on it."""
    server = live({p.id: p for p in (PictureToy(), MoleculeToy(), TokenToy(), TwinToy(), Dye())})
    page = browser.new_page(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    watching = Watch()
    page.on("console", watching.console)
    page.on("pageerror", lambda error: watching.problems.append(f"exception: {error}"))
    page.on("request", watching.request)
    without_viewers(page)
    page.route(
        "**/static/traces/*.json",
        lambda route: route.fulfill(status=200, json=_trace(server, route.request.url)),
    )
    yield page, server, watching
    page.close()
    server.end()


_traces: dict[str, Any] = {}


def _trace(server: Live, url: str) -> Any:
    id = urlsplit(url).path.rsplit("/", 1)[1].removesuffix(".json")
    inputs: dict[str, dict[str, Any]] = {
        "alphafold3": {"smiles": "CCO"},
        "alphafold2": {"protein": "GWK"},
        "dye": {"shape": "drop"},
    }
    if id not in _traces:
        _traces[id] = run_of(server, id, inputs.get(id, {"prompt": "a toy"}))
    return _traces[id]


def opened(shared: tuple[Page, Live, Watch], query: str) -> Page:
    page, server, watching = shared
    watching.problems.clear()
    page.goto(f"{server.url}/?lowgfx=1&{query}")
    page.wait_for_selector("body[data-ready]")
    return page


def finished(page: Page, *ids: str) -> None:
    for id in ids:
        expect(page.locator(f"#{id} .origin")).to_have_attribute("data-origin", "live")
        expect(page.locator(f"#{id} [data-role=status]")).not_to_be_empty()
    expect(page.locator("#run")).to_have_attribute("data-state", "idle")


def shared_link(page: Page) -> dict[str, list[str]]:
    """What the dialog would copy."""
    page.click("#copy-link")
    expect(page.locator("dialog.share")).to_be_visible()
    address = page.get_by_label("Who opens this address").input_value()
    page.keyboard.press("Escape")
    return parse_qs(urlsplit(address).query)


def test_a_link_opens_paused_at_its_step_with_all_that_was_seen(
    shared: tuple[Page, Live, Watch],
) -> None:
    wanted = {
        "prompt": "a red fish", "molecule": "CCO", "seed": "12", "samples": "3,2", "steps": "9", "u": "0.5",
        "focus": "estimate", "tab": "near", "speed": "2", "loop": "1", "sample": "3,2", "alone": "1",
        "theme": "dark", "view": "spheres", "dye": "cat.7", "hide": "seed,room",
    }  # fmt: skip
    page = opened(shared, "&".join(f"{key}={value}" for key, value in wanted.items()))
    finished(page, "dalle2", "alphafold3")
    track = page.locator("#track")
    expect(track).to_have_attribute("aria-valuenow", "50")
    expect(page.locator("[data-action=toggle]")).to_have_attribute("aria-label", "Play")
    expect(page.locator("#tab-near")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#dalle2")).to_have_attribute("data-focus", "estimate")
    expect(page.locator("#dalle2 .samples .all")).to_contain_text("3")
    expect(page.locator("#dye-shapes [data-shape=cat]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#dye-section .origin")).to_have_attribute("data-origin", "live")
    # And the same state gives the same link.
    again = shared_link(page)
    for key, value in wanted.items():
        if key != "hide":  # what a link hides is for whoever opens it
            assert again.get(key) == [value], key
    assert len(again["v"][0]) == 17 and again["lang"] == ["en"]
    assert shared[2].unexpected() == []


def test_whoever_takes_the_playhead_is_not_held_at_the_step(
    shared: tuple[Page, Live, Watch],
) -> None:
    page = opened(shared, "prompt=a+fish&molecule=CCO&seed=1&u=0.3")
    finished(page, "dalle2", "alphafold3")
    expect(page.locator("#track")).to_have_attribute("aria-valuenow", "30")
    page.click("#run")
    expect(page.locator("#track")).to_have_attribute("aria-valuenow", "100")
    assert "u" not in query_of(page)


def test_a_step_alone_is_one_of_the_recorded_run(shared: tuple[Page, Live, Watch]) -> None:
    page = opened(shared, "u=0.25")
    expect(page.locator("#track")).to_have_attribute("aria-valuenow", "25")
    assert page.locator("#dalle2 .origin").inner_text() == "recorded"


def test_what_cannot_be_used_is_said_and_the_page_works(shared: tuple[Page, Live, Watch]) -> None:
    page = opened(shared, "prompt=a+fish&molecule=CCO&seed=abc&steps=5,9999&tab=%3Cb%3E&theme=pink")
    finished(page, "dalle2", "alphafold3")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("seed = “abc” (accepted: a whole number from 0 to 4294967295)")
    expect(notice).to_contain_text("theme = “pink” (accepted: one of light, dark, projector)")
    expect(notice).to_contain_text("tab = “<b>”")
    expect(notice).to_contain_text("steps = “9999” (accepted: 1 to 200)")
    notice.get_by_role("button", name="Close this message").click()
    expect(notice).to_be_hidden()
    assert shared[2].unexpected() == []


def test_other_weights_are_said(shared: tuple[Page, Live, Watch]) -> None:
    page = opened(shared, "prompt=a+fish&molecule=CCO&seed=1&v=00000000.00000000")
    expect(page.locator("#notice")).to_contain_text("made with other weights")
    made = shared_link(page)["v"][0]
    page = opened(shared, f"prompt=a+fish&molecule=CCO&seed=1&v={made}")
    finished(page, "dalle2", "alphafold3")
    expect(page.locator("#notice")).to_have_count(0)


def test_hidden_controls_are_gone_and_the_page_works(shared: tuple[Page, Live, Watch]) -> None:
    parts = shared[0].evaluate("() => import('/static/js/link.js').then((m) => m.PARTS)")
    assert {"caption", "seed", "settings", "theme", "room", "charts", "save"} <= set(parts)
    hide = ",".join(part for part in parts if part != "run")
    page = opened(shared, f"prompt=a+fish&molecule=CCO&seed=1&hide={hide}")
    finished(page, "dalle2", "alphafold3")
    rules = page.evaluate(
        """() => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
          .map((rule) => rule.selectorText ?? '').filter((text) => text.includes('data-hide')).join()"""
    )
    for part in parts:
        assert f'"{part}"]' in rules, f"no rule takes {part} away"
        shown = page.locator(f"[data-part={part}]").evaluate_all(
            "(all) => all.filter((one) => one.checkVisibility()).length"
        )
        assert shown == (1 if part == "run" else 0), part
    reached = set()
    page.evaluate("() => document.activeElement.blur()")
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("() => document.activeElement.closest('[data-part]')?.dataset.part ?? ''")
        )
    assert reached <= {"", "run"} and "run" in reached
    page.click("#run")  # the caption cannot be seen; it is still what is asked for
    finished(page, "dalle2", "alphafold3")
    assert query_of(page)["hide"] == [hide]
    assert shared[2].unexpected() == []


def test_the_dialog_makes_the_link_the_frame_and_the_code(
    shared: tuple[Page, Live, Watch],
) -> None:
    page = opened(shared, "prompt=a+fish&molecule=CCO&seed=1&u=0.5")
    finished(page, "dalle2", "alphafold3")
    expect(page.locator("#track")).to_have_attribute("aria-valuenow", "50")
    page.click("#copy-link")
    address = page.get_by_label("Who opens this address")
    query = lambda: parse_qs(urlsplit(address.input_value()).query)  # noqa: E731
    assert query()["u"] == ["0.5"] and query()["theme"]
    page.get_by_label("Stop at the step shown now").uncheck()
    page.get_by_label("With this theme and language").uncheck()
    assert not {"u", "theme", "lang", "lowgfx", "hide"} & set(query())
    page.get_by_text("Take controls away for others").click()
    page.get_by_label("seed", exact=True).check()
    page.get_by_label("charts").check()
    assert query()["hide"] == ["seed,charts"]
    page.get_by_text("QR code", exact=True).click()
    code = page.get_by_alt_text("QR code of the address above")
    expect(code).to_be_visible()
    expect(code).to_have_attribute("src", re.compile(r"[?&]path=%2F%3F"))  # "/?", once it is open
    assert "hide=seed%2Ccharts" in (code.get_attribute("src") or "").replace(
        "%252C", "%2C"
    ).replace("%3D", "=")
    page.get_by_role("tab", name="For slides").click()
    page.get_by_label("Show", exact=True).select_option("alphafold3")
    page.get_by_label("Size").select_option("480x320")
    markup = page.get_by_label("HTML to paste").input_value()
    assert (
        'width="480" height="320"' in markup
        and "only=alphafold3" in markup
        and "hide" not in markup
    )
    page.keyboard.press("Escape")
    expect(page.locator("dialog.share")).to_be_hidden()
    assert shared[2].unexpected() == []


def test_the_dialog_is_for_everybody(shared: tuple[Page, Live, Watch]) -> None:
    """axe-core finds nothing in any theme; by keyboard alone the tabs turn and the boxes tick."""
    page = opened(shared, "prompt=a+fish&molecule=CCO&seed=1&u=2")
    finished(page, "dalle2", "alphafold3")
    expect(page.locator("#notice")).to_be_visible()
    judged(page, "a sentence about the link")
    page.locator("#copy-link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog.share")).to_be_visible()
    page.get_by_text("Take controls away for others").focus()
    page.keyboard.press("Enter")
    page.get_by_label("charts").focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("charts")).to_be_checked()
    assert "charts" in page.get_by_label("Who opens this address").input_value()
    for name in ("Link", "For slides", "Save", "Open"):
        tab = page.get_by_role("tab", name=name)
        if name == "Link":
            tab.focus()
        else:
            page.keyboard.press("ArrowRight")
        expect(tab).to_be_focused()
        expect(tab).to_have_attribute("aria-selected", "true")
        judged(page, f"share: {name}")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.share")).to_be_hidden()
    expect(page.locator("#copy-link")).to_be_focused()
    assert shared[2].unexpected() == []


def test_the_link_is_copied(shared: tuple[Page, Live, Watch]) -> None:
    page = opened(shared, "u=0.25")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy-link")
    page.locator("dialog.share .copy:visible").click()
    expect(page.locator("#welcome")).to_have_text("Copied")  # the button says so for a moment only
    assert (
        page.evaluate("() => navigator.clipboard.readText()")
        == page.get_by_label("Who opens").input_value()
    )
    page.keyboard.press("Escape")


def test_a_link_may_ask_for_more_steps_than_the_slider_had(
    stage: Stage, page: Page, serve: Callable[..., Live]
) -> None:
    posted: list[dict] = []
    page.on(
        "request",
        lambda r: posted.append(r.post_data_json) if r.url.endswith("/api/runs") else None,
    )
    stage.open("&prompt=x&molecule=CCO&seed=1&steps=60", wait=False)
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    assert {body["settings"]["steps"] for body in posted} == {60}


def test_the_code_is_of_this_server_only(shared: tuple[Page, Live, Watch]) -> None:
    url = f"{shared[1].url}/api/qr.svg"
    drawn = httpx.get(url, params={"path": "/?prompt=a+fish"})
    assert drawn.status_code == 200 and drawn.headers["content-type"] == "image/svg+xml"
    for path in (
        "https://example.org/",
        "//example.org",
        "/\\example.org",
        "",
        "/" + "x" * 1001,
        "/\n",
    ):
        refused = httpx.get(url, params={"path": path})
        assert refused.status_code == 422 and refused.json()["detail"][0]["field"] == "path", path
