"""Scores the picture models: recognisability, colours, backgrounds, retrieval, novelty, variety.

    python -m models evaluate images

Needs the picture cache (`python -m models data images`) for real drawings to compare with. Writes
`models/checkpoints/dalle2-metrics.json`; every published number comes from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import CHECKPOINTS, fingerprint
from models.dalle2 import upsampler
from models.dalle2.captions import article, held_out_combinations, phrases
from models.dalle2.clip import recall
from models.dalle2.data import STILL, Sprites, compose, load_sprites
from models.dalle2.data_build import VENDORS, split_hash
from models.dalle2.pipeline import Dalle2, Dalle2Result
from models.dalle2.text import pad, split_words
from models.diffusion.sampler import Request, Run
from models.evaluation import classifier as judge
from models.evaluation.checker import name_backgrounds, name_colours
from models.evaluation.prompts import FREE_PROMPTS
from models.pipeline import SampleSettings

METRICS = CHECKPOINTS / "dalle2-metrics.json"
CHUNK = 16  # runs that share forwards


def draw_pictures(
    pipeline: Dalle2, prompts: Sequence[str], settings: SampleSettings, seeds: Sequence[int]
) -> list[Dalle2Result]:
    """One run per prompt and seed, several at a time."""
    runs = [
        pipeline.run(pipeline.parse({"prompt": prompt}), replace(settings, seed=seed))
        for prompt, seed in zip(prompts, seeds, strict=True)
    ]
    return _together(runs)


def _together(runs: Sequence[Run[Any]]) -> list[Any]:
    results: list[Any] = []
    for start in range(0, len(runs), CHUNK):
        results += run_together(runs[start : start + CHUNK])
    return results


def run_together(runs: Sequence[Run[Any]]) -> list[Any]:
    """Drives several runs in step, one forward per network and bucket, as the server's engine does."""
    results: list[Any] = [None] * len(runs)
    waiting: dict[int, Request] = {}

    def advance(i: int, answer: Any) -> None:
        try:
            waiting[i] = runs[i].send(answer)
        except StopIteration as stop:
            results[i] = stop.value

    for i in range(len(runs)):
        advance(i, None)
    while waiting:
        first = next(iter(waiting.values()))
        key = (id(first.net), first.net.bucket(first))
        group = [i for i, r in waiting.items() if (id(r.net), r.net.bucket(r)) == key]
        requests = [waiting.pop(i) for i in group]
        with torch.inference_mode():
            answers = first.net.answer(requests)
        for i, answer in zip(group, answers, strict=True):
            advance(i, answer)
    return results


def chosen_concepts(concepts: Sequence[Mapping[str, Any]], count: int) -> list[int]:
    """The same random-looking concepts every time: lowest hash first, none that training held out."""
    known = [i for i, c in enumerate(concepts) if not c["held_out"]]
    return sorted(known, key=lambda i: split_hash(f"evaluate:{concepts[i]['hexcode']}"))[:count]


def caption_of(concept: Mapping[str, Any]) -> str:
    return article(phrases(dict(concept))[0])


def named(net: judge.Classifier, images: Tensor, concept: Tensor) -> dict[str, float]:
    return {k: round(v, 4) for k, v in judge.accuracy(net, images, concept).items()}


@torch.inference_mode()
def embed_images(pipeline: Dalle2, images: Tensor) -> Tensor:
    """CLIP image embeddings in batches. (N, 3, 32, 32) -> (N, embed)"""
    return torch.cat([pipeline.clip.image_embed(x) for x in images.split(256)])


