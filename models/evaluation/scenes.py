"""Scores of composed captions: held-out colours and backgrounds, sizes, positions, counts and pairs.

Every list is fixed by hashes of code points and uses only combinations that training never composed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle2.captions import article, held_out_combinations, phrases
from models.dalle2.data import STILL, Sprites, compose, compose_layouts
from models.dalle2.data_build import split_hash
from models.dalle2.layout import (
    BOLD,
    COUNTS,
    INDEX,
    LAYOUTS,
    SIZES,
    Layout,
    held_out_layout,
    held_out_pair,
    plural,
)
from models.evaluation import classifier as judge
from models.evaluation.checker import has_layout, name_backgrounds, name_colours
from models.evaluation.drawing import (
    NAMED_GROUPS,
    Painter,
    chosen_concepts,
    embed_images,
    embed_texts,
    named,
    pictures_of,
    row_of,
    share,
)
from models.pipeline import SampleSettings


def _pictures(pipeline: Painter, prompts: list[str], settings: SampleSettings) -> Tensor:
    one = replace(settings, samples=1)
    return torch.cat(pictures_of(pipeline, prompts, one, range(len(prompts))))


def _named_kinds(sprites: Sprites) -> list[int]:
    """Concepts of things with a shape, in the evaluation's order, that have a training drawing."""
    kinds = chosen_concepts(sprites.concepts, len(sprites.concepts))
    return [k for k in kinds if sprites.concepts[k]["group"] in NAMED_GROUPS]


