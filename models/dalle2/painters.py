"""The painters of ``dalle2``, one after the other: the decoder draws, the upsamplers sharpen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.branching import BRANCH_STREAM
from models.dalle2.network import StageNetwork
from models.dalle2.sources import Sources, plain_sampler
from models.dalle2.upsampler import Upsampler, centre, upsample
from models.diffusion.branch import State
from models.diffusion.sampler import Run, sample
from models.diffusion.schedule import Schedule
from models.pipeline import SampleSettings, sample_generators

PAINTER_STREAM = 2  # of random numbers: the decoder's, then the upsamplers'; the prior has 0 and 1


@dataclass(frozen=True)
class Begun:
    """What a run has when its painters begin: the sources they draw from and, of a branch of one of them,
    its stage and the state that it goes on from."""

    sources: Sources
    stage: str = ""
    state: State | None = None


@dataclass(frozen=True)
class Painters:
    """nets: in the order of their work."""

    nets: Sequence[StageNetwork]

    def paint(
        self,
        begun: Begun,
        settings: SampleSettings,
        levels: Mapping[str, Schedule],
        size: int | None = None,
    ) -> Run[Tensor]:
        """Along ``levels``, by those who have any, up to pictures of ``size`` pixels. -> (S, 3, H, H)"""
        sources, low = begun.sources, torch.empty(0)
        for number, net in enumerate(self.nets):
            if net.name not in levels or (size is not None and net.shape[-1] > size):
                continue
            state = begun.state if begun.stage == net.name else None
            start = state.x if state else None
            generators: Sequence[torch.Generator] = (
                state.generators
                if state
                else _noise(settings, PAINTER_STREAM + number, sources.same_noise)
            )
            if isinstance(net, Upsampler):
                low = yield from upsample(
                    net,
                    state.cond["low"] if state else low,
                    levels[net.name],
                    generators,
                    plain_sampler(settings.sampler),
                    start,
                )
                continue
            base = yield from sample(
                net,
                net.shape,
                levels[net.name],
                generators,
                cond=sources.condition(settings.guidance_scale),
                sampler=settings.sampler,
                noise_scale=settings.noise_scale,
                step_scale=settings.step_scale,
                start=start,
            )
            low = base.clamp(-1, 1)
        return low

    def renewed(
        self, state: State, stage: str, settings: SampleSettings, sources: Sources
    ) -> State:
        """A painter's state with noise of these settings' seed."""
        number, net = next((i, net) for i, net in enumerate(self.nets) if net.name == stage)
        stream = PAINTER_STREAM + number + BRANCH_STREAM
        generators = _noise(settings, stream, sources.same_noise)
        if not isinstance(net, Upsampler):
            return state.renewed(generators)
        start = net.config.sigma_start
        return state.renewed(
            generators, centre(state.denoised, state.cond["low"], state.sigma, start)
        )


def _noise(settings: SampleSettings, stream: int, same: bool) -> list[torch.Generator]:
    """Of every sample of a painter; ``same``: the first one's for all of them."""
    if same:
        return [sample_generators(settings.seed, 1, stream)[0] for _ in range(settings.samples)]
    return sample_generators(settings.seed, settings.samples, stream)
