"""What the training stages share: options from the command line, pausing, saving."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.dalle2.compact import save_compact
from models.diffusion.training import TrainConfig, fit


@dataclass(frozen=True)
class Options:
    """What the command line gives every stage. pause_after: stop at the first save past this many
    seconds; the same command goes on from there."""

    images: Path
    out: Path
    seconds: float
    device: str = "cpu"
    pause_after: float = math.inf
    seed: int = 0


class Paused(Exception):
    """Raised at a save point to stop a stage early; nothing is lost."""


def pausing(options: Options) -> Callable[[int], dict[str, float]]:
    began = time.perf_counter()

    def on_save(step: int) -> dict[str, float]:
        if time.perf_counter() - began > options.pause_after:
            raise Paused(f"paused at step {step}; run the same command to go on")
        return {}

    return on_save


def autocast(options: Options) -> torch.autocast:
    return torch.autocast(options.device, torch.bfloat16)


def fit_stage(
    stage: str,
    options: Options,
    train: TrainConfig,
    net: nn.Module,
    loss_fn: Callable[[Any], dict[str, Tensor]],
    batches: Iterator[Any],
    path: Path,
    config: Any,
) -> None:
    """The shared loop, saving the EMA weights to `path` with `config` in the header."""
    fit(
        train,
        net,
        loss_fn,
        batches,
        options.out / stage,
        lambda state, info: save_compact(path, state, config, info),
        pausing(options),
    )
