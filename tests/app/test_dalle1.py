"""A run of ``dalle1`` through the real server: its settings, its frames without noise levels, its files."""

from __future__ import annotations

import csv
import io
from typing import Any

import av
import httpx
import pytest
from live import Live, all_events
from PIL import Image

from app.wire import decode_array


def post(server: Live, settings: dict[str, Any]) -> httpx.Response:
    body = {"pipeline": "dalle1", "input": {"prompt": "a red heart"}, "settings": settings}
    return httpx.post(f"{server.url}/api/runs", json=body, timeout=60)


@pytest.fixture(scope="module")
def finished(live_server: Live) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """The answer to the request, the events and the run's address."""
    settings = {"seed": 4, "samples": 2, "temperature": 0.7, "top_k": 30, "guidance_scale": 1.5}
    answer = post(live_server, settings).json()
    events = all_events(live_server.url + answer["events"])
    return answer, events, f"{live_server.url}/api/runs/{answer['id']}"


def test_only_the_settings_that_apply_are_listed(live_server: Live) -> None:
    listed = httpx.get(f"{live_server.url}/api/pipelines").json()["pipelines"]
    entry = next(e for e in listed if e["id"] == "dalle1")
    names = {"seed", "samples", "guidance_scale", "temperature", "top_k"}
    assert set(entry["settings"]) == names
    assert entry["settings"]["top_k"]["minimum"] == 1
    other = next(e for e in listed if e["id"] == "dalle2")
    assert not {"temperature", "top_k"} & set(other["settings"]) and "steps" in other["settings"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"steps": 10}, "settings.steps"),
        ({"sampler": "heun"}, "settings.sampler"),
        ({"schedule": {"kind": "linear"}}, "settings.schedule"),
        ({"temperature": -0.1}, "settings.temperature"),
        ({"top_k": 0}, "settings.top_k"),
        ({"top_k": 2.5}, "settings.top_k"),
        ({"samples": 9}, "settings.samples"),
    ],
)
def test_settings_that_do_not_apply_or_fit_are_refused(
    live_server: Live, settings: dict[str, Any], field: str
) -> None:
    answer = post(live_server, settings)
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["detail"]
    assert problem["field"] == field
    assert problem["accepted"]


def test_dalle2_refuses_a_temperature(live_server: Live) -> None:
    body = {"pipeline": "dalle2", "input": {"prompt": "a cat"}, "settings": {"temperature": 1.0}}
    (problem,) = httpx.post(f"{live_server.url}/api/runs", json=body).json()["detail"]
    assert problem["field"] == "settings.temperature" and "guidance_scale" in problem["accepted"]


def test_frames_and_the_end(finished) -> None:
    answer, events, _ = finished
    assert answer["settings"] == {
        "seed": 4, "samples": 2, "temperature": 0.7, "top_k": 30, "guidance_scale": 1.5,
    }  # fmt: skip
    (stage,) = events[0]["data"]["stages"]
    assert stage["name"] == "tokens" and stage["steps"] == 64 and stage["sigmas"] is None
    frames = [e["data"] for e in events if e["event"] == "frame"]
    assert len(frames) == 32
    for frame in frames:
        assert frame["sigma"] is None and frame["log_snr"] is None
        assert frame["sigma_over_data"] is None
    assert decode_array(frames[-1]["x"]).shape == (2, 32, 32, 3)
    done = events[-1]["data"]
    assert events[-1]["event"] == "done" and done["calls"]["tokens"] == 64
    assert len(done["judged"]) == 2


def test_every_file_of_the_run_can_be_read(finished) -> None:
    _, events, url = finished

    def export(format: str) -> bytes:
        answer = httpx.get(f"{url}/export.{format}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content

    _, *table = io.StringIO(export("csv").decode())
    rows = list(csv.DictReader(table))
    assert len(rows) == 32 and {row["sigma"] for row in rows} == {""}
    assert float(rows[0]["error_low"]) == 1 and float(rows[-1]["error_low"]) < 1
    assert Image.open(io.BytesIO(export("png"))).size == (1024, 512)
    assert Image.open(io.BytesIO(export("gif"))).n_frames >= 16  # equal frames are merged
    with av.open(io.BytesIO(export("mp4"))) as film:
        assert sum(1 for _ in film.decode(video=0)) >= 32
    assert httpx.get(f"{url}/export.cif").status_code in (404, 422)
    assert httpx.get(f"{url}/export.json").json()["events"] == events


def test_no_number_of_the_metrics_is_told_twice(live_server: Live, finished) -> None:
    """Both picture pipelines remember readings of captions under one name."""
    lines = httpx.get(f"{live_server.url}/metrics").text.splitlines()
    names = [line.rsplit(" ", 1)[0] for line in lines if line and not line.startswith("#")]
    assert any(name.startswith('twofold_cache_requests_total{net="text"') for name in names)
    assert len(names) == len(set(names))
