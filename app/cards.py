"""Model cards: what a page says about a model, read from the files that its training and evaluation
wrote. A missing file or key leaves a gap; nothing is made up."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.card_tables import Section, sections
from app.card_words import ENGLISH, HOW, Words
from models.checkpoint import CHECKPOINTS, TABLES

POINTS = 200  # of a training curve, at most

# Files beside the networks, which count for no model's parameters; the catalogue says what each is for.
NOT_OF_THE_MODEL = (
    "dalle2-classifier.safetensors",
    "dalle2-drawings.safetensors",
    "dalle2-map.safetensors",
    "dalle2-words.txt",
    "alphafold3-seen.safetensors",
    "alphafold3-residues.json",
    "alphafold3-references.json",
    "alphafold3-components.tsv.xz",
)
JUDGE = "dalle2-classifier.safetensors"  # a network that takes no part in drawing


@dataclass(frozen=True)
class About:
    """id: of the pipeline; command: regenerates the scores; train: the weights."""

    id: str
    train: str = ""
    command: str = ""


CARDS = {
    about.id: about
    for about in (
        About(
            "dalle2",
            "python -m models data images\npython -m models train all",
            "python -m models evaluate dalle2",
        ),
        About(
            "dalle1",
            "python -m models data images\npython -m models train dalle1 all",
            "python -m models evaluate dalle1",
        ),
        About(
            "alphafold3",
            "python -m models data molecules\npython -m models data proteins\n"
            "python -m models data structures\npython -m models train alphafold3\n"
            "python -m models train confidence",
            "python -m models evaluate alphafold3",
        ),
        About(
            "alphafold2",
            "python -m models data proteins\npython -m models train alphafold3\n"
            "python -m models train alphafold2",
            "python -m models evaluate alphafold2",
        ),
        About("dye"),  # its denoiser is exact: nothing to train, nothing to score
    )
}


@dataclass(frozen=True)
class File:
    """size: bytes; parameters: numbers in a network's matrices, 0 for other files; role: "" for a
    network of the model itself, else its own name; steps, seconds: its last training, 0 if the
    file does not say."""

    name: str
    size: int
    parameters: int
    role: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class Sheet:
    """A picture of many samples: where it lies, how large it is, its name and caption."""

    source: str
    width: int
    height: int
    key: str
    caption: str


@dataclass
class Card:
    about: About
    data_facts: list[tuple[str, int]]
    files: list[File]
    how: list[tuple[str, str]]
    sections: list[Section]
    sheets: list[Sheet]
    curves: dict[str, dict[str, list[float]]]
    guidance: list[dict[str, float]]
    calibration: dict[str, list[dict[str, float]]]

    @property
    def parameters(self) -> int:
        return sum(file.parameters for file in self.files if not file.role)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files if not file.role)

    def data(self) -> dict[str, Any]:
        """What the card's script draws, and what the comparison on the stage reads."""
        return {
            "id": self.about.id,
            "parameters": self.parameters,
            "bytes": self.size,
            "curves": self.curves,
            "guidance": self.guidance,
            "calibration": self.calibration,
        }


