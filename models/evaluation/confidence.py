"""Whether the confidence head can be believed: on structures that nothing here was trained on.

Calibration: atoms in ten bins of predicted lDDT, beside what they really have. Correlation over atoms and
over samples. Ranking: five samples of each structure, the one ranked first against the mean of the five,
which is what a random pick is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data import rollouts
from models.alphafold3.data.rollouts import Source, atom_scores
from models.alphafold3.geometry import rmsd
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.polymer import CA, SLOTS
from models.alphafold3.ranking import rank
from models.alphafold3.structure import Structure
from models.diffusion.sampler import Request, Run
from models.evaluation.molecules_drawing import (
    DRAW_SEED,
    MOLECULES,
    SAMPLE_SEED,
    chosen_molecules,
    run_together,
    sample_structures,
)
from models.evaluation.molecules_scores import rms_to
from models.evaluation.proteins import CROPS, held_out_crops

SAMPLES = 5
PER_CLASS = 12
BINS = 10
RESAMPLES = 10_000


@dataclass(frozen=True)
class Judged:
    """One structure's samples. plddt, lddt: (S, N) in 0..100, lddt NaN where an atom has none; rmsd:
    (S,) A; first: the sample ranked first; surest: the one of the highest mean pLDDT."""

    plddt: np.ndarray
    lddt: np.ndarray
    rmsd: np.ndarray
    first: int
    surest: int

    @property
    def mean_lddt(self) -> np.ndarray:
        """(S,)"""
        return np.nanmean(self.lddt, -1)


def predict(
    pipeline: AlphaFold3, structures: Sequence[Structure], samples: Sequence[Tensor]
) -> list[Tensor]:
    """pLDDT (S, N) of samples (S, N, 3) of each structure."""
    head = pipeline.confidence
    assert head is not None

    def ask(structure: Structure, xyz: Tensor) -> Run[Tensor]:
        nothing = torch.zeros(len(xyz))
        known = yield Request(pipeline.trunk, nothing[:1], nothing[:1], structure, frame=False)
        return (yield Request(head, xyz, nothing, known, frame=False))

    return run_together([ask(s, x) for s, x in zip(structures, samples, strict=True)])


def judge(
    structure: Structure, source: Source, number: int, xyz: Tensor, plddt: Tensor
) -> Judged | None:
    """xyz: (S, N, 3) A, plddt: (S, N). None where no atom has an lDDT."""
    graph, truth, mol = structure.graph, source.truth(number), source.molecule(number)
    drawn = xyz.numpy()
    lddt, known = atom_scores(graph, drawn, truth, mol)
    if not known.any():
        return None
    if mol is not None:
        distance = np.array(rms_to(mol, drawn, truth)[0])
    else:
        chosen = slice(CA, None, SLOTS) if graph.slots == SLOTS else slice(None)
        a, b = xyz[:, chosen], torch.from_numpy(truth[chosen]).expand(len(xyz), -1, -1)
        distance = rmsd(a, b, torch.ones(a.shape[:-1], dtype=torch.bool)).numpy()
    ranked = rank(structure, drawn, plddt)
    return Judged(
        plddt=plddt.numpy(),
        lddt=np.where(known, 100 * lddt, np.nan),
        rmsd=distance,
        first=ranked["order"][0],
        surest=int(np.argmax(ranked["plddt"])),
    )


def calibration(plddt: np.ndarray, lddt: np.ndarray) -> dict[str, Any]:
    """Ten bins of predicted lDDT; error: mean distance of a bin's means, weighted by its atoms. (n,)"""
    edges = np.linspace(0, 100, BINS + 1)
    place = np.clip(np.digitize(plddt, edges) - 1, 0, BINS - 1)
    curve, error = [], 0.0
    for k in range(BINS):
        here = place == k
        if here.any():
            predicted, true = float(plddt[here].mean()), float(lddt[here].mean())
            error += abs(predicted - true) * here.mean()
            curve.append(
                {
                    "from": round(edges[k]),
                    "to": round(edges[k + 1]),
                    "atoms": int(here.sum()),
                    "plddt": round(predicted, 2),
                    "lddt": round(true, 2),
                }
            )
    return {"bins": curve, "error": round(float(error), 2)}


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places in the order of size, equal values sharing theirs. (n,)"""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - counts / 2)[which]


def _correlation(a: np.ndarray, b: np.ndarray) -> dict[str, float | None]:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return {"pearson": None, "spearman": None}
    pearson, spearman = np.corrcoef(a, b)[0, 1], np.corrcoef(_ranks(a), _ranks(b))[0, 1]
    return {"pearson": round(float(pearson), 3), "spearman": round(float(spearman), 3)}


def paired_gain(gain: np.ndarray) -> dict[str, Any]:
    """Mean of paired differences (n,) and its 95 % interval by bootstrap over the structures."""
    rng = np.random.default_rng(DRAW_SEED)
    means = gain[rng.integers(0, len(gain), (RESAMPLES, len(gain)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": round(float(gain.mean()), 4), "ci95": [round(float(v), 4) for v in (low, high)]}


def _ranking(judged: Sequence[Judged]) -> dict[str, Any]:
    """Against the mean of the samples, per measure: gains are positive where ranking helps."""
    out: dict[str, Any] = {}
    for name, sign, of in (("lddt", 1, lambda j: j.mean_lddt), ("rmsd_A", -1, lambda j: j.rmsd)):
        values = [of(j) for j in judged]
        mean = np.array([v.mean() for v in values])
        best = np.array([(sign * v).max() * sign for v in values])
        out[name] = {"random": round(float(mean.mean()), 4), "best": round(float(best.mean()), 4)}
        for which in ("first", "surest"):
            picked = np.array([v[getattr(j, which)] for v, j in zip(values, judged, strict=True)])
            out[name][which] = round(float(picked.mean()), 4)
            out[name][f"{which}_gain"] = paired_gain(sign * (picked - mean))
    return out


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """Everything about one class of structures."""
    plddt, lddt = (
        np.concatenate([getattr(j, n).ravel() for j in judged]) for n in ("plddt", "lddt")
    )
    known = ~np.isnan(lddt)
    plddt, lddt = plddt[known], lddt[known]
    sure = np.concatenate([j.plddt.mean(-1) for j in judged])
    right = np.concatenate([j.mean_lddt for j in judged])
    return {
        "structures": len(judged),
        "atoms": len(plddt),
        "plddt": round(float(plddt.mean()), 2),
        "lddt": round(float(lddt.mean()), 2),
        "atom_error": round(float(np.abs(plddt - lddt).mean()), 2),
        "per_atom": _correlation(plddt, lddt),
        "per_sample": _correlation(sure, right),
        "calibration": calibration(plddt, lddt),
        "ranking": _ranking(judged),
    }


def held_out(
    sources: Mapping[str, Source], molecules: int, crops: int, per_class: int
) -> dict[str, list[int]]:
    """Numbers of the test structures: the 200 fixed molecules, the fixed crops (every other one with its
    profile), and by seed the same number of every class of all-atom structures."""
    chosen = held_out_crops(sources["proteins"].data, crops)
    kinds = sources["structures"].data["class"]
    members = sources["structures"].members(("test",), np.random.default_rng(DRAW_SEED))
    parts = [members[kinds[members] == kind][:per_class] for kind in np.unique(kinds[members])]
    return {
        "molecules": chosen_molecules(sources["molecules"].data, molecules),
        "proteins": [2 * crop + k % 2 for k, crop in enumerate(chosen)],
        "structures": np.concatenate(parts).tolist(),
    }


def score_confidence(
    pipeline: AlphaFold3,
    cache: Path = Path("cache"),
    molecules: int = MOLECULES,
    crops: int = CROPS,
    per_class: int = PER_CLASS,
    drawn: Mapping[str, Sequence[Tensor]] | None = None,
) -> dict[str, Any]:
    """One record per class. ``drawn``: samples of a class's held-out structures in their order, where
    somebody has them already ((S, N, 3), the first SAMPLES are taken); the others are drawn here."""
    if pipeline.confidence is None:
        return {"note": "there is no confidence head for these weights"}
    out: dict[str, Any] = {"samples_per_structure": SAMPLES}
    settings = replace(pipeline.defaults, seed=SAMPLE_SEED, samples=SAMPLES)
    sources = rollouts.sources(cache)
    for name, numbers in held_out(sources, molecules, crops, per_class).items():
        source = sources[name]
        structures = [source.structure(k) for k in numbers]
        if drawn is not None and name in drawn:
            samples = [x[:SAMPLES] for x in drawn[name]]
        else:
            samples = sample_structures(pipeline, structures, settings)
        told = predict(pipeline, structures, samples)
        judged = [
            judge(s, source, k, x, p)
            for s, k, x, p in zip(structures, numbers, samples, told, strict=True)
        ]
        out[name] = summary([j for j in judged if j is not None])
    return out
