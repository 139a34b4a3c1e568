"""Training of the three upsamplers, on the drawings at 128 px reduced to each stage's sizes.

What a stage enlarges in use is the work of the stage before. Its training pictures are therefore reduced,
blurred, tinted and noised, as in DALL·E 2 (Ramesh et al. 2022, section 2.1; Ho et al. 2022, conditioning
augmentation); those of the first are also shaken as the decoder draws, and some of those of the second
have been through the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle2.bank import shrink
from models.dalle2.fine import HALF_SIZE, FineScenes, load_fine
from models.dalle2.stage import Options, autocast, fit_stage, warm_start
from models.dalle2.unet import channels_last
from models.dalle2.upsampler import (
    UPSAMPLERS,
    ShiftedPrecond,
    Upsampler,
    UpsamplerConfig,
    enlarge,
    shifted,
    shifted_scalings,
)
from models.diffusion.schedule import karras
from models.diffusion.training import TrainConfig

BASE_SIZE = 16
LOW_NOISE = 0.15  # largest noise on the low-resolution picture
SHAKE = 0.6  # largest spread of the base picture's outlines, in its pixels
TINT = 0.04  # spread of the colour error of a whole picture
SHARPEST = 0.015  # lowest noise level that is trained
HUBER = 0.03  # below this error, in units of the raw network's output, the loss is quadratic


@dataclass(frozen=True)
class Recipe:
    """config: its sigma_data and sigma_start are filled in as measured; start: sigma_start relative to
    sigma_data; batch: pictures; chained: share of them that come through the stages before; crops:
    squares of `crop` px cut from each (0: the whole picture)."""

    config: UpsamplerConfig
    start: float
    batch: int
    chained: float = 0.0
    crop: int = 0
    crops: int = 1


# The last stage gets no pictures through the stages before: where they have moved an outline, nobody
# can know it, and a network that has to guess learns to blur. It is the one that must be crisp.
RECIPES: dict[str, Recipe] = {
    "upsampler": Recipe(UpsamplerConfig(0, 0, 0, 32, attention=True), 1 / 2, 64),
    "upsampler64": Recipe(UpsamplerConfig(0, 0, 0, 64, widths=(56, 112)), 1 / 4, 32, 0.3),
    "upsampler128": Recipe(
        UpsamplerConfig(0, 0, 0, 128, widths=(32, 64), condition=96),
        1 / 8,
        24,
        crop=64,
        crops=2,
    ),
}


def corrupted(low: Tensor) -> Tensor:
    """The low-resolution picture with blur, a tint and noise of random strength, as a stage before
    would leave it. (B, 3, s, s) -> the same"""
    strength = torch.rand(3, len(low), 1, 1, 1, device=low.device)
    side = low.shape[-1]
    blurred = enlarge(shrink(low, side // 2), side)  # what enlarging without detail leaves
    tint = TINT * torch.randn(len(low), 3, 1, 1, device=low.device)
    noise = LOW_NOISE * strength[1] ** 2 * torch.randn_like(low)
    # A third of the rows stay as sharp as they are.
    blur = (1.5 * strength[0] - 0.5).clamp_min(0)
    return (low + blur * (blurred - low) + strength[2] * tint + noise).clamp(-1, 1)


def shaken(base: Tensor) -> Tensor:
    """The base picture with its outlines shaken by parts of a pixel, as the decoder draws them."""
    count, _, side, _ = base.shape
    reach = SHAKE * torch.rand(count, 1, 1, 1, device=base.device)
    shift = F.avg_pool2d(torch.randn(count, 2, side, side, device=base.device), 3, 1, 1)
    # An average of nine is a third as wide; the grid runs from -1 to 1.
    shift = (3 * reach * shift * 2 / side).permute(0, 2, 3, 1)
    still = torch.eye(2, 3, device=base.device).expand(count, -1, -1)
    grid = F.affine_grid(still, list(base.shape), align_corners=False) + shift
    return F.grid_sample(base, grid, padding_mode="border", align_corners=False)


@torch.no_grad()
def through(stages: Sequence[ShiftedPrecond], low: Tensor, options: Options) -> Tensor:
    """What the stages make of base pictures in a few steps. (B, 3, 16, 16) -> (B, 3, S, S)"""
    for stage in stages:
        size = stage.config.size
        levels = karras(2 if size > 32 else 3, 0.03, stage.config.sigma_start).tolist()
        x = enlarge(low, size)
        x = x + levels[0] * torch.randn_like(x)
        for level, following in pairwise(levels):
            sigma = torch.full((len(x),), level, device=x.device)
            with autocast(options):
                denoised = stage(x, sigma, low=low)
            x = denoised + following / level * (x - denoised)
        low = x.clamp(-1, 1)
    return low


def low_resolution(
    target: Tensor, stages: Sequence[ShiftedPrecond], options: Options, share: float = 0.0
) -> Tensor:
    """The condition of each target: half of them through the stages before, the rest reduced and
    corrupted. (B, 3, S, S) -> (B, 3, S/2, S/2)"""
    reduced = shrink(target, target.shape[-1] // 2)
    chained = int(len(target) * share)
    picked = torch.randperm(len(target), device=target.device)[:chained]
    low = corrupted(reduced if stages else shaken(reduced))
    if chained:
        base = corrupted(shaken(shrink(target[picked], BASE_SIZE)))
        low[picked] = through(stages, base, options)
    return low


def training_sigma(count: int, sigma_start: float, device: str) -> Tensor:
    """Stratified, uniform in ln sigma from SHARPEST to sigma_start; every sixth at the very start,
    where the enlarged picture is met. -> (count,)"""
    u = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    u = u[torch.randperm(count, device=device)]
    u[::6] = 0
    return sigma_start * (u * math.log(SHARPEST / sigma_start)).exp()


def sharp_loss(denoised: Tensor, target: Tensor, c_out: Tensor) -> Tensor:
    """Pseudo-Huber loss of the raw network's error; c_out (B,) is what its output was scaled by.

    Where an edge may lie here or there, a squared error asks for the mean, which is blurred, and an
    absolute error for the median, which has an edge: what a few steps need on flat shapes.
    """
    error = (denoised.float() - target) / c_out.view(-1, 1, 1, 1)
    return ((error.square() + HUBER**2).sqrt() - HUBER).mean()


def crops_of(target: Tensor, low: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Matching random squares of both: `recipe.crops` from every picture."""
    if not recipe.crop:
        return target, low
    half, room = recipe.crop // 2, low.shape[-1] - recipe.crop // 2
    fine, coarse = [], []
    for row in range(len(target)):
        for y, x in torch.randint(0, room + 1, (recipe.crops, 2)).tolist():
            coarse.append(low[row, :, y : y + half, x : x + half])
            fine.append(target[row, :, 2 * y : 2 * y + 2 * half, 2 * x : 2 * x + 2 * half])
    return torch.stack(fine), torch.stack(coarse)


