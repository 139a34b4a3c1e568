"""All classes of structures in one table: how often each is trained on, and its scores beside the baseline.

The baseline of components is ETKDG's RMSD, of proteins an unrelated crop's lDDT, of the others what
:mod:`models.evaluation.polymers` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.alphafold3.data.batches import MoleculeBatches, Proteins, StructureBatches
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import FILE, Structures
from models.alphafold3.train import SHARES, DataConfig
from models.evaluation.molecules_classes import WORDS, classes
from models.evaluation.polymers import CLASSES

SHOWN = ("structures", "rmsd_A", "baseline_rmsd_A", "lddt", "baseline_lddt")


def split_counts(cache: Path, data: Molecules) -> dict[str, Any]:
    """How many structures of each class each split holds; crops of one structure count each."""
    proteins = Proteins(cache / "proteins/proteins.npz")
    structures = Structures(cache / FILE)
    kinds = classes(data["code"])
    members = {name: data["split"][kinds == name] for name in WORDS}
    members["proteins"] = proteins["split"]
    for name in StructureBatches.CLASS_SHARES:
        members[name] = structures["split"][structures["class"] == name]
    named = {"training": "train", "validation": "val", "test": "test"}
    return {
        name: {said: int((splits == split).sum()) for said, split in named.items()}
        for name, splits in members.items()
    }


def component_shares(data: Molecules) -> dict[str, float]:
    """Share of the molecule batches' structures by class of the dictionary."""
    config = DataConfig()
    batches = MoleculeBatches(
        data, config.copies, config.rows, config.largest, config.small, config.quaternary
    )
    kinds = classes(data["code"])
    out = dict.fromkeys(WORDS, 0.0)
    for size, weight in zip(batches.sizes, batches.weight, strict=True):
        members = kinds[batches.by_size[int(size)]]
        for name in WORDS:
            out[name] += float(weight) * float(np.mean(members == name))
    return out


def training_shares(data: Molecules) -> dict[str, float]:
    """Share of the training steps by class, by the defaults of `train alphafold3`."""
    out = {name: SHARES["molecules"] * share for name, share in component_shares(data).items()}
    out["proteins"] = SHARES["proteins"]
    total = sum(StructureBatches.CLASS_SHARES.values())
    for name, share in StructureBatches.CLASS_SHARES.items():
        out[name] = SHARES["structures"] * share / total
    return out


def class_table(metrics: Mapping[str, Any], data: Molecules) -> dict[str, Any]:
    """One row per class of what ``metrics`` holds so far."""
    shares = training_shares(data)
    out: dict[str, Any] = {}
    for name in WORDS:
        found = metrics.get("component_classes", {}).get(name)
        if found and found["twofold"]["molecules"]:
            ours, theirs = found["twofold"], found["etkdg_v3"]
            out[name] = {
                "training_share": round(shares[name], 4),
                "structures": ours["molecules"],
                "rmsd_A": ours["rmsd_mean_A"],
                "baseline_rmsd_A": theirs.get("rmsd_mean_A"),
            }
    for name, given in metrics.get("proteins", {}).items():
        if isinstance(given, Mapping) and "all" in given:
            scores = given["all"]
            out[f"proteins_{name}"] = {
                "training_share": round(
                    shares["proteins"] / 2, 4
                ),  # the profile is dropped half the time
                "structures": scores["crops"],
                "rmsd_A": scores["rmsd_ca_A"],
                "lddt": scores["lddt_ca"],
                "baseline_lddt": scores["lddt_ca_floor"],
            }
    for name, scores in metrics.get("structures", {}).items():
        if isinstance(scores, Mapping) and {"structures", "rmsd_A"} <= set(scores):
            row = {key: scores[key] for key in SHOWN if key in scores}
            trained = CLASSES[name].name if name in CLASSES else ""
            # Two rows of one training class: the first carries its share.
            share = shares.pop(trained, None)
            out[name] = {"training_share": None if share is None else round(share, 4), **row}
    return out
