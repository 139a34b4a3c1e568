"""Held-out protein crops: the backbone against the crystal structure, with and without a profile.

The floor of every score is what an unrelated crop of the same length reaches as the prediction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.batches import Proteins
from models.alphafold3.geometry import lddt, rmsd
from models.alphafold3.polymer import CA, SLOTS, C, N, backbone_graph
from models.alphafold3.structure import Structure
from models.alphafold3.trunk import DISTANCE_EDGES
from models.diffusion.sampler import Request, Run
from models.evaluation.molecules_drawing import (
    DRAW_SEED,
    StructurePipeline,
    run_together,
    sample_structures,
)
from models.evaluation.molecules_tables import mean, rounded
from models.evaluation.superposition import tm_align_scores, tm_scores
from models.pipeline import SampleSettings

CROPS, LENGTH, SAMPLES = 100, 64, 5
CONTACT, APART = 8.0, 6  # A between CA, residues along the chain
INPUTS: Mapping[str, bool] = {"sequence_only": False, "with_profile": True}


@dataclass(frozen=True)
class Scores:
    """One number per crop. lddt, tm, rmsd: of one sample; the others the best of all samples."""

    lddt: np.ndarray
    tm: np.ndarray
    rmsd: np.ndarray
    best_lddt: np.ndarray
    best_tm: np.ndarray


def held_out_crops(data: Proteins, limit: int = CROPS) -> list[int]:
    """Places in ``data`` of test crops of 64 residues, always the same ones."""
    pool = np.flatnonzero((data["split"] == "test") & (data["count"] == LENGTH))
    return np.random.default_rng(DRAW_SEED).permutation(pool)[:limit].tolist()


def crop_structures(data: Proteins, index: Sequence[int], profiles: bool) -> list[Structure]:
    out = []
    for i in index:
        span = data.span(int(i))
        profile = data["profile"][span] if profiles else None
        out.append(Structure(backbone_graph(data["residues"][span], profile)))
    return out


def kinds(dssp: Sequence[np.ndarray]) -> dict[str, list[int]]:
    """Crops by what they mostly are, from the crystal's DSSP letters. -> group -> places"""
    helix, strand = ([float((d == ord(letter)).mean()) for d in dssp] for letter in "HE")
    return {
        "all": list(range(len(dssp))),
        "mostly_helix": [k for k, share in enumerate(helix) if share > 0.5],
        "mostly_strand": [k for k, share in enumerate(strand) if share > 0.35],
    }


def compare(predicted: Sequence[Tensor], truth: Sequence[Tensor]) -> Scores:
    """CA of S samples (S, L, 3) and of the crystal (L, 3), A, per crop."""
    everything = torch.ones(truth[0].shape[0], dtype=torch.bool)
    columns: dict[str, list[list[float]]] = {"lddt": [], "tm": [], "rmsd": []}
    for samples, answer in zip(predicted, truth, strict=True):
        same = answer.expand_as(samples)
        columns["lddt"].append(lddt(samples, same, everything.expand(len(samples), -1)).tolist())
        columns["rmsd"].append(rmsd(samples, same, everything.expand(len(samples), -1)).tolist())
        columns["tm"].append(tm_scores(samples, same))
    table = {name: np.array(values) for name, values in columns.items()}
    return Scores(
        lddt=table["lddt"].mean(1),
        tm=table["tm"].mean(1),
        rmsd=table["rmsd"].mean(1),
        best_lddt=table["lddt"].max(1),
        best_tm=table["tm"].max(1),
    )


def backbone_scores(
    predicted: Sequence[Tensor],
    truth: Sequence[Tensor],
    dssp: Sequence[np.ndarray],
    pool: Executor | None = None,
) -> dict[str, Any]:
    """predicted: (S, 4 L, 3) per crop; truth: (L, 4, 3); all crops of one length L. -> by group.

    ``pool``: where TM-align's search runs, on the first sample of each crop; None leaves it out.
    """
    ca = [x.float().unflatten(1, (-1, SLOTS))[:, :, CA] for x in predicted]
    answers = [y[:, CA].float() for y in truth]
    own = compare(ca, answers)
    floor = compare([answers[k - 1][None] for k in range(len(answers))], answers)
    aligned: dict[str, np.ndarray] = {}
    if pool is not None:
        first = [(x[:1], y[None]) for x, y in zip(ca, answers, strict=True)]
        wrong = [(answers[k - 1][None], y[None]) for k, y in enumerate(answers)]
        futures = {
            name: [pool.submit(tm_aligned, a.numpy(), b.numpy()) for a, b in pairs]
            for name, pairs in (("tm_align", first), ("tm_align_floor", wrong))
        }
        aligned = {name: np.array([f.result() for f in made]) for name, made in futures.items()}
    out: dict[str, Any] = {}
    for name, members in kinds(dssp).items():
        if not members:
            continue
        out[name] = {
            "crops": len(members),
            "lddt_ca": mean(own.lddt[members]),
            "lddt_ca_floor": mean(floor.lddt[members]),
            "tm_score": mean(own.tm[members]),
            "tm_score_floor": mean(floor.tm[members]),
            **{key: mean(values[members]) for key, values in aligned.items()},
            "rmsd_ca_A": mean(own.rmsd[members]),
        }
        if len(predicted[0]) > 1:
            out[name]["best_lddt_ca"] = mean(own.best_lddt[members])
            out[name]["best_tm_score"] = mean(own.best_tm[members])
    return out


