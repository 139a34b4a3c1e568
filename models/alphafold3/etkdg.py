"""RDKit's answer to the same molecule: one ETKDGv3 conformer, laid onto a sample.

ETKDG (Riniker and Landrum 2015; v3: Wang et al. 2020) is distance geometry with torsions and ring shapes
counted in crystal structures: what a chemist would otherwise use. It gets the graph only, as the model
does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolAlign

from models.alphafold3.chemistry import with_conformer
from models.pipeline import InputError

METHOD = "RDKit ETKDGv3"
TIMEOUT_S = 10
ATTEMPTS = 20  # embeddings that may fail before RDKit gives up
MATCHES = 2000  # ways to lay a symmetric molecule onto itself that are tried
ACCEPTED = "a run of one organic molecule"


@dataclass(frozen=True)
class Conformer:
    """xyz: (N, 3) A, heavy atoms in the order of the molecule, laid onto the sample; seconds: of the
    embedding, hydrogens included; rmsd: A to the sample over the best symmetric match."""

    xyz: np.ndarray
    seconds: float
    rmsd: float


def etkdg(mol: Chem.Mol, onto: np.ndarray, seed: int = 0) -> Conformer:
    """mol: without hydrogens; onto: (N, 3) A. Raises InputError when RDKit finds no shape."""
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed % 2**31
    parameters.maxIterations = ATTEMPTS
    parameters.timeout = TIMEOUT_S
    parameters.numThreads = 1
    begun = time.perf_counter()
    full = Chem.AddHs(mol)
    failed = rdDistGeom.EmbedMolecule(full, parameters) < 0
    seconds = time.perf_counter() - begun
    if failed:
        raise InputError(
            "id",
            f"holds a molecule for which RDKit found no shape in {ATTEMPTS} attempts or {TIMEOUT_S} s",
            "a smaller or less strained molecule",
        )
    conformer = Chem.RemoveHs(full)
    sample = with_conformer(mol, onto)
    rmsd, transform, matched = rdMolAlign.GetBestAlignmentTransform(
        conformer, sample, maxMatches=MATCHES, numThreads=1
    )
    turned = conformer.GetConformer().GetPositions() @ transform[:3, :3].T + transform[:3, 3]
    xyz = np.empty_like(turned)
    # An atom takes the place of its match, so that equal atoms lie over each other.
    for own, place in matched:
        xyz[place] = turned[own]
    return Conformer(xyz.astype(np.float32), seconds, float(rmsd))
