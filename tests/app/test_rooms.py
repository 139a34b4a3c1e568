"""Rooms over HTTP: opening, the presenter's key, state, following, questions, every way to be refused."""

from __future__ import annotations

import hmac
import re
import socket
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from live import Events, Live, all_events, live
from toy import Toy

from app import room
from app.room_polls import READY

Serve = Callable[..., Live]
http = httpx.Client(timeout=60)


class Door:
    """A room on a live server, from the presenter's side."""

    def __init__(self, server: Live, **headers: str) -> None:
        self.server = server
        answer = http.post(f"{server.url}/api/rooms", headers=headers)
        assert answer.status_code == 201, answer.text
        self.opened: dict[str, Any] = answer.json()
        self.code, self.key = self.opened["code"], self.opened["key"]
        self.url = f"{server.url}/api/rooms/{self.code}"

    def post(self, rest: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"X-Room-Key": self.key if key is None else key}
        return http.post(f"{self.url}{rest}", json=body, headers=headers)

    def show(self, run: str | None = None, **changes: Any) -> httpx.Response:
        state = {"panels": {"toy": {"run": run}}, "player": {"u": 0.5}, **changes}
        return self.post("/state", state)

    def view(self) -> dict[str, Any]:
        answer = http.get(self.url)
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    def answer(self, follower: str, option: int, poll: int = 1) -> httpx.Response:
        body = {"poll": poll, "option": option}
        return http.post(f"{self.url}/answers", json=body, headers={"X-Follower": follower})

    def end(self, key: str | None = None) -> httpx.Response:
        return http.delete(self.url, headers={"X-Room-Key": self.key if key is None else key})


@pytest.fixture(scope="module")
def house() -> Iterator[Live]:
    """One server for the tests that change nothing but a room of their own."""
    server = live({"toy": Toy()}, room_opens=1000, max_rooms=1000)
    yield server
    server.end()


@pytest.fixture
def door(house: Live) -> Door:
    return Door(house)


