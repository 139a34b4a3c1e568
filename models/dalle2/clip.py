"""CLIP: an image tower and a text head that meet in one space (Radford et al. 2021).

The text side is a head on sentence vectors in MiniLM's space. In training these are the teacher's own;
at run time they are the distilled encoder's (`text.py`). Both sides are L2-normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.checkpoint import CHECKPOINTS
from models.compact import load_compact
from models.config import from_json
from models.inference import prepare_children

CHECKPOINT = CHECKPOINTS / "dalle2-clip.safetensors"
SENTENCE_DIM = 384


@dataclass(frozen=True)
class ClipConfig:
    """embed: dimension of the shared space; channels: width at 16, 8 and 4 px; blocks: per width."""

    embed: int = 256
    channels: tuple[int, ...] = (64, 128, 256)
    blocks: int = 2
    text_hidden: int = 512
    dropout: float = 0.1


class ConvBlock(nn.Module):
    """Pre-activation residual block (He et al. 2016b) with batch normalisation."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        same = width_in == width_out and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(width_in, width_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(x))
        skip = x if isinstance(self.skip, nn.Identity) else self.skip(h)
        return skip + self.conv2(F.relu(self.norm2(self.conv1(h))))

    def prepared(self, dtype: torch.dtype) -> nn.Module:
        self.conv1 = fuse_conv_bn_eval(self.conv1, self.norm2)
        self.norm2 = nn.Identity()  # type: ignore[assignment]
        return prepare_children(self, dtype)


class ImageTower(nn.Module):
    """(B, 3, 32, 32) in [-1, 1] -> (B, embed), not yet normalised."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        widths = config.channels
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        previous = widths[0]
        for level, width in enumerate(widths):
            for i in range(config.blocks):
                blocks.append(ConvBlock(previous, width, 2 if level and i == 0 else 1))
                previous = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(previous)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(previous, config.embed)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        h = F.relu(self.norm(self.blocks(self.stem(x))))
        return self.out(self.dropout(h.mean((2, 3))))


class Clip(nn.Module):
    """Both towers and the learned temperature (as its logarithm, capped at ln 100)."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.image = ImageTower(config)
        self.text_linear = nn.Linear(SENTENCE_DIM, config.embed)
        self.text_mlp = nn.Sequential(
            nn.Linear(SENTENCE_DIM, config.text_hidden),
            nn.GELU(),
            nn.Linear(config.text_hidden, config.embed),
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def image_embed(self, images: Tensor) -> Tensor:
        """(B, 3, 32, 32) -> unit vectors (B, embed)."""
        return F.normalize(self.image(images).float(), dim=-1)

    def text_embed(self, sentences: Tensor) -> Tensor:
        """Sentence vectors (B, 384) of unit length -> unit vectors (B, embed)."""
        s = sentences * math.sqrt(
            SENTENCE_DIM
        )  # unit variance per entry, what initialisations expect
        return F.normalize((self.text_linear(s) + self.text_mlp(s)).float(), dim=-1)

    def scale(self) -> Tensor:
        return self.log_scale.clamp(max=math.log(100)).exp()


def contrastive_loss(logits: Tensor, ambiguous: Tensor) -> Tensor:
    """Symmetric cross-entropy over (B, B) logits (Radford et al. 2021, figure 3).

    ambiguous: (B, B) bool, pairs off the diagonal that are true as well (the same concept and no
    contradicting attribute); they are left out instead of being taught as wrong.
    """
    off = ambiguous & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(off, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def load_clip(path: Path = CHECKPOINT) -> Clip:
    """The shipped model in eval mode. Raises CheckpointError."""
    state, header = load_compact(path)
    net = Clip(from_json(ClipConfig, header["config"]))
    net.load_state_dict(state)
    return net.eval()


def recall(
    image: Tensor, text: Tensor, target: Tensor, k: int, same: Tensor | None = None
) -> float:
    """Share of images (N, D) whose text, row target[i] of (M, D), is among the k most similar.

    same: (M, M) bool, texts that name the same thing: any of them found is right, and those beside the
    best of them do not count as mistakes.
    """
    similarity = image @ text.T
    right = F.one_hot(target, len(text)).bool() if same is None else same[target]
    best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    rank = ((similarity > best) & ~right).sum(1)
    return float((rank < k).float().mean())
