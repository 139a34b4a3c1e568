"""What the confidence head learns from: the model's own samples, and how right each of their atoms is.

Samples are drawn with the pipeline's default sampler on structures of training and validation, never of
the test. Validation comes first: a model is a little surer of what it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rdkit import Chem

from models.alphafold3.chemistry import graph_molecule
from models.alphafold3.data.batches import PROFILE_DROP, Proteins
from models.alphafold3.data.store import Molecules, quantise, restore
from models.alphafold3.data.structures import Structures
from models.alphafold3.geometry import lddt_by_atom
from models.alphafold3.graph import Graph
from models.alphafold3.polymer import backbone_graph
from models.alphafold3.structure import Structure
from models.alphafold3.symmetry import nearest_molecule, nearest_residues
from models.evaluation.molecules_drawing import StructurePipeline, sample_structures
from models.pipeline import SampleSettings

UNKNOWN = 255  # an atom without a score, in the stored lDDT
SCALE = 250  # stored lDDT per 1.0


class Source(Protocol):
    """One class of structures with known coordinates."""

    data: Any

    def members(self, splits: Sequence[str], rng: np.random.Generator) -> np.ndarray:
        """Their numbers, in a random order, the splits one after the other."""
        ...

    def structure(self, number: int) -> Structure: ...

    def truth(self, number: int) -> np.ndarray:
        """(N, 3) A of the atoms present."""
        ...

    def split(self, number: int) -> str: ...

    def molecule(self, number: int) -> Chem.Mol | None:
        """Whose symmetries count; None where atoms have names."""
        ...


def _shuffled(
    split: np.ndarray, usable: np.ndarray, splits: Sequence[str], rng: np.random.Generator
) -> np.ndarray:
    parts = [rng.permutation(np.flatnonzero(usable & (split == name))) for name in splits]
    return np.concatenate(parts)


class MoleculeSource:
    """Molecules that have a crystal conformer, which is what the confidence is about."""

    def __init__(self, data: Molecules, largest: int = 64) -> None:
        self.data, self.largest = data, largest

    def members(self, splits: Sequence[str], rng: np.random.Generator) -> np.ndarray:
        counts = self.data["atom_counts"]
        usable = self.data["has_crystal"] & (counts >= 3) & (counts <= self.largest)
        return _shuffled(self.data["split"], usable, splits, rng)

    def structure(self, number: int) -> Structure:
        return Structure(self.data.graph(number))

    def truth(self, number: int) -> np.ndarray:
        return self.data.conformer(number, "crystal")

    def split(self, number: int) -> str:
        return str(self.data["split"][number])

    def molecule(self, number: int) -> Chem.Mol | None:
        return graph_molecule(self.data.graph(number))


class ProteinSource:
    """Backbone crops. Number 2 k is crop k from its sequence alone, 2 k + 1 with its profile."""

    def __init__(self, data: Proteins) -> None:
        self.data = data

    def members(self, splits: Sequence[str], rng: np.random.Generator) -> np.ndarray:
        crops = _shuffled(self.data["split"], np.ones(len(self.data), bool), splits, rng)
        return 2 * crops + (rng.random(len(crops)) >= PROFILE_DROP)

    def structure(self, number: int) -> Structure:
        span = self.data.span(number // 2)
        graph = backbone_graph(self.data["residues"][span])
        if number % 2:
            graph = replace(graph, profile=self.data["profile"][span])
        return Structure(graph)

    def truth(self, number: int) -> np.ndarray:
        return self.data.backbone(number // 2).reshape(-1, 3)

    def split(self, number: int) -> str:
        return str(self.data["split"][number // 2])

    def molecule(self, number: int) -> Chem.Mol | None:
        return None


class StructureSource:
    """Nucleic acids, ion shells, pockets and interfaces, with all their atoms."""

    def __init__(self, data: Structures) -> None:
        self.data = data

    def members(self, splits: Sequence[str], rng: np.random.Generator) -> np.ndarray:
        """By weight: early in the order the large groups are not the only ones."""
        order = np.argsort(rng.exponential(size=len(self.data["split"])) / self.data["weight"])
        split = self.data["split"][order]
        return np.concatenate([order[split == name] for name in splits])

    def structure(self, number: int) -> Structure:
        return Structure(self.data.graph(number))

    def truth(self, number: int) -> np.ndarray:
        return self.data.coordinates(number)[self.data.graph(number).present]

    def split(self, number: int) -> str:
        return str(self.data["split"][number])

    def molecule(self, number: int) -> Chem.Mol | None:
        return None


def sources(cache: Path) -> dict[str, Source]:
    """Raises FileNotFoundError naming the command that builds what is missing."""
    return {
        "molecules": MoleculeSource(Molecules(cache / "molecules/molecules.npz")),
        "proteins": ProteinSource(Proteins(cache / "proteins/proteins.npz")),
        "structures": StructureSource(Structures(cache / "structures/structures.npz")),
    }


def atom_scores(
    graph: Graph, samples: np.ndarray, truth: np.ndarray, mol: Chem.Mol | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """lDDT of every atom of every sample, and which atoms have one (see :func:`lddt_by_atom`).

    Atoms that only their names tell apart are named as they lie nearest: within a molecule's symmetries,
    or in side chains. samples: (S, N, 3), truth: (N, 3) A -> (S, N) 0..1, (N,) bool
    """
    token = torch.from_numpy(np.flatnonzero(graph.present) // graph.slots)
    rows = []
    for xyz in samples:
        if mol is not None:
            named = nearest_molecule(mol, xyz, truth)
        else:
            named = nearest_residues(graph, xyz, truth)
        score, known = lddt_by_atom(torch.from_numpy(xyz), torch.from_numpy(named), token)
        rows.append(score.numpy())
    return np.stack(rows), known.numpy()


@dataclass(frozen=True)
class Rollout:
    """Samples of one structure of a source. xyz: (S, N, 3) float32 A; lddt: (S, N), NaN where an atom
    has none; split: where the structure comes from."""

    source: str
    number: int
    split: str
    xyz: np.ndarray
    lddt: np.ndarray


def draw(
    pipeline: StructurePipeline,
    settings: SampleSettings,
    name: str,
    source: Source,
    numbers: Sequence[int],
) -> Iterator[Rollout]:
    """One rollout per number, ``settings.samples`` samples each."""
    structures = [source.structure(int(k)) for k in numbers]
    drawn = sample_structures(pipeline, structures, settings)
    for number, structure, samples in zip(numbers, structures, drawn, strict=True):
        xyz = samples.numpy()
        truth, mol = source.truth(int(number)), source.molecule(int(number))
        score, known = atom_scores(structure.graph, xyz, truth, mol)
        lddt = np.where(known, score, np.nan)
        yield Rollout(name, int(number), source.split(int(number)), xyz, lddt)


def save(path: Path, rollouts: Sequence[Rollout]) -> None:
    """One shard. The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = [np.where(np.isnan(r.lddt), UNKNOWN, np.round(r.lddt * SCALE)) for r in rollouts]
    partial = path.with_suffix(".tmp.npz")
    np.savez(
        partial,
        source=np.array([r.source for r in rollouts]),
        number=np.array([r.number for r in rollouts]),
        split=np.array([r.split for r in rollouts]),
        shape=np.array([r.lddt.shape for r in rollouts]),
        xyz=np.concatenate([quantise(r.xyz).reshape(-1, 3) for r in rollouts]),
        lddt=np.concatenate([f.astype(np.uint8).ravel() for f in flat]),
    )
    partial.replace(path)


def read(folder: Path) -> list[Rollout]:
    """All shards below ``folder``, in the order of their names."""
    out = []
    for path in sorted(folder.glob("rollouts-*.npz")):
        with np.load(path) as file:
            parts: Mapping[str, np.ndarray] = {key: file[key] for key in file.files}
        ends = np.cumsum(parts["shape"].prod(1))
        for k, end in enumerate(ends):
            shape = parts["shape"][k]
            here = slice(int(end - shape.prod()), int(end))
            lddt = parts["lddt"][here].astype(np.float32).reshape(shape)
            out.append(
                Rollout(
                    str(parts["source"][k]),
                    int(parts["number"][k]),
                    str(parts["split"][k]),
                    restore(parts["xyz"][here]).reshape(*shape, 3),
                    np.where(lddt == UNKNOWN, np.nan, lddt / SCALE),
                )
            )
    return out