def begin(server: Live, steps: int = 6) -> str:
    """-> the id of a run."""
    body = {"pipeline": "toy", "input": {}, "settings": {"steps": steps, "seed": 1}}
    answer = http.post(f"{server.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def run_events(stream: Events, run: str) -> list[dict[str, Any]]:
    """The events of one run in a room's stream, until the run has ended."""
    seen = []
    for event in stream:
        if event["event"] == "run" and event["data"]["run"] == run:
            seen.append(event)
            if event["data"]["event"] in ("done", "error"):
                return seen
    raise AssertionError(f"the stream ended after {len(seen)} events")


def test_a_room_has_a_code_to_read_aloud_and_a_key_that_nobody_guesses(serve: Serve) -> None:
    server = serve(Toy(), public_url="https://twofold.example/app")
    doors = [Door(server) for _ in range(5)]
    for door in doors:
        assert re.fullmatch(r"[2-9A-HJ-NP-Z]{6}", door.code)
        assert door.opened["url"] == f"https://twofold.example/app/room/{door.code}"
        assert door.opened["reachable"] is True
        assert len(door.key) >= 40
    assert len({door.code for door in doors} | {door.key for door in doors}) == 10
    kept = repr([vars(r) for r in server.services.rooms._rooms.values()])
    assert not any(door.key in kept for door in doors)  # only a hash is kept
    assert not any(door.key in http.get(door.url).text for door in doors)


def test_the_key_is_compared_in_constant_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(serve(Toy()))
    compared: list[tuple[int, int]] = []
    original = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        compared.append((len(a), len(b)))
        return original(a, b)

    monkeypatch.setattr(room.hmac, "compare_digest", compare)
    assert door.post("/state", {}, key="x").status_code == 403
    assert (32, 32) in compared  # two hashes, of equal length whatever was sent
    compared.clear()
    assert door.show().status_code == 200
    assert (32, 32) in compared


@pytest.mark.parametrize("key", ["", "x", "K" * 43])
def test_without_the_key_nothing_of_the_presenter_s_works(door: Door, key: str) -> None:
    state = {"panels": {}, "player": {"u": 0}}
    calls: list[tuple[str, Any]] = [
        ("/state", state), ("/poll", {"ready": "same_seed"}), ("/poll/reveal", None),
    ]  # fmt: skip
    for rest, body in calls:
        answer = door.post(rest, body, key=key)
        assert answer.status_code == 403, rest
        assert answer.json()["detail"][0]["field"] == "X-Room-Key"
    headers = {"X-Room-Key": key}
    assert http.delete(f"{door.url}/poll", headers=headers).status_code == 403
    assert door.end(key).status_code == 403
    view = door.view()
    assert view["state"] is None and view["poll"] is None and view["version"] == 0


def test_unknown_codes_look_like_ended_ones_and_cannot_be_tried_at_speed(serve: Serve) -> None:
    server = serve(Toy(), room_lookups=6, room_lookups_per_minute=0.1)
    door, over = Door(server), Door(server)
    assert over.end().status_code == 204
    answers = [http.get(over.url), http.get(f"{server.url}/api/rooms/AAAAAA")]
    answers.append(http.get(f"{server.url}/api/rooms/{'x' * 300}"))
    answers.append(http.get(f"{server.url}/api/rooms/BBBBBB/qr.svg"))
    assert {a.status_code for a in answers} == {404}
    assert len({a.text for a in answers}) == 1
    ways_in = ("", "/events", "/qr.svg")
    for way in ways_in[:2]:
        assert http.get(f"{server.url}/api/rooms/CCCCCC{way}").status_code == 404
    view_before = server.services.rooms._rooms[door.code]
    for url in [f"{server.url}/api/rooms/DDDDDD", f"{server.url}/room/EEEEEE"]:
        refused = http.get(url)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 600
    # Also a room that exists: or else the 429 itself would tell which codes do.
    for way in ways_in:
        assert http.get(f"{door.url}{way}").status_code == 429
    # Who is already in, with what the room itself told, is not locked out by a neighbour who guesses.
    inside = {"pass": view_before.head.pass_}
    assert http.get(door.url, params=inside).status_code == 200


def test_codes_are_found_as_people_type_them(serve: Serve) -> None:
    server = serve(Toy())
    door = Door(server)
    typed = f" {door.code[:3].lower()}-{door.code[3:]} "
    assert http.get(f"{server.url}/api/rooms/{typed}").json()["code"] == door.code
    assert http.get(f"{server.url}/room", params={"code": typed}).headers["location"] == (
        f"/room/{door.code}"
    )
    page = http.get(f"{server.url}/room/{door.code}")
    assert page.status_code == 200 and 'data-room="follower"' in page.text
    assert "room-open" not in page.text  # a follower opens no rooms
    lower = http.get(f"{server.url}/room/{door.code.lower()}")
    assert (lower.status_code, lower.headers["location"]) == (303, f"/room/{door.code}")


def test_the_page_for_the_code_says_what_is_wrong_and_escapes_what_was_typed(serve: Serve) -> None:
    server = serve(Toy())
    assert "Join a room" in http.get(f"{server.url}/room").text
    unknown = http.get(f"{server.url}/room/ZZZZZZ")
    assert unknown.status_code == 404 and "No room has this code" in unknown.text
    malformed = http.get(f"{server.url}/room", params={"code": '"><script>'})
    assert malformed.status_code == 404 and "six letters and digits" in malformed.text
    assert "<script>" not in malformed.text.replace('<script src="/static/js/early.js">', "")


def test_the_qr_code_is_a_picture_of_the_room_s_address(door: Door) -> None:
    answer = http.get(f"{door.url}/qr.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    drawing = ElementTree.fromstring(answer.text)
    side = int(drawing.attrib["viewBox"].split()[2])
    assert (side - 8 - 17) % 4 == 0  # a QR code's size with its quiet zone
    assert "<style" not in answer.text and "style=" not in answer.text


@pytest.mark.parametrize(
    ("host", "bound", "expected"),
    [
        ("localhost:8000", "0.0.0.0", r"http://(?!localhost|127\.)[\d.]+:8000/room/.*"),
        ("localhost:8000", "127.0.0.1", r"http://localhost:8000/room/.*"),
        ("lab-7.local:8000", "0.0.0.0", r"http://lab-7\.local:8000/room/.*"),
    ],
)
def test_followers_are_sent_where_a_phone_can_go(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str, bound: str, expected: str
) -> None:
    monkeypatch.setattr("app.rooms_api._own_address", lambda: "10.1.2.3")
    server = serve(Toy(), host=bound)
    opened = Door(server, Host=host).opened
    assert re.fullmatch(expected, opened["url"])
    assert opened["reachable"] is (bound != "127.0.0.1")


STATE = {"panels": {"toy": {"recorded": True}}, "player": {"u": 0.25, "playing": True}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"player": {"u": 1.5}}, "player.u"),
        ({"player": {"u": "0.5"}}, "player.u"),
        ({"player": {"u": 0.1, "speed": 99}}, "player.speed"),
        ({"player": {"u": 0.1, "colour": "red"}}, "player.colour"),
        ({"panels": {"a b": {}}}, "panels.a b"),
        ({"panels": {f"p{k}": {} for k in range(9)}}, "panels"),
        ({"panels": {"toy": {"run": "../../etc/passwd"}}}, "panels.toy.run"),
        ({"panels": {"toy": {"run": "nobody-knows-this-run"}}}, "panels.toy.run"),
        ({"panels": {"toy": {"sample": -1}}}, "panels.toy.sample"),
        ({"theme": "pink"}, "theme"),
        ({"focus": 3}, "focus"),
        ({"turn": [0, 0, 0]}, "turn"),
        ({"inputs": {"prompt": "x" * 4001}}, "inputs.prompt"),
        ({"lesson": {"id": "one", "step": 1000}}, "lesson.step"),
        ({"language": "<script>"}, "language"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_state_outside_its_bounds_is_refused_by_field(
    door: Door, change: dict[str, Any], field: str
) -> None:
    answer = door.post("/state", {**STATE, **change})
    assert answer.status_code == 422, answer.text
    problem = answer.json()["detail"][0]
    assert problem["field"].startswith(field) and problem["message"] and problem["accepted"]
    assert door.view()["version"] == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"player":{"u":NaN}}', b"[" * 9000])
def test_a_body_that_is_no_state_is_refused(door: Door, body: bytes) -> None:
    headers = {"X-Room-Key": door.key}
    answer = http.post(f"{door.url}/state", content=body, headers=headers)
    assert answer.status_code == 422 and answer.json()["detail"][0]["accepted"]


def test_a_state_that_is_too_large_is_refused_while_it_comes(serve: Serve) -> None:
    door = Door(serve(Toy(), room_state_bytes=2000))
    huge = {**STATE, "inputs": {"molecule": "C" * 3000}}
    assert door.post("/state", huge).status_code == 413
    assert door.post("/state", STATE).status_code == 200


def test_a_follower_gets_the_newest_state_and_the_run_from_its_beginning(serve: Serve) -> None:
    server = serve(Toy())
    door = Door(server)
    run = begin(server)
    own = all_events(f"{server.url}/api/runs/{run}/events")
    door.show(run, theme="projector", lesson={"id": "one", "step": 2})
    with Events(f"{door.url}/events") as stream:
        first = next(iter(stream))
        seen = run_events(stream, run)
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["cache-control"] == "no-store"
    assert first["event"] == "room" and first["id"] is None
    state = first["data"]["state"]
    assert (state["theme"], state["lesson"]) == ("projector", {"id": "one", "step": 2})
    assert state["panels"]["toy"] == {"run": run, "recorded": False, "sample": 0, "alone": False}
    inner = [{k: event["data"][k] for k in ("id", "event", "data")} for event in seen]
    assert inner == own  # the same events, byte for byte the same data
    ids = [event["id"] for event in seen]
    assert ids == sorted(set(ids))


def test_several_followers_get_identical_frames_while_the_run_goes_on(serve: Serve) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    door = Door(server)
    run = begin(server, steps=8)
    door.show(run)
    toy.net.permit(3)
    got: list[list[dict[str, Any]]] = []
    met = threading.Barrier(5)

    def follow() -> None:
        with Events(f"{door.url}/events") as stream:
            events = iter(stream)
            seen = [next(events), next(events)]  # the state, the run's start
            met.wait(30)
            got.append([seen[1], *run_events(stream, run)])

    followers = [threading.Thread(target=follow) for _ in range(4)]
    for follower in followers:
        follower.start()
    met.wait(30)
    assert door.view()["followers"] == 4
    toy.net.permit(20)
    for follower in followers:
        follower.join(30)
    assert len(got) == 4 and all(one == got[0] for one in got)
    assert [event["data"]["id"] for event in got[0]] == list(range(10))
    assert len(toy.net.batches) == 8  # one computation, however many follow


def test_a_reconnect_leaves_no_gap_and_brings_the_newest_state(serve: Serve) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    door = Door(server)
    run = begin(server, steps=8)
    door.show(run, player={"u": 0.1})
    toy.net.permit(3)
    seen: list[dict[str, Any]] = []
    with Events(f"{door.url}/events") as stream:
        for event in stream:
            if event["event"] == "run":
                seen.append(event)
            if len(seen) == 3:
                break
    toy.net.permit(2)  # computed while nobody listens
    door.show(run, player={"u": 0.9})
    with Events(f"{door.url}/events", last_event_id=seen[-1]["id"]) as stream:
        state = next(iter(stream))
        toy.net.permit(20)
        seen += run_events(stream, run)
    assert state["data"]["state"]["player"]["u"] == 0.9
    assert [event["data"]["id"] for event in seen] == list(range(10))


def test_a_quiet_room_is_kept_alive(serve: Serve) -> None:
    door = Door(serve(Toy(), ping_s=0.05))
    with http.stream("GET", f"{door.url}/events") as response:
        assert next(line for line in response.iter_lines() if line.startswith(":")) == ": ping"
    assert http.head(f"{door.url}/events").status_code in (200, 405)


@pytest.mark.parametrize("odd", ["-1", "abc", "999999999999", "1e3", "9" * 400])
def test_a_strange_last_event_id_means_from_the_beginning(serve: Serve, odd: str) -> None:
    server = serve(Toy())
    door = Door(server)
    run = begin(server)
    door.show(run)
    with http.stream("GET", f"{door.url}/events", headers={"Last-Event-ID": odd}) as response:
        lines = [line for line, _ in zip(response.iter_lines(), range(9), strict=False)]
    assert any('"id":0,"event":"start"' in line for line in lines)


def test_a_run_that_is_not_shown_any_more_is_forgotten(serve: Serve) -> None:
    server = serve(Toy())
    door = Door(server)
    first, second = begin(server), begin(server)
    door.show(first)
    with Events(f"{door.url}/events") as stream:
        run_events(stream, first)
    door.show(second)
    with Events(f"{door.url}/events") as stream:
        run_events(stream, second)
    inside = server.services.rooms._rooms[door.code]
    assert set(inside._runs) == {second}
    with Events(f"{door.url}/events") as stream:
        runs = {e["data"]["run"] for e, _ in zip(stream, range(6), strict=False) if e["id"]}
    assert runs == {second}
    # The room still has it when the server has forgotten the run itself.
    server.services.runs._runs.clear()
    assert door.show(second, player={"u": 1}).status_code == 200


def test_the_room_keeps_a_run_alive_that_its_presenter_has_left(serve: Serve) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy, grace_s=0)
    door = Door(server)
    run = begin(server)
    door.show(run)
    with Events(f"{server.url}/api/runs/{run}/events") as presenter:
        next(iter(presenter))
    toy.net.permit(20)
    with Events(f"{door.url}/events") as stream:
        assert run_events(stream, run)[-1]["data"]["event"] == "done"


