"""RDKit's answer: over symmetric matches, with the hands of the input, within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from models.alphafold3.chemistry import stereo_matches
from models.alphafold3.etkdg import etkdg
from models.pipeline import InputError


def molecule(smiles: str) -> Chem.Mol:
    mol = Chem.MolFromSmiles(smiles)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def test_equal_atoms_lie_over_each_other() -> None:
    """The sample is RDKit's own shape with the halves of a ring exchanged, turned and moved."""
    mol = molecule("Cc1ccccc1")
    own = etkdg(mol, np.random.default_rng(0).normal(size=(7, 3)), seed=4).xyz
    order = [0, 1, 6, 5, 4, 3, 2]  # the same molecule seen from behind
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    sample = own[order] @ turn.T + [3, -2, 9]
    found = etkdg(mol, sample, seed=4)
    assert found.rmsd < 0.05
    assert np.abs(found.xyz - sample).max() < 0.15
    assert found.seconds > 0


def test_the_rmsd_is_that_of_what_is_drawn_and_the_hand_that_of_the_input() -> None:
    mol = molecule("C[C@H](N)C(=O)O")
    sample = np.random.default_rng(3).normal(size=(6, 3)) * 2
    found = etkdg(mol, sample)
    drawn = np.sqrt(((found.xyz - sample) ** 2).sum(1).mean())
    assert found.rmsd == pytest.approx(drawn, abs=1e-4)
    assert stereo_matches(mol, found.xyz)
    assert not stereo_matches(molecule("C[C@@H](N)C(=O)O"), found.xyz)


def test_the_same_seed_gives_the_same_answer() -> None:
    mol, onto = molecule("CCOCCN"), np.random.default_rng(0).normal(size=(6, 3))
    assert np.array_equal(etkdg(mol, onto, 2**32 - 1).xyz, etkdg(mol, onto, 2**32 - 1).xyz)
    assert not np.allclose(etkdg(mol, onto, 1).xyz, etkdg(mol, onto, 2).xyz)


def test_no_shape_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdDistGeom, "EmbedMolecule", lambda *_: -1)
    with pytest.raises(InputError, match="found no shape"):
        etkdg(molecule("CCO"), np.zeros((3, 3)))
