"""A finished run as a file. Everything is read back from the run's own event log: what is exported is
what was shown."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from app import molecule_files, pictures, wire
from app.runs import Run
from app.schemas import settings_json


def versions() -> dict[str, str]:
    """Of what computed a run."""
    found = {"python": platform.python_version()}
    for package in ("twofold", "torch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "from source"
    return found


def document(run: Run) -> dict[str, Any]:
    """The whole run as JSON: with its ``events`` the page plays it exactly as it plays a live one."""
    created = datetime.fromtimestamp(run.created, UTC)
    return {
        "pipeline": run.pipeline.id,
        "input": run.input,
        "settings": settings_json(run.pipeline, run.settings),
        "recorded_at": created.isoformat(timespec="seconds"),
        "versions": versions(),
        "checkpoints": dict(run.pipeline.checkpoints),
        "timings": run.timings,
        "events": run.events(),
    }


class Recording:
    """A finished run's document with its arrays decoded."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        events = document["events"]
        self.start: dict[str, Any] = events[0]["data"]
        self.done: dict[str, Any] = events[-1]["data"]
        self.frame_data = [e["data"] for e in events if e["event"] == "frame"]

    @cached_property
    def sample(self) -> np.ndarray:
        """(S, ...) the final samples."""
        return self._with_samples(wire.decode_array(self.done["sample"]))

    @property
    def kind(self) -> str:
        """ "molecule", "image" or "particles"."""
        if "atoms" in self.start:
            return "molecule"
        return "image" if self.done["sample"]["dtype"] == "uint8" else "particles"

    @cached_property
    def frames(self) -> list[pictures.Pair]:
        """The frames that show what the sample shows; an embedding of an earlier stage has no
        picture."""
        pairs = []
        for data in self.frame_data:
            if data["x"]["dtype"] == "uint8" or self.kind != "image":
                x, denoised = (
                    self._with_samples(wire.decode_array(data[key])) for key in ("x", "denoised")
                )
                label = f"{data['stage']} {data['step'] + 1}/{data['steps']}"
                if data["sigma"] is None:
                    pairs.append(pictures.Pair(label, x, denoised, "drawn | completed"))
                else:
                    label += f"  sigma {data['sigma']:.3g}"
                    pairs.append(pictures.Pair(label, x, denoised))
        return pairs

    @property
    def provenance(self) -> str:
        """One line of JSON: everything but the events, to be put inside every file."""
        head = {key: value for key, value in self.document.items() if key != "events"}
        return json.dumps(head)

    def _with_samples(self, array: np.ndarray) -> np.ndarray:
        """Adds the leading samples axis that the wire leaves out for a single sample."""
        return array[None] if self.document["settings"]["samples"] == 1 else array


def _json(recording: Recording) -> bytes:
    return json.dumps(recording.document).encode()


def _csv(recording: Recording) -> bytes:
    """One row per frame: its noise level and, where measured, the error of each scale relative to the
    first frame. The first line is a comment with the settings."""
    settling = recording.done.get("settling") or {"bands": [], "stage": [], "step": []}
    bands = settling["bands"]
    row_of = {key: i for i, key in enumerate(zip(settling["stage"], settling["step"], strict=True))}
    out = io.StringIO()
    out.write(f"# {recording.provenance}\n")
    writer = csv.writer(out, lineterminator="\n")
    head = ["stage", "step", "steps", "sigma", "sigma_over_data", "log_snr"]
    writer.writerow([*head, *(f"error_{band['name']}" for band in bands)])
    for data in recording.frame_data:
        row = row_of.get((data["stage"], data["step"]))
        errors = ["" if row is None else band["error"][row] for band in bands]
        writer.writerow([*(data[key] for key in head), *errors])
    return out.getvalue().encode()


def _png(recording: Recording) -> bytes:
    return pictures.png(_painter(recording), recording.sample, recording.provenance)


def _gif(recording: Recording) -> bytes:
    return pictures.gif(_painter(recording), recording.frames, recording.provenance)


def _mp4(recording: Recording) -> bytes:
    return pictures.mp4(_painter(recording), recording.frames, recording.provenance)


def _painter(recording: Recording) -> pictures.Painter:
    if recording.kind == "molecule":
        start = recording.start
        return pictures.MoleculePainter(start["atoms"], start["bonds"], recording.sample[0])
    if recording.kind == "image":
        return pictures.ImagePainter()
    return pictures.ParticlePainter(recording.sample)


def _cif(recording: Recording) -> bytes:
    models = [frame.denoised[0] for frame in recording.frames]
    labels = [frame.label for frame in recording.frames]
    return molecule_files.mmcif(
        recording.start, [*models, recording.sample[0]], [*labels, "sample"], recording.provenance
    ).encode()


def _sdf(recording: Recording) -> bytes:
    return molecule_files.sdf(recording.start, recording.sample, recording.provenance).encode()


@dataclass(frozen=True)
class Format:
    media_type: str
    write: Callable[[Recording], bytes]
    only: str | None = None  # the kind it makes sense for


FORMATS: Mapping[str, Format] = {
    "json": Format("application/json", _json),
    "csv": Format("text/csv; charset=utf-8", _csv),
    "png": Format("image/png", _png),
    "gif": Format("image/gif", _gif),
    "mp4": Format("video/mp4", _mp4),
    "cif": Format("chemical/x-cif; charset=utf-8", _cif, only="molecule"),
    "sdf": Format("chemical/x-mdl-sdfile; charset=utf-8", _sdf, only="molecule"),
}


def content_types() -> dict[str, dict[str, object]]:
    """What an export may be, for the OpenAPI document."""
    return {entry.media_type.partition(";")[0]: {} for entry in FORMATS.values()}


def formats(run: Run) -> tuple[str, ...]:
    """The formats that make sense for a run."""
    molecule = "atoms" in wire.parse_event(run.log[0])["data"]
    return tuple(
        name for name, entry in FORMATS.items() if entry.only is None or molecule
    )  # fmt: skip


def file_name(run: Run, format: str) -> str:
    """A name that tells pipeline and seed, and nothing that a visitor typed."""
    return f"twofold-{run.pipeline.id}-{run.settings.seed}.{format}"


def export(run: Run, format: str) -> bytes:
    """The finished run as a file. CPU-bound: call it in a thread."""
    return FORMATS[format].write(Recording(document(run)))
