"""How many requests may do the same heavy thing beside the event loop at once."""

from __future__ import annotations

import anyio
from fastapi import Request


def limiter(request: Request, what: str, at_once: int = 1) -> anyio.CapacityLimiter:
    """The application's limiter of that name, made when it is first asked for: it belongs to the event
    loop that runs then."""
    limiters: dict[str, anyio.CapacityLimiter] = request.app.state.limiters
    if what not in limiters:
        limiters[what] = anyio.CapacityLimiter(at_once)
    return limiters[what]
