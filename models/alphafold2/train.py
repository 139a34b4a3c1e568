"""Trains the structure module on protein crops; the trunk of AlphaFold 3 answers and does not learn.

    python -m models train alphafold2 --minutes 30

needs ``cache/proteins`` (``python -m models data proteins``) and ``alphafold3.safetensors``; what it writes
fits this one file. Resumes what ``--out`` holds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import curves
from models.alphafold2.checkpoint import CHECKPOINT, TRUNK, save_module
from models.alphafold2.frames import average_residue, frames_from_backbone
from models.alphafold2.losses import fape, fold_losses
from models.alphafold2.structure_module import StructureConfig, StructureModule
from models.alphafold3.data.batches import ProteinBatches, Proteins, backbone_arrays
from models.alphafold3.data.proteins import CROP
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.features import Features, collate
from models.alphafold3.geometry import lddt
from models.alphafold3.pipeline import load_model
from models.alphafold3.polymer import CA, SLOTS
from models.alphafold3.train import parts_before
from models.checkpoint import CHECKPOINTS, fingerprint
from models.diffusion.training import TrainConfig, fit

CURVES = "alphafold2-curves.json"
ROWS = 256  # residues per step
REUSED, KEPT = 4, 256  # see readings
CHECKED = 48  # validation crops, looked at with every save
MEASURED = 4000  # residues whose average is the rigid residue


def mean_residue(proteins: Proteins, seed: int = 0) -> Tensor:
    """(4, 3) A: N, CA, C and the way to O of the average residue of the training chains."""
    train = np.flatnonzero(proteins["split"] == "train")
    chosen = np.random.default_rng(seed).permutation(train)
    parts = [torch.from_numpy(proteins.backbone(int(i))) for i in chosen[: MEASURED // 40]]
    return average_residue(torch.cat(parts)[:MEASURED])


@dataclass(frozen=True)
class Reading:
    """What the trunk made of B single chains, and their backbones. single (B, T, c) and pair (B, T, T, c)
    in float16, mask (B, T), truth (B, T, 4, 3) A."""

    single: Tensor
    pair: Tensor
    mask: Tensor
    truth: Tensor


def read(model: StructureModel, features: Features, truth: Tensor) -> Reading:
    """The frozen trunk's answer. truth: (B, 4 T, 3) A."""
    device = features.tokens.device.type
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        single, pair = model.trunk(features)
    return Reading(single.half(), pair.half(), features.token_mask, truth.unflatten(1, (-1, SLOTS)))


def readings(
    model: StructureModel, batches: ProteinBatches, device: str, seed: tuple[int, ...]
) -> Iterator[Reading]:
    """Endless. A trunk pass takes longer than a step of the structure module, so every reading is used
    REUSED times on average, drawn at random among the last KEPT."""
    rng = np.random.default_rng(seed)
    kept: list[Reading] = []
    for step in itertools.count():
        if step % REUSED == 0:
            batch = batches.draw(rng).to(device)
            if len(kept) == KEPT:
                kept.pop(int(rng.integers(KEPT)))
            kept.append(read(model, batch.features, batch.truth))
        yield kept[int(rng.integers(len(kept)))]


def step_losses(
    module: StructureModule, reading: Reading, violations: float = 0.0
) -> dict[str, Tensor]:
    """-> the losses of :func:`models.alphafold2.losses.fold_losses`"""
    folds = module(reading.single.float(), reading.pair.float(), reading.mask)
    chain = torch.zeros_like(reading.mask, dtype=torch.long)
    return fold_losses(folds, reading.truth, chain, reading.mask, violations)


class Mending:
    """The weight of violations along a training: 0 until ``start`` of its seconds, then rising to
    ``full`` within a tenth of them. The paper turns them on in a second training, this does so in one.
    """

    def __init__(self, seconds: float, spent: float, start: float, full: float) -> None:
        self.seconds, self.start, self.full = seconds, start, full
        self.began = time.perf_counter() - spent

    def weight(self) -> float:
        progress = (time.perf_counter() - self.began) / self.seconds
        return self.full * min(1.0, max(0.0, (progress - self.start) / 0.1))


