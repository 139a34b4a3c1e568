"""Live judging: what a finished picture shows, by those who did not draw it.

The independent classifier names it, CLIP compares it with its caption, the copying meter finds the
training drawings nearest to it. One network that answers requests, so that pictures of many visitors
are judged by one forward; ``dalle2`` and ``dalle1`` share it.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import CheckpointError
from models.dalle2.clip import Clip, load_clip
from models.dalle2.copying import Drawings, Nearest
from models.dalle2.inputs import for_clip
from models.diffusion.sampler import Request
from models.evaluation.classifier import Classifier, load_classifier
from models.inference import arithmetic, prepare

log = logging.getLogger(__name__)

NAMED = 5  # labels told per picture


@dataclass(frozen=True)
class Verdict:
    """On S pictures. judged: per picture its NAMED most probable labels, best first; image_embed:
    (S, embed) CLIP's reading of the pictures, unit length; clip_score: (S,) cosine with the caption's
    text embedding, None without a caption; nearest: None without the drawings' file."""

    judged: list[list[dict[str, Any]]]
    image_embed: Tensor
    clip_score: Tensor | None
    nearest: Nearest | None
    copies: list[dict[str, Any]] | None

    def data(self) -> dict[str, Any]:
        """Entries of the ``done`` event."""
        scores = self.clip_score
        return {
            "judged": self.judged,
            "clip_score": None if scores is None else [round(float(s), 4) for s in scores],
            "nearest": self.copies,
        }


class Judge:
    """Answers a request for finished pictures x (S, 3, H, H) in [-1, 1], whose ``cond`` is the text
    embeddings (S, embed) of their captions or None, with a :class:`Verdict`."""

    name = "judge"
    sigma_data = 1.0

    def __init__(self, classifier: Classifier, clip: Clip, drawings: Drawings | None) -> None:
        self.classifier, self.clip, self.drawings = classifier, clip, drawings

    def request(self, pictures: Tensor, text_embed: Tensor | None) -> Request:
        return Request(
            self,
            for_clip(pictures.clamp(-1, 1)),
            torch.zeros(len(pictures)),
            text_embed,
            frame=False,
        )

    def bucket(self, request: Request) -> Hashable:
        return self.name

    def answer(self, requests: Sequence[Request]) -> list[Verdict]:
        counts = [len(request.x) for request in requests]
        x = torch.cat([request.x for request in requests])
        embeds = self.clip.image_embed(x)
        likely = self.classifier(x).float().softmax(1).topk(NAMED)
        # All pictures at once: the drawings are 25 MB to read, which takes longer than comparing.
        found = None if self.drawings is None else self.drawings.nearest(x, embeds).split(counts)
        verdicts = []
        for k, (request, z, probability, index) in enumerate(
            zip(
                requests,
                embeds.split(counts),
                likely.values.split(counts),
                likely.indices.split(counts),
                strict=True,
            )
        ):
            score = None if request.cond is None else (z * request.cond).sum(1)
            nearest = found[k] if found else None
            told = self.drawings.describe(nearest) if self.drawings and nearest else None
            verdicts.append(Verdict(self._named(probability, index), z, score, nearest, told))
        return verdicts

    def _named(self, probability: Tensor, index: Tensor) -> list[list[dict[str, Any]]]:
        labels = self.classifier.config.labels
        return [
            [
                {"label": labels[i], "probability": round(p, 4)}
                for p, i in zip(row_p, row_i, strict=True)
            ]
            for row_p, row_i in zip(probability.tolist(), index.tolist(), strict=True)
        ]


@cache
def load_judge() -> Judge:
    """The shipped judge, one for all pipelines: its forwards are then shared by their visitors. Raises
    CheckpointError for the classifier or CLIP; without fitting drawings it judges all the same."""
    try:
        drawings = Drawings.load()
    except CheckpointError as error:
        log.warning("the copying meter is off: %s", error)
        drawings = None
    classifier, clip = load_classifier(), load_clip()
    prepare(classifier, arithmetic())
    prepare(clip, torch.float32)  # cosines are told, and thresholds set, to four digits
    return Judge(classifier, clip, drawings)
