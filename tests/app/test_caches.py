"""Remembered captions and trunks, in the application as shipped."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from live import Live, all_events


def asked(server: Live, net: str) -> dict[str, float]:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    start = f'twofold_cache_requests_total{{net="{net}",result="'
    found = [line.removeprefix(start).split('"} ') for line in lines if line.startswith(start)]
    return {result: float(value) for result, value in found}


@pytest.mark.parametrize(
    ("pipeline", "net", "given", "other"),
    [
        ("dalle2", "text", {"prompt": "a purple tractor"}, {"prompt": "a purple train"}),
        ("alphafold3", "trunk", {"smiles": "CCOCCOC"}, {"smiles": "CCOCCSC"}),
    ],
)
def test_the_second_run_of_an_input_reads_it_from_memory_and_draws_the_same(
    live_server: Live, pipeline: str, net: str, given: Any, other: Any
) -> None:
    def draw(given: Any, seed: int) -> list[dict[str, Any]]:
        body = {"pipeline": pipeline, "input": given, "settings": {"seed": seed, "steps": 4}}
        answer = httpx.post(f"{live_server.url}/api/runs", json=body, timeout=60)
        events = all_events(live_server.url + answer.json()["events"])
        assert events[-1]["event"] == "done", events[-1]
        del events[-1]["data"]["timings"]
        return events

    before = asked(live_server, net)
    first = draw(given, 5)
    cold = asked(live_server, net)
    assert cold["miss"] > before["miss"]
    assert draw(given, 5) == first
    warm = asked(live_server, net)
    assert (warm["miss"], warm["hit"] > cold["hit"]) == (cold["miss"], True)
    assert draw(given, 6) != first  # what is remembered is the input, not the picture
    draw(other, 5)
    assert asked(live_server, net)["miss"] > warm["miss"]


def test_padding_is_counted_and_bounded(live_server: Live) -> None:
    body = {"pipeline": "alphafold3", "input": {"smiles": "C" * 17}, "settings": {"steps": 3}}
    answer = httpx.post(f"{live_server.url}/api/runs", json=body, timeout=60).json()
    all_events(live_server.url + answer["events"])
    lines = httpx.get(f"{live_server.url}/metrics").text.splitlines()
    cells = dict(line.rsplit(" ", 1) for line in lines if line.startswith("twofold_cells_total"))
    used = float(cells['twofold_cells_total{kind="used",net="atoms"}'])
    padding = float(cells['twofold_cells_total{kind="padding",net="atoms"}'])
    assert used > 0 and padding > 0
