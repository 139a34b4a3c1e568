"""The prior: diffusion over CLIP image embeddings, given a text (Ramesh et al. 2022, section 2.2).

It predicts the clean embedding (not the noise) through the shared EDM core. Embeddings are scaled to
unit variance per entry, so they lie on a sphere of radius sqrt(embed). One attention pool reads the
token states; a residual perceptron does the rest. The paper's causal transformer spends its compute on
77 tokens per step; captions here have five.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS
from models.dalle2.network import gather, gather_states
from models.dalle2.reading import ReadingStage
from models.dalle2.text import TokenPool
from models.dalle2.unet import fourier
from models.diffusion.noise import TrainedNoise
from models.diffusion.sampler import Request

CHECKPOINT = CHECKPOINTS / "dalle2-prior.safetensors"
TRAINED = TrainedNoise(0.0, 1.2)
TEXT_DROP = 0.1


@dataclass(frozen=True)
class PriorConfig:
    """sigma_data: measured standard deviation of the scaled embeddings; width, blocks: of the trunk."""

    sigma_data: float
    embed: int = 256
    states: int = 192  # width of the text encoder's token states
    width: int = 320
    blocks: int = 3
    heads: int = 8


class Block(nn.Module):
    """Residual perceptron block, scaled, shifted and gated by the condition (adaLN-zero, Peebles & Xie
    2023)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift, gate = self.film(condition).chunk(3, -1)
        return x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)


class PriorNetwork(nn.Module):
    """The raw network F of the prior."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.noise = nn.Sequential(nn.Linear(64, w), nn.SiLU(), nn.Linear(w, w))
        self.text = nn.Linear(config.embed, w)
        self.pool = TokenPool(config.states, w, config.heads)
        self.null_text = nn.Parameter(torch.zeros(w))
        self.stem = nn.Linear(config.embed, w)
        self.blocks = nn.ModuleList([Block(w) for _ in range(config.blocks)])
        self.norm = nn.LayerNorm(w)
        self.out = nn.Linear(w, config.embed)

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        text_embed: Tensor,
        states: Tensor,
        mask: Tensor,
        has_text: Tensor,
    ) -> Tensor:
        """x: (B, embed); text_embed: (B, embed) of unit length; states: (B, T, states); mask: (B, T);
        has_text: (B,) bool. Dropping removes token states and embedding together, never the noised x."""
        return self.paint(x, c_noise, **self.read(text_embed, states, mask, has_text))

    def read(
        self, text_embed: Tensor, states: Tensor, mask: Tensor, has_text: Tensor
    ) -> dict[str, Tensor]:
        """What of the conditioning is the same at every noise level: the arguments of :meth:`paint`, rows
        along their first axes."""
        text = self.text(text_embed * math.sqrt(self.config.embed)) + self.pool(states, mask)
        return {"told": torch.where(has_text[:, None], text, self.null_text.to(text.dtype))}

    def paint(self, x: Tensor, c_noise: Tensor, told: Tensor) -> Tensor:
        """See :meth:`forward`; told as :meth:`read` gives it."""
        condition = F.silu(self.noise(fourier(c_noise, 64)) + told)
        h = self.stem(x)
        for block in self.blocks:
            h = block(h, condition)
        return self.out(self.norm(h))


class Prior(ReadingStage):
    """Answers requests whose ``cond`` is ``{"text_embed", "states", "guidance_scale"}``, per row."""

    name = "prior"
    trained = TRAINED
    checkpoint = CHECKPOINT
    config_class = PriorConfig
    network_class = PriorNetwork

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.config.embed,)

    def asked(self, requests: Sequence[Request]) -> dict[str, Tensor]:
        states = gather_states(requests, self.config.states)
        return {
            "text_embed": gather(requests, "text_embed"),
            "states": states,
            "mask": states.abs().sum(-1) > 0,  # the encoder writes exact zeros at padding
            "has_text": torch.ones(len(states), dtype=torch.bool),
        }

    @staticmethod
    def nothing(asked: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {**asked, "has_text": torch.zeros_like(asked["has_text"])}

    def example(self) -> dict[str, Any]:
        return {"text_embed": torch.zeros(1, self.config.embed)}

    def denoise(self, x: Tensor, sigma: Tensor, requests: Sequence[Request]) -> Tensor:
        return on_or_in_sphere(self.guided(x, sigma, requests))


def on_or_in_sphere(denoised: Tensor) -> Tensor:
    """Clamps rows (B, D) to norm sqrt(D): the data lie on that sphere, so no mean of data is outside,
    but guidance above 1 would push estimates there."""
    radius = math.sqrt(denoised.shape[1])
    return denoised * (radius / denoised.norm(dim=1, keepdim=True).clamp_min(1e-6)).clamp(max=1.0)


def better_of_two(first: Tensor, second: Tensor, text_embed: Tensor) -> tuple[Tensor, Tensor]:
    """Of two sampled embeddings per row, the one nearer to the text (Ramesh et al. 2022, section 2.2).

    All (S, D). -> (unit vectors (S, D), which was chosen (S,): 0 or 1)
    """
    a, b = F.normalize(first.float(), dim=1), F.normalize(second.float(), dim=1)
    chosen = ((b * text_embed).sum(1) > (a * text_embed).sum(1)).long()
    return torch.where(chosen[:, None].bool(), b, a), chosen
