"""Hands are put right while a structure forms, and nothing else is touched."""

import torch

from alphafold3.structures import FIXTURES, graph_of
from models.alphafold3.data.store import Molecules
from models.alphafold3.features import arrays, collate
from models.alphafold3.geometry import rotations_from
from models.alphafold3.steering import MARGIN, steer

QUATERNARY = "C[C@](F)(Cl)Br"


def products(x, features):
    """The triple products of unit vectors at every plane of every stereocentre, (B, K, P)."""
    out = []
    known = (features.handed_mask > 0) & (features.centre.unsqueeze(-1) > 0)
    for b in range(len(x)):
        centre, plane = known[b].nonzero(as_tuple=True)
        ways = x[b][:, features.handed[b, centre, plane]] - x[b][:, centre].unsqueeze(2)
        ways = torch.nn.functional.normalize(ways, dim=-1)
        out.append((ways[:, :, 0] * torch.linalg.cross(ways[:, :, 1], ways[:, :, 2])).sum(-1))
    return out


def always(x):
    return torch.ones(x.shape[:2], dtype=torch.bool)


def test_a_random_state_gets_the_hand_of_the_input():
    items = [arrays(graph_of(s)) for s in (QUATERNARY, "C[C@H](N)C(=O)O", "CCO")]
    features = collate(items, slots=1)
    x = torch.randn(3, 40, 6, 3, generator=torch.Generator().manual_seed(0)) * 1.5
    before = [(p > 0).float().mean() for p in products(x, features)[:2]]
    moved = steer(x, features, always(x))

    def potential(x):
        rows = products(x, features)[:2]
        return torch.cat([(MARGIN - p).clamp_min(0).square().sum(-1).flatten() for p in rows])

    assert max(before) < 0.7
    assert (potential(moved) <= potential(x) + 1e-4).float().mean() > 0.95
    assert potential(moved).sum() < 0.5 * potential(x).sum()
    assert torch.equal(moved[2], x[2])  # no stereocentre, no push


def test_what_is_right_or_quiet_stays_as_it_is():
    data = Molecules(FIXTURES / "molecules.npz")
    seen = 0
    for k in range(len(data)):
        graph = data.graph(k)
        item = arrays(graph)
        if not (item["centre"].any() and data["has_crystal"][k]):
            continue
        features = collate([item], slots=1)
        x = torch.from_numpy(data.conformer(k, "crystal"))[None, None]
        if min(p.min() for p in products(x, features)) < MARGIN:
            continue
        seen += 1
        assert torch.equal(steer(x, features, always(x)), x)
        wrong = x * torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(steer(wrong, features, ~always(x)), wrong)
        assert not torch.equal(steer(wrong, features, always(x)), wrong)
    assert seen > 5


def test_steering_turns_with_the_structure_and_keeps_its_place():
    features = collate([arrays(graph_of(QUATERNARY))], slots=1)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 8, 5, 3, generator=generator)
    rotation = rotations_from(torch.randn(2, 3, generator=generator))
    pushed = steer(x, features, always(x))
    assert (pushed - x).abs().max() > 0.05
    assert torch.allclose(
        steer(x @ rotation.T + 7, features, always(x)), pushed @ rotation.T + 7, atol=1e-3
    )
    assert torch.allclose(pushed.mean(-2), x.mean(-2), atol=1e-5)
    padded = collate([arrays(graph_of(QUATERNARY))], slots=1, tokens=9)
    wide = torch.cat([x, torch.zeros(1, 8, 4, 3)], 2)
    assert torch.allclose(steer(wide, padded, always(x))[:, :, :5], pushed, atol=1e-6)
