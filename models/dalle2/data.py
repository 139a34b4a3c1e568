"""The picture cache as tensors, and the composition of sprites into scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle2.captions import BACKGROUNDS, COLOURS, PLAIN
from models.dalle2.data_build import SPLITS
from models.dalle2.layout import place_table
from models.dalle2.text import split_words

IMAGE_SIZE = 32
LUMA = torch.tensor([0.299, 0.587, 0.114])

# How often a group is drawn in training: what visitors type first weighs most.
GROUP_WEIGHT = {
    "animals-nature": 2.0,
    "food-drink": 2.0,
    "travel-places": 1.2,
    "objects": 1.0,
    "activities": 1.0,
    "smileys-emotion": 0.8,
    "people-body": 0.5,
    "symbols": 0.4,
}


@dataclass(frozen=True)
class Sprites:
    """All drawings. rgba is alpha-premultiplied."""

    rgba: Tensor  # (N, 4, 40, 40) uint8
    concept: np.ndarray  # (N,) index into concepts
    vendor: np.ndarray  # (N,) index into data_build.VENDORS
    split: np.ndarray  # (N,) index into data_build.SPLITS
    concepts: list[dict[str, Any]]

    def of(self, *splits: str) -> np.ndarray:
        """Row numbers of the sprites in the named splits."""
        return np.flatnonzero(np.isin(self.split, [SPLITS.index(s) for s in splits]))


def load_sprites(folder: str | Path = "cache/images") -> Sprites:
    """Reads the cache. Raises FileNotFoundError that says how to build it."""
    folder = Path(folder)
    if not (folder / "sprites.npz").exists():
        raise FileNotFoundError(
            f"no {folder}/sprites.npz; build it with: python -m models data images"
        )
    arrays = np.load(folder / "sprites.npz")
    return Sprites(
        torch.from_numpy(arrays["rgba"]).permute(0, 3, 1, 2).contiguous(),
        arrays["concept"].astype(np.int64),
        arrays["vendor"].astype(np.int64),
        arrays["split"].astype(np.int64),
        json.loads((folder / "concepts.json").read_text()),
    )


def concept_weights(sprites: Sprites, rows: np.ndarray) -> np.ndarray:
    """Sampling probability of each row: its group's weight, shared among the concept's drawings."""
    concept = sprites.concept[rows]
    count = np.bincount(concept, minlength=len(sprites.concepts))[concept]
    group = np.array([GROUP_WEIGHT[c["group"]] for c in sprites.concepts])[concept]
    # The square root keeps concepts that few vendors draw from being repeated too often.
    weight = group / np.sqrt(count)
    return weight / weight.sum()


def recolour(rgba: Tensor, colour: Tensor) -> Tensor:
    """Paints sprites in one colour each, keeping their light and shade.

    rgba: (B, 4, H, W) premultiplied in [0, 1]; colour: (B, 3). Grey levels are mapped so that black
    stays black, the sprite's mean grey becomes the colour and white stays nearly white.
    """
    alpha = rgba[:, 3:]
    straight = rgba[:, :3] / alpha.clamp_min(1e-3)
    grey = (straight * LUMA.view(1, 3, 1, 1)).sum(1, keepdim=True).clamp(0, 1)
    mid = (grey * alpha).sum((1, 2, 3), keepdim=True) / alpha.sum(
        (1, 2, 3), keepdim=True
    ).clamp_min(1)
    mid = mid.clamp(0.15, 0.85)
    c = colour.view(-1, 3, 1, 1)
    dark = c * (0.35 + 0.65 * (grey / mid))
    light = c + (1 - c) * 0.75 * (grey - mid) / (1 - mid)
    painted = torch.where(grey < mid, dark, light).clamp(0, 1)
    return torch.cat([painted * alpha, alpha], 1)


def rgb_table(names: Sequence[str | None], table: dict[str, tuple[float, float, float]]) -> Tensor:
    """(B, 3) colours of names; None reads as the plain background."""
    return torch.tensor([table[name or PLAIN] for name in names]).reshape(-1, 3)


@dataclass(frozen=True)
class Jitter:
    """How far a sprite may move in its picture (fractions of the picture, degrees)."""

    scale: tuple[float, float] = (0.94, 1.04)
    rotate: float = 0.0
    shift: float = 0.02
    flip: float = 0.0


STILL = Jitter(scale=(1.0, 1.0), shift=0.0)
STRONG = Jitter(scale=(0.8, 1.1), rotate=10.0, shift=0.10, flip=0.5)


def warp(
    rgba: Tensor,
    jitter: Jitter,
    size: int,
    generator: torch.Generator,
    fine: bool,
    places: Tensor | None = None,
) -> Tensor:
    """Random similarity transform to (B, 4, size, size); if fine, from twice the size.

    places: (B, 3) centre x, centre y and size in fractions of the picture; None fills it. The jitter
    happens inside the place, so that a mirrored sprite stays where its caption says it is.
    """
    n = len(rgba)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    scale = uniform(*jitter.scale)
    angle = torch.deg2rad(uniform(-jitter.rotate, jitter.rotate))
    mirror = torch.where(torch.rand(n, generator=generator) < jitter.flip, -1.0, 1.0)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    dx, dy = (
        uniform(-2 * jitter.shift, 2 * jitter.shift),
        uniform(-2 * jitter.shift, 2 * jitter.shift),
    )
    theta = torch.stack(
        [torch.stack([mirror * cos, -sin, dx], 1), torch.stack([mirror * sin, cos, dy], 1)], 1
    )
    if places is not None:
        # in = M out + d becomes in = M (out - centre) / size + d
        centre, part = 2 * places[:, :2] - 1, places[:, 2].view(-1, 1, 1)
        turn = theta[:, :, :2] / part
        theta = torch.cat([turn, theta[:, :, 2:] - turn @ centre[..., None]], 2)
        small = places[:, 2] < 0.7
        if not fine and small.any():  # two sprite pixels fall into one of the picture's
            rgba = rgba.clone()
            rgba[small] = F.interpolate(F.avg_pool2d(rgba[small], 2), scale_factor=2.0)
    side = 2 * size if fine else size
    grid = F.affine_grid(theta, [n, 4, side, side], align_corners=False)
    out = F.grid_sample(rgba, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(out, 2) if fine else out


def compose(
    rgba: Tensor,
    colours: Sequence[str | None],
    backgrounds: Sequence[str | None],
    generator: torch.Generator,
    jitter: Jitter = STILL,
    size: int = IMAGE_SIZE,
    fine: bool = True,
) -> Tensor:
    """Pictures (B, 3, size, size) in [-1, 1] of recoloured sprites on backgrounds.

    rgba: (B, 4, 40, 40) uint8 premultiplied. None in colours keeps the drawing's own colours; None
    in backgrounds is plain white.
    """
    x = rgba.float() / 255
    painted = [i for i, name in enumerate(colours) if name is not None]
    if painted:
        x = x.clone()
        x[painted] = recolour(x[painted], rgb_table([colours[i] for i in painted], COLOURS))
    x = warp(x, jitter, size, generator, fine)
    ground = rgb_table(backgrounds, BACKGROUNDS).view(-1, 3, 1, 1)
    return ((x[:, :3] + (1 - x[:, 3:]) * ground).clamp(0, 1)) * 2 - 1


def to_uint8(x: Tensor) -> np.ndarray:
    """(..., 3, H, W) in [-1, 1] -> (..., H, W, 3) uint8."""
    pixels = x.float().clamp(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)
    return pixels.movedim(-3, -1).cpu().numpy()


@dataclass(frozen=True)
class Scenes:
    """The training scenes: one row each. colour, background: index into their table
    or -1 for none."""

    sprite: np.ndarray  # (N,)
    other: np.ndarray  # (N,) the second sprite of a pair or -1
    colour: np.ndarray  # (N,)
    background: np.ndarray  # (N,)
    layout: np.ndarray  # (N,) index into layout.LAYOUTS
    loose: np.ndarray  # (N,) bool: the caption leaves open which of a pair stands where
    caption: np.ndarray  # (N,) row of the corpus
    texts: list[str]  # corpus
    sentences: Tensor  # (len(texts), 384) float16, the teacher's unit vectors

    def compose(
        self,
        sprites: Sprites,
        rows: np.ndarray,
        generator: torch.Generator,
        jitter: Jitter,
        fine: bool = True,
        size: int = IMAGE_SIZE,
    ) -> Tensor:
        """The pictures of the given rows. -> (B, 3, size, size)"""
        return compose_layouts(
            sprites.rgba,
            self.sprite[rows],
            self.other[rows],
            self.colour[rows],
            self.background[rows],
            self.layout[rows],
            generator,
            jitter,
            size,
            fine,
        )


def compose_layouts(
    rgba: Tensor,
    sprite: np.ndarray,
    other: np.ndarray,
    colour: np.ndarray,
    background: np.ndarray,
    layout: np.ndarray,
    generator: torch.Generator,
    jitter: Jitter = STILL,
    size: int = IMAGE_SIZE,
    fine: bool = True,
) -> Tensor:
    """Pictures (B, 3, size, size) in [-1, 1] of one or more sprites each, placed by their layout.

    rgba: (S, 4, 40, 40) uint8, all sprites; the rest (B,): rows of `Scenes`. A layout with several places
    repeats the sprite, except that a pair's second place shows `other`, in its own colours.
    """
    table, counts = place_table()
    kind = torch.from_numpy(layout.astype(np.int64))
    # Objects in order of their place, so that each place's objects are one slice.
    owner = [torch.nonzero(counts[kind] > k).flatten() for k in range(int(counts[kind].max()))]
    index, rank = torch.cat(owner), np.repeat(np.arange(len(owner)), [len(o) for o in owner])
    second = (rank == 1) & (other[index] >= 0)
    x = rgba[np.where(second, other[index], sprite[index])].float() / 255
    paint = np.where(second, -1, colour[index])
    painted = torch.from_numpy(np.flatnonzero(paint >= 0))
    if len(painted):
        colours = torch.tensor(list(COLOURS.values()))
        x[painted] = recolour(x[painted], colours[paint[painted]])
    x = warp(x, jitter, size, generator, fine, table[kind[index], torch.from_numpy(rank)])
    grounds = torch.tensor([*BACKGROUNDS.values(), BACKGROUNDS[PLAIN]])  # -1 is the plain one
    out = grounds[background.astype(np.int64)].view(-1, 3, 1, 1).expand(-1, -1, size, size).clone()
    start = 0
    for rows in owner:
        layer = x[start : start + len(rows)]
        out[rows] = layer[:, :3] + (1 - layer[:, 3:]) * out[rows]
        start += len(rows)
    return out.clamp_(0, 1).mul_(2).sub_(1)


ROW_NAMES = ("sprite", "other", "colour", "background", "layout", "caption")


def load_scenes(folder: str | Path = "cache/images") -> Scenes:
    """Reads what `distill.build` wrote. Raises FileNotFoundError that says how to build it."""
    folder = Path(folder)
    if not (folder / "corpus.npy").exists():
        raise FileNotFoundError(
            f"no {folder}/corpus.npy; build it with: python -m models data images"
        )
    rows = np.load(folder / "scenes.npz")
    return Scenes(
        **{name: rows[name].astype(np.int64) for name in ROW_NAMES},
        loose=rows["loose"],
        texts=json.loads((folder / "corpus.json").read_text()),
        sentences=torch.from_numpy(np.load(folder / "corpus.npy")),
    )


# How much a concept's other words count beside its label, chosen on WordNet's glosses of 505 concepts.
ANCHOR_WORDS = {"tags": 0.7, "keywords": 0.3, "synonyms": 0.3}


def anchors_of(
    concepts: Sequence[Mapping[str, Any]], encode: Callable[[list[str]], Tensor]
) -> Tensor:
    """Each concept's sentence vector: its label plus the weighted means of its other words, unit length.

    encode: N texts -> (N, D) unit vectors. -> (C, D). It finds the concept a description means 4 points
    more often than the label alone does, and CLIP a drawing's concept 5 points more often.
    """
    total = encode([c["label"] for c in concepts]).float()
    for kind, weight in ANCHOR_WORDS.items():
        words = [(i, w) for i, c in enumerate(concepts) for w in c[kind] if split_words(w)]
        if words:
            rows = torch.tensor([i for i, _ in words])
            vectors = encode([w for _, w in words]).float()
            mean = torch.zeros_like(total).index_add(0, rows, vectors)
            total = total + weight * F.normalize(mean, dim=1, eps=1e-6)
    return F.normalize(total, dim=1)


def concept_anchors(sprites: Sprites, scenes: Scenes) -> Tensor:
    """`anchors_of` with the teacher's vectors. -> (C, 384)"""
    row = {text: i for i, text in enumerate(scenes.texts)}
    return anchors_of(sprites.concepts, lambda texts: scenes.sentences[[row[t] for t in texts]])
