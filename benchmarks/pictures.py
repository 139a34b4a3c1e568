"""``python -m benchmarks.pictures``: how long a picture takes, stage by stage and back end by back end;
prints it and writes ``benchmarks/results/pictures.json``.

Back ends take turns in every round, so that their ratios mean something on a machine with other work:
torch in bf16 (the default), torch in float32, and OpenVINO where it is installed. No server takes part;
``benchmarks/stage.py`` measures what a visitor feels.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: as the server does

import argparse
import json
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from models.dalle2 import fast
from models.dalle2.network import StageNetwork
from models.dalle2.pipeline import Dalle2
from models.diffusion.sampler import Request

RESULTS = Path(__file__).parent / "results" / "pictures.json"
TARGETS = {1: 1.5, 8: 4.0}  # seconds from caption to finished pictures, by samples
BATCHES = (1, 2, 8, 16)
TORCH = "torch bf16"


def stages_of(pipeline: Dalle2) -> tuple[StageNetwork, ...]:
    return (pipeline.prior, pipeline.decoder, *pipeline.upsamplers)


def backends(threads: int) -> dict[str, Dalle2]:
    """The same pipeline once per back end, warmed up."""
    found = {TORCH: Dalle2(), "torch float32": Dalle2()}
    found[TORCH].use_torch(torch.bfloat16)
    found["torch float32"].use_torch(torch.float32)
    if fast.installed():
        compiled = Dalle2()
        compiled.use_openvino(threads)
        found[compiled.backend] = compiled
    for pipeline in found.values():
        pipeline.warm_up()
    return found


def caption_to_picture(pipeline: Dalle2, samples: int, seed: int) -> dict[str, float]:
    """One run of the first example with the default settings. -> seconds: each network's forwards, by
    name, and the whole, frames included."""
    plan = pipeline.parse(pipeline.examples[0]["input"])
    settings = replace(pipeline.defaults, samples=samples, seed=seed)
    view, spent = pipeline.view(plan, settings), defaultdict[str, float](float)
    begun = time.perf_counter()
    generator, answer = pipeline.run(plan, settings), None
    while True:
        try:
            request = generator.send(answer)
        except StopIteration as stop:
            view.done(stop.value)
            return {**spent, "whole": time.perf_counter() - begun}
        asked = time.perf_counter()
        with torch.inference_mode():
            answer = request.net.answer([request])[0]
        spent[request.net.name] += time.perf_counter() - asked
        if request.frame:
            view.frame(request, answer)


def seconds_per_picture(
    pipelines: dict[str, Dalle2], samples: Sequence[int], rounds: int
) -> dict[str, Any]:
    runs: dict[str, dict[int, list[dict[str, float]]]] = {
        name: {count: [] for count in samples} for name in pipelines
    }
    for seed in range(rounds):
        for count in samples:
            for name, pipeline in pipelines.items():
                runs[name][count].append(caption_to_picture(pipeline, count, seed))
    report: dict[str, Any] = {}
    for name in pipelines:
        report[name] = {}
        for count in samples:
            own, base = runs[name][count], runs[TORCH][count]
            whole = median(r["whole"] for r in own)
            report[name][str(count)] = {
                "seconds": round(whole, 3),
                "fastest_s": round(min(r["whole"] for r in own), 3),
                "target_s": TARGETS.get(count),
                "times_as_fast_as_torch_bf16": round(
                    median(b["whole"] / o["whole"] for b, o in zip(base, own, strict=True)), 2
                ),
                "forward_s": {
                    key: round(median(r[key] for r in own), 3) for key in own[0] if key != "whole"
                },
            }
    return report


def request_of(net: StageNetwork, rows: int) -> Request:
    """A request as a run would make it, in the middle of its levels."""
    g = torch.Generator().manual_seed(0)
    embed = torch.nn.functional.normalize(torch.randn(rows, 256, generator=g), dim=1)
    side = net.shape[-1] // 2
    cond = {
        "low": torch.rand(rows, 3, side, side, generator=g) * 2 - 1,
        "image_embed": embed,
        "text_embed": embed,
        "states": torch.randn(rows, 6, getattr(net.config, "states", 1), generator=g),
        "guidance_scale": torch.full((rows,), 2.0),
    }
    sigma = torch.full((rows,), 0.1 * net.sigma_data, dtype=torch.float64)
    return Request(net, torch.randn(rows, *net.shape, generator=g), sigma, cond)


def milliseconds_per_forward(pipelines: dict[str, Dalle2], rounds: int) -> dict[str, Any]:
    """Per stage, batch and back end; the prior's and the decoder's include guidance, which doubles
    their rows."""
    report: dict[str, Any] = {}
    for number, stage in enumerate(stages_of(pipelines[TORCH])):
        report[stage.name] = {}
        for rows in BATCHES:
            spent: dict[str, list[float]] = {name: [] for name in pipelines}
            for turn in range(rounds + 2):
                for name, pipeline in pipelines.items():
                    net = stages_of(pipeline)[number]
                    request = request_of(net, rows)
                    begun = time.perf_counter()
                    with torch.inference_mode():
                        net.answer([request])
                    if turn >= 2:
                        spent[name].append(1000 * (time.perf_counter() - begun))
            report[stage.name][str(rows)] = {
                name: {
                    "ms": round(median(own), 2),
                    "fastest_ms": round(min(own), 2),  # what other work on the machine hides least
                    "times_as_fast_as_torch_bf16": round(
                        median(b / o for b, o in zip(spent[TORCH], own, strict=True)), 2
                    ),
                }
                for name, own in spent.items()
            }
    return report


def median(values: Any) -> float:
    return statistics.median(list(values))


def table(report: dict[str, Any]) -> str:
    """What was measured, for people."""
    lines = []
    for name, counts in report["caption_to_picture"].items():
        for count, found in counts.items():
            target = f" (target {found['target_s']} s)" if found["target_s"] else ""
            lines.append(
                f"{name:>24}  {count} picture(s): {found['seconds']:.2f} s{target}, "
                f"{found['times_as_fast_as_torch_bf16']:.2f} x torch bf16"
            )
    names = list(report["caption_to_picture"])
    lines.append(f"{'ms (fastest), ratio':>24}  " + "  ".join(f"{n:>24}" for n in names))
    for stage, batches in report["forward"].items():
        for rows, found in batches.items():
            cells = "  ".join(
                f"{found[n]['ms']:8.1f} ({found[n]['fastest_ms']:6.1f})"
                f" {found[n]['times_as_fast_as_torch_bf16']:6.2f}x"
                for n in names
            )
            lines.append(f"{stage + ', ' + rows + ' rows':>24}  {cells}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipelines = backends(args.threads)
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "threads": args.threads,
            "cpu": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "checkpoints": dict(pipelines[TORCH].checkpoints),
        "steps": pipelines[TORCH].defaults.steps,
        "caption_to_picture": seconds_per_picture(pipelines, tuple(TARGETS), args.rounds),
        "forward": milliseconds_per_forward(pipelines, args.rounds),
    }
    report["machine"]["load_average_at_end"] = round(os.getloadavg()[0], 2)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


if __name__ == "__main__":
    main()
