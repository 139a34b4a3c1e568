"""Real worker processes under a real server: what a viewer sees when they die."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from live import Events, all_events

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from processes import Shaky

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux")

STEPS = 60


@pytest.fixture
def server() -> Iterator[Shaky]:
    """Two workers, one for the toy that is called dalle2, one for the others."""
    shaky = Shaky(threads=2, workers=2, pipelines="dye,dalle2,alphafold3", log_format="json")
    yield shaky
    shaky.end()


def begin(server: Shaky, pipeline: str, seed: int = 7) -> str:
    settings = {"seed": seed, "steps": STEPS, "sampler": "ancestral"}
    body = {"pipeline": pipeline, "input": {}, "settings": settings}
    answer = httpx.post(f"{server.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    return f"{server.url}{answer.json()['events']}"


def children(pid: int) -> list[int]:
    found = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for some in found for child in some]


def workers(server: Shaky) -> list[int]:
    """In the order of their birth: pictures, molecules."""
    (zygote,) = children(server.process.pid)
    return sorted(children(zygote))


def without_times(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event["data"].items() if key != "timings"}


def metric(server: Shaky, start: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


def test_a_killed_worker_leaves_no_gap_and_takes_nobody_along(server: Shaky) -> None:
    undisturbed = all_events(begin(server, "dalle2"))
    other = begin(server, "alphafold3")
    pictures, molecules = workers(server)
    url, seen = begin(server, "dalle2"), []
    with Events(url) as events:
        for event in events:
            seen.append(event)
            if event["event"] == "frame" and event["data"]["step"] == 4:
                os.kill(pictures, signal.SIGKILL)
    assert [event["id"] for event in seen] == list(range(STEPS + 2))
    assert [event["event"] for event in seen] == ["start", *["frame"] * STEPS, "done"]
    assert list(map(without_times, seen)) == list(map(without_times, undisturbed))
    # Somebody who comes back later gets the same events; the neighbour was not disturbed.
    assert all_events(url, last_event_id=6) == seen[7:]
    assert all_events(other)[-1]["event"] == "done"
    assert molecules in workers(server)
    assert pictures not in workers(server)
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert metric(server, 'twofold_worker_deaths_total{worker="pictures"}') == 1
    assert metric(server, 'twofold_worker_deaths_total{worker="molecules"}') == 0
    logged = server.end()
    assert "was ended by SIGKILL" in logged
    assert "it is computed again" in logged


def test_what_the_workers_did_is_in_the_servers_metrics(server: Shaky) -> None:
    urls = [begin(server, pipeline) for pipeline in ("dalle2", "alphafold3")]
    assert all(all_events(url)[-1]["event"] == "done" for url in urls)
    assert metric(server, "twofold_forward_seconds_count") == 2 * STEPS
    assert metric(server, "twofold_batch_runs_sum") == 2 * STEPS
    assert metric(server, 'twofold_engine_seconds_total{where="forward"}') > 2 * STEPS * 0.02
    assert metric(server, "twofold_worker_cpu_seconds_total") > 0
    assert metric(server, 'twofold_runs_total{pipeline="dalle2",state="done"}') == 1


def test_nothing_is_left_of_a_server_that_was_killed(server: Shaky) -> None:
    (zygote,) = children(server.process.pid)
    left = [zygote, *workers(server)]
    url = begin(server, "dalle2")
    with Events(url) as events:
        for event in events:
            if event["event"] == "frame":
                server.process.kill()
                break
    for pid in left:
        assert ended(pid, within_s=30), f"process {pid} has outlived its server"


def ended(pid: int, within_s: float) -> bool:
    """Waits for the end of any process, not only of a child."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within_s)[0])
    finally:
        os.close(process)
