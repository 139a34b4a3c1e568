"""The packed layout of a server answers what the padded layout of training answers, whoever shares it."""

import numpy as np
import pytest
import torch

from alphafold3.structures import graph_of, random_model
from models.alphafold3.diffusion_module import STYLES
from models.alphafold3.features import collate
from models.alphafold3.geometry import centre
from models.alphafold3.inputs import parse
from models.alphafold3.layout import GROUP, Group, groups_of, rounded_up
from models.alphafold3.library import Library
from models.alphafold3.network import AtomsNetwork, PackedAtoms, TrunkNetwork
from models.alphafold3.polymer import SLOTS, backbone_graph, residue_ids
from models.alphafold3.residues import FULL_SLOTS
from models.alphafold3.steering import FROM, MARGIN, steer
from models.alphafold3.structure import Structure, padded
from models.diffusion.sampler import Request, forward_of

SLOTS_OF_ALL = (1, SLOTS, FULL_SLOTS)


@pytest.fixture(scope="module")
def model():
    return random_model()


def structures():
    """All classes, sizes that are alone in their padding and such that share it, both styles."""
    centres = "C[C@](F)(Cl)Br"
    library = Library()
    ligand = {"ligand": {"id": "L", "smiles": centres}}
    chains = [
        {"rna": {"id": "A", "sequence": "GCAU"}},
        {"protein": {"id": "B", "sequence": "GWACS"}},
    ]
    return [
        Structure(graph_of("C[C@H](N)C(=O)O")),
        Structure(graph_of("Cn1cnc2c1c(=O)n(C)c(=O)n2C"), STYLES[1]),
        Structure(backbone_graph(residue_ids("ACDEFGHIKLMN"))),
        parse({"sequences": [*chains, ligand]}, library).structure,
        Structure(graph_of(centres), STYLES[1]),
        Structure(graph_of("C")),  # nobody to look at
        parse({"dna": "CGATCG"}, library).structure,
        Structure(backbone_graph(residue_ids("WYVTSRQPNMLKIHGFEDCA" * 2))),
    ]


def facades(model, dtype=torch.float32):
    through = PackedAtoms(model, dtype)
    return {slots: AtomsNetwork(through, slots) for slots in SLOTS_OF_ALL}


@pytest.fixture(scope="module")
def asked(model):
    """One request of each, every row at its own level, with one to three samples."""
    nets, trunk, empty = facades(model), TrunkNetwork(model), torch.zeros(1)
    out = []
    with torch.inference_mode():
        for k, structure in enumerate(structures()):
            (cond,) = trunk.answer([Request(trunk, empty, empty, structure)])
            net, samples = nets[structure.graph.slots], 1 + k % 3
            generator = torch.Generator().manual_seed(k)
            sigma = net.sigma_data * torch.logspace(-2, 1, 8).double().roll(k)[:samples]
            noise = torch.randn(samples, len(structure.atoms), 3, generator=generator)
            x = noise * (sigma**2 + net.sigma_data**2).sqrt()[:, None, None].float()
            out.append(Request(net, x + 5, sigma, cond))
    return out


def padded_answer(model, request, steering=True):
    """Through the layout of training."""
    cond, structure = request.cond, request.cond.structure
    slots, size = structure.graph.slots, padded(structure.graph.size)
    features = collate([structure.arrays], slots, size)
    copies = len(request.x)
    x = torch.zeros(copies, size * slots, 3)
    x[:, structure.atoms] = request.x
    mask = features.atom_mask.expand(copies, -1)
    token_input = torch.zeros(1, size, cond.token_input.shape[-1])
    token_input[0, : structure.graph.size] = cond.token_input
    bias = torch.full((1, cond.bias.shape[0], size, size), -1e9)
    bias[0, :, : structure.graph.size, : structure.graph.size] = cond.bias
    sigma, scale = request.sigma.float(), torch.full((copies,), request.net.sigma_data)
    style = torch.full((copies,), STYLES.index(structure.style))
    condition = token_input, bias
    denoised = model.denoise(centre(x, mask), sigma, features, condition, style, scale)
    known = (features.handed_mask[0] > 0) & (features.centre[0].unsqueeze(-1) > 0)
    at, plane = known.nonzero(as_tuple=True)
    for row, level in zip(denoised, sigma, strict=True):
        if steering and level > FROM * request.net.sigma_data:
            row.copy_(steer(row, at, features.handed[0, at, plane]))
    return centre(denoised, mask)[:, structure.atoms]


def test_every_class_size_and_number_of_samples_in_one_forward_as_if_padded(model, asked):
    through = forward_of(asked[0].net)
    assert all(forward_of(request.net) is through for request in asked)
    assert len({through.bucket(request) for request in asked}) == 1
    assert {request.net.sigma_data for request in asked} == set(map(model.sigma_data, SLOTS_OF_ALL))
    with torch.inference_mode():
        together = through.answer(asked)
        for request, answer in zip(asked, together, strict=True):
            assert answer.shape == request.x.shape and answer.dtype == torch.float32
            assert answer.mean(-2).abs().max() < 1e-4
            far = (answer - padded_answer(model, request)).abs().max()
            assert far < 2e-4 * max(1, float(answer.abs().max())), request.cond.structure.graph


