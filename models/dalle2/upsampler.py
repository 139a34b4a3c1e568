"""The upsampler: diffusion from the 16x16 picture to 32x32 (Ramesh et al. 2022, section 2.1).

It starts from the enlarged base picture plus noise of half the data's own size (as SDEdit does, Meng
et al. 2022), not from pure noise: the base has settled everything coarser, so on the shared noise axis
the base owns the high levels and the upsampler the low ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS
from models.dalle2.network import StageNetwork, gather
from models.dalle2.unet import UNet, fourier
from models.diffusion.sampler import Request

CHECKPOINT = CHECKPOINTS / "dalle2-upsampler.safetensors"
LOW_NOISE = 0.2  # largest noise added to the low-resolution condition in training (Ho et al. 2022)


@dataclass(frozen=True)
class UpsamplerConfig:
    """size: pixels per side of the result; sigma_start: noise level at which sampling begins."""

    sigma_data: float
    sigma_start: float
    size: int = 32
    embed: int = 256
    widths: tuple[int, ...] = (64, 128)
    blocks: int = 1
    condition: int = 192
    context: int = 96


class UpsamplerNetwork(nn.Module):
    """The raw network F. It works on 2x2 pixel blocks, next to the low-resolution picture's pixels."""

    def __init__(self, config: UpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        c = config.condition
        self.noise = nn.Sequential(nn.Linear(64, c), nn.SiLU(), nn.Linear(c, c))
        self.image = nn.Linear(config.embed, c)
        self.merge = nn.Sequential(nn.SiLU(), nn.Linear(c, c), nn.SiLU())
        self.image_token = nn.Linear(config.embed, config.context)
        self.unet = UNet(15, 12, config.widths, config.blocks, c, config.context, ())

    def forward(self, x: Tensor, c_noise: Tensor, low: Tensor, image_embed: Tensor) -> Tensor:
        """x: (B, 3, S, S); low: (B, 3, S/2, S/2) in [-1, 1]; image_embed: (B, embed) of unit length."""
        image = image_embed * math.sqrt(self.config.embed)
        condition = self.merge(self.noise(fourier(c_noise, 64)) + self.image(image))
        blocks = torch.cat([F.pixel_unshuffle(x, 2), low], 1)
        return F.pixel_shuffle(self.unet(blocks, condition, self.image_token(image)[:, None]), 2)


def enlarge(low: Tensor, size: int) -> Tensor:
    """The base picture at full size, bilinear. (B, 3, s, s) -> (B, 3, size, size)"""
    return F.interpolate(low, size=(size, size), mode="bilinear", align_corners=False)


class Upsampler(StageNetwork):
    """Answers requests whose ``cond`` is ``{"low", "image_embed"}``, per row."""

    name = "upsampler"
    checkpoint = CHECKPOINT
    config_class = UpsamplerConfig
    network_class = UpsamplerNetwork

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.config.size, self.config.size)

    def denoise(self, x: Tensor, sigma: Tensor, requests: Sequence[Request]) -> Tensor:
        return self.denoiser(
            x, sigma, low=gather(requests, "low"), image_embed=gather(requests, "image_embed")
        )
