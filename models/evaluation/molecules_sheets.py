"""Two sheets of the structure model for its card: finished examples of every class, and the worst of the
evaluation with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem

from models.alphafold3.examples import EXAMPLES
from models.alphafold3.geometry import align
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.plan import Plan
from models.alphafold3.view import named_reference
from models.diffusion.sampler import run
from models.evaluation.molecules_scores import Row
from models.evaluation.sheets import save_sheet
from models.evaluation.structure_pictures import Drawing, sheet

CONTACT, FAILURES = "alphafold3-contact.webp", "alphafold3-failures.webp"
CONTACT_LIMIT, FAILURES_LIMIT = 78_000, 40_000  # bytes
SEED = 0
# Labels of the pipeline's examples, chosen before any was drawn; one sample each, none left out.
CONTACT_EXAMPLES = (
    "Caffeine", "Testosterone", "Sucrose", "ATP", "Imatinib", "Crambin", "Homeodomain, with profile",
    "B-DNA, ten base pairs", "RNA hairpin, GCAA loop", "Zinc site", "Biotin in its pocket",
    "GFP's chromophore",
)  # fmt: skip


def traces(plan: Plan) -> list[np.ndarray]:
    """Per stretch of three numbered residues or more, the places of its CA or C3' atoms."""
    runs: list[list[int]] = []
    before = None
    for place, atom in enumerate(plan.atoms):
        if atom["name"] in ("CA", "C3'") and atom["element"] == "C":
            here = atom["chain"], atom["residue_index"]
            if before is None or here != (before[0], before[1] + 1):
                runs.append([])
            runs[-1].append(place)
            before = here
    return [np.array(places) for places in runs if len(places) >= 3]


def example(pipeline: AlphaFold3, label: str, given: Mapping[str, Any]) -> Drawing:
    """One finished example at the default settings, the experimental structure laid beneath it."""
    plan = pipeline.parse(given)
    with torch.inference_mode():
        prediction = run(pipeline.run(plan, replace(pipeline.defaults, seed=SEED, samples=1)))
    xyz = prediction.xyz[0].float()
    said, under = [f"{len(xyz)} atoms, {_SEEN[plan.training]}"], None
    reference = named_reference(plan, xyz.numpy())
    if reference is not None:
        known = torch.ones(len(xyz), dtype=torch.bool)
        under = align(torch.from_numpy(reference).float(), xyz, known).numpy()
        gap = float(((xyz.numpy() - under) ** 2).sum(-1).mean() ** 0.5)
        said.append(f"{gap:.2f} A from the experiment (grey)")
    return Drawing(
        xyz=xyz.numpy(),
        elements=[atom["element"] for atom in plan.atoms],
        bonds=np.array(plan.bonds, np.int64).reshape(-1, 3)[:, :2],
        caption=(label, *said),
        traces=traces(plan),
        under=under,
    )


_SEEN = {
    "seen": "in training",
    "similar": "relatives in training",
    "unseen": "held out",
}


def contact_sheet(pipeline: AlphaFold3, folder: Path) -> None:
    """Writes the sheet of CONTACT_EXAMPLES."""
    inputs = {example.label: example.input for example in EXAMPLES}
    drawings = [example(pipeline, label, inputs[label]) for label in CONTACT_EXAMPLES]
    save_sheet(sheet(drawings, 300, 4), folder / CONTACT, CONTACT_LIMIT)


def reason(row: Row, sample: int) -> str:
    """What is wrong with one sample, in the words of the check that it fails; "" if nothing is."""
    found = list(row.failed[sample]) if sample < len(row.failed) else []
    if sample == 0 and not found:
        found = list(row.full_failed)
    if not row.stereo[sample]:
        found.append("wrong hand")
    return ", ".join(name.replace("_", " ") for name in found)


def worst(rows: Sequence[Row], count: int) -> list[tuple[int, int, str]]:
    """Molecule, sample and reason of up to ``count`` failures, one per molecule: invalid ones first, then
    wrong hands, then those furthest from the crystal."""
    found: list[tuple[tuple[int, float], int, int, str]] = []
    for k, row in enumerate(rows):
        shown = range(len(row.rmsd))
        bad = [s for s in shown if reason(row, s)]
        if bad:
            invalid = [s for s in bad if s < len(row.valid) and not row.valid[s]]
            sample = (invalid or bad)[0]
            found.append(((0 if invalid else 1, -row.rmsd[sample]), k, sample, reason(row, sample)))
        else:
            sample = int(np.argmax(row.rmsd))
            found.append(((2, -row.rmsd[sample]), k, sample, "furthest from the crystal"))
    found.sort(key=lambda f: f[0])
    return [(k, sample, why) for _, k, sample, why in found[:count]]


def failure_sheet(
    mols: Sequence[Chem.Mol],
    crystals: Sequence[np.ndarray],
    drawn: Sequence[np.ndarray],
    rows: Sequence[Row],
    codes: Sequence[str],
    folder: Path,
    count: int = 12,
) -> list[dict[str, Any]]:
    """Writes the sheet of the worst samples. drawn: (S, N, 3) per molecule. -> per picture the component,
    the reason and the RMSD of the sample."""
    drawings, told = [], []
    for k, sample, why in worst(rows, count):
        xyz = torch.from_numpy(drawn[k][sample]).float()
        known = torch.ones(len(xyz), dtype=torch.bool)
        under = align(torch.from_numpy(crystals[k]).float(), xyz, known).numpy()
        mol = mols[k]
        drawings.append(
            Drawing(
                xyz=xyz.numpy(),
                elements=[atom.GetSymbol() for atom in mol.GetAtoms()],
                bonds=np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]),
                caption=(codes[k], why, f"{rows[k].rmsd[sample]:.2f} A from the crystal (grey)"),
                under=under,
            )
        )
        told.append(
            {"component": codes[k], "reason": why, "rmsd_A": round(rows[k].rmsd[sample], 3)}
        )
    if drawings:
        save_sheet(sheet(drawings, 200, 6), folder / FAILURES, FAILURES_LIMIT)
    return told
