"""Drawing a picture code by code: a generator that never calls a network, as the diffusion sampler is.

Its keys and values (the cache) are its own; the network that answers only reads them. So rows of many
visitors, each at its own place, share a forward, and a run that is dropped takes its cache along.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.dalle1.transformer import TransformerConfig
from models.diffusion.sampler import Network, Request, Run


def choose(
    logits: Tensor, generators: Sequence[torch.Generator], temperature: float, top_k: int
) -> Tensor:
    """One code per row from softmax(logits / temperature) of the top_k likeliest; temperature 0 takes
    the likeliest. logits: (S, codes) -> (S,)

    Row k uses one number of generator k and nothing else (inverse distribution function, in double
    precision), so what a row draws does not depend on its neighbours. Raises FloatingPointError.
    """
    if not torch.isfinite(logits).all():
        raise FloatingPointError("the transformer's logits are not finite")
    uniform = torch.stack([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])
    if temperature == 0:
        return logits.argmax(-1)
    best, codes = logits.double().topk(min(top_k, logits.shape[-1]), dim=-1)
    below = (best / temperature).softmax(-1).cumsum(-1)
    place = (below <= uniform * below[:, -1:]).sum(-1, keepdim=True)
    return codes.gather(-1, place.clamp_max(best.shape[-1] - 1))[:, 0]


def guide(logits: Tensor, rows: int, scale: float) -> Tensor:
    """Classifier-free guidance on logits (Gafni et al. 2022, equation 8): the rows without a caption
    come after those with one. (2 S or S, codes) -> (S, codes)"""
    if len(logits) == rows:
        return logits
    given, free = logits.split(rows)
    return free + scale * (given - free)


def draw(
    net: Network,
    config: TransformerConfig,
    ids: tuple[int, ...],
    summary: Tensor,
    generators: Sequence[torch.Generator],
    *,
    temperature: float,
    top_k: int,
    guidance_scale: float = 1.0,
    picture_every: int = 1,
) -> Run[Tensor]:
    """Draws one picture per generator for one caption: its word piece ids and its embedding `summary`
    (1, embed). -> codes (S, places)

    Every request's x (S, places) holds the codes so far, -1 where none is drawn; one in
    `picture_every` is a frame, whose answer brings the picture of them.
    """
    rows, places = len(generators), config.places
    guided = guidance_scale != 1
    ids = ids[: config.text]
    codes = torch.full((rows, places), -1)
    captions = [ids, ()] if guided else [ids]
    answer = yield Request(
        net,
        codes.clone(),
        torch.zeros(len(captions)),
        cond={"ids": captions, "summary": summary.expand(len(captions), -1)},
        step=0,
        steps=places,
    )
    lengths = [1 + len(c) if c else 0 for c in captions]  # with the summary
    cache, filled = _open_cache(answer["kept"], lengths, rows, config.slots)
    logits = answer["logits"].repeat_interleave(rows, 0)
    everyone = torch.arange(len(filled))
    for place in range(places):
        if place:
            answer = yield Request(
                net,
                codes.clone(),
                torch.zeros(len(filled)),
                cond={
                    "last": codes[:, place - 1].repeat(1 + guided),
                    "place": place,
                    "cache": cache,
                    "filled": filled,
                },
                step=place,
                steps=places,
                frame=place % picture_every == 0,
            )
            logits = answer["logits"]
            cache[everyone, ..., filled, :] = answer["kept"]
            filled = filled + 1
        codes[:, place] = choose(
            guide(logits, rows, guidance_scale), generators, temperature, top_k
        )
    return codes


def _open_cache(
    kept: Tensor, lengths: Sequence[int], rows: int, slots: int
) -> tuple[Tensor, Tensor]:
    """Room for whole sequences, `rows` for each caption that was read. kept: (C, layers, 2, heads,
    1 + T + 1, head) with the start mark last -> (cache (C rows, ..., slots, head), filled (C rows,))"""
    c, layers, two, heads, _, head = kept.shape
    cache = torch.zeros(c * rows, layers, two, heads, slots, head)
    filled = torch.zeros(c * rows, dtype=torch.long)
    for i, length in enumerate(lengths):
        mine = slice(i * rows, (i + 1) * rows)
        cache[mine, ..., :length, :] = kept[i, ..., :length, :]
        cache[mine, ..., length, :] = kept[i, ..., -1, :]
        filled[mine] = length + 1
    return cache, filled
