"""The decoder: diffusion from noise to a 16x16 picture, given a CLIP image embedding and a text embedding.

Ramesh et al. 2022, section 2.1: the image embedding enters twice, added to the noise embedding and as
four extra context tokens; in training it is dropped 10 % and the text 50 % of the time, independently,
each in favour of a learned null, so that one network gives conditional and unconditional estimates.
The text enters by its CLIP embedding and, as in the paper, by its token states: sentence vectors hardly
tell left from right, words do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from models.checkpoint import CHECKPOINTS
from models.dalle2.network import gather, gather_states
from models.dalle2.reading import ReadingStage
from models.dalle2.text import TokenPool
from models.dalle2.unet import UNet, fourier
from models.diffusion.noise import TrainedNoise
from models.diffusion.sampler import Request

CHECKPOINT = CHECKPOINTS / "dalle2-decoder.safetensors"
TRAINED = TrainedNoise(0.1, 1.3)
IMAGE_TOKENS = 4
LAYOUT = 128  # channels of the layout before it is spread to the U-Net's width
IMAGE_DROP, TEXT_DROP, STATES_DROP = 0.1, 0.5, 0.2
TOKEN_HEADS = 8
EMBED_NOISE = (
    0.15  # added to the scaled image embedding in training, so that the prior's errors are forgiven
)


@dataclass(frozen=True)
class DecoderConfig:
    """size: pixels per side; embed: CLIP's dimension; sigma_data: measured pixel spread of the data;
    sketch: hidden width of the perceptron that guesses the picture; states: width of the text encoder's
    token states, 0 for a decoder that does not read them."""

    sigma_data: float
    size: int = 16
    embed: int = 256
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: int = 1
    attention: tuple[int, ...] = (2,)
    condition: int = 256
    context: int = 128
    dropout: float = 0.0
    sketch: int = 512
    states: int = 0


class Sketch(nn.Module):
    """A perceptron's guess of the small picture from the image embedding alone.

    Trained on its own first: it learns what is where at a hundredth of the U-Net's price per picture,
    and the U-Net then starts from a blurred but placed picture.
    """

    def __init__(self, embed: int, hidden: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.layers = nn.Sequential(
            nn.Linear(embed, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 3 * size * size),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Scaled embeddings (B, embed) -> (B, 3, size, size)"""
        return self.layers(image).view(image.shape[0], 3, self.size, self.size)


