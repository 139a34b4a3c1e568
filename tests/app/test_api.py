"""The JSON calls against a live server: contract, refusals, headers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from live import Events, Live, all_events, live
from toy import Toy

from app.headers import CONTENT_SECURITY_POLICY
from models.checkpoint import CHECKPOINTS, CheckpointError


class Broken(Toy):
    def warm_up(self) -> None:
        raise CheckpointError(CHECKPOINTS / "broken.safetensors", "file is missing")


class Crashing(Toy):
    def parse(self, input: Any) -> str:
        raise ZeroDivisionError("a bug")


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    pipelines = (Toy(), Broken(id="broken"), Crashing(id="crashing"))
    started = live({p.id: p for p in pipelines}, max_body=4096, max_cost=400)
    yield started
    started.end()


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def post(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/api/runs", content=json.dumps({"pipeline": "toy", "input": {}, **body}))


def test_a_run_is_created_with_every_setting_resolved(client: httpx.Client) -> None:
    answer = post(client, settings={"steps": 3, "schedule": {"kind": "linear"}})
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"id", "events", "settings", "notes"}
    assert body["events"] == f"/api/runs/{body['id']}/events"
    assert answer.headers["location"] == f"/api/runs/{body['id']}"
    assert len(body["id"]) >= 20
    seed = body["settings"].pop("seed")
    assert isinstance(seed, int)
    assert body["settings"] == {
        "steps": 3, "samples": 1, "guidance_scale": 1.0, "sampler": "euler", "gamma_0": 0.0,
        "schedule": {"kind": "linear", "sigma_max": 10.0, "sigma_min": 0.01, "rho": 7.0},
        "gamma_min": 0.0, "noise_scale": 1.0, "step_scale": 1.0,
    }  # fmt: skip
    assert body["notes"] == ["a note"]


def test_resolved_settings_sent_again_draw_the_same_sample(client: httpx.Client) -> None:
    first = post(client, settings={"sampler": "ancestral"}).json()
    second = post(client, settings=first["settings"]).json()
    assert first["settings"] == second["settings"]
    samples = [
        all_events(f"{client.base_url}{run['events']}")[-1]["data"]["sample"]
        for run in (first, second)
    ]
    assert samples[0] == samples[1]


def test_seeds_differ_when_none_is_asked_for(client: httpx.Client) -> None:
    seeds = {post(client, settings={"steps": 1}).json()["settings"]["seed"] for _ in range(4)}
    assert len(seeds) == 4


def test_a_hand_drawn_schedule_sets_the_steps(client: httpx.Client) -> None:
    settings = post(client, settings={"schedule": {"sigmas": [8, 2, 0.5, 0]}}).json()["settings"]
    assert settings["steps"] == 3
    assert settings["schedule"] == {"kind": "explicit", "sigmas": [8, 2, 0.5, 0]}


def test_the_state_of_a_finished_run(client: httpx.Client, server: Live) -> None:
    run = post(client, settings={"steps": 2}).json()
    all_events(server.url + run["events"])
    state = client.get(f"/api/runs/{run['id']}").json()
    assert state["state"] == "done"
    assert state["pipeline"] == "toy"
    assert state["settings"] == run["settings"]
    assert state["events"] == 4
    timings = state["timings"]
    assert 0 <= timings["queued_s"] <= timings["first_frame_s"] <= timings["total_s"]


def test_pipelines_list_settings_bounds_and_the_one_that_is_off(client: httpx.Client) -> None:
    listed = {entry["id"]: entry for entry in client.get("/api/pipelines").json()["pipelines"]}
    toy = listed["toy"]
    assert toy["available"] is True
    assert toy["settings"]["steps"] == {
        "default": 6, "minimum": 1, "maximum": 200, "description": "noise levels of the main stage",
    }  # fmt: skip
    assert toy["settings"]["sampler"]["choices"] == ["euler", "heun", "ancestral"]
    assert toy["settings"]["schedule.sigma_max"]["maximum"] == 1000
    assert all("description" in setting for setting in toy["settings"].values())
    assert toy["examples"] == [{"label": "plain", "input": {"how": "well"}}]
    assert toy["checkpoints"] == {"toy.safetensors": "0123456789ab"}
    assert toy["backend"] == "torch"
    assert listed["broken"] == {
        "id": "broken",
        "available": False,
        "reason": "checkpoint broken.safetensors: file is missing",
    }


def test_a_broken_pipeline_says_why_and_leaves_the_others(client: httpx.Client) -> None:
    answer = post(client, pipeline="broken")
    assert answer.status_code == 503
    assert "broken.safetensors: file is missing" in answer.json()["detail"][0]["message"]
    assert int(answer.headers["retry-after"]) > 0
    assert post(client).status_code == 201
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["pipelines"]["broken"]["ready"] is False


def test_a_crash_is_a_500_that_tells_nothing_but_carries_the_headers(server: Live) -> None:
    with httpx.Client(base_url=server.url) as client:  # uvicorn drops the connection after a crash
        answer = post(client, pipeline="crashing")
    assert answer.status_code == 500
    assert "a bug" not in answer.text
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


SCHEDULE = "settings.schedule"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"pipeline": "nope"}, "pipeline"),
    ({"pipeline": 3}, "pipeline"),
    ({"pipeline": None}, "pipeline"),
    ({"input": "text"}, "input"),
    ({"input": {"how": "badly"}}, "input.how"),
    ({"input": {"how": float("nan")}}, "input"),
    ({"input": {"how": "\ud800"}}, "input"),
    ({"extra": 1}, "extra"),
    ({"settings": []}, "settings"),
    ({"settings": {"stepz": 3}}, "settings.stepz"),
    ({"settings": {"steps": 0}}, "settings.steps"),
    ({"settings": {"steps": 201}}, "settings.steps"),
    ({"settings": {"steps": 2.5}}, "settings.steps"),
    ({"settings": {"steps": "many"}}, "settings.steps"),
    ({"settings": {"steps": True}}, "settings.steps"),
    ({"settings": {"steps": 10**400}}, "settings.steps"),  # more than any float holds
    ({"settings": {"steps": -(10**4000)}}, "settings.steps"),
    ({"settings": {"samples": 10**400}}, "settings.samples"),
    ({"settings": {"seed": 10**400}}, "settings.seed"),
    ({"settings": {"guidance_scale": 10**400}}, "settings.guidance_scale"),
    ({"settings": {"schedule": {"sigma_max": 10**400}}}, f"{SCHEDULE}.sigma_max"),
    ({"settings": {"steps": float("nan")}}, "settings.steps"),
    ({"settings": {"steps": 100, "samples": 8}}, "settings.steps"),
    ({"settings": {"samples": 9}}, "settings.samples"),
    ({"settings": {"seed": -1}}, "settings.seed"),
    ({"settings": {"seed": 2**32}}, "settings.seed"),
    ({"settings": {"seed": float("inf")}}, "settings.seed"),
    ({"settings": {"guidance_scale": 2}}, "settings.guidance_scale"),
    ({"settings": {"noise_scale": float("nan")}}, "settings.noise_scale"),
    ({"settings": {"step_scale": float("inf")}}, "settings.step_scale"),
    ({"settings": {"sampler": "magic"}}, "settings.sampler"),
    ({"settings": {"sampler": "af3"}}, "settings.sampler"),
    ({"settings": {"schedule": "karras"}}, SCHEDULE),
    ({"settings": {"schedule": {"kind": "random"}}}, f"{SCHEDULE}.kind"),
    ({"settings": {"schedule": {"kind": "explicit"}}}, f"{SCHEDULE}.sigmas"),
    ({"settings": {"schedule": {"sigma_max": float("-inf")}}}, f"{SCHEDULE}.sigma_max"),
    ({"settings": {"schedule": {"sigma_max": 5000}}}, f"{SCHEDULE}.sigma_max"),
    ({"settings": {"schedule": {"rho": 0}}}, f"{SCHEDULE}.rho"),
    ({"settings": {"schedule": {"sigma_min": 5, "sigma_max": 1}}}, SCHEDULE),
    ({"settings": {"schedule": {"sigmas": []}}}, f"{SCHEDULE}.sigmas"),
    ({"settings": {"schedule": {"sigmas": [1, 2, 3]}}}, SCHEDULE),
    ({"settings": {"schedule": {"sigmas": [1, -1]}}}, SCHEDULE),
    ({"settings": {"schedule": {"sigmas": [5000, 1]}}}, f"{SCHEDULE}.sigmas"),
    ({"settings": {"schedule": {"sigmas": [1, float("nan")]}}}, f"{SCHEDULE}.sigmas.1"),
    ({"settings": {"schedule": {"kind": "karras", "sigmas": [2, 1]}}}, f"{SCHEDULE}.sigmas"),
    ({"settings": {"steps": 4, "schedule": {"sigmas": [2, 1]}}}, "settings.steps"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED, ids=lambda value: str(value)[:60])
def test_bad_input_is_refused_by_field(
    client: httpx.Client, body: dict[str, Any], field: str
) -> None:
    answer = post(client, **body)
    assert answer.status_code == 422, answer.text
    detail = answer.json()["detail"]
    assert field in [problem["field"] for problem in detail]
    for problem in detail:
        assert set(problem) == {"field", "message", "accepted"}
        assert problem["message"] and problem["accepted"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"null", b'"text"', b"\xff\xfe", b"[" * 4000, b'{"input": {}}']
)
def test_a_body_that_is_no_run_is_refused(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/api/runs", content=content)
    assert answer.status_code == 422
    assert all(problem["accepted"] for problem in answer.json()["detail"])


def test_a_body_that_is_too_long_is_refused(client: httpx.Client) -> None:
    answer = post(client, input={"how": "x" * 5000})
    assert answer.status_code == 413
    assert answer.json()["detail"][0]["accepted"] == "at most 4096 bytes"


@pytest.mark.parametrize("path", ["", "/events", "/export.json"])
def test_an_unknown_run_is_a_404(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/api/runs/nobody{path}")
    assert answer.status_code == 404
    assert answer.json()["detail"][0]["field"] == "id"
    assert client.delete("/api/runs/nobody").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/runs", "POST"),
        ("POST", "/api/runs/nobody", "DELETE, GET"),
        ("PUT", "/api/runs/nobody/events", "GET"),
        ("DELETE", "/api/pipelines", "GET"),
        ("POST", "/", "GET, HEAD"),
        ("POST", "/static/nothing", "GET, HEAD"),
    ],
)
def test_a_wrong_method_names_the_right_ones(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert answer.json()["detail"][0]["accepted"] == allow


def test_a_full_server_says_when_to_come_back(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy, max_runs=2)
    with httpx.Client(base_url=server.url) as client:
        runs = [post(client, settings={"steps": 1}).json() for _ in range(2)]
        refused = post(client)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["detail"][0]["accepted"].startswith("try again in")
        toy.net.permit(10)
        for run in runs:
            all_events(server.url + run["events"])
        assert post(client).status_code == 201
        assert 'twofold_refusals_total{status="429"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize("limit", [{"keep_runs": 1}, {"keep_bytes": 5000}])
def test_finished_runs_are_forgotten_beyond_the_limit(
    serve: Callable[..., Live], limit: dict[str, int]
) -> None:
    server = serve(Toy(), **limit)
    with httpx.Client(base_url=server.url) as client:
        first, second = post(client).json(), post(client).json()
        for run in (first, second):
            all_events(server.url + run["events"])
        kept = [client.get(f"/api/runs/{run['id']}").status_code for run in (first, second)]
    assert sorted(kept) == [200, 404]


class Slow(Toy):
    """Warms up when it is told to."""

    go = threading.Event()

    def warm_up(self) -> None:
        assert self.go.wait(60)


def test_not_ready_while_loading(serve: Callable[..., Live]) -> None:
    slow = Slow()
    server = serve(slow, wait=False)
    with httpx.Client(base_url=server.url) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503 and int(ready.headers["retry-after"]) > 0
        assert client.get("/healthz").status_code == 200
        refused = post(client)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "2"
        slow.go.set()
        server.services.pipelines.wait()
        assert client.get("/readyz").status_code == 200
        assert post(client).status_code == 201


def test_a_dead_engine_is_neither_healthy_nor_ready(serve: Callable[..., Live]) -> None:
    server = serve(Toy())
    with httpx.Client(base_url=server.url) as client:
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        server.services.engine.stop()
        for path in ("/healthz", "/readyz"):
            answer = client.get(path)
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


def test_every_refusal_is_counted_by_its_reason(serve: Callable[..., Live]) -> None:
    server = serve(Toy(), max_rooms=0, room_lookups=1, room_lookups_per_minute=0.01)
    with httpx.Client(base_url=server.url) as client:
        client.post("/api/rooms")
        for path in ("/api/rooms/AAAAAA", "/api/rooms/AAAAAA", "/room/AAAAAA"):
            client.get(path)
        post(client, settings={"steps": 0})
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
            raw.sendall(b"not HTTP\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
        told = client.get("/metrics").text
    assert 'twofold_busy_total{reason="rooms"} 1.0' in told
    assert 'twofold_busy_total{reason="lookups"} 2.0' in told
    for status, times in ((503, 1), (404, 1), (422, 1), (400, 1)):
        assert f'twofold_refusals_total{{status="{status}"}} {times}.0' in told, status


def test_metrics_count_batches_runs_and_streams(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    with httpx.Client(base_url=server.url) as client:
        run = post(client, settings={"steps": 3, "samples": 2}).json()
        with Events(server.url + run["events"]) as stream:
            events = iter(stream)
            toy.net.permit(1)
            assert [next(events)["event"] for _ in range(2)] == ["start", "frame"]  # it has begun
            during = client.get("/metrics").text
            toy.net.permit(2)
            list(events)
        after = client.get("/metrics").text
    assert "twofold_streams 1.0" in during
    assert "twofold_runs_live 1.0" in during
    assert "twofold_runs_live 0.0" in after
    assert 'twofold_batch_rows_sum{net="toy"} 6.0' in after
    assert 'twofold_runs_total{pipeline="toy",state="done"} 1.0' in after
    assert 'twofold_engine_seconds_total{where="outside"}' in after


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/api/pipelines",
     "/api/runs/nobody", "/nowhere", "/static/nowhere.js", "/vendor/plotly/plotly.min.js"],
)  # fmt: skip
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "permissions-policy" in headers
    assert headers["cache-control"]


def test_streams_and_creations_carry_the_security_headers(client: httpx.Client) -> None:
    created = post(client)
    streamed = client.get(created.json()["events"])
    for answer in (created, streamed):
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_openapi_describes_the_contract_and_docs_need_no_other_host(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {
        "/api/pipelines", "/api/runs", "/api/runs/{id}", "/api/runs/{id}/events",
        "/api/runs/{id}/export.{format}", "/healthz", "/readyz", "/metrics",
    } <= set(paths)  # fmt: skip
    assert set(paths["/api/runs"]["post"]["responses"]) >= {"201", "413", "422", "429", "503"}
    body = paths["/api/runs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" not in json.dumps(body)
    assert "sigma_max" in json.dumps(body["properties"]["settings"])
    page = client.get("/docs").text
    assert "POST /api/runs" in page
    assert "http://" not in page and "https://" not in page


@pytest.mark.parametrize("path", ["/", "/lessons", "/models", "/docs"])
def test_pages_are_compressed_for_whoever_accepts_it(client: httpx.Client, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    small = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and small.headers["content-encoding"] == "gzip"
    assert small.text == plain.text
    assert {"Accept-Encoding", "Accept-Language"} <= set(small.headers["vary"].split(", "))
    assert int(small.headers["content-length"]) < len(plain.content) / 2


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_plotly_comes_from_its_own_package_compressed_and_cached(
    client: httpx.Client, encoding: str
) -> None:
    url = "/vendor/plotly/plotly.min.js"
    with client.stream("GET", url, headers={"Accept-Encoding": encoding}) as answer:
        size = sum(map(len, answer.iter_raw()))
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert size == int(answer.headers["content-length"])
    assert (size < 2_000_000) == (encoding == "gzip")
    again = client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    part = client.get(url, headers={"Range": "bytes=0-9"})
    assert part.status_code == 206 and len(part.content) == 10
