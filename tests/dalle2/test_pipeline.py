import dataclasses

import numpy as np
import pytest
import torch

from app.settings import Settings
from models.checkpoint import CheckpointError
from models.dalle2 import decoder
from models.dalle2.inputs import MAX_PROMPT
from models.dalle2.levels import prior_schedule
from models.dalle2.pipeline import Dalle2
from models.diffusion.sampler import run
from models.evaluation.drawing import run_together
from models.pipeline import InputError, SampleSettings, ScheduleSpec

QUICK = SampleSettings(
    steps=6,
    guidance_scale=2.0,
    schedule=ScheduleSpec("karras", sigma_max=40.0, sigma_min=0.02, rho=5.0),
)


def draw(pipeline: Dalle2, prompt: str, settings: SampleSettings):
    return run(pipeline.run(pipeline.parse({"prompt": prompt}), settings))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "input.prompt"),
        ({"prompt": ""}, "input.prompt"),
        ({"prompt": "  \n "}, "input.prompt"),
        ({"prompt": 7}, "input.prompt"),
        ({"prompt": None}, "input.prompt"),
        ({"prompt": "x" * (MAX_PROMPT + 1)}, "input.prompt"),
        ({"prompt": "猫 ???"}, "input.prompt"),
        ({"prompt": "a cat", "caption": "a dog"}, "input.caption"),
    ],
)
def test_unusable_input_names_its_field_and_what_would_do(pipeline, given, field) -> None:
    with pytest.raises(InputError) as error:
        pipeline.parse(given)
    assert error.value.field == field
    assert error.value.accepted


def test_unknown_words_are_a_note_not_an_error(pipeline) -> None:
    plan = pipeline.parse({"prompt": "a zorbflax cat"})
    assert len(plan.notes) == 1 and "zorbflax" in plan.notes[0]
    assert pipeline.parse({"prompt": "a cat"}).notes == ()
    words = pipeline.start(plan, pipeline.defaults)["words"]
    assert [w["known"] for w in words] == [True, False, True]
    assert len(words[1]["pieces"]) > 1
    long = pipeline.parse({"prompt": "a " * 100})
    assert any("48" in note for note in long.notes)


def test_a_seed_gives_the_same_picture(pipeline) -> None:
    first, again = (draw(pipeline, "a red apple", QUICK).images for _ in range(2))
    assert torch.equal(first, again)
    other = draw(pipeline, "a red apple", dataclasses.replace(QUICK, seed=1)).images
    assert (first - other).abs().mean() > 0.01


def test_sample_k_does_not_depend_on_how_many_are_drawn(pipeline) -> None:
    three = draw(pipeline, "a red apple", dataclasses.replace(QUICK, samples=3))
    one = draw(pipeline, "a red apple", QUICK)
    assert (three.images[0] - one.images[0]).abs().mean() < 0.02
    assert (three.images[0] - three.images[1]).abs().mean() > 0.01


def test_runs_that_share_forwards_equal_runs_alone(pipeline) -> None:
    """Different captions, numbers of samples, steps and guidance, answered in common batches."""
    asked = [
        ("a red apple", QUICK),
        (
            "a very long caption about a cat in a hat on a mat",
            dataclasses.replace(QUICK, samples=2, seed=4),
        ),
        ("a dog", dataclasses.replace(QUICK, steps=9, guidance_scale=1.0, sampler="heun")),
    ]
    runs = [pipeline.run(pipeline.parse({"prompt": p}), s) for p, s in asked]
    for (prompt, settings), shared in zip(asked, run_together(runs), strict=True):
        alone = draw(pipeline, prompt, settings)
        assert alone.images.shape == shared.images.shape
        assert (alone.images - shared.images).abs().mean() < 0.03


def test_frames_follow_the_contract(pipeline) -> None:
    plan = pipeline.parse({"prompt": "a red apple"})
    settings = dataclasses.replace(QUICK, samples=2)
    view, frames = pipeline.view(plan, settings), []
    result = run(
        pipeline.run(plan, settings),
        lambda request, answer: (
            frames.append(view.frame(request, answer)) if request.frame else None
        ),
    )
    stages = pipeline.start(plan, settings)["stages"]
    fine = ["upsampler", "upsampler64", "upsampler128"]
    assert [s["name"] for s in stages] == ["prior", "decoder", *fine]
    assert [s.get("size") for s in stages] == [None, [16, 16], [32, 32], [64, 64], [128, 128]]
    for stage in stages:
        own = [f for f in frames if f.stage == stage["name"]]
        assert [f.sigma for f in own] == pytest.approx(stage["sigmas"][:-1])
        assert [f.step for f in own] == list(range(own[0].steps))
        assert own[0].sigma_data == stage["sigma_data"] and stage["sigmas"][-1] == 0
    shapes = {f.stage: (f.denoised.dtype, f.denoised.shape, f.x.shape) for f in frames}
    assert shapes["prior"] == (np.float16, (2, 256), (2, 256))
    assert shapes["decoder"] == (np.uint8, (2, 16, 16, 3), (2, 16, 16, 3))
    for name, side in zip(fine, (32, 64, 128), strict=True):
        assert shapes[name] == (np.uint8, (2, side, side, 3), (2, side, side, 3))
    done = view.done(result)
    assert done["sample"].shape == (2, 128, 128, 3) and done["sample"].dtype == np.uint8
    assert set(done["prior"]["chosen"]) <= {0, 1}
    assert {b["name"] for b in done["settling"]["bands"]} == {"low", "middle", "high"}


