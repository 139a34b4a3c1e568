"""Trains trunk and diffusion module together on every class of structures.

    python -m models train alphafold3 --minutes 90

needs ``cache/molecules``, ``cache/proteins`` and ``cache/structures`` (``python -m models data molecules |
proteins | structures``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import curves
from models.alphafold3.data.batches import (
    Batch,
    Batches,
    MoleculeBatches,
    ProteinBatches,
    Proteins,
    StructureBatches,
    endless,
)
from models.alphafold3.data.ideal import ideal_distances
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import Structures
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.geometry import centre, rotations_from
from models.alphafold3.losses import (
    aligned_truth,
    denoising_loss,
    distance_loss,
    distogram_loss,
    hand_loss,
    turn_loss,
)
from models.alphafold3.network import TRAINED
from models.alphafold3.trunk import ModelConfig
from models.alphafold3.validation import held_out_loss, validation_batches
from models.checkpoint import CHECKPOINTS
from models.compact import load_compact, save_compact
from models.diffusion.training import TrainConfig, fit

CHECKPOINT, CURVES = "alphafold3.safetensors", "alphafold3-curves.json"
DISTANCE_SHARE = 0.2
DISTOGRAM_SHARE = 0.05
HAND_SHARE = 0.3
TURN_SHARE = 1.0
LOGGED = ("coordinates", "distogram", "hands", "turns")  # by class
MAX_RECYCLES = 2  # passes without gradient, drawn anew every step (AF3 supplement 4.1)


def step_loss(model: StructureModel, batch: Batch, recycles: int = 0) -> dict[str, Tensor]:
    """One trunk pass and several randomly turned, noised copies of every structure -> losses.

    ``recycles``: passes of the trunk before it, without gradient (AF3 trains with a random number).
    """
    features, copies = batch.features, batch.copies
    mask = features.atom_mask
    centred = centre(batch.truth, mask)
    truth = centred.repeat_interleave(copies, 0)
    rows = len(truth)
    device = truth.device
    rotation = rotations_from(torch.randn(rows, 2, 3, device=device))
    truth = truth @ rotation.transpose(-1, -2)
    sigma_data = torch.full((rows,), model.sigma_data(features.slots), device=device)
    sigma = TRAINED[features.slots].draw(rows, device) * sigma_data
    noise = torch.randn_like(truth)
    row_mask = mask.repeat_interleave(copies, 0)
    noisy = truth + centre(noise, row_mask) * sigma[:, None, None]
    with torch.autocast(device.type, torch.bfloat16):
        single, pair = model.trunk(features, recycles)
        logits = model.distogram(pair)
        condition = model.condition(single, pair, features)
        denoised = model.denoise(
            noisy, sigma, features, condition, batch.style.repeat_interleave(copies), sigma_data
        )
    weight = batch.weight.repeat_interleave(copies, 0)
    target = aligned_truth(denoised, truth, weight)
    coordinates = denoising_loss(denoised, target, sigma, sigma_data, weight)
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
    place = features.representative
    chosen = torch.gather(centred, 1, place.unsqueeze(-1).expand(-1, -1, 3))
    present = torch.gather(mask, 1, place) & features.token_mask
    distogram = distogram_loss(logits, chosen, present)
    known = features.handed_mask * features.centre.unsqueeze(-1)
    hands = hand_loss(
        denoised, features.handed.repeat_interleave(copies, 0), known.repeat_interleave(copies, 0)
    )
    loss = coordinates.mean() + DISTANCE_SHARE * distance
    loss = loss + DISTOGRAM_SHARE * distogram + HAND_SHARE * hands
    turns = denoised.sum() * 0.0
    if features.slots > 1:  # the tokens of a molecule have no order
        where = place.repeat_interleave(copies, 0).unsqueeze(-1).expand(-1, -1, 3)
        turns = turn_loss(
            torch.gather(denoised, 1, where),
            torch.gather(truth, 1, where),
            present.repeat_interleave(copies, 0),
        )
        loss = loss + TURN_SHARE * turns
    return {
        "loss": loss,
        "coordinates": coordinates.mean().detach(),
        "distances": distance.detach(),
        "distogram": distogram.detach(),
        "hands": hands.detach(),
        "turns": turns.detach(),
    }


@dataclass(frozen=True)
class DataConfig:
    """What one step sees. copies: noisy copies of a structure per trunk pass; rows: structures x copies
    x tokens aimed at, which is what keeps a CPU core's matrix products dense. A token of a structure
    with all atoms costs about twice one of a backbone."""

    copies: int = 10
    protein_copies: int = 4  # folds are learned from many sequences rather than many noises of one
    structure_copies: int = 8
    rows: int = 2048
    structure_rows: int = 1024
    largest: int = 40  # heavy atoms
    small: float = 20.0  # molecules above this size are drawn less often, in proportion
    quaternary: int = 4  # how often molecules with a fully substituted stereocentre count


# Share of the training steps by class of structures.
SHARES = {"molecules": 0.25, "proteins": 0.25, "structures": 0.5}


def _shares(text: str) -> dict[str, float]:
    shares = {name: float(value) for name, value in (part.split("=") for part in text.split(","))}
    if set(shares) - set(SHARES):
        raise argparse.ArgumentTypeError(f"classes are {', '.join(SHARES)}")
    return {name: shares.get(name, 0.0) for name in SHARES}


def grow(model: StructureModel, state: Mapping[str, Tensor]) -> None:
    """Starts ``model`` from weights of a smaller one: the leading block of every tensor of the same name
    and rank is copied, what is new keeps its start."""
    with torch.no_grad():
        for name, own in model.state_dict().items():
            old = state.get(name)
            if old is None or old.ndim != own.ndim or "ideal" in name:
                continue
            block = tuple(slice(0, min(a, b)) for a, b in zip(own.shape, old.shape, strict=True))
            own[block] = old[block].to(own)


def _sources(cache: Path, data: DataConfig, shares: Mapping[str, float]) -> dict[str, Batches]:
    """The classes that have a share; the files of the others need not be there."""
    make: dict[str, Callable[[], Batches]] = {
        "molecules": lambda: MoleculeBatches(
            Molecules(cache / "molecules/molecules.npz"),
            data.copies,
            data.rows,
            data.largest,
            data.small,
            data.quaternary,
        ),
        "proteins": lambda: ProteinBatches(
            Proteins(cache / "proteins/proteins.npz"), data.protein_copies, data.rows
        ),
        "structures": lambda: StructureBatches(
            Structures(cache / "structures/structures.npz"),
            data.structure_copies,
            data.structure_rows,
        ),
    }
    return {name: make[name]() for name in SHARES if shares[name] > 0}


def parts_before(out: Path) -> int:
    """Number of log lines so far: a resumed run must not see the same batches again."""
    log = out / "log.jsonl"
    return len(log.read_text().splitlines()) if log.is_file() else 0


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of ``python -m models train alphafold3``; resumes what ``--out`` holds."""
    parser = argparse.ArgumentParser(prog="python -m models train alphafold3", description=__doc__)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay-from", type=float, default=0.5)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--shares", type=_shares, default=SHARES, help="molecules=0.3,proteins=...")
    parser.add_argument("--quaternary", type=int, default=DataConfig.quaternary)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument(
        "--warm", type=Path, help="checkpoint to start from, may be a smaller model's"
    )
    parser.add_argument(
        "--freeze-trunk", action="store_true", help="train the diffusion module only"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/alphafold3"))
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINTS / CHECKPOINT)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    config = ModelConfig()
    data = DataConfig(quaternary=args.quaternary)
    model = StructureModel(config)
    if args.warm is not None:
        grow(model, load_compact(args.warm)[0])
    if args.freeze_trunk:
        model.trunk.requires_grad_(False)
        model.distogram.requires_grad_(False)
    sources = _sources(args.cache, data, args.shares)
    molecules, proteins, structures = (
        sources[name].data if name in sources else None for name in SHARES
    )
    model.set_ideal_distances(*ideal_distances(molecules, proteins, structures))
    model.to(args.device)
    batches = endless(sources, args.shares, (args.seed, parts_before(args.out)))
    draws = np.random.default_rng((args.seed, parts_before(args.out), 1))

    def loss(named: tuple[str, Batch]) -> dict[str, Tensor]:
        name, batch = named
        recycles = int(draws.integers(MAX_RECYCLES + 1))
        losses = step_loss(model, batch.to(args.device), recycles)
        return losses | {
            f"{name}_{key}": losses[key] for key in ("coordinates", "distogram", "hands")
        }

    def save_ema(state: dict[str, Tensor], info: dict[str, Any]) -> None:
        save_compact(args.checkpoint, state, config, info)

    plan = TrainConfig(
        lr=args.lr,
        max_seconds=60 * args.minutes,
        decay_from=args.decay_from,
        clip=2.0,
        ema=args.ema,
        warmup_steps=200,
        seed=args.seed,
    )
    held_out = validation_batches(molecules, proteins, structures)
    held_out = {name: batch.to(args.device) for name, batch in held_out.items()}
    on_save = held_out_loss(model, held_out, step_loss)
    fit(plan, model, loss, batches, args.out, save_ema, on_save)
    parts = {name: f"{name}_coordinates" for name in SHARES}
    parts |= {f"{name}, held out": f"{name}_held_out" for name in held_out}
    curves.write(args.out.parent, args.out.name, args.checkpoint.with_name(CURVES), parts)
