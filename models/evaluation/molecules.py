"""Scores the structure model on what it has not seen, beside RDKit's ETKDG and other baselines.

    python -m models evaluate alphafold3 [--only PART ...]

Needs the caches (`python -m models data molecules | proteins | structures`), PoseBusters and biotite.
Molecules: 200 of the strict 2024+ pool (ids fixed in ``molecule_ids.json``). Every number is of raw
samples: nothing is relaxed, filtered or drawn again. Writes `models/checkpoints/alphafold3-metrics.json`
after every part, and two sheets of pictures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.alphafold3.data.batches import Proteins
from models.alphafold3.data.store import Molecules
from models.alphafold3.pipeline import CHECKPOINT, AlphaFold3
from models.checkpoint import CHECKPOINTS
from models.evaluation import molecules_classes as components
from models.evaluation import molecules_samplers as samplers
from models.evaluation.class_table import class_table, split_counts
from models.evaluation.confidence import score_confidence
from models.evaluation.molecules_bench import BUSTED, Bench
from models.evaluation.molecules_drawing import (
    DRAW_SEED,
    MOLECULES,
    SAMPLE_SEED,
    chosen_molecules,
    sample_structures,
    validation_molecules,
    without_steering,
)
from models.evaluation.molecules_scores import Task, judge, judges
from models.evaluation.molecules_sheets import contact_sheet, failure_sheet
from models.evaluation.molecules_tables import against, by_size, failures
from models.evaluation.polymers import score_structures
from models.evaluation.proteins import CROPS, score_distogram, score_proteins
from models.evaluation.sheets import CARDS

METRICS = "alphafold3-metrics.json"
SAMPLES = 10  # per molecule
ALONE = 2  # samples without steering
PER_CLASS = 20  # nucleic acids, ions, pockets: crops of each
NAMED = {"caffeine": {"ccd": "CFF"}, "aspirin": {"ccd": "AIN"}, "ATP": {"ccd": "ATP"}}
Finish = Callable[[], dict[str, Any]]


def molecules(bench: Bench) -> Finish:
    """The 200 molecules: both methods by size, the network without steering, why samples failed, who is
    nearer to the crystal; the sheet of failures."""
    places = chosen_molecules(bench.data, bench.molecules)
    asked = bench.ask(places, bench.settings, full=True)
    alone = bench.ask(
        places,
        replace(bench.settings, samples=ALONE),
        etkdg=False,
        networks=without_steering(bench.pipeline),
    )
    bench.drawn["molecules"] = [torch.from_numpy(x) for x in asked.drawn]

    def finish() -> dict[str, Any]:
        judged = asked.judged()
        ours = [p.model for p in judged if p.model is not None]
        theirs = [p.etkdg for p in judged if p.etkdg is not None]
        codes = [str(bench.data["code"][i]) for i in places]
        shown = (asked.mols, asked.crystals, asked.drawn, ours, codes, bench.pictures)
        return {
            "molecules": {
                "pool": "Chemical Component Dictionary, 2024+, Tanimoto < 0.5 to all earlier, "
                "new scaffold",
                "samples_per_molecule": SAMPLES,
                "posebusters_config": "mol_fast",
                "posebusters_samples_per_molecule": BUSTED,
                "posebusters_full_config": "mol, with the internal energy, on the first sample",
                "not_embedded_by_etkdg": len(judged) - len(theirs),
                "twofold": by_size(ours),
                "network_alone": by_size([p.model for p in alone.judged() if p.model is not None]),
                "etkdg_v3": by_size(theirs),
            },
            "against_etkdg": against(judged),
            "posebusters_failures": {"twofold": failures(ours), "etkdg_v3": failures(theirs)},
            "failures": failure_sheet(*shown),
        }

    return finish


def component_classes(bench: Bench) -> Finish:
    """Held-out components by class of the dictionary."""
    chosen = components.held_out(bench.data, components.classes(bench.data["code"]))
    chosen = {name: found[: bench.molecules] for name, found in chosen.items()}
    several = replace(bench.settings, samples=components.SAMPLES)
    asked = {name: bench.ask(found, several) for name, found in chosen.items()}

    def finish() -> dict[str, Any]:
        judged = {name: one.judged() for name, one in asked.items()}
        return {"component_classes": components.table(bench.data, chosen, judged)}

    return finish


def compared_samplers(bench: Bench) -> Finish:
    """Samplers and their constants on the same validation molecules."""
    places = validation_molecules(bench.data, min(bench.molecules, samplers.MOLECULES))
    given = replace(bench.settings, samples=samplers.SAMPLES)
    asked = {
        name: (settings, bench.ask(places, settings, etkdg=False))
        for name, settings in samplers.compared(given, bench.pipeline.presets["published"]).items()
    }

    def finish() -> dict[str, Any]:
        out: dict[str, Any] = {"molecules": len(places), "samples_per_molecule": samplers.SAMPLES}
        for name, (settings, waiting) in asked.items():
            rows = [p.model for p in waiting.judged() if p.model is not None]
            out[name] = samplers.row(settings, rows, waiting.seconds)
        return {"samplers": out}

    return finish


def named(bench: Bench) -> Finish:
    """Molecules everybody knows: ten samples each, how many are right."""
    waiting = {}
    for name, given in NAMED.items():
        plan = bench.pipeline.parse(given)
        (samples,) = sample_structures(bench.pipeline, [plan.structure], bench.settings)
        mol = plan.chains[0].mol
        assert mol is not None and plan.reference is not None
        task = Task(mol, plan.reference.numpy(), samples.numpy(), busted=SAMPLES)
        waiting[name] = plan, bench.pool.submit(judge, task)

    def finish() -> dict[str, Any]:
        out = {}
        for name, (plan, future) in waiting.items():
            row = future.result().model
            assert row is not None
            out[name] = {
                "posebusters": sum(row.valid),
                "stereo": sum(row.stereo),
                "right": sum(row.right),
                "of": SAMPLES,
                "rmsd_best_A": round(min(row.rmsd), 4),
                "training": plan.training,
            }
        return {"named": out}

    return finish


def proteins(bench: Bench) -> Finish:
    """Held-out crops with and without a profile, and the trunk's distogram on them."""
    data = Proteins(bench.cache / "proteins/proteins.npz")
    distogram = score_distogram(bench.pipeline, data, bench.crops)
    scores, drawn = score_proteins(bench.pipeline, data, bench.settings, bench.crops, bench.pool)
    bench.drawn.update(drawn)
    # The confidence part gives every other crop its profile.
    bench.drawn["proteins"] = [
        (profile if k % 2 else plain)
        for k, (plain, profile) in enumerate(zip(*drawn.values(), strict=True))
    ]
    return lambda: {"proteins": scores, "distogram": distogram}


