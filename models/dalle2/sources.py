"""From what was asked for to what the decoder draws from: captions are read, the prior imagines them,
pictures are embedded, and the samples' image embeddings are placed as the plan asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.branching import BRANCH_STREAM
from models.cached import Cached
from models.dalle2 import tricks
from models.dalle2.inputs import Caption, Diff, Draw, Interpolate, Picture, Plan, Vary
from models.dalle2.prior import Prior, better_of_two
from models.dalle2.readers import PictureReader, captions_request
from models.diffusion.branch import State
from models.diffusion.sampler import Run, SamplerName, sample
from models.diffusion.schedule import Schedule
from models.pipeline import SampleSettings, sample_generators

PRIOR_GUIDANCE = 4.0  # the published default; below 3 concepts and grounds are missed more often
PRIOR_STREAMS = (0, 1)


@dataclass(frozen=True)
class Imagined:
    """What the prior made of R captions. image_embed: (R, embed) the kept draws, unit length;
    chosen: (R,) which of two draws; cosine: (R, 2) of both with the text embedding."""

    image_embed: Tensor
    chosen: Tensor
    cosine: Tensor


@dataclass(frozen=True)
class Sources:
    """What the decoder draws S pictures from. image_embed, text_embed: (S, embed) of unit length;
    has_text: (S,) bool, False drops the text; prior: how captions became image embeddings, if any did;
    caption_embed: (embed,) of the caption that the pictures are scored against, or None; same_noise:
    the samples shall differ in their embeddings only; states: (S, T, width) token states of the text,
    where the pictures are of one."""

    image_embed: Tensor
    text_embed: Tensor
    has_text: Tensor
    prior: Imagined | None
    caption_embed: Tensor | None
    same_noise: bool = False
    states: Tensor | None = None

    def condition(self, guidance_scale: float) -> dict[str, Tensor]:
        """What the decoder is asked with."""
        rows = len(self.image_embed)
        return {
            "image_embed": self.image_embed,
            "text_embed": self.text_embed,
            "has_text": self.has_text,
            "guidance_scale": torch.full((rows,), float(guidance_scale)),
            **({} if self.states is None else {"states": self.states}),
        }


@dataclass(frozen=True)
class Embedders:
    """The networks that make embeddings."""

    text: Cached
    pictures: PictureReader
    prior: Prior

    def sources(
        self,
        plan: Plan,
        settings: SampleSettings,
        levels: Schedule,
        start: State | None = None,
    ) -> Run[Sources]:
        """levels: the prior's; start: a state of it, at the first of them. Captions of a trick get the
        first sample's noise, so each is what the caption alone draws with this seed."""
        read: dict[str, Any] = {}
        if plan.captions:
            read = yield captions_request(self.text, plan.captions)
        if isinstance(plan, Draw):
            if plan.prior:
                return (yield from self.of_text(read, settings, levels, start))
            return without_prior(read, settings.samples)
        ends = list(plan.ends.values())
        is_caption = torch.tensor([isinstance(end, Caption) for end in ends])
        embed = torch.zeros(len(ends), self.prior.config.embed)
        imagined: Imagined | None = None
        if is_caption.any():
            count = int(is_caption.sum())
            text_embed, states = read["text_embed"][:count], read["states"][:count]
            imagined = yield from self.imagine(
                text_embed, states, [0] * count, settings, levels, start
            )
            embed[is_caption] = imagined.image_embed
        pictures = [end.pixels for end in ends if isinstance(end, Picture)]
        if pictures:
            embed[~is_caption] = yield self.pictures.request(torch.cat(pictures))
        return place(plan, embed, read, settings.samples, imagined)

    def of_text(
        self,
        read: Mapping[str, Tensor],
        settings: SampleSettings,
        levels: Schedule,
        start: State | None = None,
    ) -> Run[Sources]:
        """One draw of the prior per sample for a text that has been read: states (1, T, width),
        text_embed (1, embed)."""
        rows = settings.samples
        text_embed = read["text_embed"].expand(rows, -1)
        states = read["states"].expand(rows, -1, -1)
        imagined = yield from self.imagine(text_embed, states, range(rows), settings, levels, start)
        told = torch.ones(rows, dtype=torch.bool)
        return Sources(
            imagined.image_embed, text_embed, told, imagined, text_embed[0], states=states
        )

    def imagine(
        self,
        text_embed: Tensor,
        states: Tensor,
        rows: Sequence[int],
        settings: SampleSettings,
        levels: Schedule,
        start: State | None = None,
    ) -> Run[Imagined]:
        """The prior's better draw of two per text (R, embed) with states (R, T, width). rows: (R,)
        numbers of the samples whose noise each gets; start: a state of all 2 R draws."""
        count = len(rows)
        draws = yield from sample(
            self.prior,
            self.prior.shape,
            levels,
            start.generators if start else prior_generators(settings.seed, rows),
            cond={
                "text_embed": text_embed.repeat(2, 1),
                "states": states.repeat(2, 1, 1),
                "guidance_scale": torch.full((2 * count,), PRIOR_GUIDANCE),
            },
            sampler=plain_sampler(settings.sampler),
            start=start.x if start else None,
        )
        image_embed, chosen = better_of_two(draws[:count], draws[count:], text_embed)
        cosine = F.cosine_similarity(draws.float(), text_embed.repeat(2, 1), dim=1)
        return Imagined(image_embed, chosen, cosine.view(2, count).T)


