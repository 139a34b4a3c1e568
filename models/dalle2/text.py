"""The text encoder: an int8 word table, WordPiece fallback and a small transformer.

It is distilled from MiniLM (see `distill.py`), so that at run time no teacher is needed: tokens go in,
token states for the prior and one vector in MiniLM's space and one in CLIP's space come out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS, CheckpointError
from models.compact import load_compact
from models.config import from_json

CHECKPOINT = CHECKPOINTS / "dalle2-text.safetensors"
TABLE = CHECKPOINTS / "dalle2-words.txt"  # row i of the table is the word on line i


def split_words(text: str) -> list[str]:
    """Lower-case words of letters and digits. Accents and apostrophes are dropped: "Santa's café" is
    read as "santas cafe"."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("'", "").replace("’", ""))
    return re.findall(r"[a-z0-9]+", "".join(c for c in plain if not unicodedata.combining(c)))


def unread_words(text: str) -> list[str]:
    """Runs of letters that split_words passes over, such as Chinese or Cyrillic ones."""
    text = unicodedata.normalize("NFC", text)
    return "".join(c if c.isalpha() and not split_words(c) else " " for c in text).split()


def wordpieces(word: str, vocab: Mapping[str, int]) -> list[str]:
    """Greedy longest-match pieces of one word, continuations marked ## (Wu et al. 2016).

    A letter that the vocabulary lacks becomes a piece of its own all the same.
    """
    pieces: list[str] = []
    start = 0
    while start < len(word):
        end = len(word)
        prefix = "##" if start else ""
        while end > start + 1 and prefix + word[start:end] not in vocab:
            end -= 1
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


MAX_TOKENS = 48


@dataclass(frozen=True)
class TextConfig:
    """rows: vocabulary; table: width of a word's stored vector; width: of the transformer."""

    rows: int
    table: int = 128
    width: int = 192
    layers: int = 2
    heads: int = 6
    sentence: int = 384


@dataclass(frozen=True)
class Tokens:
    """A tokenised text. words: the words in order; known: whether each is in the vocabulary as a whole;
    pieces: what each was read as; ids: the rows of all pieces, cut at MAX_TOKENS."""

    words: tuple[str, ...]
    known: tuple[bool, ...]
    pieces: tuple[tuple[str, ...], ...]
    ids: tuple[int, ...]

    @property
    def truncated(self) -> bool:
        return sum(len(p) for p in self.pieces) > MAX_TOKENS


class Tokenizer:
    """Words are rows of the table; a word it lacks is read as WordPiece pieces, at worst as letters."""

    def __init__(self, rows: list[str]) -> None:
        self.vocab = {row: i for i, row in enumerate(rows)}

    def __call__(self, text: str) -> Tokens:
        words = split_words(text)
        pieces = [tuple(wordpieces(w, self.vocab)) for w in words]
        ids = [self.vocab[p] for group in pieces for p in group]
        known = tuple(w in self.vocab for w in words)
        return Tokens(tuple(words), known, tuple(pieces), tuple(ids[:MAX_TOKENS]))


class Layer(nn.Module):
    """Pre-norm transformer layer; padding is masked out of the attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: (B, T, width); mask: (B, T) bool, True for real tokens."""
        b, t, c = x.shape
        q, k, v = (
            z.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for z in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        scores = q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5
        weights = scores.masked_fill(~mask[:, None, None], -1e9).softmax(-1).to(v.dtype)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.norm2(x))


class TextEncoder(nn.Module):
    """Token ids -> token states (B, T, width) and a unit sentence vector (B, 384)."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.rows, config.table)
        self.widen = nn.Linear(config.table, config.width)
        self.position = nn.Parameter(0.02 * torch.randn(MAX_TOKENS, config.width))
        self.layers = nn.ModuleList(
            [Layer(config.width, config.heads) for _ in range(config.layers)]
        )
        self.norm = nn.LayerNorm(config.width)
        self.sentence = nn.Linear(config.width, config.sentence)
        self.bag = nn.Linear(config.table, config.sentence)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """ids: (B, T) with any id where mask (B, T) is False."""
        words = self.table(ids)
        x = self.widen(words) + self.position[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        states = self.norm(x)
        share = mask.float() / mask.sum(1, keepdim=True).clamp_min(1)
        # The bag of words alone is already a fair sentence vector; the transformer corrects it.
        pooled = self.sentence((states * share[..., None]).sum(1)) + self.bag(
            (words * share[..., None]).sum(1)
        )
        return states * mask[..., None], F.normalize(pooled.float(), dim=-1)


class TokenPool(nn.Module):
    """Attention pooling: learned queries, one per head, read the token states."""

    def __init__(self, states: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.score = nn.Linear(states, heads)
        self.value = nn.Linear(states, width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: (B, T, states), mask: (B, T) -> (B, width)"""
        weights = (
            self.score(states).float().masked_fill(~mask[..., None], -1e9).softmax(1)
        )  # (B, T, heads)
        value = self.value(states).unflatten(-1, (self.heads, -1))  # (B, T, heads, width / heads)
        return (weights[..., None].to(value.dtype) * value).sum(1).flatten(1)


def pad(ids: list[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """Token id lists -> ids (B, T) padded with 0 and mask (B, T)."""
    length = max(len(row) for row in ids)
    padded = torch.tensor([[*row, *[0] * (length - len(row))] for row in ids])
    return padded, torch.arange(length) < torch.tensor([len(row) for row in ids])[:, None]


def load_text(path: Path = CHECKPOINT, table: Path = TABLE) -> tuple[TextEncoder, Tokenizer]:
    """The shipped encoder and its tokenizer. Raises CheckpointError."""
    state, header = load_compact(path)
    if not table.is_file():
        raise CheckpointError(table, "file is missing")
    rows = table.read_text(encoding="utf-8").split("\n")
    config = from_json(TextConfig, header["config"])
    if len(rows) != config.rows:
        raise CheckpointError(
            table, f"has {len(rows)} words, the encoder's table has {config.rows} rows"
        )
    net = TextEncoder(config)
    net.load_state_dict(state)
    return net.eval(), Tokenizer(rows)
