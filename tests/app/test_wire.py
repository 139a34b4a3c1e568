from __future__ import annotations

import numpy as np
import pytest

from app import wire
from models.pipeline import Frame


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "int64", ">f4"])
def test_arrays_survive_the_wire(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]  # not contiguous
    sent = wire.encode_array(array)
    assert sent["shape"] == [3, 2]
    assert np.array_equal(wire.decode_array(sent), array)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_leaves(bad: float) -> None:
    for value in (np.array([1.0, bad]), {"a": [1.0, bad]}, np.float32(bad), (bad,)):
        with pytest.raises(wire.NotFinite):
            wire.encode(value)


def test_numpy_inside_dicts_becomes_json() -> None:
    value = {"n": np.int64(3), "b": np.bool_(True), "list": (np.float64(0.5), None, "x")}
    assert wire.encode(value) == {"n": 3, "b": True, "list": [0.5, None, "x"]}


def test_a_frame_has_exactly_the_contract_s_keys() -> None:
    x = np.zeros((2, 3), np.float32)
    data = wire.frame_data(Frame("atoms", 4, 20, sigma=32.0, sigma_data=16.0, x=x, denoised=x))
    assert data == {
        "stage": "atoms",
        "step": 4,
        "steps": 20,
        "sigma": 32.0,
        "sigma_over_data": 2.0,
        "log_snr": pytest.approx(2 * np.log(0.5)),
        "x": wire.encode_array(x),
        "denoised": wire.encode_array(x),
    }


def test_events_are_framed_and_parsed_back() -> None:
    data = {"text": "two\nlines, naïve \u2028"}
    block = wire.event_bytes(3, "frame", wire.json_bytes(data))
    assert block.count(b"\n") == 4
    assert wire.parse_event(block) == {"id": 3, "event": "frame", "data": data}
    assert wire.event_bytes(0, "start", b"{}").startswith(b"retry: ")
