"""Scores the picture models: recognisability, composed captions, retrieval, prior, guidance, novelty.

    python -m models evaluate dalle2

Needs the picture cache (`python -m models data images`) for real drawings to compare with. Writes
`models/checkpoints/dalle2-metrics.json`; every published number comes from there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import CHECKPOINTS, fingerprint
from models.dalle2 import upsampler
from models.dalle2.clip import recall
from models.dalle2.data import IMAGE_SIZE, Sprites, anchors_of, load_sprites
from models.dalle2.layout import plural
from models.dalle2.pipeline import Dalle2
from models.evaluation import classifier as judge
from models.evaluation.drawing import (
    caption_of,
    chosen_concepts,
    draw_pictures,
    embed_images,
    embed_texts,
    named,
    paint_pictures,
    plain,
    read_texts,
    row_of,
    share,
)
from models.evaluation.gallery import contact_sheet, failure_sheet
from models.evaluation.prompts import FREE_PROMPTS
from models.evaluation.scenes import combinations, layouts, pairs
from models.evaluation.sheets import CARDS
from models.evaluation.studies import guidance_curve, precision, prior_against_baselines
from models.pipeline import SampleSettings

METRICS = CHECKPOINTS / "dalle2-metrics.json"
BEYOND = ("upsampler64.safetensors", "upsampler128.safetensors", "map.safetensors")


def recognisability(
    pipeline: Dalle2, sprites: Sprites, settings: SampleSettings, captions: int
) -> tuple[dict[str, Any], Tensor]:
    """Does the classifier name what the caption asked for? -> (scores, the samples drawn)"""
    net = judge.load_classifier()
    concepts = sprites.concepts
    kinds = chosen_concepts(concepts, captions)
    prompts = [caption_of(concepts[k]) for k in kinds]
    target = torch.tensor(kinds)
    results = draw_pictures(pipeline, prompts, settings, range(captions))
    drawn = torch.cat([r.images for r in results])
    # Oracle: the decoder is given the embedding of a real drawing, so only the decoder can fail.
    rows = np.array([row_of(sprites, k, "held_out_rendering", "train") for k in kinds])
    real = plain(sprites, rows)
    reads = read_texts(pipeline, prompts)
    oracle = paint_pictures(
        pipeline, embed_images(pipeline, real), reads, settings, range(captions)
    )
    held, train = sprites.of("held_out_rendering"), sprites.of("train")
    blurred = upsampler.enlarge(F.avg_pool2d(plain(sprites, held), 2), IMAGE_SIZE)
    kind = torch.from_numpy(sprites.concept)
    # The same concepts, so that the ratio compares like with like; only those with a held-out drawing.
    unseen = torch.from_numpy(np.isin(rows, held))
    model, ceiling = named(net, drawn, target), named(net, real[unseen], target[unseen])
    scores: dict[str, Any] = {
        "captions": captions,
        "samples": len(drawn),
        "classes": len(concepts),
        "prior": model,
        "oracle": named(net, oracle, target),
        "ceiling_same_concepts": {**ceiling, "drawings": int(unseen.sum())},
        "relative_to_ceiling": {
            k: round(model[k] / ceiling[k], 4) if ceiling[k] else None for k in model
        },
        "ceiling_held_out_renderings": named(net, plain(sprites, held), kind[held]),
        "ceiling_held_out_renderings_16px": named(net, blurred, kind[held]),
        "ceiling_training_drawings": named(net, plain(sprites, train), kind[train]),
        "chance_top5": round(5 / len(concepts), 4),
    }
    return scores, drawn


_VIEW = re.compile(r"\b(face|oncoming|front-facing|(tilted|pointing) (left|right))\b")


def same_thing(concepts: Sequence[Mapping[str, Any]]) -> Tensor:
    """(C, C) bool: the same concept, or a twin that shows the same thing from another side or in another
    number, which a picture cannot be told from by its name."""
    names = [_VIEW.sub("", c["label"]).strip() for c in concepts]
    one = {plural(name): name for name in names if plural(name) != name}
    names = [one.get(name, name) for name in names]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    kind = torch.tensor([number[name] for name in names])
    return kind[:, None] == kind


@torch.inference_mode()
def retrieval(pipeline: Dalle2, sprites: Sprites) -> dict[str, Any]:
    """CLIP on drawings it never saw, and the text encoder on free prompts."""
    concepts = sprites.concepts
    anchors = anchors_of(concepts, lambda texts: embed_texts(pipeline, texts)[0])
    clip_anchors = pipeline.clip.text_embed(anchors)
    twins = same_thing(concepts)
    out: dict[str, Any] = {
        "gallery": len(concepts),
        "twins": "names that differ only by face, oncoming, front-facing, tilted or pointing left or "
        "right, or by number: cat and cat face, taxi and oncoming taxi, house and houses",
    }
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
            **{f"recall@{k}": round(recall(images, clip_anchors, kind, k), 4) for k in (1, 5)},
            **{
                f"recall_with_twins@{k}": round(recall(images, clip_anchors, kind, k, twins), 4)
                for k in (1, 5)
            },
        }
    labels = {c["label"]: i for i, c in enumerate(concepts)}
    prompts = list(FREE_PROMPTS)
    sentence, embed = embed_texts(pipeline, prompts)
    accepted = [{labels[name] for name in FREE_PROMPTS[p] if name in labels} for p in prompts]
    for name, query, gallery in (("sentence", sentence, anchors), ("clip", embed, clip_anchors)):
        best = (query @ gallery.T).topk(5, dim=1).indices.tolist()
        out[f"free_prompts_{name}"] = {
            "prompts": len(prompts),
            "top1": share(b[0] in a for b, a in zip(best, accepted, strict=True)),
            "top5": share(bool(a & set(b)) for b, a in zip(best, accepted, strict=True)),
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


def scored_checkpoints(pipeline: Dalle2) -> dict[str, str]:
    """Fingerprints of the files that the scores depend on. The last two upsamplers draw beyond what is
    judged, and the map of concepts judges nothing."""
    files = {**pipeline.checkpoints, judge.CHECKPOINT.name: fingerprint(judge.CHECKPOINT)}
    return {name: print_ for name, print_ in files.items() if not name.endswith(BEYOND)}


@torch.inference_mode()
def copying(pipeline: Dalle2, drawn: Tensor) -> dict[str, Any]:
    """Near copies of training drawings among the samples; empty where the drawings' file is missing."""
    drawings = pipeline.judge.drawings
    if drawings is None:
        return {}
    return {
        "samples": drawings.shares(drawn, embed_images(pipeline, drawn)),
        "independent_real_drawings": dict(drawings.about.independent),
        "near_cosine": round(drawings.about.near_cosine, 4),
        "near_rms": round(drawings.about.near_rms, 4),
    }


