"""The upsamplers: diffusion from 16 to 32, 64 and 128 px (Ramesh et al. 2022, section 2.1).

Each starts from the enlarged picture of the stage before plus noise (as SDEdit does, Meng et al. 2022),
not from pure noise: what is coarser has been settled. Every doubling starts at half the noise of the
one before, because the spectrum of pictures falls about so from octave to octave; on the shared noise
axis each stage owns its own stretch.

The way from the enlarged picture to the sharp one is part of the noise process (residual shifting, Yue
et al. 2023): at level sigma the network sees ``(1 - s) sharp + s enlarged + sigma noise`` with
``s = sigma / sigma_start``. An Euler step keeps exactly to that mixture, so the sampler needs nothing
new, and what the network sees in use is what it saw in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS
from models.dalle2.network import StageNetwork, gather
from models.dalle2.unet import UNet, fourier
from models.diffusion.precond import rows
from models.diffusion.sampler import Request, Run, SamplerName, sample
from models.diffusion.schedule import Schedule, karras, without_churn

SIGMA_MIN = 0.03  # last level of every upsampler, pixel RMS


@dataclass(frozen=True)
class UpsamplerConfig:
    """size: pixels per side of the result; sigma_start: noise level at which sampling begins;
    residual: measured spread of what an enlarged picture lacks; block: the network works on blocks of
    that many pixels per side; share: the decoder takes that many times its steps."""

    sigma_data: float
    sigma_start: float
    residual: float
    size: int
    block: int = 2
    widths: tuple[int, ...] = (64, 128)
    blocks: int = 1
    condition: int = 128
    attention: bool = False
    share: int = 12


class UpsamplerNetwork(nn.Module):
    """The raw network U. It works on blocks of pixels, next to the same blocks of the low-resolution
    picture; without attention it is fully convolutional."""

    def __init__(self, config: UpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        c, area = config.condition, config.block**2
        self.noise = nn.Sequential(
            nn.Linear(64, c), nn.SiLU(), nn.Linear(c, c), nn.SiLU(), nn.Linear(c, c), nn.SiLU()
        )
        self.unet = UNet(
            3 * area + 3 * area // 4,
            3 * area,
            config.widths,
            config.blocks,
            c,
            0,
            (),
            middle_attention=config.attention,
        )

    def forward(self, x: Tensor, c_noise: Tensor, low: Tensor) -> Tensor:
        """x: (B, 3, S, S); low: (B, 3, S/2, S/2) in [-1, 1]; S a multiple of 2 * block."""
        block = self.config.block
        joined = torch.cat([F.pixel_unshuffle(x, block), F.pixel_unshuffle(low, block // 2)], 1)
        return F.pixel_shuffle(self.unet(joined, self.noise(fourier(c_noise, 64))), block)


class ShiftedScalings(NamedTuple):
    """c_skip, c_out and c_in of the shifted process, (B,) each."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor


def shifted_scalings(sigma: Tensor, config: UpsamplerConfig) -> ShiftedScalings:
    """EDM's coefficients (Karras et al. 2022, appendix B.6) for a picture whose enlarged version is
    known: what is left to say has the spread `residual`, not sigma_data.

    With r = sharp - enlarged, x - enlarged = (1 - s) r + sigma noise has variance
    v = residual^2 (1 - s)^2 + sigma^2. c_in makes it 1, c_skip is the best linear guess of r from it,
    and c_out the spread of what that guess misses.
    """
    rest = (1 - sigma / config.sigma_start).clamp_min(0)
    variance = config.residual**2 * rest**2 + sigma**2
    return ShiftedScalings(
        c_skip=config.residual**2 * rest / variance,
        c_out=config.residual * sigma / variance.sqrt(),
        c_in=1 / variance.sqrt(),
    )


