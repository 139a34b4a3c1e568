"""Checkpoints: safetensors files with config and provenance as JSON in the header. No pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.config import to_json

CHECKPOINTS = Path(__file__).parent / "checkpoints"
TABLES = Path(__file__).parent / "tables"  # shipped data that is no network


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used: ``path`` and ``reason`` say which and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"checkpoint {path.name}: {reason}")
        self.path = path
        self.reason = reason


def save(
    path: Path,
    state: Mapping[str, Tensor],
    config: Any,
    meta: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes ``state`` (floats stored as ``dtype``, integers as they are) with the dataclass ``config``
    and JSON-able ``meta``. The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        key: value.detach()
        .cpu()
        .to(dtype if value.is_floating_point() else value.dtype)
        .contiguous()
        for key, value in state.items()
    }
    header = {"config": to_json(config), "meta": json.dumps(dict(meta or {}), sort_keys=True)}
    partial = path.with_suffix(".tmp")
    save_file(tensors, partial, metadata=header)
    partial.chmod(0o644)  # the container's user is another one
    partial.replace(path)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """-> (state with floats as float32, {"config": JSON text, "meta": dict}). Raises CheckpointError."""
    if not path.is_file():
        raise CheckpointError(path, "file is missing")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"cannot be read ({error})") from error
    if "config" not in header:
        raise CheckpointError(path, "has no config in its header")
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    return state, {"config": header["config"], "meta": json.loads(header.get("meta", "{}"))}


@cache
def fingerprint(path: Path) -> str:
    """First 12 hex digits of the file's SHA-256: the checkpoint id that pages and exports show."""
    if not path.is_file():
        raise CheckpointError(path, "file is missing")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
