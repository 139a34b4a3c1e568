"""Pipeline ``alphafold2``: the trunk once, then the structure module block by block. The older way,
beside ``alphafold3``.

It reads the same inputs with the same trunk and was trained on the same protein crops, so that the page can
run both on one chain. Where an input holds anything but amino acids it says why it has no answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.alphafold2.checkpoint import CHECKPOINT, TRUNK, load_module
from models.alphafold2.folding import Standing, StructureNetwork, TrunkReader, fold_chain
from models.alphafold2.frames import TORSIONS
from models.alphafold2.refusals import check
from models.alphafold2.structure_module import Fold
from models.alphafold3.examples import EXAMPLES, PROTEINS
from models.alphafold3.geometry import align, rigid_fit
from models.alphafold3.inputs import read
from models.alphafold3.library import Library
from models.alphafold3.pipeline import PLANS_KEPT, load_model
from models.alphafold3.plan import Plan, plan
from models.alphafold3.sequences import PEPTIDE
from models.alphafold3.view import against_reference, described, named_reference, scores
from models.cached import Cached
from models.checkpoint import CHECKPOINTS, fingerprint
from models.diffusion.sampler import Request, Run, SamplerName, run
from models.evaluation.settling import Trace, molecule_settling
from models.pipeline import Frame, SampleSettings, counted

NO_SIDE_CHAINS = "AlphaFold 2 would also place the side chains; this twin was trained on backbones."


@dataclass(frozen=True)
class Folded:
    """fold: after the last block; calls: forwards asked for, by network."""

    fold: Fold
    calls: Mapping[str, int]


class FoldView:
    """Frames as float32 (N, 3) A, one per block, each laid onto the one before: ``x`` is the backbone that
    the block was given, ``denoised`` the one it made of it. There is no noise and no level of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.traces: list[Trace] = []
        self._last: Tensor | None = None  # (1, N, 3) as shown

    def frame(self, request: Request, denoised: Standing) -> Frame:
        shown = denoised.fold.backbone.flatten(1, 2)
        shown = shown - shown.mean(-2, keepdim=True)
        before = request.x.float() if self._last is None else self._last
        if self._last is not None:
            everything = torch.ones(shown.shape[:-1], dtype=torch.bool)
            rotation, shift = rigid_fit(shown, self._last, everything)
            shown = shown @ rotation.transpose(-1, -2) + shift
        self._last = shown
        left = 1 - request.step / request.steps
        self.traces.append(Trace(request.net.name, request.step, left, shown[0].numpy()))
        return Frame(
            stage=request.net.name,
            step=request.step,
            steps=request.steps,
            sigma=None,
            sigma_data=None,
            x=before[0].numpy(),
            denoised=shown[0].numpy(),
        )

    def done(self, result: Folded) -> dict[str, Any]:
        """``sample``, ``settling`` over the share of blocks that is left, ``torsions`` in degrees as the
        module predicts them (only psi places an atom), ``calls``; where an experimental structure is
        known also ``scores``, ``against_reference`` and ``reference`` as ``alphafold3`` has them."""
        plan, final = self.plan, result.fold.backbone.flatten(1, 2)
        if self._last is not None:
            everything = torch.ones(final.shape[:-1], dtype=torch.bool)
            final = align(final, self._last, everything)
        drawn = final[0].numpy()
        bonds = np.array(plan.bonds, np.int64).reshape(-1, 3)[:, :2]
        settling = molecule_settling(self.traces, drawn, bonds)
        left = settling["sigma_over_data"]
        reference = named_reference(plan, drawn)
        out: dict[str, Any] = {
            "sample": drawn,
            "settling": {**settling, "sigma_over_data": [None] * len(left), "left": left},
            "torsions": _degrees(result.fold.torsions[0]),
            "calls": dict(result.calls),
            "scores": scores(plan, drawn, reference),
        }
        if reference is not None:
            frames = [trace.denoised for trace in self.traces]
            out["against_reference"] = against_reference(plan, frames, reference)
            everything = torch.ones(len(reference), dtype=torch.bool)
            out["reference"] = align(torch.from_numpy(reference), final[0], everything).numpy()
            out["reference_name"] = plan.reference_name
        return out


def _degrees(torsions: Tensor) -> dict[str, list[float]]:
    """(T, 3, 2) -> {"phi", "psi", "omega": one value per residue}"""
    angles = torch.rad2deg(torch.atan2(torsions[..., 1], torsions[..., 0])).T.tolist()
    return {
        name: [round(a, 1) for a in values] for name, values in zip(TORSIONS, angles, strict=True)
    }


class AlphaFold2:
    """See :class:`models.pipeline.Pipeline`. Construction raises CheckpointError, also for a structure
    module that was trained on another trunk."""

    id = "alphafold2"
    title = "A tiny AlphaFold 2"
    defaults = SampleSettings(steps=6)
    uses = frozenset(
        {"seed"}
    )  # accepted beside alphafold3's and changes nothing: there is one answer
    bounds: Mapping[str, tuple[float, float]] = {}
    samplers: tuple[SamplerName, ...] = (defaults.sampler,)

    def __init__(self, folder: Path = CHECKPOINTS) -> None:
        own, trunk = folder / CHECKPOINT, folder / TRUNK
        self.structure = StructureNetwork(load_module(own, trunk))
        self.trunk = Cached(
            TrunkReader(load_model(trunk).trunk), lambda request: request.cond.digest
        )
        self.library = Library()
        self.checkpoints: Mapping[str, str] = {p.name: fingerprint(p) for p in (own, trunk)}
        self._read = lru_cache(PLANS_KEPT)(self._parse)

    @property
    def caches(self) -> tuple[Cached, ...]:
        return (self.trunk,)

    @cached_property
    def examples(self) -> tuple[Mapping[str, Any], ...]:
        """Those of ``alphafold3`` that it draws as backbones too."""
        return tuple(
            {**vars(example), "training": self.parse(example.input).training}
            for example in EXAMPLES
            if example.group == PROTEINS and len(example.input["protein"]) > PEPTIDE
        )

    def parse(self, input: Mapping[str, Any]) -> Plan:
        """As ``alphafold3`` reads it; raises InputError for whatever has no frame."""
        return self._read(json.dumps(input, default=str))

    def _parse(self, text: str) -> Plan:
        chains, style = read(json.loads(text), self.library)
        check(chains, self.library)
        read_plan = plan(chains, style, self.library, peptides=False)
        read_plan.structure.digest  # noqa: B018 - features take a moment, which is better spent here
        return read_plan

    def start(self, plan: Plan, settings: SampleSettings) -> dict[str, Any]:
        return {
            "stages": [
                {
                    "name": self.structure.name,
                    "steps": self.structure.module.config.blocks,
                    "sigma_data": None,
                    "sigmas": None,
                    "unit": "block",
                }
            ],
            "notes": [*plan.notes, NO_SIDE_CHAINS],
            **described(plan),
        }

    def run(self, plan: Plan, settings: SampleSettings) -> Run[Folded]:
        calls: dict[str, int] = {}
        fold = yield from counted(fold_chain(self.trunk, self.structure, plan.structure), calls)
        return Folded(fold, calls)

    def view(self, plan: Plan, settings: SampleSettings) -> FoldView:
        return FoldView(plan)

    def warm_up(self) -> None:
        self.examples  # noqa: B018 - reading them takes a moment
        run(self.run(self.parse({"protein": "A" * 40}), self.defaults))
