"""TM-score: one of itself, blind to motion, not to mirrors, and near what is known of noise."""

import numpy as np
import pytest
import torch

from models.alphafold3.geometry import rotations_from
from models.evaluation import superposition
from models.evaluation.superposition import tm_align_scores, tm_distance, tm_scores

pytest.importorskip("biotite")


def walk(length: int, seed: int) -> torch.Tensor:
    """A chain of points 3.8 A apart that turns slowly, as CA atoms do."""
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(3, generator=generator)
    points = [torch.zeros(3)]
    for _ in range(length - 1):
        step = torch.nn.functional.normalize(step + torch.randn(3, generator=generator), dim=0)
        points.append(points[-1] + 3.8 * step)
    return torch.stack(points)


def moved(x: torch.Tensor) -> torch.Tensor:
    turn = rotations_from(torch.randn(2, 3, generator=torch.Generator().manual_seed(5)))
    return x @ turn.T + 7


def test_a_moved_copy_scores_one():
    x = walk(64, 0)
    assert tm_scores(moved(x)[None], x[None]) == pytest.approx([1.0], abs=1e-4)


def test_a_mirror_image_and_an_unrelated_chain_do_not():
    x = walk(64, 0)
    mirror, other = tm_scores(torch.stack([-x, walk(64, 9)]), torch.stack([x, x]))
    assert mirror < 0.6 and other < 0.4


def test_one_rigid_half_counts_as_half():
    x = walk(64, 1)
    broken = x.clone()
    broken[32:] = moved(broken[32:]) + 300
    (found,) = tm_scores(broken[None], x[None])
    assert 0.5 < found < 0.56


def test_the_distance_scale_is_the_published_one():
    assert tm_distance(64) == pytest.approx(1.24 * 49 ** (1 / 3) - 1.8)
    assert tm_distance(12) == 0.5


def test_the_aligned_score_finds_a_shift_along_the_chain():
    long = walk(72, 2)
    x, y = long[:64], long[8:]
    (numbered,), (aligned,) = tm_scores(x[None], y[None]), tm_align_scores(x[None], y[None])
    assert aligned > numbered + 0.3 and aligned == pytest.approx(56 / 64, abs=0.02)


def test_the_alignment_pairs_what_scores():
    score = np.zeros((4, 5))
    score[np.arange(4), np.arange(4) + 1] = 1.0
    i, j = superposition._align(score)
    assert i.tolist() == [0, 1, 2, 3] and j.tolist() == [1, 2, 3, 4]
