"""The copying meter: which training drawings is a picture nearest to, and is it nearer than it should be?

Every drawing that the networks were trained on ships as a small thumbnail with its CLIP embedding, all
in one file, so that a finished picture can be compared with each of them while the visitor waits.
`python -m models data drawings` writes the file again whenever CLIP changes.

A *near copy* is a picture that is nearer to some training drawing than 95 of 100 real drawings are
that another vendor made and that no network was trained on. Two artists who draw the same thing are
seldom that alike, so 5 % is what independent drawing gives by this measure, and the number to compare
a model's share with.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import TABLES, CheckpointError, fingerprint, load, save
from models.config import from_json
from models.dalle2 import clip as clip_module
from models.dalle2.clip import Clip, load_clip
from models.dalle2.data import IMAGE_SIZE, STILL, Sprites, compose, to_uint8
from models.dalle2.data_build import VENDORS
from models.dalle2.inputs import for_clip

CHECKPOINT = TABLES / "dalle2-drawings.safetensors"
COLUMNS = 80  # thumbnails per row of the atlas
QUALITY = 50  # of the atlas, lossy WebP; what it loses, every comparison loses, thresholds too
DIRECTIONS = 64  # principal directions of the embeddings that are kept, in 8 bits
COMPARED = 16  # pixels per side at which pictures are compared
FAR = 0.05  # share of independently drawn pictures that a threshold calls near copies


@dataclass(frozen=True)
class About:
    """The file's header. clip: fingerprint of the CLIP that embedded the drawings; near_*: a picture
    beyond one of these is a near copy; independent: what real drawings of other vendors measure."""

    labels: tuple[str, ...]
    vendors: tuple[str, ...]
    clip: str
    near_rms: float = 0.0
    near_cosine: float = 1.0
    independent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Nearest:
    """The nearest training drawing of each of S pictures. index_*: (S,) rows of the drawings;
    cosine: (S,) of CLIP image embeddings; rms: (S,) of the pixels at 16 x 16 on the scale [-1, 1]."""

    index_clip: Tensor
    cosine: Tensor
    index_pixels: Tensor
    rms: Tensor

    def split(self, counts: Sequence[int]) -> list[Nearest]:
        """Of the first so many pictures, of the next so many and so on."""
        each = (self.index_clip, self.cosine, self.index_pixels, self.rms)
        return [Nearest(*own) for own in zip(*(t.split(counts) for t in each), strict=True)]


class Drawings:
    """All training drawings. index -> label, vendor, thumbnail; the nearest of them to a picture."""

    def __init__(self, tensors: Mapping[str, Tensor], about: About) -> None:
        self.about = about
        self.labels = [about.labels[i] for i in tensors["concept"].tolist()]
        self.vendors = [about.vendors[i] for i in tensors["vendor"].tolist()]
        self.thumbnails = _unpack(tensors["atlas"], len(self.labels))  # (N, 32, 32, 3) uint8
        # Cosines and distances of all drawings in one small product each: a unit vector's cosine with
        # (mean + coordinates of the directions) / length needs its products with mean and directions.
        length = unfold(tensors, unit=False).norm(dim=1, keepdim=True)
        scaled = tensors["coordinates"].float() * tensors["scale"].float()
        self._coordinates = (
            torch.cat([torch.ones_like(length), scaled], 1).div(length).T.contiguous()
        )
        self._axes = torch.cat([tensors["mean"][None].float(), tensors["directions"].float()]).T
        self._pixels = _compared(_as_pictures(self.thumbnails)).T.contiguous()
        self._squares = self._pixels.square().sum(0)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def load(cls, path: Path | None = None, clip: Path | None = None) -> Drawings:
        """The shipped drawings. Raises CheckpointError, also if they were embedded by another CLIP than
        the one at ``clip``: cosines between two spaces mean nothing."""
        path, clip = path or CHECKPOINT, clip or clip_module.CHECKPOINT
        tensors, header = load(path)
        about = from_json(About, header["config"])
        if about.clip != fingerprint(clip):
            raise CheckpointError(
                path, "belongs to another CLIP; renew it with: python -m models data drawings"
            )
        return cls(tensors, about)

    def thumbnail(self, index: int) -> np.ndarray:
        """(32, 32, 3) uint8. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.thumbnails[index]

    def nearest(self, images: Tensor, image_embed: Tensor) -> Nearest:
        """images: (S, 3, H, H) in [-1, 1]; image_embed: (S, embed) of unit length, by CLIP."""
        cosine, index_clip = (image_embed.float() @ self._axes @ self._coordinates).max(1)
        x = _compared(images)
        index_pixels = (self._squares - 2 * x @ self._pixels).argmin(1)
        rms = (x - self._pixels[:, index_pixels].T).square().mean(1).sqrt()
        return Nearest(index_clip, cosine, index_pixels, rms)

    def shares(self, images: Tensor, image_embed: Tensor) -> dict[str, float]:
        """How many of N pictures are near copies. images: (N, 3, H, H), image_embed: (N, embed) of
        these very pictures by CLIP. ``pixels`` and ``clip``: the share beyond each threshold;
        ``either``: beyond at least one."""
        parts = [
            self.nearest(x, z) for x, z in zip(images.split(64), image_embed.split(64), strict=True)
        ]
        rms, cosine = torch.cat([p.rms for p in parts]), torch.cat([p.cosine for p in parts])
        pixels, meaning = rms < self.about.near_rms, cosine > self.about.near_cosine
        return {
            "pixels": _share(pixels),
            "clip": _share(meaning),
            "either": _share(pixels | meaning),
            "median_rms": round(float(rms.median()), 4),
            "median_cosine": round(float(cosine.median()), 4),
        }

    def describe(self, nearest: Nearest) -> list[dict[str, Any]]:
        """One JSON-able entry per picture, as the ``done`` event holds it."""
        rows = []
        for k in range(len(nearest.cosine)):
            in_clip, in_pixels = int(nearest.index_clip[k]), int(nearest.index_pixels[k])
            cosine, rms = float(nearest.cosine[k]), float(nearest.rms[k])
            rows.append(
                {
                    "clip": {
                        **self._named(in_clip),
                        "cosine": round(cosine, 4),
                        "near": cosine > self.about.near_cosine,
                    },
                    "pixels": {
                        **self._named(in_pixels),
                        "rms": round(rms, 4),
                        "near": rms < self.about.near_rms,
                    },
                }
            )
        return rows

    def _named(self, index: int) -> dict[str, Any]:
        return {"index": index, "label": self.labels[index], "vendor": self.vendors[index]}


