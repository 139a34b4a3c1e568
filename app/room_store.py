"""Where rooms are kept: a store puts the changes of a room in one order and hands them to every process
that has the room open. One process needs :class:`LocalStore`; several share one behind the same calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.room import Change, Head

Apply = Callable[[int, Change], None]


class Store(Protocol):
    """A room's changes, by its code. Nothing here knows what a change means."""

    async def reserve(self, head: Head) -> bool:
        """Takes ``head.code``; False if it is taken."""

    async def find(self, code: str) -> Head | None:
        """The room's head, None once it was released."""

    async def append(self, code: str, change: Change) -> None:
        """Gives the change its id and hands it to everybody who subscribed."""

    async def subscribe(self, code: str, apply: Apply) -> None:
        """Calls ``apply(id, change)`` in the event loop for every change that still matters, in order,
        then for each new one until the room is released. Ids grow and are the same in every process."""

    async def release(self, code: str) -> None:
        """The room has ended: its code is unknown from now on."""


class LocalStore:
    """The rooms of one process: a change is applied where it happens, before ``append`` returns."""

    def __init__(self) -> None:
        self._heads: dict[str, Head] = {}
        self._apply: dict[str, Apply] = {}
        self._last = 0

    async def reserve(self, head: Head) -> bool:
        return self._heads.setdefault(head.code, head) is head

    async def find(self, code: str) -> Head | None:
        return self._heads.get(code)

    async def append(self, code: str, change: Change) -> None:
        if apply := self._apply.get(code):
            self._last += 1
            apply(self._last, change)

    async def subscribe(self, code: str, apply: Apply) -> None:
        self._apply[code] = apply

    async def release(self, code: str) -> None:
        self._heads.pop(code, None)
        self._apply.pop(code, None)
