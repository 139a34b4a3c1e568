"""Starts :mod:`shaky` and says where it listens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

READY = "Twofold is ready at "


class Shaky:
    def __init__(self, preexec_fn: Callable[[], None] | None = None, **settings: Any) -> None:
        given = {f"TWOFOLD_{key.upper()}": str(value) for key, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("shaky.py"))],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preexec_fn,
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                "TWOFOLD_PORT": "0",
                "TWOFOLD_THREADS": "1",
                **given,
            },
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(READY):
                self.url = line.removeprefix(READY).strip()
                return
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read())

    def end(self) -> str:
        """Kills what is left; -> what it logged."""
        self.process.kill()
        _, logged = self.process.communicate(timeout=30)
        return logged
