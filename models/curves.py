"""Training curves, thinned from the logs of :func:`models.diffusion.training.fit`: what cards draw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

POINTS = 120  # kept of each network


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a `log.jsonl`; of a step that was trained twice, after an interruption, the last."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = {(line["step"], "loss" in line): line for line in lines}
    return [kept[key] for key in sorted(kept)]


def thin(lines: Sequence[dict[str, float]], points: int = POINTS) -> dict[str, list[float]]:
    """Columns of at most `points` lines: the mean of each stretch, at its last step. A number that some
    stretch lacks altogether makes no column."""
    stretch = -(-len(lines) // points)
    parts = [lines[start : start + stretch] for start in range(0, len(lines), stretch)]
    columns: dict[str, list[float]] = {}
    for key in dict.fromkeys(key for line in lines for key in line):
        there = [[line[key] for line in part if key in line] for part in parts]
        if not all(there):
            continue
        if key in ("step", "seconds"):
            values = [part[-1] for part in there]
        else:
            values = [sum(part) / len(part) for part in there]
        columns[key] = [v if key == "step" else float(f"{v:.4g}") for v in values]
    return columns


def write(out: Path, network: str, path: Path, parts: Mapping[str, str] | None = None) -> None:
    """Puts the curves of `<out>/<network>/log.jsonl` into the file at `path`, beside those of other
    networks. Losses go under the network's name, what was measured at saves under `<network>_held_out`.
    parts: further curves by name, each the column of the log that is its loss."""
    log = out / network / "log.jsonl"
    if not log.is_file():
        return
    curves = json.loads(path.read_text()) if path.exists() else {}
    lines = read_log(log)
    for name, wanted in ((network, True), (f"{network}_held_out", False)):
        rows = [line for line in lines if ("loss" in line) == wanted]
        if rows:
            curves[name] = thin(rows)
    for name, column in (parts or {}).items():
        rows = [{**line, "loss": line[column]} for line in lines if column in line]
        if rows:
            kept = thin(rows)
            curves[name] = {key: kept[key] for key in ("step", "seconds", "loss")}
    path.write_text(json.dumps(curves) + "\n")
