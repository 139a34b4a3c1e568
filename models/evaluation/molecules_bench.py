"""What the parts of the molecule evaluation share: the pipeline, the data, and processes that score."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rdkit import Chem
from torch import Tensor

from models.alphafold3.chemistry import graph_molecule
from models.alphafold3.data.store import Molecules
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.structure import Structure
from models.evaluation.molecules_drawing import StructurePipeline, sample_structures
from models.evaluation.molecules_scores import Judged, Task, judge
from models.pipeline import SampleSettings

BUSTED = 3  # samples of a molecule that PoseBusters looks at


@dataclass(frozen=True)
class Asked:
    """Molecules that are being scored elsewhere. drawn: (S, N, 3) A each; seconds: of drawing them."""

    mols: list[Chem.Mol]
    crystals: list[np.ndarray]
    drawn: list[np.ndarray]
    scores: list[Future[Judged]]
    seconds: float

    def judged(self) -> list[Judged]:
        return [future.result() for future in self.scores]


@dataclass(frozen=True)
class Bench:
    """What every part works with. molecules, crops: how many at most; pictures: folder of the sheets;
    drawn: samples of a class that a later part also needs."""

    pipeline: AlphaFold3
    data: Molecules
    cache: Path
    pool: Executor
    settings: SampleSettings
    molecules: int
    crops: int
    pictures: Path
    drawn: dict[str, list[Tensor]] = field(default_factory=dict)

    def ask(
        self,
        places: Sequence[int],
        settings: SampleSettings,
        etkdg: bool = True,
        full: bool = False,
        networks: StructurePipeline | None = None,
    ) -> Asked:
        """Draws the molecules at ``places`` of the data and has them scored. full: PoseBusters' energy
        check on the first sample; networks: others than the pipeline's."""
        began = time.perf_counter()
        structures = [Structure(self.data.graph(i)) for i in places]
        drawn = [
            x.numpy() for x in sample_structures(networks or self.pipeline, structures, settings)
        ]
        seconds = time.perf_counter() - began
        mols = [graph_molecule(self.data.graph(i)) for i in places]
        crystals = [self.data.conformer(i, "crystal") for i in places]
        made = settings.samples if etkdg else 0
        tasks = [
            Task(mol, crystal, x, made, settings.seed, BUSTED, full)
            for mol, crystal, x in zip(mols, crystals, drawn, strict=True)
        ]
        scores = [self.pool.submit(judge, task) for task in tasks]
        return Asked(mols, crystals, drawn, scores, seconds)