def stages_before(size: int, options: Options) -> list[ShiftedPrecond]:
    """The trained upsamplers of smaller sizes, as they were trained. Raises FileNotFoundError that names
    the stage to train first."""
    stages = []
    for kind in UPSAMPLERS:
        if kind.size >= size:
            continue
        path = options.place(kind.checkpoint)
        if not path.exists():
            raise FileNotFoundError(f"no {path}; run: python -m models train {kind.name}")
        stage, _ = kind.trained_network(path)
        stages.append(cast(ShiftedPrecond, stage.to(options.device)))
    return stages


def measured(
    scenes: FineScenes, size: int, stages: Sequence[ShiftedPrecond], options: Options, share: float
) -> tuple[float, float]:
    """Of 128 training pictures: the spread of their pixels and of what their enlarged conditions lack."""
    target = scenes.draw(128, size).to(options.device)
    lacking = target - enlarge(low_resolution(target, stages, options, share), size)
    return round(float(target.std()), 4), round(float(lacking.std()), 4)


def _batches(scenes: FineScenes, recipe: Recipe) -> Iterator[Tensor]:
    while True:
        yield scenes.draw(recipe.batch, recipe.config.size)


def train_upsampler(kind: type[Upsampler], options: Options) -> None:
    """One upsampler; those before it must have been trained."""
    recipe, device = RECIPES[kind.name], options.device
    fine = load_fine(options.images, max(kind.size, HALF_SIZE))
    scenes = FineScenes(fine, options.seed)
    stages = stages_before(kind.size, options)
    spread, residual = measured(scenes, kind.size, stages, options, recipe.chained)
    config = replace(
        recipe.config, sigma_data=spread, sigma_start=spread * recipe.start, residual=residual
    )
    net = channels_last(kind.denoiser_of(config)).to(device)
    warm_start(options, net, kind.checkpoint)

    def loss_fn(target: Tensor) -> dict[str, Tensor]:
        target = target.to(device)
        target, low = crops_of(
            target, low_resolution(target, stages, options, recipe.chained), recipe
        )
        sigma = training_sigma(len(target), config.sigma_start, device)
        noisy = shifted(target, low, sigma, config.sigma_start)
        with autocast(options):
            denoised = net(noisy, sigma, low=low)
        c_out = shifted_scalings(sigma, config).c_out
        return {"loss": sharp_loss(denoised, target, c_out)}

    train = TrainConfig(
        lr=1e-3, max_seconds=options.seconds, ema=0.998, decay_from=0.4, seed=options.seed
    )
    fit_stage(
        kind.name,
        options,
        train,
        net,
        loss_fn,
        _batches(scenes, recipe),
        options.place(kind.checkpoint),
        config,
    )
