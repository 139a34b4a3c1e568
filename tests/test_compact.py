from dataclasses import dataclass

import pytest
import torch

from models.checkpoint import CheckpointError
from models.compact import load_compact, save_compact


@dataclass(frozen=True)
class Config:
    width: int = 3


def test_round_trip_is_within_half_a_step(tmp_path) -> None:
    state = {
        "large": torch.randn(64, 8, 3, 3) * torch.logspace(-3, 1, 64).view(-1, 1, 1, 1),
        "small": torch.randn(5, 4),
        "zero": torch.zeros(64, 64),
        "count": torch.tensor(7),
    }
    path = tmp_path / "x.safetensors"
    save_compact(path, state, Config(), {"steps": 3})
    back, header = load_compact(path)
    assert set(back) == set(state) and header["meta"]["steps"] == 3
    step = state["large"].flatten(1).abs().amax(1) / 127
    error = (back["large"] - state["large"]).flatten(1).abs().amax(1)
    assert (error <= 0.55 * step).all()
    assert torch.allclose(back["small"], state["small"], atol=2e-3)
    assert (back["zero"] == 0).all() and back["count"] == 7
    assert path.stat().st_size < 64 * 8 * 9 * 1.3 + 64 * 64 + 2000


def test_missing_and_broken_files_are_checkpoint_errors(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        load_compact(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a checkpoint at all")
    with pytest.raises(CheckpointError, match=r"broken\.safetensors"):
        load_compact(broken)
