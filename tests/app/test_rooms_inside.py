"""Rooms without a network: time, order, coalescing, slow followers, token buckets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pytest

from app.metrics import Metrics
from app.room import ANNOUNCE_S, Change, Room
from app.room_response import RoomStream
from app.rooms import ALPHABET, Rooms, normal
from app.settings import Settings
from app.throttle import Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class NoRuns:
    def get(self, id: str) -> None:
        return None


def rooms(clock: Clock, **settings: Any) -> Rooms:
    return Rooms(NoRuns(), Settings(**settings), Metrics(), clock=clock)  # type: ignore[arg-type]


def state(u: float = 0.0, **panels: str) -> Change:
    shown = {name: {"run": run} for name, run in panels.items()}
    return Change("state", json.dumps({"panels": shown, "player": {"u": u}}).encode())


def block(index: int, event: str = "frame") -> bytes:
    return b'id: %d\nevent: %b\ndata: {"n":%d}\n\n' % (index, event.encode(), index)


def run(body: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await body

    asyncio.run(bounded())


def test_a_room_whose_presenter_is_silent_ends_and_followers_are_told() -> None:
    clock = Clock()

    async def body() -> None:
        all_rooms = rooms(clock, room_idle_s=60, room_max_s=1000)
        room, _ = await all_rooms.open()
        follower = all_rooms.follow(room)
        assert b"event: room" in await anext(follower)
        clock.now += 59
        await all_rooms.tell(room, state())  # a sign of life
        assert b'"u": 0.0' in await anext(follower)
        clock.now += 59
        assert await all_rooms.find(room.head.code) is room
        clock.now += 1
        await all_rooms.sweep()
        assert b'{"reason":"idle"}' in await anext(follower)
        assert [event async for event in follower] == []
        assert await all_rooms.find(room.head.code) is None
        all_rooms.stop()

    run(body())


def test_a_follower_s_question_keeps_no_room_alive() -> None:
    clock = Clock()

    async def body() -> None:
        all_rooms = rooms(clock, room_idle_s=60, room_max_s=1000)
        room, _ = await all_rooms.open()
        await all_rooms.tell(room, Change("poll", b'{"ready":"x","count":2,"right":0}'))
        clock.now += 59
        await all_rooms.tell(room, Change.of("answer", poll=1, follower="a", option=0))
        clock.now += 1
        assert await all_rooms.find(room.head.code) is None  # without waiting for the sweep
        all_rooms.stop()

    run(body())


def test_every_room_ends_some_day_and_makes_place() -> None:
    clock = Clock()

    async def body() -> None:
        all_rooms = rooms(clock, room_idle_s=60, room_max_s=100, max_rooms=1)
        room, _ = await all_rooms.open()
        for _ in range(3):
            clock.now += 40
            await all_rooms.tell(room, state())
        other, _ = await all_rooms.open()  # the first was over: no need to wait for anything
        assert room.ended == "expired"
        assert await all_rooms.find(other.head.code) is other
        all_rooms.stop()

    run(body())


def test_codes_are_normalised_and_nothing_else_is_a_code() -> None:
    assert normal(" abc-2 34 ") == "ABC234"
    for wrong in ("", "ABC23", "ABC2345", "ABC10O", "ABCDEI", "äbc234", "ABC23%", "\u0130BC234"):
        assert normal(wrong) == ""
    assert not set("01OI") & set(ALPHABET) and len(set(ALPHABET)) == 32


def test_a_fast_presenter_is_coalesced_and_the_last_word_arrives() -> None:
    async def body() -> None:
        all_rooms = rooms(Clock())
        room, _ = await all_rooms.open()
        follower = all_rooms.follow(room)
        await anext(follower)
        begun = asyncio.get_running_loop().time()
        heard = []

        async def listen() -> None:
            async for event in follower:
                heard.append(json.loads(event.split(b"data: ")[1])["version"])
                if heard[-1] == 100:
                    return

        listening = asyncio.create_task(listen())
        for k in range(100):
            await all_rooms.tell(room, state(k / 100))
            await asyncio.sleep(0)
        await listening
        seconds = asyncio.get_running_loop().time() - begun
        assert len(heard) <= 2 + seconds / ANNOUNCE_S
        all_rooms.stop()

    run(body())


def test_each_event_is_encoded_once_however_many_follow() -> None:
    async def body() -> None:
        all_rooms = rooms(Clock())
        room, _ = await all_rooms.open()
        await all_rooms.tell(room, state(0.5, toy="r"))
        await all_rooms.tell(room, Change("run", block(0), "r"))
        followers = [all_rooms.follow(room) for _ in range(20)]
        cells = [await anext(follower) for follower in followers]
        frames = [await anext(follower) for follower in followers]
        assert len({id(cell) for cell in cells}) == len({id(frame) for frame in frames}) == 1
        for follower in followers:
            await follower.aclose()
        all_rooms.stop()

    run(body())


def test_a_slow_follower_gets_the_newest_state_first_and_no_old_run() -> None:
    async def body() -> None:
        all_rooms = rooms(Clock())
        room, _ = await all_rooms.open()
        await all_rooms.tell(room, state(0.0, toy="old"))
        follower = all_rooms.follow(room)
        await anext(follower)  # and then it reads nothing for a while
        for k in range(50):
            await all_rooms.tell(room, Change("run", block(k), "old"))
            await all_rooms.tell(room, state(k / 100, toy="old"))
        await all_rooms.tell(room, state(0.99, toy="new"))
        await all_rooms.tell(room, Change("run", block(0, "start"), "new"))
        await asyncio.sleep(2 * ANNOUNCE_S)
        cell, event = await anext(follower), await anext(follower)
        assert b'"u": 0.99' in cell
        assert b'{"run":"new","id":0,"event":"start"' in event
        assert room.size < 200  # nothing is kept for it
        await follower.aclose()
        all_rooms.stop()

    run(body())


def test_a_follower_who_takes_nothing_is_let_go_and_closed() -> None:
    async def body() -> None:
        all_rooms = rooms(Clock())
        room, _ = await all_rooms.open()
        stuck = asyncio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                stuck.set()
                await asyncio.Event().wait()  # a socket that stays full

        async def receive() -> Any:
            await asyncio.Event().wait()  # it does not leave by itself either

        stream = RoomStream(all_rooms.follow(room), ping_s=60, send_s=0.01)
        answering = asyncio.create_task(stream({"type": "http", "method": "GET"}, receive, send))
        await stuck.wait()
        assert room.followers == 1
        await answering
        while room.followers:
            await asyncio.sleep(0)
        all_rooms.stop()

    run(body())


def test_an_error_in_a_stream_is_not_swallowed() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b"one"
        raise RuntimeError("broken")

    async def body() -> None:
        async def send(message: Any) -> None:
            pass

        async def receive() -> Any:
            await asyncio.Event().wait()

        with pytest.raises(RuntimeError, match="broken"):
            await RoomStream(broken(), 60, 60)({"type": "http", "method": "GET"}, receive, send)

    run(body())


def test_presence_is_the_sum_of_all_processes() -> None:
    async def body() -> None:
        room = Room((await rooms(Clock()).open())[0].head, 0, 10)
        for process, followers in (("a", 3), ("b", 2), ("a", 1)):
            room.apply(0, Change.of("present", process=process, followers=followers))
        assert room.followers == 3

    run(body())


def test_leaving_is_counted_also_when_the_stream_is_cut() -> None:
    async def body() -> None:
        all_rooms = rooms(Clock())
        room, _ = await all_rooms.open()

        async def follow() -> None:
            async for _ in all_rooms.follow(room):
                pass

        tasks = [asyncio.create_task(follow()) for _ in range(3)]
        while room.followers < 3:
            await asyncio.sleep(0)
        tasks[0].cancel()
        while room.followers != 2:
            await asyncio.sleep(0)
        all_rooms.stop()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(body())


def test_after_the_end_nothing_changes_any_more() -> None:
    async def body() -> None:
        all_rooms = rooms(Clock())
        room, _ = await all_rooms.open()
        await all_rooms.end(room, "closed")
        version = room.version
        room.apply(99, state(0.5))
        room.apply(100, Change("end", b'{"reason":"idle"}'))
        assert (room.version, room.ended) == (version, "closed")
        all_rooms.stop()

    run(body())


def test_a_bucket_empties_fills_again_and_is_the_client_s_own() -> None:
    clock = Clock()
    buckets = Buckets(3, 0.5, clock)
    for _ in range(3):
        assert buckets.wait_s("a") == 0
        buckets.take("a")
    assert buckets.wait_s("a") == 2
    assert buckets.wait_s("b") == 0
    clock.now += 1.9
    assert buckets.wait_s("a") == 1
    clock.now += 0.1
    assert buckets.wait_s("a") == 0
    clock.now += 1e6
    for _ in range(3):
        buckets.take("a")
    assert buckets.wait_s("a") > 0  # never more than the burst


def test_buckets_remember_a_bounded_number_of_clients() -> None:
    buckets = Buckets(1, 0.001, Clock(), most=100)
    for k in range(10_000):
        buckets.take(f"client {k}")
    assert len(buckets._left) == 100
    assert buckets.wait_s("client 9999") > 0


@pytest.mark.parametrize("field", ["key_hash"])
def test_the_presenter_s_key_itself_is_not_kept(field: str) -> None:
    async def body() -> None:
        room, key = await rooms(Clock()).open()
        assert room.head.opens_with(key)
        assert not room.head.opens_with(key[:-1]) and not room.head.opens_with("")
        assert key.encode() not in getattr(room.head, field)

    run(body())
