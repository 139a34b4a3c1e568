"""The loss on structures that training does not see, at every save: the other half of a learning curve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from models.alphafold3.data.batches import Batch, Proteins
from models.alphafold3.data.store import Molecules
from models.alphafold3.data.structures import Structures
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.features import arrays, collate
from models.alphafold3.graph import Graph
from models.alphafold3.polymer import SLOTS, backbone_graph
from models.alphafold3.residues import FULL_SLOTS

STRUCTURES, COPIES, LARGEST = 12, 4, 40  # of each class; noisy copies of each; tokens


def validation_batches(
    molecules: Molecules | None, proteins: Proteins | None, structures: Structures | None
) -> dict[str, Batch]:
    """Up to STRUCTURES of the validation side of each class that is there, always the same ones; every
    other protein with its profile."""
    out = {}
    if molecules is not None:
        small = molecules["has_crystal"] & (molecules["atom_counts"] <= LARGEST)
        places = _chosen(small & (molecules["split"] == "val"))
        out["molecules"] = _batch(
            [molecules.graph(i) for i in places],
            [molecules.conformer(i, "crystal") for i in places],
            slots=1,
        )
    if proteins is not None:
        places = _chosen(proteins["split"] == "val")
        spans = [proteins.span(i) for i in places]
        profiles = [proteins["profile"][s] if k % 2 else None for k, s in enumerate(spans)]
        out["proteins"] = _batch(
            [
                backbone_graph(proteins["residues"][s], p)
                for s, p in zip(spans, profiles, strict=True)
            ],
            [proteins.backbone(i).reshape(-1, 3) for i in places],
            SLOTS,
        )
    if structures is not None:
        small = structures["tokens_per"] <= LARGEST
        places = _chosen(small & (structures["split"] == "val"))
        out["structures"] = _batch(
            [structures.graph(i) for i in places],
            [structures.coordinates(i) for i in places],
            FULL_SLOTS,
        )
    return {name: batch for name, batch in out.items() if batch is not None}


def _chosen(usable: np.ndarray) -> list[int]:
    return np.random.default_rng(0).permutation(np.flatnonzero(usable))[:STRUCTURES].tolist()


def _batch(graphs: list[Graph], truth: list[np.ndarray], slots: int) -> Batch | None:
    """truth: (M, 3) A by slot, of each graph."""
    if not graphs:
        return None
    features = collate([arrays(graph) for graph in graphs], slots)
    xyz = torch.zeros(len(graphs), features.atom_mask.shape[1], 3)
    for b, given in enumerate(truth):
        xyz[b, : len(given)] = torch.from_numpy(given)
    style = torch.zeros(len(graphs), dtype=torch.long)
    return Batch(features, xyz, style, features.atom_mask.float(), COPIES)


def held_out_loss(
    model: StructureModel,
    batches: dict[str, Batch],
    loss: Callable[[StructureModel, Batch], dict[str, torch.Tensor]],
) -> Callable[[int], dict[str, float]]:
    """-> what ``fit`` calls at every save: the loss of the coordinates by class, as
    ``<class>_held_out``, with the same noise every time."""

    def measure(step: int) -> dict[str, float]:
        before = model.training
        model.eval()
        found = {}
        with torch.no_grad(), torch.random.fork_rng():
            for name, batch in batches.items():
                torch.manual_seed(0)
                found[f"{name}_held_out"] = float(loss(model, batch)["coordinates"])
        model.train(before)
        return found

    return measure
