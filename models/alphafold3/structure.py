"""What the networks are asked about: a structure, and the structure with what the trunk says of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.diffusion_module import STYLES
from models.alphafold3.features import arrays
from models.alphafold3.graph import Graph
from models.alphafold3.packed import PackedGraph, packed
from models.cached import content


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
    def packed(self) -> PackedGraph:
        return packed(self.graph, self.arrays)

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


def padded(tokens: int) -> int:
    """Rounds up so that different sizes share a forward: to 8 up to 64 tokens, to 16 beyond."""
    step = 8 if tokens <= 64 else 16
    return -(-tokens // step) * step
