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

from models.cached import Cached
from models.checkpoint import fingerprint
from models.dalle2 import clip, concept_map, copying, decoder, fast, inputs, prior, text
from models.dalle2.data import to_uint8
from models.dalle2.inputs import End, Interpolate, Picture, Plan
from models.dalle2.judging import load_judge
from models.dalle2.network import StageNetwork
from models.dalle2.readers import PictureReader, TextReader, captions_request
from models.dalle2.sources import Embedders, Sources, plain_sampler, weights_of
from models.dalle2.upsampler import UPSAMPLERS, upsample, upsampler_schedule
from models.dalle2.view import Dalle2Result, Dalle2View
from models.diffusion.sampler import SAMPLERS, Run, run, sample
from models.diffusion.schedule import Schedule, karras, without_churn
from models.evaluation import classifier
from models.pipeline import (
    SAMPLER_BOUNDS,
    InputError,
    SampleSettings,
    ScheduleSpec,
    counted,
    sample_generators,
)

# Streams of random numbers; the prior has 0 and 1, the upsamplers 3, 4 and 5.
DECODER_STREAM, UPSAMPLER_STREAM = 2, 3
PRIOR_WORK = 0.2  # of a step, in steps of the decoder
CONCEPTS = 3  # nearest concepts told per caption


