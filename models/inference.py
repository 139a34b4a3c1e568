"""Networks as they compute for visitors: weights rounded once and kept in the order oneDNN reads them in.

Autocast rounds every float32 weight in every forward, and oneDNN then reorders it; of a forward of one
row that is half the time. :func:`prepare` does both once and lets the float32 weights go. What follows a
convolution or a linear layer (an activation, a sum) is computed with it, before its result is rounded
and written. The operators are those that PyTorch's own compiler emits for processors; where this build of
PyTorch has none, the same layers run without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

MULTIPLIES_BF16 = (
    "avx512_bf16",
    "amx_bf16",
    "bf16",
)  # of torch.cpu.get_capabilities; the last is ARM's
ACTIVATIONS: dict[type[nn.Module], tuple[str, str | None]] = {
    nn.SiLU: ("swish", None),
    nn.ReLU: ("relu", None),
    nn.GELU: ("gelu", "none"),
}


@cache
def arithmetic() -> torch.dtype:
    """What this processor multiplies fastest in: bfloat16 if it has instructions for it. Without them it
    is emulated, at a third to a fifth of float32's speed."""
    known = getattr(torch.cpu, "get_capabilities", None)  # from PyTorch 2.12 on
    if known is None:
        return torch.bfloat16
    has = known()
    return torch.bfloat16 if any(has.get(name) for name in MULTIPLIES_BF16) else torch.float32


def arithmetic_name(dtype: torch.dtype | None = None) -> str:
    """For people: "bf16" or "float32"."""
    return "bf16" if (dtype or arithmetic()) is torch.bfloat16 else "float32"


@cache
def packs(dtype: torch.dtype) -> bool:
    """Whether layers can be kept in oneDNN's order here."""
    if not torch.backends.mkldnn.is_available():
        return False
    ours = ("_convolution_pointwise", "_linear_pointwise", "_reorder_convolution_weight")
    if not all(hasattr(torch.ops.mkldnn, name) for name in (*ours, "_reorder_linear_weight")):
        return False
    if dtype is torch.float32:  # below AVX-512 the order depends on the batch, and is made anew
        return torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Conv(nn.Conv2d):
    """A convolution that finishes its result: silu(conv(x)) or plus + conv(x), whose memory it may take
    for the sum. (B, C, H, W)"""

    def forward(self, x: Tensor, silu: bool = False, plus: Tensor | None = None) -> Tensor:
        y = super().forward(x)
        y = F.silu(y) if silu else y
        return y if plus is None else plus + y


class Doubling(Conv):
    """A 3x3 convolution of x at twice its size, every pixel repeated. (B, C, H, W) -> (B, O, 2 H, 2 W)"""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class PreparedConv(nn.Module):
    """Computes in ``dtype`` what a :class:`Conv` does; takes and gives channels-last memory. What is to be
    added becomes the sum."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, conv: nn.Conv2d, dtype: torch.dtype, then: tuple[str, str | None] = ("none", None)
    ) -> None:
        super().__init__()
        self.dtype, self.then = dtype, then
        self.stride, self.padding = list(conv.stride), list(cast(Sequence[int], conv.padding))
        weight = conv.weight.detach().to(dtype, memory_format=torch.channels_last)
        bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        self.register_buffer("weight", pack_conv(weight, self.padding, self.stride), False)
        self.register_buffer("bias", bias, False)

    def forward(self, x: Tensor, silu: bool = False, plus: Tensor | None = None) -> Tensor:
        x = x.to(self.dtype)
        then = ACTIVATIONS[nn.SiLU] if silu else self.then
        return conv(x, self.weight, self.bias, self.padding, self.stride, then, plus)


class PreparedDoubling(nn.Module):
    """Computes in ``dtype`` what a :class:`Doubling` does, without ever repeating a pixel.

    Of the nine pixels under the kernel several are the same one, so each of the four pixels that x's
    becomes is a 2x2 convolution of x, with the weights of equal pixels added up: four ninths of the
    work (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?").
    """

    bias: Tensor
    bias4: Tensor
    together: Tensor

    def __init__(self, doubling: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.width = dtype, doubling.out_channels
        weight = torch.stack(
            [_phase(doubling.weight.detach(), a, b) for a in (0, 1) for b in (0, 1)]
        )
        bias = doubling.bias
        assert bias is not None
        self.register_buffer("bias", bias.detach().to(dtype), False)
        self.register_buffer("bias4", bias.detach().to(dtype).repeat(4), False)
        weight = weight.to(dtype)
        together = weight.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        self.register_buffer("together", pack_conv(together, [1, 1], [1, 1]), False)
        for i, one in enumerate(weight):
            one = one.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"phase{i}", pack_conv(one, [0, 0], [1, 1]), False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype)
        b, _, h, w = x.shape
        y = x.new_empty(b, h, 2, w, 2, self.width)
        if w < SMALL:
            padded = F.pad(x, (1, 1, 1, 1))
            for i in range(4):
                down, right = divmod(i, 2)
                part = padded[:, :, down : down + h + 1, right : right + w + 1]
                weight = cast(Tensor, getattr(self, f"phase{i}"))
                one = conv(part, weight, self.bias, [0, 0], [1, 1])
                y[:, :, down, :, right] = one.permute(0, 2, 3, 1)
        else:
            four = conv(x, self.together, self.bias4, [1, 1], [1, 1]).permute(0, 2, 3, 1)
            for i in range(4):
                down, right = divmod(i, 2)
                own = slice(i * self.width, (i + 1) * self.width)
                y[:, :, down, :, right] = four[:, down : down + h, right : right + w, own]
        return y.view(b, 2 * h, 2 * w, self.width).permute(0, 3, 1, 2)


SMALL = (
    8  # pixels per side; below, the border that all four phases share costs more than four calls
)


def _phase(weight: Tensor, down: int, right: int) -> Tensor:
    """(O, C, 3, 3) -> (O, C, 2, 2) for the pixel at that place of the four."""

    def halve(w: Tensor, second: int, dim: int) -> Tensor:
        a, b, c = w.unbind(dim)
        return torch.stack([a + b, c] if second else [a, b + c], dim)

    return halve(halve(weight, down, 2), right, 3)


class PreparedLinear(nn.Module):
    """Computes ``linear(x)`` in ``dtype``, and what comes ``then``."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, linear: nn.Linear, dtype: torch.dtype, then: tuple[str, str | None] = ("none", None)
    ) -> None:
        super().__init__()
        self.dtype, self.then = dtype, then
        weight = linear.weight.detach().to(dtype)
        bias = None if linear.bias is None else linear.bias.detach().to(dtype)
        # In float32 the other library is the faster one.
        self.packed = dtype is torch.bfloat16 and packs(dtype)
        if self.packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        self.register_buffer("weight", weight, False)
        self.register_buffer("bias", bias, False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype)
        kind, algorithm = self.then
        if not self.packed:
            return _activated(F.linear(x, self.weight, self.bias), kind)
        linear = torch.ops.mkldnn._linear_pointwise
        return cast(Tensor, linear(x, self.weight, self.bias, kind, [], algorithm or ""))


