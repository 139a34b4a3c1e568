"""How a structure's run is shown: frames that do not tumble, and what is known of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.features import KIND, REPRESENTATIVE
from models.alphafold3.geometry import LDDT_CUTOFF, LDDT_LIMITS, align
from models.alphafold3.graph import Graph
from models.alphafold3.plan import Plan
from models.alphafold3.polymer import CA, SLOTS
from models.alphafold3.pose import Pose, fit
from models.alphafold3.ranking import hands_right, rank
from models.alphafold3.symmetry import nearest_molecule, nearest_residues
from models.diffusion.sampler import Request
from models.evaluation.settling import Trace, molecule_settling
from models.pipeline import Frame, SampleSettings

TOGETHER = 2**16  # pairs of atoms compared at once, of several frames where they are small
MOST_COMPARED = 512  # atoms; of a larger structure each token's representative is compared


@dataclass(frozen=True)
class Prediction:
    """What a run ends with: samples (S, N, 3) A, their pLDDT (S, N), 0 to 100, None without a confidence
    head, the trunk's expected distances between tokens (T, T), A, and how many forwards were asked of
    each network."""

    xyz: Tensor
    plddt: Tensor | None
    expected: Tensor
    calls: Mapping[str, int] = field(default_factory=dict)


def representatives(graph: Graph) -> np.ndarray:
    """(T,) of the present atoms, the one that stands for each token: CA, C1', the atom itself, or the
    token's first where that is missing."""
    present, place = graph.present, np.cumsum(graph.present) - 1
    first = np.arange(graph.size) * graph.slots
    slot = np.array([REPRESENTATIVE[kind] for kind in graph.tokens[:, KIND].tolist()])
    chosen = first + np.minimum(slot, graph.slots - 1)
    any_present = first + present.reshape(graph.size, graph.slots).argmax(1)
    return place[np.where(present[chosen], chosen, any_present)]


def described(plan: Plan) -> dict[str, Any]:
    """What the start event tells of a structure, whichever network answers for it."""
    return {
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
        "token_atoms": representatives(plan.structure.graph).tolist(),
        "training": plan.training,
        "reference": plan.reference_name or None,
    }


def chain_atoms(plan: Plan, name: str) -> np.ndarray:
    """Which of the plan's atoms belong to a chain. (n,) int64"""
    return np.array([i for i, atom in enumerate(plan.atoms) if atom["chain"] == name], np.int64)


def named_reference(plan: Plan, xyz: np.ndarray) -> np.ndarray | None:
    """The plan's reference (N, 3) A, atoms that are alike named as they lie nearest to ``xyz``."""
    if plan.reference is None:
        return None
    out = nearest_residues(plan.structure.graph, xyz, plan.reference.numpy())
    for chain in plan.chains:
        atoms = chain_atoms(plan, chain.name)
        if chain.mol is not None and chain.mol.GetNumAtoms() == len(atoms) > 2:
            out[atoms] = nearest_molecule(chain.mol, xyz[atoms], out[atoms])
    return out


def compared_atoms(plan: Plan) -> tuple[np.ndarray, str]:
    """Which atoms are compared with a reference, and their name: all, CA of backbones, one per token of
    what has more than MOST_COMPARED."""
    count = len(plan.structure.atoms)
    if plan.slots == SLOTS:
        return np.arange(count)[CA::SLOTS], "CA"
    if count > MOST_COMPARED:
        return representatives(plan.structure.graph), "one atom per token"
    return np.arange(count), "atoms"


