"""Drawing many captions at once with the picture pipeline, and what evaluations of it share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle1.pipeline import Dalle1
from models.dalle2.captions import article, phrases
from models.dalle2.data import IMAGE_SIZE, STILL, Sprites, compose
from models.dalle2.data_build import split_hash
from models.dalle2.pipeline import Dalle2, Dalle2Result
from models.dalle2.text import pad
from models.diffusion.sampler import Request, Run
from models.evaluation import classifier as judge
from models.pipeline import SampleSettings

Painter = Dalle2 | Dalle1  # both read with the same text encoder and are judged by the same CLIP
CHUNK = 24  # runs that share forwards
NAMED_GROUPS = ("animals-nature", "food-drink", "travel-places", "objects")


@torch.inference_mode()
def read_texts(pipeline: Dalle2, texts: Sequence[str]) -> list[dict[str, Tensor]]:
    """What the prior is given of each text: token states (1, T, width) and text embedding (1, embed)."""
    out = []
    for text in texts:
        states, sentence = pipeline.reader.encoder(*pad([pipeline.tokenizer(text).ids]))
        out.append({"states": states.float(), "text_embed": pipeline.clip.text_embed(sentence)})
    return out


def pictures_of(
    pipeline: Painter, prompts: Sequence[str], settings: SampleSettings, seeds: Sequence[int]
) -> list[Tensor]:
    """The samples (S, 3, 32, 32) of one run per prompt and seed, by either way of drawing."""
    if isinstance(pipeline, Dalle2):
        return [r.images for r in draw_pictures(pipeline, prompts, settings, seeds)]
    plans = [pipeline.parse({"prompt": prompt}) for prompt in prompts]
    pairs = zip(plans, seeds, strict=True)
    runs = [pipeline.paint(plan, replace(settings, seed=seed)) for plan, seed in pairs]
    return [drawing.images for drawing in together(runs)]


def draw_pictures(
    pipeline: Dalle2, prompts: Sequence[str], settings: SampleSettings, seeds: Sequence[int]
) -> list[Dalle2Result]:
    """One run per prompt and seed, several at a time, up to the 32 px that the judges look at."""
    return together(
        [
            pipeline.draw(read, replace(settings, seed=seed), size=IMAGE_SIZE)
            for read, seed in zip(read_texts(pipeline, prompts), seeds, strict=True)
        ]
    )


def paint_pictures(
    pipeline: Dalle2,
    image_embed: Tensor,
    reads: Sequence[Mapping[str, Tensor]],
    settings: SampleSettings,
    seeds: Sequence[int],
) -> Tensor:
    """Decoder and upsampler for one given embedding (N, embed) and one read text per picture.
    -> (N, 3, 32, 32)"""
    runs = [
        pipeline.paint(
            image_embed[i : i + 1],
            read["text_embed"],
            replace(settings, samples=1, seed=seed),
            states=read["states"],
            size=IMAGE_SIZE,
        )
        for i, (read, seed) in enumerate(zip(reads, seeds, strict=True))
    ]
    return torch.cat(together(runs))


def together(runs: Sequence[Run[Any]]) -> list[Any]:
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


def share(values: Iterable[bool]) -> float:
    """Share that is true, to four digits."""
    return round(float(np.mean(list(values))), 4)


@torch.inference_mode()
def embed_images(pipeline: Painter, images: Tensor) -> Tensor:
    """CLIP image embeddings in batches. (N, 3, 32, 32) -> (N, embed)"""
    return torch.cat([pipeline.clip.image_embed(x) for x in images.split(256)])


@torch.inference_mode()
def embed_texts(pipeline: Painter, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Sentence vectors (N, 384) and CLIP text embeddings (N, embed) of the shipped encoder."""
    ids = [pipeline.tokenizer(text).ids for text in texts]
    parts = [pipeline.reader.encoder(*pad(ids[i : i + 256]))[1] for i in range(0, len(ids), 256)]
    sentence = torch.cat(parts)
    return sentence, pipeline.clip.text_embed(sentence)


def plain(sprites: Sprites, rows: np.ndarray) -> Tensor:
    """Drawings unmoved on white. -> (N, 3, 32, 32)"""
    nothing: list[str | None] = [None] * len(rows)
    return compose(sprites.rgba[rows], nothing, nothing, torch.Generator(), STILL)


def row_of(sprites: Sprites, concept: int, *splits: str) -> int:
    """The concept's first drawing in the first of the splits that has one, or -1."""
    for split in splits:
        rows = sprites.of(split)
        found = rows[sprites.concept[rows] == concept]
        if len(found):
            return int(found[0])
    return -1


def unit(x: Tensor) -> Tensor:
    return F.normalize(x.float(), dim=1)
