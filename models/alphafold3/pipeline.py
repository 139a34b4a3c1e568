"""Pipeline ``alphafold3``: the trunk once, then the sampler over raw coordinates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor

from models.alphafold3.chemistry import stereo_matches
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.geometry import align, augment, lddt, rigid_fit, rmsd
from models.alphafold3.inputs import Plan, parse
from models.alphafold3.library import Library
from models.alphafold3.network import AtomsNetwork, TrunkNetwork
from models.alphafold3.polymer import CA, SLOTS
from models.alphafold3.trunk import ModelConfig
from models.cached import Cached
from models.checkpoint import CHECKPOINTS, CheckpointError, fingerprint, load
from models.config import from_json
from models.diffusion.sampler import SAMPLERS, Request, Run, run, sample
from models.evaluation.settling import Trace, molecule_settling
from models.pipeline import SAMPLER_BOUNDS, Frame, SampleSettings, ScheduleSpec, sample_generators

CHECKPOINT = "alphafold3.safetensors"
PLANS_KEPT = 64  # a large one takes half a megabyte
EXAMPLES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("Peptide Gly-Trp-Lys", {"protein": "GWK"}),
    ("Caffeine", {"ccd": "CFF"}),
    ("Aspirin", {"smiles": "CC(=O)Oc1ccccc1C(=O)O"}),
    ("ATP", {"ccd": "ATP"}),
    ("L-alanine", {"smiles": "C[C@H](N)C(=O)O"}),
    ("D-alanine", {"smiles": "C[C@@H](N)C(=O)O"}),
    ("Imatinib", {"ccd": "STI"}),
    ("Testosterone", {"ccd": "TES"}),
    ("Penicillin G", {"ccd": "PNN"}),
    ("Trp-cage (backbone)", {"protein": "GDAYAQWLADGGPSSGRPPPSG"}),
    ("Villin headpiece", {"protein": "LSDEDFKAVFGMTRSAFANLPLWLQQHLKKEKGLF"}),
    (
        "Homeodomain",
        {"protein": "KRPRTAFSSEQLARLKREFNENRYLTERRRQQLSSELGLNEAQIKIWFKNKRAKIK"},
    ),
    (
        "Protein A domain",
        {"protein": "ADNKFNKEQQNAFYEILHLPNLTEEQRNGFIQSLKDDPSVSKEILAEAKKLNDAQAPK"},
    ),
    ("New in 2024+ (A1BA7)", {"ccd": "A1BA7"}),
    (
        "AlphaFold 3 JSON",
        {"sequences": [{"ligand": {"id": "L", "ccdCodes": ["ATP"]}}]},
    ),
)


def load_model(path: Path) -> StructureModel:
    """The trained model, ready to answer. Raises CheckpointError."""
    state, header = load(path)
    try:
        model = StructureModel(from_json(ModelConfig, header["config"]))
        model.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"does not fit this code ({error})") from error
    return model.eval().requires_grad_(False)


class AtomsView:
    """Frames as float32 (N, 3) A. Every frame is laid onto the one before, so the molecule does not
    tumble with the sampler's random rotations; the noisy state moves along with its estimate."""

    def __init__(self, plan: Plan, settings: SampleSettings) -> None:
        self.plan = plan
        self.samples = settings.samples
        self.traces: list[Trace] = []
        self._last: Tensor | None = None  # (S, N, 3) the previous frame's estimate as shown

    def _array(self, x: Tensor) -> np.ndarray:
        array = x.float().cpu().numpy()
        return array[0] if self.samples == 1 else array

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        net, sigma = request.net, float(request.sigma[0])
        x = request.x.float()
        x = x - x.mean(-2, keepdim=True)
        shown = denoised
        if self._last is not None:
            everything = torch.ones(denoised.shape[:-1], dtype=torch.bool)
            rotation, shift = rigid_fit(denoised, self._last, everything)
            turn = rotation.transpose(-1, -2)
            shown, x = denoised @ turn + shift, x @ turn + shift
        self._last = shown
        self.traces.append(
            Trace(net.name, request.step, sigma / net.sigma_data, shown[0].cpu().numpy())
        )
        return Frame(
            stage=net.name,
            step=request.step,
            steps=request.steps,
            sigma=sigma,
            sigma_data=net.sigma_data,
            x=self._array(x),
            denoised=self._array(shown),
        )

    def done(self, result: Tensor) -> dict[str, Any]:
        """``sample``, ``settling``, ``scores`` of the first sample, and ``reference`` (N, 3) laid onto
        it where an experimental structure is known."""
        final = result.float()
        if self._last is not None:
            final = align(final, self._last, torch.ones(final.shape[:-1], dtype=torch.bool))
        bonds = np.array(self.plan.bonds, np.int64).reshape(-1, 3)[:, :2]
        first = final[0]
        out: dict[str, Any] = {
            "sample": self._array(final),
            "settling": molecule_settling(self.traces, first.cpu().numpy(), bonds),
            "scores": scores(self.plan, first),
        }
        if self.plan.reference is not None:
            everything = torch.ones(len(first), dtype=torch.bool)
            out["reference"] = align(self.plan.reference, first, everything).numpy()
            out["reference_name"] = self.plan.reference_name
        return out


