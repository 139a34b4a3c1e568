"""Hands are put right while a structure forms, and nothing else is touched."""

import numpy as np
import torch

from alphafold3.structures import FIXTURES, graph_of
from models.alphafold3.data.store import Molecules
from models.alphafold3.geometry import rotations_from
from models.alphafold3.steering import MARGIN, steer
from models.alphafold3.structure import Structure

QUATERNARY = "C[C@](F)(Cl)Br"


def planes(structures):
    """Of structures end to end: (P,) centres, (P, 3) corners, (A,) whose structure an atom is of."""
    graphs = [structure.packed for structure in structures]
    counts = np.array([len(graph.types) for graph in graphs])
    first = np.cumsum(counts) - counts
    centres, corners = [], []
    for start, graph in zip(first, graphs, strict=True):
        known = graph.centre > 0
        centres.append(graph.planes[0][known] + start)
        corners.append(graph.corners[known] + start)
    return (
        torch.from_numpy(np.concatenate(centres)),
        torch.from_numpy(np.concatenate(corners)),
        torch.arange(len(graphs)).repeat_interleave(torch.from_numpy(counts)),
    )


def products(x, centres, corners):
    """The triple products of unit vectors at planes, (P,)."""
    ways = torch.nn.functional.normalize(x[corners] - x[centres].unsqueeze(1), dim=-1)
    return (ways[:, 0] * torch.linalg.cross(ways[:, 1], ways[:, 2])).sum(-1)


def test_a_random_state_gets_the_hand_of_the_input():
    smiles = (QUATERNARY, "C[C@H](N)C(=O)O") * 40
    structures = [Structure(graph_of(s)) for s in (*smiles, "CCO")]
    centres, corners, owner = planes(structures)
    x = torch.randn(len(owner), 3, generator=torch.Generator().manual_seed(0)) * 1.5
    assert (products(x, centres, corners) > 0).float().mean() < 0.7
    moved = steer(x, centres, corners)

    def potential(x):
        short = (MARGIN - products(x, centres, corners)).clamp_min(0).square()
        return torch.zeros(len(structures)).index_add(0, owner[centres], short)

    assert (potential(moved) <= potential(x) + 1e-4).float().mean() > 0.95
    assert potential(moved).sum() < 0.5 * potential(x).sum()
    assert torch.equal(moved[-3:], x[-3:])  # no stereocentre, no push


def test_what_is_right_or_not_asked_for_stays_as_it_is():
    data = Molecules(FIXTURES / "molecules.npz")
    seen = 0
    for k in range(len(data)):
        centres, corners, _ = planes([Structure(data.graph(k))])
        if not (len(centres) and data["has_crystal"][k]):
            continue
        x = torch.from_numpy(data.conformer(k, "crystal"))
        if products(x, centres, corners).min() < MARGIN:
            continue
        seen += 1
        assert torch.equal(steer(x, centres, corners), x)
        wrong = x * torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(steer(wrong, centres[:0], corners[:0]), wrong)
        assert not torch.equal(steer(wrong, centres, corners), wrong)
    assert seen > 5


def test_steering_turns_with_the_structure_keeps_its_place_and_knows_no_neighbour():
    centres, corners, owner = planes([Structure(graph_of(QUATERNARY))] * 8)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(len(owner), 3, generator=generator)
    rotation = rotations_from(torch.randn(2, 3, generator=generator))
    pushed = steer(x, centres, corners)
    assert (pushed - x).abs().max() > 0.05
    assert torch.allclose(
        steer(x @ rotation.T + 7, centres, corners), pushed @ rotation.T + 7, atol=1e-3
    )
    for k in range(8):
        own = owner == k
        assert torch.allclose(pushed[own].mean(0), x[own].mean(0), atol=1e-5)
        assert torch.equal(steer(x[own], centres[:4] - centres[0] + 1, corners[:4]), pushed[own])
