"""Settling curves on signals whose scales are known."""

import numpy as np
import pytest

from models.evaluation.settling import (
    Trace,
    graph_distances,
    image_settling,
    molecule_settling,
    settled_at,
    shared_axis,
)


def test_settled_at_takes_the_last_fall() -> None:
    levels = [8.0, 4.0, 2.0, 1.0]
    assert settled_at([1, 0.05, 0.2, 0.05], levels) == 1.0
    assert settled_at([1, 0.09, 0.05, 0.0], levels) == 4.0
    assert settled_at([1, 0.5, 0.2, 0.1], levels) is None


def test_a_later_stage_takes_over_below_its_first_level() -> None:
    def frame(stage: str, level: float) -> Trace:
        return Trace(stage, 0, level, np.zeros(1))

    frames = [frame("base", v) for v in (8, 4, 2, 1)] + [frame("up", v) for v in (3, 1)]
    shown = [(f.stage, f.sigma_over_data) for f in shared_axis(frames)]
    assert shown == [("base", 8), ("base", 4), ("up", 3), ("up", 1)]


def wave(cycles: int, side: int = 32) -> np.ndarray:
    column = np.cos(2 * np.pi * cycles * np.arange(side) / side)
    return np.repeat(np.tile(column, (side, 1))[..., None], 3, -1)


def test_image_bands_see_their_own_frequencies() -> None:
    low, middle, high = wave(1), wave(5), wave(12)
    final = low + middle + high
    frames = [
        Trace("d", 0, 10.0, 0 * final),
        Trace("d", 1, 1.0, low),
        Trace("d", 2, 0.1, low + middle),
        Trace("d", 3, 0.01, final),
    ]
    curves = image_settling(frames, final)
    assert [b["settled_at"] for b in curves["bands"]] == [1.0, 0.1, 0.01]
    assert curves["bands"][0]["error"] == pytest.approx([1, 0, 0, 0], abs=1e-6)


def test_stages_of_different_sizes_share_the_coarse_bands() -> None:
    """A 16 px frame that is right settles the coarse bands; what it cannot show is error of the fine
    one, and exactly as much as enlarging it by repeated pixels would give."""
    final = wave(1, 64) + wave(5, 64) + wave(20, 64)
    small = final.reshape(16, 4, 16, 4, 3).mean((1, 3))
    frames = [
        Trace("base", 0, 10.0, 0 * small),
        Trace("base", 1, 1.0, small),
        Trace("fine", 0, 0.5, final),
    ]
    low, middle, high = image_settling(frames, final)["bands"]
    assert low["error"] == pytest.approx([1, 0, 0], abs=1e-6)
    assert middle["error"] == pytest.approx([1, 0, 0], abs=1e-6)
    assert [b["settled_at"] for b in (low, middle, high)] == [1.0, 1.0, 0.5]
    repeated = small.repeat(4, 0).repeat(4, 1)
    missing = np.sqrt(((final - repeated) ** 2).sum(-1).mean())
    assert high["start"] * high["error"][1] == pytest.approx(missing, rel=1e-3)


def test_graph_distances() -> None:
    apart = graph_distances(5, np.array([[0, 1], [1, 2], [2, 3]]))
    assert apart[0].tolist() == [0, 1, 2, 3, 32767]
    assert (apart == apart.T).all()
    near = graph_distances(5, np.array([[0, 1], [1, 2], [2, 3]]), within=2)
    assert near[0].tolist() == [0, 1, 2, 32767, 32767]


def test_molecule_scales() -> None:
    bonds = np.array([[i, i + 1] for i in range(9)])
    rng = np.random.default_rng(0)
    final = np.cumsum(rng.normal(size=(10, 3)), 0).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    frames = [
        Trace("atoms", 0, 10.0, 0 * final),
        Trace("atoms", 1, 1.0, final + rng.normal(size=final.shape) * 0.03),
        Trace("atoms", 2, 0.1, final @ rotation.T + 5),
    ]
    curves = molecule_settling(frames, final, bonds)
    assert [b["name"] for b in curves["bands"]] == ["global", "angles", "bonds"]
    for band in curves["bands"]:
        assert band["error"][0] == 1
        assert band["error"][-1] == pytest.approx(0, abs=1e-5)  # rotations and shifts do not count


def test_water_has_no_far_atoms() -> None:
    final = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    curves = molecule_settling([Trace("atoms", 0, 1.0, final)], final, np.array([[0, 1], [0, 2]]))
    assert [b["name"] for b in curves["bands"]] == ["angles", "bonds"]


def test_how_many_frames_are_looked_at_together_changes_nothing(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    final = rng.normal(size=(30, 3)).astype(np.float32) * 4
    bonds = np.stack([np.arange(29), np.arange(1, 30)], 1)
    frames = [
        Trace(
            "atoms", k, 1 / (k + 1), final + rng.normal(size=(30, 3)).astype(np.float32) / (k + 1)
        )
        for k in range(7)
    ]
    at_once = molecule_settling(frames, final, bonds)
    monkeypatch.setattr("models.evaluation.settling.TOGETHER", 1)
    assert molecule_settling(frames, final, bonds) == at_once
