"""The shipped picture models must do what the recorded metrics say, on a small sample."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from models.dalle2.captions import article, held_out_combinations
from models.dalle2.data import load_sprites
from models.dalle2.data_build import split_hash
from models.dalle2.pipeline import Dalle2
from models.diffusion.sampler import run
from models.evaluation import classifier as judge
from models.evaluation.checker import name_backgrounds, name_colours
from models.evaluation.drawing import (
    chosen_concepts,
    draw_pictures,
    run_together,
)
from models.evaluation.images import METRICS, novelty, retrieval, same_thing, scored_checkpoints
from models.evaluation.prompts import FREE_PROMPTS

FIXTURE = "tests/fixtures/images"


@pytest.fixture(scope="module")
def pipeline() -> Dalle2:
    return Dalle2()


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads(METRICS.read_text())


def test_metrics_belong_to_the_shipped_checkpoints(pipeline, metrics) -> None:
    assert metrics["checkpoints"] == scored_checkpoints(pipeline)
    assert judge.CHECKPOINT.name in metrics["checkpoints"]
    assert metrics["settings"]["steps"] == pipeline.defaults.steps
    assert metrics["settings"]["guidance_scale"] == pipeline.defaults.guidance_scale


def test_recorded_metrics_reach_the_floors(metrics) -> None:
    scores = metrics["recognisability"]
    assert scores["prior"]["top1"] >= 0.7 and scores["prior"]["top5"] >= 0.9
    assert scores["relative_to_ceiling"]["top1"] >= 0.7
    assert scores["relative_to_ceiling"]["top5"] >= 0.88
    combos = metrics["combinations"]
    assert combos["model"]["colour"] >= 0.7 and combos["model"]["background"] >= 0.7
    assert combos["model"]["concept_top5"] >= 0.6
    assert combos["ceiling_real_pictures"]["colour"] >= combos["model"]["colour"]
    assert metrics["layouts"]["model"]["all"] >= 0.6
    assert metrics["layouts"]["model"]["count"] >= 0.7
    assert metrics["layouts"]["ceiling_real_pictures"]["all"] >= 0.95
    recalls = metrics["retrieval"]["clip_held_out_rendering"]
    assert recalls["recall@1"] >= 0.5 and recalls["recall@5"] >= 0.8
    assert recalls["recall_with_twins@1"] >= recalls["recall@1"]
    free = metrics["retrieval"]["free_prompts_sentence"]
    assert free["prompts"] == len(FREE_PROMPTS) and free["top1"] >= 0.68 and free["top5"] >= 0.88
    prior = metrics["prior"]
    assert prior["prior"]["vendors_nearest"] > prior["mean_embedding"]["vendors_nearest"]
    assert prior["prior"]["top5"] > prior["text_embedding"]["top5"]
    scales = {point["guidance_scale"]: point for point in metrics["guidance"]["curve"]}
    assert metrics["settings"]["guidance_scale"] in scales
    assert scales[0.0]["top5"] < 0.1 < scales[3.0]["top5"]
    assert metrics["precision"]["median_pixel_rms"] < 0.02


def test_captions_give_pictures_that_the_judge_names(pipeline, metrics) -> None:
    """24 concepts of the fixture, one sample each; the floor is well under the recorded score."""
    concepts = [c for c in load_sprites(FIXTURE).concepts if not c["held_out"]]
    prompts = [article(c["label"]) for c in concepts]
    drawn = torch.cat(
        [r.images for r in draw_pictures(pipeline, prompts, pipeline.defaults, range(len(prompts)))]
    )
    net = judge.load_classifier()
    target = torch.tensor([net.config.labels.index(c["label"]) for c in concepts])
    floor = metrics["recognisability"]["prior"]["top5"] - 0.25
    assert judge.accuracy(net, drawn, target)["top5"] >= floor


def test_colour_and_background_words_are_obeyed(pipeline) -> None:
    """Held-out combinations of the fixture's concepts, never composed in training."""
    asked = []
    for concept in load_sprites(FIXTURE).concepts:
        options = held_out_combinations(concept)
        if options and not concept["held_out"]:
            asked.append((concept["label"], *options[split_hash(concept["label"]) % len(options)]))
    prompts = [
        f"{article(f'{colour} {label}')} on {article(ground)} background"
        for label, colour, ground in asked
    ]
    settings = dataclasses.replace(pipeline.defaults, samples=2)
    results = draw_pictures(pipeline, prompts, settings, range(len(prompts)))
    drawn = torch.cat([r.images for r in results])
    colours = [c for _, c, _ in asked for _ in range(2)]
    grounds = [b for _, _, b in asked for _ in range(2)]
    assert np.mean([a == b for a, b in zip(name_colours(drawn), colours, strict=True)]) >= 0.6
    assert np.mean([a == b for a, b in zip(name_backgrounds(drawn), grounds, strict=True)]) >= 0.8


def test_run_together_equals_run(pipeline) -> None:
    settings = dataclasses.replace(pipeline.defaults, steps=4)
    plan = pipeline.parse({"prompt": "a key"})
    alone = run(pipeline.run(plan, settings))
    both = run_together([pipeline.run(plan, settings) for _ in range(2)])
    for result in both:
        assert (result.images - alone.images).abs().mean() < 0.02


def test_concepts_to_score_are_fixed_and_none_is_held_out() -> None:
    concepts = load_sprites(FIXTURE).concepts
    chosen = chosen_concepts(concepts, 5)
    assert chosen == chosen_concepts(concepts, 5) and len(set(chosen)) == 5
    assert not any(concepts[i]["held_out"] for i in chosen)


def test_free_prompts_are_many_answered_and_no_names_of_concepts() -> None:
    net = judge.load_classifier()
    labels = {label.lower() for label in net.config.labels}
    assert len(FREE_PROMPTS) >= 100
    for prompt, answers in FREE_PROMPTS.items():
        assert answers and {a.lower() for a in answers} <= labels
        bare = prompt.removeprefix("a ").removeprefix("an ").removeprefix("the ")
        assert prompt not in labels and bare not in labels


def test_twins_are_views_and_numbers_of_one_thing() -> None:
    names = [
        "cat",
        "cat face",
        "taxi",
        "oncoming taxi",
        "house",
        "houses",
        "cow",
        "prince",
        "princess",
    ]
    same = same_thing([{"label": name} for name in names])
    pairs = {(names[i], names[j]) for i, j in torch.nonzero(same).tolist() if i < j}
    assert pairs == {("cat", "cat face"), ("taxi", "oncoming taxi"), ("house", "houses")}


def test_retrieval_and_novelty_on_the_fixture(pipeline) -> None:
    sprites = load_sprites(FIXTURE)
    scores = retrieval(pipeline, sprites)
    assert scores["gallery"] == len(sprites.concepts)
    assert scores["clip_held_out_rendering"]["recall@1"] >= 0.7
    near = novelty(pipeline, sprites, torch.ones(2, 3, 32, 32))
    assert near["samples"]["median_pixel_rms"] > 0
    assert (
        near["real_held_out_drawings"]["median_clip_cosine"] > near["samples"]["median_clip_cosine"]
    )
