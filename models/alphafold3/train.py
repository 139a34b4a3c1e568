"""Trains trunk and diffusion module together on molecules and protein backbones.

    python -m models train alphafold3 --minutes 70

needs ``cache/molecules`` and ``cache/proteins`` (``python -m models data molecules | proteins``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import checkpoint
from models.alphafold3.data.batches import (
    Batch,
    MoleculeBatches,
    ProteinBatches,
    Proteins,
    endless,
    ideal_distances,
)
from models.alphafold3.data.store import Molecules
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.geometry import centre, rotations_from
from models.alphafold3.losses import aligned_truth, denoising_loss, distance_loss
from models.alphafold3.trunk import ModelConfig
from models.diffusion.training import TrainConfig, fit, lognormal_sigma

CHECKPOINT = "alphafold3.safetensors"
# ln(sigma / sigma_data) ~ N(mean, std). The fold of a protein is decided at higher noise than the
# shape of a molecule, where bonds and angles leave little to decide.
LOG_SIGMA_MEAN_ATOMS, LOG_SIGMA_MEAN_RESIDUES, LOG_SIGMA_STD = -1.6, -1.2, 1.5
DISTANCE_SHARE = 0.2


def step_loss(model: StructureModel, batch: Batch, copies: int) -> dict[str, Tensor]:
    """One trunk pass and ``copies`` randomly turned, noised copies of every structure -> losses."""
    features = batch.features
    mask = features.atom_mask
    truth = centre(batch.truth, mask).repeat_interleave(copies, 0)
    rows = len(truth)
    device = truth.device
    rotation = rotations_from(torch.randn(rows, 2, 3, device=device))
    truth = truth @ rotation.transpose(-1, -2)
    sigma_data = torch.full((rows,), model.sigma_data(features.slots), device=device)
    mean = LOG_SIGMA_MEAN_ATOMS if features.slots == 1 else LOG_SIGMA_MEAN_RESIDUES
    sigma = lognormal_sigma(rows, mean, LOG_SIGMA_STD, device) * sigma_data
    noise = torch.randn_like(truth)
    row_mask = mask.repeat_interleave(copies, 0)
    noisy = truth + centre(noise, row_mask) * sigma[:, None, None]
    with torch.autocast(device.type, torch.bfloat16):
        condition = model.condition(features)
        denoised = model.denoise(
            noisy, sigma, features, condition, batch.style.repeat_interleave(copies), sigma_data
        )
    target = aligned_truth(denoised, truth, row_mask)
    coordinates = denoising_loss(denoised, target, sigma, sigma_data, row_mask)
    bonds, angles = (
        distance_loss(
            denoised,
            truth,
            index.repeat_interleave(copies, 0),
            index_mask.repeat_interleave(copies, 0),
            sigma,
            sigma_data,
        )
        for index, index_mask in (
            (features.near, features.near_mask),
            (features.second, features.second_mask),
        )
    )
    distance = (bonds + angles).mean() / 2
    return {
        "loss": coordinates.mean() + DISTANCE_SHARE * distance,
        "coordinates": coordinates.mean().detach(),
        "distances": distance.detach(),
    }


@dataclass(frozen=True)
class DataConfig:
    """What one step sees. ``copies``: noisy copies of a structure per trunk pass; ``rows``: structures
    x copies x tokens aimed at, which is what keeps a CPU core's matrix products dense."""

    copies: int = 10
    protein_copies: int = 4  # folds are learned from many sequences rather than many noises of one
    rows: int = 2048
    largest: int = 40  # heavy atoms
    small: float = 20.0  # molecules above this size are drawn less often, in proportion
    protein_share: float = 0.4
    quaternary: int = 4  # how often molecules with a fully substituted stereocentre count


def parts_before(out: Path) -> int:
    """Number of log lines so far: a resumed run must not see the same batches again."""
    log = out / "log.jsonl"
    return len(log.read_text().splitlines()) if log.is_file() else 0


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of ``python -m models train alphafold3``; resumes what ``--out`` holds."""
    parser = argparse.ArgumentParser(prog="python -m models train alphafold3", description=__doc__)
    parser.add_argument("--minutes", type=float, default=70.0)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay-from", type=float, default=0.5)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--protein-share", type=float, default=DataConfig.protein_share)
    parser.add_argument("--quaternary", type=int, default=DataConfig.quaternary)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--molecules", type=Path, default=Path("cache/molecules/molecules.npz"))
    parser.add_argument("--proteins", type=Path, default=Path("cache/proteins/proteins.npz"))
    parser.add_argument("--out", type=Path, default=Path("runs/alphafold3"))
    parser.add_argument("--checkpoint", type=Path, default=checkpoint.CHECKPOINTS / CHECKPOINT)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    config = ModelConfig()
    data = DataConfig(protein_share=args.protein_share, quaternary=args.quaternary)
    model = StructureModel(config)
    molecules, proteins = Molecules(args.molecules), Proteins(args.proteins)
    model.set_ideal_distances(*ideal_distances(molecules, proteins))
    model.to(args.device)
    batches = endless(
        MoleculeBatches(
            molecules, data.copies, data.rows, data.largest, data.small, data.quaternary
        ),
        ProteinBatches(proteins, data.protein_copies, data.rows),
        data.protein_share,
        (args.seed, parts_before(args.out)),
    )

    def loss(batch: Batch) -> dict[str, Tensor]:
        atoms = batch.features.slots == 1
        copies = data.copies if atoms else data.protein_copies
        return step_loss(model, batch.to(args.device), copies)

    def save_ema(state: dict[str, Tensor], info: dict[str, Any]) -> None:
        checkpoint.save(args.checkpoint, state, config, info)

    plan = TrainConfig(
        lr=args.lr,
        max_seconds=60 * args.minutes,
        decay_from=args.decay_from,
        clip=2.0,
        ema=args.ema,
        warmup_steps=200,
        seed=args.seed,
    )
    fit(plan, model, loss, batches, args.out, save_ema)
