"""The coded judge of attributes: colour of an object, its background, its size and place, how many.

It knows how `data.recolour` shades a colour, and nothing about objects. Its score on real composed
pictures is the ceiling to print beside a model's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle2.captions import BACKGROUNDS, CHECKED_BACKGROUNDS, CHECKED_COLOURS, COLOURS, PLAIN
from models.dalle2.layout import Layout

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
    votes = F.one_hot(distance.argmin(-1), len(CHECKED_COLOURS))
    total = (votes * (inside * chroma)[..., None]).sum(1)
    return [CHECKED_COLOURS[i] for i in total.argmax(1)]


def foreground(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] -> (N, H, W) bool: pixels that are not the plain white ground that captions
    without a background word get. (A border's median would be the thing itself where it is big.)"""
    x = (images.float().clamp(-1, 1) + 1) / 2
    white = torch.tensor(BACKGROUNDS[PLAIN]).view(3, 1, 1)
    return (x - white).norm(dim=1) > FOREGROUND


def count_blobs(mask: Tensor) -> int:
    """Connected parts of an (H, W) mask, diagonals included, that have at least a quarter of the largest
    part's pixels and 8 of a 32 px picture's."""
    label = torch.where(mask, torch.arange(1, mask.numel() + 1).view(mask.shape).float(), 0.0)
    while True:
        wider = F.max_pool2d(label[None, None], 3, stride=1, padding=1)[0, 0]
        wider = torch.where(mask, wider, 0.0)
        if torch.equal(wider, label):
            break
        label = wider
    sizes = torch.unique(label[mask], return_counts=True)[1]
    if len(sizes) == 0:
        return 0
    least = max(float(sizes.max()) / 4, 8 * mask.numel() / 1024)
    return int((sizes >= least).sum())


def has_layout(image: Tensor, layout: Layout) -> bool:
    """Whether a picture (3, H, W) on plain white shows that size, position or count.

    Size: the longer side of what is drawn is under 65 % (small) or at least 97 % (big) of the picture.
    Position: the centre of what is drawn is nearest to the named place, of the nine of a 3 x 3 grid.
    Count: so many connected parts.
    """
    mask = foreground(image[None])[0]
    if not mask.any():
        return False
    if layout.kind == "count":
        return count_blobs(mask) == len(layout.places)
    rows, columns = torch.nonzero(mask.any(1)).flatten(), torch.nonzero(mask.any(0)).flatten()
    height, width = mask.shape
    if layout.kind == "size":
        side = max(
            float(rows[-1] - rows[0] + 1) / height, float(columns[-1] - columns[0] + 1) / width
        )
        return side < 0.65 if layout.name == "small" else side >= 0.97
    spots = torch.nonzero(mask).float() + 0.5
    centre = spots.mean(0) / torch.tensor([height, width])
    grid = torch.tensor([(y, x) for y in GRID for x in GRID])
    x, y, _ = layout.places[0]
    nearest = grid[(grid - centre).norm(dim=1).argmin()]
    return torch.allclose(nearest, torch.tensor([y, x]))


GRID = (0.26, 0.5, 0.74)  # centres of the nine places, as in `layout.LAYOUTS`
