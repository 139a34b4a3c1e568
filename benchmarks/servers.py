"""A server process of a benchmark: started as an operator would, watched from outside, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent


class ServerProcess:
    """``command`` (arguments to Python) prints a line with " is ready at URL"; ``ready_s`` is the time
    until then. Use as a context manager: the process has ended when the block has. Raises RuntimeError
    with what the process said when it ends instead. ``descendants``: whether the processes that it
    starts count."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        python: str | Path = sys.executable,
        descendants: bool = True,
    ) -> None:
        self._descendants = descendants
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [str(python), *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=(errors := tempfile.TemporaryFile("w+")),
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if " is ready at " in line:
                self.ready_s = time.perf_counter() - begun
                self.url = line.rpartition(" ")[2].strip()
                return
        errors.seek(0)
        raise RuntimeError(f"{' '.join(command)} did not start:\n{errors.read()[-2000:]}")

    @property
    def pids(self) -> list[int]:
        """Of the process and, if they count, of those that it has started, and so on."""
        found = [self.process.pid]
        for pid in found if self._descendants else ():
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    @property
    def cpu_s(self) -> float:
        """Processor seconds that all its processes have used so far, all cores together."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mb(self) -> int:
        """Of all its processes; a page that several share counts once (proportional set size)."""
        kilobytes = 0
        for pid in self.pids:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kilobytes += int(rollup.split("\nPss:")[1].split()[0])
        return round(kilobytes / 1024)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # Gradio waits for its browsers
            self.process.kill()
            self.process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
