"""Training batches of molecules, protein crops or all-atom structures, endlessly, in an order a seed
decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.store import Molecules, restore
from models.alphafold3.data.structures import Structures
from models.alphafold3.diffusion_module import STYLES
from models.alphafold3.features import PAIR_COLUMNS, Features, arrays, collate
from models.alphafold3.graph import ELEMENTS, TOKEN_COLUMNS
from models.alphafold3.polymer import SLOTS, backbone_graph
from models.alphafold3.residues import FULL_SLOTS

PROFILE_DROP = 0.5  # a typed sequence has no profile, so half of the time training has none either


@dataclass(frozen=True)
class Batch:
    """features of B structures, their coordinates (B, M, 3) A, conformer styles (B,) and what each atom
    counts in the loss (B, M). copies: noisy copies of each that share a trunk pass."""

    features: Features
    truth: Tensor
    style: Tensor
    weight: Tensor
    copies: int

    def to(self, device: str) -> Batch:
        truth, style, weight = (part.to(device) for part in (self.truth, self.style, self.weight))
        return Batch(self.features.to(device), truth, style, weight, self.copies)


class Batches(Protocol):
    """One class of structures, drawn from ``data``."""

    data: Any

    def draw(self, rng: np.random.Generator) -> Batch: ...


class Proteins:
    """``proteins.npz``. Raises FileNotFoundError naming the command that builds it."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: build it with `python -m models data proteins`"
            )
        with np.load(path) as file:
            self.arrays = {key: file[key] for key in file.files}
        self._offsets = np.append(0, np.cumsum(self.arrays["count"]))

    def __len__(self) -> int:
        return len(self.arrays["count"])

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def span(self, index: int) -> slice:
        return slice(int(self._offsets[index]), int(self._offsets[index + 1]))

    def backbone(self, index: int) -> np.ndarray:
        """(T, 4, 3) float32 A"""
        return restore(self.arrays["backbone"][self.span(index)])


def has_quaternary_centre(data: Molecules) -> np.ndarray:
    """(n,) bool: molecules with a carbon stereocentre of four heavy neighbours."""
    column = {name: k for k, name in enumerate(TOKEN_COLUMNS)}
    tokens = data["tokens"]
    centre = (data["handed"][:, 0] >= 0) & (tokens[:, column["degree"]] == 4)
    centre &= tokens[:, column["element"]] == ELEMENTS.index("C")
    return np.add.reduceat(centre, np.append(0, np.cumsum(data["atom_counts"])[:-1])) > 0


