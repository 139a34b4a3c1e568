"""Many structures of different sizes in one npz: flat arrays and offsets. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.alphafold3.graph import NO_INDEX, Graph

STEP = (
    0.002  # A per unit of the stored int16 coordinates: +- 65 A, finer than any crystal structure
)


def quantise(xyz: np.ndarray) -> np.ndarray:
    """(..., 3) float A -> int16, centred on the mean over the second last axis."""
    centred = xyz - xyz.mean(-2, keepdims=True)
    return np.round(centred / STEP).astype(np.int16)


def restore(stored: np.ndarray) -> np.ndarray:
    return stored.astype(np.float32) * STEP


def pack_molecules(graphs: Sequence[Graph]) -> dict[str, np.ndarray]:
    """Graphs with one slot per token -> flat arrays (see :class:`Molecules`)."""
    return {
        "tokens": np.concatenate([g.tokens for g in graphs]),
        "atom_types": np.concatenate([g.atom_types for g in graphs]),
        "rings": np.concatenate([g.rings for g in graphs]),
        "handed": np.concatenate([g.handed for g in graphs]),
        "bonds": np.concatenate([g.bonds for g in graphs]),
        "cis_trans": np.concatenate([g.cis_trans for g in graphs]),
        "atom_counts": np.array([g.size for g in graphs], np.int32),
        "bond_counts": np.array([len(g.bonds) for g in graphs], np.int32),
        "cis_trans_counts": np.array([len(g.cis_trans) for g in graphs], np.int32),
    }


class Molecules:
    """``molecules.npz``: graphs, up to two conformers each, codes, SMILES, dates and splits.

    Raises FileNotFoundError naming the command that builds the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: build it with `python -m models data molecules`"
            )
        with np.load(path) as file:
            self.arrays = {key: file[key] for key in file.files}
        self._atoms = np.append(0, np.cumsum(self.arrays["atom_counts"]))
        self._bonds = np.append(0, np.cumsum(self.arrays["bond_counts"]))
        self._cis_trans = np.append(0, np.cumsum(self.arrays["cis_trans_counts"]))

    def __len__(self) -> int:
        return len(self.arrays["atom_counts"])

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def graph(self, index: int) -> Graph:
        atoms = slice(self._atoms[index], self._atoms[index + 1])
        count = int(self.arrays["atom_counts"][index])
        return Graph(
            tokens=self.arrays["tokens"][atoms],
            atom_types=self.arrays["atom_types"][atoms],
            slots=1,
            bonds=self.arrays["bonds"][self._bonds[index] : self._bonds[index + 1]],
            rings=self.arrays["rings"][atoms],
            handed=self.arrays["handed"][atoms],
            cis_trans=self.arrays["cis_trans"][self._cis_trans[index] : self._cis_trans[index + 1]],
            chain=np.zeros(count, np.uint8),
            residue_index=np.full(count, NO_INDEX, np.int16),
        )

    def conformer(self, index: int, style: str) -> np.ndarray:
        """(N, 3) float32 A; style is ``crystal`` or ``ideal`` (see ``has_crystal``, ``has_ideal``)."""
        return restore(self.arrays[style][self._atoms[index] : self._atoms[index + 1]])
