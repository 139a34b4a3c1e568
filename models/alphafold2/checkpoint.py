"""The structure module's file: it fits one trunk, whose fingerprint stands in its header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from models import checkpoint
from models.alphafold2.structure_module import StructureConfig, StructureModule
from models.checkpoint import CheckpointError, fingerprint
from models.config import from_json

CHECKPOINT = "alphafold2.safetensors"
TRUNK = "alphafold3.safetensors"  # the file whose trunk it reads


def save_module(
    path: Path,
    state: Mapping[str, Tensor],
    config: StructureConfig,
    info: Mapping[str, Any],
    trunk: str,
) -> None:
    """Writes the module with the fingerprint of the file whose trunk it was trained on."""
    checkpoint.save(path, state, config, {**info, TRUNK: trunk})


def load_module(path: Path, trunk: Path) -> StructureModule:
    """The trained module, ready to answer. Raises CheckpointError, also when it was trained on another
    file than ``trunk``: the two speak the same language only by having been trained together."""
    state, header = checkpoint.load(path)
    fits, found = header["meta"].get(TRUNK), fingerprint(trunk)
    if fits != found:
        reason = (
            f"was trained on the trunk of {TRUNK} {fits or 'that is not named'}, but the file here is "
            f"{found}: run `python -m models train alphafold2`"
        )
        raise CheckpointError(path, reason)
    try:
        module = StructureModule(from_json(StructureConfig, header["config"]))
        module.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"does not fit this code ({error})") from error
    return module.eval().requires_grad_(False)
