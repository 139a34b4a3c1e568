"""What the prior is worth, how guidance trades sameness for recognisability, and whether bf16 matters."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.dalle2.data import Sprites
from models.dalle2.network import StageNetwork
from models.dalle2.pipeline import Dalle2
from models.diffusion.sampler import Request
from models.evaluation import classifier as judge
from models.evaluation.drawing import (
    Painter,
    caption_of,
    chosen_concepts,
    draw_pictures,
    embed_images,
    named,
    paint_pictures,
    plain,
    read_texts,
    unit,
)
from models.pipeline import SampleSettings

GUIDANCE_SCALES = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
VARIETY_PROMPTS = ("a cat", "an apple", "a car", "a house")
MEAN_SIGMA = 20.0  # the prior's highest level: nothing of the noised embedding is left to see


@torch.inference_mode()
def mean_embeds(pipeline: Dalle2, prompts: Sequence[str]) -> Tensor:
    """Baseline (a): regression to the mean. The prior's estimate of the clean embedding from pure noise
    at its highest level without guidance, which is what a regressor trained on squared error gives.
    -> unit vectors (N, embed)"""
    out = []
    for i, read in enumerate(read_texts(pipeline, prompts)):
        noise = torch.randn(1, *pipeline.prior.shape, generator=torch.Generator().manual_seed(i))
        cond = {**read, "guidance_scale": torch.ones(1)}
        request = Request(pipeline.prior, MEAN_SIGMA * noise, torch.full((1,), MEAN_SIGMA), cond)
        out.append(pipeline.prior.answer([request])[0])
    return unit(torch.cat(out))


@torch.inference_mode()
def prior_against_baselines(
    pipeline: Dalle2,
    sprites: Sprites,
    settings: SampleSettings,
    captions: int,
    drawn: Tensor,
    samples: int = 32,
) -> dict[str, Any]:
    """The same captions, decoder and seeds with three sources of the image embedding: the prior (its
    pictures of those captions are `drawn`, one each), the mean embedding, the text embedding."""
    kinds = chosen_concepts(sprites.concepts, captions)
    prompts = [caption_of(sprites.concepts[k]) for k in kinds]
    target = torch.tensor(kinds)
    reads = read_texts(pipeline, prompts)
    text = torch.cat([r["text_embed"] for r in reads])
    mean = mean_embeds(pipeline, prompts)
    net = judge.load_classifier()
    seeds = range(captions)
    pictures = {
        "prior": drawn,
        "mean_embedding": paint_pictures(pipeline, mean, reads, settings, seeds),
        "text_embedding": paint_pictures(pipeline, text, reads, settings, seeds),
    }
    said = read_texts(pipeline, VARIETY_PROMPTS)
    middle = mean_embeds(pipeline, VARIETY_PROMPTS)
    several: dict[str, list[Tensor]] = {name: [] for name in pictures}
    for i, prompt in enumerate(VARIETY_PROMPTS):
        eight = replace(settings, samples=8)
        runs = draw_pictures(pipeline, [prompt] * (samples // 8), eight, range(samples // 8))
        several["prior"].append(torch.cat([r.images for r in runs]))
        for name, embed in (
            ("mean_embedding", middle[i : i + 1]),
            ("text_embedding", said[i]["text_embed"]),
        ):
            same = [said[i]] * samples
            several[name].append(
                paint_pictures(pipeline, embed.expand(samples, -1), same, settings, range(samples))
            )
    gallery = embed_images(pipeline, plain(sprites, sprites.of("train")))
    return {
        "captions": captions,
        "variety_captions": len(VARIETY_PROMPTS),
        "variety_samples": samples,
        **{
            name: {
                **named(net, images, target),
                **spread(pipeline, sprites, several[name], gallery),
            }
            for name, images in pictures.items()
        },
    }


def spread(
    pipeline: Painter, sprites: Sprites, groups: Sequence[Tensor], gallery: Tensor
) -> dict[str, float]:
    """How much the samples of one caption differ: vendors among the drawings nearest to them (of the 8
    trained on) and mean cosine distance in CLIP's image space, averaged over the captions."""
    rows = sprites.of("train")
    vendors, apart = [], []
    for images in groups:
        z = embed_images(pipeline, images)
        vendors.append(
            len({int(sprites.vendor[rows[i]]) for i in (z @ gallery.T).argmax(1).tolist()})
        )
        apart.append(1 - float((z @ z.T)[~torch.eye(len(z), dtype=torch.bool)].mean()))
    return {
        "vendors_nearest": round(float(np.mean(vendors)), 2),
        "mean_cosine_distance": round(float(np.mean(apart)), 4),
    }


def guidance_curve(
    pipeline: Dalle2,
    sprites: Sprites,
    settings: SampleSettings,
    after: int,
    captions: int = 30,
    samples: int = 4,
) -> dict[str, Any]:
    """Recognisability and variety at several decoder guidance scales, on captions that come after those
    of the evaluation: the default is chosen here."""
    kinds = chosen_concepts(sprites.concepts, after + captions)[after:]
    prompts = [caption_of(sprites.concepts[k]) for k in kinds]
    target = torch.tensor(kinds).repeat_interleave(samples)
    net = judge.load_classifier()
    gallery = embed_images(pipeline, plain(sprites, sprites.of("train")))
    curve = []
    for scale in GUIDANCE_SCALES:
        chosen = replace(settings, guidance_scale=scale, samples=samples)
        results = draw_pictures(pipeline, prompts, chosen, range(len(prompts)))
        groups = [r.images for r in results]
        curve.append(
            {
                "guidance_scale": scale,
                **named(net, torch.cat(groups), target),
                **spread(pipeline, sprites, groups, gallery),
            }
        )
    return {"captions": captions, "samples": samples, "curve": curve}


class Float32:
    """A stage that answers as the given one does, without bf16. Other attributes are the stage's own."""

    def __init__(self, net: StageNetwork) -> None:
        self.net = net

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        x, sigma = torch.cat([r.x for r in requests]), torch.cat([r.sigma for r in requests])
        return list(self.net.denoise(x, sigma, requests).split([len(r.x) for r in requests]))


def precision(
    pipeline: Dalle2, sprites: Sprites, settings: SampleSettings, captions: int = 32
) -> dict[str, Any]:
    """The same captions and seeds drawn in bf16, as served, and in float32."""
    kinds = chosen_concepts(sprites.concepts, captions)
    prompts = [caption_of(sprites.concepts[k]) for k in kinds]
    one = replace(settings, samples=1)
    net = judge.load_classifier()
    served = torch.cat([r.images for r in draw_pictures(pipeline, prompts, one, range(captions))])
    full: Any = copy(pipeline)
    exact_prior: Any = Float32(pipeline.prior)
    full.embedders = replace(pipeline.embedders, prior=exact_prior)
    full.decoder = Float32(pipeline.decoder)
    full.upsamplers = tuple(Float32(net) for net in pipeline.upsamplers)
    exact = torch.cat([r.images for r in draw_pictures(full, prompts, one, range(captions))])
    rms = (served - exact).float().square().flatten(1).mean(1).sqrt()
    return {
        "captions": captions,
        "bfloat16": named(net, served, torch.tensor(kinds)),
        "float32": named(net, exact, torch.tensor(kinds)),
        "median_pixel_rms": round(float(rms.median()), 4),
        "largest_pixel_rms": round(float(rms.max()), 4),
    }
