"""Whose turn it is: which pending requests share the next forward. Pure bookkeeping, no thread, no torch.

- A run without a first frame goes first, in the order of arrival: time to first frame is what a visitor
  feels. It keeps this privilege for a few requests only.
- After that the run that was given the fewest seconds goes first (start-time fair queueing: a newcomer
  starts level with the least served run, so nobody has to wait until it has caught up). A run of 200 steps
  and one of 20 get equal shares, and the second ends when its 20 steps are done; a run whose steps are ten
  times as dear takes a tenth as many of them while others want the machine.
- Whoever can share that run's forward comes along while there is room: ``batch_rows`` samples, and
  ``forward_s`` expected seconds, learned from earlier forwards, so that a pile of large requests does not
  block the machine for everybody else. A single request always goes, however large.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

NEWCOMER_ANSWERS = 8  # a run that asks more often before its first frame has no privilege any more
HORIZON_S = 1.0  # who used idle time for itself pays back at most this much when others come
FIRST_ROWS = 8  # of a forward of a kind whose time is not known yet
LEARNING = 0.3  # weight of the newest forward in the expected time of a row


class Turn(Protocol):
    """What is looked at of a run that has a pending request."""

    number: int  # order of arrival
    answers: int  # requests answered so far
    shown: bool  # whether a frame was among them
    served: float  # seconds it was given, on the scale of `Turns.level`
    key: Hashable  # requests with equal keys may share a forward

    @property
    def asked(self) -> int:
        """Rows of the pending request."""
        ...


Run = TypeVar("Run", bound=Turn)


class Turns:
    def __init__(self, batch_rows: int, forward_s: float) -> None:
        self.batch_rows = batch_rows
        self.forward_s = forward_s
        self.level = 0.0  # seconds given to the least served run; never falls
        self._row_seconds: dict[Hashable, float] = {}

    def join(self, run: Turn) -> None:
        """A newcomer starts level with the least served."""
        run.served = self.level

    def pick(self, pending: Sequence[Run]) -> list[Run]:
        """The runs of the next forward, the most urgent first; ``pending`` must not be empty."""
        self.level = max(self.level, min(run.served for run in pending))
        urgent = sorted(pending, key=_urgency)
        first = urgent[0]
        chosen, rows = [first], first.asked
        row_s = self._row_seconds.get(first.key)
        most = self.batch_rows if row_s is not None else min(self.batch_rows, FIRST_ROWS)
        for run in urgent[1:]:
            if run.key != first.key or rows + run.asked > most:
                continue
            if (rows + run.asked) * (row_s or 0.0) > self.forward_s:
                continue
            chosen.append(run)
            rows += run.asked
        return _rounded(chosen)

    def charge(self, runs: Sequence[Turn], seconds: float) -> None:
        """Shares the seconds of one forward among its runs by their rows. Call it while ``asked`` and
        ``key`` still describe the answered requests."""
        rows = max(1, sum(run.asked for run in runs))
        per_row = seconds / rows
        key = runs[0].key
        known = self._row_seconds.get(key, per_row)
        self._row_seconds[key] = known + LEARNING * (per_row - known)
        if len(self._row_seconds) > 4096:  # keys come from visitors' input sizes
            del self._row_seconds[next(iter(self._row_seconds))]
        for run in runs:
            run.served = min(run.served + per_row * run.asked, self.level + HORIZON_S)


def _rounded(runs: list[Run]) -> list[Run]:
    """Leaves out the least urgent few if that makes the number of rows a round one: the libraries below
    prepare and keep code and buffers for every batch size they have met, tens of megabytes each. Up to 8
    every size is round, from there every second, from 16 every fourth and so on; at most a fifth waits."""
    rows, best, kept = 0, 0, len(runs)
    for count, run in enumerate(runs, 1):
        rows += run.asked
        if rows % max(1, 2 ** (rows.bit_length() - 3)) == 0:
            best, kept = rows, count
    return runs[:kept] if best >= rows * 4 / 5 else runs


def _urgency(run: Turn) -> tuple[bool, float, int]:
    newcomer = not run.shown and run.answers < NEWCOMER_ANSWERS
    return (False, float(run.number), 0) if newcomer else (True, run.served, run.number)