@torch.inference_mode()
def embed_texts(pipeline: Dalle2, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Sentence vectors (N, 384) and CLIP text embeddings (N, embed) of the shipped encoder."""
    ids = [pipeline.tokenizer(text).ids for text in texts]
    parts = [pipeline.text.encoder(*pad(ids[i : i + 256]))[1] for i in range(0, len(ids), 256)]
    sentence = torch.cat(parts)
    return sentence, pipeline.clip.text_embed(sentence)


@torch.inference_mode()
def text_anchors(pipeline: Dalle2, concepts: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor]:
    """Each concept as text: label plus 0.7 of the mean of its tags, in both spaces."""
    texts = [c["label"] for c in concepts]
    tags = [(i, tag) for i, c in enumerate(concepts) for tag in c["tags"] if split_words(tag)]
    label, _ = embed_texts(pipeline, texts)
    tag, _ = embed_texts(pipeline, [t for _, t in tags])
    total = torch.zeros_like(label).index_add_(0, torch.tensor([i for i, _ in tags]), tag)
    anchor = F.normalize(label + 0.7 * F.normalize(total, dim=1, eps=1e-6), dim=1)
    return anchor, pipeline.clip.text_embed(anchor)


def plain(sprites: Sprites, rows: np.ndarray) -> Tensor:
    """Drawings unmoved on white. -> (N, 3, 32, 32)"""
    nothing: list[str | None] = [None] * len(rows)
    return compose(sprites.rgba[rows], nothing, nothing, torch.Generator(), STILL)


def recognisability(
    pipeline: Dalle2, sprites: Sprites, settings: SampleSettings, captions: int, samples: int
) -> tuple[dict[str, Any], Tensor]:
    """Does the classifier name what the caption asked for? -> (scores, the samples drawn)"""
    net = judge.load_classifier()
    concepts = sprites.concepts
    kinds = chosen_concepts(concepts, captions)
    target = torch.tensor(kinds).repeat_interleave(samples)
    several = replace(settings, samples=samples)
    results = draw_pictures(
        pipeline, [caption_of(concepts[k]) for k in kinds], several, range(captions)
    )
    drawn = torch.cat([r.images for r in results])
    # Oracle: the decoder is given the embedding of a real drawing, so only the decoder can fail.
    held = sprites.of("held_out_rendering")
    train = sprites.of("train")
    real_rows = np.array([_first(held, sprites, k, _first(train, sprites, k, -1)) for k in kinds])
    real = plain(sprites, real_rows)
    embeds = embed_images(pipeline, real)
    _, text_embed = embed_texts(pipeline, [caption_of(concepts[k]) for k in kinds])
    ones = [
        pipeline.paint(
            embeds[i : i + 1], text_embed[i : i + 1], replace(settings, samples=1, seed=i)
        )
        for i in range(captions)
    ]
    oracle = torch.cat(_together(ones))
    blurred = upsampler.enlarge(F.avg_pool2d(plain(sprites, held), 2), 32)
    kind = torch.from_numpy(sprites.concept)
    return {
        "captions": captions,
        "samples": len(drawn),
        "classes": len(concepts),
        "prior": named(net, drawn, target),
        "oracle": named(net, oracle, torch.tensor(kinds)),
        "ceiling_same_concepts": named(net, real, torch.tensor(kinds)),
        "ceiling_held_out_renderings": named(net, plain(sprites, held), kind[held]),
        "ceiling_held_out_renderings_16px": named(net, blurred, kind[held]),
        "ceiling_training_drawings": named(net, plain(sprites, train), kind[train]),
        "chance_top5": round(5 / len(concepts), 4),
    }, drawn


def _first(rows: np.ndarray, sprites: Sprites, concept: int, otherwise: int) -> int:
    found = rows[sprites.concept[rows] == concept]
    return int(found[0]) if len(found) else otherwise


def combinations(
    pipeline: Dalle2, sprites: Sprites, settings: SampleSettings, count: int
) -> dict[str, Any]:
    """Held-out concept x colour x background captions, against the coded checker."""
    chosen: list[tuple[int, str, str]] = []
    for kind in chosen_concepts(sprites.concepts, len(sprites.concepts)):
        options = held_out_combinations(sprites.concepts[kind])
        group = sprites.concepts[kind]["group"]
        if options and group in ("animals-nature", "food-drink", "travel-places", "objects"):
            colour, ground = options[split_hash(sprites.concepts[kind]["hexcode"]) % len(options)]
            chosen.append((kind, colour, ground))
    chosen = chosen[:count]
    prompts = [
        f"{article(f'{colour} ' + phrases(sprites.concepts[kind])[0])} on {article(ground)} background"
        for kind, colour, ground in chosen
    ]
    one = replace(settings, samples=1)
    drawn = torch.cat(
        [r.images for r in draw_pictures(pipeline, prompts, one, range(len(prompts)))]
    )
    train = sprites.of("train")
    rows = np.array([_first(train, sprites, kind, 0) for kind, _, _ in chosen])
    colours, grounds = [c for _, c, _ in chosen], [b for _, _, b in chosen]
    real = compose(sprites.rgba[rows], colours, grounds, torch.Generator(), STILL)
    target = torch.tensor([kind for kind, _, _ in chosen])
    net = judge.load_classifier()

    def scores(images: Tensor) -> dict[str, float]:
        seen, stood = name_colours(images), name_backgrounds(images)
        return {
            "colour": round(
                float(np.mean([a == b for a, b in zip(seen, colours, strict=True)])), 4
            ),
            "background": round(
                float(np.mean([a == b for a, b in zip(stood, grounds, strict=True)])), 4
            ),
            "concept_top5": named(net, images, target)["top5"],
        }

    return {
        "combinations": len(chosen),
        "colours": "six checked colours, no orange and no brown",
        "model": scores(drawn),
        "ceiling_real_pictures": scores(real),
        "example_prompts": prompts[:5],
    }


@torch.inference_mode()
def retrieval(pipeline: Dalle2, sprites: Sprites) -> dict[str, Any]:
    """CLIP on drawings it never saw, and the text encoder on free prompts."""
    concepts = sprites.concepts
    anchors, clip_anchors = text_anchors(pipeline, concepts)
    out: dict[str, Any] = {"gallery": len(concepts)}
    for split in ("held_out_rendering", "unseen_vendor", "held_out_concept"):
        rows = sprites.of(split)
        if len(rows) == 0:  # the test fixture ships no drawing of an unseen vendor
            continue
        images, kind = (
            embed_images(pipeline, plain(sprites, rows)),
            torch.from_numpy(sprites.concept[rows]),
        )
        out[f"clip_{split}"] = {
            "images": len(rows),
            "recall@1": round(recall(images, clip_anchors, kind, 1), 4),
            "recall@5": round(recall(images, clip_anchors, kind, 5), 4),
        }
    labels = {c["label"]: i for i, c in enumerate(concepts)}
    prompts = list(FREE_PROMPTS)
    sentence, embed = embed_texts(pipeline, prompts)
    accepted = [{labels[name] for name in FREE_PROMPTS[p] if name in labels} for p in prompts]
    for name, query, gallery in (("sentence", sentence, anchors), ("clip", embed, clip_anchors)):
        best = (query @ gallery.T).topk(5, dim=1).indices.tolist()
        out[f"free_prompts_{name}"] = {
            "prompts": len(prompts),
            "top1": round(
                float(np.mean([b[0] in a for b, a in zip(best, accepted, strict=True)])), 4
            ),
            "top5": round(
                float(np.mean([bool(a & set(b)) for b, a in zip(best, accepted, strict=True)])), 4
            ),
        }
    return out


@torch.inference_mode()
def novelty(pipeline: Dalle2, sprites: Sprites, drawn: Tensor) -> dict[str, Any]:
    """How near samples are to their nearest training drawing, beside real drawings never trained on."""
    train = plain(sprites, sprites.of("train"))
    real = plain(sprites, sprites.of("held_out_rendering")[::5])

    def nearest(images: Tensor) -> dict[str, float]:
        pixels = torch.cdist(images.flatten(1), train.flatten(1)).amin(1) / train[0].numel() ** 0.5
        cosine = (embed_images(pipeline, images) @ embed_images(pipeline, train).T).amax(1)
        return {
            "median_pixel_rms": round(float(pixels.median()), 4),
            "share_below_0.1": round(float((pixels < 0.1).float().mean()), 4),
            "median_clip_cosine": round(float(cosine.median()), 4),
        }

    return {"samples": nearest(drawn), "real_held_out_drawings": nearest(real)}


@torch.inference_mode()
def variety(pipeline: Dalle2, sprites: Sprites, settings: SampleSettings) -> dict[str, Any]:
    """Of 32 samples of one caption: how many vendors' styles are nearest, and how they spread."""
    rows = sprites.of("train")
    embeds = embed_images(pipeline, plain(sprites, rows))
    out = {}
    for prompt in ("a cat", "an apple", "a car", "a house"):
        four = draw_pictures(pipeline, [prompt] * 4, replace(settings, samples=8), range(4))
        z = torch.cat([r.image_embed for r in four])
        vendors = [VENDORS[int(sprites.vendor[rows[i]])] for i in (z @ embeds.T).argmax(1).tolist()]
        counts = {v: vendors.count(v) for v in sorted(set(vendors))}
        apart = 1 - (z @ z.T)[~torch.eye(len(z), dtype=torch.bool)].mean()
        out[prompt] = {"nearest_vendors": counts, "mean_cosine_distance": round(float(apart), 4)}
    return out


def evaluate(
    out: Path = METRICS,
    images: Path = Path("cache/images"),
    captions: int = 100,
    samples: int = 2,
    combos: int = 100,
) -> dict[str, Any]:
    """Runs everything at the pipeline's default settings, writes `out` and returns it."""
    began = time.perf_counter()
    pipeline, sprites = Dalle2(), load_sprites(images)
    settings = pipeline.defaults
    scores, drawn = recognisability(pipeline, sprites, settings, captions, samples)
    metrics = {
        "settings": {
            "steps": settings.steps,
            "guidance_scale": settings.guidance_scale,
            "sampler": settings.sampler,
        },
        "seeds": f"0 to {captions - 1}, one per caption",
        "checkpoints": {
            **pipeline.checkpoints,
            judge.CHECKPOINT.name: fingerprint(judge.CHECKPOINT),
        },
        "recognisability": scores,
        "combinations": combinations(pipeline, sprites, settings, combos),
        "retrieval": retrieval(pipeline, sprites),
        "novelty": novelty(pipeline, sprites, drawn),
        "variety": variety(pipeline, sprites, settings),
        "seconds": 0.0,
    }
    metrics["seconds"] = round(time.perf_counter() - began, 1)
    out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    return metrics
