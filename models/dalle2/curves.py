"""Training curves of the picture networks, thinned from their logs: what the model cards draw."""

from __future__ import annotations

import json
from pathlib import Path

from models.checkpoint import CHECKPOINTS

CURVES = CHECKPOINTS / "dalle2-curves.json"
POINTS = 120  # kept of each network


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a `log.jsonl`; of a step that was trained twice, after an interruption, the last."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = {(line["step"], "loss" in line): line for line in lines}
    return [kept[key] for key in sorted(kept)]


def thin(lines: list[dict[str, float]], points: int = POINTS) -> dict[str, list[float]]:
    """Columns of at most `points` lines: the mean of each stretch, at its last step."""
    stretch = -(-len(lines) // points)
    columns: dict[str, list[float]] = {key: [] for key in lines[0]}
    for start in range(0, len(lines), stretch):
        part = lines[start : start + stretch]
        for key, column in columns.items():
            last = key in ("step", "seconds")
            value = part[-1][key] if last else sum(line[key] for line in part) / len(part)
            column.append(value if key == "step" else float(f"{value:.4g}"))
    return columns


def write(out: Path, network: str, path: Path = CURVES) -> None:
    """Puts the curves of `<out>/<network>/log.jsonl` into the file at `path`, beside those of other
    networks. Losses go under the network's name, what was measured at saves under `<network>_held_out`."""
    log = out / network / "log.jsonl"
    if not log.is_file():
        return
    curves = json.loads(path.read_text()) if path.exists() else {}
    lines = read_log(log)
    for name, wanted in ((network, True), (f"{network}_held_out", False)):
        rows = [line for line in lines if ("loss" in line) == wanted]
        if rows:
            curves[name] = thin(rows)
    path.write_text(json.dumps(curves) + "\n")
