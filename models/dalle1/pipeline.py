"""Pipeline ``dalle1``: caption -> codes one by one -> picture. The old way, beside ``dalle2``.

It reads the same captions with the same words, was trained on the same scenes and is judged by the same
judge, so that the page can run both on one caption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.cached import Cached
from models.checkpoint import CheckpointError, fingerprint
from models.dalle1 import tokenizer, transformer
from models.dalle1.drawing import draw
from models.dalle1.network import Painter, TokenNetwork
from models.dalle2 import clip, concept_map, text
from models.dalle2.data import to_uint8
from models.dalle2.inputs import PROMPT_ACCEPTED, Caption, caption
from models.dalle2.judging import Verdict, load_judge
from models.dalle2.readers import TextReader, captions_request
from models.diffusion.sampler import Request, Run, SamplerName, run
from models.evaluation import classifier
from models.evaluation.settling import Trace, image_settling
from models.inference import arithmetic, prepare
from models.pipeline import Frame, InputError, SampleSettings, counted, sample_generators

STREAM = 7  # of random numbers
PICTURE_EVERY = 2  # codes per streamed frame
GREY = 0.0  # what stands where nothing is drawn, on the scale [-1, 1]
CONCEPTS = 3  # nearest concepts told per caption


@dataclass(frozen=True)
class Dalle1Plan:
    """A caption; ids: its word pieces as far as the transformer reads them."""

    caption: Caption
    ids: tuple[int, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        tokens = self.caption.tokens
        unread = sum(len(pieces) for pieces in tokens.pieces) - len(self.ids)
        if not unread:
            return self.caption.notes
        others = self.caption.notes[:-1] if tokens.truncated else self.caption.notes
        return (*others, f"Only the first {len(self.ids)} word pieces were read.")


@dataclass(frozen=True)
class Drawing:
    """images: (S, 3, 32, 32) in [-1, 1]; codes: (S, 64) that they were painted from; text_embed:
    (embed,) CLIP's reading of the caption."""

    images: Tensor
    codes: Tensor
    text_embed: Tensor


@dataclass(frozen=True)
class Dalle1Result:
    """calls: forwards asked for, by network."""

    drawing: Drawing
    verdict: Verdict
    calls: Mapping[str, int]


class Dalle1View:
    """Frames as uint8 (32, 32, 3), with a leading axis for several samples.

    ``denoised`` is the decoder's picture of the codes so far, with every missing code replaced by the
    mean one of its place over the training pictures; ``x`` is the same picture with those places grey.
    Neither is a guess of the transformer's: it has none about places beyond the next.
    """

    def __init__(self, samples: int, side: int) -> None:
        self.samples, self.side = samples, side
        self.traces: list[Trace] = []

    def _squeeze(self, array: np.ndarray) -> np.ndarray:
        return array[0] if self.samples == 1 else array

    def frame(self, request: Request, denoised: Mapping[str, Any]) -> Frame:
        picture: Tensor = denoised["picture"]
        drawn = (request.x >= 0).unflatten(1, (self.side, self.side))
        scale = picture.shape[-1] // self.side
        shown = drawn.repeat_interleave(scale, 1).repeat_interleave(scale, 2)[:, None]
        first = picture[0].permute(1, 2, 0).numpy()
        self.traces.append(Trace("tokens", request.step, 1 - request.step / request.steps, first))
        return Frame(
            stage="tokens",
            step=request.step,
            steps=request.steps,
            sigma=None,
            sigma_data=None,
            x=self._squeeze(to_uint8(torch.where(shown, picture, GREY))),
            denoised=self._squeeze(to_uint8(picture)),
        )

    def done(self, result: Dalle1Result) -> dict[str, Any]:
        images, codes = result.drawing.images, result.drawing.codes
        final = images[0].permute(1, 2, 0).numpy()
        # There is no noise level: the curves run over the share of codes that is still missing.
        settling = image_settling(self.traces, final)
        left = settling["sigma_over_data"]
        return {
            "sample": self._squeeze(to_uint8(images)),
            "codes": self._squeeze(codes.numpy().astype(np.int16)),
            "settling": {**settling, "sigma_over_data": [None] * len(left), "left": left},
            "text_embed": result.drawing.text_embed.numpy().astype(np.float16),
            "image_embed": result.verdict.image_embed.numpy().astype(np.float16),
            "calls": dict(result.calls),
            **result.verdict.data(),
        }


