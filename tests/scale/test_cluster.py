"""Two real replicas under Ray Serve behind the real server; one of them is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live import Events, Live, all_events, live

pytest.importorskip("ray", reason="the extra [scale] is not installed")

from gated import FOLDER, Gate, Gated

from app.cluster import deployment
from app.cluster.relay import Cluster
from app.cluster.settings import ScaleSettings

STEPS = 12


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        here = Path(__file__).parent  # the replicas import the toy, too
        patch.setenv("PYTHONPATH", f"{here}{os.pathsep}{here.parent}")
        yield Gate(folder)


@pytest.fixture(scope="module")
def cluster(gate: Gate) -> Iterator[Live]:
    settings = ScaleSettings(threads=1, scale_min_replicas=2, scale_max_replicas=2)
    deployment.connect(settings)
    try:
        table = {"toy": "gated:Gated", "dye": "models.dye.pipeline:Dye"}
        handle = deployment.deploy(settings, table)
        pipelines = {**table, "toy": Gated()}
        server = live(pipelines, engine=Cluster(handle, runs=8, attempts=3))
        yield server
        server.end()
    finally:
        deployment.shut_down()


def start(cluster: Live, seed: int) -> str:
    body = {
        "pipeline": "toy",
        "input": {"how": "well"},
        "settings": {"seed": seed, "steps": STEPS},
    }
    answer = httpx.post(f"{cluster.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    return f"{cluster.url}{answer.json()['events']}"


def test_a_killed_replica_leaves_no_gap(cluster: Live, gate: Gate) -> None:
    gate.permit(STEPS)
    undisturbed = all_events(start(cluster, seed=7))
    gate.forget()

    gate.permit(5)
    url = start(cluster, seed=7)
    seen = []
    with Events(url) as events:
        for event in events:
            seen.append(event)
            if event["event"] == "frame" and event["data"]["step"] == 4:
                (victim,) = {process for process, _ in gate.seen()}
                os.kill(victim, signal.SIGKILL)
                gate.permit(STEPS)

    assert [event["id"] for event in seen] == list(range(STEPS + 2))
    assert [event["event"] for event in seen] == ["start", *["frame"] * STEPS, "done"]
    assert [event["data"] for event in seen[1:-1]] == [e["data"] for e in undisturbed[1:-1]]
    assert seen[-1]["data"]["sample"] == undisturbed[-1]["data"]["sample"]
    assert {process for process, _ in gate.seen()} > {victim}, "nobody took over"
    # Somebody who comes back later gets the same events.
    assert all_events(url, last_event_id=6) == seen[7:]


def test_a_cancelled_run_is_computed_no_further(cluster: Live, gate: Gate) -> None:
    gate.permit(3)
    gate.forget()
    url = start(cluster, seed=1)
    with Events(url) as events:
        for event in events:
            if event["event"] == "frame" and event["data"]["step"] == 2:
                answer = httpx.delete(url.removesuffix("/events"))
                assert answer.status_code == 204
            last = event
    assert (last["event"], last["data"]["state"]) == ("error", "cancelled")
    (process,) = {process for process, _ in gate.seen()}
    gate.permit(STEPS)
    # More runs than one replica takes first: the one that computed the cancelled run gets some.
    urls = [start(cluster, seed) for seed in range(2, 8)]
    assert all(all_events(url)[-1]["event"] == "done" for url in urls)
    steps = [step for other, step in gate.seen() if other == process]
    # The word has to travel to the replica, which may take some steps; a run that nobody stopped would be
    # one more whole one.
    whole, rest = divmod(len(steps), STEPS)
    assert 3 <= rest < STEPS, f"{whole} whole runs and {rest} steps of the cancelled one"


def test_a_branch_goes_on_at_whichever_replica(cluster: Live) -> None:
    body = {"pipeline": "dye", "input": {"shape": "cat"}, "settings": {"seed": 3, "steps": STEPS}}
    run = httpx.post(f"{cluster.url}/api/runs", json=body).json()
    whole = all_events(cluster.url + run["events"])
    branch = {"run": run["id"], "stage": "particles", "step": 5}
    for _ in range(4):  # two replicas take turns
        answer = httpx.post(f"{cluster.url}/api/runs", json={**body, "branch": branch})
        assert answer.status_code == 201, answer.text
        rest = all_events(cluster.url + answer.json()["events"])
        assert [e["data"] for e in rest[1:-1]] == [e["data"] for e in whole[6:-1]]
        assert rest[-1]["data"]["sample"] == whole[-1]["data"]["sample"]
        branch = rest[0]["data"]["branch"]  # as it was told


def test_more_runs_than_admitted_are_refused(cluster: Live, gate: Gate) -> None:
    gate.permit(0)
    urls = [start(cluster, seed) for seed in range(8)]
    body = {"pipeline": "toy", "input": {}}
    refused = httpx.post(f"{cluster.url}/api/runs", json=body)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    gate.permit(STEPS)
    assert all(all_events(url)[-1]["event"] == "done" for url in urls)