def prior_generators(seed: int, rows: Sequence[int], branch: bool = False) -> list[torch.Generator]:
    """Of the two draws per row, all first ones first; ``branch``: for noise that no other run has seen."""
    more = BRANCH_STREAM if branch else 0
    return [
        sample_generators(seed, row + 1, stream + more)[row]
        for stream in PRIOR_STREAMS
        for row in rows
    ]


def prior_rows(plan: Plan, samples: int) -> Sequence[int]:
    """Numbers of the samples whose noise the prior's rows get; none for plans that do without it."""
    if isinstance(plan, Draw):
        return range(samples) if plan.prior else ()
    return [0 for end in plan.ends.values() if isinstance(end, Caption)]


def without_prior(read: Mapping[str, Tensor], samples: int) -> Sources:
    """The caption's own embedding in the place of an image embedding, as Ramesh et al. (2022, section
    5.1) feed it to their decoder to see what the prior is for."""
    text_embed = read["text_embed"].expand(samples, -1)
    states = read["states"].expand(samples, -1, -1)
    told = torch.ones(samples, dtype=torch.bool)
    return Sources(text_embed, text_embed, told, None, text_embed[0], states=states)


def weights_of(plan: Plan, samples: int) -> list[float] | None:
    """Where each sample lies on its path: 0 to 1 of an interpolation, the strengths of a text
    difference; None for plans without a path."""
    if isinstance(plan, Interpolate):
        return tricks.weights(samples)
    return tricks.weights(samples, tricks.MAX_STRENGTH) if isinstance(plan, Diff) else None


def place(
    plan: Plan,
    embed: Tensor,
    read: Mapping[str, Tensor],
    samples: int,
    imagined: Imagined | None,
) -> Sources:
    """A trick's samples in the embedding space. embed: (E, embed) of the plan's ends; read: text_embed
    (C, embed) and states (C, T, width) of its captions, empty without any. The decoder gets a text only
    where every end has one: a picture has none, and a text difference shall be seen to act through the
    image embedding alone. Token states of two captions have no points in between, so a path has none.
    """
    weights = weights_of(plan, samples) or []
    text_embed = read.get("text_embed")
    text = caption = states = None
    if isinstance(plan, Vary):
        image = embed.expand(samples, -1)
        if text_embed is not None:
            text, caption = text_embed.expand(samples, -1), text_embed[0]
            states = read["states"].expand(samples, -1, -1)
    elif isinstance(plan, Interpolate):
        image = tricks.slerp(embed[0], embed[1], weights)
        if text_embed is not None and len(text_embed) == 2:
            text = tricks.slerp(text_embed[0], text_embed[1], weights)
    else:
        assert text_embed is not None
        before, caption = text_embed[-2], text_embed[-1]
        image = tricks.slerp(embed[0], tricks.text_difference(before, caption), weights)
    has_text = torch.full((samples,), text is not None)
    text = torch.zeros_like(image) if text is None else text
    same_noise = not isinstance(plan, Vary)
    return Sources(image, text, has_text, imagined, caption, same_noise, states)


def plain_sampler(name: SamplerName) -> SamplerName:
    """AF3's churn and step scale are the decoder's knob; beside it they mean Euler."""
    return "euler" if name == "af3" else name
