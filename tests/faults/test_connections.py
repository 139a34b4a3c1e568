"""Connections: floods, dawdlers, garbage, and odd headers of event streams."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from live import Live, all_events, live
from toy import Toy

from app.headers import SECURITY


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({"toy": Toy()})
    yield started
    started.end()


def connect(server: Live) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_flood_of_connections_gets_503_and_the_health_checks_still_answer(
    serve: Callable[..., Live],
) -> None:
    server = serve(Toy(), max_connections=8, max_client_connections=100)
    idle = [connect(server) for _ in range(8)]
    refused = httpx.get(f"{server.url}/api/pipelines")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["connection"] == "close"
    assert refused.json()["detail"][0]["message"] == "too many connections are open"
    assert refused.headers["content-security-policy"] == SECURITY["Content-Security-Policy"]
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    for connection in idle:
        connection.close()
    while httpx.get(f"{server.url}/api/pipelines").status_code == 503:
        pass  # until the server has seen that they are gone
    assert 'twofold_busy_total{reason="connections"}' in httpx.get(f"{server.url}/metrics").text


def test_one_address_cannot_take_all_connections_but_a_trusted_proxy_may(
    serve: Callable[..., Live],
) -> None:
    one = serve(Toy(), max_connections=100, max_client_connections=4)
    proxied = serve(
        Toy(), max_connections=100, max_client_connections=4, trusted_proxies="127.0.0.1"
    )
    for server, status in ((one, 503), (proxied, 200)):
        idle = [connect(server) for _ in range(4)]
        assert httpx.get(f"{server.url}/api/pipelines").status_code == status
        for connection in idle:
            connection.close()


def test_thousands_of_connections_leave_nothing_behind(serve: Callable[..., Live]) -> None:
    server = serve(Toy(), max_connections=8, max_client_connections=8)
    for _ in range(20):
        crowd = [connect(server) for _ in range(50)]
        for connection in crowd:
            connection.close()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        while client.get("/api/pipelines").status_code == 503:
            pass
        assert "twofold_connections 1.0" in client.get("/metrics").text


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_whoever_dawdles_over_a_request_head_is_hung_up_on(
    serve: Callable[..., Live], sent: bytes
) -> None:
    server = serve(Toy(), header_s=0.2)
    with connect(server) as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_endless_request_head_is_cut_off(server: Live) -> None:
    with connect(server) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for number in range(10_000):  # until the server hangs up, long before the end
            connection.sendall(f"X-{number}: {'y' * 8192}\r\n".encode())
        raise AssertionError("80 MB of headers were taken")
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 32 * 1024)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert httpx.get(f"{server.url}/healthz", headers={"X": "y" * 8192}).status_code == 200


def test_whoever_dawdles_over_a_body_gets_408(serve: Callable[..., Live]) -> None:
    server = serve(Toy(), body_s=0.2)
    with connect(server) as connection:
        connection.sendall(
            b'POST /api/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"pipeline":'
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive in time" in answer


def test_what_is_not_http_gets_400_with_the_usual_headers(server: Live) -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01 hello? is this TLS\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    sent = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert {name: sent[name] for name in SECURITY} == SECURITY
    assert json.loads(body)["detail"][0]["field"] == "request"


def test_garbage_and_broken_requests_never_hurt_the_server(server: Live) -> None:
    """A thousand of them: random bytes, and valid requests with bytes changed, lost or repeated."""
    dice = random.Random(6)
    valid = (
        b"POST /api/runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b'Content-Length: 31\r\nConnection: close\r\n\r\n{"pipeline":"toy","input":{}}  '
    )
    for number in range(1000):
        if number % 4 == 0:
            data = dice.randbytes(dice.randrange(1, 400))
        else:
            broken = bytearray(valid)
            for _ in range(dice.randrange(1, 6)):
                place = dice.randrange(len(broken))
                if dice.random() < 0.5:
                    broken[place] = dice.randrange(256)
                else:
                    del broken[place : place + dice.randrange(1, 20)]
            data = bytes(broken)
        with connect(server) as connection:
            connection.sendall(data)
            if number % 50 == 0:
                connection.shutdown(socket.SHUT_WR)
                answer = read_all(connection)
                assert answer[:13] == b"" or answer.startswith(b"HTTP/1."), answer[:100]
                assert not answer.startswith(b"HTTP/1.1 500")
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    text = httpx.get(f"{server.url}/metrics").text
    assert 'twofold_refusals_total{status="500"}' not in text


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def finished(server: Live) -> str:
    created = httpx.post(f"{server.url}/api/runs", json={"pipeline": "toy", "input": {}}).json()
    all_events(server.url + created["events"])
    return server.url + created["events"]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
@example("9" * 5000)
@example("-1")
@example("٣")
@example("1_0")
@example("+1")
@example("1e3")
@example("0x1")
@example("7, 7")
@example("18446744073709551616")
def test_any_last_event_id_is_a_place_or_the_beginning(
    client: httpx.Client, finished: str, value: str
) -> None:
    """Whatever a client says it has seen, it gets the rest of the log, the whole of it or a 204."""
    printable = "".join(letter for letter in value if letter >= " " and letter != "\x7f")
    for answer in (
        client.get(finished, headers=[(b"Last-Event-ID", printable.strip().encode())]),
        client.get(finished, params={"last_event_id": value}),
    ):
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 200:
            assert answer.text.startswith(("retry: 1000\nid: 0\n", "id: "))
            assert answer.text.rstrip().rpartition("event: ")[2].startswith("done")
