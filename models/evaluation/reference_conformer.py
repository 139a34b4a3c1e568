"""Ablation: what one ETKDG conformer as an input is worth, which AlphaFold 3 is also given.

    python -m models evaluate reference_conformer

Two small networks of the structure model's own code start from the same weights and see the same
batches, noise and number of steps. One of them is also told the distances in a conformer that RDKit
made of each molecule, as AlphaFold 3 is through the positions of its reference conformers. Both are
scored on molecules of 2023, beside ETKDG itself. Minutes are of processor time per network, so that a
busy machine changes nothing. Writes `models/checkpoints/alphafold3-ablation-metrics.json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.alphafold3.chemistry import graph_molecule
from models.alphafold3.data.batches import Batch
from models.alphafold3.data.ideal import ideal_distances
from models.alphafold3.data.store import Molecules
from models.alphafold3.diffusion_module import STYLES, StructureModel
from models.alphafold3.features import Features, arrays, collate
from models.alphafold3.geometry import augment
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.train import step_loss
from models.alphafold3.trunk import ModelConfig
from models.checkpoint import CHECKPOINTS
from models.diffusion.sampler import Request, run, sample
from models.diffusion.training import Ema, TrainConfig, lr_factor
from models.evaluation.molecules_scores import Row, etkdg, score
from models.evaluation.molecules_tables import paired, summary
from models.pipeline import SampleSettings, sample_generators

OUT = CHECKPOINTS / "alphafold3-ablation-metrics.json"
SMALL = ModelConfig(
    single=96,
    pair=32,
    triangle=16,
    trunk_blocks=1,
    recycles=0,
    heads=4,
    token=128,
    atom=96,
    blocks=4,
)
TRAINED, TESTED, LARGEST, SAMPLES = 2500, 40, 20, 5
MINUTES = 2.0  # of processor time, per network
COPIES, ROWS = 8, 2048
WIDTH, BINS = 0.25, 49  # A; bin 0: not known, or the atom itself
VARIANTS = {"without": False, "with_reference_conformer": True}
PLAN = TrainConfig(lr=2e-3, max_steps=1, warmup_steps=100, decay_from=0.4, clip=2.0, ema=0.995)


class PairsAndReference(nn.Module):
    """The pair embedding of a trunk, plus one learned vector per reference distance (last column)."""

    def __init__(self, pairs: nn.Module, dim: int) -> None:
        super().__init__()
        self.pairs = pairs
        self.reference = nn.Embedding(BINS, dim)
        nn.init.zeros_(self.reference.weight)

    def forward(self, columns: Tensor) -> Tensor:
        return self.pairs(columns[..., :-1]) + self.reference(columns[..., -1])


@dataclass(frozen=True)
class Reference:
    """An ETKDG conformer (N, 3) A of each molecule, by its place in the data."""

    conformers: dict[int, np.ndarray]

    def bins(self, places: Sequence[int]) -> Tensor:
        """(B, T, T) of molecules of one size."""
        xyz = torch.from_numpy(np.stack([self.conformers[i] for i in places])).float()
        return distance_bins(xyz)


def distance_bins(xyz: Tensor) -> Tensor:
    """(B, T, 3) A -> (B, T, T) int64 in 0..BINS - 1"""
    return (torch.cdist(xyz, xyz) / WIDTH).ceil().long().clamp_max(BINS - 1)


def told(features: Features, bins: Tensor) -> Features:
    """Features with the reference distances as one more pair column."""
    return replace(features, pair=torch.cat([features.pair, bins.unsqueeze(-1)], -1))


def make(data: Molecules, places: Sequence[int], seed: int) -> Reference:
    """Molecules that RDKit cannot embed are left out."""
    found = {}
    for i in tqdm(places, "ETKDG"):
        xyz = etkdg(graph_molecule(data.graph(i)), data.conformer(i, "crystal"), 1, seed)
        if xyz is not None:
            found[int(i)] = xyz[0]
    return Reference(found)


def build(seed: int, reference: bool, start: dict[str, Tensor] | None = None) -> StructureModel:
    """A small network; ``start``: the weights of one without reference, which this one also has."""
    torch.manual_seed(seed)
    model = StructureModel(SMALL)
    if start is not None:
        model.load_state_dict(start)
    if reference:
        model.trunk.pairs = PairsAndReference(model.trunk.pairs, SMALL.pair)  # type: ignore[assignment]
    return model


def batches(data: Molecules, reference: Reference, seed: int) -> Iterator[tuple[Batch, Tensor]]:
    """Molecules of one size, every batch with its reference distances."""
    places = np.array(sorted(reference.conformers))
    counts = data["atom_counts"][places]
    items = {int(i): arrays(data.graph(int(i))) for i in places}
    rng = np.random.default_rng(seed)
    while True:
        size = int(rng.choice(counts))  # as often as there are molecules of it
        chosen = rng.choice(places[counts == size], max(2, round(ROWS / (COPIES * size))))
        styles = [
            int(rng.integers(2)) if data["has_ideal"][i] else STYLES.index("crystal")
            for i in chosen
        ]
        truth = [data.conformer(i, STYLES[s]) for i, s in zip(chosen, styles, strict=True)]
        features = collate([items[int(i)] for i in chosen], slots=1)
        batch = Batch(
            features,
            torch.from_numpy(np.stack(truth)),
            torch.tensor(styles),
            features.atom_mask.float(),
            COPIES,
        )
        yield batch, reference.bins([int(i) for i in chosen])


class Trainee:
    """One network with its optimizer and averaged weights."""

    def __init__(self, model: StructureModel, reference: bool) -> None:
        self.model, self.reference = model, reference
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=PLAN.lr, betas=PLAN.betas, weight_decay=PLAN.weight_decay
        )
        self.ema = Ema(model, PLAN.ema)
        self.curve: list[float] = []

    def step(self, number: int, progress: float, batch: Batch, bins: Tensor) -> None:
        if self.reference:
            batch = replace(batch, features=told(batch.features, bins))
        for group in self.optimizer.param_groups:
            group["lr"] = PLAN.lr * lr_factor(progress, number, PLAN)
        torch.manual_seed(number)  # the same noise for both
        loss = step_loss(self.model, batch)["loss"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), PLAN.clip)
        self.optimizer.step()
        self.ema.update(self.model, number)
        self.curve.append(float(loss.detach()))


def train(
    trainees: Sequence[Trainee], given: Iterator[tuple[Batch, Tensor]], seconds: float
) -> int:
    """Steps all of them in turn until each has had ``seconds`` of processor time. -> steps"""
    began, number, progress = time.process_time(), 0, 0.0
    bar = tqdm(total=round(seconds), unit="s")
    while progress < 1:
        batch, bins = next(given)
        for trainee in trainees:
            trainee.step(number, progress, batch, bins)
        number += 1
        spent = (time.process_time() - began) / len(trainees)
        progress = spent / seconds
        bar.update(min(round(spent), bar.total) - bar.n)
    bar.close()
    for trainee in trainees:
        trainee.model.load_state_dict(trainee.ema.state)
        trainee.model.eval()
    return number


class Bound:
    """The denoiser of one molecule, for the sampler."""

    name = "atoms"

    def __init__(
        self, model: StructureModel, features: Features, condition: tuple[Tensor, Tensor]
    ) -> None:
        self.model, self.features, self.condition = model, features, condition
        self.sigma_data = model.sigma_data(1)

    def bucket(self, request: Request) -> int:
        return len(request.x)

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        out = []
        for request in requests:
            count = len(request.x)
            scale = torch.full((count,), self.sigma_data)
            style = torch.zeros(count, dtype=torch.long)
            x = request.x.float() - request.x.float().mean(-2, keepdim=True)
            args = (x, request.sigma.float(), self.features, self.condition, style, scale)
            denoised = self.model.denoise(*args)
            out.append(denoised - denoised.mean(-2, keepdim=True))
        return out


@torch.inference_mode()
def draw(
    trainee: Trainee, data: Molecules, place: int, reference: Reference, settings: SampleSettings
) -> np.ndarray:
    """(samples, N, 3) A"""
    features = collate([arrays(data.graph(place))], slots=1)
    if trainee.reference:
        features = told(features, reference.bins([place]))
    single, pair = trainee.model.trunk(features, 0)
    net = Bound(trainee.model, features, trainee.model.condition(single, pair, features))
    generators = sample_generators(settings.seed, settings.samples, stream=place)
    asked = sample(
        net,
        (len(features.tokens[0]), 3),
        settings.build_schedule(net.sigma_data),
        generators,
        sampler=settings.sampler,
        noise_scale=settings.noise_scale,
        step_scale=settings.step_scale,
        augment=augment,
    )
    return run(asked).numpy()


def places_of(data: Molecules, split: str, count: int) -> list[int]:
    usable = (data["split"] == split) & data["has_crystal"]
    usable &= (data["atom_counts"] >= 8) & (data["atom_counts"] <= LARGEST)
    return np.random.default_rng(0).permutation(np.flatnonzero(usable))[:count].tolist()


def evaluate(
    minutes: float = MINUTES,
    out: Path = OUT,
    cache: Path = Path("cache"),
    trained: int = TRAINED,
    tested: int = TESTED,
) -> dict[str, Any]:
    """Trains both, scores both, writes and returns the comparison."""
    data = Molecules(cache / "molecules/molecules.npz")
    reference = make(data, places_of(data, "train", trained), seed=0)
    held_out = make(data, places_of(data, "val", tested), seed=1)
    plain = build(0, reference=False)
    plain.set_ideal_distances(*ideal_distances(data))
    start = {name: value.clone() for name, value in plain.state_dict().items()}
    models = {"without": plain, "with_reference_conformer": build(0, True, start)}
    trainees = {name: Trainee(models[name], VARIANTS[name]) for name in VARIANTS}
    steps = train(list(trainees.values()), batches(data, reference, 0), 60 * minutes)
    settings = replace(AlphaFold3.defaults, samples=SAMPLES, seed=7)
    rows: dict[str, list[Row]] = {name: [] for name in [*VARIANTS, "etkdg_v3"]}
    for i in tqdm(sorted(held_out.conformers), "scores"):
        mol, crystal = graph_molecule(data.graph(i)), data.conformer(i, "crystal")
        made = etkdg(mol, crystal, SAMPLES, seed=2)
        if made is None:
            continue
        for name, trainee in trainees.items():
            xyz = draw(trainee, data, i, held_out, settings)
            rows[name].append(score(mol, xyz, crystal, SAMPLES))
        rows["etkdg_v3"].append(score(mol, made, crystal, SAMPLES))
    metrics = {
        "trained_on_molecules": len(reference.conformers),
        "largest_molecule": LARGEST,
        "parameters": sum(p.numel() for p in plain.parameters()),
        "minutes_of_processor_time_each": minutes,
        "steps_each": steps,
        "samples_per_molecule": SAMPLES,
        **{name: summary(found) for name, found in rows.items()},
        "with_minus_without": paired(
            rows["with_reference_conformer"], rows["without"], ("with", "without")
        ),
    }
    metrics["last_loss"] = {
        name: round(float(np.mean(trainee.curve[-200:])), 4) for name, trainee in trainees.items()
    }
    out.write_text(json.dumps({"settings": asdict(SMALL), **metrics}, indent=1) + "\n")
    return metrics
