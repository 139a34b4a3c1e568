"""Checkpoints round-trip; a missing or broken one says which and why."""

from dataclasses import dataclass

import pytest
import torch

from models.checkpoint import CheckpointError, load, save
from models.config import from_json, to_json


@dataclass(frozen=True)
class Tiny:
    width: int = 8
    channels: tuple[int, ...] = (1, 2)


def test_round_trip(tmp_path) -> None:
    path = tmp_path / "tiny.safetensors"
    state = {"w": torch.randn(3, 4), "table": torch.arange(5, dtype=torch.int8)}
    save(path, state, Tiny(16), {"steps": 3})
    loaded, header = load(path)
    assert loaded["w"].dtype == torch.float32 and loaded["table"].dtype == torch.int8
    assert torch.allclose(loaded["w"], state["w"], atol=2e-3)
    assert from_json(Tiny, header["config"]) == Tiny(16)
    assert header["meta"] == {"steps": 3}
    assert [f.name for f in tmp_path.iterdir()] == ["tiny.safetensors"]


def test_missing_and_corrupt(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        load(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\xff" * 100)
    with pytest.raises(CheckpointError, match=r"broken\.safetensors: cannot be read"):
        load(broken)
    cut = tmp_path / "cut.safetensors"
    save(cut, {"w": torch.zeros(100)}, Tiny())
    cut.write_bytes(cut.read_bytes()[:-50])
    with pytest.raises(CheckpointError):
        load(cut)


def test_config_refuses_unknown_fields() -> None:
    with pytest.raises(ValueError, match="depth"):
        from_json(Tiny, '{"depth": 3}')
    assert from_json(Tiny, to_json(Tiny())) == Tiny()
