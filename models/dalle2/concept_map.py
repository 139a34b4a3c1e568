"""The concepts as a map: where each lies in CLIP space, flattened by one linear projection.

The projection is linear so that anything in the space can be put on the map, the prior's noisy
estimates as well: the page multiplies a frame's vector by a (2, 256) matrix and sees the sample move.
It is Fisher's linear discriminant over the concepts' groups (animals, food, ...), shrunk towards the
identity: of all linear maps the one that keeps the groups apart. Distances on it are not cosines.
`python -m models data drawings` writes the file again whenever CLIP or the text encoder changes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import TABLES, CheckpointError, fingerprint, load, save
from models.config import from_json
from models.dalle2 import clip as clip_module
from models.dalle2 import text as text_module
from models.dalle2.clip import Clip, load_clip
from models.dalle2.copying import embed_drawings, fold, unfold
from models.dalle2.data import Sprites, anchors_of
from models.dalle2.text import TextEncoder, Tokenizer, load_text, pad

log = logging.getLogger(__name__)

CHECKPOINT = TABLES / "dalle2-map.safetensors"
SHRINK = 0.2  # of the within-group scatter towards its mean variance (Friedman 1989)


@dataclass(frozen=True)
class About:
    """The file's header. labels, groups: of each concept; clip, text: fingerprints of the networks
    that placed them."""

    labels: tuple[str, ...]
    groups: tuple[str, ...]
    clip: str
    text: str


class ConceptMap:
    """projection: (2, embed) and mean: (embed,), for unit image embeddings: a vector z lies at
    projection @ (z - mean). points: (C, 2) of the concepts; anchors: (C, embed) their text embeddings."""

    def __init__(self, tensors: dict[str, Tensor], about: About) -> None:
        self.about = about
        self.projection, self.mean = tensors["projection"].float(), tensors["centre"].float()
        self.points = tensors["points"].float()
        self.anchors = unfold(tensors)

    @classmethod
    def load(cls, path: Path | None = None) -> ConceptMap:
        """The shipped map. Raises CheckpointError, also if other networks placed its concepts."""
        path = path or CHECKPOINT
        tensors, header = load(path)
        about = from_json(About, header["config"])
        now = (fingerprint(clip_module.CHECKPOINT), fingerprint(text_module.CHECKPOINT))
        if (about.clip, about.text) != now:
            raise CheckpointError(
                path, "belongs to other networks; renew it with: python -m models data drawings"
            )
        return cls(tensors, about)

    def nearest(self, text_embed: Tensor, count: int) -> list[dict[str, Any]]:
        """The concepts whose names lie nearest to a text (embed,) of unit length, best first."""
        cosine, index = (self.anchors @ text_embed.float()).topk(count)
        return [
            {"label": self.about.labels[i], "cosine": round(c, 4)}
            for c, i in zip(cosine.tolist(), index.tolist(), strict=True)
        ]

    def data(self, scale: float) -> dict[str, Any]:
        """What ``GET /api/pipelines/dalle2/map`` answers. scale: norm of the prior's vectors, which a
        page divides by before it projects them."""
        return {
            "points": [
                {"label": label, "group": group, "x": round(x, 4), "y": round(y, 4)}
                for label, group, (x, y) in zip(
                    self.about.labels, self.about.groups, self.points.tolist(), strict=True
                )
            ],
            "projection": self.projection.numpy().astype(np.float32),
            "mean": self.mean.numpy().astype(np.float32),
            "scale": scale,
        }


def load_map() -> ConceptMap | None:
    """The shipped map, or None and a line in the log."""
    try:
        return ConceptMap.load()
    except CheckpointError as error:
        log.warning("the concept map is off: %s", error)
        return None


def discriminant(vectors: Tensor, groups: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Fisher's linear discriminant in two dimensions (Fisher 1936; Rao 1948 for several groups).

    vectors: (C, D) -> (projection (2, D), mean (D,)), scaled so that the vectors' own coordinates have
    unit standard deviation along both axes.
    """
    x = vectors.double()
    mean = x.mean(0)
    names = sorted(set(groups))
    member = torch.tensor([names.index(g) for g in groups])
    centres = torch.stack([x[member == k].mean(0) for k in range(len(names))])
    inner = x - centres[member]
    within = inner.T @ inner / len(x)
    size = within.diagonal().mean()
    within = (1 - SHRINK) * within + SHRINK * size * torch.eye(len(within), dtype=torch.float64)
    between = ((centres - mean)[member]).T @ (centres - mean)[member] / len(x)
    # Whitened by the within-group scatter, the best directions are the leading ones between groups.
    values, vectors_in = torch.linalg.eigh(within)
    white = vectors_in @ torch.diag(values.rsqrt()) @ vectors_in.T
    leading = torch.linalg.eigh(white @ between @ white)[1][:, -2:].flip(1).T
    projection = leading @ white
    spread = ((x - mean) @ projection.T).std(0)
    return (projection / spread[:, None]).float(), mean.float()


@torch.inference_mode()
def text_anchors(
    concepts: Sequence[dict[str, Any]], clip: Clip, encoder: TextEncoder, tokenizer: Tokenizer
) -> Tensor:
    """Each concept as a text (`data.anchors_of`), in CLIP space. (C, embed)"""

    def sentences(texts: Sequence[str]) -> Tensor:
        ids = [tokenizer(text).ids for text in texts]
        parts = [encoder(*pad(ids[i : i + 256]))[1] for i in range(0, len(ids), 256)]
        return torch.cat(parts)

    return clip.text_embed(anchors_of(concepts, sentences))


def build(sprites: Sprites, out: Path = CHECKPOINT) -> About:
    """Places every concept at the mean image embedding of its drawings (none under a share-alike
    licence) and writes the map."""
    clip = load_clip()
    encoder, tokenizer = load_text()
    rows = sprites.of("train", "held_out_rendering", "held_out_concept")
    _, embed = embed_drawings(clip, sprites, rows)
    kinds = len(sprites.concepts)
    total = torch.zeros(kinds, embed.shape[1]).index_add(
        0, torch.from_numpy(sprites.concept[rows]), embed
    )
    centre = F.normalize(total, dim=1)
    groups = tuple(c["group"] for c in sprites.concepts)
    projection, mean = discriminant(centre, groups)
    about = About(
        tuple(c["label"] for c in sprites.concepts),
        groups,
        fingerprint(clip_module.CHECKPOINT),
        fingerprint(text_module.CHECKPOINT),
    )
    tensors = {
        "projection": projection,
        "centre": mean,
        "points": (centre - mean) @ projection.T,
        **fold(text_anchors(sprites.concepts, clip, encoder, tokenizer)),
    }
    save(out, tensors, about)
    return about
