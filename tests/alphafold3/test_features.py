"""What the network is shown: graph distances, pair columns, padding, and which way chirality points."""

import numpy as np
import pytest
import torch

from alphafold3.structures import graph_of, triple_product
from models.alphafold3.data.batches import mirrored
from models.alphafold3.features import (
    MAX_DISTANCE,
    PAIR_COLUMNS,
    arrays,
    collate,
    graph_distances,
    pair_features,
)
from models.alphafold3.geometry import rotations_from
from models.alphafold3.graph import join
from models.alphafold3.local import IdealDistances, around, local_vectors
from models.alphafold3.polymer import SLOTS, backbone_graph, residue_ids

ONE = torch.ones(1, 1, 1, 1)
COLUMN = {name: k for k, name in enumerate(PAIR_COLUMNS)}


def test_graph_distances_count_bonds_and_tell_far_from_unconnected():
    bonds = np.array([(k, k + 1) for k in range(13)] + [(14, 15)])
    distance = graph_distances(bonds, 16)
    assert distance[0, :9].tolist() == list(range(9))
    assert distance[0, 9] == distance[0, 13] == MAX_DISTANCE
    assert distance[0, 14] == MAX_DISTANCE + 1 and distance[14, 15] == 1


def test_pair_columns_of_a_ring():
    pair = pair_features(graph_of("Cc1ccccc1"))
    assert pair[0, 1, COLUMN["bond"]] == 1 and pair[1, 2, COLUMN["bond"]] == 4
    assert pair[0, 1, COLUMN["ring"]] == 0 and pair[1, 4, COLUMN["ring"]] == 1
    assert (pair[..., COLUMN["relative"]] == 0).all()
    assert (pair.max((0, 1)) < np.array(list(PAIR_COLUMNS.values()))).all()


def test_pair_columns_of_a_chain_tell_before_from_after():
    pair = pair_features(backbone_graph(residue_ids("ACDEF")))
    relative = pair[..., COLUMN["relative"]].astype(int)
    assert relative[0, 3] - relative[0, 0] == 3 and relative[3, 0] - relative[0, 0] == -3
    assert pair[0, 1, COLUMN["bond"]] == 1 and pair[0, 2, COLUMN["bond"]] == 0


def test_joined_chains_know_their_own():
    graph = join([backbone_graph(residue_ids("ACD")), graph_of("CCO")])
    pair = pair_features(graph)
    assert graph.slots == SLOTS and graph.present.sum() == 3 * SLOTS + 3
    assert pair[0, 2, COLUMN["chain"]] == 1 and pair[0, 4, COLUMN["chain"]] == 0
    assert pair[3, 4, COLUMN["bond"]] == 1 and pair[2, 3, COLUMN["bond"]] == 0


@pytest.mark.parametrize("other", ["C[C@@H](N)C(=O)O", "CC(N)C(=O)O"])
def test_the_chirality_vector_changes_sign_with_the_enantiomer(other):
    x = torch.randn(1, 1, 6, 3, generator=torch.Generator().manual_seed(0)) * 2

    def normals(smiles: str) -> torch.Tensor:
        features = collate([arrays(graph_of(smiles))], slots=1)
        return local_vectors(x, around(features, IdealDistances()), ONE, ONE)[0][0, 0, :, 5]

    one, two = normals("C[C@H](N)C(=O)O"), normals(other)
    assert one[1].norm() == pytest.approx(1, abs=1e-3)
    assert torch.allclose(two[1], -one[1] if "@" in other else torch.zeros(3), atol=1e-5)
    assert one[[0, 2, 3, 4, 5]].abs().max() == 0


def test_vectors_turn_with_the_molecule_and_the_normal_sees_the_mirror():
    features = collate([arrays(backbone_graph(residue_ids("ACDEFGHIKL")))], slots=SLOTS)
    x = torch.randn(1, 1, 40, 3, generator=torch.Generator().manual_seed(1)) * 3
    rotation = rotations_from(torch.randn(2, 3, generator=torch.Generator().manual_seed(2)))
    vectors, scalars = local_vectors(x, around(features, IdealDistances()), ONE, ONE)
    turned, same = local_vectors(x @ rotation.T, around(features, IdealDistances()), ONE, ONE)
    assert torch.allclose(turned, vectors @ rotation.T, atol=1e-4)
    assert torch.allclose(same, scalars, atol=1e-4)
    mirror = torch.tensor([1.0, 1.0, -1.0])
    reflected = local_vectors(x * mirror, around(features, IdealDistances()), ONE, ONE)[0]
    assert torch.allclose(reflected[..., 5, :], -vectors[..., 5, :] * mirror, atol=1e-4)


