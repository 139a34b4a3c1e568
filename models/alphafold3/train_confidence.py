"""Trains the confidence head on samples that the structure model draws for it first.

    python -m models train confidence --minutes 8

needs ``alphafold3.safetensors`` and the caches that it was trained from. Samples and training are kept in
``--out``, below a folder named after the structure model's weights: a head reads one trunk only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import checkpoint, curves
from models.alphafold3.confidence import (
    BINS,
    CHECKPOINT,
    ConfidenceConfig,
    ConfidenceHead,
    plddt,
)
from models.alphafold3.data import rollouts
from models.alphafold3.data.rollouts import Rollout, Source
from models.alphafold3.data.scored import Batch, Rollouts
from models.alphafold3.pipeline import CHECKPOINT as STRUCTURE_CHECKPOINT
from models.alphafold3.pipeline import AlphaFold3
from models.diffusion.training import TrainConfig, fit

SEED = 3  # of the samples
TRUNK_BYTES = 2**31  # training asks the trunk about what sampling has asked already
HELD_OUT = 0.1  # of the validation structures: watched while training, not trained on
RANKING_SHARE = 0.1
LEAST_SPREAD = 1e-4  # variance of the lDDT over the samples of a structure that is worth explaining


@dataclass(frozen=True)
class RolloutConfig:
    """How many structures of each class, samples of each, and structures per shard."""

    molecules: int = 1500
    proteins: int = 200
    structures: int = 300
    samples: int = 4
    shard: int = 100

    def count(self, name: str) -> int:
        return int(getattr(self, name))


def draw_rollouts(
    pipeline: AlphaFold3, sources: Mapping[str, Source], config: RolloutConfig, out: Path,
    max_seconds: float,
) -> None:  # fmt: skip
    """Writes shards into ``out`` until all are there or the time is over; those there are not drawn again.

    The classes take turns, so that whatever is there is mixed as intended.
    """
    started = time.monotonic()
    rng = np.random.default_rng(SEED)
    plan: list[tuple[float, str, int, np.ndarray]] = []
    for name, source in sources.items():
        chosen = source.members(("val", "train"), rng)[: config.count(name)]
        parts = [chosen[k : k + config.shard] for k in range(0, len(chosen), config.shard)]
        plan += [((k + 0.5) / len(parts), name, k, part) for k, part in enumerate(parts)]
    for _, name, k, part in sorted(plan, key=lambda row: row[:3]):
        path = out / f"rollouts-{name}-{k:03d}.npz"
        if path.is_file():
            continue
        if time.monotonic() - started > max_seconds:
            print(f"the time for samples is over; {path.name} and what follows are left out")
            return
        settings = replace(pipeline.defaults, seed=SEED + k, samples=config.samples)
        rollouts.save(
            path, list(rollouts.draw(pipeline, settings, name, sources[name], part.tolist()))
        )
        print(f"{path.name}: {time.monotonic() - started:.0f} s")


def confidence_loss(head: ConfidenceHead, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy over BINS of the atoms' lDDT, every sample counting the same, and the share of what
    the samples of one structure differ in the mean that is not explained: what ranking them is about."""
    device = batch.x.device.type
    with torch.autocast(device, torch.bfloat16):
        logits = head(*batch.inputs)
    known = ~batch.lddt.isnan()
    weight = known.float() / known.sum(-1, keepdim=True).clamp_min(1)
    truth = batch.lddt.nan_to_num()
    bins = (truth * BINS).long().clamp(0, BINS - 1)
    entropy = torch.nn.functional.cross_entropy(
        logits.flatten(0, 2), bins.flatten(), reduction="none"
    ).view_as(truth)
    entropy = (entropy * weight).sum(-1).mean()
    guess = plddt(logits) / 100
    means = (guess * weight).sum(-1), (truth * weight).sum(-1)  # (B, S)
    gap = [mean - mean.mean(-1, keepdim=True) for mean in means]
    spread = gap[1].square().mean().clamp_min(LEAST_SPREAD)
    ranking = (gap[0] - gap[1]).square().mean() / spread
    return {
        "loss": entropy + RANKING_SHARE * ranking,
        "entropy": entropy.detach(),
        "ranking": ranking.detach(),
        "error": ((guess - truth).abs() * weight).sum(-1).mean().detach(),
    }


