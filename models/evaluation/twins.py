"""AlphaFold 2 beside AlphaFold 3: the same trunk, crops, inputs, judges and machine.

    python -m models evaluate alphafold2

Needs the protein cache (`python -m models data proteins`) and biotite. 100 held-out crops of 64 residues,
each without and with its sequence profile. AlphaFold 3 draws five samples of a crop, AlphaFold 2 has one
answer. Writes `models/checkpoints/alphafold2-metrics.json`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.alphafold2.checkpoint import TRUNK
from models.alphafold2.folding import fold_chain
from models.alphafold2.frames import torsion
from models.alphafold2.pipeline import AlphaFold2
from models.alphafold3.data.batches import Proteins
from models.alphafold3.geometry import rmsd
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.polymer import CA, SLOTS, C, N
from models.alphafold3.structure import Structure
from models.checkpoint import CHECKPOINTS, load
from models.diffusion.sampler import Run, run
from models.evaluation.molecules_drawing import (
    DRAW_SEED,
    SAMPLE_SEED,
    run_together,
    sample_structures,
)
from models.evaluation.molecules_tables import interval, mean, rounded
from models.evaluation.proteins import (
    CROPS,
    INPUTS,
    SAMPLES,
    backbone_scores,
    compare,
    crop_structures,
    held_out_crops,
    peptide_bonds,
)
from models.pipeline import counted

METRICS = CHECKPOINTS / "alphafold2-metrics.json"
PEPTIDE, BROKEN = (
    1.329,
    0.168,
)  # A: C-N, and by how much it is violated (twelve standard deviations)
CLASH = 3.0  # A between CA of residues that are not neighbours
HELIX = (30.0, 75.0)  # degrees between four CA in a row, right-handed
REPEATS = 5  # of every timing; the fastest counts, as the others had company
VILLIN = "LSDEDFKAVFGMTRSAFANLPLWLQQHLKKEKGLF"


def folded(pipeline: AlphaFold2, structures: Sequence[Structure]) -> list[Tensor]:
    """(1, 4 T, 3) A for every structure."""

    def fold(structure: Structure) -> Run[Tensor]:
        end = yield from fold_chain(pipeline.trunk, pipeline.structure, structure)
        return end.backbone.flatten(1, 2)

    return run_together([fold(structure) for structure in structures])


def spread(samples: Tensor) -> float:
    """Mean RMSD over CA between all pairs of samples, A; 0 for a single one. (S, 4 T, 3)"""
    ca = samples.unflatten(1, (-1, SLOTS))[:, :, CA]
    everything = torch.ones(ca.shape[1], dtype=torch.bool)
    pairs = [float(rmsd(a, b, everything)) for a, b in itertools.combinations(ca, 2)]
    return float(np.mean(pairs)) if pairs else 0.0


def turns(ca: Tensor) -> Tensor:
    """Degrees by which every fourth CA is turned against the first around the two between. (..., T, 3)"""
    angle = torsion(ca[..., :-3, :], ca[..., 1:-2, :], ca[..., 2:-1, :], ca[..., 3:, :])
    return torch.rad2deg(torch.atan2(angle[..., 1], angle[..., 0]))


def geometry(predicted: Sequence[Tensor], truth: Sequence[Tensor]) -> dict[str, float | None]:
    """What needs no superposition, over all samples: peptide bonds that are violated, clashing residues,
    and where the crystal has a helix, the share of turns that are right-handed there.

    predicted: (S, 4 T, 3), truth: (T, 4, 3), A.
    """
    broken, clashing, right = [], [], []
    for samples, answer in zip(predicted, truth, strict=True):
        backbone = samples.float().unflatten(1, (-1, SLOTS))
        bonds = (backbone[:, :-1, C] - backbone[:, 1:, N]).norm(dim=-1)
        broken.append(float(((bonds - PEPTIDE).abs() > BROKEN).float().mean()))
        ca = backbone[:, :, CA]
        apart = torch.ones(ca.shape[1], ca.shape[1], dtype=torch.bool).triu(2)
        near = (torch.cdist(ca, ca) < CLASH) & apart
        clashing.append(float((near | near.transpose(1, 2)).any(-1).float().mean()))
        here = turns(answer[:, CA])
        helix = (here > HELIX[0]) & (here < HELIX[1])
        if helix.any():
            right += (turns(ca)[:, helix] > 0).float().flatten().tolist()
    return {
        "peptide_bonds_broken": mean(broken),
        "residues_clashing": mean(clashing),
        "helix_turns_right_handed": mean(right),
    }


def quality(
    predicted: Sequence[Tensor], truth: Sequence[Tensor], dssp: Sequence[np.ndarray]
) -> dict[str, Any]:
    """All scores of one method with one input, means over crops and samples."""
    return {
        **backbone_scores(predicted, truth, dssp)["all"],
        "spread_A": mean([spread(samples) for samples in predicted]),
        **geometry(predicted, truth),
        "peptide_bond": peptide_bonds(predicted),
    }


def paired(
    two: Sequence[Tensor], three: Sequence[Tensor], truth: Sequence[Tensor]
) -> dict[str, Any]:
    """AlphaFold 2's lDDT and TM-score minus those of AlphaFold 3, crop by crop: mean, its 95 % interval,
    and the share of crops on which AlphaFold 2 is ahead."""
    answers = [y[:, CA].float() for y in truth]
    scores = [
        compare([x.float().unflatten(1, (-1, SLOTS))[:, :, CA] for x in side], answers)
        for side in (two, three)
    ]
    out: dict[str, Any] = {}
    for name in ("lddt", "tm"):
        gap = getattr(scores[0], name) - getattr(scores[1], name)
        low, high = interval(gap)
        out[name] = {
            "difference": mean(gap),
            "low": low,
            "high": high,
            "alphafold2_ahead_share": mean(gap > 0),
        }
    return out


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def seconds(answer: Callable[[], Any]) -> float:
    """Of the fastest of REPEATS calls, after one that warms up."""
    answer()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer()
        times.append(time.perf_counter() - start)
    return min(times)


def costs(two: AlphaFold2, three: AlphaFold3) -> dict[str, Any]:
    """Parameters, network calls and seconds of one answer, alone on this machine. The trunk, which both
    ask once and the server remembers, is told apart."""
    given = {"protein": VILLIN}
    out: dict[str, Any] = {"residues": len(VILLIN), "threads": torch.get_num_threads()}
    own = {"alphafold2": two.structure.module, "alphafold3": three.model.denoiser}
    for pipeline in (two, three):
        plan = pipeline.parse(given)
        calls: dict[str, int] = {}
        run(counted(pipeline.run(plan, pipeline.defaults), calls))

        def answer(pipeline: Any = pipeline, plan: Any = plan) -> None:
            run(pipeline.run(plan, pipeline.defaults))  # the trunk's answer is remembered by now

        out[pipeline.id] = {
            "parameters": parameters(own[pipeline.id]),
            "network_calls": sum(calls.values()),
            "calls": calls,
            "seconds_after_the_trunk": rounded(seconds(answer), 3),
        }
    structure = two.parse(given).structure

    def read() -> None:
        with torch.inference_mode():
            two.trunk.net.answer([next(fold_chain(two.trunk, two.structure, structure))])

    out["trunk"] = {
        "parameters": parameters(three.model.trunk),
        "seconds": rounded(seconds(read), 3),
    }
    return out


def score_twins(
    cache: Path = Path("cache"),
    crops: int = CROPS,
    drawn: Mapping[str, Sequence[Tensor]] | None = None,
) -> dict[str, Any]:
    """Both on the same crops, see the module docstring. ``drawn``: AlphaFold 3's samples (S, N, 3) by input
    where somebody has them already. Raises CheckpointError and FileNotFoundError."""
    data = Proteins(cache / "proteins/proteins.npz")
    two, three = AlphaFold2(), AlphaFold3()
    index = held_out_crops(data, crops)
    truth = [torch.from_numpy(data.backbone(i)) for i in index]
    dssp = [data["dssp"][data.span(i)] for i in index]
    settings = replace(three.defaults, seed=SAMPLE_SEED, samples=SAMPLES)
    out: dict[str, Any] = {"cost": costs(two, three), "twins": {}, "against_alphafold3": {}}
    for name, profiles in INPUTS.items():
        structures = crop_structures(data, index, profiles)
        answers = folded(two, structures)
        if drawn is not None and name in drawn:
            samples = list(drawn[name])
        else:
            samples = sample_structures(three, structures, settings)
        out["twins"][name] = {
            "alphafold2": quality(answers, truth, dssp),
            "alphafold3": quality(samples, truth, dssp),
        }
        out["against_alphafold3"][name] = paired(answers, samples, truth)
    return out


def trained(pipeline: AlphaFold2) -> Mapping[str, Any]:
    """How long the structure module was trained, from its file."""
    _, header = load(CHECKPOINTS / next(iter(pipeline.checkpoints)))
    meta = header["meta"]
    return {"steps": meta["step"], "seconds": meta["seconds"], "trunk": meta[TRUNK]}


def evaluate(
    out_json: Path = METRICS,
    cache: Path = Path("cache"),
    crops: int = CROPS,
    drawn: Mapping[str, Sequence[Tensor]] | None = None,
) -> dict[str, Any]:
    """Writes and returns all scores; some minutes. drawn: see :func:`score_twins`."""
    started = time.perf_counter()
    two, three = AlphaFold2(), AlphaFold3()
    metrics: dict[str, Any] = {
        "checkpoints": dict(two.checkpoints),
        "seeds": {"draw": DRAW_SEED, "sample": SAMPLE_SEED},
        "settings": {
            "alphafold3_samples": SAMPLES,
            "alphafold3_steps": three.defaults.steps,
            "precision": "bfloat16 matrix products, the structure module in float32",
        },
        "trained": {"structure_module": trained(two)},
        **score_twins(cache, crops, drawn),
    }
    metrics["seconds"] = round(time.perf_counter() - started, 1)
    out_json.write_text(json.dumps(metrics, indent=1) + "\n")
    print(json.dumps(metrics, indent=1))
    return metrics
