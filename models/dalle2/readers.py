"""Networks that read: captions into token states and embeddings, pictures into embeddings.

They answer requests like every stage, so that readings of many visitors share a forward. They have no
noise level: sigma is zero, and the answer is no picture.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from models.dalle2.clip import Clip
from models.dalle2.inputs import Caption
from models.dalle2.text import TextEncoder, pad
from models.diffusion.sampler import Network, Request
from models.inference import arithmetic


class TextReader:
    """Answers a request whose ``cond`` is one tuple of token ids per row, with
    ``{"states": (S, T, width), "text_embed": (S, embed)}``; states are zero where there is no token."""

    name = "text"
    sigma_data = 1.0

    def __init__(self, encoder: TextEncoder, head: Clip) -> None:
        self.encoder, self.head = encoder, head

    def bucket(self, request: Request) -> Hashable:
        return self.name

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Word pieces of one forward, and computed when every row is as long as the longest."""
        lengths = [len(ids) for request in requests for ids in request.cond]
        return sum(lengths), len(lengths) * max(lengths)

    def answer(self, requests: Sequence[Request]) -> list[dict[str, Tensor]]:
        rows = [ids for request in requests for ids in request.cond]
        padded, mask = pad(rows)
        with torch.autocast("cpu", torch.bfloat16, enabled=arithmetic() is torch.bfloat16):
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


def captions_request(net: Network, captions: Sequence[Caption]) -> Request:
    """One row per caption for ``net``, a TextReader or a memory in front of one."""
    rows = len(captions)
    ids = [caption.tokens.ids for caption in captions]
    return Request(net, torch.zeros(rows, 0), torch.zeros(rows), ids, frame=False)


class PictureReader:
    """Answers a request for pictures x (S, 3, 32, 32) with their CLIP image embeddings (S, embed)."""

    name = "picture"
    sigma_data = 1.0

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    def request(self, pictures: Tensor) -> Request:
        return Request(self, pictures, torch.zeros(len(pictures)), frame=False)

    def bucket(self, request: Request) -> Hashable:
        return self.name

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        embeds = self.clip.image_embed(torch.cat([request.x for request in requests]))
        return list(embeds.split([len(request.x) for request in requests]))
