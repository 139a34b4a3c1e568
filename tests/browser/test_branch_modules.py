"""The pure parts of branches: what is left where, what changes, history, distances, links."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.wire import encode_array

PARENT = {
    "pipeline": "dalle2",
    "input": {"prompt": "a sunflower"},
    "settings": {
        "seed": 1, "steps": 4, "samples": 1, "guidance_scale": 3.0, "sampler": "euler",
        "schedule": {"kind": "karras", "sigma_max": 10, "sigma_min": 0.1, "rho": 7},
    },
}  # fmt: skip
RUNS = """
  const {Run} = await import('/static/js/run.js');
  const picture = (v) => ({dtype: 'uint8', shape: [1, 1, 3], data: btoa(String.fromCharCode(v, v, v))});
  const run = ({start, frames, ...init}) => {
    const made = new Run({source: 'live', ...init});
    made.apply('start', start);
    for (const [stage, step, sigma] of frames)
      made.apply('frame', {stage, step, steps: 4, sigma, sigma_over_data: sigma, x: picture(step),
        denoised: picture(9)});
    return made;
  };
  const stages = (...all) => all.map(([name, ...sigmas]) => ({name, unit: '', sigma_data: 1,
    sigmas: [...sigmas, 0]}));
  const parent = () => run({...a, start: {stages: stages(['prior', 20, 1], ['decoder', 10, 5, 2,
    0.5], ['upsampler', 0.2])},
    frames: [['prior', 0, 20], ['prior', 1, 1], ['decoder', 0, 10], ['decoder', 1, 5], ['decoder', 2, 2],
      ['decoder', 3, 0.5], ['upsampler', 0, 0.2]]});
