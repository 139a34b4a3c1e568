"""The pure modules, imported in the page: noise-axis arithmetic, arrays, input kinds, words, links."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.wire import encode_array


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


def test_picture_requests_go_out_and_come_back(module: Any) -> None:
    got = module(
        "picture_input",
        """const words = (text) => ({text, held: null});
        const held = {text: 'old words', held: {ref: {picture: 'p1'}, name: 'x', image: {}}};
        const ask = (mode, from, to = words('')) => m.inputOf({mode, from, to});
        return {caption: ask('caption', words('a cat')), both: ask('compare', words('a cat')),
          direct: ask('direct', words('a cat')),
          vary: ask('variations', held), said: ask('variations', words('a cat')),
          path: ask('interpolate', words('a cat'), held),
          diff: [ask('diff', words('a'), words('b')), ask('diff', held, words('b'))],
          back: [{prompt: 'a'}, {prompt: 'a', prior: false}, {variation_of: {prompt: 'a'}},
            {diff: {from: 'a', to: 'b'}},
            {interpolate: {from: {image: {}}, to: {prompt: 'b'}}}].map((i) => {
              const {mode, from, to} = m.askedOf(i); return [mode, from.text, to.text]; }),
          blamed: ['input.interpolate.to.prompt', 'input.diff.to', 'input.prompt', ''].map(m.blamed),
          caption_of: m.captionOf({interpolate: {from: {prompt: 'a'}, to: {prompt: 'b'}}})};""",
    )
    assert got["caption"] == got["both"] == {"prompt": "a cat"}
    assert got["direct"] == {"prompt": "a cat", "prior": False}
    assert got["vary"] == {"variation_of": {"picture": "p1"}}
    assert got["said"] == {"variation_of": {"prompt": "a cat"}}
    assert got["path"] == {"interpolate": {"from": {"prompt": "a cat"}, "to": {"picture": "p1"}}}
    assert got["diff"][0] == {"diff": {"from": "a", "to": "b"}}
    assert got["diff"][1] == {"diff": {"of": {"picture": "p1"}, "from": "old words", "to": "b"}}
    assert got["back"] == [
        ["caption", "a", ""], ["direct", "a", ""], ["variations", "a", ""], ["diff", "a", "b"],
        ["interpolate", "", "b"],
    ]  # fmt: skip
    assert got["blamed"] == ["to", "to", "from", "from"]
    assert got["caption_of"] == "a → b"


def test_a_fine_picture_is_reduced_by_whole_blocks(module: Any) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (128, 128, 3), np.uint8)
    got = module(
        "picture_input",
        """const {shape, values} = m.reduced({shape: [128, 128, 3], values: Uint8Array.from(a)});
        const own = m.reduced({shape: [32, 32, 3], values: new Uint8Array(3072)});
        return [shape, [...values], own.shape];""",
        picture.ravel().tolist(),
    )
    mean = picture.reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert got[0] == got[2] == [32, 32, 3]
    assert np.abs(np.array(got[1]).reshape(32, 32, 3) - mean).max() <= 0.5


def test_vectors_are_put_on_the_map(module: Any) -> None:
    rng = np.random.default_rng(5)
    matrix, mean, vector = (
        rng.standard_normal((2, 6)),
        rng.standard_normal(6),
        rng.standard_normal(6),
    )
    got = module(
        "projection",
        """const at = m.fit([{x: -1, y: -1}, {x: 1, y: 1}], 300, 100, 10);
        const places = [[0, 0], [10, 1], [2, 9], [-5, 0]];
        return {place: m.project(a.vector, a.matrix.flat(), a.mean, 2), length: m.length([3, 4]),
          corners: [at(-1, -1), at(1, 1)], near: m.nearest(places, [9, 0]),
          far: m.nearest(places, [90, 0], 14), right: m.towards(places, 0, [1, 0]),
          down: m.towards(places, 0, [0, 1]), nobody: m.towards(places, 1, [1, 0]),
          among: m.among(places, ['a', 'b', 'a', 'a'], [0, 0], 3)};""",
        {"matrix": matrix.tolist(), "mean": mean.tolist(), "vector": vector.tolist()},
    )
    np.testing.assert_allclose(got["place"], matrix @ (vector / 2 - mean))
    assert got["length"] == 5
    # Stretched, but by no more than 1.7; up is up.
    np.testing.assert_allclose(got["corners"], [[82, 90], [218, 10]])
    assert (got["near"], got["far"], got["right"], got["down"]) == (1, -1, 1, 2)
    assert got["nobody"] == 1 and got["among"] == "a"


def test_a_run_without_noise_lies_along_the_axis_by_its_steps(module: Any) -> None:
    got = module(
        "run",
        """const run = new m.Run({pipeline: 'dalle1', input: {}, settings: {}, source: 'live'});
        run.apply('start', {stages: [{name: 'tokens', sigma_data: null, sigmas: null}]});
        const frame = (step) => ({stage: 'tokens', step, steps: 4, sigma: null, sigma_over_data: null});
        run.apply('frame', frame(0));
        run.pace({top: 2, bottom: -2});
        run.apply('frame', frame(1)); run.apply('frame', frame(2));
        const levels = run.stages[0].frames.map(({level}) => level);
        const frontier = run.frontier;
        run.pace({top: 4, bottom: 0});
        return {stepwise: run.stepwise, axis: run.levels, levels, frontier,
          again: run.stages[0].frames.map(({level}) => level)};""",
    )
    assert got["stepwise"] is True and got["axis"] == []
    assert got["levels"] == pytest.approx([2, 1, 0]) and got["frontier"] == pytest.approx(0)
    assert got["again"] == pytest.approx([4, 3, 2])


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