def against_reference(
    plan: Plan, frames: list[np.ndarray], reference: np.ndarray
) -> dict[str, Any]:
    """lddt, rmsd (A, after alignment) and distance_error (mean absolute, A) of every frame (N, 3)."""
    chosen, of = compared_atoms(plan)
    true = reference[chosen].astype(np.float32)
    first, second = np.triu_indices(len(true), 1)
    flat = torch.from_numpy(first * len(true) + second)  # every pair of atoms once
    distances = _distances(torch.from_numpy(true)[None], flat)
    near = torch.from_numpy(np.flatnonzero(distances[0].numpy() < LDDT_CUTOFF))
    shown = np.stack([frame[chosen] for frame in frames]).astype(np.float32)
    lddt: list[float] = []
    error: list[float] = []
    for xyz in torch.from_numpy(shown).split(max(1, TOGETHER // len(true) ** 2)):
        gap = (_distances(xyz, flat) - distances).abs_()
        error += (gap.sum(1) / max(1, len(flat))).tolist()
        local = gap.index_select(1, near)
        kept = torch.stack([(local < limit).sum(1) for limit in LDDT_LIMITS]).sum(0)
        lddt += (kept / (len(LDDT_LIMITS) * max(1, len(near)))).tolist()
    turn, shift = fit(shown, true[None])
    rmsd = np.sqrt(((shown @ turn + shift - true) ** 2).sum(-1).mean(-1))
    return {
        "lddt": [round(value, 4) for value in lddt],
        "rmsd": [round(value, 3) for value in rmsd.tolist()],
        "distance_error": [round(value, 3) for value in error],
        "of": of,
    }


def _distances(xyz: Tensor, pairs: Tensor) -> Tensor:
    """(F, N, 3) and flat indices (P,) of (N, N) -> (F, P)"""
    return torch.cdist(xyz, xyz).flatten(1).index_select(1, pairs)


def as_numpy(x: Tensor) -> np.ndarray:
    """float32, sharing memory where it can."""
    return x.float().cpu().numpy()


class AtomsView:
    """Frames as float32 (N, 3) A. Every frame is laid onto the one before, so the molecule does not
    tumble with the sampler's random rotations; the noisy state moves along with its estimate. See
    :class:`models.branching.Remembering`."""

    def __init__(self, plan: Plan, settings: SampleSettings) -> None:
        self.plan = plan
        self.samples = settings.samples
        self.traces: list[Trace] = []
        self._pose = Pose()

    def _array(self, array: np.ndarray) -> np.ndarray:
        return array[0] if self.samples == 1 else array

    def past(self, request: Request, denoised: Tensor) -> None:
        """A frame of the run that this one goes on from: its pose is kept, so both can be laid over each
        other."""
        self._pose.lay(as_numpy(request.x), as_numpy(denoised))

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        net, sigma = request.net, float(request.sigma[0])
        x, shown = self._pose.lay(as_numpy(request.x), as_numpy(denoised))
        self.traces.append(Trace(net.name, request.step, sigma / net.sigma_data, shown[0]))
        return Frame(
            stage=net.name,
            step=request.step,
            steps=request.steps,
            sigma=sigma,
            sigma_data=net.sigma_data,
            x=self._array(x),
            denoised=self._array(shown),
        )

    def done(self, result: Prediction) -> dict[str, Any]:
        """``sample``, ``settling``, ``distogram``, ``calls``; with a confidence head ``plddt`` and, of
        several samples, ``ranking``. ``scores`` are of the first sample; where an experimental structure
        is known, ``reference`` (N, 3) is laid onto it and ``against_reference`` has one value per frame."""
        plan, final = self.plan, result.xyz.float()
        if self._pose.last is not None:
            last = torch.from_numpy(self._pose.last)
            final = align(final, last, torch.ones(final.shape[:-1], dtype=torch.bool))
        drawn = final.cpu().numpy()
        bonds = np.array(plan.bonds, np.int64).reshape(-1, 3)[:, :2]
        out: dict[str, Any] = {
            "sample": self._array(drawn),
            "settling": molecule_settling(self.traces, drawn[0], bonds),
            "calls": dict(result.calls),
            "distogram": result.expected.cpu().numpy().astype(np.float16),
        }
        reference = named_reference(plan, drawn[0])
        out["scores"] = scores(plan, drawn[0], reference)
        if result.plddt is not None:
            out["plddt"] = self._array(as_numpy(result.plddt))
            out["scores"]["plddt"] = round(float(result.plddt[0].mean()), 2)
            if self.samples > 1:
                out["ranking"] = rank(plan.structure, drawn, result.plddt)
        if reference is not None:
            frames = [trace.denoised for trace in self.traces]
            out["against_reference"] = against_reference(plan, frames, reference)
            everything = torch.ones(len(reference), dtype=torch.bool)
            out["reference"] = align(torch.from_numpy(reference), final[0], everything).numpy()
            out["reference_name"] = plan.reference_name
        return out


def scores(plan: Plan, xyz: np.ndarray, reference: np.ndarray | None) -> dict[str, Any]:
    """What can be told about one sample (N, 3) without other programs.

    stereo: whether the hands read off the coordinates are those of the input (only where it specifies
    any); rmsd_to_reference in A and lddt, against the experimental structure over the atoms of
    :func:`compared_atoms`.
    """
    out: dict[str, Any] = {}
    (right,) = hands_right(plan.structure, xyz[None])
    if right is not None:
        out["stereo"] = right
    if reference is not None:
        compared = against_reference(plan, [xyz], reference)
        out["rmsd_to_reference"] = compared["rmsd"][0]
        out["lddt"] = round(compared["lddt"][0], 3)
    return out
