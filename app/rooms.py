"""All rooms: opening, finding and ending them, and bringing the events of runs into them."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import cast

from app.admission import Busy
from app.metrics import Metrics
from app.room import Change, Ended, Head, Room, key_hash
from app.room_store import LocalStore, Store
from app.runs import Run, Runs
from app.settings import Settings

log = logging.getLogger(__name__)

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no 0 and O, no 1 and I: it is read from a wall
CODE_LENGTH = 6  # 10^9 codes
SWEEP_S = 5.0


class Rooms:
    """A room ends when its presenter says so, was silent for ``room_idle_s``, or after ``room_max_s``.
    ``clock`` counts seconds. Lives in the event loop."""

    def __init__(
        self,
        runs: Runs,
        settings: Settings,
        metrics: Metrics,
        store: Store | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._runs = runs
        self._settings = settings
        self._metrics = metrics
        self._store = store or LocalStore()
        self._shared = store is not None
        self._rooms: dict[str, Room] = {}
        self._local: dict[str, int] = {}  # followers in this process, by code
        self._admitted: Counter[str] = Counter()  # the same, from before their streams begin
        self._showing: dict[str, Room] = {}  # by run: the room that showed it first
        self._pumps: dict[tuple[str, str], asyncio.Task[None]] = {}  # by code and run
        self._process = secrets.token_urlsafe(6)
        self._sweeper: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> tuple[Room, str]:
        """-> the room and its presenter's key, of which only the hash is kept. Raises Busy."""
        await self.sweep()
        if len(self._rooms) >= self._settings.max_rooms:
            raise Busy(503, "rooms", "every room is taken", 60, {})
        key = secrets.token_urlsafe(32)
        while True:
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            head = Head(code, key_hash(key), secrets.token_urlsafe(9), time.time())
            if await self._store.reserve(head):
                break
        room = await self._enter(head)
        log.info("a room was opened, %d are open", len(self._rooms))
        return room, key

    async def find(self, code: str) -> Room | None:
        """The room; None for a code that is unknown, malformed or has expired, all alike."""
        code = normal(code)
        room = self._rooms.get(code)
        if room is None and len(code) == CODE_LENGTH:
            head = await self._store.find(code)
            room = await self._enter(head) if head else None
        if room and (reason := self._over(room)):
            await self.end(room, reason)
            return None
        return room

    async def tell(self, room: Room, change: Change) -> None:
        """Makes a change to the room, everywhere."""
        await self._store.append(room.head.code, change)

    async def end(self, room: Room, reason: Ended) -> None:
        """Every follower is told; the code is unknown from now on."""
        await self.tell(room, Change.of("end", reason=reason))
        await self._store.release(room.head.code)

    @contextmanager
    def admit(self, room: Room) -> Iterator[None]:
        """Keeps a follower's place. Raises Busy when the room has none left."""
        code = room.head.code
        # Everybody hears of a follower once the stream has begun; many may come before that.
        if max(room.followers, self._admitted[code]) >= self._settings.room_followers:
            raise Busy(503, "followers", "the room is full", 10, {})
        self._admitted[code] += 1
        try:
            yield
        finally:
            self._admitted[code] -= 1
            if not self._admitted[code]:
                del self._admitted[code]

    async def follow(self, room: Room, after: int = 0) -> AsyncGenerator[bytes]:
        """:meth:`Room.follow` for a follower, who is counted."""
        self._metrics.room_followers.inc()
        await self._present(room, 1)
        try:
            async with aclosing(room.follow(after)) as blocks:
                async for block in blocks:
                    yield block
        finally:
            self._metrics.room_followers.dec()
            # A stream that is being cancelled cannot wait for the store.
            task = asyncio.get_running_loop().create_task(self._present(room, -1))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def can_show(self, room: Room, run: str) -> bool:
        """Whether the presenter may show this run: it is here, the room has it already, or another
        process that shares the rooms may have it. Raises Busy when the rooms hold too many bytes for
        another run."""
        if room.carries(run):
            return True
        if sum(other.size for other in self._rooms.values()) >= self._settings.max_room_bytes:
            raise Busy(503, "memory", "the rooms' memory for runs is full", 10, {})
        return self._shared or self._runs.get(run) is not None

    def may_stop(self, run: str, key: str) -> bool:
        """Whether who holds ``key`` may stop a run: everybody who follows a room learns the ids of the
        runs that it shows, and only its presenter shall stop those."""
        room = self._showing.get(run)
        return room is None or room.head.opens_with(key)

    def seconds_left(self, room: Room) -> float:
        return self._settings.room_max_s - (self.clock() - room.opened)

    async def sweep(self) -> None:
        """Ends the rooms whose time is over."""
        for room in list(self._rooms.values()):
            if reason := self._over(room):
                await self.end(room, reason)

    def stop(self) -> None:
        """For the shutdown: every stream ends at once."""
        if self._sweeper:
            self._sweeper.cancel()
        for pump in self._pumps.values():
            pump.cancel()
        for room in self._rooms.values():
            room.stop()

    def _over(self, room: Room) -> Ended | None:
        now = self.clock()
        if now - room.opened >= self._settings.room_max_s:
            return "expired"
        return "idle" if now - room.touched >= self._settings.room_idle_s else None

    async def _enter(self, head: Head) -> Room:
        """This process takes part in the room from here on."""
        code = head.code
        if code in self._rooms:
            return self._rooms[code]
        room = self._rooms[code] = Room(head, self.clock(), 2 * self._settings.room_followers)

        def apply(id: int, change: Change) -> None:
            room.apply(id, change)
            if change.kind == "state":
                room.touched = self.clock()
                panels = json.loads(change.data)["panels"].values()
                self._show(room, {panel["run"] for panel in panels if panel["run"]})
            elif change.kind == "end":
                self._leave(room)

        await self._store.subscribe(code, apply)
        self._metrics.rooms.set(len(self._rooms))
        if self._sweeper is None:
            self._sweep_later()
        return room

    def _leave(self, room: Room) -> None:
        self._show(room, set())
        self._rooms.pop(room.head.code, None)
        self._local.pop(room.head.code, None)
        self._metrics.rooms.set(len(self._rooms))
        log.info("a room ended: %s, %d are open", room.ended, len(self._rooms))

    def _show(self, room: Room, runs: set[str]) -> None:
        """The room shows these runs and no others."""
        for run in [run for run, shown in self._showing.items() if shown is room]:
            if run not in runs:
                del self._showing[run]
        for run in runs:
            self._showing.setdefault(run, room)
        self._attach(room, runs)

    def _attach(self, room: Room, runs: set[str]) -> None:
        """Follows the room's runs that are computed here, and no others."""
        code = room.head.code
        for (other, run), pump in list(self._pumps.items()):
            if other == code and run not in runs:
                pump.cancel()
                del self._pumps[other, run]
        for run in runs:
            here = self._runs.get(run)
            if here and not room.carries(run) and (code, run) not in self._pumps:
                pump = asyncio.get_running_loop().create_task(self._pump(code, here))
                self._pumps[code, run] = pump
                pump.add_done_callback(partial(self._pumped, (code, run)))

    def _pumped(self, key: tuple[str, str], pump: asyncio.Task[None]) -> None:
        if self._pumps.get(key) is pump:
            del self._pumps[key]

    async def _pump(self, code: str, run: Run) -> None:
        """Brings a run's events into the room; to the run it is one more viewer."""
        async with aclosing(cast(AsyncGenerator[bytes], self._runs.watch(run))) as blocks:
            async for block in blocks:
                await self._store.append(code, Change("run", block, run.id))

    async def _present(self, room: Room, more: int) -> None:
        code = room.head.code
        if room.ended:
            return
        self._local[code] = self._local.get(code, 0) + more
        await self.tell(
            room, Change.of("present", process=self._process, followers=self._local[code])
        )

    def _sweep_later(self) -> None:
        def sweep() -> None:
            task = asyncio.get_running_loop().create_task(self.sweep())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._sweep_later()

        if not self._rooms:
            self._sweeper = None
            return
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, sweep)


def normal(code: str) -> str:
    """A code as somebody typed it -> as it is kept; "" if it cannot be one."""
    code = "".join(code.split()).replace("-", "").upper()
    return code if len(code) == CODE_LENGTH and not set(code) - set(ALPHABET) else ""
