"""A finished run as a file. Everything is read back from the run's own event log: what is exported is
what was shown."""

from __future__ import annotations

import csv
import io
import json
import platform
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from app import pictures, wire
from app.mmcif_file import mmcif
from app.molecule_files import FileMolecule, confidence
from app.pdb_file import DoesNotFit, pdb
from app.resolving import settings_json
from app.runs import Run
from app.schemas import BadRequest
from app.sdf_file import sdf


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
        **({} if run.branch is None else {"branch": run.branch}),
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
                    titles = "drawn | completed" if self.kind == "image" else "before | after"
                    pairs.append(pictures.Pair(label, x, denoised, titles))
                else:
                    label += f"  sigma {data['sigma']:.3g}"
                    pairs.append(pictures.Pair(label, x, denoised))
        return pairs

    @cached_property
    def molecule(self) -> FileMolecule:
        """Of a run whose kind is "molecule"."""
        return FileMolecule(self.start)

    @cached_property
    def plddt(self) -> np.ndarray | None:
        """(S, N) predicted lDDT, 0-100, of the final samples; None where the run has none."""
        given = self.done.get("plddt")
        decoded = wire.decode_array(given) if isinstance(given, dict) else given
        return confidence({"plddt": decoded}, len(self.sample), len(self.molecule.atoms))

    @property
    def ranking(self) -> list[int] | None:
        """Samples by predicted confidence, best first."""
        return (self.done.get("ranking") or {}).get("order")

    @property
    def provenance(self) -> str:
        """One line of JSON: everything but the events, to be put inside every file."""
        head = {key: value for key, value in self.document.items() if key != "events"}
        return json.dumps(head)

    def _with_samples(self, array: np.ndarray) -> np.ndarray:
        """Adds the leading samples axis that the wire leaves out for a single sample."""
        return array[None] if self.document["settings"].get("samples", 1) == 1 else array


def _json(recording: Recording) -> bytes:
    return json.dumps(recording.document).encode()


def _csv(recording: Recording) -> bytes:
    """One row per frame: its noise level and, where measured, the error of each scale relative to the
    first frame, and the scores against a reference. Lines before the head are comments: the settings
    and, where it was predicted, the confidence of the final samples."""
    done = recording.done
    settling = done.get("settling") or {"bands": [], "stage": [], "step": []}
    bands = settling["bands"]
    row_of = {key: i for i, key in enumerate(zip(settling["stage"], settling["step"], strict=True))}
    columns = {f"error_{band['name']}": band["error"] for band in bands}
    for name, values in (done.get("against_reference") or {}).items():
        if isinstance(values, list) and len(values) == len(row_of):
            columns[f"reference_{name}"] = values
    out = io.StringIO()
    out.write(f"# {recording.provenance}\n")
    if "atoms" in recording.start and recording.plddt is not None:
        means = [round(float(value), 2) for value in recording.plddt.mean(1)]
        told = {"plddt_mean": means, "ranking": recording.ranking}
        out.write(f"# {json.dumps(told)}\n")
    writer = csv.writer(out, lineterminator="\n")
    head = ["stage", "step", "steps", "sigma", "sigma_over_data", "log_snr"]
    writer.writerow([*head, *columns])
    for data in recording.frame_data:
        row = row_of.get((data["stage"], data["step"]))
        measured = ["" if row is None else values[row] for values in columns.values()]
        writer.writerow([*(data[key] for key in head), *measured])
    return out.getvalue().encode()


def _png(recording: Recording) -> bytes:
    return pictures.png(_painter(recording), recording.sample, recording.provenance)


def _gif(recording: Recording) -> bytes:
    return pictures.gif(_painter(recording), recording.frames, recording.provenance)


def _mp4(recording: Recording) -> bytes:
    return pictures.mp4(_painter(recording), recording.frames, recording.provenance)


def _strip(recording: Recording) -> bytes:
    return pictures.strip(_painter(recording), recording.frames, recording.provenance)


def _zip(recording: Recording) -> bytes:
    """Every sample as a picture of its own, and the run in all formats that are text."""
    painter = _painter(recording)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(len(recording.sample)):
            one = pictures.png(painter, recording.sample[k : k + 1], recording.provenance)
            archive.writestr(f"sample-{k + 1}.png", one, zipfile.ZIP_STORED)
        for name in ("json", "csv", "cif", "sdf", "pdb"):
            if FORMATS[name].only in (None, recording.kind):
                try:
                    archive.writestr(f"run.{name}", FORMATS[name].write(recording))
                except BadRequest:
                    continue  # too large for PDB; the others have it
    return out.getvalue()


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
    plddt = recording.plddt
    return mmcif(
        recording.molecule,
        [*models, recording.sample[0]],
        [*labels, "sample"],
        recording.provenance,
        None if plddt is None else plddt[0],
    ).encode()


def _pdb(recording: Recording) -> bytes:
    try:
        return pdb(
            recording.molecule,
            recording.sample,
            recording.provenance,
            recording.plddt,
            recording.ranking,
        ).encode()
    except DoesNotFit as error:
        raise BadRequest.one("format", str(error), "cif, which has no such bounds") from error


def _sdf(recording: Recording) -> bytes:
    return sdf(
        recording.molecule,
        recording.sample,
        recording.provenance,
        recording.plddt,
        recording.ranking,
    ).encode()


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
    "strip.png": Format("image/png", _strip),
    "zip": Format("application/zip", _zip),
    "cif": Format("chemical/x-cif; charset=utf-8", _cif, only="molecule"),
    "pdb": Format("chemical/x-pdb; charset=utf-8", _pdb, only="molecule"),
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
