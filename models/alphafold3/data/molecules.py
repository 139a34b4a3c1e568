"""Small molecules for training and testing, from the Chemical Component Dictionary.

Kept: released entries of 2-64 heavy atoms of the organic set, connected, sane bond lengths, whose
crystal and computed ("ideal") conformers have the same stereochemistry. Split by the date an entry
was first defined: train before 2023, validation 2023, test from 2024 on and strictly new - largest
ECFP4 Tanimoto similarity to every earlier entry below 0.5 and an unseen Murcko scaffold.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold
from tqdm import tqdm

from models.alphafold3.chemistry import molecule_graph, stereo_smiles, with_conformer
from models.alphafold3.data.ccd import Component, build_molecule, read_components
from models.alphafold3.data.store import pack_molecules, quantise
from models.alphafold3.graph import ELEMENTS, Graph

LARGEST = 64
TABLE_LARGEST = 128
VALIDATION_FROM, TEST_FROM = "2023-01-01", "2024-01-01"
SIMILAR = 0.5
_FINGERPRINT = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


class Record(dict[str, Any]):
    """code, name, date, smiles, scaffold, graph, crystal, ideal (either may be None)."""


def _sane(xyz: np.ndarray, bonds: Sequence[tuple[int, int, str]]) -> bool:
    """All atoms placed, bonds between 0.9 and 2.6 A."""
    if not np.isfinite(xyz).all():
        return False
    pairs = np.array([(i, j) for i, j, _ in bonds])
    lengths = np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=-1)
    return bool((lengths > 0.9).all() and (lengths < 2.6).all())


def scaffold_smiles(mol: Chem.Mol) -> str:
    """Murcko scaffold as canonical SMILES without stereo; empty for a molecule without rings."""
    return MurckoScaffold.MurckoScaffoldSmiles(mol=mol, includeChirality=False)


def prepare(component: Component) -> Record | None:
    """One entry as a training record, or a record without graph that only the code table needs, or
    None if RDKit cannot read it."""
    size = len(component.symbols)
    if not 2 <= size <= TABLE_LARGEST:
        return None
    mol = build_molecule(component)
    if mol is None:
        return None
    found: dict[str, str] = {}
    for style, xyz in (("crystal", component.crystal), ("ideal", component.ideal)):
        if len(component.bonds) >= 1 and _sane(xyz, component.bonds):
            found[style] = stereo_smiles(mol, xyz)
    smiles = found.get("crystal") or found.get("ideal") or Chem.MolToSmiles(mol)
    record = Record(code=component.code, name=component.name, date=component.date, smiles=smiles)
    organic = set(component.symbols) <= set(ELEMENTS)
    if not found or size > LARGEST or not organic or "." in smiles or len(set(found.values())) > 1:
        return record
    drawn = with_conformer(mol, getattr(component, "crystal" if "crystal" in found else "ideal"))
    Chem.AssignStereochemistryFrom3D(drawn, replaceExistingTags=True)
    record["graph"] = molecule_graph(drawn)
    record["scaffold"] = scaffold_smiles(drawn)
    record["key"] = Chem.MolToInchiKey(drawn).split("-")[0]
    for style in ("crystal", "ideal"):
        record[style] = quantise(getattr(component, style)) if style in found else None
    return record


def strict_test(
    smiles: Sequence[str], scaffolds: Sequence[str], dates: Sequence[str]
) -> list[bool]:
    """Which entries of the test period are new: Tanimoto < 0.5 to all earlier ones, unseen scaffold."""
    prints = [
        _FINGERPRINT.GetFingerprint(Chem.MolFromSmiles(s)) for s in tqdm(smiles, "fingerprints")
    ]
    early = [k for k, date in enumerate(dates) if date < TEST_FROM]
    early_prints = [prints[k] for k in early]
    early_scaffolds = {scaffolds[k] for k in early}
    strict = [False] * len(smiles)
    for k in tqdm([k for k, date in enumerate(dates) if date >= TEST_FROM], "novelty"):
        if scaffolds[k] in early_scaffolds:
            continue
        similarity = DataStructs.BulkTanimotoSimilarity(prints[k], early_prints)
        strict[k] = max(similarity, default=0.0) < SIMILAR
    return strict


def assign_splits(records: Sequence[Record]) -> np.ndarray:
    """(n,) of "train", "val", "test" or "" (late but too similar, or a duplicate of a training entry)."""
    dates = [r["date"] for r in records]
    strict = strict_test([r["smiles"] for r in records], [r["scaffold"] for r in records], dates)
    trained = {r["key"] for r in records if r["date"] < VALIDATION_FROM}
    splits = []
    for record, new in zip(records, strict, strict=True):
        if record["date"] < VALIDATION_FROM:
            splits.append("train")
        elif record["date"] < TEST_FROM:
            splits.append("" if record["key"] in trained else "val")
        else:
            splits.append("test" if new and record["graph"].size <= 40 else "")
    return np.array(splits)


def pack(records: Sequence[Record], splits: np.ndarray) -> dict[str, np.ndarray]:
    """Everything training and evaluation need, as the arrays of ``molecules.npz``."""
    arrays = pack_molecules([r["graph"] for r in records])
    for style in ("crystal", "ideal"):
        arrays[f"has_{style}"] = np.array([r[style] is not None for r in records])
        arrays[style] = np.concatenate(
            [
                np.zeros((r["graph"].size, 3), np.int16) if r[style] is None else r[style]
                for r in records
            ]
        )
    arrays["split"] = splits
    for key in ("code", "date", "smiles", "scaffold", "key"):
        arrays[key] = np.array([r[key] for r in records])
    return arrays


def build(cache: Path = Path("cache"), processes: int = 2, limit: int | None = None) -> Path:
    """Builds ``molecules/molecules.npz`` and ``molecules/components.npz`` (code, name, SMILES of every
    readable entry) below ``cache``.

    Raises MissingSource when biotite is not installed. ``limit`` takes the first entries only.
    """
    components = read_components()[:limit]
    with multiprocessing.Pool(processes) as pool:
        done = pool.imap(prepare, components, chunksize=100)
        records = [r for r in tqdm(done, "components", total=len(components)) if r is not None]
    usable = [r for r in records if isinstance(r.get("graph"), Graph)]
    splits = assign_splits(usable)
    out = cache / "molecules"
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "molecules.npz", **pack(usable, splits))  # type: ignore[arg-type]
    readable = {r["code"]: r["smiles"] for r in records}
    np.savez(
        out / "components.npz",
        code=np.array([c.code for c in components]),
        name=np.array([c.name for c in components]),
        smiles=np.array([readable.get(c.code, "") for c in components]),
        size=np.array([len(c.symbols) for c in components], np.int32),
    )
    counts = {split: int((splits == split).sum()) for split in ("train", "val", "test", "")}
    print(f"{len(usable)} molecules of {len(components)} components: {counts}")
    return out / "molecules.npz"