"""


def test_what_is_left_is_the_frame_that_is_shown(module: Any) -> None:
    got = module(
        "branch_choice",
        RUNS
        + """const p = parent(), all = ['prior', 'decoder'];
        const [prior, decoder, fine] = p.stages.map(({frames}) => frames);
        const only = (frame) => frame && {stage: frame.stage, step: frame.step, sigma: frame.sigma};
        const at = (shown, stages = all) => only(m.placeOf({run: p, final: null, strip: null,
          ...shown}, stages));
        return {middle: at({frame: decoder[2], strip: prior[1], level: 0.3}),
          end: at({frame: null, final: {}, level: -Infinity}), none: at({frame: null, level: 2}),
          fine: at({frame: fine[0], level: -0.7}), before: at({frame: decoder[0], strip: prior[0],
            level: 1.2}),
          waits: at({frame: null, strip: prior[1], level: 0.5}),
          off: at({frame: decoder[0], strip: prior[0], level: 1.2}, ['decoder'])};""",
        PARENT,
    )
    assert got["middle"] == {"stage": "decoder", "step": 2, "sigma": 2}
    assert got["end"] is None and got["none"] is None and got["fine"] is None
    assert got["before"] == {"stage": "prior", "step": 0, "sigma": 20}
    assert got["waits"] == {"stage": "prior", "step": 1, "sigma": 1}
    assert got["off"] == {"stage": "decoder", "step": 0, "sigma": 10}


def test_a_child_is_its_parent_with_what_the_form_says(module: Any) -> None:
    got = module(
        "branch_choice",
        """const child = (input, settings, preset, held) =>
          m.childOf({...a, settings: {...a.settings, ...held}}, {input, settings}, preset);
        const paper = {sampler: 'af3', steps: 200, schedule: {kind: 'af3'}};
        const full = {...paper, schedule: {kind: 'af3', sigma_max: 9}, gamma_0: 0.8};
        return {same: child({prompt: 'a sunflower'}, {seed: 1, steps: 4, guidance_scale: 3}),
          all: child({prompt: 'a star'}, {seed: 2, steps: 4}),
          ticked: child(a.input, {seed: 1, ...paper}, paper).changed,
          still: child(a.input, {seed: 1, ...paper}, paper, full).changed,
          unticked: child(a.input, {seed: 1, steps: 4}, paper, full),
          recorded: m.childOf({...a, source: 'recorded'}, {input: a.input, settings: {seed: 1,
            steps: 9}}, {}, ['steps']),
          order: m.same({x: [1, {y: 2, z: 3}]}, {x: [1, {z: 3, y: 2}]}), less: m.same({x: 1},
            {x: 1, y: 2})};""",
        PARENT,
    )
    assert got["same"]["changed"] == [] and got["same"]["settings"] == PARENT["settings"]
    assert got["all"]["changed"] == ["input", "seed"]
    assert got["all"]["settings"] == {**PARENT["settings"], "seed": 2}  # type: ignore[dict-item]
    assert sorted(got["ticked"]) == ["sampler", "schedule", "steps"]
    assert got["still"] == []  # the server names more of a schedule than was asked for
    assert "sampler" not in got["unticked"]["settings"]  # the server's own again
    assert got["unticked"]["settings"]["steps"] == 4 and "sampler" in got["unticked"]["changed"]
    assert got["recorded"]["changed"] == [] and got["recorded"]["settings"]["steps"] == 4
    assert got["order"] is True and got["less"] is False


def test_a_run_is_known_again_as_the_one_that_was_left(module: Any) -> None:
    got = module(
        "branch_choice",
        """const of = {input: a.input, settings: a.settings};
        const other = {...of, settings: {...a.settings, seed: 2}};
        const branch = {of, stage: 'decoder', step: 2};
        const more = {...a.settings, new_one: 1};
        return {same: m.matches(a, of), more: m.matches(a, {...of, settings: more}),
          seed: m.matches(a, other),
          none: m.matches(null, of), child: m.matches({...a, branch}, of), grown: m.matches({...a,
            branch}, {...of, branch}),
          elsewhere: m.matches({...a, branch}, {...of, branch: {...branch, step: 3}}),
          told: m.ofRun({...a, start: {branch: {...branch, sigma: 2}}}).branch,
          depth: [of, {...of, branch}, {...of, branch: {...branch, of: {...of,
            branch}}}].map(m.depthOf)};""",
        PARENT,
    )
    assert got["same"] and got["more"] and got["grown"]
    assert not (got["seed"] or got["none"] or got["child"] or got["elsewhere"])
    assert sorted(got["told"]) == ["of", "sigma", "stage", "step"]
    assert got["depth"] == [0, 1, 2]


def test_a_child_shows_its_parents_frames_before_the_fork(module: Any) -> None:
    got = module(
        "branch_compose",
        RUNS
        + """const p = parent();
        const child = run({...a, start: {branch: {stage: 'decoder', step: 2},
          stages: stages(['decoder', 2, 0.5], ['upsampler', 0.2])}, frames: []});
        m.graft(child, p);
        const before = child.frontier;
        child.apply('frame', {stage: 'decoder', step: 2, steps: 4, sigma: 2, sigma_over_data: 2});
        const {frameAt, stageAt} = await import('/static/js/timeline.js');
        const seen = (level) => frameAt(stageAt(child.pictureStages, level).frames, level);
        return {names: child.stages.map(({name}) => name), before, levels: child.levels,
          parents: [1, 0.7].map((l) => p.stages[1].frames.includes(seen(l))),
            own: p.stages[1].frames.includes(seen(0.3)),
          strip: child.stripStage.frames.length, untouched: p.stages[1].frames.length,
          owners: [seen(1), seen(0.3)].map((frame) => m.ownerOf(child, frame) === p),
            root: child.root === p,
          shared: [m.shared(child, 0.5), m.shared(child, 0.3)], child: m.childIn(p,
            child) === child};""",
        PARENT,
    )
    assert got["names"] == ["prior", "decoder", "upsampler"]
    assert got["before"] == pytest.approx(np.log10(2))  # the playhead can stand at the fork at once
    assert got["parents"] == [True, True] and got["own"] is False
    assert max(got["levels"]) == pytest.approx(1)  # the axis begins where the parent began
    assert got["strip"] == 2 and got["untouched"] == 4
    assert got["shared"] == [True, False] and got["child"] is True
    assert got["owners"] == [True, False] and got["root"] is True


def test_another_caption_brings_its_own_idea(module: Any) -> None:
    got = module(
        "branch_compose",
        RUNS
        + """const p = parent();
        const child = run({...a, start: {branch: {stage: 'decoder', step: 1},
          stages: stages(['prior', 20, 1], ['decoder', 5, 2, 0.5])}, frames: [['prior', 0, 20]]});
        m.graft(child, p);
        return [child.stages.map(({name}) => name), child.stripStage.frames.length];""",
        PARENT,
    )
    assert got == [["prior", "decoder"], 1]


def test_pictures_are_apart_by_bands(module: Any) -> None:
    """Against numpy's own transform, with the bands of the settling curves."""
    rng = np.random.default_rng(1)
    pair = rng.integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    got = module(
        "branch_apart",
        """const {decode} = await import('/static/js/decode.js');
        return [m.picturesApart(...a.map(decode)), m.picturesApart(decode(a[0]), decode(a[0]))];""",
        [encode_array(one) for one in pair],
    )
    gap = (pair[0].astype(float) - pair[1]) / 255
    power = (np.abs(np.fft.fft2(gap, axes=(0, 1))) ** 2).sum(-1) / 16**4 / 3
    f = np.fft.fftfreq(16) * 16
    radius = np.hypot(f[:, None], f[None, :])
    for name, low, high in (("low", 0, 2.5), ("middle", 2.5, 6.5), ("high", 6.5, 99)):
        want = 100 * np.sqrt(power[(radius >= low) & (radius < high)].sum())
        assert got[0][name] == pytest.approx(want, rel=1e-6), name
    assert got[0]["whole"] == pytest.approx(100 * np.sqrt((gap**2).mean()))
    assert got[1] == {"whole": 0, "low": 0, "middle": 0, "high": 0}