def test_a_crowd_that_comes_at_once_does_not_overfill_a_room(serve: Serve) -> None:
    server = serve(Toy(), room_followers=2)
    door = Door(server)
    begin(server)
    host, port = server.url.removeprefix("http://").split(":")
    crowd = [socket.create_connection((host, int(port)), timeout=30) for _ in range(12)]
    while len(server.server.server_state.connections) < 12:
        pass
    # The event loop finds all of them at once when it comes back.
    loop, back = server.services.runs._loop, threading.Event()
    assert loop is not None
    loop.call_soon_threadsafe(back.wait, 30)
    for connection in crowd:
        head = f"GET /api/rooms/{door.code}/events HTTP/1.1\r\nHost: {host}\r\n\r\n"
        connection.sendall(head.encode())
    back.set()
    statuses = [connection.recv(12)[9:] for connection in crowd]
    assert sorted(statuses) == [b"200"] * 2 + [b"503"] * 10
    for connection in crowd:
        connection.close()
    while server.services.rooms._admitted or door.view()["followers"]:
        pass  # until the server has seen that they are gone


def test_what_a_room_shows_only_its_presenter_stops(serve: Serve) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    door, other = Door(server), Door(server)
    shown, alone = begin(server), begin(server)

    def stop(run: str, key: str = "") -> httpx.Response:
        return http.delete(f"{server.url}/api/runs/{run}", headers={"X-Room-Key": key})

    door.show(shown)
    other.show(shown)  # a follower knows the id, and may open a room too
    for key in ("", "x", other.key):
        refused = stop(shown, key)
        assert refused.status_code == 403
        assert refused.json()["detail"][0]["field"] == "X-Room-Key"
    assert http.get(f"{server.url}/api/runs/{shown}").json()["state"] != "cancelled"
    assert stop(alone).status_code == 204  # runs of nobody's room are as they were
    assert stop(shown, door.key).status_code == 204
    toy.net.permit(100)
    assert all_events(f"{server.url}/api/runs/{shown}/events")[-1]["data"]["state"] == "cancelled"


