"""The schedule lab's arithmetic, imported in a page: schedules, drawn curves, bands, statistics, files."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
import torch

from app.wire import encode_array
from models.diffusion import schedule
from models.diffusion.noise import TrainedNoise
from models.evaluation.settling import IMAGE_BANDS

ROOM = {"low": -3.5, "high": 2.5}


@pytest.mark.parametrize("steps", [1, 2, 24, 200])
def test_formulas_are_those_of_the_server(module: Any, steps: int) -> None:
    got = module(
        "lab_schedules",
        """const ends = [a, 0.02, 40];
        return {karras: m.karras(...ends, 5), cosine: m.cosine(...ends), linear: m.linear(...ends),
          af3: m.levelsOf({kind: 'af3', steps: a})};""",
        steps,
    )
    theirs = {
        "karras": schedule.karras(steps, 0.02, 40.0, 5.0),
        "cosine": schedule.cosine(steps, 0.02, 40.0),
        "linear": schedule.linear(steps, 0.02, 40.0),
        "af3": schedule.af3(steps, sigma_data=1.0),
    }
    for kind, sigmas in theirs.items():
        np.testing.assert_allclose(got[kind], sigmas[:-1], rtol=1e-9, err_msg=kind)


def test_a_drawn_curve_always_falls(module: Any) -> None:
    """Whatever is dragged wherever: the server's own check accepts the levels."""
    got = module(
        "lab_curve",
        """const s = await import('/static/js/lab_schedules.js');
        let seed = 7; const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
        let points = m.pointsOf(s.linear(24, 0.015, 30), a);
        const out = [];
        for (let k = 0; k < 400; k += 1) {
          const to = {x: 3 * random() - 1, y: 12 * random() - 6};
          points = m.moved(points, Math.floor(random() * points.length), to, a);
          out.push({points, levels: s.drawn(17, points)});
        }
        return out;""",
        ROOM,
    )
    for state in got:
        assert schedule.Schedule(schedule.explicit(state["levels"]), torch.zeros(17).double())
        x, y = ([p[k] for p in state["points"]] for k in "xy")
        assert x[0] == 0 and x[-1] == 1 and np.diff(x).min() > 0.0099
        assert np.diff(y).max() < -0.0199
        assert max(y) <= ROOM["high"] + 1e-9 and min(y) >= ROOM["low"] - 1e-9
    spans = [max(p["y"] for p in s["points"]) - min(p["y"] for p in s["points"]) for s in got]
    assert max(spans) > 2  # it did move


@pytest.mark.parametrize("kind", ["karras", "linear", "cosine"])
def test_a_formula_taken_by_hand_keeps_its_shape(module: Any, kind: str) -> None:
    got = module(
        "lab_curve",
        """const s = await import('/static/js/lab_schedules.js');
        const levels = s[a.kind](24, 0.015, 30, 7);
        const points = m.pointsOf(levels, a.room);
        return {levels, points, again: s.drawn(24, points)};""",
        {"kind": kind, "room": ROOM},
    )
    assert len(got["points"]) == 8
    off = np.abs(np.log10(got["again"]) - np.log10(got["levels"]))
    assert off.max() < 0.12  # of a decade


def test_a_crossing_text_is_straightened(module: Any) -> None:
    got = module(
        "lab_curve",
        """return m.falling([{x: 0.5, y: 9}, {x: 0, y: 1}, {x: 0.5, y: 2}, {x: 1, y: -9}], a);""",
        ROOM,
    )
    assert [p["x"] for p in got] == pytest.approx([0, 0.5, 0.51, 1])
    assert [p["y"] for p in got] == pytest.approx([1, 0.98, 0.96, -3.5])


def test_an_experiment_goes_into_the_address_and_back(module: Any) -> None:
    got = module(
        "lab_state",
        """const curve = await import('/static/js/lab_curve.js');
        const {a: usual} = m.usual();
        const drawn = {...usual, kind: 'drawn', steps: 9, guidance: 2.5, sampler: 'heun', noise_scale: 0,
          points: curve.pointsOf([30, 3, 0.2, 0.015], m.ROOM)};
        const all = [usual, m.usual().b, m.published(usual), drawn,
          {...usual, gamma_0: 0.4, step_scale: 1.25}];
        const bad = ['nonsense', 'drawn_p0*1', 'karras_n0_f9999_t5000_sfoo_kx', '', null];
        return {all, texts: all.map(m.textOf), back: all.map((s) => m.sideOf(m.textOf(s), null)),
          bad: bad.map((text) => m.sideOf(text, usual)), usual};""",
    )
    assert got["texts"][0] == "karras" and got["texts"][1] == "linear"
    assert got["texts"][2] == "af3_n200_g0.8_m0.0625_k1.5_z1.003_saf3"
    for side, back, text in zip(got["all"], got["back"], got["texts"], strict=True):
        points, again = side.pop("points"), back.pop("points")
        assert back == side, text
        assert again == points  # to the last digit: the numbers of a link are those of its maker
        assert len(text) < 120
    assert got["bad"][0] == got["bad"][1] == got["bad"][3] == got["bad"][4] == got["usual"]
    kept = got["bad"][2]
    assert kept["steps"] == 1 and kept["top"] == 300 and kept["bottom"] == 10
    assert kept["sampler"] is None and kept["step_scale"] is None


