"""What a visitor sees of a ``dalle2`` run: frames, and what is told at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from models.dalle2.data import to_uint8
from models.dalle2.judging import Verdict
from models.dalle2.sources import Imagined
from models.diffusion.sampler import Request
from models.evaluation.settling import Trace, image_settling
from models.pipeline import Frame


@dataclass(frozen=True)
class Dalle2Result:
    """images: (S, 3, H, H) in [-1, 1]; image_embed: (S, embed) what each was drawn from, unit length;
    prior: None if no caption was drawn; text_embed: (embed,) of the caption that the pictures are scored
    against, or None; verdict: None if nobody judged; calls: forwards asked for, by network."""

    images: Tensor
    image_embed: Tensor
    prior: Imagined | None
    text_embed: Tensor | None
    verdict: Verdict | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


class Dalle2View:
    """Frames as uint8 (H, W, 3), noisy pictures drawn at data scale; the prior's as float16 vectors.

    Of the prior's two draws per caption the first is shown; ``done`` says which one was kept. Arrays
    have a leading axis if the run has several samples; the prior's then has one row per caption that it
    reads, which the tricks have fewer of than samples.
    """

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.traces: list[Trace] = []

    def _squeeze(self, array: np.ndarray) -> np.ndarray:
        return array[0] if self.samples == 1 else array

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        net, sigma = request.net, float(request.sigma[0])
        spread = net.sigma_data / (sigma**2 + net.sigma_data**2) ** 0.5
        if net.name == "prior":
            rows = len(denoised) // 2
            noisy, clean = request.x[:rows] * spread, denoised[:rows]
            x, d = (t.float().cpu().numpy().astype(np.float16) for t in (noisy, clean))
        else:
            x, d = to_uint8(request.x * spread), to_uint8(denoised)
            first = denoised[0].float().clamp(-1, 1).permute(1, 2, 0).cpu().numpy()
            self.traces.append(Trace(net.name, request.step, sigma / net.sigma_data, first))
        return Frame(
            stage=net.name,
            step=request.step,
            steps=request.steps,
            sigma=sigma,
            sigma_data=net.sigma_data,
            x=self._squeeze(x),
            denoised=self._squeeze(d),
        )

    def done(self, result: Dalle2Result) -> dict[str, Any]:
        final = result.images[0].float().clamp(-1, 1).permute(1, 2, 0).cpu().numpy()
        data: dict[str, Any] = {
            "sample": self._squeeze(to_uint8(result.images)),
            "settling": image_settling(self.traces, final),
            "image_embed": result.image_embed.numpy().astype(np.float16),
            "calls": dict(result.calls),
        }
        if result.text_embed is not None:
            data["text_embed"] = result.text_embed.numpy().astype(np.float16)
        if result.prior is not None:
            data["prior"] = {
                "chosen": result.prior.chosen.tolist(),
                "cosine": [[round(float(c), 4) for c in row] for row in result.prior.cosine],
            }
        if result.verdict is not None:
            kept = (result.verdict.image_embed * result.image_embed).sum(1)
            data["embed_cosine"] = [round(float(c), 4) for c in kept]
            data |= result.verdict.data()
        return data
