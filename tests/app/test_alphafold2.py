"""A run of ``alphafold2`` through the real server, around small random networks: what is accepted, frames
without noise levels, refusals in words, files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from alphafold2.folds import TINY, save_tiny
from live import Live, all_events, live

from app.wire import decode_array
from models.alphafold2.pipeline import AlphaFold2

TRP_CAGE = "GDAYAQWLADGGPSSGRPPPSG"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    running = live({"alphafold2": AlphaFold2(folder)})
    yield running
    running.end()


def post(server: Live, given: dict[str, Any], settings: dict[str, Any]) -> httpx.Response:
    body = {"pipeline": "alphafold2", "input": given, "settings": settings}
    return httpx.post(f"{server.url}/api/runs", json=body, timeout=60)


@pytest.fixture(scope="module")
def finished(server: Live) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """The answer to the request, the events and the run's address."""
    answer = post(server, {"protein": TRP_CAGE}, {"seed": 4}).json()
    events = all_events(server.url + answer["events"])
    return answer, events, f"{server.url}/api/runs/{answer['id']}"


def test_a_seed_is_all_it_takes(server: Live, finished) -> None:
    (entry,) = httpx.get(f"{server.url}/api/pipelines").json()["pipelines"]
    assert set(entry["settings"]) == {"seed"}
    assert finished[0]["settings"] == {"seed": 4}


@pytest.mark.parametrize("name", ["samples", "steps", "guidance_scale", "sampler", "schedule"])
def test_settings_of_diffusion_are_refused_by_name(server: Live, name: str) -> None:
    values = {"sampler": "euler", "schedule": {"kind": "karras"}}
    answer = post(server, {"protein": TRP_CAGE}, {name: values.get(name, 2)})
    (problem,) = answer.json()["detail"]
    assert answer.status_code == 422 and problem["field"] == f"settings.{name}"
    assert "seed" in problem["accepted"]


def test_frames_are_blocks(finished) -> None:
    _, events, _ = finished
    start = events[0]["data"]
    assert start["stages"][0]["steps"] == TINY.blocks and start["stages"][0]["sigmas"] is None
    frames = [event["data"] for event in events if event["event"] == "frame"]
    assert [frame["step"] for frame in frames] == list(range(TINY.blocks))
    for frame in frames:
        assert frame["sigma"] is None and frame["log_snr"] is None
        assert decode_array(frame["denoised"]).shape == (4 * len(TRP_CAGE), 3)
    done = events[-1]["data"]
    assert events[-1]["event"] == "done"
    assert done["calls"] == {"trunk": 1, "structure module": TINY.blocks}
    assert len(done["torsions"]["psi"]) == len(TRP_CAGE)


def test_another_seed_is_the_same_answer(server: Live, finished) -> None:
    answer = post(server, {"protein": TRP_CAGE}, {"seed": 77}).json()
    again = all_events(server.url + answer["events"])[-1]["data"]["sample"]
    first = finished[1][-1]["data"]["sample"]
    assert np.array_equal(decode_array(first), decode_array(again))


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"ccd": "ATP"}, "input.ccd", "not a chain of residues"),
        ({"ccd": "ZN"}, "input.ccd", "A zinc ion (ZN) is one atom: three atoms are needed"),
        ({"dna": "CGCGAATTCGCG"}, "input.dna", "no N, CA and C"),
        ({"protein": "ACDZ"}, "input.protein", "Z"),
    ],
)
def test_what_has_no_frame_is_a_422_with_the_reason(
    server: Live, given: dict[str, Any], field: str, words: str
) -> None:
    answer = post(server, given, {})
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["detail"]
    assert problem["field"] == field and words in problem["message"] and problem["accepted"]


def test_every_file_of_the_run_can_be_read(finished) -> None:
    _, events, url = finished

    def export(format: str) -> str:
        answer = httpx.get(f"{url}/export.{format}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text

    _, *table = io.StringIO(export("csv"))
    rows = list(csv.DictReader(table))
    assert len(rows) == TINY.blocks and {row["sigma"] for row in rows} == {""}
    assert float(rows[0]["error_global"]) == 1
    cif = export("cif")
    models = {line.split()[-1] for line in cif.splitlines() if line.startswith("ATOM")}
    assert models == {str(k) for k in range(1, TINY.blocks + 2)}  # every block and the sample
    pdb = export("pdb").splitlines()
    atoms = [line for line in pdb if line.startswith("ATOM")]
    assert len(atoms) == 4 * len(TRP_CAGE) and atoms[0][17:20] == "GLY"
    assert httpx.get(f"{url}/export.json").json()["events"] == events