class DecoderNetwork(nn.Module):
    """The raw network F of the decoder."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        c = config.condition
        self.noise = nn.Sequential(nn.Linear(64, c), nn.SiLU(), nn.Linear(c, c))
        self.image = nn.Linear(config.embed, c)
        self.text = nn.Linear(config.embed, c)
        if config.states:
            self.pool = TokenPool(config.states, c, TOKEN_HEADS)
            nn.init.zeros_(self.pool.value.weight)
            nn.init.zeros_(self.pool.value.bias)
        self.merge = nn.Sequential(nn.SiLU(), nn.Linear(c, c), nn.SiLU())
        self.image_tokens = nn.Linear(config.embed, IMAGE_TOKENS * config.context)
        self.text_token = nn.Linear(config.embed, config.context)
        self.null_image = nn.Parameter(torch.zeros(config.embed))
        self.null_text = nn.Parameter(torch.zeros(config.embed))
        # Scale-and-shift conditioning is the same at every position, so it cannot say where things go.
        # These two can: a rough sketch beside the noisy pixels, a layout at the lowest resolution.
        self.bottom = config.size // 2 ** (len(config.widths) - 1)
        self.sketch = Sketch(config.embed, config.sketch, config.size)
        self.layout = nn.Linear(c, LAYOUT * self.bottom**2)
        self.spread = nn.Conv2d(LAYOUT, config.widths[-1], 1)
        nn.init.zeros_(self.spread.weight)
        self.unet = UNet(
            6,
            3,
            config.widths,
            config.blocks,
            c,
            config.context,
            config.attention,
            config.dropout,
        )

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        image_embed: Tensor,
        text_embed: Tensor,
        has_image: Tensor,
        has_text: Tensor,
        states: Tensor | None = None,
    ) -> Tensor:
        """x: (B, 3, S, S); embeds: (B, embed) of unit length; has_*: (B,) bool, False means dropped;
        states: (B, T, states) of the text, zeros where there is no token."""
        read = self.read(image_embed, text_embed, has_image, has_text, states)
        return self.paint(x, c_noise, **read)

    def read(
        self,
        image_embed: Tensor,
        text_embed: Tensor,
        has_image: Tensor,
        has_text: Tensor,
        states: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """What of the conditioning is the same at every noise level: the arguments of :meth:`paint`, rows
        along their first axes."""
        scale = math.sqrt(self.config.embed)
        image = torch.where(has_image[:, None], image_embed * scale, self.null_image)
        text = torch.where(has_text[:, None], text_embed * scale, self.null_text)
        told = self.image(image) + self.text(text)
        if states is not None:
            mask = states.abs().sum(-1) > 0
            read = has_text & mask.any(1)
            told = told + torch.where(read[:, None], self.pool(states, mask), 0.0)
        tokens = self.image_tokens(image).view(image.shape[0], IMAGE_TOKENS, -1)
        context = torch.cat([tokens, self.text_token(text)[:, None]], 1)
        keys = {f"keys{i}": keys for i, keys in enumerate(self.unet.keys(context))}
        return {"told": told, "sketch": self.sketch(image), **keys}

    def paint(
        self, x: Tensor, c_noise: Tensor, told: Tensor, sketch: Tensor, **keys: Tensor
    ) -> Tensor:
        """See :meth:`forward`; the rest as :meth:`read` gives it."""
        condition = self.merge(self.noise(fourier(c_noise, 64)) + told)
        layout = self.layout(condition).view(x.shape[0], LAYOUT, self.bottom, self.bottom)
        layout = self.spread(layout.contiguous(memory_format=torch.channels_last))
        pixels = torch.cat([x, sketch.to(x.dtype)], 1)
        return cast(Tensor, self.unet(pixels, condition, list(keys.values()), layout))


def condition(
    image_embed: Tensor,
    text_embed: Tensor,
    has_text: Tensor | None = None,
    states: Tensor | None = None,
) -> dict[str, Tensor]:
    """The conditioning of rows with an image embedding. has_text: (B,) bool, rows of False have no
    text; None gives every row its own. states: (B, T, states), None for a decoder that reads none."""
    yes = torch.ones(len(image_embed), dtype=torch.bool, device=image_embed.device)
    has_text = yes if has_text is None else has_text
    return {
        "image_embed": image_embed,
        "text_embed": text_embed,
        "has_image": yes,
        "has_text": has_text,
        **({} if states is None else {"states": states}),
    }


def null_condition(cond: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same rows with both embeddings dropped."""
    no = torch.zeros_like(cond["has_image"])
    return {**cond, "has_image": no, "has_text": no}


def drop(cond: dict[str, Tensor]) -> dict[str, Tensor]:
    """Training-time noise and dropout of the two conditions; token states alone are dropped too, so
    that a text may be given by its embedding only."""
    rows, width = cond["image_embed"].shape
    device = cond["image_embed"].device
    noise = torch.randn(rows, width, device=device)
    noisy = cond["image_embed"] + EMBED_NOISE / math.sqrt(width) * noise
    if "states" in cond:
        kept = torch.rand(rows, 1, 1, device=device) >= STATES_DROP
        cond = {**cond, "states": cond["states"] * kept}
    return {
        **cond,
        "image_embed": noisy,
        "has_image": torch.rand(rows, device=device) >= IMAGE_DROP,
        "has_text": torch.rand(rows, device=device) >= TEXT_DROP,
    }


class Decoder(ReadingStage):
    """Answers requests whose ``cond`` is ``{"image_embed", "text_embed", "guidance_scale"}``, per row,
    and optionally ``"has_text"`` (bool): a row of False is drawn from its image embedding alone; and
    ``"states"`` (rows, T, width): the text's token states. What does not depend on the noise is computed
    at a run's first step and kept in its ``cond``."""

    name = "decoder"
    trained = TRAINED
    checkpoint = CHECKPOINT
    config_class = DecoderConfig
    network_class = DecoderNetwork

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.config.size, self.config.size)

    def asked(self, requests: Sequence[Request]) -> dict[str, Tensor]:
        told = [
            r.cond["has_text"] if "has_text" in r.cond else torch.ones(len(r.x), dtype=torch.bool)
            for r in requests
        ]
        width = self.config.states
        return condition(
            gather(requests, "image_embed"),
            gather(requests, "text_embed"),
            torch.cat(told),
            gather_states(requests, width) if width else None,
        )

    @staticmethod
    def nothing(asked: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return null_condition(asked)

    def example(self) -> dict[str, Any]:
        embed = torch.zeros(1, self.config.embed)
        return {"image_embed": embed, "text_embed": embed}

    def denoise(self, x: Tensor, sigma: Tensor, requests: Sequence[Request]) -> Tensor:
        return self.guided(x, sigma, requests)
