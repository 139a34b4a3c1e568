"""The scores themselves: a perfect answer, a mirror image, a wrong fold."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from models.evaluation import molecules as evaluation


@pytest.fixture
def glucose() -> tuple[Chem.Mol, np.ndarray]:
    mol = Chem.AddHs(Chem.MolFromSmiles("OC[C@H]1O[C@H](O)[C@H](O)[C@@H](O)[C@@H]1O"))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    heavy = Chem.RemoveHs(mol)
    return heavy, heavy.GetConformer().GetPositions()


def test_a_perfect_answer_scores_perfectly(glucose):
    mol, xyz = glucose
    scores = evaluation._Scores()
    scores.add(mol, np.stack([xyz, xyz + 5]), xyz)
    (row,) = scores.rows
    assert row["stereo"] == [True, True] and max(row["rmsd"]) < 1e-3
    assert row["bonds"] < 1e-6 and row["angles"] < 1e-4


def test_a_mirror_image_has_good_bonds_but_the_wrong_hand(glucose):
    mol, xyz = glucose
    scores = evaluation._Scores()
    scores.add(mol, (xyz * [1, 1, -1])[None], xyz)
    (row,) = scores.rows
    assert row["stereo"] == [False] and row["rmsd"][0] > 0.3 and row["bonds"] < 1e-6


def test_symmetric_atoms_may_be_swapped():
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(C)c1ccccc1"))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
    mol = Chem.RemoveHs(mol)
    xyz = mol.GetConformer().GetPositions()
    swapped = xyz[[2, 1, 0, 3, 8, 7, 6, 5, 4]]
    assert evaluation.best_rms(mol, swapped, xyz) < 1e-3


def test_the_fixed_ids_are_two_hundred_codes():
    import json

    codes = json.loads(evaluation.IDS.read_text())["codes"]
    assert len(codes) == len(set(codes)) == evaluation.MOLECULES


def test_nothing_to_average_is_no_number():
    assert evaluation._mean([]) is None and evaluation._mean([1, 2]) == 1.5
