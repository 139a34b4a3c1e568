"""The two networks a run asks: the trunk once, then the denoiser at every level, both in batches."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.alphafold3.diffusion_module import STYLES, StructureModel
from models.alphafold3.features import arrays, collate
from models.alphafold3.geometry import centre
from models.alphafold3.graph import Graph
from models.alphafold3.polymer import SLOTS
from models.alphafold3.residues import FULL_SLOTS
from models.alphafold3.steering import FROM, steer
from models.cached import content
from models.diffusion.noise import TrainedNoise
from models.diffusion.sampler import Request

# sigma / sigma_data in training, by atom slots per token. The fold of a protein is decided at higher
# noise than the shape of a molecule, where bonds and angles leave little to decide.
TRAINED = {
    1: TrainedNoise(-1.6, 1.5),
    SLOTS: TrainedNoise(-1.2, 1.5),
    FULL_SLOTS: TrainedNoise(-1.1, 1.5),
}


@dataclass(frozen=True)
class Structure:
    """A graph prepared for the networks. ``style``: which conformers to imitate (see STYLES)."""

    graph: Graph
    style: str = STYLES[0]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        return arrays(self.graph)

    @cached_property
    def digest(self) -> bytes:
        """Of everything that the networks are shown; equal structures have equal ones."""
        return content(self.graph.slots, self.style, self.arrays)

    @cached_property
    def atoms(self) -> Tensor:
        """(N,) slots that hold an atom; samplers work on these N atoms alone."""
        return torch.from_numpy(np.flatnonzero(self.graph.present))


@dataclass(frozen=True)
class Conditioned:
    """What the trunk answers: the structure with its token input (T, d) and attention bias (h, T, T) for
    the diffusion module, the single (T, single) and pair (T, T, pair) representations they come from, and
    the distances between tokens that the distogram expects (T, T), A."""

    structure: Structure
    token_input: Tensor
    bias: Tensor
    single: Tensor
    pair: Tensor
    expected: Tensor


# What the diffusion module computes in float32 (see there); everything else runs under autocast.
IN_FLOAT32 = ("vectors", "scalars", "single", "pair_bias")


def rounded(model: StructureModel) -> StructureModel:
    """The trained model with the matrices of its diffusion module kept in bfloat16. Autocast would round
    them in every forward, a sixth of the time of a small molecule's; the answers are the same bits."""
    shared: dict[int, Any] = {id(p): p for p in model.trunk.parameters()}
    model = copy.deepcopy(model, shared)
    for name, part in model.module.named_children():
        if name not in IN_FLOAT32:
            for layer in part.modules():
                if isinstance(layer, nn.Linear):
                    layer.to(torch.bfloat16)
    return model


SHARED = 32  # tokens; sizes up to this, up to twice this and so on share a forward


def padded(tokens: int) -> int:
    """Rounds up so that different sizes share a forward: to 8 up to 64 tokens, to 16 beyond."""
    step = 8 if tokens <= 64 else 16
    return -(-tokens // step) * step


class TrunkNetwork:
    """Answers with a :class:`Conditioned` per request; x and sigma are not read."""

    name = "trunk"
    sigma_data = 1.0

    def __init__(self, model: StructureModel) -> None:
        self.model = model

    def bucket(self, request: Request) -> Hashable:
        graph = request.cond.graph
        return graph.slots, padded(graph.size)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Pairs of tokens in the structures of one forward, and computed with the padding."""
        sizes = [request.cond.graph.size for request in requests]
        return sum(size**2 for size in sizes), len(sizes) * padded(max(sizes)) ** 2

    def answer(self, requests: Sequence[Request]) -> list[Conditioned]:
        structures: list[Structure] = [request.cond for request in requests]
        slots = structures[0].graph.slots
        size = padded(max(s.graph.size for s in structures))
        features = collate([s.arrays for s in structures], slots, size)
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


class AtomsNetwork:
    """The denoiser over raw coordinates of structures with ``slots`` atom slots per token.

    A request's x is (S, N, 3) A, its cond a :class:`Conditioned`; the answer is (S, N, 3) A, centred.
    """

    name = "atoms"
    bf16 = True  # as it was trained; an instance may say False, to compare
    steering = True  # see :mod:`models.alphafold3.steering`; an instance may say False, to compare

    def __init__(self, model: StructureModel, slots: int) -> None:
        self.model = model
        self.slots = slots
        self.sigma_data = model.sigma_data(slots)
        self.trained = TRAINED[slots].times(self.sigma_data)

    def bucket(self, request: Request) -> Hashable:
        """A forward costs as much as a hundred and fifty padded tokens before it computes any, so sizes
        share one generously; who is alone is padded by its own size (see :func:`padded`)."""
        return self.slots, -(-request.cond.structure.graph.size // SHARED), len(request.x)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Tokens of all rows of one forward, and computed with the padding."""
        sizes = [request.cond.structure.graph.size for request in requests]
        copies = len(requests[0].x)
        return copies * sum(sizes), copies * len(sizes) * padded(max(sizes))

    def answer(self, requests: Sequence[Request]) -> list[Tensor]:
        conds: list[Conditioned] = [request.cond for request in requests]
        structures = [cond.structure for cond in conds]
        size = padded(max(s.graph.size for s in structures))
        batch, copies = len(requests), len(requests[0].x)
        features = collate([s.arrays for s in structures], self.slots, size)
        token_input = torch.zeros(batch, size, conds[0].token_input.shape[-1])
        bias = torch.full((batch, conds[0].bias.shape[0], size, size), -1e9)
        x = torch.zeros(batch, copies, size * self.slots, 3)
        for b, (request, cond) in enumerate(zip(requests, conds, strict=True)):
            t = cond.structure.graph.size
            token_input[b, :t] = cond.token_input
            bias[b, :, :t, :t] = cond.bias
            x[b][:, cond.structure.atoms] = request.x.float()
        mask = features.atom_mask[:, None].expand(-1, copies, -1).flatten(0, 1)
        sigma = torch.cat([request.sigma for request in requests]).float()
        styles = torch.tensor([STYLES.index(s.style) for s in structures]).repeat_interleave(copies)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            denoised = self.model.denoise(
                centre(x.flatten(0, 1), mask),
                sigma,
                features,
                (token_input, bias),
                styles,
                torch.full_like(sigma, self.sigma_data),
            )
        if self.steering:
            loud = (sigma > FROM * self.sigma_data).unflatten(0, (batch, copies))
            rows = denoised.unflatten(0, (batch, copies))
            denoised = steer(rows, features, loud).flatten(0, 1)
        # Training aligned the truth to the prediction, so only the shape of the answer means anything.
        rows = centre(denoised, mask).unflatten(0, (batch, copies))
        return [rows[b][:, s.atoms] for b, s in enumerate(structures)]
