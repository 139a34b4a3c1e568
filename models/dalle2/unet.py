"""The U-Net that the decoder and the upsampler share (Ho et al. 2020; Dhariwal & Nichol 2021).

Residual blocks with scale-and-shift conditioning, one down- and up-sampling per level, attention at
the lowest resolution, where 16 to 64 positions make it cheap.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def channels_last(net: Net) -> Net:
    """The same module with its convolution weights in the memory order that CPU kernels prefer."""
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def fourier(c_noise: Tensor, features: int) -> Tensor:
    """Sines and cosines of the noise level at octave-spaced frequencies. (B,) -> (B, features)"""
    octaves = torch.exp(torch.linspace(0, math.log(64.0), features // 2, device=c_noise.device))
    angles = c_noise[:, None].float() * octaves * math.pi / 2
    return torch.cat([angles.sin(), angles.cos()], 1)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position; (B, C, H, W) channels-last.

    Group normalisation took a quarter of the training time on a CPU; this runs over memory in order.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        w, b = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x.permute(0, 2, 3, 1), w.shape, w, b).permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """norm, scale and shift by the condition, SiLU, conv, SiLU, conv; plus the input."""

    def __init__(self, width: int, condition: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.film = nn.Linear(condition, 2 * width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm(x) * (1 + scale) + shift))
        return x + self.conv2(self.dropout(F.silu(h)))


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

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        """x: (B, C, H, W); context: (B, T, context)."""
        b, c, height, width = x.shape
        rows = self.norm(x).permute(0, 2, 3, 1).reshape(b, height * width, c)
        q, k, v = self.qkv(rows).chunk(3, -1)
        if self.context_kv is not None:
            context_k, context_v = self.context_kv(context).chunk(2, -1)
            k, v = torch.cat([k, context_k], 1), torch.cat([v, context_v], 1)
        q, k, v = (t.reshape(b, -1, self.heads, c // self.heads).transpose(1, 2) for t in (q, k, v))
        # Written out: at 20 to 70 keys the fused CPU kernel's backward is ten times slower.
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1).to(v.dtype)
        mixed = (weights @ v).transpose(1, 2).reshape(b, height * width, c)
        return x + self.out(mixed).reshape(b, height, width, c).permute(0, 3, 1, 2)


class UNet(nn.Module):
    """(B, inputs, S, S), condition (B, C), context (B, T, X) -> (B, outputs, S, S).

    layout (B, widths[-1], s, s), if given, is added at the lowest resolution s.

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
                self.up.append(nn.Conv2d(previous, width, 3, padding=1))
            for _ in range(blocks):
                self.up.append(self._stage(width, condition, context, level in attention, dropout))
            previous = width
        self.norm = ChannelNorm(previous)
        self.out = nn.Conv2d(previous, outputs, 3, padding=1)
        nn.init.zeros_(self.out.weight)

    @staticmethod
    def _stage(
        width: int, condition: int, context: int, attend: bool, dropout: float
    ) -> nn.ModuleList:
        stage = nn.ModuleList([ResBlock(width, condition, dropout)])
        if attend:
            stage.append(Attention(width, context))
        return stage

    @staticmethod
    def _run(stage: nn.ModuleList, x: Tensor, condition: Tensor, context: Tensor | None) -> Tensor:
        x = stage[0](x, condition)
        return stage[1](x, context) if len(stage) > 1 else x

    def forward(
        self,
        x: Tensor,
        condition: Tensor,
        context: Tensor | None = None,
        layout: Tensor | None = None,
    ) -> Tensor:
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        kept: list[Tensor] = []
        for stage in self.down:
            if isinstance(stage, nn.ModuleList):
                x = self._run(stage, x, condition, context)
                kept.append(x)
            else:
                x = stage(x)
        if layout is not None:
            x = x + layout
        x = self._run(self.middle, x, condition, context)
        for stage in self.up:
            if isinstance(stage, nn.ModuleList):
                # Skips are added, not concatenated: the up path then costs as little as the down path.
                x = self._run(stage, (x + kept.pop()) * 0.7071, condition, context)
            else:
                x = stage(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.out(F.silu(self.norm(x)))
