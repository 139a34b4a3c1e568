"""What the network is shown: graph distances, pair columns, padding, and which way chirality points."""

import numpy as np
import pytest
import torch

from alphafold3.structures import graph_of
from models.alphafold3.diffusion_module import IdealDistances, local_vectors
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
        return local_vectors(x, features, IdealDistances(), ONE, ONE)[0, 0, :, 5]

    one, two = normals("C[C@H](N)C(=O)O"), normals(other)
    assert one[1].norm() == pytest.approx(1, abs=1e-3)
    assert torch.allclose(two[1], -one[1] if "@" in other else torch.zeros(3), atol=1e-5)
    assert one[[0, 2, 3, 4, 5]].abs().max() == 0


def test_vectors_turn_with_the_molecule_and_the_normal_sees_the_mirror():
    features = collate([arrays(backbone_graph(residue_ids("ACDEFGHIKL")))], slots=SLOTS)
    x = torch.randn(1, 1, 40, 3, generator=torch.Generator().manual_seed(1)) * 3
    rotation = rotations_from(torch.randn(2, 3, generator=torch.Generator().manual_seed(2)))
    turned = local_vectors(x @ rotation.T, features, IdealDistances(), ONE, ONE)
    assert torch.allclose(
        turned, local_vectors(x, features, IdealDistances(), ONE, ONE) @ rotation.T, atol=1e-4
    )
    mirror = torch.tensor([1.0, 1.0, -1.0])
    reflected = local_vectors(x * mirror, features, IdealDistances(), ONE, ONE)[..., 5, :]
    assert torch.allclose(
        reflected,
        -local_vectors(x, features, IdealDistances(), ONE, ONE)[..., 5, :] * mirror,
        atol=1e-4,
    )


def test_springs_pull_towards_the_ideal_length():
    features = collate([arrays(graph_of("CC"))], slots=1)
    x = torch.tensor([[[[0.0, 0, 0], [2.0, 0, 0]]]])
    pull = local_vectors(x, features, IdealDistances(), ONE, ONE * 0.5)[0, 0, :, 7]
    assert pull[0, 0] == pytest.approx(1.0, abs=0.05) and pull[1, 0] == pytest.approx(
        -1.0, abs=0.05
    )
    ideal = local_vectors(x * 0.75, features, IdealDistances(), ONE, ONE)[0, 0, :, 7]
    assert ideal.abs().max() < 1e-4


def test_padding_is_empty_and_too_little_room_is_an_error():
    items = [arrays(graph_of("CCO")), arrays(graph_of("c1ccccc1"))]
    features = collate(items, slots=1, tokens=8)
    assert features.token_mask.sum(1).tolist() == [3, 6]
    assert features.near_mask[0, 3:].sum() == 0 and features.atom_types[0, 3:].sum() == 0
    with pytest.raises(ValueError, match="cannot pad 6 tokens to 4"):
        collate(items, slots=1, tokens=4)
