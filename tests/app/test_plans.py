"""What a run would do, told without running it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from live import Live, live
from toy import Toy

from models.alphafold3.pipeline import AlphaFold3
from models.dalle2.pipeline import Dalle2
from models.dye.pipeline import Dye


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({"toy": Toy(), "dye": Dye(), "dalle2": Dalle2(), "alphafold3": AlphaFold3()})
    yield started
    started.end()


def plan(server: Live, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/api/plans", json=body, timeout=60)


def test_the_levels_of_a_run_are_told_and_nothing_runs(server: Live) -> None:
    settings = {"seed": 4, "steps": 3, "schedule": {"kind": "linear", "sigma_max": 9}}
    answer = plan(server, pipeline="toy", input={}, settings=settings)
    assert answer.status_code == 200
    body = answer.json()
    assert body["stages"][0]["sigmas"] == pytest.approx([9, 4.505, 0.01, 0])
    assert body["settings"]["seed"] == 4 and body["cost"] > 0 and body["notes"] == ["a note"]
    assert server.services.pipelines.get("toy").net.batches == []  # type: ignore[attr-defined]


def test_refusals_are_those_of_a_run(server: Live) -> None:
    answer = plan(server, pipeline="toy", input={}, settings={"steps": 0})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == "settings.steps"


@pytest.mark.parametrize(
    ("pipeline", "input", "stage", "sigma_data"),
    [
        ("dalle2", {"prompt": "a cat"}, "decoder", 0.6045),
        ("alphafold3", {"smiles": "CCO"}, "atoms", 2.2),
        ("alphafold3", {"protein": "GWKGWKGWKAAE"}, "atoms", 6.9),
    ],
)
def test_the_trained_range_is_told_and_left_only_with_a_note(
    server: Live, pipeline: str, input: dict[str, Any], stage: str, sigma_data: float
) -> None:
    usual = plan(server, pipeline=pipeline, input=input).json()
    told = next(s for s in usual["stages"] if s["name"] == stage)
    assert told["sigma_data"] == pytest.approx(sigma_data)
    low, high = told["trained"]["low"], told["trained"]["high"]
    assert low < told["sigmas"][-2] and told["sigmas"][0] < high  # defaults stay inside
    assert not any("training saw" in note for note in usual["notes"])
    schedule = {"kind": "explicit", "sigmas": [min(1.5 * high, 1000), low / 2]}
    beyond = plan(server, pipeline=pipeline, input=input, settings={"schedule": schedule}).json()
    said = [note for note in beyond["notes"] if "of what training saw" in note]
    assert len(said) == 2 and "above 99.99" in said[0] and "below 99.99" in said[1]


def test_pipelines_tell_what_training_saw(server: Live) -> None:
    listed = httpx.get(f"{server.url}/api/pipelines", timeout=60).json()["pipelines"]
    by_id = {item["id"]: item["trained"] for item in listed}
    assert by_id["toy"] == by_id["dye"] == []  # exact at every level
    assert [t["name"] for t in by_id["dalle2"]] == ["decoder"]
    assert sorted(t["sigma_data"] for t in by_id["alphafold3"]) == [2.2, 5.5, 6.9]
