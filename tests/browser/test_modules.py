"""The pure modules, imported in the page: noise-axis arithmetic, arrays, input kinds, words, links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from live import live
from playwright.sync_api import Browser, Page

from app.wire import encode_array


@pytest.fixture(scope="module")
def origin(browser: Browser) -> Iterator[Page]:
    """One page of the server for all tests here; it has no pipelines, only files."""
    server = live({})
    page = browser.new_page()
    page.goto(f"{server.url}/docs")
    yield page
    page.close()
    server.end()


@pytest.fixture
def module(origin: Page) -> Any:
    """Calls ``body`` (JavaScript, returns a value) with a module's exports as ``m``."""

    def call(name: str, body: str, argument: Any = None) -> Any:
        script = f"async (a) => {{ const m = await import('/static/js/{name}.js'); {body} }}"
        return origin.evaluate(script, argument)

    return call


def test_axis_runs_from_noise_to_data(module: Any) -> None:
    got = module(
        "timeline",
        """const axis = m.axisOf([2, -3, 1, Infinity]);
        return {axis, left: m.positionOf(axis, 2), right: m.positionOf(axis, -3),
          back: [1.5, 0, -2.25].map((l) => m.levelAt(axis, m.positionOf(axis, l))),
          end: m.levelAt(axis, 1) === -Infinity, ticks: m.ticksOf(axis),
          snaps: [m.snap(-1), m.snap(0.5), m.snap(0.99)]};""",
    )
    assert got["axis"] == {"top": 2, "bottom": -3}
    assert got["left"] == 0 and got["right"] == pytest.approx(0.95)
    assert got["back"] == pytest.approx([1.5, 0, -2.25])
    assert got["end"] is True
    assert got["ticks"] == [2, 1, 0, -1, -2, -3]
    assert got["snaps"] == [0, 0.5, 1]


def test_a_level_shows_the_frame_at_or_above_it(module: Any) -> None:
    got = module(
        "timeline",
        """const f = [2, 1, 0, -1].map((level) => ({level}));
        return [3, 2, 1.5, 1, 0.001, -0.9, -1, -9].map((l) => m.frameAt(f, l).level)
          .concat(m.frameAt([], 0));""",
    )
    assert got == [2, 2, 2, 1, 1, 0, -1, -1, None]


def test_a_later_stage_takes_over_below_its_first_level(module: Any) -> None:
    got = module(
        "timeline",
        """const levels = (...l) => l.map((level) => ({level}));
        const base = {name: 'base', top: 2, frames: levels(2, 1, 0, -1)};
        const fine = {name: 'fine', top: 0.5, frames: levels(0.5, -0.5)};
        const none = {name: 'fine', top: 0.5, frames: []};
        return {who: [2, 0.6, 0.5, -1].map((l) => m.stageAt([base, fine], l).name),
          early: m.stageAt([base, none], -1).name,
          seen: m.visibleFrames([base, fine]).map(({level}) => level),
          frontier: [m.frontierOf([base, none]), m.frontierOf([base, fine]),
            m.frontierOf([{...base, frames: levels(2, 1)}, none])],
          nothing: m.frontierOf([none]) === Infinity};""",
    )
    assert got["who"] == ["base", "base", "fine", "fine"]
    assert got["early"] == "base"
    assert got["seen"] == [2, 1, 0.5, -0.5]
    assert got["frontier"] == [0.5, -0.5, 1]
    assert got["nothing"] is True


def test_the_player_never_passes_what_has_arrived(module: Any) -> None:
    got = module(
        "player",
        """const p = new m.Player(); const out = {};
        p.limit = 0.3; p.play(); p.tick(m.DURATION * 0.5); out.held = p.u;
        p.limit = 1; p.speed = 2; p.tick(m.DURATION * 0.1); out.twice = p.u;
        p.follow(); p.tick(60); out.followed = [p.u, p.following];
        p.play(); out.again = p.u; p.loop = true; p.tick(99); p.tick(1); p.tick(1); out.looped = p.u < 0.2;
        p.stops = [0, 0.2, 0.5, 1]; p.seek(0.2); p.step(1); out.step = [p.u, p.playing];
        p.jump(-5); out.jump = p.u; p.changeSpeed(1); p.changeSpeed(1); out.speed = p.speed;
        return out;""",
    )
    assert got["held"] == 0.3
    assert got["twice"] == pytest.approx(0.5)
    assert got["followed"] == [1, False]
    assert got["again"] == 0 and got["looped"] is True
    assert got["step"] == [0.5, False]
    assert got["jump"] == 0 and got["speed"] == 4


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "int32"])
def test_arrays_arrive_as_they_were_sent(module: Any, dtype: str) -> None:
    array = (np.random.default_rng(0).standard_normal((2, 5, 3)) * 70).astype(dtype)
    if dtype == "float16":
        array[0, 0] = [0, 6e-8, -65504]  # zero, the smallest and the largest half
    got = module(
        "decode",
        "const d = m.decode(a); return [d.shape, [...d.values], [...m.sampleOf(d, 2, 1).values]];",
        encode_array(array),
    )
    assert got[0] == [2, 5, 3]
    np.testing.assert_array_equal(np.array(got[1]), array.astype("float64").ravel())
    np.testing.assert_array_equal(np.array(got[2]), array[1].astype("float64").ravel())


