"""Writes the run-time library (see :mod:`models.alphafold3.library`) from the caches."""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.blocks import write_blocks
from models.alphafold3.data.ccd import build_molecule, read_components
from models.alphafold3.data.proteins import DEMOS
from models.alphafold3.data.seen_tables import write_seen
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import FILE, Structures
from models.alphafold3.examples import REFERENCES as COMPLEXES
from models.alphafold3.examples import ComplexReference
from models.alphafold3.graph import RESIDUES
from models.alphafold3.inputs import parse
from models.alphafold3.library import (
    COMPONENTS,
    REFERENCES,
    Library,
    atom_key,
    reference_entry,
)
from models.checkpoint import TABLES

# Molecules whose experimental conformer the page can show beside the sample.
SHOWN = (
    "CFF AIN ATP GLC ALA DAL TRP NCT LDP IBP ASC TES CLR STI RET PNN MOI BTN ADE BNZ SAL TYL CAM "
    "SIA NAD"
).split()
SHOWN_NEW = 3  # and some of the strictly new test molecules
SHOWCASE = "showcase.npz"


def _write_components(cache: Path, folder: Path) -> None:
    with np.load(cache / "molecules/components.npz") as table:
        rows = zip(table["code"], table["name"], table["smiles"], strict=True)
        lines = ["\t".join((c, " ".join(n.split()), s)) for c, n, s in rows]
    packed = lzma.compress("\n".join(sorted(lines)).encode(), preset=9 | lzma.PRESET_EXTREME)
    (folder / COMPONENTS).write_bytes(packed)


def _molecule_references(molecules: Molecules) -> dict[str, Any]:
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
    return entries


def _protein_references(proteins: Proteins) -> dict[str, Any]:
    folds: dict[str, Any] = {}
    letters = np.array(list("?" + RESIDUES))
    for index in np.flatnonzero(proteins["split"] == "demo").tolist():
        span = proteins.span(index)
        sequence = "".join(letters[proteins["residues"][span]])
        for name, famous in DEMOS.items():
            same = len(sequence) >= 0.8 * len(famous) and _identity(sequence, famous) > 0.75
            if same and name not in {f["name"] for f in folds.values()}:
                xyz = np.round(proteins.backbone(index), 2).tolist()
                profile = base64.b64encode(proteins["profile"][span].tobytes()).decode()
                entry = str(proteins["name"][index])
                folds[sequence] = {"name": name, "entry": entry, "xyz": xyz, "profile": profile}
    return folds


def _identity(a: str, b: str) -> float:
    """Share of equal residues at the best ungapped offset, relative to the shorter sequence."""
    best = 0
    for shift in range(-len(b) + 1, len(a)):
        best = max(
            best, sum(x == y for x, y in zip(a[max(0, shift) :], b[max(0, -shift) :], strict=False))
        )
    return best / min(len(a), len(b))


def _complex_reference(
    wanted: ComplexReference, showcase: Mapping[str, np.ndarray], library: Library
) -> dict[str, Any]:
    """The coordinates of every atom that the example draws. Raises KeyError where one is missing."""
    k = int(np.flatnonzero(showcase["pdb"] == wanted.pdb.encode())[0])
    atoms = slice(showcase["atom_start"][k], showcase["atom_start"][k + 1])
    columns = (showcase[name][atoms] for name in ("chain", "resnum", "comp", "name", "xyz"))
    place = {
        (chain.decode(), int(number), comp.decode(), name.decode()): xyz
        for chain, number, comp, name, xyz in zip(*columns, strict=True)
    }
    drawn = parse(wanted.input, library).atoms
    xyz = np.array(
        [
            place[chain, shift + atom["residue_index"], atom["residue"], atom["name"]]
            for atom in drawn
            for chain, shift in (wanted.chains[atom["chain"]],)
        ]
    )
    keys = [atom_key(atom) for atom in drawn]
    return {
        "name": f"PDB {wanted.pdb}",
        "atoms": keys,
        "xyz": np.round(xyz - xyz.mean(0), 2).tolist(),
    }


def _write_references(molecules: Molecules, proteins: Proteins, folder: Path, crops: Path) -> None:
    table: dict[str, Any] = {
        "molecules": _molecule_references(molecules),
        "proteins": _protein_references(proteins),
        "complexes": [],
    }
    path = folder / REFERENCES
    path.write_text(json.dumps(table))  # what the examples are read with
    with np.load(crops / SHOWCASE, allow_pickle=False) as file:
        showcase = {key: file[key] for key in file.files}
    library = Library(folder)
    table["complexes"] = [_complex_reference(c, showcase, library) for c in COMPLEXES]
    path.write_text(json.dumps(table, separators=(",", ":")) + "\n")


def export(
    cache: Path = Path("cache"), folder: Path = TABLES, crops: Path = Path("../shared/data")
) -> None:
    """Writes the library files and the table of building blocks. Needs the three caches, the crops of
    experimental structures and biotite."""
    molecules = Molecules(cache / "molecules/molecules.npz")
    proteins = Proteins(cache / "proteins/proteins.npz")
    structures = Structures(cache / FILE)
    folder.mkdir(parents=True, exist_ok=True)
    write_blocks(folder)
    _write_components(cache, folder)
    write_seen(molecules, proteins, structures, folder, crops)
    _write_references(molecules, proteins, folder, crops)
