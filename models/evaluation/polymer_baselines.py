"""What can be had without the network: mean helices, similar training crops, usual distances, chance."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.structures import Structures
from models.alphafold3.geometry import rigid_fit, rotations_from
from models.alphafold3.graph import ATOM_TYPES, METAL_TYPE, METALS, Graph
from models.alphafold3.residues import SUGAR
from models.evaluation.polymer_cases import COLUMN, COMPONENT, WINDOW, Case, case

CONTACT = 3.2  # A: an atom nearer than this in the crystal belongs to an ion's shell
TURNS = 20  # random turns of a part


def mean_helix(data: Structures) -> dict[tuple[int, int, str], np.ndarray]:
    """(strand, place, component) -> (FULL_SLOTS, 3) mean coordinates of the training windows of WINDOW
    base pairs, laid onto each other by their sugars and phosphates."""
    sums: dict[tuple[int, int, str], np.ndarray] = {}
    counts: dict[tuple[int, int, str], np.ndarray] = {}
    frame: Tensor | None = None
    rng = np.random.default_rng(0)
    for index in np.flatnonzero((data["split"] == "train") & (data["class"] == "dna")).tolist():
        graph, xyz = data.window(int(index), rng, WINDOW)
        if graph.size != 2 * WINDOW:
            continue
        x = torch.from_numpy(xyz).unflatten(0, (graph.size, graph.slots))
        there = torch.from_numpy(graph.present).unflatten(0, (graph.size, graph.slots))
        core = torch.zeros_like(there)
        core[:, 3 : len(SUGAR)] = there[:, 3 : len(SUGAR)]  # from O5' on: a first P may be absent
        if frame is None:
            frame = x
        rotation, shift = rigid_fit(x.flatten(0, 1), frame.flatten(0, 1), core.flatten())
        laid = x @ rotation.T + shift
        for t, row in enumerate(graph.tokens.tolist()):
            comp = COMPONENT[row[COLUMN["residue"]]]
            key = (t // WINDOW, t % WINDOW, comp)
            held = there[t].numpy()
            sums[key] = sums.get(key, 0) + np.where(held[:, None], laid[t].numpy(), 0)
            counts[key] = counts.get(key, 0) + held
    return {key: total / np.maximum(counts[key], 1)[:, None] for key, total in sums.items()}


def helix_for(item: Case, helix: dict[tuple[int, int, str], np.ndarray]) -> Tensor:
    blocks = [
        helix[t // WINDOW, t % WINDOW, COMPONENT[row[COLUMN["residue"]]]]
        for t, row in enumerate(item.graph.tokens.tolist())
    ]
    return torch.from_numpy(np.concatenate(blocks)[item.slots]).float()


def letters(graph: Graph) -> list[int]:
    return graph.tokens[:, COLUMN["residue"]].tolist()


def similar_motif(data: Structures, item: Case) -> tuple[Tensor, Tensor] | None:
    """The training motif of the same kind and strand lengths with the most equal letters.

    -> its atoms (K, 3) and the places of the same atoms in the case (K,); None when there is none.
    """
    best: tuple[int, Graph, np.ndarray] | None = None
    wanted = letters(item.graph)
    same = (data["split"] == "train") & (data["kind"] == data["kind"][item.index])
    same &= data["tokens_per"] == item.graph.size
    for index in np.flatnonzero(same).tolist():
        graph = data.graph(index)
        if not np.array_equal(
            graph.tokens[:, COLUMN["from_start"]], item.graph.tokens[:, COLUMN["from_start"]]
        ):
            continue
        equal = sum(a == b for a, b in zip(letters(graph), wanted, strict=True))
        if best is None or equal > best[0]:
            best = (equal, graph, data.coordinates(index))
    if best is None:
        return None
    _, graph, xyz = best
    alike = graph.atom_types == item.graph.atom_types
    alike &= graph.present
    shared = np.flatnonzero(alike[item.slots])
    return torch.from_numpy(xyz[item.slots[shared]]), torch.from_numpy(shared)


def shell(item: Case) -> list[tuple[int, Tensor]]:
    """(ion, its contacts in the crystal) for every focus ion that has some."""
    out = []
    for ion in torch.nonzero(item.focus)[:, 0].tolist():
        distance = (item.crystal - item.crystal[ion]).norm(dim=-1)
        near = torch.nonzero((distance < CONTACT) & (item.token != item.token[ion]))[:, 0]
        if len(near):
            out.append((ion, near))
    return out


def contact_kind(item: Case, ion: int, atom: int) -> tuple[int, str]:
    """The ion's type and the element it touches."""
    types = item.graph.atom_types[item.slots]
    name = ATOM_TYPES[int(types[atom])].split()[-1]
    metal = METAL_TYPE <= int(types[atom]) < METAL_TYPE + len(METALS)
    return int(types[ion]), name if metal else name[0]


def mean_contacts(data: Structures) -> dict[tuple[int, str], float]:
    """(ion, element) -> mean distance in the shells of training."""
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    for index in np.flatnonzero((data["split"] == "train") & (data["class"] == "ion")).tolist():
        item = case(data, int(index))
        for ion, near in shell(item):
            for atom in near.tolist():
                distance = float((item.crystal[atom] - item.crystal[ion]).norm())
                found[contact_kind(item, ion, atom)].append(distance)
    return {key: float(np.mean(values)) for key, values in found.items()}


def turned(x: Tensor, seed: int) -> Tensor:
    """TURNS copies of (N, 3) turned at random about their centre."""
    draws = torch.randn(TURNS, 2, 3, generator=torch.Generator().manual_seed(seed))
    about = x.mean(0)
    return (x - about) @ rotations_from(draws).transpose(-1, -2) + about


def crop_of_size(data: Structures, item: Case) -> Tensor | None:
    """Representative atoms of the training crop of the same class that has as many tokens, or the next
    more (its last ones left out)."""
    name, count = data["class"][item.index], len(item.representatives())
    same = np.flatnonzero((data["split"] == "train") & (data["class"] == name))
    for index in same[np.argsort(data["tokens_per"][same], kind="stable")].tolist():
        if data["tokens_per"][index] < count:
            continue
        other = case(data, index)
        found = other.crystal[other.representatives()]
        if len(found) >= count:
            return found[:count]
    return None
