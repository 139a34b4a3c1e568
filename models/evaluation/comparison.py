"""DALL·E 1 beside DALL·E 2: what each cost to train and costs to run, and who is ahead in which score."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from models.checkpoint import CHECKPOINTS, load
from models.dalle1 import tokenizer, transformer
from models.dalle1.pipeline import Dalle1
from models.dalle2.data import IMAGE_SIZE
from models.dalle2.pipeline import Dalle2
from models.diffusion.sampler import Run, run
from models.evaluation.drawing import read_texts, run_together
from models.pipeline import counted

METRICS = CHECKPOINTS / "dalle1-metrics.json"
OTHER = CHECKPOINTS / "dalle2-metrics.json"
VISITORS = 16
ROUNDS = 5  # of every timing, the ways in turn
PROMPT = "a sunflower"
# The networks that DALL·E 2 draws with; the text encoder and CLIP are read by both ways' scores.
DRAWING = tuple(
    f"dalle2-{name}"
    for name in ("clip", "text", "prior", "decoder", "upsampler", "upsampler64", "upsampler128")
)


def _same(*paths: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Scores that both files keep in the same place."""
    split = [path.split(".") for path in paths]
    return {f"{p[0]}_{p[-1]}": (tuple(p), tuple(p)) for p in split}


# By name: where it stands in our file, and in dalle2's.
COMPARED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **{
        f"concept_{top}": (("recognisability", "model", top), ("recognisability", "prior", top))
        for top in ("top1", "top5")
    },
    **_same(
        "combinations.model.colour", "combinations.model.background",
        "combinations.model.concept_top5", "layouts.model.size", "layouts.model.position",
        "layouts.model.count", "pairs.model.both_top5",
    ),
    **{
        name: (("variety", name), ("prior", "prior", name))
        for name in ("vendors_nearest", "mean_cosine_distance")
    },
}  # fmt: skip


def speed(one: Dalle1, two: Dalle2) -> dict[str, Any]:
    """Milliseconds and forwards of a caption with nobody else there, both ways in turn; each draws up to
    the 32 px that are judged, DALL·E 2 also up to what it shows."""

    plan = one.parse({"prompt": PROMPT})

    def old(samples: int) -> Run[Any]:
        return one.paint(plan, replace(one.defaults, samples=samples))

    def new(samples: int, size: int | None) -> Run[Any]:
        (read,) = read_texts(two, [PROMPT])
        return two.draw(read, replace(two.defaults, samples=samples), size=size)

    ways: dict[str, Callable[[int], Run[Any]]] = {
        "dalle1": old,
        f"dalle2_{IMAGE_SIZE}_px": lambda samples: new(samples, IMAGE_SIZE),
        "dalle2_shown": lambda samples: new(samples, None),
    }
    times: dict[tuple[str, int], list[float]] = {}
    calls: dict[str, dict[str, int]] = {name: {} for name in ways}
    for turn in range(ROUNDS + 1):  # the first is a warm-up
        for name, way in ways.items():
            for samples in (1, 8):
                counts: dict[str, int] = {}
                began = time.perf_counter()
                run(counted(way(samples), counts))
                if turn:
                    times.setdefault((name, samples), []).append(time.perf_counter() - began)
                calls[name] = counts
        company = [one.paint(plan, replace(one.defaults, seed=seed)) for seed in range(VISITORS)]
        began = time.perf_counter()
        run_together(company)
        if turn:
            times.setdefault(("together", VISITORS), []).append(time.perf_counter() - began)
    crowd = 1000 * median(times["together", VISITORS]) / VISITORS
    return {
        "dalle1_ms_per_picture_of_16_visitors": round(crowd, 1),
        "threads": torch.get_num_threads(),
        "rounds": ROUNDS,
        **{
            name: {
                "ms_alone": round(1000 * median(times[name, 1]), 1),
                "ms_8_samples": round(1000 * median(times[name, 8]), 1),
                "network_calls": sum(calls[name].values()),
            }
            for name in ways
        },
    }


def trained() -> dict[str, Any]:
    """Parameters, steps and training seconds of the networks that each way draws with, as their files
    say, and their sums."""
    ours = [tokenizer.CHECKPOINT, transformer.CHECKPOINT]
    theirs = sorted(p for p in CHECKPOINTS.glob("dalle2-*.safetensors") if p.stem in DRAWING)
    return {
        "note": "one CPU thread each; of a network that went on from earlier weights, as most of "
        "dalle2's did, only the last part is counted",
        "dalle1": _trained(ours),
        "dalle2": _trained(theirs),
    }


def _trained(paths: Sequence[Path]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for path in paths:
        state, header = load(path)
        meta = header["meta"]
        out[path.stem] = {
            "parameters": sum(v.numel() for k, v in state.items() if not k.endswith("::scale")),
            "steps": meta.get("step", 0),
            "seconds": meta.get("seconds", 0.0),
        }
    total = {key: sum(net[key] for net in out.values()) for key in ("parameters", "seconds")}
    return {**out, "all": total}


def beside(metrics: Mapping[str, Any], other: Path) -> dict[str, Any]:
    """The scores of both ways in one table, from the two files, and where the old way wins."""
    theirs = json.loads(other.read_text()) if other.is_file() else {}

    def pick(source: Mapping[str, Any], *path: str) -> float | None:
        value: Any = source
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, (int, float)) else None

    rows: dict[str, dict[str, Any]] = {}
    for name, (old, new) in COMPARED.items():
        a, b = pick(metrics, *old), pick(theirs, *new)
        rows[name] = {"dalle1": a, "dalle2": b}
    wins = [
        name
        for name, row in rows.items()
        if row["dalle1"] is not None and row["dalle2"] is not None and row["dalle1"] > row["dalle2"]
    ]
    return {**rows, "dalle1_is_ahead_in": wins}


def renew(out: Path = METRICS, other: Path = OTHER) -> None:
    """Sets the side-by-side table in `out` right again after `other` or a training changed."""
    if out.is_file():
        metrics = json.loads(out.read_text())
        metrics["trained"], metrics["beside_dalle2"] = trained(), beside(metrics, other)
        out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
