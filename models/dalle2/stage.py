"""What the training stages share: options from the command line, pausing, saving."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models import curves
from models.checkpoint import CHECKPOINTS
from models.compact import load_compact, save_compact
from models.diffusion.training import TrainConfig, fit


@dataclass(frozen=True)
class Options:
    """What the command line gives every stage. pause_after: stop at the first save past this many
    seconds; the same command goes on from there. checkpoints: the folder that finished networks are
    read from and written to. warm: start from the weights already there, if they fit, not from noise."""

    images: Path
    out: Path
    seconds: float
    device: str = "cpu"
    pause_after: float = math.inf
    seed: int = 0
    checkpoints: Path = CHECKPOINTS
    warm: bool = False

    def place(self, shipped: Path) -> Path:
        """Where this run keeps the checkpoint that ships as `shipped`."""
        return self.checkpoints / shipped.name


def warm_start(options: Options, net: nn.Module, shipped: Path) -> frozenset[str]:
    """With `options.warm`, loads the weights at `options.place(shipped)` into `net`, or the shipped ones
    where there are none. Entries of another shape keep their random start. -> names of those loaded"""
    if not options.warm:
        return frozenset()
    path = options.place(shipped)
    state, _ = load_compact(path if path.exists() else shipped)
    own = net.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict({**own, **fitting})
    print(f"warm start from {path.name}: {len(fitting)} of {len(own)} tensors")
    return frozenset(fitting)


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


def command(
    argv: list[str],
    model: str,
    description: str | None,
    stages: Mapping[str, Callable[[Options], None]],
    seconds: float,
    shipped_curves: Path,
    warm: bool = False,
) -> None:
    """The command `train MODEL`: one stage with the options that all have, then the curves of its log.
    warm: whether the model's stages know `--warm`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m models train {model}", description=description
    )
    parser.add_argument("stage", choices=list(stages))
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=Path, default=Path("cache/images"))
    parser.add_argument("--out", type=Path, default=Path("cache/train") / model)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--pause-after",
        type=float,
        default=math.inf,
        help="stop at the first save past this many seconds",
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=CHECKPOINTS,
        help="where finished networks are read and written (default: the shipped ones)",
    )
    if warm:
        parser.add_argument(
            "--warm", action="store_true", help="start from the weights that are there already"
        )
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    options = Options(
        args.images,
        args.out,
        args.seconds,
        args.device,
        args.pause_after,
        args.seed,
        args.checkpoints,
        warm and args.warm,
    )
    try:
        stages[args.stage](options)
        curves.write(options.out, args.stage, options.place(shipped_curves))
    except Paused as pause:
        print(pause)
