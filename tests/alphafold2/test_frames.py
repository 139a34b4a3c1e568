"""Rigid motions, torsion angles and where they put a backbone's atoms."""

import math

import pytest
import torch

from alphafold2.folds import ideal_helix, rotation
from models.alphafold2.frames import (
    Frames,
    average_residue,
    backbone_torsions,
    frames_from_backbone,
    place_backbone,
    rotation_from_quaternion,
    torsion,
)


def some_frames(seed: int = 0) -> Frames:
    generator = torch.Generator().manual_seed(seed)
    turns = torch.stack([rotation(seed + k) for k in range(5)])
    return Frames(turns, 10 * torch.randn(5, 3, generator=generator))


def test_composition_and_inverse_are_a_group():
    a, b = some_frames(1), some_frames(20)
    points = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(2))
    there = a.compose(b).apply(points)
    assert torch.allclose(there, a.apply(b.apply(points)), atol=1e-4)
    assert torch.allclose(a.inverse().apply(a.apply(points)), points, atol=1e-4)
    assert torch.allclose(a.invert_apply(points), a.inverse().apply(points), atol=1e-4)
    nothing = a.compose(a.inverse())
    assert torch.allclose(nothing.rotation, torch.eye(3).expand(5, 3, 3), atol=1e-5)
    assert nothing.origin.abs().max() < 1e-4
    assert torch.equal(Frames.identity(5).compose(a).apply(points), a.apply(points))


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, -120.0])
def test_a_quaternion_turns_by_its_angle(degrees):
    """(1, 0, 0, tan(a / 2)) turns by a around z."""
    half = math.tan(math.radians(degrees) / 2)
    turn = rotation_from_quaternion(torch.tensor([0.0, 0.0, half]))
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    assert torch.allclose(turn, torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]), atol=1e-6)


def test_quaternions_give_proper_rotations():
    turns = rotation_from_quaternion(3 * torch.randn(100, 3, generator=torch.Generator()))
    eye = torch.eye(3).expand(100, 3, 3)
    assert torch.allclose(turns @ turns.transpose(-1, -2), eye, atol=1e-5)
    assert torch.allclose(torch.linalg.det(turns), torch.ones(100), atol=1e-5)


def test_frames_turn_with_the_backbone():
    backbone, turn, shift = ideal_helix(6), rotation(3), torch.tensor([5.0, -3.0, 2.0])
    frames, moved = frames_from_backbone(backbone), frames_from_backbone(backbone @ turn.T + shift)
    whole = Frames(turn.expand(6, 3, 3), shift.expand(6, 3))
    expected = whole.compose(frames)
    assert torch.allclose(moved.rotation, expected.rotation, atol=1e-5)
    assert torch.allclose(moved.origin, expected.origin, atol=1e-4)
    n, ca, c, _ = frames.invert_apply(backbone).unbind(1)
    assert ca.abs().max() < 1e-5 and c[:, 1:].abs().max() < 1e-5  # origin at CA, x axis to C
    assert n[:, 2].abs().max() < 1e-5 and n[:, 1].min() > 1  # N in the plane, on the side of y


def test_torsions_of_a_helix_are_those_it_was_grown_with():
    angles, known = backbone_torsions(ideal_helix(6), torch.zeros(6, dtype=torch.long))
    degrees = torch.rad2deg(torch.atan2(angles[..., 1], angles[..., 0]))
    assert torch.allclose(degrees[1:, 0], torch.tensor(-57.0), atol=0.5)
    assert torch.allclose(degrees[:, 1], torch.tensor(-47.0), atol=0.5)
    assert torch.allclose(degrees[1:, 2].abs(), torch.tensor(180.0), atol=0.5)
    assert known.tolist() == [[False, True, False], *[[True, True, True]] * 5]


def test_no_torsion_reaches_over_a_chain_break():
    _, known = backbone_torsions(ideal_helix(4), torch.tensor([0, 0, 1, 1]))
    assert known[:, 0].tolist() == [False, True, False, True]
    assert known[:, 1].all()


def test_torsions_change_sign_in_a_mirror():
    a, b, c, d = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    flip = torch.tensor([1.0, 1.0, -1.0])
    left, right = torsion(a, b, c, d), torsion(a * flip, b * flip, c * flip, d * flip)
    assert torch.allclose(left * torch.tensor([1.0, -1.0]), right, atol=1e-5)


def test_frames_and_psi_put_the_atoms_back():
    backbone = ideal_helix(8)
    residue = average_residue(backbone)
    angles, _ = backbone_torsions(backbone, torch.zeros(8, dtype=torch.long))
    placed = place_backbone(frames_from_backbone(backbone), angles[:, 1], residue)
    assert (placed - backbone).norm(dim=-1).max() < 0.02
    turned = place_backbone(frames_from_backbone(backbone), -angles[:, 1], residue)
    assert (turned - backbone)[:, 3].norm(dim=-1).min() > 1  # O follows psi, the others do not
    assert torch.equal(turned[:, :3], placed[:, :3])


def test_a_helix_is_right_handed():
    """Else the helper of these tests, and with it every sign above, would be wrong."""
    ca = ideal_helix(8)[:, 1]
    steps = ca[1:] - ca[:-1]
    normals = torch.linalg.cross(steps[:-1], steps[1:])
    turn = (torch.linalg.cross(normals[:-1], normals[1:]) * steps[1:-1]).sum(-1)
    assert (turn > 0).all()
    rise = (ca[1:] - ca[0]).norm(dim=-1)
    assert 3.7 < rise[0] < 3.9 and 5.2 < rise[3] < 6.6
