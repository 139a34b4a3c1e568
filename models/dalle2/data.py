"""The picture cache as tensors, and the composition of sprites into scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle2.captions import BACKGROUNDS, COLOURS, PLAIN
from models.dalle2.data_build import SPLITS

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


def warp(rgba: Tensor, jitter: Jitter, size: int, generator: torch.Generator, fine: bool) -> Tensor:
    """Random similarity transform to (B, 4, size, size); if fine, from twice the size."""
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
    pixels = ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return pixels.movedim(-3, -1).cpu().numpy()


@dataclass(frozen=True)
class Scenes:
    """The training scenes: one row each. colour, background: index into their table or -1 for none."""

    sprite: np.ndarray  # (N,)
    colour: np.ndarray  # (N,)
    background: np.ndarray  # (N,)
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
    ) -> Tensor:
        """The pictures of the given rows. -> (B, 3, 32, 32)"""
        colours, grounds = (*COLOURS, None), (*BACKGROUNDS, None)  # -1 finds the None at the end
        return compose(
            sprites.rgba[self.sprite[rows]],
            [colours[i] for i in self.colour[rows]],
            [grounds[i] for i in self.background[rows]],
            generator,
            jitter,
            fine=fine,
        )


def load_scenes(folder: str | Path = "cache/images") -> Scenes:
    """Reads what `distill.build` wrote. Raises FileNotFoundError that says how to build it."""
    folder = Path(folder)
    if not (folder / "corpus.npy").exists():
        raise FileNotFoundError(
            f"no {folder}/corpus.npy; build it with: python -m models data images"
        )
    rows = np.load(folder / "scenes.npz")
    return Scenes(
        sprite=rows["sprite"].astype(np.int64),
        colour=rows["colour"].astype(np.int64),
        background=rows["background"].astype(np.int64),
        caption=rows["caption"].astype(np.int64),
        texts=json.loads((folder / "corpus.json").read_text()),
        sentences=torch.from_numpy(np.load(folder / "corpus.npy")),
    )


def concept_anchors(sprites: Sprites, scenes: Scenes) -> Tensor:
    """Each concept's sentence vector: its label plus 0.7 of the mean of its tags. -> (C, 384)

    The mean of label and tags finds a concept 5 to 10 points more often than the label alone.
    """
    row = {text: i for i, text in enumerate(scenes.texts)}
    anchors = []
    for concept in sprites.concepts:
        label = scenes.sentences[row[concept["label"]]].float()
        tags = [scenes.sentences[row[t]].float() for t in concept["tags"]]
        mean = F.normalize(torch.stack(tags).mean(0), dim=0) if tags else label
        anchors.append(F.normalize(label + 0.7 * mean, dim=0))
    return torch.stack(anchors)
