"""One room as one process knows it: a presenter's stage that a class follows.

A room is a *cell* (the newest state and poll, one JSON) and a *log* (the events of the runs it shows,
encoded once for everybody). A follower is a position in the log and the version of the cell it has
seen: nothing is queued for it, so a slow one costs nothing and gets the newest cell at once.
"""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal

from app import wire
from app.room_polls import Poll

ANNOUNCE_S = 0.1  # followers hear of a new cell at most this often
Ended = Literal["closed", "idle", "expired"]


def key_hash(key: str) -> bytes:
    """What is kept of a presenter's key. It is random and long, so one plain hash is enough."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True)
class Head:
    """What never changes about a room."""

    code: str
    key_hash: bytes
    pass_: str  # handed to everybody who has found the room
    opened: float  # seconds of the wall clock

    def opens_with(self, key: str) -> bool:
        """Whether ``key`` is the presenter's, compared in constant time."""
        return hmac.compare_digest(key_hash(key), self.key_hash)

    def admits(self, pass_: str) -> bool:
        return hmac.compare_digest(pass_.encode(), self.pass_.encode())


@dataclass(frozen=True)
class Change:
    """One thing that happened to a room. ``data`` is JSON, but for "run" the event's own bytes.

    state: {"panels": .., ..}; poll: what was asked; reveal: {"right"}; clear: {}; answer: {"poll",
    "follower", "option"}; run: a block of the log of the run named ``run``; present: {"process",
    "followers"}; end: {"reason"}.
    """

    kind: Literal["state", "poll", "reveal", "clear", "answer", "run", "present", "end"]
    data: bytes = b"{}"
    run: str = ""

    @classmethod
    def of(cls, kind: Literal["answer", "present", "reveal", "end"], **data: object) -> Change:
        return cls(kind, json.dumps(data).encode())


class Room:
    """Lives in the event loop. Only :meth:`apply` changes what followers see."""

    def __init__(self, head: Head, now: float, max_answers: int) -> None:
        self.head = head
        self.opened = self.touched = now  # touched: by the presenter
        self.state = b"null"
        self.poll: Poll | None = None
        self.version = 0
        self.ended: Ended | None = None
        self.stopped = False  # this process goes, the room may live on in another
        self.present: dict[str, int] = {}  # followers by process
        self.size = 0  # bytes of the log
        self._max_answers = max_answers
        self._polls = 0
        # The log: ids, blocks and runs of its entries, side by side, ids growing.
        self._ids: list[int] = []
        self._blocks: list[bytes] = []
        self._runs: list[str] = []
        self._cell = (-1, b"")
        self._said = 0  # the version that followers are told of
        self._said_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def followers(self) -> int:
        return sum(self.present.values())

    def shown(self) -> dict[str, Any] | None:
        """The presenter's newest state, None before the first."""
        shown: dict[str, Any] | None = json.loads(self.state)
        return shown

    def carries(self, run: str) -> bool:
        """Whether the log holds events of the run."""
        return run in self._runs

    def apply(self, id: int, change: Change) -> None:
        """Makes a change. ``id`` is its place among all changes of the room."""
        if self.ended:
            return
        if change.kind == "run":
            self._ids.append(id)
            self._blocks.append(wire.room_event(id, change.run, change.data))
            self._runs.append(change.run)
            self.size += len(self._blocks[-1])
            self._wake()
            return
        data = json.loads(change.data)
        if change.kind == "present":
            self.present[data["process"]] = data["followers"]
            return
        if change.kind == "answer":
            if self.poll and self.poll.number == data["poll"]:
                self.poll.answer(data["follower"], data["option"], self._max_answers)
            return
        if change.kind == "state":
            self.state = change.data
            self._keep({panel["run"] for panel in data["panels"].values()})
        elif change.kind == "poll":
            self._polls += 1
            self.poll = Poll(self._polls, data)
        elif change.kind == "reveal":
            if self.poll:
                self.poll.reveal(data.get("right"))
        elif change.kind == "clear":
            self.poll = None
        elif change.kind == "end":
            self.ended = data["reason"]
        self._changed()

    def cell(self) -> bytes:
        """The newest state and poll as one event, encoded once per version. It has no id: a follower
        who comes back gets it anyway."""
        if self._cell[0] != self.version:
            poll = json.dumps(self.poll and self.poll.public(), separators=(",", ":")).encode()
            data = b'{"version":%d,"state":%b,"poll":%b}' % (self.version, self.state, poll)
            block = b"retry: %d\nevent: room\ndata: %b\n\n" % (wire.RETRY_MS, data)
            self._cell = (self.version, block)
        return self._cell[1]

    async def follow(self, after: int = 0) -> AsyncGenerator[bytes]:
        """The newest cell, then the log's events with ids above ``after``; then both as they come,
        until the room has ended."""
        position = after if self._ids and after <= self._ids[-1] else 0
        told = -1
        while not self.stopped:
            if self.ended:
                yield b'event: ended\ndata: {"reason":"%b"}\n\n' % self.ended.encode()
                return
            if told < self._said:
                told = self.version
                yield self.cell()
                continue
            entry = bisect.bisect_right(self._ids, position)
            if entry < len(self._ids):
                position = self._ids[entry]
                yield self._blocks[entry]
                continue
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def stop(self) -> None:
        """Ends this process's streams without a word: whoever comes back asks another process."""
        self.stopped = True
        self._wake()

    def _keep(self, runs: set[str | None]) -> None:
        """Drops the events of every run that no panel shows any more."""
        if runs.issuperset(self._runs):
            return
        entries = zip(self._ids, self._blocks, self._runs, strict=True)
        kept = [entry for entry in entries if entry[2] in runs]
        self._ids = [id for id, _, _ in kept]
        self._blocks = [block for _, block, _ in kept]
        self._runs = [run for _, _, run in kept]
        self.size = sum(map(len, self._blocks))

    def _changed(self) -> None:
        """A new cell. However fast a presenter speaks, followers hear the newest every 0.1 s."""
        self.version += 1
        loop = asyncio.get_running_loop()
        wait = self._said_at + ANNOUNCE_S - loop.time()
        if self.ended or wait <= 0:
            self._say()
        elif self._timer is None:
            self._timer = loop.call_later(wait, self._say)

    def _say(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        self._said_at = asyncio.get_running_loop().time()
        self._said = self.version
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