def card(
    id: str,
    sheets: Path,
    checkpoints: Path = CHECKPOINTS,
    tables: Path = TABLES,
    words: Words = ENGLISH,
) -> Card:
    """sheets: folder of the contact sheets. Raises KeyError for a model without a card."""
    about = CARDS[id]
    metrics = _json(checkpoints / f"{id}-metrics.json")
    # Parts of a model that were scored by themselves; a card shows them as sections of their own.
    for path in sorted(checkpoints.glob(f"{id}-*-metrics.json")):
        part = path.name.removeprefix(f"{id}-").removesuffix("-metrics.json")
        metrics[part] = {k: v for k, v in _json(path).items() if k not in HOW}
    calibration = _calibration(metrics, words)
    how, scores = sections(id, metrics, words)
    return Card(
        about=about,
        data_facts=_data_facts(id, tables),
        files=[*_files(id, checkpoints), *_files(id, tables)],
        how=how,
        sections=scores,
        sheets=_sheets(id, sheets, words),
        curves=_curves(_json(checkpoints / f"{id}-curves.json")),
        guidance=_guidance(metrics),
        calibration=calibration,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _files(id: str, folder: Path) -> list[File]:
    files = []
    for path in sorted(folder.glob(f"{id}[.-]*")):
        if path.suffix == ".tmp" or path.name.endswith(("-metrics.json", "-curves.json")):
            continue
        header = header_of(path, path.stat().st_mtime_ns)
        meta = _inner(header, "meta")
        role = path.name if path.name in NOT_OF_THE_MODEL else ""
        parameters = 0 if role and role != JUDGE else parameters_of(header)
        steps, seconds = meta.get("step", meta.get("steps", 0)), meta.get("seconds", 0.0)
        files.append(File(path.name, path.stat().st_size, parameters, role, steps, seconds))
    return files


@lru_cache(maxsize=64)
def header_of(path: Path, version: int = 0) -> Mapping[str, Any]:
    """The JSON header of a safetensors file, {} for other files and broken ones. ``version`` tells a
    changed file from the remembered one."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 2**24)))
    except (OSError, ValueError, struct.error):
        return {}
    return header if isinstance(header, dict) else {}


def parameters_of(header: Mapping[str, Any]) -> int:
    """Numbers in a file's tensors; the scales of 8-bit rows are storage, not parameters."""
    return sum(
        math.prod(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and not name.endswith("::scale")
    )


def _inner(header: Mapping[str, Any], name: str) -> dict[str, Any]:
    """JSON kept as text in a header: "config" or "meta"."""
    try:
        value = json.loads(header.get("__metadata__", {}).get(name, "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _data_facts(id: str, folder: Path) -> list[tuple[str, int]]:
    """Sizes of the training data, read from files that hold an entry per item of it."""
    if id in ("dalle2", "dalle1"):
        path = folder / "dalle2-drawings.safetensors"
        about = _inner(_header_now(path), "config")
        shape = _header_now(path).get("concept", {}).get("shape", [0])
        found = {
            "things": len(about.get("labels", ())),
            "drawings": shape[0],
            "independent": about.get("independent", {}).get("drawings", 0),
        }
    elif id == "alphafold3":
        header = _header_now(folder / "alphafold3-seen.safetensors")
        found = {
            "molecules": header.get("molecules", {}).get("shape", [0])[0],
            "scaffolds": header.get("scaffolds", {}).get("shape", [0])[0],
        }
    else:
        found = {}
    return [(name, count) for name, count in found.items() if count]


def _header_now(path: Path) -> Mapping[str, Any]:
    return header_of(path, path.stat().st_mtime_ns) if path.is_file() else {}


def _curves(given: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Networks with steps and losses, at most POINTS points each, the last one always."""
    curves = {}
    for network, log in given.items():
        if not isinstance(log, Mapping) or not isinstance(log.get("loss"), list):
            continue
        columns = {
            k: v for k, v in log.items() if isinstance(v, list) and len(v) == len(log["loss"])
        }
        count = len(log["loss"])
        if not count or "step" not in columns:
            continue
        stride = max(1, -(-count // POINTS))
        keep = sorted({*range(0, count, stride), count - 1})
        curves[network] = {k: [v[i] for i in keep] for k, v in columns.items()}
    return curves


def _guidance(metrics: Mapping[str, Any]) -> list[dict[str, float]]:
    """Points of the guidance curve: guidance_scale, top1 or top5, and a measure of variety. Empty where
    other settings change along with it: that is a table, not a curve."""
    found = metrics.get("guidance")
    points = found.get("curve") if isinstance(found, Mapping) else None
    if not isinstance(points, list):
        return []
    kept = [p for p in points if isinstance(p, Mapping) and "guidance_scale" in p]
    scales = [p["guidance_scale"] for p in kept]
    return [dict(p) for p in kept] if scales == sorted(set(scales)) else []


def _calibration(metrics: Mapping[str, Any], words: Words) -> dict[str, list[dict[str, float]]]:
    """Per class the bins of predicted confidence: from, to, atoms, plddt (mean predicted), lddt (mean
    true), all in 0..100. Taken out of ``metrics``: they have a chart and a table of their own."""
    found = metrics.get("confidence")
    out = {}
    for name, part in found.items() if isinstance(found, Mapping) else ():
        told = part.get("calibration") if isinstance(part, dict) else None
        bins = told.pop("bins", None) if isinstance(told, dict) else None
        if isinstance(bins, list):
            out[words(name)] = [dict(b) for b in bins if {"plddt", "lddt", "atoms"} <= set(b)]
    return {name: bins for name, bins in out.items() if bins}


def _sheets(id: str, folder: Path, words: Words) -> list[Sheet]:
    from PIL import Image

    found = []
    for path in sorted(folder.glob(f"{id}-*.webp")):
        with Image.open(path) as picture:
            width, height = picture.size
        source = f"/static/cards/{path.name}?{os.stat(path).st_mtime_ns // 10**9}"
        key = path.stem.removeprefix(f"{id}-")
        found.append(Sheet(source, width, height, key, words.caption(id, key)))
    return found