def test_a_row_does_not_depend_on_who_shares_the_forward(asked):
    net = forward_of(asked[0].net)
    with torch.inference_mode():
        together = net.answer(asked)
        assert all(map(torch.equal, net.answer(asked[::-1]), together[::-1]))
        for request, answer in zip(asked, together, strict=True):
            size = max(1, float(answer.abs().max()))
            assert torch.allclose(request.net.answer([request])[0], answer, atol=2e-4 * size)
            one = Request(request.net, request.x[-1:], request.sigma[-1:], request.cond)
            assert torch.allclose(net.answer([one, asked[0]])[0], answer[-1:], atol=2e-4 * size)


def test_one_broken_row_breaks_no_other(asked):
    net = forward_of(asked[0].net)
    with torch.inference_mode():
        whole = net.answer(asked)
        broken = [
            Request(r.net, torch.full_like(r.x, torch.nan) if k == 3 else r.x, r.sigma, r.cond)
            for k, r in enumerate(asked)
        ]
        for k, (answer, before) in enumerate(zip(net.answer(broken), whole, strict=True)):
            assert torch.isnan(answer).all() if k == 3 else torch.equal(answer, before)


def test_rounded_matrices_answer_as_training_does_under_autocast(model, asked):
    nets = facades(model, torch.bfloat16)
    rounded = [Request(nets[r.net.slots], r.x, r.sigma, r.cond) for r in asked]
    errors = []
    with torch.inference_mode():
        for request, answer in zip(asked, forward_of(rounded[0].net).answer(rounded), strict=True):
            exact = padded_answer(model, request)
            with torch.autocast("cpu", torch.bfloat16):
                trained = padded_answer(model, request)
            errors.append([(a - exact).square().mean().sqrt() for a in (answer, trained)])
    ours, theirs = torch.tensor(errors).mean(0)
    assert 0 < ours < 1.5 * theirs


def test_steering_is_for_those_who_want_it_at_their_own_level(model, asked):
    chiral = asked[4]
    plain = AtomsNetwork(forward_of(chiral.net), chiral.net.slots)
    plain.steering = False
    loud = torch.full_like(chiral.sigma, 2 * FROM * plain.sigma_data)
    quiet = torch.full_like(chiral.sigma, 0.5 * FROM * plain.sigma_data)
    requests = [
        Request(net, chiral.x, sigma, chiral.cond)
        for net in (chiral.net, plain)
        for sigma in (loud, quiet)
    ]
    with torch.inference_mode():
        pushed, same, *alone = forward_of(plain).answer([*requests, *asked])[:4]
        assert (pushed - alone[0]).abs().max() > 1e-3 and torch.equal(same, alone[1])
        for request, answer in zip(requests[2:], alone, strict=True):
            assert torch.allclose(answer, padded_answer(model, request, False), atol=1e-3)
    graph = chiral.cond.structure.packed

    def short(x):
        ways = x[:, graph.corners] - x[:, graph.planes[0]].unsqueeze(2)
        a, b, c = torch.nn.functional.normalize(ways, dim=-1).unbind(2)
        return (MARGIN - (a * torch.linalg.cross(b, c)).sum(-1)).clamp_min(0).sum()

    assert short(pushed) < short(alone[0])


def test_groups_weigh_padding_against_their_number():
    alike = [(1, 20), (1, 22), (1, 24)]
    assert groups_of(alike) == [Group(0, 3, 1, 24)]
    assert groups_of([*alike, *[(1, 120)] * 2]) == [Group(0, 3, 1, 24), Group(3, 5, 1, 128)]
    assert [g.copies for g in groups_of([(1, 24), (1, 24), (3, 24)])] == [1, 3]
    rng = np.random.default_rng(0)
    for _ in range(20):
        shapes = sorted(zip(rng.integers(1, 4, 24), rng.integers(4, 130, 24), strict=True))
        groups = groups_of([(int(k), int(t)) for k, t in shapes])
        assert [g.first for g in groups] == [0, *(g.last for g in groups[:-1])]
        assert groups[-1].last == 24
        one = sum(k * padded(max(t for j, t in shapes if j == k)) for k, _ in shapes)
        assert sum(g.cells + GROUP for g in groups) <= one + 3 * GROUP
        for g in groups:
            assert all(k == g.copies and t <= g.size for k, t in shapes[g.first : g.last])


def test_numbers_of_rows_are_few_and_not_much_larger():
    sizes = {rounded_up(n) for n in range(1, 10_000)}
    assert len(sizes) < 130
    assert all(n <= rounded_up(n) <= max(n + 7, 1.07 * n) for n in range(1, 10_000))


def test_cells_are_counted(asked):
    net = forward_of(asked[0].net)
    used, computed = net.cells(asked)
    assert used == sum(len(r.x) * r.cond.structure.graph.size for r in asked) < computed
    assert net.cells(asked[:1]) == (6, 8)


def test_layouts_are_kept_while_the_same_runs_go_on_and_no_longer(model, asked):
    net = PackedAtoms(model, torch.float32).layouts
    conds = [request.cond for request in asked[:3]]
    first = net.of(conds, [1, 1, 1])
    assert net.of(conds, [1, 1, 1]) is first
    assert net.of(conds, [1, 1, 2]) is not first and net.of(conds[:2], [1, 1]) is not first
    for k in range(1, 9):
        net.of(conds[:1], [k])
    assert net.of(conds, [1, 1, 1]) is not first
