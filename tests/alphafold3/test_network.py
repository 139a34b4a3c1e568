"""Answers must not depend on padding or on who shares the batch."""

import pytest
import torch

from alphafold3.structures import TINY, graph_of, random_model
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.features import arrays, collate
from models.alphafold3.network import (
    AtomsNetwork,
    PackedAtoms,
    TrunkNetwork,
)
from models.alphafold3.polymer import SLOTS, backbone_graph, residue_ids
from models.alphafold3.structure import Structure, padded
from models.diffusion.sampler import Request

MOLECULES = ("C[C@H](N)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CCO", "F/C=C/Cl")


@pytest.fixture(scope="module")
def model():
    return random_model()


def requests(model, structures, slots, samples=2):
    trunk, net = TrunkNetwork(model), AtomsNetwork(PackedAtoms(model, torch.float32), slots)
    empty = torch.zeros(1)
    for k, structure in enumerate(structures):
        (cond,) = trunk.answer([Request(trunk, empty, empty, structure)])
        generator = torch.Generator().manual_seed(k)
        sigma = torch.tensor([0.05 * 10**k, 0.3 + k], dtype=torch.float64)[:samples]
        x = torch.randn(samples, len(structure.atoms), 3, generator=generator) * 3
        yield Request(net, x, sigma, cond)


@pytest.mark.parametrize("kind", ["molecules", "proteins"])
def test_a_row_among_others_equals_the_row_alone(model, kind):
    if kind == "molecules":
        structures, slots = [Structure(graph_of(s)) for s in MOLECULES], 1
    else:
        sequences = ("ACDEFGHIKLMN", "GGGGG", "WYVTSRQPNMLKIH")
        structures = [Structure(backbone_graph(residue_ids(s))) for s in sequences]
        slots = SLOTS
    asked = list(requests(model, structures, slots))
    net = asked[0].net
    with torch.inference_mode():
        together = net.answer(asked)
        for request, answer in zip(asked, together, strict=True):
            (alone,) = net.answer([request])
            assert answer.shape == request.x.shape and answer.dtype == torch.float32
            assert torch.allclose(answer, alone, atol=2e-4)
            single = Request(net, request.x[:1], request.sigma[:1], request.cond)
            assert torch.allclose(net.answer([single])[0], alone[:1], atol=2e-4)


def test_the_trunk_answers_alike_alone_and_together(model):
    trunk, empty = TrunkNetwork(model), torch.zeros(1)
    asked = [Request(trunk, empty, empty, Structure(graph_of(s))) for s in MOLECULES]
    with torch.inference_mode():
        for request, answer in zip(asked, trunk.answer(asked), strict=True):
            (alone,) = trunk.answer([request])
            assert torch.allclose(answer.token_input, alone.token_input, atol=1e-4)
            assert torch.allclose(answer.bias, alone.bias, atol=1e-4)
            assert torch.allclose(answer.pair, alone.pair, atol=1e-4)
            assert torch.allclose(answer.expected, alone.expected, atol=1e-3)
            assert torch.allclose(answer.expected, answer.expected.T, atol=1e-4)


def test_recycling_changes_the_answer_and_only_the_last_pass_has_a_gradient(model):
    features = collate([arrays(graph_of(MOLECULES[1]))], slots=1)
    once, again = model.trunk(features, recycles=0)[1], model.trunk(features, recycles=1)[1]
    assert (once - again).abs().max() > 1e-3
    fresh = StructureModel(TINY)
    _, pair = fresh.trunk(features, recycles=3)
    pair.square().sum().backward()  # three passes kept would need four times the memory
    assert fresh.trunk.again_pair.weight.grad is not None


def test_padding_changes_nothing(model):
    item = arrays(graph_of(MOLECULES[1]))
    x = torch.randn(1, 14, 3, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.7])
    answers = []
    for tokens in (14, 16, 24):
        features = collate([item], slots=1, tokens=tokens)
        state = torch.zeros(1, tokens, 3)
        state[:, :14] = x
        state[:, 14:] = 50.0  # whatever stands in the padding must not be read
        denoised = model.denoise(
            state,
            sigma,
            features,
            model.condition(*model.trunk(features), features),
            torch.tensor([0]),
            torch.tensor([2.2]),
        )
        answers.append(denoised[:, :14])
    assert torch.allclose(answers[0], answers[1], atol=1e-4)
    assert torch.allclose(answers[0], answers[2], atol=1e-4)


def test_different_graphs_style_and_level_matter(model):
    structures = [Structure(graph_of(MOLECULES[0]), style) for style in ("crystal", "ideal")]
    structures.append(Structure(graph_of("C[C@@H](N)C(=O)O")))
    x = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0))
    answers = []
    for structure, level in zip(structures, (0.5, 0.5, 0.5), strict=True):
        (request,) = requests(model, [structure], 1, samples=1)
        asked = Request(request.net, x, torch.tensor([level], dtype=torch.float64), request.cond)
        answers.append(request.net.answer([asked])[0])
    louder = Request(asked.net, x, torch.tensor([2.0], dtype=torch.float64), asked.cond)
    answers.append(asked.net.answer([louder])[0])
    for k in range(3):
        assert (answers[k] - answers[k + 1]).abs().max() > 1e-3


def test_answers_are_centred_and_ignore_where_the_input_stands(model):
    (request,) = requests(model, [Structure(graph_of(MOLECULES[1]))], 1)
    (answer,) = request.net.answer([request])
    assert answer.mean(-2).abs().max() < 1e-4
    moved = Request(request.net, request.x + 30.0, request.sigma, request.cond)
    assert torch.allclose(request.net.answer([moved])[0], answer, atol=1e-3)


def test_buckets_bound_the_padding():
    assert [padded(n) for n in (1, 8, 9, 64, 65, 128)] == [8, 8, 16, 64, 80, 128]
    assert all(padded(n) - n < 16 for n in range(1, 300))


def test_preparing_a_server_leaves_the_trained_model_alone(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fast = PackedAtoms(model, torch.bfloat16)
    assert fast.model.module.blocks[0].up.dtype == torch.bfloat16
    assert fast.model.trunk.tokens.table.weight is model.trunk.tokens.table.weight
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
