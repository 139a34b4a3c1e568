"""Faults that end a process, and one that cannot write."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from live import Events, all_events

sys.path.insert(0, __file__.rpartition("/")[0])

from processes import Shaky

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")


@pytest.fixture(params=[0, 1], ids=["in one process", "with a worker"])
def shaky(request: pytest.FixtureRequest) -> Iterator[Callable[..., Shaky]]:
    started: list[Shaky] = []

    def start(**settings: Any) -> Shaky:
        started.append(Shaky(workers=request.param, **settings))
        return started[-1]

    yield start
    for server in started:
        server.end()


def begin(server: Shaky, pipeline: str = "toy", **settings: Any) -> dict[str, Any]:
    body = {"pipeline": pipeline, "input": {}, "settings": settings}
    answer = httpx.post(f"{server.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def nothing_on_disk() -> None:
    """Every byte that this process would write to a file is an error."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_server_that_cannot_write_exports_all_the_same_and_ends_its_streams_at_sigterm(
    shaky: Callable[..., Shaky],
) -> None:
    server = shaky(preexec_fn=nothing_on_disk, drain_s=0, shutdown_s=3, log_format="json")
    for pipeline, formats in {
        "image": ("json", "csv", "png", "gif", "mp4"),
        "molecule": ("png", "cif", "sdf"),
    }.items():
        run = begin(server, pipeline, steps=2)
        assert all_events(server.url + run["events"])[-1]["event"] == "done"
        for format in formats:
            answer = httpx.get(f"{server.url}/api/runs/{run['id']}/export.{format}", timeout=60)
            assert answer.status_code == 200, (format, answer.text)
            assert answer.content

    run = begin(server, steps=200)
    with Events(server.url + run["events"]) as stream:
        events = iter(stream)
        assert [next(events)["event"] for _ in range(2)] == ["start", "frame"]
        server.process.send_signal(signal.SIGTERM)
        last = list(events)[-1]
    assert last["event"] == "error"
    assert last["data"]["reason"] == "shutdown"
    assert last["data"]["retry_after"] > 0
    assert server.process.wait(timeout=20) in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in server.end().splitlines()]
    (ended,) = [line for line in lines if line["message"] == "cancelled"]
    assert ended["run"] == run["id"] and ended["pipeline"] == "toy"


def test_sigkill_and_restart_and_a_drain(shaky: Callable[..., Shaky]) -> None:
    server = shaky()
    run = begin(server, steps=100, sampler="ancestral")
    with Events(server.url + run["events"]) as stream:
        events = iter(stream)
        seen = [next(events) for _ in range(4)]
        server.process.kill()
    server.process.wait(timeout=20)

    again = shaky(port=int(server.url.rpartition(":")[2]), drain_s=60, shutdown_s=3)
    answer = httpx.get(again.url + run["events"], headers={"Last-Event-ID": "3"})
    assert answer.status_code == 404  # tells EventSource to stop
    assert answer.json()["detail"][0]["message"] == "no run has this id"
    repeated = begin(again, **run["settings"])
    assert repeated["settings"] == run["settings"]
    with (
        Events(again.url + repeated["events"]) as stream,
        httpx.Client(base_url=again.url) as client,
    ):
        events = iter(stream)
        assert [next(events) for _ in range(4)] == seen

        assert client.get("/readyz").status_code == 200
        again.process.send_signal(signal.SIGTERM)
        while (ready := client.get("/readyz")).status_code == 200:
            pass  # until the signal has arrived
        assert ready.json()["draining"] is True
        refused = client.post("/api/runs", json={"pipeline": "toy", "input": {}})
        assert refused.status_code == 503
        assert refused.json()["reason"] == "shutdown"
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/healthz").status_code == 200
        assert list(events)[-1]["event"] == "done"  # it may end by itself
    again.process.wait(timeout=30)  # long before the 60 s are over: nothing is left to wait for


def test_a_stop_during_start_up_ends_at_once_and_cleanly() -> None:
    """Process 1 of a container has no default for SIGTERM: whoever waits for one waits for SIGKILL."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "app", "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as starting:
        try:
            assert starting.stderr is not None
            for line in starting.stderr:  # one for each module that has been read
                if line.rpartition("|")[2].strip() == "numpy":  # torch comes after it
                    break
            starting.send_signal(signal.SIGTERM)
            starting.communicate(timeout=60)
            assert starting.returncode == 0
        finally:
            starting.kill()
