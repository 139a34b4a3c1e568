"""Frames laid over each other: as torch's fit does it, and never by a mirror image."""

import numpy as np
import torch

from models.alphafold3.geometry import align, rotations_from
from models.alphafold3.pose import Pose, fit


def atoms(seed: int, samples: int = 2, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 8, (samples, count, 3)).astype(np.float32)


def turns(seed: int, samples: int = 2) -> np.ndarray:
    torch.manual_seed(seed)
    return rotations_from(torch.randn(samples, 2, 3)).numpy()


def test_a_moved_copy_is_laid_back() -> None:
    first = atoms(0)
    moved = first @ turns(1) + np.float32([3, -2, 5])
    turn, shift = fit(moved, first)
    assert turn.shape == (2, 3, 3) and shift.shape == (2, 1, 3)
    assert np.abs(moved @ turn + shift - first).max() < 1e-4


def test_it_is_the_fit_of_the_networks_geometry() -> None:
    moving, fixed = atoms(2), atoms(3)
    expected = align(
        torch.from_numpy(moving), torch.from_numpy(fixed), torch.ones(2, 40, dtype=torch.bool)
    )
    turn, shift = fit(moving, fixed)
    assert np.abs(moving @ turn + shift - expected.numpy()).max() < 1e-3


def test_a_mirror_image_stays_one() -> None:
    first = atoms(4)
    turn, shift = fit(first * np.float32([1, 1, -1]), first)
    assert np.allclose(np.linalg.det(turn), 1, atol=1e-4)
    assert np.abs(first * np.float32([1, 1, -1]) @ turn + shift - first).max() > 1


def test_flat_and_single_atoms_have_a_pose() -> None:
    for one in (atoms(5, 1, 1), atoms(6, 1, 2), atoms(7) * np.float32([1, 1, 0])):
        turn, shift = fit(one, one + 1)
        assert np.isfinite(turn).all() and np.abs(one @ turn + shift - one - 1).max() < 1e-3
        assert np.allclose(np.linalg.det(turn), 1, atol=1e-4)


def test_the_noisy_state_moves_along_and_the_first_estimate_stays() -> None:
    pose, denoised, noise = Pose(), atoms(8, 1), atoms(9, 1)
    x, shown = pose.lay(noise + 7, denoised)
    assert np.array_equal(shown, denoised) and np.abs(x.mean(-2)).max() < 1e-4
    turn = turns(10, 1)
    centred = noise - noise.mean(-2, keepdims=True)
    again, back = pose.lay(centred @ turn, denoised @ turn)
    assert np.abs(back - denoised).max() < 1e-3
    mean = denoised.mean(-2, keepdims=True)  # what the fit turns about
    assert np.abs((again - mean) - (centred - mean @ turn @ np.swapaxes(turn, -1, -2))).max() < 1e-2
