"""Token buckets: how often one client may do a thing."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """``burst`` at once, then ``per_s`` a second, for each client on its own. Remembers the ``most``
    clients that came last; whoever is forgotten starts with a full bucket."""

    def __init__(
        self, burst: float, per_s: float, clock: Callable[[], float], most: int = 10_000
    ) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, since when

    def wait_s(self, client: str) -> int:
        """Whole seconds until the client has a token, 0 if it has one."""
        tokens = self._tokens(client)
        return 0 if tokens >= 1 else max(1, math.ceil((1 - tokens) / self._per_s))

    def take(self, client: str) -> None:
        """Takes a token, if there is one."""
        self._left[client] = (max(0.0, self._tokens(client) - 1), self._clock())
        self._left.move_to_end(client)
        while len(self._left) > self._most:
            self._left.popitem(last=False)

    def _tokens(self, client: str) -> float:
        tokens, since = self._left.get(client, (self._burst, self._clock()))
        return min(self._burst, tokens + (self._clock() - since) * self._per_s)
