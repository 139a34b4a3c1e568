"""Writes the run-time library (see :mod:`models.alphafold3.library`) from the caches."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from safetensors.numpy import save_file

from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.ccd import build_molecule, read_components
from models.alphafold3.data.proteins import DEMOS
from models.alphafold3.data.store import Molecules
from models.alphafold3.graph import RESIDUES
from models.alphafold3.library import (
    COMPONENTS,
    FRAGMENT_BITS,
    REFERENCES,
    SEEN,
    fragment_bits,
    molecule_hash,
    reference_entry,
)
from models.checkpoint import TABLES

# Molecules whose experimental conformer the page can show beside the sample.
SHOWN = (
    "CFF AIN ATP GLC ALA DAL TRP NCT LDP IBP ASC TES CLR STI RET PNN MOI BTN ADE BNZ SAL TYL CAM"
).split()
SHOWN_NEW = 3  # and some of the strictly new test molecules


def _write_components(cache: Path, folder: Path) -> None:
    with np.load(cache / "molecules/components.npz") as table:
        rows = zip(table["code"], table["name"], table["smiles"], strict=True)
        lines = ["\t".join((c, " ".join(n.split()), s)) for c, n, s in rows]
    packed = lzma.compress("\n".join(sorted(lines)).encode(), preset=9 | lzma.PRESET_EXTREME)
    (folder / COMPONENTS).write_bytes(packed)


def _hashes(texts: np.ndarray) -> np.ndarray:
    return np.unique(np.array([molecule_hash(t) for t in np.unique(texts) if t], np.uint64))


def _write_seen(molecules: Molecules, proteins: Proteins, folder: Path) -> None:
    train = molecules["split"] == "train"
    bits = np.zeros(1 << FRAGMENT_BITS, np.uint8)
    letters = np.array([ord(c) for c in "?" + RESIDUES], np.uint8)
    for index in np.flatnonzero(proteins["split"] == "train"):
        residues = proteins["residues"][proteins.span(int(index))]
        bits[fragment_bits(letters[residues].tobytes().decode())] = 1
    save_file(
        {
            "molecules": _hashes(molecules["key"][train]),
            "scaffolds": _hashes(molecules["scaffold"][train]),
            "fragments": np.packbits(bits),
        },
        folder / SEEN,
    )


def _write_references(molecules: Molecules, proteins: Proteins, folder: Path) -> None:
    codes = list(SHOWN)
    new = np.flatnonzero((molecules["split"] == "test") & molecules["has_crystal"])
    codes += [str(c) for c in molecules["code"][new[:: max(1, len(new) // SHOWN_NEW)]][:SHOWN_NEW]]
    entries = {}
    for component in read_components():
        mol = build_molecule(component) if component.code in codes else None
        if mol is None:
            continue
        crystal = np.isfinite(component.crystal).all()
        xyz = component.crystal if crystal else component.ideal
        drawn = Chem.Mol(mol)
        where = molecules["code"] == component.code
        smiles = str(molecules["smiles"][where][0]) if where.any() else Chem.MolToSmiles(drawn)
        entry = reference_entry(smiles, mol, xyz - xyz.mean(0))
        entry |= {"code": component.code, "name": component.name, "experimental": bool(crystal)}
        entries[Chem.MolToSmiles(Chem.MolFromSmiles(smiles))] = entry
    folds: dict[str, Any] = {}
    letters = np.array(list("?" + RESIDUES))
    for index in np.flatnonzero(proteins["split"] == "demo"):
        sequence = "".join(letters[proteins["residues"][proteins.span(int(index))]])
        for name, famous in DEMOS.items():
            same = len(sequence) >= 0.8 * len(famous) and _identity(sequence, famous) > 0.75
            if same and name not in {f["name"] for f in folds.values()}:
                xyz = np.round(proteins.backbone(int(index)), 2).tolist()
                folds[sequence] = {"name": name, "entry": str(proteins["name"][index]), "xyz": xyz}
    text = json.dumps({"molecules": entries, "proteins": folds}, separators=(",", ":"))
    (folder / REFERENCES).write_text(text + "\n")


def _identity(a: str, b: str) -> float:
    """Share of equal residues at the best ungapped offset, relative to the shorter sequence."""
    best = 0
    for shift in range(-len(b) + 1, len(a)):
        best = max(
            best, sum(x == y for x, y in zip(a[max(0, shift) :], b[max(0, -shift) :], strict=False))
        )
    return best / min(len(a), len(b))


def export(cache: Path = Path("cache"), folder: Path = TABLES) -> None:
    """Writes the three library files. Needs both caches and biotite."""
    molecules = Molecules(cache / "molecules/molecules.npz")
    proteins = Proteins(cache / "proteins/proteins.npz")
    folder.mkdir(parents=True, exist_ok=True)
    _write_components(cache, folder)
    _write_seen(molecules, proteins, folder)
    _write_references(molecules, proteins, folder)