def test_a_run_that_is_shown_no_more_may_be_stopped_again(serve: Serve) -> None:
    server = serve(Toy())
    door = Door(server)
    run, next_run = begin(server), begin(server)
    url = f"{server.url}/api/runs"
    door.show(run)
    door.show(next_run)
    assert http.delete(f"{url}/{run}").status_code == 204
    assert http.delete(f"{url}/{next_run}").status_code == 403
    assert door.end().status_code == 204
    assert http.delete(f"{url}/{next_run}").status_code == 204


def test_ending_a_room_tells_its_followers_and_forgets_it(door: Door) -> None:
    door.show()
    with Events(f"{door.url}/events") as stream:
        events = iter(stream)
        assert next(events)["event"] == "room"
        assert door.end().status_code == 204
        assert next(events)["data"] == {"reason": "closed"}
        assert list(events) == []
    assert http.get(door.url).status_code == 404
    assert door.show().status_code == 404


def test_rooms_followers_and_openings_are_bounded(serve: Serve) -> None:
    server = serve(Toy(), max_rooms=2, room_followers=1, room_opens=3, room_opens_per_hour=1)
    door, second = Door(server), Door(server)
    full = http.post(f"{server.url}/api/rooms")
    assert full.status_code == 503 and int(full.headers["Retry-After"]) > 0
    with Events(f"{door.url}/events") as stream:
        next(iter(stream))
        crowded = http.get(f"{door.url}/events")
        assert crowded.status_code == 503 and int(crowded.headers["Retry-After"]) > 0
    second.end()
    Door(server).end()
    often = http.post(f"{server.url}/api/rooms")
    assert often.status_code == 429 and int(often.headers["Retry-After"]) > 60


