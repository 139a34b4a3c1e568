"""The two networks a run asks: the trunk once, then the denoiser at every level, both in batches."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.features import collate_tokens
from models.alphafold3.layout import Layouts, groups_of, shape_of
from models.alphafold3.packed_module import PackedDenoiser
from models.alphafold3.polymer import SLOTS
from models.alphafold3.residues import FULL_SLOTS
from models.alphafold3.steering import FROM, steer
from models.alphafold3.structure import Conditioned, Structure, padded
from models.diffusion.noise import TrainedNoise
from models.diffusion.sampler import Request
from models.inference import arithmetic, prepare

# sigma / sigma_data in training, by atom slots per token. The fold of a protein is decided at higher
# noise than the shape of a molecule, where bonds and angles leave little to decide.
TRAINED = {
    1: TrainedNoise(-1.6, 1.5),
    SLOTS: TrainedNoise(-1.2, 1.5),
    FULL_SLOTS: TrainedNoise(-1.1, 1.5),
}

# What the diffusion module computes in float32 (see there), and what is cut to pieces before.
IN_FLOAT32 = ("vectors", "scalars", "single", "pair_bias")
CUT = ("to_token", "to_atoms")


def rounded(model: StructureModel, dtype: torch.dtype) -> StructureModel:
    """The trained model with the matrices of its diffusion module kept in ``dtype``. Autocast would round
    them in every forward, a sixth of the time of a small molecule's."""
    if dtype is torch.float32:
        return model
    shared: dict[int, Any] = {id(p): p for p in model.trunk.parameters()}
    model = copy.deepcopy(model, shared)
    for name, part in list(model.module.named_children()):
        if name not in IN_FLOAT32 + CUT:
            setattr(model.module, name, prepare(part, dtype))
    return model


class TrunkNetwork:
    """Answers with a :class:`Conditioned` per request; x and sigma are not read."""

    name = "trunk"
    sigma_data = 1.0

    def __init__(self, model: StructureModel) -> None:
        self.model = model

    def bucket(self, request: Request) -> Hashable:
        """Time grows with the square of the tokens, so padding costs more here than sharing gains."""
        return padded(request.cond.graph.size)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Pairs of tokens in the structures of one forward, and computed with the padding."""
        sizes = [request.cond.graph.size for request in requests]
        return sum(size**2 for size in sizes), len(sizes) * padded(max(sizes)) ** 2

    def answer(self, requests: Sequence[Request]) -> list[Conditioned]:
        structures: list[Structure] = [request.cond for request in requests]
        size = padded(max(s.graph.size for s in structures))
        features = collate_tokens([s.arrays for s in structures], size)
        single, pair = self.model.trunk(features)
        token_input, bias = self.model.condition(single, pair, features)
        expected = self.model.distogram.expected(pair)
        answers = []
        for b, structure in enumerate(structures):
            t = structure.graph.size
            answers.append(
                Conditioned(
                    structure,
                    token_input[b, :t],
                    bias[b, :, :t, :t],
                    single[b, :t],
                    pair[b, :t, :t],
                    expected[b, :t, :t],
                )
            )
        return answers


class PackedAtoms:
    """The denoiser over raw coordinates, of structures of every class, size and number of samples in one
    forward. Requests are made to an :class:`AtomsNetwork` each, which knows the scale of its class.

    A request's x is (S, N, 3) A, its cond a :class:`Conditioned`; the answer is (S, N, 3) A, centred.
    """

    name = "atoms"
    sigma_data = 1.0  # each request's network has its own

    def __init__(self, model: StructureModel, dtype: torch.dtype | None = None) -> None:
        """``dtype`` of the arithmetic: what this processor is fastest in, or float32, to compare."""
        self.dtype = dtype or arithmetic()
        self.model = rounded(model, self.dtype)
        self.packed = PackedDenoiser(self.model.denoiser, self.dtype)
        self.layouts = Layouts(self.packed.module)

    def bucket(self, request: Request) -> Hashable:
        """One for all."""
        return self.name

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Tokens of all rows of one forward, and computed with the padding."""
        shapes = sorted(shape_of(request.cond, len(request.x)) for request in requests)
        used = sum(copies * size for copies, size in shapes)
        return used, sum(group.cells for group in groups_of(shapes))

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        order = sorted(
            range(len(requests)),
            key=lambda k: (*shape_of(requests[k].cond, len(requests[k].x)), id(requests[k].cond)),
        )
        asked = [requests[k] for k in order]
        nets = list(map(_facade, asked))
        layout = self.layouts.of(
            [request.cond for request in asked],
            [len(request.x) for request in asked],
        )
        x = torch.zeros(layout.space, 3)
        torch.cat([r.x.reshape(-1, 3).float() for r in asked], out=x[: layout.atoms])
        sigma = torch.cat([request.sigma for request in asked]).float()
        copies = torch.tensor([len(request.x) for request in asked])
        each = torch.tensor([net.sigma_data for net in nets])
        sigma_data = each.repeat_interleave(copies)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            denoised = self.packed.denoise(layout.centred(x), sigma, layout, sigma_data)
        steered = torch.tensor([net.steering for net in nets])
        loud = (sigma > FROM * sigma_data) & steered.repeat_interleave(copies)
        wanted = loud.index_select(0, layout.row_of_plane)
        denoised = steer(denoised, layout.centres[wanted], layout.corners[wanted])
        # Training aligned the truth to the prediction, so only the shape of the answer means anything.
        rows = layout.centred(denoised)[: layout.atoms]
        parts = rows.split([request.x[..., 0].numel() for request in asked])
        answers: list[Tensor] = [x] * len(requests)
        for k, request, part in zip(order, asked, parts, strict=True):
            answers[k] = part.reshape(request.x.shape).clone()
        return answers


class AtomsNetwork:
    """The denoiser of structures with ``slots`` atom slots per token. Its forwards are those of
    ``through``, which it shares with the other classes."""

    name = PackedAtoms.name
    steering = True  # see :mod:`models.alphafold3.steering`; an instance may say False, to compare

    def __init__(self, through: PackedAtoms, slots: int) -> None:
        self.through = through
        self.slots = slots
        self.sigma_data = through.model.sigma_data(slots)
        self.trained = TRAINED[slots].times(self.sigma_data)

    def bucket(self, request: Request) -> Hashable:
        return self.through.bucket(request)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        return self.through.cells(requests)

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        return self.through.answer(requests)


def _facade(request: Request) -> AtomsNetwork:
    assert isinstance(request.net, AtomsNetwork)
    return request.net
