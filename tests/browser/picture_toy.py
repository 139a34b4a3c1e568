"""A picture pipeline with everything that the page can show, and exact networks: the tests' DALL·E 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from toy import ExactNet, Toy, ToyView

from models.diffusion.sampler import Request, Run, sample
from models.pipeline import Frame, InputError, SampleSettings, sample_generators

KINDS = ("prompt", "variation_of", "interpolate", "diff")
SIDE = 32
GROUPS = ("animals-nature", "food-drink")


class PictureView(ToyView):
    """Frames of vectors stay numbers; the end tells what the judges of the real pipeline tell."""

    def __init__(self, samples: int, has_prior: bool) -> None:
        super().__init__("image", samples)
        self.has_prior = has_prior

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        frame = super().frame(request, denoised)
        if request.net.name != "prior":
            return frame
        spread = (1 + float(request.sigma[0]) ** 2) ** -0.5  # noisy vectors at data scale
        x, d = (t.numpy().astype(np.float16) for t in (request.x * spread, denoised))
        if self.samples == 1:
            x, d = x[0], d[0]
        return replace(frame, x=x, denoised=d)

    def done(self, result: Tensor) -> dict[str, Any]:
        count = self.samples
        near = {"index": 1, "label": "tabby", "vendor": "noto"}
        done: dict[str, Any] = {
            **super().done(result),
            "image_embed": np.eye(8, dtype=np.float16)[np.arange(count) % 8],
            "text_embed": np.eye(8, dtype=np.float16)[3],
            "calls": {"prior": 6, "toy": 6},
            "judged": [
                [{"label": f"cat {k}", "probability": 0.75}, {"label": "dog", "probability": 0.1}]
                for k in range(count)
            ],
            "clip_score": [0.5] * count,
            "nearest": [
                {
                    "clip": {**near, "cosine": 0.9, "near": False},
                    "pixels": {**near, "index": 2, "rms": 0.01 + 0.2 * k, "near": k == 0},
                }
                for k in range(count)
            ],
        }
        if self.has_prior:
            cosine = [[0.25, 0.5] for _ in range(count)]
            done["prior"] = {"chosen": [1] * count, "cosine": cosine}
        return done


def _imagined(plan: Any) -> bool:
    """Whether the prior has something to do."""
    return isinstance(plan, Mapping) and "prompt" in plan and plan.get("prior", True)


class PictureToy(Toy):
    """Reads every kind of input of ``dalle2``; pictures reach it as arrays, as they reach the real one."""

    def __init__(self) -> None:
        super().__init__("image", id="dalle2")
        self.net = ExactNet(torch.linspace(-0.9, 0.9, SIDE * SIDE * 3).view(SIDE, SIDE, 3), 0.5)
        self.prior = ExactNet(torch.full((8,), 2.0), 1.0)
        self.prior.name = "prior"  # type: ignore[misc]
        self.asked: list[Mapping[str, Any]] = []

    def parse(self, input: Mapping[str, Any]) -> Any:
        if input.get("how"):
            return super().parse(input)
        (kind,) = [name for name in KINDS if name in input]
        path = input.get("interpolate", {})
        for side in ("from", "to"):
            if kind == "interpolate" and not (path[side].get("prompt", "x")):
                raise InputError(f"input.interpolate.{side}.prompt", "is empty", "a caption")
        self.asked.append(input)
        return input

    def start(self, plan: Any, settings: SampleSettings) -> dict[str, Any]:
        start = super().start("well", settings)
        prior = {**start["stages"][0], "name": "prior", "sigma_data": 1.0}
        prompt = plan.get("prompt") if isinstance(plan, Mapping) else None
        path = isinstance(plan, Mapping) and ("interpolate" in plan or "diff" in plan)
        count = settings.samples
        words = [{"word": w, "known": w != "blorf", "pieces": [w[:2], f"##{w[2:]}"]}
                 for w in (prompt or "").split()]  # fmt: skip
        return {
            **start,
            "stages": [prior, *start["stages"]] if _imagined(plan) else start["stages"],
            "words": words,
            "concepts": [{"label": "cat", "cosine": 0.8}] if prompt else [],
            "weights": [k / max(1, count - 1) for k in range(count)] if path else None,
        }

    def run(self, plan: Any, settings: SampleSettings) -> Run[Tensor]:
        prior = _imagined(plan)
        for net in (self.prior, self.net) if prior else (self.net,):
            result = yield from sample(
                net,
                net.mean.shape,
                settings.build_schedule(net.sigma_data),
                sample_generators(settings.seed, settings.samples),
                cond=None,
                sampler=settings.sampler,
            )
        return result

    def view(self, plan: Any, settings: SampleSettings) -> PictureView:
        return PictureView(settings.samples, _imagined(plan))

    def concept_map(self) -> dict[str, Any]:
        turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        points = [
            {"label": f"thing {k}", "group": GROUPS[k % 2], "x": np.cos(a), "y": np.sin(a)}
            for k, a in enumerate(turns.tolist())
        ]
        matrix = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
        return {"points": points, "projection": matrix / 4, "scale": 8**0.5}

    def drawing(self, index: int) -> np.ndarray | None:
        if not 0 <= index < 3:
            raise IndexError(index)
        return np.full((SIDE, SIDE, 3), 80 * index, np.uint8)


class TokenToy(Toy):
    """Counts steps and has no noise level, as DALL·E 1 does."""

    def __init__(self) -> None:
        super().__init__("image", id="dalle1")

    def parse(self, input: Mapping[str, Any]) -> Any:
        return "well"

    def start(self, plan: Any, settings: SampleSettings) -> dict[str, Any]:
        stage = {"name": "toy", "sigma_data": None, "sigmas": None, "unit": "token"}
        return {"stages": [stage], "notes": []}

    def view(self, plan: Any, settings: SampleSettings) -> TokenView:
        return TokenView(settings.samples)


class TokenView(ToyView):
    def __init__(self, samples: int) -> None:
        super().__init__("image", samples)

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        return replace(super().frame(request, denoised), sigma=None, sigma_data=None)

    def done(self, result: Tensor) -> dict[str, Any]:
        judged = [[{"label": "dog", "probability": 0.5}] for _ in range(self.samples)]
        calls = {"tokens": 6, "pixels": 1}
        return {**super().done(result), "calls": calls, "judged": judged, "clip_score": [0.25]}