def pack_conv(weight: Tensor, padding: list[int], stride: list[int]) -> Tensor:
    """A convolution's weights in oneDNN's order, which only :func:`conv` reads; elsewhere as they are."""
    if not packs(weight.dtype):
        return weight
    pack = torch.ops.mkldnn._reorder_convolution_weight
    return cast(Tensor, pack(weight, padding, stride, [1, 1], 1))


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    then: tuple[str, str | None] = ("none", None),
    plus: Tensor | None = None,
) -> Tensor:
    """then(conv(x)), or plus with conv(x) added to it; weights as :func:`pack_conv` gave them."""
    kind, algorithm = then
    if not packs(x.dtype):
        y = _activated(F.conv2d(x, weight, bias, stride, padding), kind)
        return y if plus is None else plus.add_(y)
    ops: Any = torch.ops.mkldnn
    place = (weight, bias, padding, stride, [1, 1], 1)
    if plus is not None:
        add = ops._convolution_pointwise_.binary
        return cast(Tensor, add(plus, x, *place, "add", None, None, [], None))
    return cast(Tensor, ops._convolution_pointwise(x, *place, kind, [], algorithm or ""))


def _activated(y: Tensor, kind: str) -> Tensor:
    plain = {"none": lambda t: t, "swish": F.silu, "relu": F.relu, "gelu": F.gelu}
    return plain[kind](y)


def prepare(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The module in the form that computes in ``dtype`` for visitors, made in place: what it has in
    float32 for its layers is gone afterwards. A module says by a method ``prepared(dtype)`` what
    becomes of it; of others every layer is prepared on its own."""
    module.requires_grad_(False)
    own = getattr(module, "prepared", None)
    if own is not None:
        return cast(nn.Module, own(dtype))
    if isinstance(module, Doubling):
        return PreparedDoubling(module, dtype)
    if isinstance(module, nn.Conv2d):
        return PreparedConv(module, dtype)
    if isinstance(module, nn.Linear):
        return PreparedLinear(module, dtype)
    if isinstance(module, nn.Dropout):
        return nn.Identity()
    if isinstance(module, nn.Sequential):
        return _sequence(list(module), dtype)
    return prepare_children(module, dtype)


def prepare_children(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Every layer of the module, the module itself staying what it is."""
    for name, child in module.named_children():
        setattr(module, name, prepare(child, dtype))
    return module


def _sequence(layers: list[nn.Module], dtype: torch.dtype) -> nn.Module:
    """Layers one after the other, activations and batch normalisations computed with what they follow."""
    out: list[nn.Module] = []
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, nn.Conv2d) and layers and isinstance(layers[0], nn.BatchNorm2d):
            layer = fuse_conv_bn_eval(layer, cast(nn.BatchNorm2d, layers.pop(0)))
        if type(layer) in (nn.Conv2d, nn.Linear) and layers and type(layers[0]) in ACTIVATIONS:
            then = ACTIVATIONS[type(layers.pop(0))]
            form: Any = PreparedConv if isinstance(layer, nn.Conv2d) else PreparedLinear
            out.append(form(layer, dtype, then))
        elif not isinstance(layer, nn.Dropout):
            out.append(prepare(layer, dtype))
    return nn.Sequential(*out)
