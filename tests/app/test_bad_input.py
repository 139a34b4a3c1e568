"""The application as shipped: what a visitor may type wrongly is refused by field, and what is merely
odd runs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from alphafold3 import bad_inputs
from live import Live, all_events


def post(server: Live, pipeline: str, input: Any) -> httpx.Response:
    body = {"pipeline": pipeline, "input": input, "settings": {"seed": 1, "steps": 4}}
    return httpx.post(f"{server.url}/api/runs", json=body, timeout=60)


BAD: list[tuple[str, Any, str]] = [
    ("dalle2", {}, "input.prompt"),
    ("dalle2", {"prompt": ""}, "input.prompt"),
    ("dalle2", {"prompt": " \n\t "}, "input.prompt"),
    ("dalle2", {"prompt": "x" * 10_000}, "input.prompt"),
    ("dalle2", {"prompt": 7}, "input.prompt"),
    ("dalle2", {"prompt": ["a", "cat"]}, "input.prompt"),
    ("dalle2", {"prompt": "a cat", "size": 64}, "input.size"),
    ("alphafold3", {"smiles": "not a molecule"}, "input.smiles"),
    ("alphafold3", {"smiles": "C" * 60_000}, "input.smiles"),
    ("alphafold3", {"protein": "BJOZ"}, "input.protein"),
    ("alphafold3", {"protein": "A" * 5000}, "input.protein"),
    ("alphafold3", {"sequences": "ACD"}, "input.sequences"),
    ("alphafold3", {"sequences": [{}]}, "input.sequences"),
    *(("alphafold3", given, field) for given, field, _, _ in bad_inputs.BAD),
    ("dye", {"shape": "cube"}, "input.shape"),
    ("dye", {"form": "drop"}, "input.form"),
]


@pytest.mark.parametrize(("pipeline", "input", "field"), BAD, ids=lambda value: str(value)[:50])
def test_what_cannot_be_used_is_refused_by_field(
    live_server: Live, pipeline: str, input: Any, field: str
) -> None:
    answer = post(live_server, pipeline, input)
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["detail"]
    assert problem["field"].startswith(field)
    assert problem["message"] and problem["accepted"]


ODD: list[tuple[str, Any]] = [
    ("dalle2", {"prompt": "a xyzzyplugh 🐘 on a fuchsia background"}),
    ("dalle2", {"prompt": "<script>alert(1)</script>"}),
    ("alphafold3", {"smiles": "C"}),
    ("alphafold3", {"smiles": "[Na+].[Cl-]"}),
    ("alphafold3", {"protein": "a c\nd"}),
    ("alphafold3", {"sequences": [{"ligand": {"id": "L", "smiles": "CCO"}}], "name": "x"}),
    ("alphafold3", {"protein": ">name\nacdef\nghikl"}),
    ("alphafold3", {"rna": "ggcgcaagcc"}),
]


@pytest.mark.parametrize(("pipeline", "input"), ODD, ids=lambda value: str(value)[:50])
def test_what_is_odd_runs_or_says_why_not(live_server: Live, pipeline: str, input: Any) -> None:
    answer = post(live_server, pipeline, input)
    assert answer.status_code in (201, 422), answer.text
    if answer.status_code == 201:
        last = all_events(live_server.url + answer.json()["events"])[-1]
        assert last["event"] == "done", last["data"]


@pytest.mark.parametrize("pipeline", ["dalle2", "alphafold3", "dye"])
def test_every_example_is_accepted_and_the_first_runs_to_its_end(
    live_server: Live, pipeline: str
) -> None:
    listed = httpx.get(f"{live_server.url}/api/pipelines").json()["pipelines"]
    entry = next(e for e in listed if e["id"] == pipeline)
    assert entry["available"], entry
    for example in entry["examples"]:
        answer = post(live_server, pipeline, example["input"])
        assert answer.status_code == 201, answer.text
        if example is not entry["examples"][0]:
            assert (
                httpx.delete(f"{live_server.url}/api/runs/{answer.json()['id']}").status_code == 204
            )
            continue
        events = all_events(live_server.url + answer.json()["events"])
        assert events[-1]["event"] == "done"
        assert "sample" in events[-1]["data"]
