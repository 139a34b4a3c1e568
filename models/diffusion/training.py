"""One training loop for every network: AdamW, EMA, time- or step-bounded, resumable, with a log.

It needs only torch, and runs on ``cpu`` and ``cuda``. What is trained, and on which loss, comes in as
a function; how checkpoints are written comes in as another, so the core stays free of file formats
other than its own resume state.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.diffusion.precond import loss_weight, rows


@dataclass(frozen=True)
class TrainConfig:
    """How to train. ``max_seconds`` counts training time over all resumed parts, so that a run that
    was cut off ends where an unbroken one would have."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    warmup_steps: int = 100
    decay_from: float = 0.4  # constant lr until this fraction of the run, then cosine to 0
    max_seconds: float = math.inf
    max_steps: int = 10**9
    clip: float = 1.0
    ema: float = 0.999
    save_seconds: float = 150.0
    log_every: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if math.isinf(self.max_seconds) and self.max_steps >= 10**9:
            raise ValueError("bound the run: give max_seconds or max_steps")


def lognormal_sigma(
    rows_: int, mean: float, std: float, device: torch.device | str = "cpu"
) -> Tensor:
    """Stratified noise levels with ln sigma ~ N(mean, std) (Karras et al. 2022, table 1). -> (B,)

    One uniform draw per stratum covers the range in every batch, which lowers the gradient's variance.
    """
    u = (torch.arange(rows_, device=device) + torch.rand(rows_, device=device)) / rows_
    u = u[torch.randperm(rows_, device=device)].clamp(1e-6, 1 - 1e-6)
    return (mean + std * math.sqrt(2) * torch.erfinv(2 * u - 1)).exp()


def denoising_loss(
    denoised: Tensor, target: Tensor, sigma: Tensor, sigma_data: float | Tensor
) -> Tensor:
    """lambda-weighted squared error per row, averaged over its entries. (B, ...) -> (B,)"""
    error = (denoised.float() - target.float()).square()
    return (rows(loss_weight(sigma, sigma_data), error) * error).flatten(1).mean(1)


class Ema:
    """Exponential moving average of all parameters and buffers, ramped up over the first steps so that
    short runs do not average in their random start (Karras et al. 2022, appendix F.2)."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value.to(self.state[key].dtype), 1 - decay)
            else:
                self.state[key].copy_(value)


def lr_factor(progress: float, step: int, config: TrainConfig) -> float:
    """Warm-up, constant, then cosine to 0; ``progress`` is the finished fraction of the run."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if progress <= config.decay_from:
        return warm
    rest = (progress - config.decay_from) / max(1e-9, 1 - config.decay_from)
    return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))


def fit(
    config: TrainConfig,
    module: nn.Module,
    loss_fn: Callable[[Any], dict[str, Tensor]],
    batches: Iterator[Any],
    out: Path,
    save_ema: Callable[[dict[str, Tensor], dict[str, Any]], None],
    on_save: Callable[[int], dict[str, float]] | None = None,
    progress: bool = True,
) -> dict[str, Tensor]:
    """Trains ``module`` in place and returns its EMA state.

    loss_fn(batch) -> {"loss": scalar, ...other scalars to log}. Every ``save_seconds`` and at the end:
    ``save_ema(state, info)`` writes the weights people use, ``on_save(step)`` may return metrics for
    the log, and ``out/resume.pt`` (tensors and numbers only) lets the same call go on where it stopped.
    ``out/log.jsonl`` gets a line of averaged losses every ``log_every`` steps. Raises
    FloatingPointError on a non-finite loss instead of training on.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    decayed = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=config.lr,
        betas=config.betas,
        fused=True,  # one pass over each tensor: several times faster on a CPU
    )
    ema = Ema(module, config.ema)
    step, spent = 0, 0.0
    resume = out / "resume.pt"
    if resume.is_file():
        kept = torch.load(resume, weights_only=True)
        module.load_state_dict(kept["module"])
        optimizer.load_state_dict(kept["optimizer"])
        ema.state, step, spent = kept["ema"], kept["step"], kept["spent"]
        torch.manual_seed(config.seed + step)

    def save() -> None:
        info = {"step": step, "seconds": round(spent, 1), "train": asdict(config)}
        save_ema(ema.state, info)
        partial = resume.with_suffix(".tmp")
        torch.save(
            {
                "module": module.state_dict(),
                "optimizer": optimizer.state_dict(),
                "ema": ema.state,
                "step": step,
                "spent": spent,
            },
            partial,
        )
        partial.replace(resume)
        metrics = on_save(step) if on_save is not None else {}
        if metrics:
            _log(out, {"step": step, "seconds": round(spent, 1), **metrics})

    bar = _Bar(config, progress)
    module.train()
    last_save = spent
    sums: dict[str, tuple[float, int]] = {}
    while step < config.max_steps and spent < config.max_seconds:
        tick = time.perf_counter()
        done = max(step / config.max_steps, spent / config.max_seconds)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * lr_factor(done, step, config)
        losses = loss_fn(next(batches))
        if not torch.isfinite(losses["loss"]):
            raise FloatingPointError(f"loss is {losses['loss'].item()} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(module.parameters(), config.clip)
        optimizer.step()
        ema.update(module, step)
        step += 1
        spent += time.perf_counter() - tick
        for key, value in losses.items():  # a batch of one kind need not have the keys of another
            total, count = sums.get(key, (0.0, 0))
            sums[key] = total + float(value.detach()), count + 1
        if step % config.log_every == 0:
            means = {key: total / count for key, (total, count) in sums.items()}
            _log(out, {"step": step, "seconds": round(spent, 1), **means})
            bar.show(step, spent, means["loss"])
            sums = {}
        if spent - last_save >= config.save_seconds:
            save()
            last_save = spent
    save()
    bar.close()
    return ema.state


def _log(out: Path, record: dict[str, Any]) -> None:
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps({k: _short(v) for k, v in record.items()}) + "\n")


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


class _Bar:
    """A tqdm bar over seconds or steps, whichever bounds the run; silent when told so."""

    def __init__(self, config: TrainConfig, enabled: bool) -> None:
        from tqdm import tqdm

        self.by_time = math.isfinite(config.max_seconds)
        total = config.max_seconds if self.by_time else config.max_steps
        self.bar = tqdm(total=total, unit="s" if self.by_time else "step", disable=not enabled)

    def show(self, step: int, spent: float, loss: float) -> None:
        self.bar.n = min(round(spent), self.bar.total) if self.by_time else step
        self.bar.set_postfix_str(f"step {step}, loss {loss:.4f}", refresh=False)
        self.bar.refresh()

    def close(self) -> None:
        self.bar.close()
