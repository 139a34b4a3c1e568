"""Scores DALL·E 1 and sets it beside DALL·E 2: the same captions, seeds, judge and machine.

    python -m models evaluate dalle1

Needs the picture cache (`python -m models data images`). Writes `models/checkpoints/dalle1-metrics.json`
and the contact sheet; `python -m models evaluate dalle2 dalle1` renews both sides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import fingerprint
from models.dalle1.pipeline import Dalle1
from models.dalle2.data import IMAGE_SIZE, STILL, Sprites, load_scenes, load_sprites, to_uint8
from models.dalle2.pipeline import Dalle2
from models.evaluation import classifier as judge
from models.evaluation.comparison import METRICS, OTHER, beside, speed, trained
from models.evaluation.drawing import (
    Painter,
    caption_of,
    chosen_concepts,
    embed_images,
    embed_texts,
    named,
    pictures_of,
    plain,
    row_of,
)
from models.evaluation.gallery import CONTACT_PROMPTS, tile
from models.evaluation.scenes import combinations, layouts, pairs
from models.evaluation.sheets import CARDS, save_sheet
from models.evaluation.studies import VARIETY_PROMPTS, spread
from models.pipeline import SampleSettings

CAPTIONS = 300  # one sample each; settings are chosen on the concepts after these
BEST_OF = 4

# guidance_scale, temperature, top_k: the default is chosen among them, on captions of its own
CHOICES = (
    (1.0, 1.0, 1024), (1.0, 0.6, 64), (2.0, 0.6, 64), (3.0, 1.0, 64), (3.0, 0.6, 64), (3.0, 0.6, 16),
    (3.0, 0.4, 64), (5.0, 0.6, 64),
)  # fmt: skip


@torch.inference_mode()
def reconstruction(pipeline: Dalle1, sprites: Sprites, images: Path) -> dict[str, Any]:
    """What the tokenizer keeps of a picture: the ceiling of whatever the transformer draws."""
    net, codec = judge.load_classifier(), pipeline.tokens.tokenizer
    scenes = load_scenes(images)
    every = np.arange(0, len(scenes.sprite), max(1, len(scenes.sprite) // 1000))
    out: dict[str, Any] = {}
    used: set[int] = set()

    def there_and_back(x: Tensor) -> Tensor:
        codes = [codec.encode(part) for part in x.split(100)]
        used.update(torch.cat(codes).unique().tolist())
        return torch.cat([pipeline.tokens.paint(c) for c in codes])

    for split in ("train", "held_out_rendering"):
        rows = sprites.of(split)[:: 4 if split == "train" else 1]
        x = plain(sprites, rows)
        back, kind = there_and_back(x), torch.from_numpy(sprites.concept[rows])
        out[split] = {"pictures": len(rows), **_errors(x, back)}
        out[split] |= {"reconstructed": named(net, back, kind), "original": named(net, x, kind)}
    x = scenes.compose(sprites, every, torch.Generator(), STILL)
    out["scenes"] = {"pictures": len(x), **_errors(x, there_and_back(x))}
    config = codec.config
    out |= {"tokens": config.tokens, "codes": config.codes, "codes_used": len(used)}
    return out


def _errors(x: Tensor, back: Tensor) -> dict[str, float]:
    """On the scale [-1, 1]; PSNR of the range's width 2."""
    rms = (x - back).square().mean((1, 2, 3)).sqrt().clamp_min(1e-4)
    psnr = float((20 * torch.log10(2 / rms)).mean())
    return {"pixel_rms": round(float(rms.mean()), 4), "psnr_db": round(psnr, 2)}


def recognisability(
    pipeline: Dalle1, sprites: Sprites, settings: SampleSettings
) -> tuple[dict[str, Any], Tensor]:
    """Does the classifier name what the caption asked for? -> (scores, the pictures)"""
    net = judge.load_classifier()
    kinds = chosen_concepts(sprites.concepts, CAPTIONS)
    target = torch.tensor(kinds)
    prompts = [caption_of(sprites.concepts[k]) for k in kinds]
    drawn = torch.cat(pictures_of(pipeline, prompts, settings, range(CAPTIONS)))
    # The same concepts, so that the ratio compares like with like; only those with a held-out drawing.
    rows = np.array([row_of(sprites, k, "held_out_rendering", "train") for k in kinds])
    unseen = torch.from_numpy(np.isin(rows, sprites.of("held_out_rendering")))
    model = named(net, drawn, target)
    ceiling = named(net, plain(sprites, rows)[unseen], target[unseen])
    several = pictures_of(pipeline, prompts, replace(settings, samples=BEST_OF), range(CAPTIONS))
    scores: dict[str, Any] = {
        "captions": CAPTIONS,
        "classes": len(sprites.concepts),
        "model": model,
        f"best_of_{BEST_OF}_by_clip": named(net, _best(pipeline, prompts, several), target),
        "ceiling_same_concepts": {**ceiling, "drawings": int(unseen.sum())},
        "relative_to_ceiling": {
            k: round(model[k] / ceiling[k], 4) if ceiling[k] else None for k in model
        },
        "chance_top5": round(5 / len(sprites.concepts), 4),
    }
    return scores, drawn


