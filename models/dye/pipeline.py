"""Pipeline ``dye``: particles of a stirred drop, traced back by the same sampler as the two models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.branching import Branch, forwards, levels_left
from models.diffusion.branch import reach
from models.diffusion.sampler import SAMPLERS, Request, Run, run, sample
from models.dye.denoiser import ExactDenoiser
from models.dye.shapes import SHAPES, centres
from models.evaluation.settling import Trace, particle_settling
from models.pipeline import (
    SAMPLER_BOUNDS,
    Frame,
    InputError,
    SampleSettings,
    ScheduleSpec,
    sample_generators,
    stage_data,
)

PARTICLES = 1500


@dataclass(frozen=True)
class DyePlan:
    shape: str
    means: Tensor  # (K, 2)
    notes: tuple[str, ...] = ()


class DyeView:
    """Frames as float16 (P, 2) in units of the shape's RMS: half the bytes, and at the data's scale a
    step of float16 is a thousandth of the drop."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.traces: list[Trace] = []

    def _array(self, x: Tensor) -> np.ndarray:
        array = x.float().cpu().numpy()
        return array[0] if self.samples == 1 else array

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        net, sigma = request.net, float(request.sigma[0])
        first = denoised[0].float().cpu().numpy()
        self.traces.append(Trace(net.name, request.step, sigma / net.sigma_data, first))
        return Frame(
            stage=net.name,
            step=request.step,
            steps=request.steps,
            sigma=sigma,
            sigma_data=net.sigma_data,
            x=self._array(request.x).astype(np.float16),
            denoised=self._array(denoised).astype(np.float16),
        )

    def done(self, result: Tensor) -> dict[str, Any]:
        final = result[0].float().cpu().numpy()
        return {
            "sample": self._array(result),
            "settling": particle_settling(self.traces, final),
        }


class Dye:
    id = "dye"
    title = "A drop of dye"
    defaults = SampleSettings(
        steps=50, schedule=ScheduleSpec("karras", sigma_max=10.0, sigma_min=0.02, rho=7.0)
    )
    bounds: Mapping[str, tuple[float, float]] = {
        **SAMPLER_BOUNDS,
        "steps": (1, 400),
        "samples": (1, 4),
        "guidance_scale": (1, 1),
        "sigma_max": (0.01, 1000),
        "sigma_min": (0.0001, 100),
        "gamma_min": (0, 1000),
    }
    samplers = SAMPLERS
    branches = (ExactDenoiser.name,)
    examples = tuple({"label": name, "input": {"shape": name}} for name in SHAPES)
    checkpoints: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.net = ExactDenoiser()

    def parse(self, input: Mapping[str, Any]) -> DyePlan:
        accepted = f'{{"shape": one of {", ".join(SHAPES)}}}'
        unknown = set(input) - {"shape"}
        if unknown:
            raise InputError(f"input.{min(unknown)}", "is not an input of dye", accepted)
        shape = input.get("shape", "drop")
        if not isinstance(shape, str) or shape not in SHAPES:
            raise InputError("input.shape", "is not a shape this drop knows", ", ".join(SHAPES))
        return DyePlan(shape, centres(shape))

    def start(
        self, plan: DyePlan, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        if branch is not None:
            branch.check(settings)
        schedule = levels_left(self.net.name, self.net.sigma_data, settings, branch)
        return {
            "stages": [stage_data(self.net, "drop sizes", schedule)],
            "notes": list(plan.notes),
            "particles": PARTICLES,
            **({} if branch is None else {"branch": branch.told(schedule)}),
        }

    def cost(self, plan: DyePlan, settings: SampleSettings, branch: Branch | None = None) -> float:
        """In forwards of one sample."""
        net = self.net
        return forwards(net.name, net.sigma_data, settings, branch) * settings.samples

    def run(
        self, plan: DyePlan, settings: SampleSettings, branch: Branch | None = None
    ) -> Run[Tensor]:
        state = None
        if branch is not None:
            before = self.run(branch.plan, branch.settings, branch.branch)
            state = yield from reach(before, branch.stage, branch.step)
            state = branch.begin(state, settings, stream=0)
        return (
            yield from sample(
                self.net,
                (PARTICLES, 2),
                levels_left(self.net.name, self.net.sigma_data, settings, branch),
                state.generators if state else sample_generators(settings.seed, settings.samples),
                cond=(plan.shape, plan.means),
                sampler=settings.sampler,
                noise_scale=settings.noise_scale,
                step_scale=settings.step_scale,
                start=state.x if state else None,
            )
        )

    def view(self, plan: DyePlan, settings: SampleSettings) -> DyeView:
        return DyeView(settings.samples)

    def warm_up(self) -> None:
        with torch.inference_mode():
            run(self.run(self.parse({}), SampleSettings(steps=2, schedule=self.defaults.schedule)))