def test_rooms_hold_a_bounded_number_of_bytes(serve: Serve) -> None:
    server = serve(Toy(), max_room_bytes=1000)
    door, other = Door(server), Door(server)
    first = begin(server)
    assert door.show(first).status_code == 200
    with Events(f"{door.url}/events") as stream:
        run_events(stream, first)
    second = begin(server)
    full = other.show(second)
    assert full.status_code == 503 and int(full.headers["Retry-After"]) > 0
    assert door.show(first, player={"u": 1}).status_code == 200  # what is shown may go on
    door.show()
    assert other.show(second).status_code == 200


def test_a_question_is_predicted_tallied_and_revealed(door: Door) -> None:
    asked = door.post("/poll", {"question": " Which? ", "options": ["this", "that"], "right": 1})
    assert asked.status_code == 201
    assert asked.json()["poll"] == 1 and asked.json()["tally"] == [0, 0]
    assert door.answer("a" * 16, 0).status_code == 204
    assert door.answer("b" * 16, 1).status_code == 204
    assert door.answer("a" * 16, 1).status_code == 204  # may be changed
    public = door.view()["poll"]
    assert public == {
        "question": "Which?", "options": ["this", "that"], "count": 2, "number": 1, "revealed": False,
    }  # fmt: skip
    heard = door.show().json()
    assert (heard["tally"], heard["right"]) == ([0, 2], 1)  # the presenter sees the counts
    assert door.post("/poll/reveal").status_code == 200
    public = door.view()["poll"]
    assert public["revealed"] and public["tally"] == [0, 2] and public["right"] == 1
    late = door.answer("c" * 16, 0)
    assert late.status_code == 409 and late.json()["detail"][0]["field"] == "poll"
    door.post("/poll", {"ready": "same_seed"})
    assert door.answer("c" * 16, 0, poll=1).status_code == 409
    assert door.answer("c" * 16, 2, poll=2).status_code == 204
    assert door.show().json()["tally"] == [0, 0, 1]
    assert http.delete(f"{door.url}/poll", headers={"X-Room-Key": door.key}).json()["poll"] is None
    assert door.view()["poll"] is None


