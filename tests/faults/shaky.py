"""A real server process for faults that end a process: ``python tests/faults/shaky.py``, settings from
the environment. Its toy model takes 20 ms per forward, or SHAKY_S seconds, so that a run lasts long
enough to be hit."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from toy import Toy

from app import __main__, pipelines


class Slow(Toy):
    def __init__(self, kind: str, id: str) -> None:
        super().__init__(kind, id)
        answer, never = self.net.answer, threading.Event()

        def slow(requests: object) -> object:
            never.wait(float(os.environ.get("SHAKY_S", "0.02")))
            return answer(requests)  # type: ignore[arg-type]

        self.net.answer = slow  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    names = os.environ.setdefault("TWOFOLD_PIPELINES", "toy,image,molecule").split(",")
    for kind, name in zip(("particles", "image", "molecule"), names, strict=True):
        pipelines.PIPELINES[name] = Slow(kind, name)  # type: ignore[assignment]
    __main__.main()
