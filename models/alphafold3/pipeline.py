"""Pipeline ``alphafold3``: the trunk once, then the sampler over raw coordinates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch

from models.alphafold3 import confidence
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.examples import EXAMPLES
from models.alphafold3.geometry import augment
from models.alphafold3.inputs import Plan, parse
from models.alphafold3.library import Library
from models.alphafold3.network import AtomsNetwork, PackedAtoms, TrunkNetwork
from models.alphafold3.plan import check_like
from models.alphafold3.polymer import SLOTS
from models.alphafold3.residues import FULL_SLOTS
from models.alphafold3.trunk import ModelConfig
from models.alphafold3.view import AtomsView, Prediction, described
from models.branching import Branch, forwards, levels_left
from models.cached import Cached
from models.checkpoint import CHECKPOINTS, CheckpointError, fingerprint
from models.compact import load_compact
from models.config import from_json
from models.diffusion.branch import reach
from models.diffusion.sampler import SAMPLERS, Request, Run, run, sample
from models.pipeline import (
    SAMPLER_BOUNDS,
    SampleSettings,
    ScheduleSpec,
    counted,
    outside_training,
    sample_generators,
    stage_data,
)

CHECKPOINT = "alphafold3.safetensors"
PLANS_KEPT = 64  # a large one takes half a megabyte
COST_TOKENS = 32
COST_TRUNK = 15  # tokens whose trunk pass costs as much as such a step


def load_model(path: Path) -> StructureModel:
    """The trained model, ready to answer. Raises CheckpointError."""
    state, header = load_compact(path)
    try:
        model = StructureModel(from_json(ModelConfig, header["config"]))
        model.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"does not fit this code ({error})") from error
    return model.eval().requires_grad_(False)


class AlphaFold3:
    """Construction loads the checkpoints and the library. Raises CheckpointError. Without a confidence
    head of the same weights runs have no pLDDT, and ``start`` says so."""

    id = "alphafold3"
    title = "A tiny AlphaFold 3"
    defaults = SampleSettings(
        steps=40,
        sampler="af3",
        schedule=ScheduleSpec("karras", sigma_max=55.0, sigma_min=0.01, rho=7.0),
        noise_scale=1.003,
        step_scale=1.5,
    )
    # The sampler as published (supplement, algorithm 18): its churn stops at 1 A where sigma_data is 16 A.
    presets: Mapping[str, SampleSettings] = {
        "published": replace(
            defaults,
            steps=200,
            schedule=ScheduleSpec("af3"),
            gamma_0=0.8,
            gamma_min=round(ModelConfig().sigma_data_atoms / 16, 3),
        )
    }
    bounds: Mapping[str, tuple[float, float]] = {
        **SAMPLER_BOUNDS,
        "steps": (1, 200),
        "samples": (1, 5),
        "guidance_scale": (1, 1),
        "sigma_max": (0.1, 1000),
        "sigma_min": (0.001, 10),
        "gamma_min": (0, 100),
    }
    samplers = SAMPLERS
    branches = (AtomsNetwork.name,)

    def __init__(self, folder: Path = CHECKPOINTS) -> None:
        path = folder / CHECKPOINT
        self.model = load_model(path)
        self.library = Library()
        self.checkpoints: Mapping[str, str] = {CHECKPOINT: fingerprint(path)}
        self.trunk = Cached(TrunkNetwork(self.model), lambda request: request.cond.digest)
        packed = PackedAtoms(self.model)
        self.atoms = {slots: AtomsNetwork(packed, slots) for slots in (1, SLOTS, FULL_SLOTS)}
        self.confidence: confidence.ConfidenceNetwork | None = None
        self._notes: tuple[str, ...] = ()
        own = folder / confidence.CHECKPOINT
        try:
            head = confidence.load_head(own, fingerprint(path))
        except confidence.NoConfidence as error:
            self._notes = (str(error),)
        else:
            self.confidence = confidence.ConfidenceNetwork(self.model, head)
            self.checkpoints = {**self.checkpoints, own.name: fingerprint(own)}
        self._read = lru_cache(PLANS_KEPT)(self._parse)

    @property
    def caches(self) -> tuple[Cached, ...]:
        return (self.trunk,)

    @property
    def trained(self) -> list[dict[str, Any]]:
        """What the network was trained at: molecules of single atoms, backbones, all atoms of residues."""
        return [{**stage_data(net, "Å"), "slots": slots} for slots, net in self.atoms.items()]

    @cached_property
    def examples(self) -> tuple[Mapping[str, Any], ...]:
        """label, input, line (one sentence about it), group, and training: seen, similar or unseen."""
        return tuple(
            {**vars(example), "training": self.parse(example.input).training}
            for example in EXAMPLES
        )

    def parse(self, input: Mapping[str, Any]) -> Plan:
        """Reading takes milliseconds and a class asks for the same few molecules, so the plans of the
        last ones are kept; they never change."""
        return self._read(json.dumps(input, default=str))

    def _parse(self, text: str) -> Plan:
        plan = parse(json.loads(text), self.library)
        plan.structure.digest  # noqa: B018 - features take a moment, which is better spent here
        return plan

    def start(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        if branch is not None:
            branch.check(settings)
            check_like(plan, branch.plan)
        net = self.atoms[plan.slots]
        schedule = levels_left(net.name, net.sigma_data, settings, branch)
        return {
            "stages": [stage_data(net, "Å", schedule)],
            "notes": [*plan.notes, *self._notes, *outside_training(net, "Å", schedule)],
            **described(plan),
            **({} if branch is None else {"branch": branch.told(schedule)}),
        }

    def run(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> Run[Prediction]:
        calls: dict[str, int] = {}
        prediction = yield from counted(self._predict(plan, settings, branch), calls)
        return replace(prediction, calls=calls)

    def _predict(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None
    ) -> Run[Prediction]:
        state = None
        if branch is not None:
            before = self._predict(branch.plan, branch.settings, branch.branch)
            state = yield from reach(before, branch.stage, branch.step)
            state = branch.begin(state, settings, stream=0)
        empty = torch.zeros(1)
        conditioned = yield Request(self.trunk, empty, empty, plan.structure, frame=False)
        net = self.atoms[plan.slots]
        xyz = yield from sample(
            net,
            (len(plan.structure.atoms), 3),
            levels_left(net.name, net.sigma_data, settings, branch),
            state.generators if state else sample_generators(settings.seed, settings.samples),
            cond=conditioned,
            sampler=settings.sampler,
            noise_scale=settings.noise_scale,
            step_scale=settings.step_scale,
            augment=augment,
            start=state.x if state else None,
        )
        plddt = None
        if self.confidence is not None:
            nothing = torch.zeros(len(xyz))  # one row per sample, no noise
            plddt = yield Request(self.confidence, xyz, nothing, conditioned, frame=False)
        return Prediction(xyz, plddt, conditioned.expected)

    def cost(self, plan: Plan, settings: SampleSettings, branch: Branch | None = None) -> float:
        """In steps of a molecule of up to 32 heavy atoms. A forward's time grows with the tokens, less with
        the atoms they hold: 3.6 ms with 31, 4.5 with 20 nucleotides of all atoms, 5.4 with 56 in a
        pocket. The trunk's grows with their square: 27 ms with 24 tokens, 99 with 60, 1.1 s with 190."""
        net, size = self.atoms[plan.slots], plan.structure.graph.size
        steps = forwards(net.name, net.sigma_data, settings, branch)
        weight = max(1.0, size / COST_TOKENS)
        read, before = {plan.structure.digest}, branch
        while before is not None:
            read.add(before.plan.structure.digest)
            before = before.branch
        return steps * settings.samples * weight + len(read) * (size / COST_TRUNK) ** 2

    def view(self, plan: Plan, settings: SampleSettings) -> AtomsView:
        return AtomsView(plan, settings)

    def warm_up(self) -> None:
        self.examples  # noqa: B018 - reading them takes a moment
        for given in ({"ccd": "CFF"}, {"protein": "A" * 40}, {"dna": "CGATCG"}):
            run(self.run(self.parse(given), replace(self.defaults, steps=2)))
