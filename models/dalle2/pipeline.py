"""Pipeline ``dalle2``: text -> prior -> decoder -> three upsamplers, composed of one sampler.

Each stage is a ``yield from``; nothing here runs a network, so rows of many visitors share forwards.
What may be asked for is in `inputs.py`, the geometry of unCLIP's tricks in `tricks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.branching import Branch
from models.cached import Cached
from models.checkpoint import fingerprint
from models.dalle2 import clip, concept_map, copying, decoder, fast, inputs, prior, text
from models.dalle2.data import to_uint8
from models.dalle2.inputs import End, Interpolate, Picture, Plan
from models.dalle2.judging import load_judge
from models.dalle2.levels import Levels
from models.dalle2.painters import Begun, Painters
from models.dalle2.readers import PictureReader, TextReader, captions_request
from models.dalle2.sources import (
    Embedders,
    Sources,
    prior_generators,
    prior_rows,
    weights_of,
)
from models.dalle2.upsampler import UPSAMPLERS
from models.dalle2.view import Dalle2Result, Dalle2View
from models.diffusion.branch import reach, unseen
from models.diffusion.sampler import SAMPLERS, Run, run
from models.evaluation import classifier
from models.inference import arithmetic_name
from models.pipeline import (
    SAMPLER_BOUNDS,
    InputError,
    SampleSettings,
    ScheduleSpec,
    counted,
    outside_training,
    stage_data,
)

CONCEPTS = 3  # nearest concepts told per caption


class Dalle2:
    """See :class:`models.pipeline.Pipeline`. Construction raises CheckpointError."""

    id = "dalle2"
    title = "A tiny DALL·E 2"
    defaults = SampleSettings(
        steps=24,
        guidance_scale=3.0,
        schedule=ScheduleSpec("karras", sigma_max=40.0, sigma_min=0.02, rho=5.0),
    )
    bounds: Mapping[str, tuple[float, float]] = {
        **SAMPLER_BOUNDS,
        "steps": (1, 200),
        "samples": (1, 8),
        "guidance_scale": (0, 10),
        "sigma_max": (0.05, 1000),
        "sigma_min": (0.0005, 10),
        "gamma_min": (0, 1000),
    }
    samplers = SAMPLERS
    branches = (prior.Prior.name, decoder.Decoder.name, *(net.name for net in UPSAMPLERS))
    examples = tuple(
        {"label": prompt, "input": {"prompt": prompt}}
        for prompt in (
            "a sunflower",
            "a green apple on a pink background",
            "a slice of pizza",
            "a unicorn",
            "a house",
            "a red heart on a black background",
            "a bicycle",
        )
    )

    def __init__(self) -> None:
        encoder, self.tokenizer = text.load_text()
        self.judge = load_judge()
        self.clip = self.judge.clip
        self.reader = TextReader(encoder, self.clip)
        self.text = Cached(self.reader, lambda request: tuple(tuple(ids) for ids in request.cond))
        self.prior = prior.Prior.load()
        self.decoder = decoder.Decoder.load()
        self.upsamplers = tuple(kind.load() for kind in UPSAMPLERS)
        self.levels = Levels(self.prior, self.decoder, self.upsamplers)
        self.painters = Painters((self.decoder, *self.upsamplers))
        self.nets = {net.name: net for net in (self.prior, *self.painters.nets)}
        self.map = concept_map.load_map()
        self.embedders = Embedders(self.text, PictureReader(self.clip), self.prior)
        files = [text, clip, prior, decoder, classifier]
        files += [copying] if self.judge.drawings else []
        files += [concept_map] if self.map else []
        paths = [m.CHECKPOINT for m in files] + [kind.checkpoint for kind in UPSAMPLERS]
        self.checkpoints: Mapping[str, str] = {path.name: fingerprint(path) for path in paths}
        self.backend = f"torch {arithmetic_name()}"

    def use_openvino(self, *threads: int) -> None:
        """From now on the diffusion networks run in OpenVINO, prepared for each of these numbers of
        threads to a forward, the first of which counts until a network is told otherwise; it must be
        installed."""
        for net in self.nets.values():
            net.use_openvino(*threads)
        self.backend = f"{fast.version()} {fast.precision()}"

    def use_torch(self, dtype: torch.dtype | None = None) -> None:
        """From now on they run in torch, in ``dtype`` or what the processor is fastest in."""
        for net in self.nets.values():
            net.use_torch(dtype)
        self.backend = f"torch {arithmetic_name(dtype)}"

    @property
    def caches(self) -> tuple[Cached, ...]:
        return (self.text,)

    @property
    def trained(self) -> list[dict[str, Any]]:
        """What each network of a schedule that visitors choose was trained at."""
        return [stage_data(self.decoder, "pixel RMS")]

    def parse(self, input: Mapping[str, Any]) -> Plan:
        return inputs.parse(input, self.tokenizer)

    def cost(self, plan: Plan, settings: SampleSettings, branch: Branch | None = None) -> float:
        """Units of work: steps of the decoder for one picture, or what takes as long."""
        return self.levels.work(plan, settings, branch)

    def start(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        if isinstance(plan, Interpolate) and settings.samples < 2:
            highest = int(self.bounds["samples"][1])
            raise InputError(
                "settings.samples",
                f"is {settings.samples}, a path needs both of its ends",
                f"a whole number from 2 to {highest}",
            )
        walked = self.levels.walked(plan, settings, branch)
        stages = [
            {
                **stage_data(
                    net, "embedding RMS" if net is self.prior else "pixel RMS", walked[name]
                ),
                **({} if net is self.prior else {"size": [net.shape[2], net.shape[1]]}),
            }
            for name, net in self.nets.items()
            if name in walked
        ]
        notes = list(plan.notes)
        if self.decoder.name in walked:
            notes += outside_training(self.decoder, "pixel RMS", walked[self.decoder.name])
        captions = self._captions(plan)
        return {
            "kind": plan.kind,
            "stages": stages,
            "weights": weights_of(plan, settings.samples),
            "ends": {role: _end_data(end) for role, end in plan.ends.items()},
            "captions": captions,
            "notes": notes,
            "words": captions[0]["words"] if captions else [],
            "concepts": captions[0]["concepts"] if captions else [],
            **({} if branch is None else {"branch": branch.told(walked[branch.stage])}),
        }

    def _captions(self, plan: Plan) -> list[dict[str, Any]]:
        """How every caption was read. The reading is remembered, so the run does not pay for it."""
        if not plan.captions:
            return []
        with torch.inference_mode():
            (read,) = self.text.answer([captions_request(self.text, plan.captions)])
        return [
            {
                "prompt": caption.prompt,
                "words": [
                    {"word": word, "known": known, "pieces": list(pieces)}
                    for word, known, pieces in zip(
                        caption.tokens.words,
                        caption.tokens.known,
                        caption.tokens.pieces,
                        strict=True,
                    )
                ],
                "concepts": self.map.nearest(embed, CONCEPTS) if self.map else [],
            }
            for caption, embed in zip(plan.captions, read["text_embed"], strict=True)
        ]

    def run(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> Run[Dalle2Result]:
        calls: dict[str, int] = {}
        begun = yield from counted(self._begin(plan, settings, branch), calls)
        levels = self.levels.walked(plan, settings, branch)
        images = yield from counted(self.painters.paint(begun, settings, levels), calls)
        sources, caption = begun.sources, begun.sources.caption_embed
        verdict = yield self.judge.request(
            images, None if caption is None else caption.expand(len(images), -1)
        )
        return Dalle2Result(images, sources.image_embed, sources.prior, caption, verdict, calls)

    def _begin(self, plan: Plan, settings: SampleSettings, branch: Branch | None) -> Run[Begun]:
        """Everything before the painters; of a branch, first the run that it goes on from, unseen."""
        levels = self.levels.whole(settings)[self.prior.name]
        if branch is None:
            return Begun((yield from self.embedders.sources(plan, settings, levels)))
        again = settings.seed == branch.settings.seed
        before = self._begin(branch.plan, branch.settings, branch.branch)
        if branch.stage == self.prior.name:
            state = yield from reach(before, branch.stage, branch.step)
            if not again:
                rows = prior_rows(plan, settings.samples)
                state = state.renewed(prior_generators(settings.seed, rows, branch=True))
            levels = self.levels.walked(plan, settings, branch)[self.prior.name]
            return Begun((yield from self.embedders.sources(plan, settings, levels, state)))
        begun = yield from unseen(before)
        walked = self.levels.walked(branch.plan, branch.settings, branch.branch)
        painted = self.painters.paint(begun, branch.settings, walked)
        state = yield from reach(painted, branch.stage, branch.step)
        sources = begun.sources
        if plan != branch.plan:
            sources = yield from self.embedders.sources(plan, settings, levels)
        if not again:
            state = self.painters.renewed(state, branch.stage, settings, sources)
        return Begun(sources, branch.stage, state)

    def draw(
        self, read: Mapping[str, Tensor], settings: SampleSettings, *, size: int | None = None
    ) -> Run[Dalle2Result]:
        """Prior and painters for one text that has been read (states (1, T, width), text_embed
        (1, embed)), up to pictures of `size` pixels, judged by nobody."""
        levels = self.levels.whole(settings)
        sources = yield from self.embedders.of_text(read, settings, levels[self.prior.name])
        images = yield from self.painters.paint(Begun(sources), settings, levels, size)
        return Dalle2Result(images, sources.image_embed, sources.prior, sources.caption_embed)

    def paint(
        self,
        image_embed: Tensor,
        text_embed: Tensor,
        settings: SampleSettings,
        *,
        has_text: Tensor | None = None,
        states: Tensor | None = None,
        size: int | None = None,
    ) -> Run[Tensor]:
        """Decoder and upsamplers for given embeddings (S, embed), unit length. -> (S, 3, H, H)

        has_text: (S,) bool, rows of False are drawn from the image embedding alone; states: (S, T,
        width) token states of the text, which the decoder reads beside its embedding; size: stop at the
        stage of that many pixels, 16, 32, 64 or 128; None goes to the end.
        """
        told = torch.ones(settings.samples, dtype=torch.bool) if has_text is None else has_text
        sources = Sources(image_embed, text_embed, told, None, None, states=states)
        return self.painters.paint(Begun(sources), settings, self.levels.whole(settings), size)

    def view(self, plan: Plan, settings: SampleSettings) -> Dalle2View:
        return Dalle2View(settings.samples)

    def concept_map(self) -> dict[str, Any] | None:
        """The concepts in two dimensions, see :meth:`ConceptMap.data`; None without a fitting map."""
        return self.map.data(scale=self.prior.config.embed**0.5) if self.map else None

    def drawing(self, index: int) -> np.ndarray | None:
        """One training drawing, (32, 32, 3) uint8; None without fitting drawings. Raises IndexError."""
        drawings = self.judge.drawings
        return drawings.thumbnail(index) if drawings else None

    def warm_up(self) -> None:
        quick = SampleSettings(steps=2, guidance_scale=2.0)
        for samples in (1, 4):
            run(self.run(self.parse({"prompt": "a cat"}), replace(quick, samples=samples)))


def _end_data(end: End) -> dict[str, Any]:
    """An end as the ``start`` event shows it: its caption, or the picture as CLIP sees it."""
    if isinstance(end, Picture):
        return {"image": to_uint8(end.pixels[0])}
    return {"prompt": end.prompt}
