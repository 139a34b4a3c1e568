"""Bounds by client and in all: what is refused, how, and that every place comes back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from live import Events, Live, all_events
from starlette.requests import Request
from toy import Toy

from app.admission import Busy
from app.clients import client_of, public_base, site_of
from app.cost import estimate
from app.main import create_app
from app.pipelines import Pipelines
from app.preparing import Prepared
from app.settings import Settings
from models.pipeline import SampleSettings


def post(server: Live, client: str | None = None, **settings: Any) -> httpx.Response:
    headers = {} if client is None else {"X-Forwarded-For": client}
    body = {"pipeline": "toy", "input": {}, "settings": settings}
    return httpx.post(f"{server.url}/api/runs", json=body, headers=headers)


def held() -> Toy:
    toy = Toy()
    toy.net.hold()
    return toy


def refusal(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["reason"] == reason
    assert body["retry_after"] == int(answer.headers["retry-after"]) > 0
    assert set(body["queue"]) == {"running", "waiting", "wait_s"}
    (problem,) = body["detail"]
    assert problem["message"] and problem["accepted"]
    return body


def test_one_client_s_runs_are_bounded_and_others_are_not_in_its_way(
    serve: Callable[..., Live],
) -> None:
    toy = held()
    server = serve(toy, max_client_runs=2, trusted_proxies="127.0.0.0/8")
    runs = [post(server, "10.0.0.1").json() for _ in range(2)]
    refusal(post(server, "10.0.0.1"), 429, "client_runs")
    assert post(server, "10.0.0.2").status_code == 201
    with Events(server.url + runs[0]["events"]) as stream:
        toy.net.permit(1000)
        assert list(stream)[-1]["event"] == "done"
    assert post(server, "10.0.0.1").status_code == 201  # the place came back


def test_a_forged_address_does_not_help(serve: Callable[..., Live]) -> None:
    toy = held()
    server = serve(toy, max_client_runs=1)
    assert post(server, "10.0.0.1").status_code == 201
    refusal(post(server, "10.0.0.2"), 429, "client_runs")
    toy.net.permit(1000)


def test_work_is_bounded_by_run_by_client_and_in_all(serve: Callable[..., Live]) -> None:
    toy = held()
    server = serve(
        toy, max_cost=100, max_client_cost=150, max_total_cost=200,
        trusted_proxies="127.0.0.1",
    )  # fmt: skip
    too_much = post(server, "10.0.0.1", steps=30, samples=4)
    assert too_much.status_code == 422
    assert too_much.json()["detail"][0]["field"] == "settings.steps"
    first = post(server, "10.0.0.1", steps=25, samples=4)
    assert first.status_code == 201
    assert httpx.get(f"{server.url}/api/runs/{first.json()['id']}").json()["cost"] == 100
    refusal(post(server, "10.0.0.1", steps=60), 429, "client_cost")
    assert post(server, "10.0.0.2", steps=60).status_code == 201
    refusal(post(server, "10.0.0.3", steps=50), 429, "total_cost")
    assert "twofold_work_units 160.0" in httpx.get(f"{server.url}/metrics").text
    toy.net.permit(1000)


def test_what_is_refused_leaves_no_trace(serve: Callable[..., Live]) -> None:
    server = serve(Toy(), max_client_runs=2, max_cost=100)
    for _ in range(5):
        assert post(server, steps=200).status_code == 422  # after its place was taken
        bad = {"pipeline": "toy", "input": {"how": "badly"}}
        assert httpx.post(f"{server.url}/api/runs", json=bad).status_code == 422
    run = post(server).json()
    assert all_events(server.url + run["events"])[-1]["event"] == "done"
    admission = server.services.admission
    assert (admission.cost, dict(admission._runs), dict(admission._costs)) == (0.0, {}, {})


def test_when_the_engine_is_full_the_answer_tells_the_queue(serve: Callable[..., Live]) -> None:
    toy = held()
    server = serve(toy, max_runs=3, max_live_rows=1)
    runs = [post(server).json() for _ in range(3)]
    body = refusal(post(server), 429, "runs")
    assert body["queue"]["running"] + body["queue"]["waiting"] == 3
    toy.net.permit(1000)
    for run in runs:
        assert all_events(server.url + run["events"])[-1]["event"] == "done"


def test_a_waiting_run_shows_its_place_in_its_state_and_in_its_stream(
    serve: Callable[..., Live],
) -> None:
    toy = held()
    server = serve(toy, max_live_rows=1)
    first, second, third = (post(server).json() for _ in range(3))
    toy.net.permit(1)  # so that the engine has looked at the queue
    with Events(server.url + third["events"]) as stream:
        events = iter(stream)
        assert next(events)["event"] == "start"
        told = next(events)
        assert (told["event"], told["id"], told["data"]["place"]) == ("queued", None, 2)
        state = httpx.get(f"{server.url}/api/runs/{third['id']}").json()
        assert (state["state"], state["queue"]["place"]) == ("queued", 2)
        toy.net.permit(1000)
        rest = list(events)
    places = [event["data"]["place"] for event in rest if event["event"] == "queued"]
    assert places in ([1], [])  # whoever looks late may have missed it
    kept = [event["id"] for event in rest if event["event"] != "queued"]
    assert kept == list(range(1, 8))
    assert httpx.get(f"{server.url}/api/runs/{third['id']}").json()["queue"] is None
    assert [e["event"] for e in all_events(server.url + third["events"])].count("queued") == 0
    for run in (first, second):
        assert all_events(server.url + run["events"])[-1]["event"] == "done"


def test_streams_are_bounded_by_client_and_in_all(serve: Callable[..., Live]) -> None:
    toy = held()
    server = serve(toy, max_client_streams=1, max_streams=2, trusted_proxies="127.0.0.1")
    url = server.url + post(server).json()["events"]

    def look(client: str) -> httpx.Response:
        return httpx.get(url, headers={"X-Forwarded-For": client})

    with (
        httpx.stream("GET", url, headers={"X-Forwarded-For": "10.0.0.1"}) as one,
        httpx.stream("GET", url, headers={"X-Forwarded-For": "10.0.0.2"}) as two,
    ):
        lines = [stream.iter_lines() for stream in (one, two)]
        assert all(next(each) for each in lines)
        refusal(look("10.0.0.3"), 503, "streams")
        toy.net.permit(1000)
        assert all("event: done" in list(each) for each in lines)
    assert look("10.0.0.1").status_code == 200  # the places came back


@pytest.mark.parametrize("what", ["upload", "export", "plan"])
def test_uploads_exports_and_plans_are_bounded_by_client_and_in_all(what: str) -> None:
    bounds = {f"max_{what}s": 2, f"max_client_{what}s": 1}
    settings = Settings(**bounds, threads=1)  # type: ignore[arg-type]
    admission = create_app(settings, Pipelines({})).state.services.admission
    enter = getattr(admission, what)
    with enter("a"):
        with pytest.raises(Busy) as refused, enter("a"):
            pass
        assert (refused.value.status, refused.value.reason) == (429, f"client_{what}s")
        with enter("b"), pytest.raises(Busy) as refused, enter("c"):
            pass
        assert (refused.value.status, refused.value.reason) == (503, f"{what}s")
    with enter("a"):
        pass


def test_a_burst_of_streams_does_not_slip_through_together(serve: Callable[..., Live]) -> None:
    toy = held()
    server = serve(toy, max_client_streams=3)
    path = post(server).json()["events"]
    host, port = server.url.removeprefix("http://").split(":")
    burst = [socket.create_connection((host, int(port)), timeout=30) for _ in range(30)]
    while len(server.server.server_state.connections) < 30:
        pass
    # The event loop finds all of them at once when it comes back.
    loop, back = server.services.runs._loop, threading.Event()
    assert loop is not None
    loop.call_soon_threadsafe(back.wait, 30)
    for connection in burst:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    back.set()
    statuses = [connection.recv(12)[9:] for connection in burst]
    assert sorted(statuses) == [b"200"] * 3 + [b"429"] * 27
    assert server.services.admission.streams == 3
    for connection in burst:
        connection.close()
    while server.services.admission.streams:
        pass  # until the server has seen that they are gone
    toy.net.permit(1000)


def test_plans_wait_for_each_other_and_runs_do_not_wait_for_plans(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = threading.Event()

    class Thinking(Toy):
        def parse(self, input: Any) -> str:
            if input.get("slow"):
                assert slow.wait(30)
            return "well"

    server = serve(Thinking(), max_plans=5, max_client_plans=5)
    admission = server.services.admission

    def plan() -> int:
        body = {"pipeline": "toy", "input": {"slow": True}}
        return httpx.post(f"{server.url}/api/plans", json=body, timeout=60).status_code

    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(plan) for _ in range(5)]
        while admission._plans.total() < 5:
            pass
        run = post(server).json()  # two of them would fill what prepares runs
        assert all_events(server.url + run["events"])[-1]["event"] == "done"
        body = {"pipeline": "toy", "input": {}}
        refusal(httpx.post(f"{server.url}/api/plans", json=body), 503, "plans")
        slow.set()
        assert [each.result() for each in waiting] == [200] * 5
    assert admission._plans.total() == 0


def test_an_idle_server_has_exactly_no_work() -> None:
    admission = create_app(Settings(threads=1), Pipelines({})).state.services.admission
    places = [admission.run(client) for client in "aabc"]
    for place, cost in zip(places, (0.1, 0.2, 37.8, 0.3), strict=True):
        place.weigh(cost)
    for place in places:
        place.release()
        place.release()  # once more does no harm
    assert (admission.cost, dict(admission._runs), dict(admission._costs)) == (0.0, {}, {})


def test_memory_held_by_runs_is_bounded(serve: Callable[..., Live]) -> None:
    server = serve(Toy("image"), max_held_bytes=2**20)
    assert post_image(server).status_code == 201
    server.services.runs._runs[next(iter(server.services.runs._runs))].size = 2**21
    refusal(post_image(server), 503, "memory")


def post_image(server: Live) -> httpx.Response:
    return httpx.post(f"{server.url}/api/runs", json={"pipeline": "toy", "input": {}})


def asked(peer: str, trusted: str, forwarded: str | None = None, **headers: str) -> Request:
    app = create_app(Settings(trusted_proxies=trusted, threads=1), Pipelines({}))  # type: ignore[arg-type]
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    raw = [(k.lower().replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    scope = {
        "type": "http", "app": app, "client": (peer, 1), "headers": raw, "scheme": "http",
        "server": ("twofold", 8000), "path": "/", "query_string": b"", "method": "GET",
    }  # fmt: skip
    return Request(scope)


@pytest.mark.parametrize(
    ("peer", "trusted", "forwarded", "client"),
    [
        ("9.9.9.9", "", None, "9.9.9.9"),
        ("9.9.9.9", "", "1.1.1.1", "9.9.9.9"),  # nobody is trusted
        ("9.9.9.9", "10.0.0.0/8", "1.1.1.1", "9.9.9.9"),  # not by this one
        ("10.0.0.1", "10.0.0.0/8", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.0/8", "6.6.6.6, 1.1.1.1", "1.1.1.1"),  # the left one wrote itself
        ("10.0.0.1", "10.0.0.0/8", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.0/8", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "10.0.0.0/8", "<script>", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.0/8", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.0/8", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", "", None, "2001:db8:1:2::/64"),
        ("::ffff:9.9.9.9", "", None, "9.9.9.9"),
    ],
)
def test_who_the_client_is(peer: str, trusted: str, forwarded: str | None, client: str) -> None:
    assert client_of(asked(peer, trusted, forwarded)) == client


def test_who_may_guess_is_counted_by_site() -> None:
    one, other = (asked(f"2001:db8:1:{k}::9", "") for k in (2, 3))
    assert client_of(one) != client_of(other)
    assert site_of(one) == site_of(other) == "2001:db8:1::/48"
    assert site_of(asked("9.9.9.9", "")) == "9.9.9.9"


@pytest.mark.parametrize(
    "host",
    [
        "[", "[::1", "a b", "x:99999", "x:y", "x/y", "user@evil", "", "é", "a" * 300, "x\\y", '"><b>',
        "localhost:99999", "x?y", "x#y",
    ],
)  # fmt: skip
def test_a_host_that_no_address_could_hold_is_not_repeated(host: str) -> None:
    own = "http://twofold:8000"
    assert public_base(asked("10.0.0.1", "10.0.0.1", X_Forwarded_Host=host)) == own
    assert public_base(asked("9.9.9.9", "", Host=host)) == own


def test_hosts_with_ports_and_of_ipv6_are_repeated() -> None:
    for host in ("school.example", "lab-7.local:8000", "[2001:db8::1]:443", "10.1.2.3:80"):
        assert public_base(asked("9.9.9.9", "", Host=host)) == f"http://{host}"


def test_our_own_address_is_believed_from_trusted_proxies_only() -> None:
    told = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "twofold.example.org"}
    assert public_base(asked("10.0.0.1", "10.0.0.1", **told)) == "https://twofold.example.org"
    assert public_base(asked("9.9.9.9", "10.0.0.1", **told)) == "http://twofold:8000"
    told["X_Forwarded_Proto"] = "javascript"
    assert public_base(asked("10.0.0.1", "10.0.0.1", **told)) == "http://twofold.example.org"


def test_cost_counts_steps_samples_and_size_of_every_stage() -> None:
    toy = Toy()
    settings = SampleSettings(samples=3)
    start: dict[str, Any] = {
        "stages": [
            {"sigmas": [9, 3, 1, 0]},
            {"sigmas": [2, 1, 0], "size": [64, 64]},
            {"sigmas": [], "steps": 5, "size": [8, 8]},
        ]
    }
    prepared = Prepared("well", settings, start)
    assert estimate(toy, prepared) == 3 * (3 + 2 * 16 + 5)
    start["atoms"] = [{}] * 128
    assert estimate(toy, prepared) == 3 * (3 * 4 + 2 * 16 + 5)
