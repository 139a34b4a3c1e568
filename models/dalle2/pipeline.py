"""Pipeline ``dalle2``: text -> prior -> decoder -> upsampler, composed of one sampler.

Each stage is a ``yield from``; nothing here runs a network, so rows of many visitors share forwards.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import fingerprint
from models.dalle2 import clip, decoder, prior, text, upsampler
from models.dalle2.clip import Clip
from models.dalle2.data import to_uint8
from models.dalle2.text import MAX_TOKENS, TextEncoder, Tokens, pad
from models.diffusion.sampler import SAMPLERS, Network, Request, Run, SamplerName, run, sample
from models.diffusion.schedule import Schedule, karras, without_churn
from models.evaluation.settling import Trace, image_settling
from models.pipeline import (
    SAMPLER_BOUNDS,
    Frame,
    InputError,
    SampleSettings,
    ScheduleSpec,
    sample_generators,
)

MAX_PROMPT = 200
ACCEPTED = f"an English caption of 1 to {MAX_PROMPT} characters, for example: a green elephant"
PRIOR_GUIDANCE = 4.0  # the published default; below 3 concepts and grounds are missed more often
PRIOR_STREAMS, DECODER_STREAM, UPSAMPLER_STREAM = (0, 1), 2, 3


@dataclass(frozen=True)
class Dalle2Plan:
    """A caption and how its words were read."""

    prompt: str
    tokens: Tokens
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dalle2Result:
    """images: (S, 3, 32, 32) in [-1, 1]; image_embed: (S, embed) the chosen prior draws, unit length;
    chosen: (S,) which of the two draws; cosine: (S, 2) of both with the text embedding."""

    images: Tensor
    image_embed: Tensor
    chosen: Tensor
    cosine: Tensor


class TextReader:
    """Answers a request whose ``cond`` is one tuple of token ids per row, with token states and CLIP
    text embeddings. It has no noise level: sigma is zero and the answer is no picture."""

    name = "text"
    sigma_data = 1.0

    def __init__(self, encoder: TextEncoder, head: Clip) -> None:
        self.encoder, self.head = encoder, head

    def bucket(self, request: Request) -> Hashable:
        return self.name

    def answer(self, requests: Sequence[Request]) -> list[dict[str, Tensor]]:
        rows = [ids for request in requests for ids in request.cond]
        padded, mask = pad(rows)
        with torch.autocast("cpu", torch.bfloat16):
            states, sentence = self.encoder(padded, mask)
        embed = self.head.text_embed(sentence)
        answers = []
        start = 0
        for request in requests:
            end = start + len(request.cond)
            length = max(len(ids) for ids in request.cond)
            answers.append(
                {"states": states[start:end, :length].float(), "text_embed": embed[start:end]}
            )
            start = end
        return answers


def prior_schedule(steps: int) -> Schedule:
    """The prior's levels for a decoder of that many steps: embeddings settle in fewer."""
    return without_churn(karras(min(max(steps // 2, 1), 40), 0.05, 20.0))


def upsampler_schedule(steps: int, sigma_start: float) -> Schedule:
    """The upsampler's levels: a quarter of the decoder's steps, from sigma_start down."""
    return without_churn(karras(min(max(steps // 4, 1), 25), 0.03, sigma_start))


class Dalle2View:
    """Frames as uint8 (H, W, 3), noisy pictures drawn at data scale; the prior's as float16 vectors.

    Of the prior's two draws per sample the first is shown; ``done`` says which one was kept.
    """

    def __init__(self, plan: Dalle2Plan, samples: int) -> None:
        self.plan = plan
        self.samples = samples
        self.traces: list[Trace] = []

    def _squeeze(self, array: np.ndarray) -> np.ndarray:
        return array[0] if self.samples == 1 else array

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        net, sigma = request.net, float(request.sigma[0])
        spread = net.sigma_data / (sigma**2 + net.sigma_data**2) ** 0.5
        noisy, clean = request.x[: self.samples] * spread, denoised[: self.samples]
        if net.name == "prior":
            x, d = (t.float().cpu().numpy().astype(np.float16) for t in (noisy, clean))
        else:
            x, d = to_uint8(noisy), to_uint8(clean)
            first = clean[0].float().clamp(-1, 1).permute(1, 2, 0).cpu().numpy()
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
        return {
            "sample": self._squeeze(to_uint8(result.images)),
            "settling": image_settling(self.traces, final),
            "prior": {
                "chosen": result.chosen.tolist(),
                "cosine": [[round(float(c), 4) for c in row] for row in result.cosine],
            },
        }


def _spoken(pieces: Sequence[str]) -> str:
    """Word pieces as a visitor reads them, without the marks of continuation."""
    return " + ".join(piece.removeprefix("##") for piece in pieces)


class Dalle2:
    """See :class:`models.pipeline.Pipeline`. Construction raises CheckpointError."""

    id = "dalle2"
    title = "A tiny DALL·E 2"
    defaults = SampleSettings(
        steps=24,
        guidance_scale=2.0,
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
        self.text = TextReader(encoder, self.clip)
        self.prior = prior.Prior.load()
        self.decoder = decoder.Decoder.load()
        self.upsampler = upsampler.Upsampler.load()
        files = (text, clip, prior, decoder, upsampler)
        self.checkpoints: Mapping[str, str] = {
            m.CHECKPOINT.name: fingerprint(m.CHECKPOINT) for m in files
        }

    def parse(self, input: Mapping[str, Any]) -> Dalle2Plan:
        unknown = set(input) - {"prompt"}
        if unknown:
            raise InputError(
                f"input.{min(unknown)}", "is not an input of dalle2", '{"prompt": text}'
            )
        prompt = input.get("prompt")
        if not isinstance(prompt, str):
            raise InputError("input.prompt", "is missing or no text", ACCEPTED)
        prompt = " ".join(prompt.split())
        if not prompt:
            raise InputError("input.prompt", "is empty", ACCEPTED)
        if len(prompt) > MAX_PROMPT:
            raise InputError("input.prompt", f"has {len(prompt)} characters", ACCEPTED)
        tokens = self.tokenizer(prompt)
        if not tokens.ids:
            raise InputError("input.prompt", "has no word in Latin letters or digits", ACCEPTED)
        notes = [
            f"“{word}” is not in the vocabulary; it was read as {_spoken(pieces)}."
            for word, known, pieces in zip(tokens.words, tokens.known, tokens.pieces, strict=True)
            if not known
        ]
        if tokens.truncated:
            notes.append(f"Only the first {MAX_TOKENS} word pieces were read.")
        return Dalle2Plan(prompt, tokens, tuple(notes))

    def _schedules(self, settings: SampleSettings) -> tuple[Schedule, Schedule, Schedule]:
        try:
            main = settings.build_schedule(self.decoder.sigma_data)
        except ValueError as error:
            raise InputError(
                "settings.schedule", str(error), "falling levels that end in 0"
            ) from error
        return (
            prior_schedule(main.steps),
            main,
            upsampler_schedule(main.steps, self.upsampler.config.sigma_start),
        )

    def start(self, plan: Dalle2Plan, settings: SampleSettings) -> dict[str, Any]:
        nets: tuple[Network, ...] = (self.prior, self.decoder, self.upsampler)
        units = ("embedding RMS", "pixel RMS", "pixel RMS")
        return {
            "stages": [
                {
                    "name": net.name,
                    "sigma_data": net.sigma_data,
                    "sigmas": schedule.sigmas.tolist(),
                    "unit": unit,
                }
                for net, unit, schedule in zip(nets, units, self._schedules(settings), strict=True)
            ],
            "notes": list(plan.notes),
            "words": [
                {"word": word, "known": known, "pieces": list(pieces)}
                for word, known, pieces in zip(
                    plan.tokens.words, plan.tokens.known, plan.tokens.pieces, strict=True
                )
            ],
        }

    def run(self, plan: Dalle2Plan, settings: SampleSettings) -> Run[Dalle2Result]:
        read = yield Request(
            self.text, torch.zeros(1, 0), torch.zeros(1), cond=[plan.tokens.ids], frame=False
        )
        return (yield from self.draw(read, settings))

    def draw(self, read: Mapping[str, Tensor], settings: SampleSettings) -> Run[Dalle2Result]:
        """Prior, decoder and upsampler for one text that has been read."""
        rows, seed = settings.samples, settings.seed
        prior_levels, _, _ = self._schedules(settings)
        text_embed = read["text_embed"].expand(rows, -1)
        twice = [g for stream in PRIOR_STREAMS for g in sample_generators(seed, rows, stream)]
        draws = yield from sample(
            self.prior,
            self.prior.shape,
            prior_levels,
            twice,
            cond={
                "text_embed": text_embed.repeat(2, 1),
                "states": read["states"].expand(2 * rows, -1, -1),
                "guidance_scale": torch.full((2 * rows,), PRIOR_GUIDANCE),
            },
            sampler=_plain(settings.sampler),
        )
        image_embed, chosen = prior.better_of_two(draws[:rows], draws[rows:], text_embed)
        cosine = torch.nn.functional.cosine_similarity(
            draws.float(), text_embed.repeat(2, 1), dim=1
        )
        images = yield from self.paint(image_embed, text_embed, settings)
        return Dalle2Result(images, image_embed, chosen, cosine.view(2, rows).T)

    def paint(
        self, image_embed: Tensor, text_embed: Tensor, settings: SampleSettings
    ) -> Run[Tensor]:
        """Decoder and upsampler for given embeddings (S, embed), unit length. -> (S, 3, 32, 32)"""
        rows, seed = settings.samples, settings.seed
        _, levels, fine_levels = self._schedules(settings)
        base = yield from sample(
            self.decoder,
            self.decoder.shape,
            levels,
            sample_generators(seed, rows, DECODER_STREAM),
            cond={
                "image_embed": image_embed,
                "text_embed": text_embed,
                "guidance_scale": torch.full((rows,), float(settings.guidance_scale)),
            },
            sampler=settings.sampler,
            noise_scale=settings.noise_scale,
            step_scale=settings.step_scale,
        )
        low = base.clamp(-1, 1)
        return (
            yield from sample(
                self.upsampler,
                self.upsampler.shape,
                fine_levels,
                sample_generators(seed, rows, UPSAMPLER_STREAM),
                cond={"low": low, "image_embed": image_embed},
                sampler=_plain(settings.sampler),
                x_init=upsampler.enlarge(low, self.upsampler.config.size),
            )
        )

    def view(self, plan: Dalle2Plan, settings: SampleSettings) -> Dalle2View:
        return Dalle2View(plan, settings.samples)

    def warm_up(self) -> None:
        plan = self.parse({"prompt": "a cat"})
        for samples in (1, 4):
            run(self.run(plan, SampleSettings(steps=2, samples=samples, guidance_scale=2.0)))


def _plain(name: SamplerName) -> SamplerName:
    """AF3's churn and step scale are the decoder's knob; beside it they mean Euler."""
    return "euler" if name == "af3" else name
