"""What ships beside the weights: the code table, what training saw, reference structures and profiles.

Small files in ``models/tables``, built from the caches by :mod:`models.alphafold3.data.export`:

- ``alphafold3-components.tsv.xz``: code, name and SMILES of the Chemical Component Dictionary;
- ``alphafold3-seen.safetensors``: what was in training, see :mod:`models.alphafold3.seen`;
- ``alphafold3-references.json``: experimental coordinates of the examples, and profiles of the proteins.
"""

from __future__ import annotations

import base64
import difflib
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from safetensors.numpy import load_file
from torch import Tensor

from models.alphafold3.chains import Chain
from models.alphafold3.chemistry import with_conformer
from models.alphafold3.seen import Seen, Training
from models.checkpoint import TABLES, CheckpointError

COMPONENTS = "alphafold3-components.tsv.xz"
SEEN = "alphafold3-seen.safetensors"
REFERENCES = "alphafold3-references.json"


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
    def seen(self) -> Seen:
        path = self._path(SEEN)
        try:
            return Seen(load_file(path))
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

    def training(self, chains: Sequence[Chain]) -> Training:
        """Whether an input, or a relative of it, was in training."""
        return self.seen.chains(chains)

    def profile(self, sequence: str) -> np.ndarray | None:
        """(T, 20) uint8 of an example protein, as Graph.profile."""
        packed = self.references["proteins"].get(sequence, {}).get("profile")
        if packed is None:
            return None
        return np.frombuffer(base64.b64decode(packed), np.uint8).reshape(len(sequence), 20)

    def reference(
        self, chains: Sequence[Chain], atoms: Sequence[Mapping[str, Any]]
    ) -> tuple[Tensor | None, str]:
        """(N, 3) A of ``atoms`` and where they are from, if an experimental structure of all of them
        ships; atoms are records of the start event."""
        if len(chains) == 1 and chains[0].mol is not None:
            xyz = self.molecule_reference(chains[0].mol)
            if xyz is not None:
                return xyz, "Chemical Component Dictionary, crystal conformer"
        entry = self.references["proteins"].get(chains[0].sequence) if len(chains) == 1 else None
        if entry is not None and len(atoms) == 4 * len(entry["xyz"]):
            name = f"PDB {entry['entry'].replace('_', ', chain ')}"
            return torch.tensor(entry["xyz"]).reshape(-1, 3), name
        for entry in self.references.get("complexes", []):
            xyz = _placed(entry, atoms)
            if xyz is not None:
                return xyz, entry["name"]
        return None, ""

    def molecule_reference(self, mol: Chem.Mol) -> Tensor | None:
        """(N, 3) A in the atom order of ``mol``: the experimental conformer, if it is an example's."""
        entry = self.references["molecules"].get(Chem.MolToSmiles(mol))
        if entry is None:
            return None
        match = Chem.MolFromSmiles(entry["smiles"]).GetSubstructMatch(mol, useChirality=True)
        if len(match) != mol.GetNumAtoms():
            return None
        return torch.tensor(entry["xyz"], dtype=torch.float32)[list(match)]


def _placed(entry: Mapping[str, Any], atoms: Sequence[Mapping[str, Any]]) -> Tensor | None:
    """The stored coordinates in the order of ``atoms``, None unless every atom has one."""
    if len(entry["atoms"]) != len(atoms):
        return None
    place = {name: k for k, name in enumerate(entry["atoms"])}
    rows = [place.get(atom_key(atom)) for atom in atoms]
    if None in rows:
        return None
    return torch.tensor(entry["xyz"], dtype=torch.float32)[torch.tensor(rows)]


def atom_key(atom: Mapping[str, Any]) -> str:
    """A polymer's atom or an ion by residue and name; chains are told apart by their id."""
    return f"{atom['chain']} {atom['residue_index']} {atom['residue']} {atom['name']}"


def reference_entry(smiles: str, source: Chem.Mol, xyz: np.ndarray) -> dict[str, Any]:
    """Coordinates of ``source`` reordered to the atoms of ``smiles``."""
    mol = Chem.MolFromSmiles(smiles)
    drawn = with_conformer(source, xyz)
    Chem.AssignStereochemistryFrom3D(drawn, replaceExistingTags=True)
    match = drawn.GetSubstructMatch(mol, useChirality=True)
    if len(match) != mol.GetNumAtoms():
        raise ValueError(f"coordinates do not belong to {smiles}")
    return {"smiles": smiles, "xyz": np.round(xyz[list(match)], 3).tolist()}
