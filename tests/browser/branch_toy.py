"""Pipelines whose runs can be left: exact networks that know where each input ends."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from toy import ETHANOL, ExactNet, Toy, ToyView

from models.branching import Branch, levels_left
from models.diffusion.branch import reach
from models.diffusion.sampler import Request, Run, sample
from models.pipeline import InputError, SampleSettings, sample_generators


@dataclass(frozen=True, eq=False)
class Plan:
    """Where samples of an input lie, with the input's name."""

    name: str
    mean: Tensor


class MeansNet(ExactNet):
    """The exact denoiser around the mean that each request brings."""

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        out = []
        for request in requests:
            self.mean = request.cond.mean
            out += super().answer([request])
        return out


class BranchToy(Toy):
    """A caption is a picture of its own; a molecule has as many atoms as its SMILES has letters."""

    branches = ("toy",)

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(kind, id)
        self.net = MeansNet(self.net.mean, 0.5)

    def parse(self, input: Mapping[str, Any]) -> Any:
        text = input.get("prompt") or input.get("smiles") or "any"
        rng = np.random.default_rng(zlib.crc32(text.encode()))
        if self.kind == "image":
            return Plan(text, torch.from_numpy(rng.uniform(-0.9, 0.9, (8, 8, 3))).float())
        return Plan(text, torch.from_numpy(np.resize(ETHANOL, (len(text), 3))))

    def start(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        start = super().start(plan, settings)
        schedule = levels_left(self.net.name, self.net.sigma_data, settings, branch)
        start["stages"][0]["sigmas"] = schedule.sigmas.tolist()
        start["title"] = plan.name
        if branch is not None:
            branch.check(settings)
            start["branch"] = branch.told(schedule)
            if len(plan.mean) != len(branch.plan.mean):
                raise InputError(
                    "branch",
                    f"has {len(branch.plan.mean)} atoms, not {len(plan.mean)}",
                    "a molecule with as many",
                )
        return start

    def cost(self, plan: Plan, settings: SampleSettings, branch: Branch | None = None) -> float:
        return settings.steps

    def run(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> Run[Tensor]:
        state = None
        if branch is not None:
            before = self.run(branch.plan, branch.settings, branch.branch)
            state = yield from reach(before, branch.stage, branch.step)
            state = branch.begin(state, settings, stream=0)
        try:
            return (
                yield from sample(
                    self.net,
                    plan.mean.shape,
                    levels_left(self.net.name, self.net.sigma_data, settings, branch),
                    state.generators
                    if state
                    else sample_generators(settings.seed, settings.samples),
                    cond=plan,
                    sampler=settings.sampler,
                    start=state.x if state else None,
                )
            )
        finally:
            self.ended.release()

    def view(self, plan: Plan, settings: SampleSettings) -> ToyView:
        return ToyView(self.kind, settings.samples)
