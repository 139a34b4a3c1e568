"""What was trained on, as the small table that :mod:`models.alphafold3.seen` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import Structures
from models.alphafold3.graph import NUCLEOTIDE, RESIDUE, RESIDUE_ID, RESIDUES, TOKEN_COLUMNS
from models.alphafold3.library import SEEN
from models.alphafold3.seen import (
    FRAGMENT_BITS,
    LEAST_FEATURES,
    STRETCH,
    fragment_bits,
    site_features,
    stretch_bits,
    text_hash,
)

CHAIN_TABLES = ("complexes.npz", "showcase.npz")
_KIND, _RESIDUE = (list(TOKEN_COLUMNS).index(name) for name in ("kind", "residue"))
_COMPONENT = {number: comp for comp, number in RESIDUE_ID.items()}


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


def write_seen(
    molecules: Molecules,
    proteins: Proteins,
    structures: Structures,
    folder: Path,
    crops: Path,
) -> None:
    """Writes the table to ``folder``; ``crops`` holds the files that the structures were cut from."""
    train = molecules["split"] == "train"
    tables = {
        "molecules": _hashes(molecules["key"][train]),
        "scaffolds": _hashes(molecules["scaffold"][train]),
        "fragments": _fragments(proteins),
        **structure_tables(structures, _trained_folds(crops, proteins)),
    }
    save_file(tables, folder / SEEN)
    (folder / SEEN).chmod(0o644)  # safetensors writes for the owner alone
