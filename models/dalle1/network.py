"""The answering machine of DALL·E 1: reads captions, predicts next codes, shows the picture so far."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.dalle1.tokenizer import ImageTokenizer
from models.dalle1.transformer import TokenTransformer
from models.dalle2.text import pad
from models.diffusion.sampler import Request


class TokenNetwork:
    """Answers the requests of :func:`models.dalle1.drawing.draw` for many runs at once.

    Rows stand at any place of their pictures; each sees its own first `filled` positions of the cache.
    The transformer computes in float32: a code that rounding flips changes the rest of the picture, and
    then a seed would no longer mean one picture whoever shares the batch.
    """

    name = "tokens"
    sigma_data = 1.0

    def __init__(self, transformer: TokenTransformer, tokenizer: ImageTokenizer, table: Tensor):
        """table: (words, word) the vectors of dalle2's vocabulary."""
        self.transformer, self.tokenizer, self.table = transformer, tokenizer, table
        self.config = transformer.config

    def bucket(self, request: Request) -> Hashable:
        """Captions are read together, pictures go on together."""
        return "read" if "ids" in request.cond else "step"

    def answer(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """-> {"logits" (R, codes), "kept": new keys and values, "picture" (S, 3, H, W) or None} each,
        for R rows asked: twice the samples S under guidance, one for a caption that is read."""
        reading = "ids" in requests[0].cond
        logits, kept = self._read(requests) if reading else self._step(requests)
        rows = [len(request.sigma) for request in requests]
        pictures = self._pictures(requests)
        return [
            {"logits": a, "kept": b, "picture": picture}
            for a, b, picture in zip(logits.split(rows), kept.split(rows), pictures, strict=True)
        ]

    def _read(self, requests: Sequence[Request]) -> tuple[Tensor, Tensor]:
        ids, mask = pad([ids for request in requests for ids in request.cond["ids"]])
        # A row without words is a picture without a caption: its summary is hidden as well.
        mask = torch.cat([mask.any(1, keepdim=True), mask], 1)
        summary = torch.cat([request.cond["summary"] for request in requests])
        return self.transformer.prefill(summary, self.table[ids], mask)

    def _step(self, requests: Sequence[Request]) -> tuple[Tensor, Tensor]:
        conds = [request.cond for request in requests]
        filled = torch.cat([cond["filled"] for cond in conds])
        used = int(filled.max())
        caches = [cond["cache"][..., :used, :] for cond in conds]
        return self.transformer.step(
            torch.cat([cond["last"] for cond in conds]),
            torch.cat([torch.full_like(cond["last"], cond["place"]) for cond in conds]),
            caches[0] if len(caches) == 1 else torch.cat(caches),
            filled,
        )

    def _pictures(self, requests: Sequence[Request]) -> list[Tensor | None]:
        shown = [request.x for request in requests if request.frame]
        if not shown:
            return [None] * len(requests)
        painted = iter(self.paint(torch.cat(shown)).split([len(x) for x in shown]))
        return [next(painted) if request.frame else None for request in requests]

    def paint(self, codes: Tensor) -> Tensor:
        """Codes (S, places), negative where none is drawn -> pictures (S, 3, H, W) in [-1, 1]."""
        return self.tokenizer.decode(codes).float().clamp(-1, 1)


class Painter:
    """Answers a request whose x (S, places) is a finished picture's codes with the picture."""

    name = "pixels"
    sigma_data = 1.0

    def __init__(self, tokens: TokenNetwork) -> None:
        self._tokens = tokens

    def bucket(self, request: Request) -> Hashable:
        return self.name

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        pictures = self._tokens.paint(torch.cat([request.x for request in requests]))
        return list(pictures.split([len(request.x) for request in requests]))
