"""How good the upsamplers are: faithful to real drawings, and crisp, each beside bicubic enlargement.

    python -m models evaluate upsamplers

writes `models/checkpoints/dalle2-upsamplers-metrics.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import CHECKPOINTS, fingerprint
from models.dalle2.bank import shrink
from models.dalle2.fine import FineSprites, lay, load_fine
from models.dalle2.upsampler import UPSAMPLERS, Upsampler, upsample, upsampler_schedule
from models.diffusion.sampler import run
from models.pipeline import sample_generators

METRICS = CHECKPOINTS / "dalle2-upsamplers-metrics.json"
BASE_SIZE, STEPS = 16, 24  # the decoder's size and default steps
BATCH = 32


def psnr(pictures: Tensor, real: Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB of pictures in [-1, 1]. Both (B, 3, S, S)"""
    error = (pictures.clamp(-1, 1) - real).square().flatten(1).mean(1).clamp_min(1e-8)
    return float((10 * torch.log10(4 / error)).mean())


def crispness(pictures: Tensor) -> float:
    """How abrupt the changes in pictures are: the mean step between neighbouring pixels, each step
    weighted by its own size, so that flat areas do not count. (B, 3, S, S) in [-1, 1] -> (0, 2]"""
    steps = torch.cat([pictures.diff(dim=2).flatten(1), pictures.diff(dim=3).flatten(1)], 1).abs()
    return float((steps.square().sum(1) / steps.sum(1).clamp_min(1e-6)).mean())


def bicubic(low: Tensor, size: int) -> Tensor:
    """The yardstick. (B, 3, s, s) -> (B, 3, size, size)"""
    return F.interpolate(low, size=(size, size), mode="bicubic", align_corners=False).clamp(-1, 1)


def enlarged(stages: Sequence[Upsampler], low: Tensor, seed: int = 0) -> Tensor:
    """What the stages make of pictures, one after the other, in their default steps."""
    out = []
    for start in range(0, len(low), BATCH):
        part = low[start : start + BATCH]
        for net in stages:
            generators = sample_generators(seed, start + len(part), net.size)[start:]
            part = run(upsample(net, part, upsampler_schedule(STEPS, net.config), generators))
        out.append(part)
    return torch.cat(out)


def scores(pictures: Tensor, low: Tensor, real: Tensor) -> dict[str, float]:
    """Of enlarged pictures and of bicubic ones from the same source, against the real ones."""
    plain = bicubic(low, real.shape[-1])
    sharp = crispness(real)
    return {
        "psnr": round(psnr(pictures, real), 2),
        "psnr_bicubic": round(psnr(plain, real), 2),
        "crispness": round(crispness(pictures) / sharp, 3),
        "crispness_bicubic": round(crispness(plain) / sharp, 3),
    }


def measure(stages: Sequence[Upsampler], real: Tensor) -> dict[str, Any]:
    """Every stage on real pictures half its size, and all of them from 16 px. real: (B, 3, 128, 128)

    Crispness is relative to the real pictures of that size: 1 is as crisp as they are.
    """
    found: dict[str, Any] = {}
    for net in stages:
        low, target = shrink(real, net.size // 2), shrink(real, net.size)
        found[net.name] = scores(enlarged([net], low), low, target)
    low = shrink(real, BASE_SIZE)
    target = shrink(real, stages[-1].size)
    found["from_16"] = scores(enlarged(stages, low), low, target)
    return found


def held_out(fine: FineSprites, count: int) -> Tensor:
    """Held-out renderings, plain on white. -> (count, 3, 128, 128)"""
    rows = fine.sprites.of("held_out_rendering")
    rows = np.random.default_rng(0).permutation(rows)[:count]
    return lay(fine.rgba(rows, 128), [None] * len(rows), [None] * len(rows))


def evaluate(folder: str | Path = "cache/images", count: int = 200) -> dict[str, Any]:
    """Measures the shipped upsamplers on held-out renderings and writes the metrics."""
    stages = [kind.load() for kind in UPSAMPLERS]
    result = {
        "checkpoints": {k.checkpoint.name: fingerprint(k.checkpoint) for k in UPSAMPLERS},
        "pictures": count,
        "source": "held-out renderings on white, reduced by block averages",
        "stages": measure(stages, held_out(load_fine(folder), count)),
    }
    METRICS.write_text(json.dumps(result, indent=1) + "\n")
    return result
