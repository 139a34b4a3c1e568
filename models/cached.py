"""A network with a memory: identical questions are answered once.

Reading a caption and running the structure trunk depend on the input alone, not on seed, noise level or
step, and a class room asks the same question thirty times. The cache is keyed by content and bounded in
bytes; the least recently used answers go first. It stands in front of a network and is one itself, so
that neither pipelines nor the engine know about it. Randomness never passes through here: an answer is a
function of the question, and a cached answer is the one that was computed for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from models.diffusion.sampler import Network, Request


class Cached:
    """``net`` behind a memory of at most ``max_bytes``.

    ``key`` names a request's content: equal keys must mean equal answers. ``hits`` and ``misses`` count
    requests. An answer may hold tensors, arrays, dicts, lists and dataclasses of them; nobody may
    change one in place, it is shared.
    """

    def __init__(
        self, net: Network, key: Callable[[Request], Hashable], max_bytes: int = 32 * 2**20
    ) -> None:
        self.net = net
        self.name = net.name
        self.sigma_data = net.sigma_data
        self.max_bytes = max_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._key = key
        self._computed: list[list[Request]] = []  # by forward, in the last answer
        self._memory: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()  # warm-up and the engine live in different threads

    def bucket(self, request: Request) -> Hashable:
        """Known questions share a bucket of their own: they need not wait for a forward."""
        with self._lock:
            if self._key(request) in self._memory:
                return "known"
        return self.net.bucket(request)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """(used, padded) of the last answer, as the network counts them; what was remembered has
        computed none. ``requests`` are the ones that were answered last."""
        cells = getattr(self.net, "cells", None)
        counts = [cells(computed) for computed in self._computed] if cells is not None else []
        return sum(used for used, _ in counts), sum(padded for _, padded in counts)

    def answer(self, requests: Sequence[Request]) -> list[Any]:
        """One forward per bucket for the questions that are new, each distinct one once."""
        keys = [self._key(request) for request in requests]
        found: dict[Hashable, Any] = {}
        new: dict[Hashable, dict[Hashable, Request]] = {}  # by bucket, then key
        with self._lock:
            for key, request in zip(keys, requests, strict=True):
                if key in self._memory:
                    self._memory.move_to_end(key)
                    found[key] = self._memory[key][0]
                    self.hits += 1
                    continue
                asked = new.setdefault(self.net.bucket(request), {})
                if key in asked:
                    self.hits += 1
                else:
                    asked[key] = request
                    self.misses += 1
        self._computed = [list(asked.values()) for asked in new.values()]
        for asked in new.values():
            answers = self.net.answer(list(asked.values()))
            for key, answer in zip(asked, answers, strict=True):
                found[key] = own = _own(answer)
                self._remember(key, own)
        return [found[key] for key in keys]

    def _remember(self, key: Hashable, answer: Any) -> None:
        size = _size(answer)
        with self._lock:
            if size > self.max_bytes or key in self._memory:
                return
            self._memory[key] = (answer, size)
            self.bytes += size
            while self.bytes > self.max_bytes:
                _, (_, freed) = self._memory.popitem(last=False)
                self.bytes -= freed


def content(*parts: Any) -> bytes:
    """A digest of arrays, numbers, texts, None and tuples, lists and dicts of them, for use as a key."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, parts)
    return digest.digest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype.str} {value.shape};".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        digest.update(f"dict {len(value)};".encode())
        for key in sorted(value):
            _feed(digest, key)
            _feed(digest, value[key])
    elif isinstance(value, (tuple, list)):
        digest.update(f"list {len(value)};".encode())
        for item in value:
            _feed(digest, item)
    elif value is None or isinstance(value, (str, int, float, bool)):
        text = repr(value).encode()
        digest.update(f"{type(value).__name__} {len(text)};".encode() + text)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be part of a key")


def _own(answer: Any) -> Any:
    """The answer without the batch it is a slice of."""
    if isinstance(answer, Tensor):
        return answer.clone()
    if isinstance(answer, Mapping):
        return {key: _own(value) for key, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return type(answer)(_own(value) for value in answer)
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        tensors = {
            f.name: value.clone()
            for f in dataclasses.fields(answer)
            if isinstance(value := getattr(answer, f.name), Tensor)
        }
        return dataclasses.replace(answer, **tensors)
    return answer


def _size(answer: Any) -> int:
    """Bytes that an answer holds, roughly."""
    if isinstance(answer, (Tensor, np.ndarray)):
        return int(answer.nbytes)
    if isinstance(answer, Mapping):
        return sum(map(_size, answer.values()))
    if isinstance(answer, (list, tuple)):
        return sum(map(_size, answer))
    # Fields of a dataclass, and what its cached properties have hung on it.
    inner = getattr(answer, "__dict__", None)
    return 64 + (sum(map(_size, inner.values())) if inner else 0)