def _best(pipeline: Dalle1, prompts: Sequence[str], several: Sequence[Tensor]) -> Tensor:
    """The sample of each caption that CLIP likes most (Ramesh et al. 2021, section 2.6). -> (N, 3, H, W)"""
    _, said = embed_texts(pipeline, prompts)
    kept = []
    for images, text in zip(several, said, strict=True):
        kept.append(images[(embed_images(pipeline, images) @ text).argmax()])
    return torch.stack(kept)


def choices(pipeline: Dalle1, sprites: Sprites, settings: SampleSettings) -> dict[str, Any]:
    """Recognisability and variety for several settings of the sampler."""
    captions, samples = 30, 4
    kinds = chosen_concepts(sprites.concepts, CAPTIONS + captions)[CAPTIONS:]
    prompts = [caption_of(sprites.concepts[k]) for k in kinds]
    target = torch.tensor(kinds).repeat_interleave(samples)
    net = judge.load_classifier()
    gallery = embed_images(pipeline, plain(sprites, sprites.of("train")))
    curve = []
    for scale, temperature, top_k in CHOICES:
        given = {"guidance_scale": scale, "temperature": temperature, "top_k": top_k}
        tried = replace(settings, samples=samples, **given)  # type: ignore[arg-type]
        groups = pictures_of(pipeline, prompts, tried, range(captions))
        scores = named(net, torch.cat(groups), target)
        curve.append({**given, **scores, **spread(pipeline, sprites, groups, gallery)})
    return {"captions": captions, "samples": samples, "curve": curve}


def variety(painter: Painter, sprites: Sprites, settings: SampleSettings) -> dict[str, float]:
    """How much 32 pictures of one caption differ, averaged over captions."""
    eight = replace(settings, samples=8)
    gallery = embed_images(painter, plain(sprites, sprites.of("train")))
    groups = [
        torch.cat(pictures_of(painter, [prompt] * 4, eight, range(4))) for prompt in VARIETY_PROMPTS
    ]
    return spread(painter, sprites, groups, gallery)


def copying(pipeline: Dalle1, drawn: Tensor) -> dict[str, Any]:
    """Near copies of training drawings among the pictures; empty where the drawings' file is missing."""
    drawings = pipeline.judge.drawings
    if drawings is None:
        return {}
    return {
        "samples": drawings.shares(drawn, embed_images(pipeline, drawn)),
        "independent_real_drawings": dict(drawings.about.independent),
    }


def contact_sheet(pipeline: Dalle1, folder: Path) -> None:
    """Writes `dalle1-contact.webp`: the prompts of dalle2's sheet, four samples each, seed 0."""
    four = replace(pipeline.defaults, samples=4)
    groups = pictures_of(pipeline, CONTACT_PROMPTS, four, [0] * len(CONTACT_PROMPTS))
    pictures = np.stack([to_uint8(group) for group in groups])
    save_sheet(tile(pictures, CONTACT_PROMPTS, 64, 4), folder / "dalle1-contact.webp")


def evaluate(
    out: Path = METRICS,
    images: Path = Path("cache/images"),
    pictures: Path = CARDS,
    pipeline: Dalle1 | None = None,
    other: Path = OTHER,
) -> dict[str, Any]:
    """Runs everything at the pipeline's default settings, writes `out` and the contact sheet into the
    folder `pictures`, and returns the metrics."""
    began = time.perf_counter()
    pipeline, two, sprites = pipeline or Dalle1(), Dalle2(), load_sprites(images)
    settings = replace(pipeline.defaults, samples=1)
    scores, drawn = recognisability(pipeline, sprites, settings)
    metrics: dict[str, Any] = {
        "settings": {name: getattr(settings, name) for name in sorted(pipeline.uses - {"seed"})},
        "seeds": f"0 to {CAPTIONS - 1}, one per caption",
        "judged_at_px": IMAGE_SIZE,
        "checkpoints": {
            **pipeline.checkpoints,
            judge.CHECKPOINT.name: fingerprint(judge.CHECKPOINT),
        },
        "recognisability": scores,
        "tokenizer": reconstruction(pipeline, sprites, images),
        "combinations": combinations(pipeline, sprites, settings, 100),
        "layouts": layouts(pipeline, sprites, settings, 8),
        "pairs": pairs(pipeline, sprites, settings, 60),
        "variety": variety(pipeline, sprites, settings),
        "guidance": choices(pipeline, sprites, settings),
        "copying": copying(pipeline, drawn),
        "trained": trained(),
        "speed": speed(pipeline, two),
        "seconds": 0.0,
    }
    metrics["beside_dalle2"] = beside(metrics, other)
    contact_sheet(pipeline, pictures)
    metrics["seconds"] = round(time.perf_counter() - began, 1)
    out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    return metrics
