"""Folding as a generator that asks for one block at a time, and the network that answers.

A block is to the structure module what a noise level is to a sampler: every answer is a picture, visitors
of equal size share a forward, and a run that is dropped leaves nothing behind. Nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.alphafold2.frames import Frames
from models.alphafold2.structure_module import Fold, StructureModule
from models.alphafold3.features import collate
from models.alphafold3.structure import Structure, padded
from models.alphafold3.trunk import Trunk
from models.diffusion.sampler import Network, Request, Run


@dataclass(frozen=True)
class Reading:
    """The trunk's answer about one chain: single (T, c), pair (T, T, c)."""

    single: Tensor
    pair: Tensor


class TrunkReader:
    """AlphaFold 3's trunk alone, without its diffusion module. Answers a request whose cond is a
    :class:`Structure` with a :class:`Reading`."""

    name = "trunk"
    sigma_data = 1.0

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk

    def bucket(self, request: Request) -> Hashable:
        graph = request.cond.graph
        return graph.slots, padded(graph.size)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        return _cells([request.cond.graph.size for request in requests])

    def answer(self, requests: Sequence[Request]) -> list[Reading]:
        structures: list[Structure] = [request.cond for request in requests]
        sizes = [structure.graph.size for structure in structures]
        slots = structures[0].graph.slots
        features = collate([s.arrays for s in structures], slots, padded(max(sizes)))
        single, pair = self.trunk(features)
        return [Reading(single[b, :t], pair[b, :t, :t]) for b, t in enumerate(sizes)]


@dataclass(frozen=True)
class Standing:
    """Where one chain stands: the fold (a batch of 1), and the two things that every block reads, initial
    (1, T, c) and pair (1, T, T, c)."""

    initial: Tensor
    pair: Tensor
    fold: Fold

    @property
    def size(self) -> int:
        return self.initial.shape[1]


class StructureNetwork:
    """Answers a request whose cond is a :class:`Standing` with the next one; x is what the page shows of
    the state and is not read. float32, so that company changes nothing that can be seen."""

    name = "structure module"
    sigma_data = 1.0

    def __init__(self, module: StructureModule) -> None:
        self.module = module

    def bucket(self, request: Request) -> Hashable:
        return padded(request.cond.size)

    def cells(self, requests: Sequence[Request]) -> tuple[int, int]:
        return _cells([request.cond.size for request in requests])

    def begin(self, single: Tensor, pair: Tensor) -> Standing:
        """Of one chain, from the trunk's answer (T, c), (T, T, c): all residues in one place."""
        fold, initial, pair = self.module.begin(single.unsqueeze(0), pair.unsqueeze(0))
        return Standing(initial, pair, fold)

    def answer(self, requests: Sequence[Request]) -> list[Standing]:
        standing: list[Standing] = [request.cond for request in requests]
        sizes = [state.size for state in standing]
        size = padded(max(sizes))
        fold = Fold(
            single=_stack([state.fold.single for state in standing], size),
            frames=Frames(
                _stack([state.fold.frames.rotation for state in standing], size),
                _stack([state.fold.frames.origin for state in standing], size),
            ),
            torsions=_stack([state.fold.torsions for state in standing], size),
            backbone=_stack([state.fold.backbone for state in standing], size),
        )
        initial = _stack([state.initial for state in standing], size)
        pair = torch.zeros(len(standing), size, size, standing[0].pair.shape[-1])
        for b, state in enumerate(standing):
            pair[b, : state.size, : state.size] = state.pair[0]
        mask = torch.arange(size) < torch.tensor(sizes)[:, None]
        with torch.autocast("cpu", enabled=False):  # places and distances need float32
            moved = self.module.step(fold, initial, pair, mask)
        return [
            Standing(state.initial, state.pair, _row(moved, b, state.size))
            for b, state in enumerate(standing)
        ]


def _cells(sizes: Sequence[int]) -> tuple[int, int]:
    """Pairs of residues in the chains of one forward, and computed with the padding."""
    return sum(size**2 for size in sizes), len(sizes) * padded(max(sizes)) ** 2


def _stack(rows: Sequence[Tensor], size: int) -> Tensor:
    """(1, T, ...) each -> (B, size, ...) with zeros in the padding."""
    out = rows[0].new_zeros(len(rows), size, *rows[0].shape[2:])
    for b, row in enumerate(rows):
        out[b, : row.shape[1]] = row[0]
    return out


def _row(fold: Fold, b: int, size: int) -> Fold:
    """One chain of a batch, without its padding and free of the batch's memory."""
    here = (slice(b, b + 1), slice(0, size))
    return Fold(
        single=fold.single[here].clone(),
        frames=Frames(fold.frames.rotation[here].clone(), fold.frames.origin[here].clone()),
        torsions=fold.torsions[here].clone(),
        backbone=fold.backbone[here].clone(),
    )


def fold_chain(trunk: Network, net: StructureNetwork, structure: Structure) -> Run[Fold]:
    """The trunk once, then every block. -> the fold after the last, a batch of 1."""
    nothing = torch.zeros(1)
    read = yield Request(trunk, nothing, nothing, structure, frame=False)
    standing = net.begin(read.single, read.pair)
    blocks = net.module.config.blocks
    for block in range(blocks):
        shown = standing.fold.backbone.flatten(1, 2)
        standing = yield Request(net, shown, nothing, standing, step=block, steps=blocks)
    return standing.fold
