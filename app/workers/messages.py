"""What server and workers say to each other: a small JSON object and some bytes, with their lengths."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any

HEAD = struct.Struct(">II")  # bytes of the object, bytes of the data


def pack(said: Mapping[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(said, separators=(",", ":")).encode()
    return HEAD.pack(len(text), len(data)) + text + data


def read(channel: socket.socket) -> dict[str, Any] | None:
    """The next message without its data, which the server never sends; None when the other side has
    gone. Waits."""
    head = _exactly(channel, HEAD.size)
    if head is None:
        return None
    text = _exactly(channel, sum(HEAD.unpack(head)))
    return None if text is None else json.loads(text)


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = channel.recv(count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


async def receive(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next message. Raises asyncio.IncompleteReadError or OSError when the other side has gone."""
    text, data = HEAD.unpack(await reader.readexactly(HEAD.size))
    said: dict[str, Any] = json.loads(await reader.readexactly(text))
    return said, await reader.readexactly(data)


class Sender:
    """One end of a channel that several threads may speak through; waits while the other side is slow."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._speaking = threading.Lock()

    def send(self, said: Mapping[str, Any], data: bytes = b"") -> None:
        """Raises OSError when the other side has gone."""
        message = pack(said, data)
        with self._speaking:
            self._channel.sendall(message)
