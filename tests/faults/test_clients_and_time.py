"""Visitors who vanish or do not read, networks and engines that fail, a clock that jumps, a full disk."""

from __future__ import annotations

import errno
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from live import Events, Live, all_events
from toy import Toy

from app import exports
from app.exports import Format


def begin(server: Live, **body: Any) -> str:
    answer = httpx.post(f"{server.url}/api/runs", json={"pipeline": "toy", "input": {}, **body})
    assert answer.status_code == 201, answer.text
    return f"{server.url}/api/runs/{answer.json()['id']}"


def raw_get(server: Live, path: str, receive_bytes: int | None = None) -> socket.socket:
    """A plain socket that asked for ``path`` and has read nothing of the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(30)
    connection.connect((host, int(port)))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return connection


def test_a_reset_connection_stops_the_engine_within_one_forward(
    serve: Callable[..., Live],
) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy, grace_s=0)
    run = begin(server, settings={"steps": 100})
    toy.net.permit(2)
    viewer = raw_get(server, f"{run.removeprefix(server.url)}/events")
    received = b""
    while b"event: frame" not in received:
        received += viewer.recv(65536)
    # A reset instead of a goodbye: as when a laptop is closed or a cable pulled.
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    viewer.close()
    job = server.services.runs._runs[run.rpartition("/")[2]].job
    engine = server.services.engine
    with engine._changed:
        assert engine._changed.wait_for(lambda: job.stopped, timeout=30)
    before = len(toy.net.batches)
    toy.net.permit(100)
    assert toy.ended.acquire(timeout=30)
    assert len(toy.net.batches) <= before + 1
    assert engine.live == 0


class Large(Toy):
    """Frames of about 2 MB."""

    def __init__(self) -> None:
        super().__init__("image")
        import torch

        self.net.mean = torch.zeros(512, 512, 3)


def test_a_reader_who_reads_nothing_costs_bounded_memory_and_delays_nobody(
    serve: Callable[..., Live],
) -> None:
    server = serve(Large(), max_run_bytes=64 * 2**20, send_s=0.5)
    run = begin(server, settings={"steps": 12})
    stalled = raw_get(server, f"{run.removeprefix(server.url)}/events", receive_bytes=4096)
    assert all_events(f"{run}/events")[-1]["event"] == "done"  # the other viewer
    record = server.services.runs._runs[run.rpartition("/")[2]]
    assert record.size > 20_000_000
    largest = max(len(block) for block in record.log)
    held = [c.transport.get_write_buffer_size() for c in server.server.server_state.connections]
    assert sum(held) <= largest + 2**17, "what waits for a reader is at most one event"
    # It is not waited for either: the server hangs up, and the record can be forgotten again.
    pause = threading.Event()
    while record.viewers:
        pause.wait(0.01)
    received = 0
    while part := stalled.recv(2**20):
        received += len(part)
    assert received < record.size / 2
    stalled.close()


def test_an_exception_in_the_engine_itself_fails_its_runs_and_not_the_thread(
    serve: Callable[..., Live],
) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    engine = server.services.engine
    run = begin(server, settings={"steps": 50})
    pick = engine._turns.pick

    def broken(pending: Any) -> Any:
        engine._turns.pick = pick  # type: ignore[method-assign]
        raise ZeroDivisionError("a fault of the engine")

    with Events(f"{run}/events") as stream:
        engine._turns.pick = broken  # type: ignore[method-assign]
        toy.net.permit(1)
        last = list(stream)[-1]
    assert last["event"] == "error"
    assert last["data"]["state"] == "failed"
    assert engine.alive and engine.live == 0
    toy.net.permit(10)
    again = begin(server, settings={"steps": 3})
    assert all_events(f"{again}/events")[-1]["event"] == "done"
    assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.parametrize("jump", [10 * 365 * 86400.0, -10 * 365 * 86400.0])
def test_setting_the_clock_ends_nothing_and_forgets_nothing(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy, grace_s=60, unclaimed_s=60, keep_s=600)
    done = begin(server, settings={"steps": 1, "seed": 1})
    toy.net.permit(1)
    assert all_events(f"{done}/events")[-1]["event"] == "done"
    run = begin(server, settings={"steps": 4})
    with Events(f"{run}/events") as stream:
        events = iter(stream)
        assert next(events)["event"] == "start"
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + jump)
        toy.net.permit(4)
        rest = list(events)
    assert [event["event"] for event in rest] == [*["frame"] * 4, "done"]
    assert httpx.get(done).json()["state"] == "done"
    state = httpx.get(run).json()
    assert all(0 <= seconds < 60 for seconds in state["timings"].values())


def test_an_export_that_finds_the_disk_full_says_so_and_the_server_lives(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(Toy())
    run = begin(server, settings={"steps": 2})
    assert all_events(f"{run}/events")[-1]["event"] == "done"

    def full(recording: Any) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/secret-path")

    def large(recording: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(
        exports, "FORMATS",
        {**exports.FORMATS, "csv": Format("text/csv", full), "png": Format("image/png", large)},
    )  # fmt: skip
    for format in ("csv", "png"):
        answer = httpx.get(f"{run}/export.{format}")
        assert answer.status_code == 507
        (problem,) = answer.json()["detail"]
        assert problem["field"] == "format" and "space" in problem["message"]
        assert "secret" not in answer.text
    assert httpx.get(f"{run}/export.json").status_code == 200
    assert httpx.get(f"{server.url}/healthz").status_code == 200