def prior_schedule(steps: int) -> Schedule:
    """The prior's levels for a decoder of that many steps: embeddings settle in fewer."""
    return without_churn(karras(min(max(steps // 2, 1), 40), 0.05, 20.0))


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
        self.clip = clip.load_clip()
        self.reader = TextReader(encoder, self.clip)
        self.text = Cached(self.reader, lambda request: tuple(tuple(ids) for ids in request.cond))
        self.prior = prior.Prior.load()
        self.decoder = decoder.Decoder.load()
        self.upsamplers = tuple(kind.load() for kind in UPSAMPLERS)
        self.judge = load_judge()
        self.map = concept_map.load_map()
        self.embedders = Embedders(self.text, PictureReader(self.clip), self.prior)
        files = [text, clip, prior, decoder, classifier]
        files += [copying] if self.judge.drawings else []
        files += [concept_map] if self.map else []
        paths = [m.CHECKPOINT for m in files] + [kind.checkpoint for kind in UPSAMPLERS]
        self.checkpoints: Mapping[str, str] = {path.name: fingerprint(path) for path in paths}
        self.backend = "torch bf16"

    def use_openvino(self, *threads: int) -> None:
        """From now on the diffusion networks run in OpenVINO, prepared for each of these numbers of
        threads to a forward, the first of which counts until a network is told otherwise; it must be
        installed."""
        for net in (self.prior, self.decoder, *self.upsamplers):
            net.compile(*threads)
        self.backend = f"{fast.version()} {fast.precision()}"

    def use_torch(self) -> None:
        for net in (self.prior, self.decoder, *self.upsamplers):
            net.uncompile()
        self.backend = "torch bf16"

    @property
    def caches(self) -> tuple[Cached, ...]:
        return (self.text,)

    def parse(self, input: Mapping[str, Any]) -> Plan:
        return inputs.parse(input, self.tokenizer)

    def cost(self, plan: Plan, settings: SampleSettings) -> float:
        """Units of work: steps of the decoder for one picture, or what takes as long."""
        prior_levels, levels, fine_levels = self._schedules(settings)
        steps = PRIOR_WORK * prior_levels.steps + levels.steps
        steps += sum(n.work * f.steps for n, f in zip(self.upsamplers, fine_levels, strict=True))
        return steps * settings.samples * (2 if settings.sampler == "heun" else 1)

    def _schedules(self, settings: SampleSettings) -> tuple[Schedule, Schedule, list[Schedule]]:
        """Of the prior, the decoder and every upsampler."""
        try:
            main = settings.build_schedule(self.decoder.sigma_data)
        except ValueError as error:
            raise InputError(
                "settings.schedule", str(error), "falling levels that end in 0"
            ) from error
        return (
            prior_schedule(main.steps),
            main,
            [upsampler_schedule(main.steps, net.config) for net in self.upsamplers],
        )

    def start(self, plan: Plan, settings: SampleSettings) -> dict[str, Any]:
        if isinstance(plan, Interpolate) and settings.samples < 2:
            highest = int(self.bounds["samples"][1])
            raise InputError(
                "settings.samples",
                f"is {settings.samples}, a path needs both of its ends",
                f"a whole number from 2 to {highest}",
            )
        nets: tuple[StageNetwork, ...] = (self.prior, self.decoder, *self.upsamplers)
        prior_levels, levels, fine_levels = self._schedules(settings)
        stages = [
            {
                "name": net.name,
                "sigma_data": net.sigma_data,
                "sigmas": schedule.sigmas.tolist(),
                "unit": "embedding RMS" if net is self.prior else "pixel RMS",
                **({} if net is self.prior else {"size": [net.shape[2], net.shape[1]]}),
            }
            for net, schedule in zip(nets, (prior_levels, levels, *fine_levels), strict=True)
        ]
        if all(isinstance(end, Picture) for end in plan.ends.values()):
            stages = stages[1:]  # no caption has to become an image embedding
        captions = self._captions(plan)
        return {
            "kind": plan.kind,
            "stages": stages,
            "weights": weights_of(plan, settings.samples),
            "ends": {role: _end_data(end) for role, end in plan.ends.items()},
            "captions": captions,
            "notes": list(plan.notes),
            "words": captions[0]["words"] if captions else [],
            "concepts": captions[0]["concepts"] if captions else [],
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

    def run(self, plan: Plan, settings: SampleSettings) -> Run[Dalle2Result]:
        calls: dict[str, int] = {}
        levels, _, _ = self._schedules(settings)
        sources = yield from counted(self.embedders.sources(plan, settings, levels), calls)
        images = yield from counted(self._paint(sources, settings), calls)
        caption = sources.caption_embed
        verdict = yield self.judge.request(
            images, None if caption is None else caption.expand(len(images), -1)
        )
        return Dalle2Result(images, sources.image_embed, sources.prior, caption, verdict, calls)

    def draw(
        self, read: Mapping[str, Tensor], settings: SampleSettings, *, size: int | None = None
    ) -> Run[Dalle2Result]:
        """Prior and painters for one text that has been read (states (1, T, width), text_embed
        (1, embed)), up to pictures of `size` pixels, judged by nobody."""
        levels, _, _ = self._schedules(settings)
        sources = yield from self.embedders.of_text(read, settings, levels)
        images = yield from self._paint(sources, settings, size)
        return Dalle2Result(images, sources.image_embed, sources.prior, sources.caption_embed)

    def _paint(
        self, sources: Sources, settings: SampleSettings, size: int | None = None
    ) -> Run[Tensor]:
        return self.paint(
            sources.image_embed,
            sources.text_embed,
            settings,
            has_text=sources.has_text,
            states=sources.states,
            same_noise=sources.same_noise,
            size=size,
        )

    def paint(
        self,
        image_embed: Tensor,
        text_embed: Tensor,
        settings: SampleSettings,
        *,
        has_text: Tensor | None = None,
        states: Tensor | None = None,
        same_noise: bool = False,
        size: int | None = None,
    ) -> Run[Tensor]:
        """Decoder and upsamplers for given embeddings (S, embed), unit length. -> (S, 3, H, H)

        has_text: (S,) bool, rows of False are drawn from the image embedding alone; states: (S, T,
        width) token states of the text, which the decoder reads beside its embedding; same_noise: every
        sample starts from the first one's noise, so that only the embeddings tell them apart; size:
        stop at the stage of that many pixels, 16, 32, 64 or 128; None goes to the end.
        """
        rows = settings.samples
        _, levels, fine_levels = self._schedules(settings)

        def noise(stream: int) -> list[torch.Generator]:
            if same_noise:
                return [sample_generators(settings.seed, 1, stream)[0] for _ in range(rows)]
            return sample_generators(settings.seed, rows, stream)

        base = yield from sample(
            self.decoder,
            self.decoder.shape,
            levels,
            noise(DECODER_STREAM),
            cond={
                "image_embed": image_embed,
                "text_embed": text_embed,
                "has_text": torch.ones(rows, dtype=torch.bool) if has_text is None else has_text,
                "guidance_scale": torch.full((rows,), float(settings.guidance_scale)),
                **({} if states is None else {"states": states}),
            },
            sampler=settings.sampler,
            noise_scale=settings.noise_scale,
            step_scale=settings.step_scale,
        )
        low = base.clamp(-1, 1)
        for number, (net, schedule) in enumerate(zip(self.upsamplers, fine_levels, strict=True)):
            if size is None or net.size <= size:
                generators = noise(UPSAMPLER_STREAM + number)
                low = yield from upsample(
                    net, low, schedule, generators, plain_sampler(settings.sampler)
                )
        return low

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