def tm_aligned(predicted: np.ndarray, truth: np.ndarray) -> float:
    """For another process. (1, L, 3) twice"""
    return tm_align_scores(torch.from_numpy(predicted), torch.from_numpy(truth))[0]


def peptide_bonds(predicted: Sequence[Tensor]) -> dict[str, float]:
    """C(t) - N(t+1) lengths over all samples. predicted: (S, 4 L, 3) A each"""
    every = []
    for x in predicted:
        backbone = x.float().unflatten(1, (-1, SLOTS))
        every.append((backbone[:, :-1, C] - backbone[:, 1:, N]).norm(dim=-1).flatten())
    lengths = torch.cat(every)
    return {"mean_A": rounded(lengths.mean()), "std_A": rounded(lengths.std())}


def contact_precision(near: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Of the L / 2 pairs that the distogram believes in most, the share that are contacts, and that share
    among all such pairs. near: (L, L) probability of less than 8 A; truth: (L, 3) CA."""
    length = len(truth)
    i, j = np.triu_indices(length, APART)
    contact = np.linalg.norm(truth[i] - truth[j], axis=-1) < CONTACT
    top = np.argsort(-near[i, j], kind="stable")[: length // 2]
    return float(contact[top].mean()), float(contact.mean())


def contact_chances(
    pipeline: StructurePipeline, structures: Sequence[Structure]
) -> list[np.ndarray]:
    """By the trunk's distogram, per structure the probability (T, T) of less than CONTACT A."""
    bins = bisect_right(DISTANCE_EDGES, CONTACT)

    def ask(structure: Structure) -> Run[np.ndarray]:
        empty = torch.zeros(1)
        seen = yield Request(pipeline.trunk, empty, empty, structure, frame=False)
        logits = pipeline.model.distogram(seen.pair[None].float())[0]
        return logits.softmax(-1)[..., :bins].sum(-1).numpy()

    with torch.inference_mode():
        return run_together([ask(structure) for structure in structures])


def score_distogram(
    pipeline: StructurePipeline, data: Proteins, limit: int = CROPS
) -> dict[str, Any]:
    """Precision of the trunk's distogram, by input, beside the share of contacts among all pairs."""
    index = held_out_crops(data, limit)
    truth = [data.backbone(i)[:, CA] for i in index]
    out: dict[str, Any] = {"contact_below_A": CONTACT, "residues_apart": APART}
    for name, profiles in INPUTS.items():
        chances = contact_chances(pipeline, crop_structures(data, index, profiles))
        pairs = [contact_precision(p, y) for p, y in zip(chances, truth, strict=True)]
        own, chance = zip(*pairs, strict=True)
        out[name] = {"precision_top_half": mean(own), "chance": mean(chance)}
    return out


def score_proteins(
    pipeline: StructurePipeline,
    data: Proteins,
    settings: SampleSettings,
    limit: int = CROPS,
    pool: Executor | None = None,
) -> tuple[dict[str, Any], dict[str, list[Tensor]]]:
    """-> scores by input (sequence only, with profile) and group, and the SAMPLES samples of each crop."""
    index = held_out_crops(data, limit)
    truth = [torch.from_numpy(data.backbone(i)) for i in index]
    dssp = [data["dssp"][data.span(i)] for i in index]
    out: dict[str, Any] = {"samples_per_crop": SAMPLES}
    drawn: dict[str, list[Tensor]] = {}
    for name, profiles in INPUTS.items():
        structures = crop_structures(data, index, profiles)
        drawn[name] = sample_structures(pipeline, structures, replace(settings, samples=SAMPLES))
        out[name] = backbone_scores(drawn[name], truth, dssp, pool)
    out["peptide_bond"] = peptide_bonds([x for samples in drawn.values() for x in samples])
    return out, drawn
