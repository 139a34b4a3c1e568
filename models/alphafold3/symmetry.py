"""Atoms that only their names tell apart: which of them a sample should be compared with.

A flipped benzene ring or a carboxylate whose oxygens changed places is the same structure. Before a
sample is scored, the reference's atoms are named anew, within the symmetry, so that they lie nearest.
"""

from __future__ import annotations

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from models.alphafold3.chemistry import with_conformer
from models.alphafold3.features import KIND
from models.alphafold3.geometry import align
from models.alphafold3.graph import RESIDUE, RESIDUE_ID, TOKEN_COLUMNS, Graph
from models.alphafold3.residues import RESIDUE_ATOMS

MATCHES = 500  # symmetries of a molecule looked at, at most
# Pairs of atoms that change places together, per residue.
EQUIVALENT = {
    "ASP": (("OD1", "OD2"),),
    "GLU": (("OE1", "OE2"),),
    "PHE": (("CD1", "CD2"), ("CE1", "CE2")),
    "TYR": (("CD1", "CD2"), ("CE1", "CE2")),
    "ARG": (("NH1", "NH2"),),
}


def nearest_molecule(mol: Chem.Mol, xyz: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``reference`` (N, 3) A with its atoms in the order, among the molecule's symmetries, whose RMSD to
    ``xyz`` (N, 3) after alignment is least."""
    probe, target = with_conformer(mol, xyz), with_conformer(mol, reference)
    _, _, pairs = rdMolAlign.GetBestAlignmentTransform(probe, target, maxMatches=MATCHES)
    out = reference.copy()
    for here, there in pairs:
        out[here] = reference[there]
    return out


def nearest_residues(graph: Graph, xyz: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The same for the side chains of residues with all their atoms, one by one. xyz, reference: (N, 3) A,
    the atoms present in ``graph``."""
    everything = torch.ones(len(xyz), dtype=torch.bool)
    laid = align(torch.from_numpy(reference), torch.from_numpy(xyz), everything).numpy()
    place = np.cumsum(graph.present) - 1
    column = list(TOKEN_COLUMNS).index("residue")
    out = reference.copy()
    for comp, pairs in EQUIVALENT.items():
        slots = [[RESIDUE_ATOMS[comp].index(name) for name in pair] for pair in pairs]
        here = (graph.tokens[:, KIND] == RESIDUE) & (graph.tokens[:, column] == RESIDUE_ID[comp])
        for token in np.flatnonzero(here):
            at = token * graph.slots + np.array(slots)
            if not graph.present[at].all():
                continue
            one, other = place[at[:, 0]], place[at[:, 1]]
            kept = ((laid[one] - xyz[one]) ** 2 + (laid[other] - xyz[other]) ** 2).sum()
            swapped = ((laid[one] - xyz[other]) ** 2 + (laid[other] - xyz[one]) ** 2).sum()
            if swapped < kept:
                out[one], out[other] = reference[other], reference[one]
    return out
