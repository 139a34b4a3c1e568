"""Checkpoints in 8 bits: every large matrix as int8 with one fp16 scale per row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import load, save

SCALE = "::scale"
LARGE = 4096  # entries; smaller tensors stay fp16


def save_compact(
    path: Path, state: Mapping[str, Tensor], config: Any, meta: Mapping[str, Any] | None = None
) -> None:
    """Writes `state` with symmetric per-row int8 rounding of its large matrices: half an fp16 file."""
    packed: dict[str, Tensor] = {}
    for key, value in state.items():
        if value.is_floating_point() and value.ndim > 1 and value.numel() >= LARGE:
            rows = value.detach().float().flatten(1)
            scale = (rows.abs().amax(1) / 127).clamp_min(1e-7).half()
            packed[key] = (
                (rows / scale.float()[:, None])
                .round()
                .clamp(-127, 127)
                .to(torch.int8)
                .view(value.shape)
            )
            packed[key + SCALE] = scale
        else:
            packed[key] = value
    save(path, packed, config, meta)


def load_compact(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse, as float32. Raises CheckpointError."""
    packed, header = load(path)
    state: dict[str, Tensor] = {}
    for key, value in packed.items():
        if key.endswith(SCALE):
            continue
        scale = packed.get(key + SCALE)
        if scale is not None:
            value = value.float() * scale.view(-1, *[1] * (value.ndim - 1))
        state[key] = value
    return state, header
