"""Training batches: same-size molecules or protein crops, endlessly, in an order a seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.store import Molecules, restore
from models.alphafold3.diffusion_module import STYLES, IdealDistances, atom_classes
from models.alphafold3.features import Features, arrays, collate
from models.alphafold3.graph import ELEMENTS, TOKEN_COLUMNS
from models.alphafold3.polymer import SLOTS, backbone_graph

PROFILE_DROP = 0.5  # a typed sequence has no profile, so half of the time training has none either


@dataclass(frozen=True)
class Batch:
    """features of B structures, their coordinates (B, M, 3) A and conformer styles (B,)."""

    features: Features
    truth: Tensor
    style: Tensor

    def to(self, device: str) -> Batch:
        return Batch(self.features.to(device), self.truth.to(device), self.style.to(device))


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


class MoleculeBatches:
    """Molecules of one size per batch, so that nothing is padded.

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
        features = collate([self.item(int(i)) for i in chosen], slots=1)
        return Batch(features, torch.from_numpy(np.stack(truth)), torch.tensor(styles))


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
        style = torch.zeros(len(chosen), dtype=torch.long)
        return Batch(collate(items, slots=SLOTS), torch.from_numpy(np.stack(truth)), style)


def endless(
    molecules: MoleculeBatches,
    proteins: ProteinBatches | None,
    protein_share: float,
    seed: tuple[int, ...],
) -> Iterator[Batch]:
    """Molecule and protein batches mixed at random."""
    rng = np.random.default_rng(seed)
    while True:
        if proteins is not None and rng.random() < protein_share:
            yield proteins.draw(rng)
        else:
            yield molecules.draw(rng)


def ideal_distances(
    molecules: Molecules, proteins: Proteins | None, sample: int = 2000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Mean bonded and 1-3 distances by pairs of atom classes over a sample of the training set.

    -> two (classes, classes) tables in A for ``IdealDistances``; pairs that do not occur keep its
    defaults.
    """
    tables = IdealDistances()
    rng = np.random.default_rng(seed)
    train = np.flatnonzero((molecules["split"] == "train") & molecules["has_crystal"])
    chosen = rng.choice(train, min(sample, len(train)), replace=False)
    items = [(arrays(molecules.graph(k)), 1, molecules.conformer(k, "crystal")) for k in chosen]
    if proteins is not None:
        crops = np.flatnonzero(proteins["split"] == "train")
        for k in rng.choice(crops, min(200, len(crops)), replace=False):
            residues = proteins["residues"][proteins.span(int(k))]
            items.append(
                (backbone_arrays(residues), SLOTS, proteins.backbone(int(k)).reshape(-1, 3))
            )
    names = (("near", tables.bonds), ("second", tables.angles))
    sums = {name: torch.zeros(2, *table.shape, dtype=torch.float64) for name, table in names}
    for item, slots, xyz in items:
        features = collate([item], slots)
        own, place = atom_classes(features)[0], torch.from_numpy(xyz)
        for name, total in sums.items():
            index = getattr(features, name)[0]
            used = getattr(features, f"{name}_mask")[0] > 0
            distance = (place[index] - place[:, None]).norm(dim=-1)[used].double()
            pair = (own[:, None].expand_as(index)[used], own[index][used])
            total[0].index_put_(pair, distance, accumulate=True)
            total[1].index_put_(pair, torch.ones_like(distance), accumulate=True)
    out = []
    for name, table in names:
        mean = sums[name][0] / sums[name][1].clamp_min(1)
        out.append(torch.where(sums[name][1] > 0, mean.float(), table))
    return out[0], out[1]
