"""Readers who take their time over answers that are no streams: what waits for them is bounded, and they
are not waited for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import torch
from live import Live, all_events
from toy import Toy

from app.sending import PIECE

http = httpx.Client(timeout=60)


class Large(Toy):
    """Frames of about 2 MB."""

    def __init__(self) -> None:
        super().__init__("image")
        self.net.mean = torch.zeros(512, 512, 3)


@pytest.fixture
def connect() -> Iterator[Callable[[Live, str], socket.socket]]:
    """Plain sockets that ask for a path and read nothing."""
    opened: list[socket.socket] = []

    def ask(server: Live, path: str) -> socket.socket:
        host, port = server.url.removeprefix("http://").split(":")
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((host, int(port)))
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
        connection.sendall(head.encode())
        opened.append(connection)
        return connection

    yield ask
    for connection in opened:
        connection.close()


def finished(server: Live) -> str:
    body = {"pipeline": "toy", "input": {}, "settings": {"steps": 3}}
    run: dict[str, Any] = http.post(f"{server.url}/api/runs", json=body).json()
    assert all_events(server.url + run["events"])[-1]["event"] == "done"
    return f"/api/runs/{run['id']}/export.json"


def buffered(server: Live) -> list[int]:
    connections = list(server.server.server_state.connections)
    return [c.transport.get_write_buffer_size() for c in connections if c.transport]


def wait(until: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if until():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def test_files_that_nobody_reads_are_bounded_in_number_and_in_bytes(
    serve: Callable[..., Live], connect: Callable[..., socket.socket]
) -> None:
    server = serve(Large(), max_client_exports=2, max_run_bytes=64 * 2**20)
    path = finished(server)
    assert len(http.get(server.url + path).content) > 7_000_000
    exports = server.services.admission._exports
    readers = [connect(server, path) for _ in range(2)]
    wait(lambda: sum(size > PIECE / 2 for size in buffered(server)) == 2)
    assert exports.total() == 2  # written long ago, not taken yet
    refused = http.get(server.url + path)
    assert (refused.status_code, refused.json()["reason"]) == (429, "client_exports")
    assert int(refused.headers["retry-after"]) > 0
    assert max(buffered(server)) <= 3 * PIECE
    for reader in readers:
        reader.close()
    wait(lambda: exports.total() == 0)
    assert http.get(server.url + path).status_code == 200


def test_whoever_reads_nothing_of_a_file_is_hung_up_on(
    serve: Callable[..., Live], connect: Callable[..., socket.socket]
) -> None:
    server = serve(Large(), send_s=0.3, max_run_bytes=64 * 2**20)
    connection = connect(server, finished(server))
    wait(lambda: any(size > PIECE / 2 for size in buffered(server)))
    wait(lambda: not any(buffered(server)))
    assert server.services.admission._exports.total() == 0
    received = 0
    try:
        while part := connection.recv(2**16):
            received += len(part)
    except ConnectionResetError:
        pass
    assert received < 7_000_000  # what the system's own buffers held, not the file
    assert 'status="500"' not in http.get(f"{server.url}/metrics").text


def test_a_follower_of_a_room_who_reads_nothing_is_let_go(
    serve: Callable[..., Live], connect: Callable[..., socket.socket]
) -> None:
    server = serve(Large(), send_s=0.3, max_run_bytes=64 * 2**20)
    run = finished(server).split("/")[3]
    room = http.post(f"{server.url}/api/rooms").json()
    connect(server, f"/api/rooms/{room['code']}/events")
    here = server.services.rooms._rooms[room["code"]]
    wait(lambda: here.followers == 1)
    state = {"panels": {"toy": {"run": run}}, "player": {"u": 0}}
    key = {"X-Room-Key": room["key"]}
    assert http.post(f"{server.url}/api/rooms/{room['code']}/state", json=state, headers=key)
    wait(lambda: any(size > PIECE / 2 for size in buffered(server)))
    largest = max(len(block) for block in here._blocks)
    assert sum(buffered(server)) <= largest + 2**17  # at most one event waits
    wait(lambda: here.followers == 0)