class ShiftedPrecond(nn.Module):
    """D(x; sigma) = enlarged + c_skip (x - enlarged) + c_out U(c_in (x - enlarged), c_noise, low).

    Everything here stays in float32. With the plain preconditioning a network at these low levels
    learns for a long time to copy the very noise that is to be taken away.
    """

    def __init__(self, network: nn.Module, config: UpsamplerConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(
        self, x: Tensor, sigma: Tensor, low: Tensor, enlarged: Tensor | None = None
    ) -> Tensor:
        """x: (B, 3, S, S), sigma: (B,), low: (B, 3, S/2, S/2), enlarged: the same at x's size, where it is
        known -> (B, 3, S, S)"""
        sigma = sigma.to(x.device, torch.float32)
        scale = shifted_scalings(sigma, self.config)
        enlarged = enlarge(low, x.shape[-1]) if enlarged is None else enlarged
        difference = x.float() - enlarged
        c_noise = (sigma / self.config.sigma_start).clamp_min(1e-20).log() / 4
        raw = self.network(rows(scale.c_in, x) * difference, c_noise, low)
        return enlarged + rows(scale.c_skip, x) * difference + rows(scale.c_out, x) * raw.float()


def enlarge(low: Tensor, size: int) -> Tensor:
    """The picture at another size, bilinear. (B, 3, s, s) -> (B, 3, size, size)"""
    return F.interpolate(low, size=(size, size), mode="bilinear", align_corners=False)


def shifted(target: Tensor, low: Tensor, sigma: Tensor, sigma_start: float) -> Tensor:
    """The noisy state at level sigma (B,): on the way from the enlarged picture to the target."""
    level = sigma.view(-1, 1, 1, 1)
    residual = enlarge(low, target.shape[-1]) - target
    return target + level / sigma_start * residual + level * torch.randn_like(target)


def centre(denoised: Tensor, low: Tensor, sigma: float, sigma_start: float) -> Tensor:
    """Where the shifted process has an estimate at level sigma, before the noise. (S, 3, S, S)"""
    target = denoised.float()
    return target + sigma / sigma_start * (enlarge(low, target.shape[-1]) - target)


def upsampler_schedule(steps: int, config: UpsamplerConfig) -> Schedule:
    """The levels of an upsampler beside a decoder of that many steps: a share of its steps."""
    return without_churn(
        karras(min(max(steps // config.share, 1), 25), SIGMA_MIN, config.sigma_start)
    )


class Upsampler(StageNetwork):
    """Answers requests whose ``cond`` is ``{"low"}``, per row, and optionally ``"enlarged"``: the same at
    the size of the result."""

    config_class = UpsamplerConfig
    network_class = UpsamplerNetwork
    size: ClassVar[int]
    work: ClassVar[float]  # of a step, in steps of the decoder

    @classmethod
    def denoiser_of(cls, config: UpsamplerConfig) -> nn.Module:
        return ShiftedPrecond(UpsamplerNetwork(config), config)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.config.size, self.config.size)

    def denoise(self, x: Tensor, sigma: Tensor, requests: Sequence[Request]) -> Tensor:
        enlarged = [
            r.cond["enlarged"] if "enlarged" in r.cond else enlarge(r.cond["low"], x.shape[-1])
            for r in requests
        ]
        low = gather(requests, "low")
        return cast(Tensor, self.denoiser(x, sigma, low, torch.cat(enlarged)))


def upsample(
    net: Upsampler,
    low: Tensor,
    schedule: Schedule,
    generators: Sequence[torch.Generator],
    sampler: SamplerName = "euler",
    start: Tensor | None = None,
) -> Run[Tensor]:
    """One stage. low: (S, 3, s, s) in [-1, 1] -> (S, 3, 2 s, 2 s) in [-1, 1]; start: a state at the first
    level, (S, 3, 2 s, 2 s)."""
    enlarged = enlarge(low, net.size)
    picture = yield from sample(
        net,
        net.shape,
        schedule,
        generators,
        cond={"low": low, "enlarged": enlarged},
        sampler=sampler,
        x_init=enlarged,
        start=start,
    )
    return picture.clamp(-1, 1)


class Upsampler32(Upsampler):
    name, size, work = "upsampler", 32, 0.4
    checkpoint: ClassVar[Path] = CHECKPOINTS / "dalle2-upsampler.safetensors"


class Upsampler64(Upsampler):
    name, size, work = "upsampler64", 64, 1.0
    checkpoint: ClassVar[Path] = CHECKPOINTS / "dalle2-upsampler64.safetensors"


class Upsampler128(Upsampler):
    name, size, work = "upsampler128", 128, 1.0
    checkpoint: ClassVar[Path] = CHECKPOINTS / "dalle2-upsampler128.safetensors"


UPSAMPLERS: tuple[type[Upsampler], ...] = (Upsampler32, Upsampler64, Upsampler128)