def held_out(kept: Sequence[Rollout]) -> tuple[list[Rollout], list[Rollout]]:
    """-> to train on, to watch: a share of each class's validation structures, by their numbers."""
    watched = [one.split == "val" and one.number % round(1 / HELD_OUT) == 0 for one in kept]
    return (
        [one for one, out in zip(kept, watched, strict=True) if not out],
        [one for one, out in zip(kept, watched, strict=True) if out],
    )


def watch(head: ConfidenceHead, data: Rollouts, device: str) -> dict[str, float]:
    """On structures that are not trained on: the loss, and how prediction and truth correlate over atoms
    and, within structures, over their samples."""
    losses, atoms, samples = [], [], []
    with torch.no_grad():
        for batch in data.all():
            batch = batch.to(device)
            losses.append(float(confidence_loss(head, batch)["entropy"]))
            guess = plddt(head(*batch.inputs)).where(~batch.lddt.isnan(), torch.nan)
            both = torch.stack([guess, batch.lddt]).cpu()
            atoms.append(both[:, ~batch.lddt.isnan().cpu()])
            mean = both.nanmean(-1)
            samples.append((mean - mean.mean(-1, keepdim=True)).flatten(1))
    if not losses:
        return {}
    return {
        "held_out_entropy": float(np.mean(losses)),
        "held_out_correlation": float(torch.corrcoef(torch.cat(atoms, 1))[0, 1]),
        "held_out_ranking": float(torch.corrcoef(torch.cat(samples, 1).nan_to_num())[0, 1]),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of ``python -m models train confidence``; resumes what ``--out`` holds."""
    parser = argparse.ArgumentParser(prog="python -m models train confidence", description=__doc__)
    defaults = RolloutConfig()
    parser.add_argument(
        "--minutes", type=float, default=8.0, help="of training; 0 only draws samples"
    )
    parser.add_argument("--rollout-minutes", type=float, default=15.0, help="of drawing samples")
    for name in ("molecules", "proteins", "structures"):
        parser.add_argument(f"--{name}", type=int, default=defaults.count(name))
    parser.add_argument("--samples", type=int, default=defaults.samples, help="per structure")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--ema", type=float, default=0.995)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--out", type=Path, default=Path("runs/confidence"))
    parser.add_argument("--folder", type=Path, default=checkpoint.CHECKPOINTS)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    pipeline = AlphaFold3(args.folder)
    pipeline.trunk.max_bytes = TRUNK_BYTES
    weights = checkpoint.fingerprint(args.folder / STRUCTURE_CHECKPOINT)
    out = args.out / weights
    wanted = RolloutConfig(args.molecules, args.proteins, args.structures, args.samples)
    sources = rollouts.sources(args.cache)
    draw_rollouts(pipeline, sources, wanted, out, 60 * args.rollout_minutes)
    if args.minutes <= 0:
        return
    trained, watched = held_out(rollouts.read(out))
    model = pipeline.model
    data, unseen = (Rollouts(model, pipeline.trunk, sources, part) for part in (trained, watched))
    counts = {name: sum(one.source == name for one in trained) for name in sources}
    print(f"{counts} structures to train on, {len(watched)} to watch")

    config = ConfidenceConfig(trunk_single=model.config.single, trunk_pair=model.config.pair)
    head = ConfidenceHead(config).to(args.device)

    def save_ema(state: dict[str, Tensor], info: dict[str, Any]) -> None:
        about = {"weights": weights, "structures": counts, "samples": args.samples}
        checkpoint.save(args.folder / CHECKPOINT, state, config, {**info, **about})

    log = out / "confidence" / "log.jsonl"
    before = len(log.read_text().splitlines()) if log.is_file() else 0
    plan = TrainConfig(
        lr=args.lr,
        max_seconds=60 * args.minutes,
        decay_from=0.3,
        ema=args.ema,
        seed=args.seed,
    )
    fit(
        plan,
        head,
        lambda batch: confidence_loss(head, batch.to(args.device)),
        data.endless((args.seed, before)),
        log.parent,
        save_ema,
        on_save=lambda step: watch(head, unseen, args.device),
    )
    curves.write(out, "confidence", args.folder / "alphafold3-curves.json")
