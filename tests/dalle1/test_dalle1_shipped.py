"""The shipped DALL·E 1 must do what its recorded metrics say, on a small sample."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from models.dalle1.pipeline import Dalle1
from models.dalle2.captions import article, held_out_combinations
from models.dalle2.data import Sprites
from models.dalle2.data_build import split_hash
from models.evaluation import classifier as judge
from models.evaluation.checker import name_backgrounds, name_colours
from models.evaluation.comparison import COMPARED, METRICS, OTHER, beside, renew
from models.evaluation.drawing import named, pictures_of, plain


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(METRICS.read_text())
    return recorded


def test_metrics_belong_to_the_shipped_files_and_defaults(dalle1: Dalle1, metrics) -> None:
    assert metrics["checkpoints"] == dict(dalle1.checkpoints)
    for name, value in metrics["settings"].items():
        assert getattr(replace(dalle1.defaults, samples=1), name) == value


def test_recorded_scores_reach_the_floors(metrics) -> None:
    tokens = metrics["tokenizer"]
    assert tokens["held_out_rendering"]["psnr_db"] > 24.5
    kept = tokens["held_out_rendering"]
    assert kept["reconstructed"]["top5"] > 0.9 * kept["original"]["top5"]
    assert metrics["combinations"]["model"]["colour"] >= 0.8
    assert metrics["combinations"]["model"]["background"] >= 0.9


def test_both_sides_are_told_with_their_cost(metrics) -> None:
    for side in ("dalle1", "dalle2"):
        nets = {name: net for name, net in metrics["trained"][side].items() if name != "all"}
        assert all(net["seconds"] > 0 and net["parameters"] > 0 for net in nets.values())
        total = metrics["trained"][side]["all"]["parameters"]
        assert total == sum(net["parameters"] for net in nets.values())
    assert metrics["trained"]["dalle1"]["all"]["parameters"] < 4e6
    assert metrics["speed"]["dalle1"]["network_calls"] == 66  # caption, 64 codes, picture


def test_who_is_ahead_is_counted_from_both_files(metrics, tmp_path) -> None:
    other = tmp_path / "dalle2-metrics.json"
    other.write_text(json.dumps({"combinations": {"model": {"colour": 0.0, "background": 2.0}}}))
    table = beside(metrics, other)
    assert table["dalle1_is_ahead_in"] == ["combinations_colour"]
    assert table["concept_top1"]["dalle2"] is None
    assert set(table) == {*COMPARED, "dalle1_is_ahead_in"}


def test_the_table_is_that_of_the_shipped_scores(metrics, tmp_path) -> None:
    assert metrics["beside_dalle2"] == beside(metrics, OTHER)
    old = tmp_path / "dalle1-metrics.json"
    old.write_text(json.dumps({**metrics, "beside_dalle2": {}, "trained": {}}))
    renew(old)
    assert json.loads(old.read_text()) == metrics


@torch.inference_mode()
def test_reconstructions_look_like_their_originals(dalle1: Dalle1, sprites: Sprites) -> None:
    rows = sprites.of("held_out_rendering", "train")
    x = plain(sprites, rows)
    back = dalle1.tokens.paint(dalle1.tokens.tokenizer.encode(x))
    assert (x - back).square().mean().sqrt() < 0.15
    net, labels = judge.load_classifier(), judge.load_classifier().config.labels
    kind = torch.tensor([labels.index(sprites.concepts[k]["label"]) for k in sprites.concept[rows]])
    assert named(net, back, kind)["top5"] > named(net, x, kind)["top5"] - 0.12


def test_captions_give_pictures_that_the_judge_names(dalle1, sprites, metrics) -> None:
    """The fixture's concepts, two samples each; the floor is well under the recorded score."""
    concepts = [c for c in sprites.concepts if not c["held_out"]]
    prompts = [article(c["label"]) for c in concepts]
    settings = replace(dalle1.defaults, samples=2)
    drawn = torch.cat(pictures_of(dalle1, prompts, settings, range(len(prompts))))
    net = judge.load_classifier()
    target = torch.tensor([net.config.labels.index(c["label"]) for c in concepts])
    found = judge.accuracy(net, drawn, target.repeat_interleave(2))["top5"]
    assert found >= max(0.05, metrics["recognisability"]["model"]["top5"] - 0.2)


def test_colour_and_background_words_are_obeyed(dalle1: Dalle1, sprites: Sprites) -> None:
    """Held-out combinations of the fixture's concepts, never composed in training."""
    asked = []
    for concept in sprites.concepts:
        options = held_out_combinations(concept)
        if options and not concept["held_out"]:
            asked.append((concept["label"], *options[split_hash(concept["label"]) % len(options)]))
    prompts = [
        f"{article(f'{colour} {label}')} on {article(ground)} background"
        for label, colour, ground in asked
    ]
    two = replace(dalle1.defaults, samples=2)
    drawn = torch.cat(pictures_of(dalle1, prompts, two, range(len(prompts))))
    colours = [c for _, c, _ in asked for _ in range(2)]
    grounds = [b for _, _, b in asked for _ in range(2)]
    seen, stood = name_colours(drawn), name_backgrounds(drawn)
    assert sum(a == b for a, b in zip(seen, colours, strict=True)) >= 0.7 * len(colours)
    assert sum(a == b for a, b in zip(stood, grounds, strict=True)) >= 0.85 * len(grounds)
