"""The image tokenizer: a 32 px picture as 8 x 8 codes out of one codebook, and back.

A VQ-VAE (van den Oord et al. 2017) whose codebook follows the encoder by moving averages (their
appendix A.1) and lives on the unit sphere (Yu et al. 2022, section 3.2). DALL·E 1 used a Gumbel relaxation
instead; nearest codes train as well at this size and need no temperature schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS, CheckpointError
from models.compact import load_compact, save_compact
from models.config import from_json
from models.dalle2.unet import ChannelNorm, channels_last

CHECKPOINT = CHECKPOINTS / "dalle1-tokenizer.safetensors"


@dataclass(frozen=True)
class TokenizerConfig:
    """size: pixels of a picture's side; side: codes of its side; codes: in the codebook; code: width of
    one; encoder, decoder: channels at half resolution and at the codes'."""

    size: int = 32
    side: int = 8
    codes: int = 1024
    code: int = 32
    encoder: tuple[int, int] = (48, 112)
    decoder: tuple[int, int] = (112, 64)

    @property
    def tokens(self) -> int:
        """Codes of one picture."""
        return self.side**2


class Block(nn.Module):
    """norm, SiLU, 3x3 convolution, twice; plus the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(width), ChannelNorm(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.norm1(x, silu=True))
        return x + self.conv2(self.norm2(h, silu=True))


class Codebook(nn.Module):
    """Unit vectors; a feature is replaced by the one that points most nearly its way.

    In training the vectors are moving averages of the features that chose them, and one that is hardly
    chosen any more restarts at a feature of the batch. `usual` (tokens, code) is each place's mean code
    over the training pictures: what stands where nothing has been drawn yet.
    """

    vectors: Tensor
    total: Tensor
    count: Tensor
    usual: Tensor

    def __init__(self, config: TokenizerConfig, decay: float = 0.98) -> None:
        super().__init__()
        self.decay = decay
        vectors = F.normalize(torch.randn(config.codes, config.code), dim=1)
        self.register_buffer("vectors", vectors)
        self.register_buffer("total", vectors.clone())
        self.register_buffer("count", torch.ones(config.codes))
        self.register_buffer("usual", torch.zeros(config.tokens, config.code))

    def nearest(self, z: Tensor) -> Tensor:
        """Unit features (..., code) -> the numbers of their codes (...)."""
        return (z @ self.vectors.T).argmax(-1)

    @torch.no_grad()
    def follow(self, z: Tensor, chosen: Tensor) -> None:
        """Moves the codes towards the features that chose them. z: (N, code), chosen: (N,)"""
        count = torch.zeros_like(self.count).index_add_(0, chosen, torch.ones_like(z[:, 0]))
        total = torch.zeros_like(self.total).index_add_(0, chosen, z)
        self.count.lerp_(count, 1 - self.decay)
        self.total.lerp_(total, 1 - self.decay)
        fair = len(z) / len(self.count)
        idle = self.count < 0.05 * fair
        fresh = z[torch.randint(len(z), (len(idle),), device=z.device)]
        self.total.copy_(torch.where(idle[:, None], fresh * fair, self.total))
        self.count.copy_(torch.where(idle, torch.full_like(self.count, fair), self.count))
        self.vectors.copy_(F.normalize(self.total, dim=1))
        places = self.vectors[chosen].unflatten(0, (-1, len(self.usual)))
        self.usual.lerp_(places.mean(0), 1 - self.decay)


class ImageTokenizer(nn.Module):
    """Encoder, codebook and decoder."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        half, deep = config.encoder
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, half, 3, padding=1),
            Block(half),
            nn.Conv2d(half, deep, 3, stride=2, padding=1),
            Block(deep),
            ChannelNorm(deep),
            nn.Conv2d(deep, config.code, 1),
        )
        self.codebook = Codebook(config)
        deep, half = config.decoder
        self.decoder = nn.Sequential(
            nn.Conv2d(config.code, deep, 3, padding=1),
            Block(deep),
            Block(deep),
            nn.Conv2d(deep, 4 * half, 1),
            nn.PixelShuffle(2),
            Block(half),
            ChannelNorm(half),
            nn.Conv2d(half, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, size, size) in [-1, 1] -> unit features (B, tokens, code), row by row."""
        h = self.encoder(images.contiguous(memory_format=torch.channels_last))
        return F.normalize(h.float().flatten(2).transpose(1, 2), dim=-1)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, size, size) in [-1, 1] -> codes (B, tokens) int64, row by row."""
        return self.codebook.nearest(self.features(images))

    def paint(self, vectors: Tensor) -> Tensor:
        """Code vectors (B, tokens, code) -> pictures (B, 3, size, size), not clamped."""
        side = self.config.side
        grid = vectors.transpose(1, 2).unflatten(2, (side, side)) * self.config.code**0.5
        return self.decoder(grid.contiguous(memory_format=torch.channels_last))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, tokens) -> pictures (B, 3, size, size); a negative code is a place not drawn yet
        and is taken as that place's usual one."""
        vectors = self.codebook.vectors[codes.clamp_min(0)]
        usual = self.codebook.usual.expand_as(vectors)
        return self.paint(torch.where(codes[..., None] < 0, usual, vectors))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> (reconstructions, squared distance of feature and code averaged over all, codes); in
        training the codebook follows."""
        z = self.features(images)
        chosen = self.codebook.nearest(z.detach())
        if self.training:
            self.codebook.follow(z.detach().flatten(0, 1), chosen.flatten())
        vectors = self.codebook.vectors[chosen]
        commitment = (z - vectors).square().sum(-1).mean()
        return self.paint(z + (vectors - z).detach()), commitment, chosen


def reconstruction_loss(painted: Tensor, images: Tensor) -> Tensor:
    """Absolute error of the pixels and of their differences to the right and below. -> scalar

    The mean absolute error is the logit-Laplace likelihood's shape (Ramesh et al. 2021, section 2.1);
    the differences keep outlines from washing out.
    """
    error = painted.float() - images
    across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 0.5 * (across + down)


TRAINING_ONLY = ("codebook.total", "codebook.count")


def save_tokenizer(
    path: Path, state: Mapping[str, Tensor], config: TokenizerConfig, meta: Mapping[str, Any]
) -> None:
    """Without the codebook's running sums, which only training needs."""
    kept = {key: value for key, value in state.items() if key not in TRAINING_ONLY}
    save_compact(path, kept, config, meta)


def load_tokenizer(path: Path = CHECKPOINT) -> ImageTokenizer:
    """The shipped tokenizer in eval mode. Raises CheckpointError."""
    state, header = load_compact(path)
    try:
        net = ImageTokenizer(from_json(TokenizerConfig, header["config"]))
        missing, unexpected = net.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(path, f"does not fit this code ({error})") from error
    if unexpected or set(missing) - set(TRAINING_ONLY):
        raise CheckpointError(path, f"does not fit this code ({[*missing, *unexpected]})")
    net.codebook.vectors.copy_(F.normalize(net.codebook.vectors, dim=1))
    return channels_last(net).eval()