def _share(flags: Tensor) -> float:
    return round(float(flags.float().mean()), 4)


def _compared(images: Tensor) -> Tensor:
    """(S, 3, H, H) -> (S, 768): block averages, so that a line one pixel off is no other picture."""
    return F.avg_pool2d(for_clip(images.float()), IMAGE_SIZE // COMPARED).flatten(1)


def _as_pictures(thumbnails: np.ndarray) -> Tensor:
    return torch.from_numpy(thumbnails).permute(0, 3, 1, 2).float() / 127.5 - 1


def _pack(thumbnails: np.ndarray) -> Tensor:
    """(N, 32, 32, 3) -> the bytes of one lossy WebP picture that holds all."""
    from PIL import Image

    side, rows = IMAGE_SIZE, -(-len(thumbnails) // COLUMNS)
    atlas = np.full((rows * COLUMNS, side, side, 3), 255, np.uint8)
    atlas[: len(thumbnails)] = thumbnails
    tiled = atlas.reshape(rows, COLUMNS, side, side, 3).swapaxes(1, 2)
    file = io.BytesIO()
    Image.fromarray(tiled.reshape(rows * side, COLUMNS * side, 3)).save(
        file, "WEBP", quality=QUALITY, method=6
    )
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def _unpack(atlas: Tensor, count: int) -> np.ndarray:
    from PIL import Image

    side = IMAGE_SIZE
    tiled = np.asarray(Image.open(io.BytesIO(atlas.numpy().tobytes())).convert("RGB"))
    rows = tiled.shape[0] // side
    tiles = tiled.reshape(rows, side, COLUMNS, side, 3).swapaxes(1, 2)
    return tiles.reshape(-1, side, side, 3)[:count].copy()


def fold(embed: Tensor) -> dict[str, Tensor]:
    """Unit vectors (N, embed) in 8 bits along their principal directions."""
    mean = embed.mean(0)
    directions = torch.linalg.svd(embed - mean, full_matrices=False)[2][:DIRECTIONS]
    coordinates = (embed - mean) @ directions.T
    scale = (coordinates.abs().amax(0) / 127).clamp_min(1e-9)
    return {
        "mean": mean.half(),
        "directions": directions.half(),
        "scale": scale.float(),
        "coordinates": (coordinates / scale).round().to(torch.int8),
    }


def unfold(tensors: Mapping[str, Tensor], unit: bool = True) -> Tensor:
    """The inverse of :func:`fold`, of unit length or with the length that rounding left."""
    coordinates = tensors["coordinates"].float() * tensors["scale"].float()
    vectors = tensors["mean"].float() + coordinates @ tensors["directions"].float()
    return F.normalize(vectors, dim=1) if unit else vectors


@torch.inference_mode()
def embed_drawings(clip: Clip, sprites: Sprites, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Drawings unmoved on white. -> (pictures (N, 3, 32, 32), embeddings (N, embed))"""
    pictures, embeds = [], []
    for part in np.array_split(rows, max(1, len(rows) // 256)):
        nothing: list[str | None] = [None] * len(part)
        x = compose(sprites.rgba[part], nothing, nothing, torch.Generator(), STILL)
        pictures.append(x)
        embeds.append(clip.image_embed(x))
    return torch.cat(pictures), torch.cat(embeds)


def build(sprites: Sprites, out: Path = CHECKPOINT, clip: Path | None = None) -> About:
    """Writes the training drawings' file. -> its header, thresholds included."""
    clip = clip or clip_module.CHECKPOINT
    net = load_clip(clip)
    rows = sprites.of("train")
    pictures, embed = embed_drawings(net, sprites, rows)
    tensors = {
        "atlas": _pack(to_uint8(pictures)),
        "concept": torch.from_numpy(sprites.concept[rows]).to(torch.int16),
        "vendor": torch.from_numpy(sprites.vendor[rows]).to(torch.uint8),
        **fold(embed),
    }
    labels = tuple(concept["label"] for concept in sprites.concepts)
    about = About(labels, VENDORS, fingerprint(clip))
    # Calibrated with the very numbers that a picture will be compared with, lossy ones included.
    unseen, unseen_embed = embed_drawings(net, sprites, sprites.of("held_out_rendering"))
    found = Drawings(tensors, about).nearest(unseen, unseen_embed)
    about = replace(
        about,
        near_rms=round(float(found.rms.quantile(FAR)), 4),
        near_cosine=round(float(found.cosine.quantile(1 - FAR)), 4),
    )
    shares = Drawings(tensors, about).shares(unseen, unseen_embed)
    about = replace(about, independent={"drawings": len(unseen), **shares})
    save(out, tensors, about)
    return about
