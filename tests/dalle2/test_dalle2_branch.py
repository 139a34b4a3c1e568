"""Pictures that go on from a frame of another picture, and pictures without the prior."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.branching import Branch
from models.dalle2 import upsampler
from models.diffusion.branch import State
from models.diffusion.sampler import run
from models.pipeline import InputError, SampleSettings, ScheduleSpec

SETTINGS = SampleSettings(
    seed=3,
    steps=24,
    guidance_scale=3.0,
    schedule=ScheduleSpec("karras", sigma_max=40.0, sigma_min=0.02, rho=5.0),
)
QUICK = replace(SETTINGS, steps=8)
APPLE = {"prompt": "a red apple"}
HOUSE = {"prompt": "a house"}


def shown(pipeline, plan, settings, branch=None):
    """-> the result, and (stage, step, steps, sigma) of every frame that is shown."""
    frames = []

    def look(request, _):
        if request.frame:
            sigma = float(request.sigma[0])
            frames.append((request.net.name, request.step, request.steps, sigma))

    return run(pipeline.run(plan, settings, branch), look), frames


def names(pipeline, plan, settings, branch):
    return [stage["name"] for stage in pipeline.start(plan, settings, branch)["stages"]]


@pytest.fixture(scope="module")
def apple(pipeline):
    return pipeline.parse(APPLE)


@pytest.fixture(scope="module")
def house(pipeline):
    return pipeline.parse(HOUSE)


@pytest.fixture(scope="module")
def whole(pipeline, apple):
    return shown(pipeline, apple, SETTINGS)


def test_every_stage_can_be_branched(pipeline, apple) -> None:
    assert list(pipeline.branches) == names(pipeline, apple, SETTINGS, None)


@pytest.mark.parametrize(
    ("stage", "step"),
    [("prior", 5), ("decoder", 0), ("decoder", 11), ("upsampler", 1), ("upsampler64", 0)],
)
def test_unchanged_it_is_the_same_picture(pipeline, apple, whole, stage, step) -> None:
    branch = Branch(apple, SETTINGS, stage, step)
    result, frames = shown(pipeline, apple, SETTINGS, branch)
    assert (result.images - whole[0].images).abs().max() < 1e-3
    assert frames == whole[1][whole[1].index(frames[0]) :]
    assert frames[0][:2] == (stage, step)
    assert result.prior is not None and torch.equal(result.image_embed, whole[0].image_embed)
    start = pipeline.start(apple, SETTINGS, branch)
    assert start["branch"] == {"stage": stage, "step": step, "sigma": frames[0][3]}
    for told in start["stages"]:
        own = [frame for frame in frames if frame[0] == told["name"]]
        assert told["first"] == own[0][1]
        assert told["sigmas"][:-1] == [frame[3] for frame in own]


@pytest.mark.parametrize("sampler", ["heun", "ancestral", "af3"])
def test_unchanged_it_is_the_same_picture_by_every_sampler(pipeline, apple, sampler) -> None:
    settings = replace(QUICK, sampler=sampler, gamma_0=0.4, samples=2)
    expected, _ = shown(pipeline, apple, settings)
    result, _ = shown(pipeline, apple, settings, Branch(apple, settings, "decoder", 3))
    assert (result.images - expected.images).abs().max() < 1e-3


def test_a_branch_of_a_branch_of_a_branch(pipeline, apple, house) -> None:
    first = Branch(apple, QUICK, "prior", 2)
    second = Branch(apple, replace(QUICK, seed=9), "decoder", 2, first)
    expected, _ = shown(pipeline, house, replace(QUICK, seed=9), second)
    third = Branch(house, replace(QUICK, seed=9), "decoder", 5, second)
    result, frames = shown(pipeline, house, replace(QUICK, seed=9), third)
    assert frames[0][:3] == ("decoder", 5, 8)
    assert (result.images - expected.images).abs().max() < 1e-3


def test_another_caption_gets_its_own_embedding_and_the_other_s_pixels(
    pipeline, apple, house
) -> None:
    alone, all_frames = shown(pipeline, house, QUICK)
    result, frames = shown(pipeline, house, QUICK, Branch(apple, QUICK, "decoder", 1))
    assert [f for f in frames if f[0] == "prior"] == [f for f in all_frames if f[0] == "prior"]
    assert [f[1] for f in frames if f[0] == "decoder"] == list(range(1, 8))
    assert torch.equal(result.image_embed, alone.image_embed)
    assert torch.equal(result.text_embed, alone.text_embed)
    # So early the state is still the common noise: it becomes nearly the house that it is alone. Later
    # the apple is in it.
    late, _ = shown(pipeline, house, QUICK, Branch(apple, QUICK, "decoder", 6))
    apart = [float((r.images - alone.images).abs().mean()) for r in (result, late)]
    assert 0 < apart[0] < 0.05 < 0.2 < apart[1]


@pytest.mark.parametrize("changed", [{"seed": 4}, {"guidance_scale": 8.0}, {"steps": 30}])
def test_with_the_same_caption_the_embedding_is_kept(pipeline, apple, changed) -> None:
    expected, _ = shown(pipeline, apple, QUICK)
    settings = replace(QUICK, **changed)
    branch = Branch(apple, QUICK, "decoder", 3)
    result, frames = shown(pipeline, apple, settings, branch)
    assert torch.equal(result.image_embed, expected.image_embed)
    assert "prior" not in {frame[0] for frame in frames}
    assert "prior" not in names(pipeline, apple, settings, branch)
    assert (result.images - expected.images).abs().mean() > 0.003


def test_another_seed_starts_from_the_estimate_and_new_noise(pipeline, apple) -> None:
    """Late, little is open any more; early, nearly everything."""
    expected, _ = shown(pipeline, apple, QUICK)
    changes = []
    for step in (0, 4, 7):
        branch = Branch(apple, QUICK, "decoder", step)
        result, _ = shown(pipeline, apple, replace(QUICK, seed=4), branch)
        changes.append(float((result.images - expected.images).abs().mean()))
    assert changes[0] > changes[1] > changes[2] > 0


def test_new_noise_of_an_upsampler_keeps_to_its_mixture(pipeline) -> None:
    net = pipeline.upsamplers[1]
    low, sharp = torch.full((1, 3, 32, 32), 0.5), torch.zeros(1, 3, 64, 64)
    half = net.config.sigma_start / 2
    mean = upsampler.centre(sharp, low, half, net.config.sigma_start)
    assert torch.allclose(mean, torch.full_like(mean, 0.25))
    seen = []
    branch = Branch(pipeline.parse(APPLE), SETTINGS, "upsampler64", 0)
    other = replace(SETTINGS, seed=8)
    run(
        pipeline.run(branch.plan, other, branch),
        lambda r, a: seen.append((r, a)) if r.net is net and (r.frame or r.past) else None,
    )
    (before, answer), (after, _) = seen[:2]
    assert before.past and after.frame
    state = State(before.x, float(before.sigma[0]), answer, ())
    centred = upsampler.centre(
        state.denoised, before.cond["low"], state.sigma, net.config.sigma_start
    )
    noise = (after.x - centred) / state.sigma
    assert float(noise.std()) == pytest.approx(1, abs=0.05)
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)


def test_tricks_branch_too_and_keep_their_common_noise(pipeline) -> None:
    path = pipeline.parse({"interpolate": {"from": APPLE, "to": HOUSE}})
    settings = replace(QUICK, samples=3)
    branch = Branch(path, settings, "decoder", 2)
    expected, _ = shown(pipeline, path, settings)
    again, _ = shown(pipeline, path, settings, branch)
    assert (again.images - expected.images).abs().max() < 1e-3
    states = []
    run(
        pipeline.run(path, replace(settings, seed=5), branch),
        lambda r, a: (
            states.append((r, a))
            if r.net is pipeline.decoder and r.step == 2 and (r.frame or r.past)
            else None
        ),
    )
    (before, answer), (after, _) = states
    noise = (after.x - answer) / before.sigma.float().reshape(-1, 1, 1, 1)
    assert torch.allclose(noise[0], noise[1], atol=1e-3)


def test_uploaded_pictures_are_the_same_input_by_their_pixels(pipeline) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    given = {
        "variation_of": {
            "image": {
                "dtype": "uint8",
                "shape": [32, 32, 3],
                "data": base64.b64encode(pixels.tobytes()).decode(),
            }
        }
    }
    one, two = pipeline.parse(given), pipeline.parse(given)
    assert one == two and one != pipeline.parse({"variation_of": APPLE})
    assert names(pipeline, two, QUICK, Branch(one, QUICK, "upsampler", 0))[0] == "upsampler"


@pytest.mark.parametrize(
    ("given", "changes", "stage", "step", "field", "accepted"),
    [
        (APPLE, {}, "atoms", 0, "branch.stage", "one of prior, decoder"),
        (APPLE, {}, "decoder", 8, "branch.step", "0 to 7"),
        (APPLE, {}, "prior", 4, "branch.step", "0 to 3"),
        (APPLE, {"samples": 2}, "decoder", 0, "settings.samples", "1"),
        (HOUSE, {}, "upsampler", 0, "branch.stage", "prior or decoder"),
        ({**APPLE, "prior": False}, {}, "prior", 0, "branch.stage", "decoder"),
        ({"diff": {"from": "a cat", "to": "a dog", "of": APPLE}}, {}, "decoder", 9,
         "branch.step", "0 to 7"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(
    pipeline, apple, given, changes, stage, step, field, accepted
) -> None:
    plan = pipeline.parse(given)
    with pytest.raises(InputError) as error:
        pipeline.start(plan, replace(QUICK, **changes), Branch(apple, QUICK, stage, step))
    assert error.value.field == field
    assert accepted in error.value.accepted


def test_the_prior_s_rows_must_be_as_many(pipeline, apple) -> None:
    two = pipeline.parse({"interpolate": {"from": APPLE, "to": HOUSE}})
    settings = replace(QUICK, samples=3)
    three = Branch(apple, settings, "prior", 1)
    with pytest.raises(InputError, match="imagines 3 embeddings") as error:
        pipeline.start(two, settings, three)
    assert error.value.field == "branch.stage"
    pair = Branch(two, settings, "prior", 1)
    _, frames = shown(pipeline, two, settings, pair)
    assert frames[0][:2] == ("prior", 1)


def test_a_branch_of_a_branch_counts_on_from_there(pipeline, apple) -> None:
    inner = Branch(apple, QUICK, "decoder", 4)
    with pytest.raises(InputError) as error:
        pipeline.start(apple, QUICK, Branch(apple, QUICK, "decoder", 3, inner))
    assert (error.value.field, error.value.accepted) == (
        "branch.step",
        "a whole number from 4 to 7",
    )
    with pytest.raises(InputError) as error:  # the embedding was kept, no prior was run
        pipeline.start(apple, QUICK, Branch(apple, QUICK, "prior", 0, inner))
    assert error.value.field == "branch.stage"


def test_the_cost_holds_the_way_to_the_state(pipeline, apple, house) -> None:
    alone = pipeline.cost(apple, SETTINGS)
    at = [
        pipeline.cost(apple, SETTINGS, Branch(apple, SETTINGS, "decoder", step)) for step in (3, 20)
    ]
    assert at[0] == pytest.approx(at[1]) == pytest.approx(alone + 1)  # that step is made twice
    other = pipeline.cost(house, SETTINGS, Branch(apple, SETTINGS, "decoder", 3))
    assert other == pytest.approx(alone + 1 + 12 * 0.2 * 1)
    calls = shown(pipeline, house, SETTINGS, Branch(apple, SETTINGS, "decoder", 3))[0].calls
    assert (calls["prior"], calls["decoder"]) == (24, 25)


def test_without_the_prior_the_text_s_own_embedding_is_painted(pipeline, apple) -> None:
    plan = pipeline.parse({**APPLE, "prior": False})
    start = pipeline.start(plan, QUICK)
    assert start["stages"][0]["name"] == "decoder"
    assert any("prior is left out" in note for note in start["notes"])
    result, frames = shown(pipeline, plan, QUICK)
    assert {frame[0] for frame in frames}.isdisjoint({"prior"})
    assert result.prior is None and "prior" not in result.calls
    assert torch.equal(result.image_embed[0], result.text_embed)
    usual, _ = shown(pipeline, apple, QUICK)
    assert torch.equal(result.text_embed, usual.text_embed)
    assert torch.cosine_similarity(result.image_embed, usual.image_embed).item() < 0.9
    assert pipeline.cost(plan, QUICK) < pipeline.cost(apple, QUICK)
    assert pipeline.parse({**APPLE, "prior": True}) == apple


@pytest.mark.parametrize(
    "given",
    [
        {**APPLE, "prior": "no"},
        {**APPLE, "prior": 0},
        {**APPLE, "prior": None},
        {"variation_of": APPLE, "prior": False},
    ],
)
def test_prior_is_true_or_false_and_stands_beside_a_caption(pipeline, given) -> None:
    with pytest.raises(InputError) as error:
        pipeline.parse(given)
    assert error.value.field == "input.prior"
