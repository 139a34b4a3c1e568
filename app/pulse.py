"""The event loop's pulse: how late a timer comes. What delays it delays every stream and every page."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from app.metrics import Metrics

PERIOD_S = 0.05
REMEMBERED = 1200  # one minute


class Pulse:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._recent: deque[float] = deque(maxlen=REMEMBERED)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to measure in the running loop."""
        self._task = asyncio.create_task(self._beat(), name="pulse")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def quantile(self, share: float) -> float:
        """Seconds that ``share`` of the last minute's beats were not later than; 0 before the first."""
        late = sorted(self._recent)
        return late[min(len(late) - 1, int(share * len(late)))] if late else 0.0

    async def _beat(self) -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(PERIOD_S)
            late = max(0.0, time.perf_counter() - start - PERIOD_S)
            self._recent.append(late)
            self._metrics.loop_delay.observe(late)