def test_molecules_are_apart_after_the_best_turn(module: Any) -> None:
    rng = np.random.default_rng(2)
    xyz = rng.standard_normal((7, 3)).astype(np.float32)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = (xyz @ turn + 5).astype(np.float32)
    moved[0] += [0.7, 0, 0]
    ends = [{"start": {"atoms": []}, "done": {"sample": encode_array(v)}} for v in (xyz, moved)]
    got = module("branch_apart", "return [m.apart(...a, 0), m.apart(a[0], {done: null}, 0)];", ends)
    assert 0.1 < got[0]["molecules"] < 0.7 / np.sqrt(7) + 1e-3
    assert got[1] is None


def test_a_link_brings_the_same_branch_again(module: Any) -> None:
    first = {"input": {"prompt": "a sunflower – 向日葵"}, "settings": dict(PARENT["settings"])}  # type: ignore[call-overload]
    second = {
        "input": {"prompt": "a star"}, "settings": {**first["settings"], "seed": 2},
        "branch": {"of": first, "stage": "decoder", "step": 2},
    }  # fmt: skip
    third = {
        "pipeline": "dalle2", "input": {"prompt": "a star"},
        "settings": {**first["settings"], "seed": 2, "schedule": {**first["settings"]["schedule"],
          "rho": 3}},
        "branch": {"of": second, "stage": "decoder", "step": 3},
    }  # fmt: skip
    flat = {
        **first["settings"],
        **{f"schedule.{k}": v for k, v in first["settings"]["schedule"].items()},
    }
    offered = {name: {"default": value} for name, value in flat.items() if name != "schedule"}
    argument = {"all": [third], "offered": {"dalle2": offered}}
    got = module(
        "branch_link",
        """const form = {dalle2: {prompt: 'a star'}};
        const text = m.writeBranches(a.all, a.offered, form);
        const elsewhere = m.writeBranches(a.all, a.offered, {dalle2: {prompt: 'a moon'}});
        return {text, back: m.readBranches(text, form), other: m.readBranches(elsewhere, {})[0].input,
          none: [m.writeBranches([], {}, {}), m.readBranches('', {})], bad: [m.readBranches('???',
            form), m.readBranches(text, {})]};""",
        argument,
    )
    usual = {"seed": 1, "steps": 4, "guidance_scale": 3.0}  # the server's own: not in the link
    (back,) = got["back"]
    assert (
        back["settings"] == {"seed": 2, "schedule": {"rho": 3}} and back["input"] == third["input"]
    )
    assert back["branch"]["step"] == 3 and back["branch"]["of"]["settings"] == {"seed": 2}
    deep = back["branch"]["of"]["branch"]
    assert deep["of"] == {"input": first["input"], "settings": {}} and deep["stage"] == "decoder"
    assert got["other"] == {"prompt": "a star"}  # the form has gone on: the link holds its own
    assert got["none"] == ["", []] and got["bad"] == [None, None]
    assert len(got["text"]) < 280 and set(usual) <= set(offered)
    assert got["text"].replace("-", "").replace("_", "").isalnum()  # nothing to escape
