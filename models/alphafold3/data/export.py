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
from safetensors.numpy import save_file

from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.blocks import write_blocks
from models.alphafold3.data.ccd import build_molecule, read_components
from models.alphafold3.data.proteins import DEMOS
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import FILE, Structures
from models.alphafold3.examples import REFERENCES as COMPLEXES
from models.alphafold3.examples import ComplexReference
from models.alphafold3.graph import NUCLEOTIDE, RESIDUE, RESIDUE_ID, RESIDUES, TOKEN_COLUMNS
from models.alphafold3.inputs import parse
from models.alphafold3.library import (
    COMPONENTS,
    REFERENCES,
    SEEN,
    Library,
    atom_key,
    reference_entry,
)
from models.alphafold3.seen import (
    FRAGMENT_BITS,
    LEAST_FEATURES,
    STRETCH,
    fragment_bits,
    site_features,
    stretch_bits,
    text_hash,
)
from models.checkpoint import TABLES

# Molecules whose experimental conformer the page can show beside the sample.
SHOWN = (
    "CFF AIN ATP GLC ALA DAL TRP NCT LDP IBP ASC TES CLR STI RET PNN MOI BTN ADE BNZ SAL TYL CAM "
    "SIA NAD"
).split()
SHOWN_NEW = 3  # and some of the strictly new test molecules
SHOWCASE = "showcase.npz"
CHAIN_TABLES = ("complexes.npz", SHOWCASE)
_KIND, _RESIDUE = (list(TOKEN_COLUMNS).index(name) for name in ("kind", "residue"))
_COMPONENT = {number: comp for comp, number in RESIDUE_ID.items()}


def _write_components(cache: Path, folder: Path) -> None:
    with np.load(cache / "molecules/components.npz") as table:
        rows = zip(table["code"], table["name"], table["smiles"], strict=True)
        lines = ["\t".join((c, " ".join(n.split()), s)) for c, n, s in rows]
    packed = lzma.compress("\n".join(sorted(lines)).encode(), preset=9 | lzma.PRESET_EXTREME)
    (folder / COMPONENTS).write_bytes(packed)


def _hashes(texts: np.ndarray) -> np.ndarray:
    return np.unique(np.array([text_hash(t) for t in np.unique(texts) if t], np.uint64))


def _fragments(proteins: Proteins) -> np.ndarray:
    bits = np.zeros(1 << FRAGMENT_BITS, np.uint8)
    letters = np.array([ord(c) for c in "?" + RESIDUES], np.uint8)
    for index in np.flatnonzero(proteins["split"] == "train"):
        residues = proteins["residues"][proteins.span(int(index))]
        bits[fragment_bits(letters[residues].tobytes().decode())] = 1
    return np.packbits(bits)


def strands(structures: Structures, index: int) -> list[tuple[str, str]]:
    """(kind, sequence) of every unbroken strand of standard nucleotides of one example."""
    graph = structures.graph(index)
    assert graph.chain is not None and graph.residue_index is not None
    found: list[tuple[str, str]] = []
    before: tuple[int, int, str] | None = None
    for row, chain, number in zip(
        graph.tokens.tolist(), graph.chain.tolist(), graph.residue_index.tolist(), strict=True
    ):
        comp = _COMPONENT.get(row[_RESIDUE], "")
        kind = "dna" if comp.startswith("D") else "rna"
        if row[_KIND] != NUCLEOTIDE:
            before = None
            continue
        if before == (chain, number - 1, kind):
            found[-1] = (kind, found[-1][1] + comp[-1])
        else:
            found.append((kind, comp[-1]))
        before = (chain, number, kind)
    return found


def structure_tables(structures: Structures, trained_folds: set[str]) -> dict[str, np.ndarray]:
    """``dna``, ``rna``, ``sites``, ``site_starts``, ``site_trained`` of the seen table.

    trained_folds: PDB entries whose chains were trained on as backbones; of these also the crops that
    were held out are listed.
    """
    bits = {kind: np.zeros(4**length, np.uint8) for kind, length in STRETCH.items()}
    sites: dict[tuple[int, ...], bool] = {}
    for index, split in enumerate(structures["split"].tolist()):
        trained = split == "train"
        for kind, sequence in strands(structures, index) if trained else ():
            bits[kind][stretch_bits(sequence, kind)] = 1
        features = tuple(_site(structures, index).tolist())
        known = trained or str(structures["pdb"][index]) in trained_folds
        if len(features) >= LEAST_FEATURES and known:
            sites[features] = sites.get(features, False) or trained
    listed = sorted(sites)
    return {
        "dna": np.packbits(bits["dna"]),
        "rna": np.packbits(bits["rna"]),
        "sites": np.array([f for site in listed for f in site], np.uint16),
        "site_starts": np.cumsum([0, *map(len, listed)]).astype(np.int32),
        "site_trained": np.array([sites[site] for site in listed], np.uint8),
    }


def _site(structures: Structures, index: int) -> np.ndarray:
    graph = structures.graph(index)
    assert graph.chain is not None and graph.residue_index is not None
    rows = zip(graph.chain.tolist(), graph.residue_index.tolist(), graph.tokens, strict=True)
    return site_features(
        (chain, number, _COMPONENT[int(row[_RESIDUE])])
        for chain, number, row in rows
        if row[_KIND] == RESIDUE
    )


def _trained_folds(crops: Path, proteins: Proteins) -> set[str]:
    """PDB entries of the crops with a chain in a cluster of the backbones' training split."""
    trained = set(proteins["cluster"][proteins["split"] == "train"].tolist())
    found = set()
    for name in CHAIN_TABLES:
        with np.load(crops / name, allow_pickle=False) as file:
            pairs = zip(file["chain_id"], file["chain_pm3_cluster"], strict=True)
            found |= {chain.decode()[:4] for chain, root in pairs if root.decode() in trained}
    return found


def _write_seen(
    molecules: Molecules,
    proteins: Proteins,
    structures: Structures,
    folder: Path,
    crops: Path,
) -> None:
    train = molecules["split"] == "train"
    tables = {
        "molecules": _hashes(molecules["key"][train]),
        "scaffolds": _hashes(molecules["scaffold"][train]),
        "fragments": _fragments(proteins),
        **structure_tables(structures, _trained_folds(crops, proteins)),
    }
    save_file(tables, folder / SEEN)
    (folder / SEEN).chmod(0o644)  # safetensors writes for the owner alone


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
    _write_seen(molecules, proteins, structures, folder, crops)
    _write_references(molecules, proteins, folder, crops)