class Dalle1:
    """See :class:`models.pipeline.Pipeline`. Construction raises CheckpointError."""

    id = "dalle1"
    title = "A tiny DALL·E 1"
    defaults = SampleSettings(steps=64, guidance_scale=3.0, temperature=0.6, top_k=64)
    uses = frozenset({"seed", "samples", "guidance_scale", "temperature", "top_k"})
    bounds: Mapping[str, tuple[float, float]] = {
        "samples": (1, 8),
        "guidance_scale": (0, 10),
        "temperature": (0, 2),
        "top_k": (1, 1024),
    }
    samplers: tuple[SamplerName, ...] = (defaults.sampler,)
    examples = tuple(
        {"label": prompt, "input": {"prompt": prompt}}
        for prompt in (
            "a sunflower",
            "a green apple on a pink background",
            "a slice of pizza",
            "a unicorn",
            "a red heart on a black background",
        )
    )

    def __init__(self) -> None:
        encoder, self.tokenizer = text.load_text()
        net, trained_with = transformer.load_transformer()
        for needed in (text, clip, tokenizer):
            path = needed.CHECKPOINT
            if trained_with.get(path.name) != fingerprint(path):
                raise CheckpointError(
                    transformer.CHECKPOINT, f"was trained with another {path.name}"
                )
        self.judge = load_judge()
        self.map = concept_map.load_map()
        self.clip = self.judge.clip
        self.reader = TextReader(encoder, self.clip)
        self.text = Cached(self.reader, lambda request: tuple(tuple(ids) for ids in request.cond))
        codec = tokenizer.load_tokenizer()
        codec.decoder = prepare(codec.decoder, arithmetic())  # type: ignore[assignment]
        self.tokens = TokenNetwork(net, codec, encoder.table.weight.detach())
        self.painter = Painter(self.tokens)
        files = (text, clip, classifier, tokenizer, transformer)
        self.checkpoints: Mapping[str, str] = {
            m.CHECKPOINT.name: fingerprint(m.CHECKPOINT) for m in files
        }

    @property
    def caches(self) -> tuple[Cached, ...]:
        return (self.text,)

    def parse(self, input: Mapping[str, Any]) -> Dalle1Plan:
        unknown = set(input) - {"prompt"}
        if unknown:
            accepted = '{"prompt": text}'
            raise InputError(f"input.{min(unknown)}", "is not an input of dalle1", accepted)
        if "prompt" not in input:
            raise InputError("input.prompt", "is missing", PROMPT_ACCEPTED)
        read = caption(input["prompt"], "input.prompt", self.tokenizer)
        return Dalle1Plan(read, read.tokens.ids[: self.tokens.config.text])

    def cost(self, plan: Dalle1Plan, settings: SampleSettings) -> float:
        """Units of work, see app/cost.py: a code costs about a quarter of a small picture's step."""
        twice = 2 if settings.guidance_scale != 1 else 1
        return self.tokens.config.places * settings.samples * twice / 4

    def start(self, plan: Dalle1Plan, settings: SampleSettings) -> dict[str, Any]:
        config, words = self.tokens.config, plan.caption.tokens
        with torch.inference_mode():
            (read,) = self.text.answer([captions_request(self.text, [plan.caption])])
        return {
            "stages": [
                {
                    "name": "tokens",
                    "steps": config.places,
                    "sigma_data": None,
                    "sigmas": None,
                    "unit": "token",
                    "grid": [config.side, config.side],
                }
            ],
            "notes": list(plan.notes),
            "words": [
                {"word": word, "known": known, "pieces": list(pieces)}
                for word, known, pieces in zip(words.words, words.known, words.pieces, strict=True)
            ],
            "concepts": self.map.nearest(read["text_embed"][0], CONCEPTS) if self.map else [],
        }

    def run(self, plan: Dalle1Plan, settings: SampleSettings) -> Run[Dalle1Result]:
        calls: dict[str, int] = {}
        drawing = yield from counted(self.paint(plan, settings), calls)
        embed = drawing.text_embed.expand(settings.samples, -1)
        verdict = yield self.judge.request(drawing.images, embed)
        return Dalle1Result(drawing, verdict, calls)

    def paint(self, plan: Dalle1Plan, settings: SampleSettings) -> Run[Drawing]:
        """The drawing alone, nothing judged."""
        read = yield captions_request(self.text, [plan.caption])
        codes = yield from draw(
            self.tokens,
            self.tokens.config,
            plan.ids,
            read["text_embed"],
            sample_generators(settings.seed, settings.samples, STREAM),
            temperature=settings.temperature,
            top_k=settings.top_k,
            guidance_scale=settings.guidance_scale,
            picture_every=PICTURE_EVERY,
        )
        images = yield Request(self.painter, codes, torch.zeros(len(codes)), frame=False)
        return Drawing(images, codes, read["text_embed"][0])

    def view(self, plan: Dalle1Plan, settings: SampleSettings) -> Dalle1View:
        return Dalle1View(settings.samples, self.tokens.config.side)

    def warm_up(self) -> None:
        for samples in (1, 4):
            run(self.run(self.parse({"prompt": "a cat"}), replace(self.defaults, samples=samples)))
