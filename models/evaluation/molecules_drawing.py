"""Which held-out molecules are drawn, and many structures drawn together on one thread."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.alphafold3.data.store import Molecules
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.geometry import augment
from models.alphafold3.network import AtomsNetwork
from models.alphafold3.structure import Structure
from models.diffusion.sampler import Request, Run, forward_of, sample
from models.pipeline import SampleSettings, sample_generators

IDS = Path(__file__).parent / "molecule_ids.json"
MOLECULES, DRAW_SEED, SAMPLE_SEED = 200, 20260, 7
TOGETHER = 12  # structures in one forward
SMALLEST, LARGEST = 8, 40  # heavy atoms


class StructurePipeline(Protocol):
    """What drawing needs of a pipeline: the two networks that its runs ask, and the model itself."""

    @property
    def model(self) -> StructureModel: ...

    @property
    def trunk(self) -> Any: ...

    @property
    def atoms(self) -> Mapping[int, AtomsNetwork]: ...


@dataclass(frozen=True)
class Networks:
    """A :class:`StructurePipeline` that is no more than its networks."""

    model: StructureModel
    trunk: Any
    atoms: Mapping[int, AtomsNetwork]


def without_steering(pipeline: StructurePipeline) -> Networks:
    """The same networks, the denoiser's answers taken as they are (see models.alphafold3.steering)."""
    atoms = {slots: copy(net) for slots, net in pipeline.atoms.items()}
    for net in atoms.values():
        net.steering = False
    return Networks(pipeline.model, pipeline.trunk, atoms)


def run_together(runs: Sequence[Run[Any]], structures: int = TOGETHER) -> list[Any]:
    """Drives many runs, answering requests of equal network and bucket in one forward. -> results"""
    results: list[Any] = [None] * len(runs)
    waiting = {k: next(generator) for k, generator in enumerate(runs)}
    bar = tqdm(total=len(runs), unit="run", disable=len(runs) < TOGETHER)
    while waiting:
        # One bucket's runs go from start to end together, so that few noisy states are alive.
        groups: dict[Any, list[int]] = defaultdict(list)
        for k, request in waiting.items():
            net = forward_of(request.net)
            groups[id(net), net.bucket(request)].append(k)
        chosen = max(groups.values(), key=lambda ks: waiting[ks[0]].step)[:structures]
        requests: list[Request] = [waiting[k] for k in chosen]
        # Training's own precision: thousands of samples, and no visitor whose seed must repeat.
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            answers = forward_of(requests[0].net).answer(requests)
        for k, answer in zip(chosen, answers, strict=True):
            try:
                waiting[k] = runs[k].send(answer)
            except StopIteration as stop:
                results[k] = stop.value
                del waiting[k]
                bar.update()
    bar.close()
    return results


def sample_structures(
    pipeline: StructurePipeline, structures: Sequence[Structure], settings: SampleSettings
) -> list[Tensor]:
    """(samples, N, 3) A for every structure, as the pipeline would draw them."""

    def draw(structure: Structure, number: int) -> Run[Tensor]:
        net = pipeline.atoms[structure.graph.slots]
        empty = torch.zeros(1)
        conditioned = yield Request(pipeline.trunk, empty, empty, structure, frame=False)
        return (
            yield from sample(
                net,
                (len(structure.atoms), 3),
                settings.build_schedule(net.sigma_data),
                sample_generators(settings.seed, settings.samples, stream=number),
                cond=conditioned,
                sampler=settings.sampler,
                noise_scale=settings.noise_scale,
                step_scale=settings.step_scale,
                augment=augment,
            )
        )

    return run_together([draw(s, k) for k, s in enumerate(structures)])


def draw_ids(molecules: Molecules) -> list[str]:
    """200 codes of the strict pool with 8-40 heavy atoms and a crystal conformer."""
    counts = molecules["atom_counts"]
    pool = (molecules["split"] == "test") & molecules["has_crystal"]
    pool &= (counts >= SMALLEST) & (counts <= LARGEST)
    codes = np.sort(molecules["code"][pool])
    return np.random.default_rng(DRAW_SEED).permutation(codes)[:MOLECULES].tolist()


def chosen_molecules(data: Molecules, limit: int = MOLECULES) -> list[int]:
    """Places in ``data`` of the first ``limit`` of the 200 fixed codes."""
    place = {str(code): k for k, code in enumerate(data["code"])}
    return [place[code] for code in json.loads(IDS.read_text())["codes"][:limit]]


def validation_molecules(data: Molecules, limit: int) -> list[int]:
    """Molecules of 2023 by a seed: neither trained on nor reported on, so settings may be compared here."""
    counts = data["atom_counts"]
    pool = (data["split"] == "val") & data["has_crystal"]
    pool &= (counts >= SMALLEST) & (counts <= LARGEST)
    return np.random.default_rng(DRAW_SEED).permutation(np.flatnonzero(pool))[:limit].tolist()
