"""The coded judge of attributes: which colour an object has and which background it stands on.

It knows how `data.recolour` shades a colour, and nothing about objects. Its score on real composed
pictures is the ceiling to print beside a model's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.dalle2.captions import BACKGROUNDS, CHECKED_BACKGROUNDS, CHECKED_COLOURS, COLOURS

FOREGROUND = 0.22  # RGB distance from the background at which a pixel counts as object


def shades() -> Tensor:
    """Points on each checked colour's way from dark to light, as `recolour` paints it. (C, K, 3)"""
    colours = torch.tensor([COLOURS[name] for name in CHECKED_COLOURS])[:, None]
    dark = colours * torch.linspace(0.35, 1.0, 8)[None, :, None]
    light = colours + (1 - colours) * torch.linspace(0.1, 0.5, 5)[None, :, None]
    return torch.cat([dark, light], 1)


def border_colour(images: Tensor) -> Tensor:
    """Median colour of the outermost ring of pixels, in [0, 1]. (N, 3, H, W) -> (N, 3)"""
    x = (images.float().clamp(-1, 1) + 1) / 2
    ring = torch.cat([x[..., 0, :], x[..., -1, :], x[..., 1:-1, 0], x[..., 1:-1, -1]], -1)
    return ring.median(-1).values


def name_backgrounds(images: Tensor) -> list[str]:
    """The named background nearest to each picture's border. (N, 3, H, W) in [-1, 1]"""
    table = torch.tensor([BACKGROUNDS[name] for name in CHECKED_BACKGROUNDS])
    nearest = torch.cdist(border_colour(images), table).argmin(1)
    return [CHECKED_BACKGROUNDS[i] for i in nearest]


def name_colours(images: Tensor) -> list[str]:
    """The checked colour most of each object has: a vote of its pixels, weighted by their chroma."""
    x = (images.float().clamp(-1, 1) + 1) / 2
    ground = border_colour(images)
    pixels = x.flatten(2).transpose(1, 2)  # (N, P, 3)
    inside = (pixels - ground[:, None]).norm(dim=-1) > FOREGROUND
    chroma = pixels.amax(-1) - pixels.amin(-1)
    points = shades()
    distance = torch.cdist(pixels, points.flatten(0, 1)).unflatten(-1, points.shape[:2]).amin(-1)
    votes = torch.nn.functional.one_hot(distance.argmin(-1), len(CHECKED_COLOURS))
    total = (votes * (inside * chroma)[..., None]).sum(1)
    return [CHECKED_COLOURS[i] for i in total.argmax(1)]
