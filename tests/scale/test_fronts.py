"""Two front processes and a real Redis: a presenter at one, a class at the other."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("redis", reason="the extra [scale] is not installed")

from gated import FOLDER, Gate

STEPS = 10
FRONT = Path(__file__).parent / "front.py"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("there is no redis-server on this machine (Debian's package redis-server)")
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    command = [server, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert any("ready to accept connections" in line.lower() for line in process.stdout)
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def fronts(redis_url: str, gate: Gate) -> Iterator[list[str]]:
    """Addresses of two fronts."""
    env = {
        **os.environ,
        FOLDER: str(gate.folder),
        "TWOFOLD_SCALE_REDIS": redis_url,
        "TWOFOLD_PORT": "0",
        "TWOFOLD_THREADS": "1",
    }
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, str(FRONT)], env=env, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        urls = []
        for process in processes:
            assert process.stdout is not None
            ready = next(line for line in process.stdout if "is ready at" in line)
            urls.append(ready.rpartition(" ")[2].strip())
        yield urls


class Follower:
    """Reads a room's stream, from an id on if there is one."""

    def __init__(self, url: str, after: str | None = None) -> None:
        self._client = httpx.Client(timeout=60)
        headers = {} if after is None else {"Last-Event-ID": after}
        self._context = self._client.stream("GET", url, headers=headers)
        self._lines = self._context.__enter__().iter_lines()
        self.last_id = after

    def next(self) -> tuple[str, Any]:
        """-> (event, data)"""
        said: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                said[name] = value
            elif "event" in said:
                self.last_id = said.get("id", self.last_id)
                return said["event"], json.loads(said["data"])
            else:
                said = {}
        raise AssertionError("the stream has ended")

    def until(self, wanted: str) -> Any:
        """The data of the next event of that name."""
        while True:
            event, data = self.next()
            if event == wanted:
                return data

    def close(self) -> None:
        self._context.__exit__(None, None, None)
        self._client.close()


def present(front: str, room: dict[str, Any], run: str | None, u: float) -> dict[str, Any]:
    state = {"panels": {"toy": {"run": run}}, "player": {"u": u}}
    answer = httpx.post(
        f"{front}/api/rooms/{room['code']}/state", json=state, headers={"X-Room-Key": room["key"]}
    )
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def start(front: str, seed: int) -> str:
    settings = {"seed": seed, "steps": STEPS}
    body = {"pipeline": "toy", "input": {}, "settings": settings}
    answer = httpx.post(f"{front}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def test_a_class_follows_at_another_front_without_a_gap(fronts: list[str], gate: Gate) -> None:
    here, there = fronts
    gate.permit(0)
    room = httpx.post(f"{here}/api/rooms").json()
    events = httpx.get(f"{there}/api/rooms/{room['code']}").json()["events"]
    follower = Follower(f"{there}{events}")
    follower.until("room")

    run = start(here, seed=3)
    present(here, room, run, u=0.25)
    shown = follower.until("room")
    while shown["state"] is None:  # the room as it was before
        shown = follower.until("room")
    assert shown["state"]["panels"]["toy"]["run"] == run
    gate.permit(4)
    seen = [follower.until("run") for _ in range(5)]  # start and 4 frames
    last = follower.last_id
    follower.close()

    # While nobody follows there, the run goes on. The way back leads to the other front.
    gate.permit(STEPS)
    back = Follower(f"{here}{events}", after=last)
    while seen[-1]["event"] != "done":
        seen.append(back.until("run"))
    back.close()
    assert {event["run"] for event in seen} == {run}
    assert [event["id"] for event in seen] == list(range(STEPS + 2))
    assert [event["data"]["step"] for event in seen[1:-1]] == list(range(STEPS))

    # Somebody who comes late, to the front that does not compute the run, gets all of it.
    late = Follower(f"{there}{events}")
    again = [late.until("run")]
    while again[-1]["event"] != "done":
        again.append(late.until("run"))
    late.close()
    assert again == seen


def test_followers_and_answers_of_both_fronts_are_counted(fronts: list[str], gate: Gate) -> None:
    here, there = fronts
    gate.permit(STEPS)
    room = httpx.post(f"{here}/api/rooms").json()
    code, key = room["code"], {"X-Room-Key": room["key"]}
    links = httpx.get(f"{there}/api/rooms/{code}").json()
    followers = [Follower(f"{front}{links['events']}") for front in fronts]
    for follower in followers:
        follower.until("room")
    poll = {"question": "Which comes first?", "options": ["the whole", "the parts"], "right": 0}
    asked = httpx.post(f"{there}/api/rooms/{code}/poll", json=poll, headers=key)
    assert asked.status_code == 201, asked.text
    for follower in followers:  # the question has come to both
        while follower.until("room")["poll"] is None:
            pass
    for number, front in enumerate(fronts):
        answer = httpx.post(
            f"{front}{links['answers']}",
            json={"poll": 1, "option": number},
            headers={"X-Follower": f"follower-{number:08d}"},
        )
        assert answer.status_code == 204, answer.text
    said = present(here, room, None, u=0)
    assert said["followers"] == 2
    assert said["tally"] == [1, 1]
    for follower in followers:
        follower.close()


def test_a_room_ends_at_every_front(fronts: list[str]) -> None:
    here, there = fronts
    room = httpx.post(f"{here}/api/rooms").json()
    code = room["code"]
    follower = Follower(f"{there}{httpx.get(f'{there}/api/rooms/{code}').json()['events']}")
    follower.until("room")
    ended = httpx.delete(f"{here}/api/rooms/{code}", headers={"X-Room-Key": room["key"]})
    assert ended.status_code == 204
    assert follower.until("ended") == {"reason": "closed"}
    follower.close()
    assert all(httpx.get(f"{front}/api/rooms/{code}").status_code == 404 for front in fronts)
