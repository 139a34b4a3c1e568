"""What one drawn molecule is worth, judged by RDKit and PoseBusters; ETKDG on the same molecule.

RMSD is over heavy atoms after alignment, the best over the molecule's symmetries (RDKit). Validity is
PoseBusters' ``mol_fast`` configuration, and for one sample ``mol``, which adds the internal energy
against an ensemble. Nothing is relaxed, filtered or drawn again.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolAlign

from models.alphafold3.chemistry import comparable_smiles, with_conformer

MATCHES = 2000  # symmetries looked at, at most
PROCESSES = 2


@dataclass(frozen=True)
class Task:
    """One molecule to score. drawn: (S, N, 3) A; etkdg: how many conformers of it to make for the same
    scores; busted: samples shown to PoseBusters; full: whether the first one's energy is looked at."""

    mol: Chem.Mol
    crystal: np.ndarray
    drawn: np.ndarray | None
    etkdg: int = 0
    seed: int = 0
    busted: int = 5
    full: bool = False


@dataclass(frozen=True)
class Row:
    """One method on one molecule. stereo, rmsd: per sample; valid: per sample that PoseBusters saw;
    failed: its checks that failed, per such sample; full: the ``mol`` verdict on the first sample, None
    where it was not asked; bonds (A), angles (degrees): mean absolute errors; spread: mean RMSD between
    two samples (A), 0 for a single one."""

    size: int
    has_stereo: bool
    stereo: list[bool]
    rmsd: list[float]
    spread: float
    bonds: float
    angles: float
    valid: list[bool]
    failed: list[list[str]]
    full: bool | None = None
    full_failed: tuple[str, ...] = ()

    @property
    def right(self) -> list[bool]:
        """Valid and with the right hands, per sample that PoseBusters saw."""
        return [v and s for v, s in zip(self.valid, self.stereo, strict=False)]


@dataclass(frozen=True)
class Judged:
    """The model's row and ETKDG's; None where nothing was drawn or embedding failed."""

    model: Row | None
    etkdg: Row | None


def best_rms(mol: Chem.Mol, xyz: np.ndarray, reference: np.ndarray) -> float:
    """Heavy-atom RMSD after alignment, over the molecule's symmetries. (N, 3) twice -> A"""
    probe, target = with_conformer(mol, xyz), with_conformer(mol, reference)
    return float(rdMolAlign.GetBestRMS(probe, target, maxMatches=MATCHES))


def rms_to(mol: Chem.Mol, conformers: np.ndarray, crystal: np.ndarray) -> tuple[list[float], float]:
    """(S, N, 3), (N, 3) -> RMSD of each conformer to the crystal, and the mean between two of them. A"""
    every = with_conformer(mol, crystal)
    for xyz in conformers:
        every.AddConformer(with_conformer(mol, xyz).GetConformer(), assignId=True)
    # RDKit lists the pairs (1, 0), (2, 0), (2, 1), (3, 0), ...; conformer 0 is the crystal.
    flat = rdMolAlign.GetAllConformerBestRMS(every, maxMatches=MATCHES)
    pairs = [(i, j) for i in range(len(conformers) + 1) for j in range(i)]
    to_crystal = [float(r) for r, (_, j) in zip(flat, pairs, strict=True) if j == 0]
    between = [float(r) for r, (_, j) in zip(flat, pairs, strict=True) if j > 0]
    return to_crystal, float(np.mean(between)) if between else 0.0


def bust(mols: Sequence[Chem.Mol], config: str = "mol_fast") -> list[list[str]]:
    """PoseBusters' checks that failed, per molecule; empty lists are valid molecules."""
    from posebusters import PoseBusters

    passed = PoseBusters(config).bust(list(mols), None, None).astype(bool)
    return [[str(name) for name in passed if not row[name]] for _, row in passed.iterrows()]


def etkdg(mol: Chem.Mol, crystal: np.ndarray, count: int, seed: int) -> np.ndarray | None:
    """(count, N, 3) conformers of RDKit's ETKDGv3, told the same stereochemistry; None where it fails."""
    tagged = with_conformer(mol, crystal)
    Chem.AssignStereochemistryFrom3D(tagged, replaceExistingTags=True)
    full = Chem.AddHs(tagged)
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    if len(rdDistGeom.EmbedMultipleConfs(full, count, parameters)) < count:
        return None
    heavy = mol.GetNumAtoms()
    return np.stack([c.GetPositions()[:heavy] for c in full.GetConformers()])


def score(
    mol: Chem.Mol, conformers: np.ndarray, crystal: np.ndarray, busted: int, full: bool = False
) -> Row:
    """conformers: (S, N, 3), crystal: (N, 3) A."""
    wanted = comparable_smiles(mol, crystal)
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()])
    angles = _angle_triples(mol)
    rmsd, spread = rms_to(mol, conformers, crystal)
    shown = [with_conformer(mol, xyz) for xyz in conformers[:busted]]
    failed = bust(shown) if shown else []
    verdict = bust(shown[:1], "mol")[0] if full and shown else None
    return Row(
        size=mol.GetNumAtoms(),
        has_stereo=any(mark in wanted for mark in "@/\\"),
        stereo=[comparable_smiles(mol, xyz) == wanted for xyz in conformers],
        rmsd=rmsd,
        spread=spread,
        bonds=float(np.mean([_gap(_lengths, xyz, crystal, bonds) for xyz in conformers])),
        angles=float(np.mean([_gap(_degrees, xyz, crystal, angles) for xyz in conformers])),
        valid=[not names for names in failed],
        failed=failed,
        full=None if verdict is None else not verdict,
        full_failed=tuple(verdict or ()),
    )


def judge(task: Task) -> Judged:
    """Both methods in one process, so that PoseBusters makes its energy ensemble of a molecule once."""
    made = etkdg(task.mol, task.crystal, task.etkdg, task.seed) if task.etkdg else None
    rows = [
        None if xyz is None else score(task.mol, xyz, task.crystal, task.busted, task.full)
        for xyz in (task.drawn, made)
    ]
    return Judged(*rows)


def judges(processes: int = PROCESSES) -> ProcessPoolExecutor:
    """Processes that score while the next structures are drawn: ``judges().submit(judge, task)``."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))


def _lengths(xyz: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=-1)


def _degrees(xyz: np.ndarray, triples: np.ndarray) -> np.ndarray:
    a, b = xyz[triples[:, 0]] - xyz[triples[:, 1]], xyz[triples[:, 2]] - xyz[triples[:, 1]]
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def _gap(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    xyz: np.ndarray,
    crystal: np.ndarray,
    index: np.ndarray,
) -> float:
    return float(np.abs(measure(xyz, index) - measure(crystal, index)).mean())


def _angle_triples(mol: Chem.Mol) -> np.ndarray:
    found = []
    for atom in mol.GetAtoms():
        near = [n.GetIdx() for n in atom.GetNeighbors()]
        found += [(a, atom.GetIdx(), b) for k, a in enumerate(near) for b in near[k + 1 :]]
    return np.array(found)