def test_one_curve_serves_both_models(module: Any) -> None:
    got = module(
        "lab_state",
        """const {a: usual} = m.usual();
        const offered = {guidance_scale: {minimum: 0, maximum: 10}};
        const one = {guidance_scale: {minimum: 1, maximum: 1}};
        const cosine = {...usual, kind: 'cosine', steps: 5, guidance: 4, gamma_0: 0.5, gamma_min: 0.1};
        return [m.settingsOf(usual, 2, 7, offered), m.settingsOf(cosine, 0.5, 7, offered),
          m.settingsOf(cosine, 8, 7, one), m.settingsOf({...usual, sampler: 'euler'}, 1, 7, one),
          m.settingsOf(m.published(usual), 2, 7, one)];""",
    )
    plain, small, large, euler, published = got
    assert plain["schedule"] == {"kind": "karras", "sigma_max": 60, "sigma_min": 0.03, "rho": 7}
    assert "sampler" not in plain and "step_scale" not in plain and plain["seed"] == 7
    ratio = np.array(large["schedule"]["sigmas"]) / np.array(small["schedule"]["sigmas"])
    np.testing.assert_allclose(ratio, 16)
    assert small["guidance_scale"] == 4 and "guidance_scale" not in large
    assert small["gamma_min"] == 0.05 and large["gamma_min"] == 0.8
    assert euler["step_scale"] == 1  # a model's own stretch belongs to its own sampler
    assert published["schedule"] == {"kind": "af3"} and published["step_scale"] == 1.5


def test_what_lies_beyond_training_is_counted(module: Any) -> None:
    trained = TrainedNoise(-1.6, 1.5).times(2.2)
    levels = [160.0, 20.0, 1.0, 4e-4]
    got = module(
        "lab_schedules",
        "return {found: m.beyond(a.levels, a.trained, 2.2), none: m.beyond(a.levels, undefined, 1), "
        "tails: [-3, 0, 1, 4.45, 8].map(m.tail)};",
        {"levels": levels, "trained": trained.data()},
    )
    found = got["found"]
    assert (found["above"], found["below"]) == (1, 1) and got["none"] is None
    assert found["shareAbove"] == pytest.approx(trained.share_above(352), rel=1e-5)
    assert found["shareBelow"] == pytest.approx(trained.share_below(4e-4 * 2.2), rel=1e-5)
    exact = [0.5 * math.erfc(z / math.sqrt(2)) for z in (-3, 0, 1, 4.45, 8)]
    assert got["tails"] == pytest.approx(exact, rel=1e-5)


def test_churn_asks_at_higher_noise(module: Any) -> None:
    got = module(
        "lab_schedules",
        """const side = {kind: 'linear', steps: 4, top: 4, bottom: 1, gamma_0: 0.5, gamma_min: 1.5};
        return [m.askedOf(side), m.askedOf({...side, sampler: 'ancestral'})];""",
    )
    assert got[0] == [6, 4.5, 2, 1] and got[1] == [4, 3, 2, 1]


def test_steps_are_counted_per_decade(module: Any) -> None:
    got = module(
        "lab_schedules",
        """const levels = [100, 99, 10, 9.99, 1, 0.5, 0.1, 0.02];
        return {bins: m.density(levels), wide: m.density(levels, 3, -3).length, zones: m.zones(levels)};""",
    )
    counts = {b["decade"]: b["steps"] for b in got["bins"]}
    assert counts == {2: 1, 1: 2, 0: 2, -1: 2, -2: 1} and list(counts) == [2, 1, 0, -1, -2]
    assert got["wide"] == 7 and got["zones"] == {"above": 4, "around": 2, "below": 2}


def test_bands_of_a_difference_are_the_servers(module: Any) -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    got = module(
        "lab_bands",
        """const {decode} = await import('/static/js/decode.js');
        return [m.bandsApart(decode(a[0]), decode(a[1])), m.bandsApart(decode(a[0]), decode(a[0]))];""",
        [encode_array(a), encode_array(b)],
    )
    apart, same = got
    difference = (a.astype(float) - b) / 127.5
    assert apart["whole"] == pytest.approx(np.sqrt((difference**2).mean()))
    power = np.abs(np.fft.fft2(difference, axes=(0, 1))) ** 2 / 32**4
    frequency = np.fft.fftfreq(32) * 32
    radius = np.hypot(frequency[:, None], frequency[None, :])
    for name, _, low, high in IMAGE_BANDS:
        expected = np.sqrt(power[(radius >= low) & (radius < high)].sum() / 3)
        assert apart[name] == pytest.approx(expected, rel=1e-6), name
    assert set(same.values()) == {0}


