"""Held-out components by class of the dictionary: small molecules, saccharides, amino acids, nucleotides.

The strict pool (2024 and later, unlike everything earlier) holds almost nothing but small molecules:
every new sugar looks like an old one. The other classes are therefore filled up with later components
of a connectivity that training never saw, those of 2024 and later first, then 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.alphafold3.data.ccd import BIOTITE, MissingSource
from models.alphafold3.data.store import Molecules
from models.evaluation.molecules_drawing import DRAW_SEED, LARGEST
from models.evaluation.molecules_scores import Judged
from models.evaluation.molecules_tables import summary

PER_CLASS = 25
SAMPLES = 5
SMALLEST = 5  # heavy atoms; alanine has six
# Words of the dictionary's chem_comp.type, first match decides.
WORDS: Mapping[str, tuple[str, ...]] = {
    "saccharides": ("saccharide",),
    "nucleotides": ("rna", "dna"),
    "modified_residues": ("peptide linking", "terminus", "beta-peptide", "gamma-peptide"),
    "small_molecules": ("non-polymer",),
}


def class_of(kind: str) -> str:
    """The class of a ``chem_comp.type``, "" for what belongs to none (peptide-like inhibitors)."""
    said = kind.lower()
    return next((name for name, words in WORDS.items() if any(w in said for w in words)), "")


def classes(codes: np.ndarray) -> np.ndarray:
    """Class of each component code, (n,) text. Raises MissingSource when biotite is not installed."""
    try:
        from biotite.structure.info.ccd import get_ccd
    except ImportError as error:
        raise MissingSource(
            f"the Chemical Component Dictionary comes with biotite: pip install {BIOTITE}"
        ) from error
    table = get_ccd()["chem_comp"]
    kinds = zip(table["id"].as_array(), table["type"].as_array(), strict=True)
    found = {str(code): class_of(str(kind)) for code, kind in kinds}
    return np.array([found.get(str(code), "") for code in codes])


def held_out(data: Molecules, kinds: np.ndarray) -> dict[str, list[int]]:
    """Places in ``data`` of up to PER_CLASS components of each class, strict ones first."""
    trained = set(data["key"][data["split"] == "train"].tolist())
    unseen = np.array([key not in trained for key in data["key"]]) & (data["split"] != "train")
    counts = data["atom_counts"]
    pool = unseen & data["has_crystal"] & (counts >= SMALLEST) & (counts <= LARGEST)
    # 0 strict, 1 of 2024 and later, 2 of 2023
    rank = np.where(data["split"] == "test", 0, np.where(data["date"] >= "2024", 1, 2))
    out = {}
    for name in WORDS:
        members = np.flatnonzero(pool & (kinds == name))
        mixed = np.random.default_rng(DRAW_SEED).permutation(members)
        out[name] = mixed[np.argsort(rank[mixed], kind="stable")][:PER_CLASS].tolist()
    return out


def table(
    data: Molecules, chosen: Mapping[str, list[int]], judged: Mapping[str, Sequence[Judged]]
) -> dict[str, Any]:
    """Per class the model's and ETKDG's scores, how many of the components are of the strict pool, and
    all codes."""
    out: dict[str, Any] = {"samples_per_molecule": SAMPLES}
    for name, places in chosen.items():
        pairs = judged[name]
        strict = int((data["split"][places] == "test").sum())
        rows = [p.model for p in pairs if p.model is not None]
        embedded = [p.etkdg for p in pairs if p.etkdg is not None]
        out[name] = {
            "twofold": {**summary(rows), "of_the_strict_pool": strict},
            "etkdg_v3": summary(embedded),
        }
        out[f"{name}_codes"] = [str(data["code"][i]) for i in places]
    return out
