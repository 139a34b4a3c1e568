"""unCLIP's tricks with the shipped networks: what must hold exactly, and floors for what is learned."""

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.dalle2.copying import embed_drawings
from models.dalle2.data import to_uint8
from models.dalle2.pipeline import Dalle2
from models.diffusion.sampler import run
from models.evaluation.drawing import run_together
from models.pipeline import InputError, SampleSettings, ScheduleSpec, counted

QUICK = SampleSettings(
    steps=6,
    samples=3,
    guidance_scale=2.0,
    seed=11,
    schedule=ScheduleSpec("karras", sigma_max=40.0, sigma_min=0.02, rho=5.0),
)
CAT, FLOWER = {"prompt": "a cat"}, {"prompt": "a sunflower"}


def array(pixels: np.ndarray) -> dict[str, Any]:
    data = base64.b64encode(pixels.tobytes()).decode()
    return {"image": {"dtype": "uint8", "shape": list(pixels.shape), "data": data}}


def ask(pipeline: Dalle2, given: dict[str, Any], settings: SampleSettings = QUICK):
    return run(pipeline.run(pipeline.parse(given), settings))


@pytest.fixture(scope="module")
def apple(pipeline) -> np.ndarray:
    """A training drawing of an apple, (32, 32, 3)."""
    drawings = pipeline.judge.drawings
    return drawings.thumbnails[drawings.labels.index("red apple")]