RUNS = """
const wire = (values, shape) => ({dtype: 'float32', shape,
  data: btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)))});
const line = (length) => [0, 0, 0, length, 0, 0, 0, 2 * length, 0];
const run = (length, plddt, settled) => ({id: 'r', settings: {steps: 2},
  start: {bonds: [[0, 1, 1]], stages: [{name: 'atoms', unit: 'Å', sigma_data: 2, sigmas: [2, 0]}]},
  done: {sample: wire(line(length), [3, 3]), reference: wire(line(1.5), [3, 3]),
    calls: {atoms: 4, trunk: 1}, timings: {total_s: 2, forward_s: 1},
    scores: {plddt, rmsd_to_reference: 0.5},
    settling: {bands: [{name: 'bonds', label: 'bonds', settled_at: settled}]}}});
const pairs = [[1, 1.2, 70, 80, 0.1, 0.2], [1.1, 1.5, 60, 90, 0.1, 0.4], [1.2, 1.3, 80, 70, null, 0.4]]
  .map(([a, b, pa, pb, sa, sb], seed) => ({seed, a: run(a, pa, sa), b: run(b, pb, sb)}));
"""


def test_pairs_and_seeds_in_numbers(module: Any) -> None:
    got = module(
        "lab_numbers",
        RUNS
        + """const [p] = pairs;
        const one = Object.fromEntries(
          m.measuresOf('alphafold3', p.a, p.b).map((q) => [q.key, m.valuesOf(q, p.a, p.b)]));
        const all = Object.fromEntries(m.overSeeds('alphafold3', pairs)
          .map(({measure, ...rest}) => [measure.key, rest]));
        return {one, all};""",
    )
    one, all_ = got["one"], got["all"]
    assert one["calls"] == {"a": 5, "b": 5, "apart": 0}
    assert one["plddt"] == {"a": 70, "b": 80, "apart": 10}
    assert one["reference.bonds"]["a"] == pytest.approx(0.5)
    assert one["reference.bonds"]["apart"] == pytest.approx(-0.2)
    assert one["settled.bonds"]["apart"] == pytest.approx(2)  # a ratio
    xyz = [np.array([[0, 0, 0], [n, 0, 0], [0, 2 * n, 0]]) for n in (1.0, 1.2)]
    gap = [np.linalg.norm(x[:, None] - x[None], axis=-1)[np.triu_indices(3, 1)] for x in xyz]
    expected = np.sqrt(((gap[0] - gap[1]) ** 2).mean())
    assert one["apart.distances"]["apart"] == pytest.approx(expected, rel=1e-5)
    rms = np.sqrt(((xyz[0] - xyz[0].mean(0) - xyz[1] + xyz[1].mean(0)) ** 2).sum(1).mean())
    assert one["apart.rmsd"]["apart"] <= rms + 1e-6 and one["apart.rmsd"]["apart"] > 0.5 * rms
    plddt = all_["plddt"]
    assert plddt["a"]["mean"] == 70 and plddt["a"]["spread"] == pytest.approx(10)
    assert plddt["apart"]["mean"] == 10 and plddt["apart"]["spread"] == pytest.approx(20)
    settled = all_["settled.bonds"]
    assert settled["a"]["count"] == 2 and settled["a"]["mean"] == pytest.approx(0.1)
    assert settled["apart"]["mean"] == pytest.approx(math.sqrt(2 * 4))
    assert all_["apart.rmsd"]["baseline"]["count"] == 3  # pairs of seeds under A
    assert all_["plddt"]["baseline"] is None


def test_the_file_holds_what_it_was_made_from(module: Any) -> None:
    got = module(
        "lab_files",
        RUNS
        + """await (await import('/static/js/text.js')).words('stage', 'lab');
        const state = await import('/static/js/lab_state.js');
        const [p] = pairs;
        const made = m.documentOf({address: 'http://x/lab?a=karras', seed: 4,
          inputs: {alphafold3: {smiles: '=CC,"O"'}},
          sides: state.usual(), models: [{id: 'alphafold3', unit: 'Å', sigmaData: 2}],
          checkpoints: {alphafold3: {file: 'abc'}}, pairs: [{id: 'alphafold3', ...p}],
          seeds: [{id: 'alphafold3', pairs}]});
        return {made, csv: m.csvOf(made)};""",
    )
    made = got["made"]
    assert made["schedules"]["b"]["kind"] == "linear"
    assert len(made["schedules"]["a"]["sigma_over_data"]) == 24
    assert made["models"][0]["checkpoints"] == {"file": "abc"}
    assert made["comparison"][0]["runs"]["a"]["stages"][0]["sigmas"] == [2, 0]
    rows = list(csv.DictReader(io.StringIO(got["csv"])))
    plddt = next(r for r in rows if r["part"] == "comparison" and r["measure"] == "plddt")
    assert [plddt[k] for k in ("schedule_a", "schedule_b", "difference")] == ["70", "80", "10"]
    mean = next(r for r in rows if r["part"] == "seeds" and r["measure"] == "plddt")
    assert mean["seeds"] == "0 1 2" and float(mean["spread_difference"]) == pytest.approx(20)
    assert any(r["measure"] == "input" and '=CC,\\"O\\"' in r["schedule_a"] for r in rows)