def test_what_the_stage_measured_comes_with_the_reveal(door: Door) -> None:
    door.post("/poll", {"ready": "lesson_dye"})
    assert door.answer("a" * 16, 2).status_code == 204
    for wrong in ({"right": 3}, {"right": -1}, {"right": "1"}, {"wrong": 1}):
        refused = door.post("/poll/reveal", wrong)
        assert refused.status_code == 422, wrong
        assert not door.view()["poll"]["revealed"]
    assert door.post("/poll/reveal", {"right": 2}).json()["right"] == 2
    assert door.view()["poll"]["right"] == 2 and door.view()["poll"]["tally"] == [0, 0, 1]
    door.post("/poll", {"ready": "lesson_axis"})  # nothing was measured: revealed all the same
    door.post("/poll/reveal")
    assert door.view()["poll"]["revealed"] and door.view()["poll"]["right"] is None
    door.post("/poll", {"ready": "same_seed"})  # this one came with its answer
    assert door.post("/poll/reveal", {"right": 0}).status_code == 422
    assert door.post("/poll/reveal", {"right": READY["same_seed"][1]}).status_code == 200


def test_followers_hear_of_a_question_but_not_of_its_answers(door: Door) -> None:
    with Events(f"{door.url}/events") as stream:
        events = iter(stream)
        assert next(events)["data"]["poll"] is None
        door.post("/poll", {"ready": "molecule_first"})
        asked = next(events)["data"]["poll"]
        assert asked == {"ready": "molecule_first", "count": 2, "number": 1, "revealed": False}
        door.answer("a" * 16, 0)
        door.post("/poll/reveal")
        shown = next(events)["data"]["poll"]
        assert (shown["tally"], shown["right"]) == ([1, 0], READY["molecule_first"][1])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ready": "no_such"},
        {"ready": "same_seed", "right": 1},
        {"question": "?"},
        {"question": "?", "options": ["one"]},
        {"question": "?", "options": ["1", "2", "3", "4", "5"]},
        {"question": "", "options": ["a", "b"]},
        {"question": "x" * 201, "options": ["a", "b"]},
        {"question": "?", "options": ["a", "b" * 81]},
        {"question": "?", "options": ["a", "  "]},
        {"question": "?", "options": ["a", "b"], "right": 2},
    ],
)
def test_a_question_outside_its_bounds_is_refused(door: Door, body: dict[str, Any]) -> None:
    answer = door.post("/poll", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["accepted"]
    assert door.view()["poll"] is None


def test_answers_are_bounded_and_checked(serve: Serve) -> None:
    door = Door(serve(Toy(), room_followers=2))  # twice as many answers are taken
    door.post("/poll", {"ready": "same_seed"})
    for k in range(9):
        assert door.answer(f"follower-{k:08d}", 0).status_code == 204
    assert door.show().json()["tally"] == [4, 0, 0]
    assert door.answer("a" * 16, 3).status_code == 422  # three options
    assert door.answer("short", 0).status_code == 422
    assert door.answer("<script>" * 3, 0).status_code == 422
    missing = http.post(f"{door.url}/answers", json={"poll": 1, "option": 0})
    assert missing.status_code == 422


def test_shutting_down_ends_the_streams_of_rooms(serve: Serve) -> None:
    server = serve(Toy())
    door = Door(server)
    door.show()
    with Events(f"{door.url}/events") as stream:
        events = iter(stream)
        assert next(events)["event"] == "room"
        server.end()
        assert list(events) == []  # no "ended": whoever comes back may find the room elsewhere