def combinations(
    pipeline: Painter, sprites: Sprites, settings: SampleSettings, count: int
) -> dict[str, Any]:
    """Held-out concept x colour x background captions, against the coded checker."""
    chosen: list[tuple[int, str, str]] = []
    for kind in _named_kinds(sprites):
        options = held_out_combinations(sprites.concepts[kind])
        if options:
            colour, ground = options[split_hash(sprites.concepts[kind]["hexcode"]) % len(options)]
            chosen.append((kind, colour, ground))
    chosen = chosen[:count]
    prompts = [
        f"{article(f'{colour} ' + phrases(sprites.concepts[kind])[0])} on {article(ground)} background"
        for kind, colour, ground in chosen
    ]
    drawn = _pictures(pipeline, prompts, settings)
    rows = np.array([row_of(sprites, kind, "train") for kind, _, _ in chosen])
    colours, grounds = [c for _, c, _ in chosen], [b for _, _, b in chosen]
    real = compose(sprites.rgba[rows], colours, grounds, torch.Generator(), STILL)
    target = torch.tensor([kind for kind, _, _ in chosen])
    net = judge.load_classifier()

    def scores(images: Tensor) -> dict[str, float]:
        return {
            "colour": share(a == b for a, b in zip(name_colours(images), colours, strict=True)),
            "background": share(
                a == b for a, b in zip(name_backgrounds(images), grounds, strict=True)
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


def layout_prompt(phrase: str, layout: Layout) -> str:
    """The plainest caption of that size, position or count."""
    if layout.kind == "count":
        return COUNTS[layout.name][0].format(plural(phrase))
    if layout.kind == "size":
        return article(f"{SIZES[layout.name][0]} {phrase}")
    return layout.wordings[0].format(article(phrase))


def layouts(
    pipeline: Painter, sprites: Sprites, settings: SampleSettings, each: int
) -> dict[str, Any]:
    """Sizes, positions and counts of concepts that training never showed so; `each` captions a layout.

    The classifier names the thing from its place (the first, of several), cut out and enlarged.
    """
    chosen: list[tuple[int, Layout]] = []
    for layout in LAYOUTS:
        if layout.kind in ("size", "position", "count"):
            held = [
                k
                for k in _named_kinds(sprites)
                if held_out_layout(sprites.concepts[k]["hexcode"], layout.name)
            ]
            chosen += [(k, layout) for k in held[:each]]
    prompts = [layout_prompt(phrases(sprites.concepts[k])[0], layout) for k, layout in chosen]
    drawn = _pictures(pipeline, prompts, settings)
    none = np.full(len(chosen), -1)
    real = compose_layouts(
        sprites.rgba,
        np.array([row_of(sprites, k, "train") for k, _ in chosen]),
        none,
        none,
        none,
        np.array([INDEX[layout.name] for _, layout in chosen]),
        torch.Generator(),
    )
    target = torch.tensor([k for k, _ in chosen])
    net = judge.load_classifier()

    def scores(images: Tensor) -> dict[str, Any]:
        right = [has_layout(x, layout) for x, (_, layout) in zip(images, chosen, strict=True)]
        out: dict[str, Any] = {"all": share(right)}
        for kind in ("size", "position", "count"):
            here = [r for r, (_, layout) in zip(right, chosen, strict=True) if layout.kind == kind]
            out[kind] = share(here)
        out["by_layout"] = {
            layout.name: share(
                [r for r, (_, other) in zip(right, chosen, strict=True) if other is layout]
            )
            for layout in dict.fromkeys(layout for _, layout in chosen)
        }
        cut = [_cut(x, layout, 0) for x, (_, layout) in zip(images, chosen, strict=True)]
        out["concept_top5"] = named(net, torch.cat(cut), target)["top5"]
        return out

    return {
        "captions": len(prompts),
        "model": scores(drawn),
        "ceiling_real_pictures": scores(real),
        "example_prompts": prompts[:: max(1, len(prompts) // 8)],
    }


def pairs(
    pipeline: Painter, sprites: Sprites, settings: SampleSettings, count: int
) -> dict[str, Any]:
    """Two objects, half of the captions "left of" and half "above", of pairs held out from training.

    Each half of the picture is cut out, enlarged and named by the classifier; CLIP says whether the
    picture is nearer to its caption than to the one with the two things swapped.
    """
    bold = [k for k in _named_kinds(sprites) if sprites.concepts[k]["label"] in BOLD]
    code = [c["hexcode"] for c in sprites.concepts]
    held = [(a, b) for a in bold for b in bold if a < b and held_out_pair(code[a], code[b])]
    held.sort(key=lambda ab: split_hash(f"pair:{code[ab[0]]}+{code[ab[1]]}"))
    chosen = held[:count]
    if not chosen:
        return {"captions": 0}
    names = [layout for layout in LAYOUTS if layout.kind == "pair"]
    laid = [names[i % len(names)] for i in range(len(chosen))]

    def say(a: int, b: int, layout: Layout) -> str:
        both = [article(phrases(sprites.concepts[k])[0]) for k in (a, b)]
        return layout.wordings[0].format(*both)

    prompts = [say(a, b, layout) for (a, b), layout in zip(chosen, laid, strict=True)]
    swapped = [say(b, a, layout) for (a, b), layout in zip(chosen, laid, strict=True)]
    drawn = _pictures(pipeline, prompts, settings)
    none = np.full(len(chosen), -1)
    real = compose_layouts(
        sprites.rgba,
        np.array([row_of(sprites, a, "train") for a, _ in chosen]),
        np.array([row_of(sprites, b, "train") for _, b in chosen]),
        none,
        none,
        np.array([INDEX[layout.name] for layout in laid]),
        torch.Generator(),
    )
    net = judge.load_classifier()
    _, said = embed_texts(pipeline, prompts)
    _, otherwise = embed_texts(pipeline, swapped)

    @torch.inference_mode()
    def scores(images: Tensor) -> dict[str, float]:
        found = []
        for position in (0, 1):
            cut = torch.cat([_cut(x, lay, position) for x, lay in zip(images, laid, strict=True)])
            target = torch.tensor([pair[position] for pair in chosen])
            found.append((judge.ranks_of(net(cut), target) < 5).tolist())
        embed = embed_images(pipeline, images)
        order = ((embed * said).sum(1) > (embed * otherwise).sum(1)).tolist()
        return {
            "first_top5": share(found[0]),
            "second_top5": share(found[1]),
            "both_top5": share(a and b for a, b in zip(*found, strict=True)),
            "clip_order": share(order),
        }

    return {
        "captions": len(prompts),
        "model": scores(drawn),
        "ceiling_real_pictures": scores(real),
        "example_prompts": prompts[:5],
    }


def _cut(image: Tensor, layout: Layout, position: int) -> Tensor:
    """The part of a picture (3, H, W) where that object belongs, enlarged to (1, 3, H, W)."""
    x, y, size = layout.places[position]
    side = image.shape[-1]
    width = round(size * side * 1.05)
    left, top = (round(c * side - width / 2) for c in (x, y))
    left, top = max(left, 0), max(top, 0)
    part = image[None, :, top : top + width, left : left + width]
    return F.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