def test_a_single_sample_has_no_samples_axis(pipeline) -> None:
    plan = pipeline.parse({"prompt": "a red apple"})
    view, shapes = pipeline.view(plan, QUICK), set()
    run(
        pipeline.run(plan, QUICK),
        lambda r, a: shapes.add(view.frame(r, a).x.shape) if r.frame else None,
    )
    assert shapes == {(256,), *((side, side, 3) for side in (16, 32, 64, 128))}


def test_noise_is_drawn_at_data_scale(pipeline) -> None:
    """The first noisy frame is grey noise of the pictures' own spread, not a clipped black and white."""
    plan = pipeline.parse({"prompt": "a red apple"})
    view, frames = pipeline.view(plan, QUICK), []
    run(
        pipeline.run(plan, QUICK), lambda r, a: frames.append(view.frame(r, a)) if r.frame else None
    )
    first = next(f for f in frames if f.stage == "decoder").x.astype(float) / 127.5 - 1
    assert first.std() == pytest.approx(pipeline.decoder.sigma_data, rel=0.2)


@pytest.mark.parametrize("sampler", ["euler", "heun", "ancestral", "af3"])
def test_every_sampler_gives_a_picture(pipeline, sampler) -> None:
    settings = dataclasses.replace(QUICK, sampler=sampler, gamma_0=0.4, gamma_min=0.5)
    assert torch.isfinite(draw(pipeline, "a cat", settings).images).all()


@pytest.mark.parametrize("kind", ["cosine", "linear", "af3"])
def test_every_schedule_gives_a_picture(pipeline, kind) -> None:
    settings = dataclasses.replace(QUICK, schedule=dataclasses.replace(QUICK.schedule, kind=kind))
    assert torch.isfinite(draw(pipeline, "a cat", settings).images).all()


def test_a_schedule_that_is_none_names_the_setting(pipeline) -> None:
    bad = ScheduleSpec("karras", sigma_max=0.1, sigma_min=1.0)
    with pytest.raises(InputError, match=r"settings\.schedule"):
        pipeline.start(
            pipeline.parse({"prompt": "a cat"}), dataclasses.replace(QUICK, schedule=bad)
        )


def test_side_schedules_scale_with_the_steps() -> None:
    assert [prior_schedule(n).steps for n in (1, 24, 200)] == [1, 12, 40]


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_painting_can_end_at_every_stage(pipeline, size) -> None:
    embed = torch.nn.functional.normalize(torch.ones(1, 256), dim=1)
    assert run(pipeline.paint(embed, embed, QUICK, size=size)).shape == (1, 3, size, size)


def test_a_smaller_picture_is_the_beginning_of_the_larger_one(pipeline) -> None:
    """Every stage keeps to what it was given: reduced again, 128 px show the 32 px."""
    embed = torch.nn.functional.normalize(torch.randn(1, 256), dim=1)
    small, large = (run(pipeline.paint(embed, embed, QUICK, size=size)) for size in (32, 128))
    assert (torch.nn.functional.avg_pool2d(large, 4) - small).abs().mean() < 0.1


def test_the_longest_run_of_eight_costs_less_than_the_bound(pipeline) -> None:
    plan = pipeline.parse({"prompt": "a cat"})
    cost = [
        pipeline.cost(plan, dataclasses.replace(pipeline.defaults, steps=n, samples=s))
        for n, s in ((24, 1), (200, 8))
    ]
    assert 30 < cost[0] < 50
    assert cost[1] < Settings(threads=1).max_cost


def test_examples_are_understood(pipeline) -> None:
    for example in pipeline.examples:
        assert pipeline.parse(example["input"]).notes == ()


def test_a_missing_checkpoint_stops_the_construction(monkeypatch, tmp_path) -> None:
    gone = tmp_path / decoder.CHECKPOINT.name
    monkeypatch.setattr(decoder.Decoder, "checkpoint", gone)
    with pytest.raises(CheckpointError, match="dalle2-decoder"):
        Dalle2()