def mirrored(item: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The features of the mirror image of a molecule: every hand swapped."""
    out = dict(item)
    out["handed"] = item["handed"][..., [0, 2, 1]]
    column = list(TOKEN_COLUMNS).index("chirality")
    out["tokens"] = item["tokens"].copy()
    out["tokens"][:, column] = np.array([0, 2, 1], np.uint8)[item["tokens"][:, column]]
    column = list(PAIR_COLUMNS).index("handed")
    out["pair"] = item["pair"].copy()
    out["pair"][..., column] = np.array([0, 2, 1], np.uint8)[item["pair"][..., column]]
    return out


class MoleculeBatches:
    """Molecules of one size per batch, so that nothing is padded. Every other one is mirrored, features
    and coordinates, which are then those of its enantiomer: each hand is seen equally often everywhere.

    ``rows``: molecules x copies x atoms aimed at. Sizes are drawn by how many molecules have them,
    large ones less often: a molecule of n atoms counts as min(1, small / n). One with a stereocentre of
    four heavy neighbours counts ``quaternary`` times: such centres are rare and the hardest to get right.
    """

    def __init__(
        self,
        data: Molecules,
        copies: int,
        rows: int,
        largest: int,
        small: float,
        quaternary: int = 1,
    ) -> None:
        self.data, self.copies, self.rows = data, copies, rows
        counts = data["atom_counts"]
        usable = (data["split"] == "train") & (counts <= largest) & (counts >= 2)
        usable &= data["has_crystal"] | data["has_ideal"]
        often = np.where(has_quaternary_centre(data), quaternary, 1)
        self.by_size = {}
        for n in np.unique(counts[usable]):
            members = np.flatnonzero(usable & (counts == n))
            self.by_size[int(n)] = np.repeat(members, often[members])
        self.sizes = np.array(sorted(self.by_size))
        weight = np.array([len(self.by_size[int(n)]) * min(1.0, small / n) for n in self.sizes])
        self.weight = weight / weight.sum()
        self._cache: dict[int, dict[str, np.ndarray]] = {}

    def item(self, index: int) -> dict[str, np.ndarray]:
        if index not in self._cache:
            self._cache[index] = arrays(self.data.graph(index))
        return self._cache[index]

    def draw(self, rng: np.random.Generator) -> Batch:
        size = int(rng.choice(self.sizes, p=self.weight))
        count = max(2, round(self.rows / (self.copies * size)))
        chosen = rng.choice(self.by_size[size], count)
        styles = []
        for index in chosen:
            both = [self.data["has_crystal"][index], self.data["has_ideal"][index]]
            styles.append(int(rng.integers(2)) if all(both) else int(np.argmax(both)))
        truth = [self.data.conformer(i, STYLES[s]) for i, s in zip(chosen, styles, strict=True)]
        items = [self.item(int(i)) for i in chosen]
        for k in np.flatnonzero(rng.random(count) < 0.5):
            items[k], truth[k] = mirrored(items[k]), -truth[k]
        features = collate(items, slots=1)
        weight = features.atom_mask.float()
        return Batch(
            features, torch.from_numpy(np.stack(truth)), torch.tensor(styles), weight, self.copies
        )


@lru_cache(maxsize=128)
def _template(length: int) -> dict[str, np.ndarray]:
    return arrays(backbone_graph(np.zeros(length, np.uint8)))


def backbone_arrays(residues: np.ndarray) -> dict[str, np.ndarray]:
    """The features of a chain; all but the residue column depends on its length alone."""
    item = dict(_template(len(residues)))
    item["tokens"] = item["tokens"].copy()
    item["tokens"][:, list(TOKEN_COLUMNS).index("residue")] = residues
    return item


class ProteinBatches:
    """Protein crops; one in three batches is cut down to a random shorter window."""

    def __init__(self, data: Proteins, copies: int, rows: int, shortest: int = 16) -> None:
        self.data, self.copies, self.rows, self.shortest = data, copies, rows, shortest
        self.usable = np.flatnonzero(data["split"] == "train")
        self.full = self.usable[data["count"][self.usable] == data["count"][self.usable].max()]

    def draw(self, rng: np.random.Generator) -> Batch:
        short = rng.random() < 1 / 3
        chosen = rng.choice(self.usable if short else self.full, 64)
        counts = self.data["count"][chosen]
        length = int(counts[0])
        if short:  # one window length per batch: take it from those that are long enough
            length = int(rng.integers(self.shortest, int(np.median(counts)) + 1))
        chosen = chosen[counts >= length][: max(2, round(self.rows / (self.copies * length)))]
        items, truth = [], []
        for index in chosen:
            span = self.data.span(int(index))
            start = span.start + int(rng.integers(0, span.stop - span.start - length + 1))
            cut = slice(start, start + length)
            items.append(backbone_arrays(self.data["residues"][cut]))
            if rng.random() >= PROFILE_DROP:
                items[-1]["profile"] = self.data["profile"][cut]
            truth.append(restore(self.data["backbone"][cut]).reshape(-1, 3))
        features = collate(items, slots=SLOTS)
        style = torch.zeros(len(chosen), dtype=torch.long)
        weight = features.atom_mask.float()
        return Batch(features, torch.from_numpy(np.stack(truth)), style, weight, self.copies)


class StructureBatches:
    """Nucleic acids, ions and ligands in their surroundings, protein-DNA contacts, modified residues.

    A batch holds structures of one class (drawn by ``CLASS_SHARES``) whose sizes differ by less than
    ``STEP`` tokens. Duplexes are cut to random shorter ones. The atoms of ligands and ions count
    ``LIGAND_WEIGHT`` times: few, they are what such an example is about (AF3's own weight is 10).
    """

    CLASS_SHARES: Mapping[str, float] = {
        "dna": 0.25,
        "rna": 0.3,
        "ion": 0.15,
        "pocket": 0.12,
        "protein_dna": 0.1,
        "modified": 0.08,
    }
    STEP = 6  # tokens
    LIGAND_WEIGHT = 5.0

    def __init__(self, data: Structures, copies: int, rows: int) -> None:
        self.data, self.copies, self.rows = data, copies, rows
        train = data["split"] == "train"
        self.members = {
            name: np.flatnonzero(train & (data["class"] == name)) for name in self.CLASS_SHARES
        }
        self.members = {name: members for name, members in self.members.items() if len(members)}
        shares = np.array([self.CLASS_SHARES[name] for name in self.members])
        self.shares = shares / shares.sum()
        self._cache: dict[int, dict[str, np.ndarray]] = {}

    def _example(
        self, index: int, rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """-> features, coordinates (M, 3), which atoms belong to a ligand or ion (M,)"""
        if self.data["class"][index] == "dna":
            graph, xyz = self.data.window(index, rng)
            return arrays(graph), xyz, np.zeros(len(xyz), bool)
        if index not in self._cache:
            self._cache[index] = arrays(self.data.graph(index))
        return self._cache[index], self.data.coordinates(index), self.data.ligand(index)

    def draw(self, rng: np.random.Generator) -> Batch:
        members = self.members[str(rng.choice(list(self.members), p=self.shares))]
        weight = self.data["weight"][members]
        chosen = rng.choice(members, min(len(members), 48), p=weight / weight.sum())
        examples = [self._example(int(i), rng) for i in chosen]
        first = len(examples[0][0]["tokens"])
        near = [e for e in examples if 0 <= first - len(e[0]["tokens"]) < self.STEP]
        near = near[: max(2, round(self.rows / (self.copies * first)))]
        features = collate([item for item, _, _ in near], FULL_SLOTS)
        atoms = features.atom_mask.shape[1]
        truth = torch.zeros(len(near), atoms, 3)
        counts = features.atom_mask.float()
        for b, (_, xyz, ligand) in enumerate(near):
            truth[b, : len(xyz)] = torch.from_numpy(xyz)
            counts[b, : len(xyz)] *= torch.from_numpy(np.where(ligand, self.LIGAND_WEIGHT, 1.0))
        style = torch.zeros(len(near), dtype=torch.long)
        return Batch(features, truth, style, counts, self.copies)


def endless(
    sources: Mapping[str, Batches], shares: Mapping[str, float], seed: tuple[int, ...]
) -> Iterator[tuple[str, Batch]]:
    """Batches of all classes mixed at random, with the name of the class each is of."""
    rng = np.random.default_rng(seed)
    names = list(sources)
    weight = np.array([shares[name] for name in names])
    while True:
        name = str(rng.choice(names, p=weight / weight.sum()))
        yield name, sources[name].draw(rng)