def scores(plan: Plan, xyz: Tensor) -> dict[str, Any]:
    """What can be told about one sample (N, 3) without other programs.

    stereo: whether the hands read off the coordinates are those of the input (molecules with
    stereochemistry only); rmsd_to_reference in A and lddt, against the experimental structure: all
    atoms, for backbones over CA.
    """
    out: dict[str, Any] = {}
    if len(plan.chains) == 1 and plan.chains[0].mol is not None:
        mol = plan.chains[0].mol
        if any(mark in Chem.MolToSmiles(mol) for mark in "@/\\"):
            out["stereo"] = stereo_matches(mol, xyz.numpy())
    if plan.reference is not None:
        chosen = torch.arange(len(xyz))
        if plan.slots == SLOTS:
            chosen = chosen[CA::SLOTS]
        a, b = xyz[chosen], plan.reference[chosen]
        everything = torch.ones(len(chosen), dtype=torch.bool)
        out["rmsd_to_reference"] = round(float(rmsd(a, b, everything)), 3)
        out["lddt"] = round(float(lddt(a, b, everything)), 3)
    return out


class AlphaFold3:
    """Construction loads the checkpoint and the library. Raises CheckpointError."""

    id = "alphafold3"
    title = "A tiny AlphaFold 3"
    defaults = SampleSettings(
        steps=40,
        sampler="af3",
        schedule=ScheduleSpec("karras", sigma_max=55.0, sigma_min=0.01, rho=7.0),
        noise_scale=1.003,
        step_scale=1.5,
    )
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
    examples = tuple({"label": label, "input": dict(given)} for label, given in EXAMPLES)

    def __init__(self, folder: Path = CHECKPOINTS) -> None:
        path = folder / CHECKPOINT
        self.model = load_model(path)
        self.library = Library()
        self.checkpoints: Mapping[str, str] = {CHECKPOINT: fingerprint(path)}
        self.trunk = Cached(TrunkNetwork(self.model), lambda request: request.cond.digest)
        self.atoms = {slots: AtomsNetwork(self.model, slots) for slots in (1, SLOTS)}
        self._read = lru_cache(PLANS_KEPT)(self._parse)

    @property
    def caches(self) -> tuple[Cached, ...]:
        return (self.trunk,)

    def parse(self, input: Mapping[str, Any]) -> Plan:
        """Reading takes milliseconds and a class asks for the same few molecules, so the plans of the
        last ones are kept; they never change."""
        return self._read(json.dumps(input, default=str))

    def _parse(self, text: str) -> Plan:
        plan = parse(json.loads(text), self.library)
        plan.structure.digest  # noqa: B018 - features take a moment, which is better spent here
        return plan

    def start(self, plan: Plan, settings: SampleSettings) -> dict[str, Any]:
        net = self.atoms[plan.slots]
        schedule = settings.build_schedule(net.sigma_data)
        return {
            "stages": [
                {
                    "name": net.name,
                    "sigma_data": net.sigma_data,
                    "sigmas": schedule.sigmas.tolist(),
                    "unit": "Å",
                }
            ],
            "notes": list(plan.notes),
            "title": plan.title,
            "atoms": plan.atoms,
            "bonds": plan.bonds,
            "chains": [
                {
                    "id": chain.name,
                    "kind": chain.kind,
                    "title": chain.title,
                    "sequence": chain.sequence,
                }
                for chain in plan.chains
            ],
            "heavy_atoms": len(plan.atoms),
            "training": plan.training,
            "reference": plan.reference_name or None,
        }

    def run(self, plan: Plan, settings: SampleSettings) -> Run[Tensor]:
        generators = sample_generators(settings.seed, settings.samples)
        empty = torch.zeros(1)
        conditioned = yield Request(self.trunk, empty, empty, plan.structure, frame=False)
        net = self.atoms[plan.slots]
        return (
            yield from sample(
                net,
                (len(plan.structure.atoms), 3),
                settings.build_schedule(net.sigma_data),
                generators,
                cond=conditioned,
                sampler=settings.sampler,
                noise_scale=settings.noise_scale,
                step_scale=settings.step_scale,
                augment=augment,
            )
        )

    def view(self, plan: Plan, settings: SampleSettings) -> AtomsView:
        return AtomsView(plan, settings)

    def warm_up(self) -> None:
        self.library.components  # noqa: B018 - decompressing takes a moment
        for given in ({"ccd": "CFF"}, {"protein": "A" * 40}):
            run(self.run(self.parse(given), replace(self.defaults, steps=2)))
