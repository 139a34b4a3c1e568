"""The front's side of a cluster with a replica that is played: what it does when streams break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx
import pytest
from live import all_events, live
from toy import Toy

pytest.importorskip("ray", reason="the extra [scale] is not installed")
pytest.importorskip("redis", reason="the extra [scale] is not installed")

from ray.exceptions import ActorDiedError
from redis.asyncio import Redis

from app.admission import Busy
from app.cluster.relay import Cluster
from app.cluster.room_stream import RedisStore
from app.room import Head

FRAMES = [("frame", b'{"step":%d}' % step) for step in range(6)]
DONE = ("done", b'{"timings":{"forward_s":1.5,"outside_forward_s":0.5}}')
DEAD = ActorDiedError()
Said = list[tuple[str, bytes] | Exception]


class Played:
    """A deployment handle whose n-th stream says what ``script[n]`` lists."""

    def __init__(self, *script: Said) -> None:
        self.script = list(script)
        self.asked: list[tuple[Any, ...]] = []
        self.compute = self

    def options(self, stream: bool) -> Self:
        return self

    def remote(self, *arguments: Any) -> Stream:
        self.asked.append(arguments)
        return Stream(self.script[len(self.asked) - 1])


class Stream:
    def __init__(self, said: Said) -> None:
        self.said = said

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        for one in self.said:
            if isinstance(one, Exception):
                raise one
            yield one

    def cancel(self) -> None:
        pass


@pytest.fixture
def play() -> Any:
    """A run through a played handle -> its events."""
    servers = []

    def run(handle: Played) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        server = live({"toy": Toy()}, engine=Cluster(handle, runs=4, attempts=3))
        servers.append(server)
        body = {"pipeline": "toy", "input": {}, "settings": {"seed": 5}}
        answer = httpx.post(f"{server.url}/api/runs", json=body).json()
        events = all_events(f"{server.url}{answer['events']}")
        state = httpx.get(f"{server.url}/api/runs/{answer['id']}").json()
        return events, state

    yield run
    for server in servers:
        server.end()


Play = Callable[[Played], tuple[list[dict[str, Any]], dict[str, Any]]]


def test_frames_that_were_seen_are_not_sent_again(play: Play) -> None:
    queued = ("queued", b'{"place":2,"wait_s":1.0}')
    handle = Played([queued, *FRAMES[:2], DEAD], [DEAD], [queued, *FRAMES[:1], *FRAMES[1:], DONE])
    events, state = play(handle)
    numbered = [
        event for event in events if event["id"] is not None
    ]  # a place in the queue has no id
    assert [event["event"] for event in numbered] == ["start", *["frame"] * 6, "done"]
    assert [event["id"] for event in numbered] == list(range(8))
    assert [event["data"]["step"] for event in numbered[1:-1]] == list(range(6))
    assert handle.asked[0] == handle.asked[2], "the same run, the same seed"
    assert handle.asked[0][2].seed == 5
    assert state["state"] == "done"
    assert state["timings"]["forward_s"] == 1.5


def test_a_run_that_takes_every_replica_down_fails(play: Play) -> None:
    handle = Played([*FRAMES[:1], DEAD], [DEAD], [DEAD], [*FRAMES, DONE])
    events, state = play(handle)
    assert len(handle.asked) == 3
    assert state["state"] == "failed"
    assert events[-1]["event"] == "error"


def test_a_stream_without_an_end_is_asked_for_again(play: Play) -> None:
    events, state = play(Played(FRAMES[:3], [*FRAMES, DONE]))
    assert state["state"] == "done"
    assert [event["id"] for event in events] == list(range(8))


def test_what_a_replica_refuses_fails_at_once(play: Play) -> None:
    said = json.dumps({"message": "the computation failed", "state": "failed"}).encode()
    handle = Played([("error", said)], [*FRAMES, DONE])
    events, state = play(handle)
    assert len(handle.asked) == 1
    assert (state["state"], events[-1]["event"]) == ("failed", "error")


def test_rooms_without_redis_are_busy(tmp_path: Any) -> None:
    async def reserve() -> None:
        store = RedisStore(Redis(unix_socket_path=str(tmp_path / "nobody")), keep_s=60)
        await store.reserve(Head("ABCDEF", b"", "pass", 0.0))

    # A thread of its own: this one may have a loop that a browser's driver left running.
    with ThreadPoolExecutor(1) as thread, pytest.raises(Busy) as refusal:
        thread.submit(asyncio.run, reserve()).result()
    assert refusal.value.status == 503