def seconds_before(out: Path) -> float:
    """Of training, as the log of the parts before tells them."""
    log = out / "log.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return float(json.loads(lines[-1])["seconds"]) if lines else 0.0


def held_out_crops(model: StructureModel, proteins: Proteins, device: str) -> list[Reading]:
    """Whole crops of the validation split, every other one with its profile. Raises ValueError."""
    pool = np.flatnonzero((proteins["split"] == "val") & (proteins["count"] == CROP))
    if not len(pool):
        raise ValueError(f"the proteins hold no validation crop of {CROP} residues")
    chosen = np.random.default_rng(0).permutation(pool)[:CHECKED]
    crops = []
    for part in np.array_split(chosen, max(1, len(chosen) * CROP // ROWS)):
        items = [backbone_arrays(proteins["residues"][proteins.span(i)]) for i in part.tolist()]
        for item, index in list(zip(items, part.tolist(), strict=True))[1::2]:
            item["profile"] = proteins["profile"][proteins.span(index)]
        truth = np.stack([proteins.backbone(i).reshape(-1, 3) for i in part.tolist()])
        features = collate(items, SLOTS).to(device)
        crops.append(read(model, features, torch.from_numpy(truth).to(device)))
    return crops


@torch.no_grad()
def held_out(module: StructureModule, crops: Sequence[Reading]) -> dict[str, float]:
    """lDDT over CA and frame-aligned error of crops that are not trained on."""
    scores, errors = [], []
    for crop in crops:
        mask, truth = crop.mask, crop.truth
        fold = module(crop.single.float(), crop.pair.float(), mask)[-1]
        scores.append(lddt(fold.backbone[:, :, CA], truth[:, :, CA], mask))
        errors.append(fape(fold.frames, fold.backbone, frames_from_backbone(truth), truth, mask))
    return {
        "held_out_lddt_ca": float(torch.cat(scores).mean()),
        "held_out_fape": float(torch.cat(errors).mean()),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of ``python -m models train alphafold2``."""
    parser = argparse.ArgumentParser(prog="python -m models train alphafold2", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay-from", type=float, default=0.5)
    parser.add_argument(
        "--mend-from",
        type=float,
        default=0.6,
        help="share of the time after which violations count",
    )
    parser.add_argument("--violations", type=float, default=0.1, help="their weight from then on")
    parser.add_argument("--ema", type=float, default=0.995)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--proteins", type=Path, default=Path("cache/proteins/proteins.npz"))
    parser.add_argument("--trunk", type=Path, default=CHECKPOINTS / TRUNK)
    parser.add_argument("--out", type=Path, default=Path("runs/alphafold2"))
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINTS / CHECKPOINT)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    model, trunk = load_model(args.trunk).to(args.device), fingerprint(args.trunk)
    proteins = Proteins(args.proteins)
    config = StructureConfig(model.config.single, model.config.pair)
    module = StructureModule(config)
    module.residue.copy_(mean_residue(proteins))
    module.to(args.device)
    drawn = ProteinBatches(proteins, 1, ROWS)
    seed = (args.seed, parts_before(args.out))
    unseen = held_out_crops(model, proteins, args.device)

    def save_ema(state: dict[str, Tensor], info: dict[str, Any]) -> None:
        save_module(args.checkpoint, state, config, info, trunk)

    mending = Mending(60 * args.minutes, seconds_before(args.out), args.mend_from, args.violations)
    fit(
        TrainConfig(
            lr=args.lr,
            betas=(0.9, 0.99),
            max_seconds=60 * args.minutes,
            decay_from=args.decay_from,
            clip=1.0,
            ema=args.ema,
            warmup_steps=100,
            seed=args.seed,
        ),
        module,
        lambda reading: step_losses(module, reading, mending.weight()),
        readings(model, drawn, args.device, seed),
        args.out,
        save_ema,
        lambda step: held_out(module, unseen),
    )
    curves.write(args.out.parent, args.out.name, args.checkpoint.with_name(CURVES))
