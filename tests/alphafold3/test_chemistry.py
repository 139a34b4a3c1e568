"""Graphs from molecules, and stereochemistry read off coordinates."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from alphafold3.structures import FIXTURES, graph_of, triple_product
from models.alphafold3.chemistry import (
    comparable_smiles,
    graph_molecule,
    molecule_graph,
    stereo_matches,
    stereo_smiles,
)
from models.alphafold3.data.store import Molecules
from models.alphafold3.graph import TOKEN_COLUMNS


def embedded(smiles: str) -> tuple[Chem.Mol, np.ndarray]:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=1) == 0
    heavy = Chem.RemoveHs(mol)
    return heavy, heavy.GetConformer().GetPositions()


def test_handed_triples_agree_with_every_crystal_structure_of_the_fixture():
    data, seen = Molecules(FIXTURES / "molecules.npz"), 0
    for k in range(len(data)):
        style = "crystal" if data["has_crystal"][k] else "ideal"
        graph, xyz = data.graph(k), data.conformer(k, style)
        for m in np.flatnonzero(graph.handed[:, 0] >= 0):
            assert triple_product(xyz, m, *graph.handed[m]) > 0, data["code"][k]
            seen += 1
    assert seen > 20


def test_every_value_fits_its_column():
    data = Molecules(FIXTURES / "molecules.npz")
    assert (data["tokens"].max(0) < np.array(list(TOKEN_COLUMNS.values()))).all()


@pytest.mark.parametrize("smiles", ["C[C@H](N)C(=O)O", "O[C@](F)(Cl)Br", "C[C@@H]1CCCO1"])
def test_the_mirror_image_swaps_the_order(smiles):
    mirror = smiles.replace("@@", "#").replace("@", "@@").replace("#", "@")
    one, other = graph_of(smiles), graph_of(mirror)
    (m,) = np.flatnonzero(one.handed[:, 0] >= 0)
    a, b, c = one.handed[m].tolist()
    turned = {(a, c, b), (c, b, a), (b, a, c)}
    assert tuple(other.handed[m].tolist()) in turned


@pytest.mark.parametrize(
    "smiles, wrong",
    [("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"), ("F/C=C/Cl", "F/C=C\\Cl")],
)
def test_stereo_is_read_off_coordinates(smiles, wrong):
    mol, xyz = embedded(smiles)
    assert stereo_smiles(mol, xyz) == Chem.CanonSmiles(smiles)
    assert stereo_matches(mol, xyz)
    assert not stereo_matches(Chem.MolFromSmiles(wrong), xyz)


def test_a_phosphate_has_no_hand():
    smiles = "CO[P@](=O)(O)OC[C@H](N)C(=O)O"
    mol, xyz = embedded(smiles)
    assert stereo_matches(mol, xyz)
    swapped = Chem.MolFromSmiles(smiles.replace("P@", "P@@"))
    assert stereo_matches(swapped, xyz)
    assert "[P@" not in comparable_smiles(mol, xyz) and "[C@" in comparable_smiles(mol, xyz)


def test_cis_and_trans_pairs():
    trans, cis = graph_of("F/C=C/Cl").cis_trans, graph_of("F/C=C\\Cl").cis_trans
    assert trans.tolist() == [[0, 3, 2]] and cis.tolist() == [[0, 3, 1]]


def test_graph_and_molecule_are_inverse():
    data = Molecules(FIXTURES / "molecules.npz")
    for k in range(len(data)):
        flat = Chem.MolToSmiles(graph_molecule(data.graph(k)), isomericSmiles=False)
        mol = Chem.MolFromSmiles(str(data["smiles"][k]))
        assert flat == Chem.MolToSmiles(mol, isomericSmiles=False)


def test_an_untrained_element_is_named():
    with pytest.raises(ValueError, match="element Fe"):
        molecule_graph(Chem.MolFromSmiles("[Fe]C"))