def structures(bench: Bench) -> Finish:
    return lambda: {"structures": score_structures(bench.pipeline, bench.cache, PER_CLASS)}


def confidence(bench: Bench) -> Finish:
    def finish() -> dict[str, Any]:
        given = (bench.pipeline, bench.cache, bench.molecules, bench.crops, PER_CLASS)
        return {"confidence": score_confidence(*given, drawn=bench.drawn)}

    return finish


def contact(bench: Bench) -> Finish:
    """The sheet of finished examples; no numbers."""
    contact_sheet(bench.pipeline, bench.pictures)
    return dict


# Those that are scored in other processes come first, so that what follows is drawn meanwhile.
PARTS: Mapping[str, Callable[[Bench], Finish]] = {
    "molecules": molecules,
    "component_classes": component_classes,
    "samplers": compared_samplers,
    "named": named,
    "proteins": proteins,
    "contact": contact,
    "structures": structures,
    "confidence": confidence,
}


def merged(out: Path, fresh: Mapping[str, Any]) -> dict[str, Any]:
    """The scores in ``out`` renewed by ``fresh``; those of other weights are dropped, and those of another
    confidence head."""
    kept = json.loads(out.read_text()) if out.is_file() else {}
    files, own = kept.get("checkpoint", {}), fresh["checkpoint"]
    if files.get(CHECKPOINT) != own[CHECKPOINT]:
        kept = {}
    elif files != own:
        kept.pop("confidence", None)
    seconds = round(kept.get("seconds", 0.0) + fresh["seconds"], 1)
    return {**kept, **fresh, "seconds": seconds}


def evaluate(
    out: Path = CHECKPOINTS / METRICS,
    cache: Path = Path("cache"),
    parts: Sequence[str] = (),
    most_molecules: int = MOLECULES,
    most_crops: int = CROPS,
    pictures: Path = CARDS,
    drawn: dict[str, list[Tensor]] | None = None,
) -> dict[str, Any]:
    """Runs ``parts`` (all if empty), writes each as it is done and returns all scores. Parts that were not
    asked for stay as they are in ``out``, so that two commands may share the work. ``drawn`` is filled
    with samples that another evaluation can use."""
    began = time.perf_counter()
    pipeline = AlphaFold3()
    settings = replace(pipeline.defaults, seed=SAMPLE_SEED, samples=SAMPLES)
    about = {
        "checkpoint": dict(pipeline.checkpoints),
        "seeds": {"draw": DRAW_SEED, "sample": SAMPLE_SEED},
        "settings": {
            "steps": settings.steps,
            "sampler": settings.sampler,
            "step_scale": settings.step_scale,
            "gamma_0": settings.gamma_0,
            "precision": "bfloat16 matrix products",
        },
    }
    metrics: dict[str, Any] = {}
    with judges() as pool:
        data = Molecules(cache / "molecules/molecules.npz")
        counts = split_counts(cache, data)
        kept = {} if drawn is None else drawn
        sizes = (most_molecules, most_crops)
        bench = Bench(pipeline, data, cache, pool, settings, *sizes, pictures, kept)
        finishes = {name: PARTS[name](bench) for name in parts or PARTS}
        for finish in finishes.values():
            found = finish()
            now = time.perf_counter()
            metrics = merged(out, {**about, "data": counts, **found, "seconds": now - began})
            metrics["classes"] = class_table(metrics, data)
            out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
            began = now
    return metrics
