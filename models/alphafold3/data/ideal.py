"""Mean bonded and 1-3 distances of the training set, which the network's springs are as long as."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.batches import Proteins, backbone_arrays
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import Structures
from models.alphafold3.features import arrays, collate
from models.alphafold3.local import IdealDistances, atom_classes
from models.alphafold3.polymer import SLOTS
from models.alphafold3.residues import FULL_SLOTS


def ideal_distances(
    molecules: Molecules | None,
    proteins: Proteins | None = None,
    structures: Structures | None = None,
    sample: int = 2000,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Mean bonded and 1-3 distances by pairs of atom classes over a sample of the training set.

    -> two (classes, classes) tables in A for ``IdealDistances``; pairs that do not occur keep its
    defaults.
    """
    tables = IdealDistances()
    rng = np.random.default_rng(seed)
    items = []
    if molecules is not None:
        train = np.flatnonzero((molecules["split"] == "train") & molecules["has_crystal"])
        for k in rng.choice(train, min(sample, len(train)), replace=False):
            items.append((arrays(molecules.graph(k)), 1, molecules.conformer(k, "crystal")))
    if proteins is not None:
        crops = np.flatnonzero(proteins["split"] == "train")
        for k in rng.choice(crops, min(200, len(crops)), replace=False):
            residues = proteins["residues"][proteins.span(int(k))]
            items.append(
                (backbone_arrays(residues), SLOTS, proteins.backbone(int(k)).reshape(-1, 3))
            )
    if structures is not None:
        for k in np.flatnonzero(structures["split"] == "train"):
            graph = structures.graph(int(k))
            items.append((arrays(graph), FULL_SLOTS, structures.coordinates(int(k))))
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