@dataclass(frozen=True)
class Amounts:
    """How much is drawn: captions of single things, one sample each; held-out combinations; captions of
    each layout; pairs; samples per caption where variety is measured; captions and samples per guidance
    scale, of concepts that come after the `captions` first."""

    captions: int = 300
    combinations: int = 100
    each_layout: int = 8
    pairs: int = 60
    variety_samples: int = 32
    guidance_captions: int = 24
    guidance_samples: int = 4


def evaluate(
    out: Path = METRICS,
    images: Path = Path("cache/images"),
    pictures: Path = CARDS,
    amounts: Amounts | None = None,
) -> dict[str, Any]:
    """Runs everything at the pipeline's default settings, writes `out`, two picture sheets into the
    folder `pictures`, and returns the metrics."""
    began = time.perf_counter()
    many = amounts or Amounts()
    pipeline, sprites = Dalle2(), load_sprites(images)
    settings = replace(pipeline.defaults, samples=1)

    def part(name: str, scores: Any) -> Any:
        print(f"{time.perf_counter() - began:6.0f} s  {name}", flush=True)
        return scores

    scores, drawn = recognisability(pipeline, sprites, settings, many.captions)
    metrics: dict[str, Any] = {
        "settings": {
            "steps": settings.steps,
            "guidance_scale": settings.guidance_scale,
            "sampler": settings.sampler,
        },
        "seeds": f"0 to {many.captions - 1}, one per caption",
        "judged_at_px": IMAGE_SIZE,
        "checkpoints": scored_checkpoints(pipeline),
        "recognisability": part("recognisability", scores),
        "combinations": part(
            "combinations", combinations(pipeline, sprites, settings, many.combinations)
        ),
        "layouts": part("layouts", layouts(pipeline, sprites, settings, many.each_layout)),
        "pairs": part("pairs", pairs(pipeline, sprites, settings, many.pairs)),
        "retrieval": part("retrieval", retrieval(pipeline, sprites)),
        "prior": part(
            "prior",
            prior_against_baselines(
                pipeline, sprites, settings, many.captions, drawn, many.variety_samples
            ),
        ),
        "guidance": part(
            "guidance",
            guidance_curve(
                pipeline,
                sprites,
                settings,
                many.captions,
                many.guidance_captions,
                many.guidance_samples,
            ),
        ),
        "precision": part("precision", precision(pipeline, sprites, settings)),
        "novelty": part("novelty", novelty(pipeline, sprites, drawn)),
        "copying": part("copying", copying(pipeline, drawn)),
        "failures": part("failures", failure_sheet(sprites, drawn, pictures)),
        "seconds": 0.0,
    }
    contact_sheet(pipeline, pictures)
    metrics["seconds"] = round(time.perf_counter() - began, 1)
    out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    return metrics
