"""What ships beside the weights: the code table, what training saw, and reference structures.

Three small files in ``models/tables``, built from the caches by :func:`export`:

- ``alphafold3-components.tsv.xz``: code, name and SMILES of the Chemical Component Dictionary;
- ``alphafold3-seen.safetensors``: hashes of training molecules and scaffolds, and a bit table of
  protein fragments, so that a page can say whether what was typed was in training;
- ``alphafold3-references.json``: experimental coordinates of the examples.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rdkit import Chem
from safetensors.numpy import load_file
from torch import Tensor

from models.alphafold3.chemistry import with_conformer
from models.alphafold3.data.molecules import scaffold_smiles
from models.checkpoint import TABLES, CheckpointError

COMPONENTS = "alphafold3-components.tsv.xz"
SEEN = "alphafold3-seen.safetensors"
REFERENCES = "alphafold3-references.json"

Training = Literal["seen", "similar", "unseen"]
FRAGMENT = 8  # residues
FRAGMENT_BITS = 22
SEEN_SHARE, SIMILAR_SHARE = 0.8, 0.25


def molecule_hash(text: str) -> int:
    """64 bits of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def fragment_bits(sequence: str) -> np.ndarray:
    """Places in the bit table of the fragments of ``sequence``; only one fragment in four, chosen by
    its own hash, has a place, which keeps the table small and the choice equal on both sides."""
    hashes = [
        molecule_hash(sequence[i : i + FRAGMENT]) for i in range(len(sequence) - FRAGMENT + 1)
    ]
    return np.array([(h >> 2) % (1 << FRAGMENT_BITS) for h in hashes if h % 4 == 0], np.int64)


@dataclass(frozen=True)
class Component:
    code: str
    name: str
    smiles: str  # empty: RDKit or the trained element set cannot represent it


class Library:
    """Reads the three files when first asked. Raises CheckpointError when one is missing or broken."""

    def __init__(self, folder: Path = TABLES) -> None:
        self.folder = folder

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise CheckpointError(path, "file is missing")
        return path

    @cached_property
    def components(self) -> dict[str, Component]:
        path = self._path(COMPONENTS)
        try:
            lines = lzma.decompress(path.read_bytes()).decode().split("\n")
            rows = (line.split("\t") for line in lines if line)
            return {code: Component(code, name, smiles) for code, name, smiles in rows}
        except (lzma.LZMAError, UnicodeDecodeError, ValueError) as error:
            raise CheckpointError(path, f"cannot be read ({error})") from error

    @cached_property
    def _seen(self) -> dict[str, np.ndarray]:
        path = self._path(SEEN)
        try:
            return load_file(path)
        except Exception as error:  # safetensors raises its own type for every kind of damage
            raise CheckpointError(path, f"cannot be read ({error})") from error

    @cached_property
    def references(self) -> dict[str, Any]:
        path = self._path(REFERENCES)
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise CheckpointError(path, f"cannot be read ({error})") from error

    def suggestions(self, text: str) -> list[str]:
        """Up to five codes that look like ``text`` or whose name contains it."""
        wanted = text.strip().lower()
        if len(wanted) > 3:
            hits = [c for c in self.components.values() if wanted in c.name.lower()]
            hits.sort(key=lambda c: (len(c.name), c.code))
            if hits:
                return [f"{c.code} ({c.name.lower()})" for c in hits[:5]]
        return difflib.get_close_matches(text.upper(), list(self.components), n=5, cutoff=0.5)

    def molecule_training(self, mol: Chem.Mol) -> Training:
        """``seen``: same connectivity as a training molecule; ``similar``: same Murcko scaffold."""
        if _member(self._seen["molecules"], Chem.MolToInchiKey(mol).split("-")[0]):
            return "seen"
        scaffold = scaffold_smiles(mol)
        return "similar" if scaffold and _member(self._seen["scaffolds"], scaffold) else "unseen"

    def protein_training(self, sequence: str) -> Training:
        """By the share of its 8-residue fragments that occur in a training crop: over 80 % or 25 %."""
        places = fragment_bits(sequence)
        if len(places) == 0:
            return "similar"  # too short to tell: every short stretch occurs somewhere
        table = np.unpackbits(self._seen["fragments"])
        share = float(table[places].mean())
        return "seen" if share > SEEN_SHARE else "similar" if share > SIMILAR_SHARE else "unseen"

    def molecule_reference(self, mol: Chem.Mol) -> Tensor | None:
        """(N, 3) A in the atom order of ``mol``: the experimental conformer, if it is an example's."""
        entry = self.references["molecules"].get(Chem.MolToSmiles(mol))
        if entry is None:
            return None
        match = Chem.MolFromSmiles(entry["smiles"]).GetSubstructMatch(mol, useChirality=True)
        if len(match) != mol.GetNumAtoms():
            return None
        return torch.tensor(entry["xyz"], dtype=torch.float32)[list(match)]

    def protein_reference(self, sequence: str) -> dict[str, Any] | None:
        """{"entry", "xyz": (T, 4, 3) list, A} of an example protein."""
        return self.references["proteins"].get(sequence)


def _member(table: np.ndarray, text: str) -> bool:
    value = np.uint64(molecule_hash(text))
    place = int(np.searchsorted(table, value))
    return place < len(table) and table[place] == value


def reference_entry(smiles: str, source: Chem.Mol, xyz: np.ndarray) -> dict[str, Any]:
    """Coordinates of ``source`` reordered to the atoms of ``smiles``."""
    mol = Chem.MolFromSmiles(smiles)
    drawn = with_conformer(source, xyz)
    Chem.AssignStereochemistryFrom3D(drawn, replaceExistingTags=True)
    match = drawn.GetSubstructMatch(mol, useChirality=True)
    if len(match) != mol.GetNumAtoms():
        raise ValueError(f"coordinates do not belong to {smiles}")
    return {"smiles": smiles, "xyz": np.round(xyz[list(match)], 3).tolist()}
