"""Who computes a run: the engine in this process, or other processes that each hold one."""

from __future__ import annotations

from typing import Protocol

from app.jobs import Job


class Computing(Protocol):
    """What the application asks of its engine. :class:`app.engine.Engine` computes here;
    :class:`app.relay.Relay` lets others compute and relays what they say."""

    @property
    def live(self) -> int:
        """Runs that take turns now."""

    @property
    def waiting(self) -> int:
        """Admitted runs that have no room yet."""

    @property
    def alive(self) -> bool: ...

    @property
    def retry_after(self) -> int:
        """Whole seconds after which somebody who was refused may find room."""

    def wait_s(self, place: int) -> float:
        """Expected seconds until the run at this place of the queue begins."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Cancels every run; returns when nothing is computed any more."""

    def submit(self, job: Job) -> None:
        """Admits a run; its client is told the rest. Raises Full."""

    def cancel(self, job: Job, reason: str) -> None:
        """Stops a run soon; its client is told. A run that has ended stays so."""
