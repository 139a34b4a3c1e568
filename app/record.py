"""``python -m app.record --out static/traces``: records runs of the real models for the first paint.

Each trace is the document that ``export.json`` gives for the same run, made through the same engine and
the same event log; the page plays its events exactly as it plays live ones and calls them *recorded*.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app import exports
from app.pipelines import PIPELINES, Pipelines, Unavailable
from app.preparing import prepare
from app.schemas import RunIn, SettingsIn
from app.services import Services
from app.settings import Settings

SEED = 1
MAX_FRAMES = 40  # a trace must load at once: as many frames as fit
MAX_BYTES = 350_000  # per stage


async def record(services: Services, id: str, example: int, seed: int) -> dict[str, Any]:
    """Runs one example of a pipeline to its end -> the run's document. Raises Unavailable when the
    pipeline is off and RuntimeError when the run fails."""
    pipeline = services.pipelines.get(id)
    asked = RunIn(
        pipeline=id, input=dict(pipeline.examples[example]["input"]), settings=SettingsIn(seed=seed)
    )
    prepared = prepare(pipeline, asked, services.settings.max_cost)
    run = services.runs.create(pipeline, prepared, asked.input)
    async for _ in services.runs.watch(run):
        pass
    if run.state != "done":
        raise RuntimeError(f"{id}: the run is {run.state}")
    return exports.document(run)


async def _record_all(out: Path, ids: Sequence[str], example: int, seed: int) -> None:
    services = Services.build(
        Settings(max_frames=MAX_FRAMES, max_run_bytes=MAX_BYTES), Pipelines.named(ids)
    )
    services.pipelines.load()
    services.engine.start()
    try:
        for id in ids:
            try:
                trace = await record(services, id, example, seed)
            except Unavailable as error:
                print(f"no trace: {error}")
                continue
            path = out / f"{id}.json"
            path.write_text(json.dumps(trace, separators=(",", ":")) + "\n")
            # For whoever has switched JavaScript off.
            strip = exports.FORMATS["strip.png"].write(exports.Recording(trace))
            path.with_suffix(".png").write_bytes(strip)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {len(trace['events'])} events")
    finally:
        services.engine.stop()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m app.record", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("static/traces"))
    parser.add_argument(
        "--pipelines", nargs="+", choices=sorted(PIPELINES), default=list(PIPELINES)
    )
    parser.add_argument("--example", type=int, default=0, help="which of the pipeline's examples")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    logging.basicConfig(level="WARNING")
    args.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(_record_all(args.out, args.pipelines, args.example, args.seed))


if __name__ == "__main__":
    main()