def embedding(pipeline: Dalle2, pixels: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        return pipeline.clip.image_embed(x)[0]


def test_variations_share_the_embedding_and_differ_in_noise(pipeline, apple) -> None:
    result = ask(pipeline, {"variation_of": array(apple)})
    z = embedding(pipeline, apple)
    assert torch.allclose(result.image_embed, z.expand(3, -1), atol=1e-4)
    assert result.prior is None and result.text_embed is None
    assert (result.images[0] - result.images[1]).abs().mean() > 0.005
    assert result.calls == {"picture": 1, "decoder": 6, **_later(pipeline, result.calls)}


def _later(pipeline: Dalle2, calls: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in calls.items() if name.startswith("upsampler")}


def test_a_variation_of_a_caption_is_its_first_picture_first(pipeline) -> None:
    drawn = ask(pipeline, CAT)
    varied = ask(pipeline, {"variation_of": CAT})
    assert torch.allclose(varied.image_embed, drawn.image_embed[:1].expand(3, -1), atol=0.02)
    assert (varied.images[0] - drawn.images[0]).abs().mean() < 0.02
    assert (drawn.image_embed[1] - drawn.image_embed[0]).abs().mean() > 0.005


def test_a_path_between_captions_begins_and_ends_with_what_they_draw(pipeline) -> None:
    """Their image embeddings, painted with their text embedding and the first sample's noise."""
    path = ask(pipeline, {"interpolate": {"from": CAT, "to": FLOWER}})
    one = dataclasses.replace(QUICK, samples=1)
    for end, place in ((CAT, 0), (FLOWER, -1)):
        alone = ask(pipeline, end, one)
        assert torch.allclose(path.image_embed[place], alone.image_embed[0], atol=0.02)
        painted = run(pipeline.paint(alone.image_embed, alone.text_embed[None], one))
        assert (path.images[place] - painted[0]).abs().mean() < 0.02
    middle = F.normalize(path.image_embed[0] + path.image_embed[-1], dim=0)
    assert torch.allclose(path.image_embed[1], middle, atol=1e-3)


def test_the_ends_of_a_path_between_pictures_are_their_embeddings(pipeline, apple) -> None:
    other = np.ascontiguousarray(apple[:, :, ::-1])
    path = ask(pipeline, {"interpolate": {"from": array(apple), "to": array(other)}})
    assert torch.allclose(path.image_embed[0], embedding(pipeline, apple), atol=1e-4)
    assert torch.allclose(path.image_embed[-1], embedding(pipeline, other), atol=1e-4)


def test_a_path_shares_its_noise(pipeline, apple) -> None:
    """From a picture to itself nothing changes, which a fresh noise per point would."""
    path = ask(pipeline, {"interpolate": {"from": array(apple), "to": array(apple)}})
    assert (path.images - path.images[:1]).abs().mean() < 0.02


def test_a_difference_of_strength_zero_is_the_picture_itself(pipeline, apple) -> None:
    given = {"diff": {"of": array(apple), "from": "an apple", "to": "a green apple"}}
    turned, plain = ask(pipeline, given), ask(pipeline, {"variation_of": array(apple)})
    assert torch.allclose(turned.image_embed[0], plain.image_embed[0], atol=1e-4)
    assert (turned.images[0] - plain.images[0]).abs().mean() < 0.02
    cosine = turned.image_embed @ turned.image_embed[0]
    assert cosine.tolist() == sorted(cosine.tolist(), reverse=True) and cosine[-1] < 0.95


def test_a_difference_turns_towards_its_text(pipeline, apple) -> None:
    given = {"diff": {"of": array(apple), "from": "an apple", "to": "a green apple"}}
    result = ask(pipeline, given)
    toward = (result.image_embed @ result.text_embed).tolist()
    assert toward[-1] > toward[0] + 0.02


def test_without_its_own_picture_a_difference_starts_from_the_first_caption(pipeline) -> None:
    result = ask(pipeline, {"diff": {"from": "a cat", "to": "a dog"}})
    alone = ask(pipeline, CAT, dataclasses.replace(QUICK, samples=1))
    assert torch.allclose(result.image_embed[0], alone.image_embed[0], atol=0.02)


def test_tricks_and_captions_share_forwards(pipeline, apple) -> None:
    """Rows with and without a text stand in one batch, and each is drawn as it would be alone."""
    asked = [CAT, {"variation_of": array(apple)}, {"diff": {"from": "a cat", "to": "a dog"}}]
    together = run_together([pipeline.run(pipeline.parse(g), QUICK) for g in asked])
    for given, shared in zip(asked, together, strict=True):
        assert (ask(pipeline, given).images - shared.images).abs().mean() < 0.03


def test_pictures_only_are_drawn_without_a_text(pipeline, apple) -> None:
    """The decoder's learned null stands in for it, whatever is written into the text's place."""
    z = embedding(pipeline, apple)[None]
    one = dataclasses.replace(QUICK, samples=1)
    no, yes = torch.zeros(1, dtype=torch.bool), torch.ones(1, dtype=torch.bool)
    zeros, other = torch.zeros_like(z), F.normalize(torch.randn_like(z), dim=1)
    silent, same, heard = (
        run(pipeline.paint(z, t, one, has_text=h))
        for t, h in ((zeros, no), (other, no), (other, yes))
    )
    assert torch.equal(silent, same)
    assert (silent - heard).abs().mean() > 0.001


@pytest.mark.parametrize(
    ("given", "kind", "weights", "rows"),
    [
        (CAT, "prompt", None, 3),
        ({"variation_of": CAT}, "variation", None, 1),
        ({"interpolate": {"from": CAT, "to": FLOWER}}, "interpolation", [0, 0.5, 1], 2),
        ({"diff": {"from": "a cat", "to": "a dog"}}, "diff", [0, 0.2, 0.4], 1),
    ],
)
def test_start_and_done_tell_what_was_done(pipeline, given, kind, weights, rows) -> None:
    plan = pipeline.parse(given)
    start, view = pipeline.start(plan, QUICK), pipeline.view(plan, QUICK)
    frames = []
    result = run(
        pipeline.run(plan, QUICK),
        lambda request, answer: frames.append(view.frame(request, answer)) if request.frame else 0,
    )
    done = view.done(result)
    assert start["kind"] == kind and start["weights"] == (weights and pytest.approx(weights))
    assert start["captions"][0]["prompt"] == "a cat"
    assert start["concepts"][0]["label"] in ("cat", "cat face")
    imagined = [f for f in frames if f.stage == "prior"]
    assert {f.x.shape for f in imagined} == {(rows, 256)}
    assert len(done["prior"]["chosen"]) == rows
    assert done["image_embed"].shape == (3, 256)
    for each in ("judged", "nearest", "embed_cosine"):
        assert len(done[each]) == 3
    assert (done["clip_score"] is None) == (kind == "interpolation")
    assert done["calls"]["decoder"] == QUICK.steps
    assert {f.stage for f in frames} | {"text"} == set(done["calls"])


def test_pictures_alone_need_no_prior(pipeline, apple) -> None:
    plan = pipeline.parse({"interpolate": {"from": array(apple), "to": array(apple)}})
    start = pipeline.start(plan, QUICK)
    assert start["stages"][0]["name"] == "decoder"
    assert start["words"] == [] and start["captions"] == []
    assert np.array_equal(start["ends"]["to"]["image"], apple)


def test_a_path_of_one_point_is_refused(pipeline) -> None:
    plan = pipeline.parse({"interpolate": {"from": CAT, "to": FLOWER}})
    with pytest.raises(InputError) as error:
        pipeline.start(plan, dataclasses.replace(QUICK, samples=1))
    assert error.value.field == "settings.samples" and "2 to 8" in error.value.accepted


def test_variations_show_the_same_thing(pipeline, sprites) -> None:
    """Of real drawings, judged by the classifier that shares nothing with CLIP: far above chance
    (5 of 1,310 labels)."""
    rows = sprites.of("train")[::3][:24]
    pictures, _ = embed_drawings(pipeline.clip, sprites, rows)
    settings = dataclasses.replace(QUICK, samples=1, steps=10)
    plans = [pipeline.parse({"variation_of": array(p)}) for p in to_uint8(pictures)]
    results = run_together([pipeline.run(plan, settings) for plan in plans])
    labels = [sprites.concepts[sprites.concept[row]]["label"] for row in rows]
    hits = [
        label in [entry["label"] for entry in result.verdict.judged[0]]
        for label, result in zip(labels, results, strict=True)
    ]
    kept = torch.cat([(r.verdict.image_embed * r.image_embed).sum(1) for r in results])
    assert np.mean(hits) > 0.3
    assert kept.mean() > 0.8


def test_counting_calls_changes_nothing_and_closes_what_it_counts() -> None:
    closed = []

    def twice():
        try:
            first = yield _Asked("a")
            return first + (yield _Asked("b"))
        finally:
            closed.append(True)

    calls: dict[str, int] = {}
    generator = counted(twice(), calls)
    next(generator)
    generator.send(1)
    with pytest.raises(StopIteration) as stop:
        generator.send(2)
    assert stop.value.value == 3 and calls == {"a": 1, "b": 1}
    begun = counted(twice(), calls)
    next(begun)
    closed.clear()
    begun.close()
    assert closed


class _Asked:
    def __init__(self, name: str) -> None:
        self.net = type("Net", (), {"name": name})
