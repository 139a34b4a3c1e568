"""What travels to the browser: arrays, frames and Server-Sent Events, each encoded once."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.pipeline import Frame

RETRY_MS = 1000


class NotFinite(ValueError):
    """A network's answer holds NaN or infinity; it must never be drawn."""


def encode_array(array: np.ndarray) -> dict[str, Any]:
    """-> {"dtype", "shape", "data"}, data base64 of the little-endian bytes in C order.
    Raises NotFinite."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotFinite("the model's answer is not finite")
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(array.tobytes()).decode("ascii"),
    }


def decode_array(value: Mapping[str, Any]) -> np.ndarray:
    """The inverse of :func:`encode_array`."""
    array = np.frombuffer(base64.b64decode(value["data"]), np.dtype(value["dtype"]))
    return array.reshape(value["shape"])


def encode(value: Any) -> Any:
    """Dicts, lists and tuples with numpy arrays and scalars inside -> the same as JSON values.
    Raises NotFinite for a NaN or infinite number anywhere."""
    if isinstance(value, np.ndarray):
        return encode_array(value)
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        raise NotFinite("the model's answer is not finite")
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def frame_data(frame: Frame) -> dict[str, Any]:
    """The data of a ``frame`` event. Raises NotFinite."""
    return {
        "stage": frame.stage,
        "step": frame.step,
        "steps": frame.steps,
        "sigma": frame.sigma,
        "sigma_over_data": frame.sigma_over_data,
        "log_snr": frame.log_snr,
        "x": encode_array(frame.x),
        "denoised": encode_array(frame.denoised),
    }


def json_bytes(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode()


def failed_data(error: Exception) -> dict[str, str]:
    """The data of a failed run's last event; what the error says may quote inputs and stays here."""
    return {"message": f"the computation failed ({type(error).__name__})", "state": "failed"}


def event_bytes(index: int, event: str, data: bytes) -> bytes:
    """One Server-Sent Event of JSON ``data``. ``id`` is its place in the run's log, so that
    Last-Event-ID resumes by slicing; JSON has no raw line breaks, so one data line is enough."""
    head = b"retry: %d\n" % RETRY_MS if index == 0 else b""
    return b"%bid: %d\nevent: %b\ndata: %b\n\n" % (head, index, event.encode(), data)


def split(block: bytes) -> tuple[str, bytes]:
    """-> (event, data) of a block, the data as it stands."""
    head, _, data = block.partition(b"\ndata: ")
    return head.rpartition(b"event: ")[2].decode(), data.rstrip(b"\n")


def room_event(id: int, run: str, block: bytes) -> bytes:
    """A run's event as an event of a room: the same data, not encoded again. ``id``: its place in the
    room; ``block``: as :func:`event_bytes` made it."""
    head, _, data = block.partition(b"\ndata: ")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\n"))
    return b'id: %d\nevent: run\ndata: {"run":"%b","id":%b,"event":"%b","data":%b}\n\n' % (
        id, run.encode(), fields[b"id"], fields[b"event"], data.rstrip(b"\n"),
    )  # fmt: skip


def queued_bytes(place: int, seconds: float) -> bytes:
    """A waiting run's place, from 1, and its expected wait. Without an id: it is no part of the log,
    and Last-Event-ID stays what it was."""
    text = json.dumps({"place": place, "wait_s": round(seconds, 1)}, separators=(",", ":"))
    return f"event: queued\ndata: {text}\n\n".encode()


def parse_event(block: bytes) -> dict[str, Any]:
    """The inverse of :func:`event_bytes`: -> {"id", "event", "data"}."""
    fields = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
    return {
        "id": int(fields["id"]),
        "event": fields["event"],
        "data": json.loads(fields["data"]),
    }
