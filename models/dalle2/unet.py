"""The U-Net that the decoder and the upsampler share (Ho et al. 2020; Dhariwal & Nichol 2021).

Residual blocks with scale-and-shift conditioning, one down- and up-sampling per level, attention at
the lowest resolution, where 16 to 64 positions make it cheap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.inference import Conv, Doubling, PreparedLinear, prepare_children

Net = TypeVar("Net", bound=nn.Module)


def channels_last(net: Net) -> Net:
    """The same module with its convolution weights in the memory order that CPU kernels prefer."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@cache
def _octaves(count: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.exp(torch.linspace(0, math.log(64.0), count, device=device))


def fourier(c_noise: Tensor, features: int) -> Tensor:
    """Sines and cosines of the noise level at octave-spaced frequencies. (B,) -> (B, features)"""
    angles = c_noise[:, None].float() * _octaves(features // 2, c_noise.device) * math.pi / 2
    return torch.cat([angles.sin(), angles.cos()], 1)


IN_CACHE = 2**16  # numbers normalised together: in float32 they stay in a core's own cache
SKIP = 0.7071  # of two things that are added, so that the sum is as large as each
Film = tuple[
    Tensor, Tensor
]  # what multiplies the channels of each row and what is added, (B, C) each


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position; (B, C, H, W) channels-last.

    Group normalisation took a quarter of the training time on a CPU; this runs over memory in order.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, film: Film | None = None, silu: bool = False) -> Tensor:
        """The normalised x, scaled and shifted by ``film``, and SiLU of it."""
        w, b = self.weight.to(x.dtype), self.bias.to(x.dtype)
        h = F.layer_norm(x.permute(0, 2, 3, 1), w.shape, w, b).permute(0, 3, 1, 2)
        if film is not None:
            scale, shift = film
            h = h * scale[:, :, None, None] + shift[:, :, None, None]
        return F.silu(h) if silu else h

    def prepared(self, dtype: torch.dtype) -> nn.Module:
        return PreparedNorm(self.weight, self.bias, dtype)


class PreparedNorm(nn.Module):
    """Computes what a :class:`ChannelNorm` does in float32, and gives ``dtype``: kernels for bfloat16
    convert every number several times on the way."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.width = dtype, tuple(weight.shape)
        self.register_buffer("weight", weight.detach(), False)
        self.register_buffer("bias", bias.detach(), False)

    def forward(self, x: Tensor, film: Film | None = None, silu: bool = False) -> Tensor:
        rows = x.permute(0, 2, 3, 1)
        out = torch.empty(rows.shape, dtype=self.dtype)
        together = max(1, IN_CACHE * len(rows) // rows.numel())
        for start in range(0, len(rows), together):
            part = slice(start, start + together)
            h = F.layer_norm(rows[part].float(), self.width, self.weight, self.bias)
            if film is not None:
                scale, shift = film[0][part, None, None], film[1][part, None, None]
                torch.addcmul(shift, h, scale, out=h)
            out[part] = F.silu(h, inplace=True) if silu else h
        return out.permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """norm, scale and shift by the condition, SiLU, conv, SiLU, conv; plus the input."""

    def __init__(self, width: int, condition: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.film = nn.Linear(condition, 2 * width)
        self.conv1 = Conv(width, width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = Conv(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, film: Film) -> Tensor:
        h = self.conv1(self.norm(x, film, silu=True), silu=True)
        return cast(Tensor, self.conv2(self.dropout(h), plus=x))


class Attention(nn.Module):
    """Self-attention over positions, joined by context tokens that are attended to but not changed;
    with a context width of 0 there are none."""

    def __init__(self, width: int, context: int, head: int = 32) -> None:
        super().__init__()
        self.heads = width // head
        self.norm = ChannelNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.context_kv = nn.Linear(context, 2 * width) if context else None
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        """x: (B, C, H, W); keys: keys and values of the context, (B, T, 2 C), or None."""
        b, c, height, width = x.shape
        rows = self.norm(x).permute(0, 2, 3, 1).reshape(b, height * width, c)
        q, kv = self.qkv(rows).split([c, 2 * c], -1)
        kv = kv if keys is None else torch.cat([kv, keys], 1)
        q, k, v = (
            t.reshape(b, -1, self.heads, c // self.heads).transpose(1, 2)
            for t in (q, *kv.chunk(2, -1))
        )
        # Written out: at 20 to 70 keys the fused CPU kernel's backward is ten times slower.
        scores = q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5
        weights = scores.softmax(-1, dtype=torch.float32).to(v.dtype)
        mixed = (weights @ v).transpose(1, 2).reshape(b, height * width, c)
        return x + self.out(mixed).reshape(b, height, width, c).permute(0, 3, 1, 2)


class UNet(nn.Module):
    """(B, inputs, S, S), condition (B, C), keys of a context -> (B, outputs, S, S).

    keys: what :meth:`keys` makes of the context (B, T, X), none without one. layout (B, widths[-1], s, s),
    if given, is added at the lowest resolution s.

    widths: channels of each level from full resolution down; blocks: residual blocks per level.
    Attention runs on every level whose index is in `attention`, and in the middle unless told not to:
    without it the network is fully convolutional and takes any size.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: tuple[int, ...],
        blocks: int,
        condition: int,
        context: int,
        attention: tuple[int, ...],
        dropout: float = 0.0,
        middle_attention: bool = True,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        previous = widths[0]
        for level, width in enumerate(widths):
            if level:
                self.down.append(nn.Conv2d(previous, width, 3, stride=2, padding=1))
            for _ in range(blocks):
                self.down.append(
                    self._stage(width, condition, context, level in attention, dropout)
                )
            previous = width
        self.middle = self._stage(previous, condition, context, middle_attention, dropout)
        for level, width in reversed(list(enumerate(widths))):
            if level + 1 < len(widths):
                self.up.append(Doubling(previous, width, 3, padding=1))
            for _ in range(blocks):
                self.up.append(self._stage(width, condition, context, level in attention, dropout))
            previous = width
        self.norm = ChannelNorm(previous)
        self.out = nn.Conv2d(previous, outputs, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        self.joined: Films | None = None  # once it is prepared

    @staticmethod
    def _stage(
        width: int, condition: int, context: int, attend: bool, dropout: float
    ) -> nn.ModuleList:
        stage = nn.ModuleList([ResBlock(width, condition, dropout)])
        if attend:
            stage.append(Attention(width, context))
        return stage

    def _stages(self) -> list[nn.ModuleList]:
        """In the order in which they are run."""
        every = (*self.down, self.middle, *self.up)
        return [stage for stage in every if isinstance(stage, nn.ModuleList)]

    def keys(self, context: Tensor) -> list[Tensor]:
        """Of a context (B, T, X), keys and values for every attention, (B, T, 2 C) each."""
        found = [stage[1].context_kv for stage in self._stages() if len(stage) > 1]
        return [read(context) for read in found]  # type: ignore[operator]

    def _films(self, condition: Tensor) -> list[Film]:
        """How a condition (B, C) scales and shifts every residual block."""
        if self.joined is not None:
            return cast(list[Film], self.joined(condition))
        made = [stage[0].film(condition).chunk(2, 1) for stage in self._stages()]  # type: ignore[operator]
        return [(1 + scale, shift) for scale, shift in made]

    def prepared(self, dtype: torch.dtype) -> nn.Module:
        self.joined = Films([stage[0].film for stage in self._stages()], dtype)  # type: ignore[misc]
        for stage in self._stages():
            del stage[0].film
        return prepare_children(self, dtype)

    def forward(
        self,
        x: Tensor,
        condition: Tensor,
        keys: Sequence[Tensor] = (),
        layout: Tensor | None = None,
    ) -> Tensor:
        films, given = iter(self._films(condition)), iter(keys)

        def run(stage: nn.ModuleList, x: Tensor) -> Tensor:
            x = stage[0](x, next(films))
            return stage[1](x, next(given, None)) if len(stage) > 1 else x

        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        kept: list[Tensor] = []
        for stage in self.down:
            if isinstance(stage, nn.ModuleList):
                x = run(stage, x)
                kept.append(SKIP * x)
            else:
                x = stage(x)
        if layout is not None:
            x = x + layout
        x = run(self.middle, x)
        for stage in self.up:
            if isinstance(stage, nn.ModuleList):
                # Skips are added, not concatenated: the up path then costs as little as the down path.
                x = run(stage, torch.add(kept.pop(), x, alpha=SKIP))
            else:
                x = stage(x)
        return cast(Tensor, self.out(self.norm(x, silu=True)))


class Films(nn.Module):
    """The scales and shifts of all residual blocks in one product, in float32."""

    def __init__(self, films: Sequence[nn.Linear], dtype: torch.dtype) -> None:
        super().__init__()
        self.widths = [film.out_features // 2 for film in films for _ in range(2)]
        joined = nn.Linear(films[0].in_features, sum(self.widths))
        joined.weight.data = torch.cat([film.weight.detach() for film in films])
        joined.bias.data = torch.cat([film.bias.detach() for film in films])
        self.joined = PreparedLinear(joined, dtype)
        one = [torch.full((w,), float(k % 2 == 0)) for k, w in enumerate(self.widths)]
        self.register_buffer("one", torch.cat(one), False)

    def forward(self, condition: Tensor) -> list[Film]:
        parts = (self.joined(condition) + self.one).split(self.widths, 1)
        return list(zip(parts[::2], parts[1::2], strict=True))
