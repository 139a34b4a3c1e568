"""The geometry of unCLIP's tricks, against what can be worked out by hand."""

import math

import pytest
import torch

from models.dalle2.tricks import MAX_STRENGTH, slerp, text_difference, weights


def unit(size: int = 256, seed: int = 0) -> torch.Tensor:
    x = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    return x / x.norm()


def test_a_quarter_turn_in_the_plane() -> None:
    path = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), [0, 1 / 3, 0.5, 1])
    angles = torch.tensor([0, 30, 45, 90]).deg2rad()
    assert torch.allclose(path, torch.stack([angles.cos(), angles.sin()], 1), atol=1e-6)


def test_it_is_the_formula_of_shoemake() -> None:
    a, b = unit(seed=1), unit(seed=2)
    omega = math.acos(float(a @ b))
    for t, point in zip((0.2, 0.7), slerp(a, b, [0.2, 0.7]), strict=True):
        expected = (math.sin((1 - t) * omega) * a + math.sin(t * omega) * b) / math.sin(omega)
        assert torch.allclose(point, expected, atol=1e-5)


def test_points_are_evenly_spread_on_the_sphere_and_ends_are_the_ends() -> None:
    a, b = unit(seed=1), unit(seed=2)
    path = slerp(a, b, weights(9))
    assert torch.allclose(path.norm(dim=1), torch.ones(9), atol=1e-6)
    assert torch.allclose(path[0], a, atol=1e-6) and torch.allclose(path[-1], b, atol=1e-6)
    steps = (path[1:] * path[:-1]).sum(1).acos()
    assert torch.allclose(steps, steps.mean().expand(8), atol=1e-4)
    assert torch.allclose(path.flip(0), slerp(b, a, weights(9)), atol=1e-5)


def test_the_same_point_twice_is_no_division_by_zero() -> None:
    a = unit()
    assert torch.allclose(slerp(a, a, weights(3)), a.expand(3, -1), atol=1e-6)


def test_opposite_points_have_a_path_all_the_same() -> None:
    a = unit()
    path = slerp(a, -a, weights(5))
    assert torch.allclose(path.norm(dim=1), torch.ones(5), atol=1e-6)
    assert torch.allclose(path[-1], -a, atol=1e-6) and abs(float(path[2] @ a)) < 1e-6


def test_weights_hold_both_ends_and_a_single_one_is_the_last() -> None:
    assert weights(5) == [0, 0.25, 0.5, 0.75, 1]
    assert weights(3, MAX_STRENGTH) == pytest.approx([0, MAX_STRENGTH / 2, MAX_STRENGTH])
    assert weights(1) == [1]


def test_a_text_difference_points_from_one_text_to_the_other() -> None:
    a, b = unit(seed=1), unit(seed=2)
    turn = text_difference(a, b)
    assert float(turn.norm()) == pytest.approx(1, abs=1e-6)
    assert float(turn @ b) > 0 > float(turn @ a)
    assert torch.allclose(turn, -text_difference(b, a), atol=1e-6)