INPUTS = {
    "CCO": "smiles",
    "CC(=O)Oc1ccccc1C(=O)O": "smiles",
    "[Na+]": "smiles",
    "c1ccccc1": "smiles",
    "CFF": "ccd",
    "ATP": "ccd",
    "017": "ccd",
    "A1LU6": "ccd",
    "MQIFVKTLTGKTITLEVEPS": "protein",
    "mqifvktltgktitlevep": "protein",
    ">sp|P0CG48\nMQIFVK TLTG\nKT": "protein",
    '{"sequences": []}': "json",
    "": None,
}


def test_what_was_typed_is_recognised(module: Any) -> None:
    got = module("input_kind", "return a.map((text) => m.guessKind(text));", list(INPUTS))
    assert dict(zip(INPUTS, got, strict=True)) == INPUTS


def test_inputs_go_out_and_come_back(module: Any) -> None:
    got = module(
        "input_kind",
        """return {protein: m.inputOf('>x\\nMQIF vk', 'protein'), ccd: m.inputOf(' atp ', 'ccd'),
          json: m.inputOf('{"a": 1}', 'json'),
          text: [m.textOf({smiles: 'CCO'}), m.textOf({sequences: []})],
          kind: [m.kindOf({ccd: 'ATP'}), m.kindOf({sequences: []})]};""",
    )
    assert got["protein"] == {"protein": "MQIFVK"}
    assert got["ccd"] == {"ccd": "ATP"}
    assert got["json"] == {"a": 1}
    assert got["text"] == ["CCO", '{"sequences":[]}']
    assert got["kind"] == ["ccd", "json"]


def test_noise_is_said_in_words(module: Any) -> None:
    got = module(
        "words",
        """return [m.pictureNoise(1), m.pictureNoise(100), m.pictureNoise(0), m.atomNoise(120, 9),
          m.atomNoise(12, 9), m.atomNoise(1.5, 9), m.atomNoise(0.01, 9), m.atomNoise(0, 9)];""",
    )
    assert got == [
        "picture is 50 % noise",
        "picture is > 99 % noise",
        "picture: no noise left",
        "noise 120 Å: 13 times as wide as the whole molecule",
        "noise 12 Å: wider than the whole molecule",
        "noise 1.5 Å: about one bond long",
        "noise 0.01 Å: too small to see",
        "no noise left",
    ]


def test_helices_and_strands_are_found_from_the_trace(module: Any) -> None:
    i = np.arange(14)
    helix = np.stack([2.3 * np.cos(1.745 * i), 2.3 * np.sin(1.745 * i), 1.5 * i], 1)
    strand = np.stack([0.9 * (i % 2), np.zeros(14), 3.35 * i], 1)
    blob = np.random.default_rng(1).standard_normal((14, 3)) * 30
    got = module(
        "secondary_structure",
        "return a.map((trace) => m.secondaryStructure(trace).join(''));",
        [helix.tolist(), strand.tolist(), blob.tolist()],
    )
    assert got == ["h" * 14, "s" * 14, "c" * 14]


def test_links_hold_the_state_and_keep_other_keys(module: Any) -> None:
    state = {"prompt": "a red fish & chips", "molecule": "C#N", "seed": "7", "steps": "20,50"}
    got = module(
        "link",
        """const search = m.writeLink(a, '?lowgfx=1&prompt=old&theme=dark');
        return {search, back: m.readLink(search), steps: m.perPipeline('20,50', 2),
          one: m.perPipeline('8', 2), bad: m.perPipeline('x,-3', 2)};""",
        state,
    )
    assert got["search"].startswith("?lowgfx=1&prompt=a+red+fish+%26+chips")
    assert got["back"] == state
    assert got["steps"] == [20, 50] and got["one"] == [8, 8]
    assert got["bad"] in ([None, None], [])


def test_the_template_says_what_the_catalogue_says(origin: Page, module: Any) -> None:
    """The English words stand in the template for the first paint and in the catalogue for the rest."""
    html = origin.request.get(origin.url.removesuffix("docs")).text()
    got = module(
        "text/en",
        """const page = new DOMParser().parseFromString(a, 'text/html');
        return [...page.querySelectorAll('[data-t]')].map((e) => [e.dataset.t, e.textContent])
          .concat([...page.querySelectorAll('[data-t-label]')].map(
            (e) => [e.dataset.tLabel, e.getAttribute('aria-label')]))
          .filter(([key, text]) => m.en[key] !== text);""",
        html,
    )
    assert got == []


def test_the_widest_view_lays_the_long_axis_across(module: Any) -> None:
    rng = np.random.default_rng(4)
    flat = rng.standard_normal((60, 3)) * [1, 9, 4]  # widest along y, then z
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    got = module(
        "orientation",
        """const q = m.widestView(Float32Array.from(a.flat()));
        const same = m.widestView(Float32Array.from(a.flat()), q.map((v) => -v));
        return {seen: a.map((p) => m.rotated(q, p)), q, same,
          twice: m.rotated(m.after(q, q), a[0]), once: m.rotated(q, m.rotated(q, a[0]))};""",
        (flat @ turn).tolist(),
    )
    spread = np.std(got["seen"], axis=0)
    assert spread[0] > 1.5 * spread[1] > 1.5 * 2 * spread[2]
    assert np.linalg.norm(got["q"]) == pytest.approx(1)
    assert abs(np.dot(got["q"], got["same"])) == pytest.approx(1)
    assert got["twice"] == pytest.approx(got["once"])
    np.testing.assert_allclose(
        np.linalg.norm(got["seen"], axis=1), np.linalg.norm(flat, axis=1), rtol=1e-5
    )