CENTRE = "C[C@](F)(Cl)Br"  # four heavy neighbours: their order alone tells the hands apart


def test_a_centre_of_four_neighbours_sees_all_four_planes_from_the_same_side():
    item = arrays(graph_of(CENTRE))
    (m,) = np.flatnonzero(item["centre"])
    planes = item["handed"][m]
    assert {frozenset(plane) for plane in planes.tolist()} == {
        frozenset({0, 2, 3, 4} - {left_out}) for left_out in (0, 2, 3, 4)
    }
    corners = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)], float)
    xyz = np.zeros((5, 3))
    xyz[[0, 2, 3, 4]] = corners
    signs = {np.sign(triple_product(xyz, m, *plane)) for plane in planes.tolist()}
    assert len(signs) == 1


def test_a_wrong_hand_is_pulled_through_its_planes_and_a_right_one_hardly():
    features = collate([arrays(graph_of(CENTRE))], slots=1)
    corners = torch.tensor([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1.0)]) * 0.89  # 1.54 A
    xyz = torch.zeros(5, 3)
    xyz[[0, 2, 3, 4]] = corners
    one, scalar = local_vectors(xyz[None, None], around(features, IdealDistances()), ONE, ONE)
    other, mirrored = local_vectors(-xyz[None, None], around(features, IdealDistances()), ONE, ONE)
    heights = sorted((float(scalar[0, 0, 1, 0]), float(mirrored[0, 0, 1, 0])))
    assert heights == pytest.approx([-0.51, 0.51], abs=0.02)
    wrong, right = (one, other) if scalar[0, 0, 1, 0] < 0 else (other, one)
    assert right[0, 0, :, 13].norm(dim=-1).max() < 0.05
    # A neighbour belongs to three of the four planes, each a metre stick short by about one A.
    assert wrong[0, 0, [0, 2, 3, 4], 13].norm(dim=-1).min() > 0.2


def test_mirrored_features_are_those_of_the_enantiomer():
    right, left = (arrays(graph_of(s)) for s in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"))
    flipped = mirrored(right)
    assert (flipped["tokens"] == left["tokens"]).all() and (flipped["pair"] == left["pair"]).all()
    x = torch.randn(1, 1, 6, 3, generator=torch.Generator().manual_seed(0))
    one, two = (
        local_vectors(x, around(collate([item], slots=1), IdealDistances()), ONE, ONE)[0]
        for item in (flipped, left)
    )
    assert torch.allclose(one, two, atol=1e-5)


def test_an_atom_without_company_stands_for_its_token():
    molecule = collate([arrays(graph_of("CCO"))], slots=1)
    assert molecule.representative.tolist() == [[0, 1, 2]]
    chain = collate([arrays(backbone_graph(residue_ids("AC")))], slots=SLOTS)
    assert chain.representative.tolist() == [[1, 5]]  # CA


def test_springs_pull_towards_the_ideal_length():
    features = collate([arrays(graph_of("CC"))], slots=1)
    x = torch.tensor([[[[0.0, 0, 0], [2.0, 0, 0]]]])
    pull = local_vectors(x, around(features, IdealDistances()), ONE, ONE * 0.5)[0][0, 0, :, 7]
    assert pull[0, 0] == pytest.approx(1.0, abs=0.05) and pull[1, 0] == pytest.approx(
        -1.0, abs=0.05
    )
    ideal = local_vectors(x * 0.75, around(features, IdealDistances()), ONE, ONE)[0][0, 0, :, 7]
    assert ideal.abs().max() < 1e-4


def test_padding_is_empty_and_too_little_room_is_an_error():
    items = [arrays(graph_of("CCO")), arrays(graph_of("c1ccccc1"))]
    features = collate(items, slots=1, tokens=8)
    assert features.token_mask.sum(1).tolist() == [3, 6]
    assert features.near_mask[0, 3:].sum() == 0 and features.atom_types[0, 3:].sum() == 0
    with pytest.raises(ValueError, match="cannot pad 6 tokens to 4"):
        collate(items, slots=1, tokens=4)
