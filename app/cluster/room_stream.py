"""Rooms that several fronts share: a :class:`app.room_store.Store` on Redis Streams.

A room has two streams, its small changes and the events of its runs, because they are bounded
differently. One counter gives the ids of both, so their order is one and a Last-Event-ID means the same
at every front.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.admission import Busy
from app.room import Change, Head
from app.room_store import Apply

log = logging.getLogger(__name__)

PREFIX = "twofold:room:"
CHANGES_KEPT = 5000  # of a room; states and polls replace each other, so the newest matter
RUN_EVENTS_KEPT = 1000  # two panels of a hundred frames per stage, and reserve
LEFT_S = 60  # what is left of a room that has ended, so that every front reads how
PAUSE_S = 0.5  # before Redis is tried again
APPLY_S = 5.0  # a change that this front has not read back after this was lost with Redis

# Counting and appending are one step: otherwise a later id could stand before an earlier one.
APPEND = """
local id = redis.call('INCR', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], id .. '-0', 'kind', ARGV[2], 'run', ARGV[3],
           'data', ARGV[4])
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[5]) end
return id
"""


class _Reading:
    """One room as this front reads it: who is told, how far, and who waits for it."""

    def __init__(self, keys: list[str], apply: Apply) -> None:
        self.positions: dict[Any, Any] = dict.fromkeys(keys, "0-0")
        self.apply = apply
        self.last = 0
        self.ended = False
        self.moved = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def take(self, answer: Any) -> None:
        """Applies what one XREAD has brought, both streams in the order of their ids."""
        entries = []
        for key, read in answer or ():
            self.positions[key.decode()] = read[-1][0].decode()
            entries += [(int(id.partition(b"-")[0]), values) for id, values in read]
        for id, values in sorted(entries, key=lambda entry: entry[0]):
            change = Change(values[b"kind"].decode(), values[b"data"], values[b"run"].decode())
            self.last = id
            self.apply(id, change)
            self.ended = self.ended or change.kind == "end"
        self.moved.set()
        self.moved = asyncio.Event()


class RedisStore:
    """See the module docstring. ``keep_s``: rooms are forgotten after, whatever happens. Every call
    raises Busy when Redis does not answer."""

    def __init__(self, redis: Redis, keep_s: float) -> None:
        self._redis = redis
        self._keep_s = int(keep_s) + LEFT_S
        self._heads: dict[str, Head] = {}
        self._readings: dict[str, _Reading] = {}

    async def reserve(self, head: Head) -> bool:
        value = json.dumps({**asdict(head), "key_hash": head.key_hash.hex()})
        async with _answering():
            taken = await self._redis.set(_head(head.code), value, nx=True, ex=self._keep_s)
        if taken:
            self._heads[head.code] = head
        return bool(taken)

    async def find(self, code: str) -> Head | None:
        async with _answering():
            value = await self._redis.get(_head(code))
        if value is None:
            return None
        said = json.loads(value)
        head = Head(**{**said, "key_hash": bytes.fromhex(said["key_hash"])})
        self._heads[code] = head
        return head

    async def append(self, code: str, change: Change) -> None:
        """Returns when this front's own subscriber has applied the change."""
        head = self._heads.get(code)
        if head is None:
            return  # the room has ended
        counter, changes, events = _keys(head)
        stream, kept = (
            (events, RUN_EVENTS_KEPT) if change.kind == "run" else (changes, CHANGES_KEPT)
        )
        async with _answering():
            id = await cast(
                Awaitable[int],
                self._redis.eval(
                    APPEND, 2, counter, stream, kept, change.kind, change.run, change.data,
                    self._keep_s,
                ),
            )  # fmt: skip
            async with asyncio.timeout(APPLY_S):
                reading = self._readings.get(code)
                while reading is not None and reading.last < id and not reading.ended:
                    await reading.moved.wait()

    async def subscribe(self, code: str, apply: Apply) -> None:
        head = self._heads[code]
        reading = _Reading(list(_keys(head)[1:]), apply)
        async with _answering():
            reading.take(await self._redis.xread(reading.positions))
        self._readings[code] = reading
        reading.task = asyncio.get_running_loop().create_task(self._read(code, reading))

    async def release(self, code: str) -> None:
        head = self._heads.get(code)
        async with _answering():
            await self._redis.delete(_head(code))
            for key in _keys(head) if head else ():
                await self._redis.expire(key, LEFT_S)

    async def _read(self, code: str, reading: _Reading) -> None:
        """Reads until the room has ended; a lost connection is taken up where it broke off."""
        while not reading.ended:
            try:
                reading.take(await self._redis.xread(reading.positions, block=0))
            except (RedisError, OSError) as error:
                log.warning("reading a room again in a moment (%s)", type(error).__name__)
                await asyncio.sleep(PAUSE_S)
        self._readings.pop(code, None)
        self._heads.pop(code, None)


def _head(code: str) -> str:
    return f"{PREFIX}{code}"


def _keys(head: Head) -> tuple[str, str, str]:
    """Counter, changes, run events. A code may be used again, a pass is not."""
    room = f"{PREFIX}{head.code}:{head.pass_}"
    return f"{room}:count", f"{room}:changes", f"{room}:runs"


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        log.error("the rooms' Redis does not answer (%s)", type(error).__name__)
        raise Busy(503, "rooms", "rooms cannot be reached at the moment", 5, {}) from error
