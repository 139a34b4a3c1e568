"""The transformer that predicts the next code of a picture from its caption and the codes so far.

One sequence holds the caption, then a start mark, then the picture's codes row by row (Ramesh et al.
2021, section 2.2). The caption is its CLIP text embedding, as a summary, and its word pieces, both by
dalle2's frozen text encoder, so that the two ways of drawing know the same about words. The caption is
read in both directions, a picture's place sees the caption and the places before it. There is no loss
on the caption, since it is always given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS, CheckpointError
from models.compact import load_compact
from models.config import from_json

CHECKPOINT = CHECKPOINTS / "dalle1-transformer.safetensors"
TEXT_DROP = 0.1  # share of training pictures without their caption (Ho & Salimans 2022)


@dataclass(frozen=True)
class TransformerConfig:
    """codes: of the image tokenizer; side: codes of a picture's side; text: word pieces read at most;
    word: width of a word's stored vector; summary: of the caption's embedding."""

    codes: int = 1024
    side: int = 8
    text: int = 24
    word: int = 128
    summary: int = 256
    width: int = 192
    layers: int = 5
    heads: int = 4

    @property
    def places(self) -> int:
        """Codes of one picture."""
        return self.side**2

    @property
    def slots(self) -> int:
        """Positions that a full sequence takes in the cache."""
        return 1 + self.text + self.places


class Layer(nn.Module):
    """Pre-norm transformer layer that hands out its keys and values, and may be given earlier ones."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for last in (self.out, self.narrow):  # the sum over layers starts at about one layer's size
            nn.init.normal_(last.weight, std=0.02 / 3)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> queries (scaled), keys, values, each (B, heads, T, width / heads)"""
        b, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return q * (c // self.heads) ** -0.5, k, v

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x)), approximate="tanh"))

    def forward(self, x: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Whole sequences. x: (B, T, width); bias (B, 1, T, T) is added to the attention scores.
        -> (x, keys and values (B, 2, heads, T, head))"""
        q, k, v = self._split(x)
        # Written out: at 60 to 90 keys the fused CPU kernel's backward is far slower.
        weights = (q @ k.transpose(-2, -1) + bias).softmax(-1).to(v.dtype)
        return self._finish(x, weights @ v), torch.stack([k, v], 1)

    def step(self, x: Tensor, past: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """One new position per row. x: (B, 1, width); past (B, 2, heads, T, head) earlier keys and
        values; bias (B, 1, 1, T) hides what is no part of a row. -> (x, new (B, 2, heads, 1, head))"""
        q, k, v = self._split(x)
        earlier = q @ past[:, 0].transpose(-2, -1) + bias
        own = (q * k).sum(-1, keepdim=True)
        # Two products instead of one over joined keys: the cache is read in place, never copied.
        weights = torch.cat([earlier, own], -1).softmax(-1)
        mixed = weights[..., :-1] @ past[:, 1] + weights[..., -1:] * v
        return self._finish(x, mixed), torch.stack([k, v], 1)


class TokenTransformer(nn.Module):
    """See the module docstring. Words come in as vectors; whose table they are from is not its matter.

    A caption is `summary` (B, summary) of unit length and `words` (B, T, word), with `mask` (B, 1 + T)
    False for the summary and all words of a picture without a caption, and for padding.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.widen = nn.Linear(config.word, width)
        self.sum_up = nn.Linear(config.summary, width)
        self.word_place = nn.Parameter(0.02 * torch.randn(config.text, width))
        self.codes = nn.Embedding(config.codes, width)
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.row = nn.Parameter(0.02 * torch.randn(config.side, width))
        self.column = nn.Parameter(0.02 * torch.randn(config.side, width))
        self.layers = nn.ModuleList([Layer(width, config.heads) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(config.codes))
        nn.init.normal_(self.codes.weight, std=0.02)

    def places(self) -> Tensor:
        """What each place of a picture adds: its row and its column. (places, width)"""
        return (self.row[:, None] + self.column[None]).flatten(0, 1)

    def _caption(self, summary: Tensor, words: Tensor) -> Tensor:
        """-> (B, 1 + T, width)"""
        first = self.sum_up(summary * self.config.summary**0.5)[:, None]
        return torch.cat([first, self.widen(words) + self.word_place[: words.shape[1]]], 1)

    def logits(self, x: Tensor) -> Tensor:
        """The codes' embeddings are also what a state is compared with."""
        return F.linear(self.norm(x), self.codes.weight, self.bias)

    def forward(self, summary: Tensor, words: Tensor, mask: Tensor, codes: Tensor) -> Tensor:
        """Whole sequences, for training. codes: (B, places). -> logits of every place
        (B, places, codes)"""
        text, picture = mask.shape[1], codes.shape[1]
        before = torch.cat(
            [self.start.expand(len(codes), 1, -1), self.codes(codes[:, :-1])], 1
        )  # place k sees codes 0 to k - 1
        x = torch.cat([self._caption(summary, words), before + self.places()[:picture]], 1)
        bias = self._bias(mask, picture)
        for layer in self.layers:
            x, _ = layer(x, bias)
        return self.logits(x[:, text:])

    @staticmethod
    def _bias(mask: Tensor, picture: int) -> Tensor:
        """Who may look at whom. -> (B, 1, T + picture, T + picture), 0 or -1e9"""
        b, text = mask.shape
        device = mask.device
        causal = torch.ones(picture, picture, dtype=torch.bool, device=device).tril()
        seen = torch.cat(
            [
                torch.cat([mask[:, None].expand(b, text, text),
                           torch.zeros(b, text, picture, dtype=torch.bool, device=device)], 2),
                torch.cat([mask[:, None].expand(b, picture, text),
                           causal.expand(b, picture, picture)], 2),
            ],
            1,
        )  # fmt: skip
        return torch.where(seen, 0.0, -1e9)[:, None]

    def prefill(self, summary: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Captions and the start mark. -> (logits of the first code (B, codes), keys and values
        (B, layers, 2, heads, 1 + T + 1, head), the start mark's last)"""
        start = (self.start + self.places()[0]).expand(len(words), 1, -1)
        x = torch.cat([self._caption(summary, words), start], 1)
        bias, kept = self._bias(mask, 1), []
        for layer in self.layers:
            x, new = layer(x, bias)
            kept.append(new)
        return self.logits(x[:, -1]), torch.stack(kept, 1)

    def step(
        self, codes: Tensor, place: Tensor, past: Tensor, filled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next position of every row, wherever each stands. codes (B,): the last code drawn;
        place (B,): the place to predict now; past (B, layers, 2, heads, N, head), of which the first
        `filled` (B,) positions of a row count. -> (logits (B, codes), new keys and values
        (B, layers, 2, heads, head))"""
        x = (self.codes(codes) + self.places()[place])[:, None]
        hidden = torch.arange(past.shape[4], device=past.device) >= filled[:, None]
        bias = torch.where(hidden, -1e9, 0.0).to(x.dtype)[:, None, None]
        kept = []
        for layer, earlier in zip(self.layers, past.unbind(1), strict=True):
            x, new = cast(Layer, layer).step(x, earlier, bias)
            kept.append(new[..., 0, :])
        return self.logits(x[:, 0]), torch.stack(kept, 1)


def load_transformer(path: Path = CHECKPOINT) -> tuple[TokenTransformer, dict[str, Any]]:
    """The shipped transformer in eval mode and its provenance. Raises CheckpointError."""
    state, header = load_compact(path)
    try:
        net = TokenTransformer(from_json(TransformerConfig, header["config"]))
        net.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(path, f"does not fit this code ({error})") from error
    return net.eval(), header["meta"]
