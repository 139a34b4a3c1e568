"""Draws one sample without a server: the direct driver, a view, a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models.diffusion.sampler import run
from models.pipeline import Pipeline, default_samples


def _pipeline(name: str) -> Pipeline:
    if name == "dalle2":
        from models.dalle2.pipeline import Dalle2

        return Dalle2()
    if name == "dalle1":
        from models.dalle1.pipeline import Dalle1

        return Dalle1()
    if name == "alphafold3":
        from models.alphafold3.pipeline import AlphaFold3

        return AlphaFold3()
    if name == "alphafold2":
        from models.alphafold2.pipeline import AlphaFold2

        return AlphaFold2()
    from models.dye.pipeline import Dye

    return Dye()


def read_input(pipeline: str, text: str) -> Mapping[str, Any]:
    """``{...}`` is JSON as the server takes it; anything else is the pipeline's shortest form."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    if pipeline in ("dalle2", "dalle1"):
        return {"prompt": text}
    if pipeline == "dye":
        return {"shape": text}
    if text.isalpha() and text.isupper() and len(text) > 5:
        return {"protein": text}
    return (
        {"ccd": text} if text.isalnum() and text.isupper() and len(text) <= 5 else {"smiles": text}
    )


def sample_to_file(name: str, text: str, out: Path, seed: int, steps: int | None) -> None:
    """Writes the sample to ``out``: PNG for images, XYZ for atoms and particles. Raises InputError."""
    pipeline = _pipeline(name)
    plan = pipeline.parse(read_input(name, text))
    settings = replace(
        pipeline.defaults,
        seed=seed,
        steps=steps or pipeline.defaults.steps,
        samples=default_samples(pipeline, plan),
    )
    start = pipeline.start(plan, settings)
    view = pipeline.view(plan, settings)
    with tqdm(unit="frame") as bar:

        def show(request: Any, denoised: Any) -> None:
            if request.frame:
                frame = view.frame(request, denoised)
                bar.set_postfix_str(f"{frame.stage} {frame.step + 1}/{frame.steps}", refresh=False)
                bar.update()

        result = run(pipeline.run(plan, settings), show)
    final = np.asarray(view.done(result)["sample"])
    for note in start["notes"]:
        print(f"note: {note}")
    if final.dtype == np.uint8:
        from PIL import Image

        if final.ndim == 4:  # several samples, side by side
            final = np.concatenate(list(final), axis=1)
        side = max(1, 256 // final.shape[0])
        Image.fromarray(final.repeat(side, 0).repeat(side, 1)).save(out)
    else:
        elements = [atom["element"] for atom in start.get("atoms", [])] or ["X"] * len(final)
        rows = [
            f"{element} " + " ".join(f"{value:.4f}" for value in position)
            for element, position in zip(elements, final, strict=True)
        ]
        out.write_text(f"{len(rows)}\n{name} seed {seed}: {text}\n" + "\n".join(rows) + "\n")
    print(f"wrote {out}")
