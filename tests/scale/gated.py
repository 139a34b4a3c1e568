"""The toy pipeline for replicas, which live in processes of their own: a folder named by the environment
says how far they may go and is told what they do."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from toy import Toy

from models.diffusion.sampler import Request

FOLDER = "SCALE_TEST_GATE"


class Gate:
    """``permit(n)``: steps below n may be computed. ``seen()``: (process, step) of what was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._permits, self._log = folder / "permits", folder / "log"

    def permit(self, steps: int) -> None:
        fresh = self._permits.with_suffix(".new")
        fresh.write_text(str(steps))
        fresh.replace(self._permits)  # a reader finds the old or the new number, never half of one

    def wait(self, step: int) -> None:
        never = threading.Event()
        while step >= int(self._permits.read_text()):
            never.wait(0.005)

    def tell(self, step: int) -> None:
        with self._log.open("a") as log:
            log.write(f"{os.getpid()} {step}\n")

    def seen(self) -> list[tuple[int, int]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(int(pid), int(step)) for pid, step in map(str.split, lines)]

    def forget(self) -> None:
        self._log.unlink(missing_ok=True)


class Gated(Toy):
    def __init__(self) -> None:
        super().__init__()
        gate, answer = Gate(Path(os.environ[FOLDER])), self.net.answer

        def gated(requests: Sequence[Request]) -> list[Tensor]:
            for request in requests:
                gate.wait(request.step)
                gate.tell(request.step)
            return answer(requests)

        self.net.answer = gated  # type: ignore[method-assign]
