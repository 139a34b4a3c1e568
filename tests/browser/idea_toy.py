"""A picture pipeline with an idea that can be left: an exact prior, and a picture that depends on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from branch_toy import BranchToy, MeansNet, Plan
from picture_toy import PictureToy
from torch import Tensor
from toy import ToyView

from models.branching import Branch, levels_left
from models.diffusion.branch import reach
from models.diffusion.sampler import Request, Run, sample
from models.pipeline import Frame, SampleSettings, sample_generators


class CurvedView(ToyView):
    """Ends with settling curves, as the real pipelines do: band k has settled at the k-th of its levels."""

    def __init__(
        self, kind: str, samples: int, names: tuple[str, ...], levels: list[float]
    ) -> None:
        super().__init__(kind, samples)
        self.names, self.levels = names, levels

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        frame = super().frame(request, denoised)
        if request.net.name != "prior":
            return frame
        x, d = (t.numpy().astype(np.float16) for t in (request.x, denoised))
        return replace(frame, x=x[0], denoised=d[0])

    def done(self, result: Tensor) -> dict[str, Any]:
        count = len(self.levels)
        bands = [
            {
                "name": name,
                "label": name,
                "unit": "",
                "error": [max(0.0, 1 - i / (2 + k)) for i in range(count)],
                "settled_at": self.levels[min(2 + k, count - 1)],
            }
            for k, name in enumerate(self.names)
        ]
        settling = {"bands": bands, "sigma_over_data": self.levels, "stage": ["toy"] * count}
        return {**super().done(result), "settling": settling}


class CurvedMolecule(BranchToy):
    """A molecule whose runs end with settling curves, a branch's from the branch on."""

    def view(self, plan: Plan, settings: SampleSettings) -> ToyView:
        sigmas = settings.build_schedule(self.net.sigma_data).sigmas.tolist()[:-1]
        levels = [sigma / self.net.sigma_data for sigma in sigmas]
        return CurvedView(self.kind, settings.samples, ("global", "angles", "bonds"), levels)


class IdeaToy(BranchToy):
    """Only its prior can be left."""

    branches = ("prior",)
    concept_map, drawing = PictureToy.concept_map, PictureToy.drawing

    def __init__(self) -> None:
        super().__init__("image", "dalle2")
        self.prior = MeansNet(torch.zeros(8), 1.0)
        self.prior.name = "prior"  # type: ignore[misc]

    def start(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        ideas = levels_left("prior", 1.0, settings, branch)
        start = super().start(plan, settings)
        stage = {"name": "prior", "sigma_data": 1.0, "sigmas": ideas.sigmas.tolist(), "unit": ""}
        start["stages"] = [stage, *start["stages"]]
        if branch is not None:
            start["branch"] = branch.told(ideas)
        return start

    def run(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> Run[Tensor]:
        state = None
        if branch is not None:
            before = self.run(branch.plan, branch.settings, branch.branch)
            state = yield from reach(before, branch.stage, branch.step)
            state = branch.begin(state, settings, stream=0)
        wanted = Plan(plan.name, plan.mean.flatten()[:8])
        fresh = sample_generators(settings.seed, settings.samples)
        idea = yield from sample(
            self.prior,
            (8,),
            levels_left("prior", 1.0, settings, branch),
            state.generators if state else fresh,
            cond=wanted,
            sampler=settings.sampler,
            start=state.x if state else None,
        )
        mean = (plan.mean + 0.1 * idea[0, :3]).clamp(-0.9, 0.9)
        try:
            return (
                yield from sample(
                    self.net,
                    mean.shape,
                    settings.build_schedule(self.net.sigma_data),
                    sample_generators(settings.seed, settings.samples),
                    cond=Plan(plan.name, mean),
                    sampler=settings.sampler,
                )
            )
        finally:
            self.ended.release()

    def view(self, plan: Plan, settings: SampleSettings) -> ToyView:
        sigmas = settings.build_schedule(self.net.sigma_data).sigmas.tolist()[:-1]
        levels = [sigma / self.net.sigma_data for sigma in sigmas]
        return CurvedView("image", settings.samples, ("low", "middle", "high"), levels)
