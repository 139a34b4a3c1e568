"""A real server process for faults that end a process: ``python tests/faults/shaky.py``, settings from
the environment. Its toy model takes 20 ms per forward, so that a run lasts long enough to be hit."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from toy import Toy

from app import __main__, main
from app.pipelines import Pipelines


class Slow(Toy):
    def __init__(self, kind: str, id: str) -> None:
        super().__init__(kind, id)
        answer, never = self.net.answer, threading.Event()

        def slow(requests: object) -> object:
            never.wait(0.02)
            return answer(requests)  # type: ignore[arg-type]

        self.net.answer = slow  # type: ignore[assignment, method-assign]


def build(settings: object) -> object:
    names = os.environ.get("SHAKY", "toy,image,molecule").split(",")
    toys = [
        Slow(kind, id) for kind, id in zip(("particles", "image", "molecule"), names, strict=True)
    ]
    return create_app(settings, Pipelines({toy.id: toy for toy in toys}))  # type: ignore[arg-type]


create_app = main.create_app
if __name__ == "__main__":
    with mock.patch.object(main, "create_app", build):
        __main__.main()
