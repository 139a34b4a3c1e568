"""How the rows of one forward are laid out.

A row is one sample of one structure. Its atoms are packed end to end (:mod:`models.alphafold3.packed`). Its
tokens are laid out twice: by how many slots they use, for the matrices between atoms and tokens, and in
groups of rows that are padded to one size, for attention. Attention is all that is padded.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.diffusion_module import STYLES, DiffusionModule
from models.alphafold3.packed import packed_around, starts, sums
from models.alphafold3.polymer import SLOTS
from models.alphafold3.residues import AMINO_ACIDS, FULL_SLOTS, RESIDUE_ATOMS
from models.alphafold3.structure import Conditioned, padded
from models.alphafold3.trunk import MASKED

# Slots per token: a single atom, a backbone, a whole residue, a nucleotide.
WIDTHS = (1, SLOTS, max(len(RESIDUE_ATOMS[name]) for name in AMINO_ACIDS), FULL_SLOTS)
GROUP = 64  # padded tokens whose blocks take as long as what a group costs whatever its size
KEPT, KEPT_BYTES = 4, 32 * 2**20  # layouts, and bytes of their attention biases


def rounded_up(count: int) -> int:
    """To a sixteenth of the power of two below, 8 at least: matrix products keep code for every number of
    rows they have met, and need a moment for a new one."""
    step = max(8, 1 << max(0, count.bit_length() - 5))
    return -(-count // step) * step


@dataclass(frozen=True)
class Group:
    """Structures ``first`` to ``last`` of a layout, ``copies`` rows each, padded to ``size`` tokens."""

    first: int
    last: int
    copies: int
    size: int

    @property
    def cells(self) -> int:
        return (self.last - self.first) * self.copies * self.size


def groups_of(shapes: Sequence[tuple[int, int]]) -> list[Group]:
    """The cheapest grouping of sorted (copies, tokens): padding against GROUP for each group."""
    best: list[tuple[int, list[Group]]] = [(0, [])]  # of the first k structures
    for last in range(1, len(shapes) + 1):
        copies, tokens = shapes[last - 1]
        if last < len(shapes) and shapes[last] == shapes[last - 1]:
            best.append(best[-1])  # equal ones stay together, so this is never looked at
            continue
        options = []
        for first in range(last - 1, -1, -1):
            if shapes[first][0] != copies:
                break
            if first == 0 or shapes[first] != shapes[first - 1]:
                group = Group(first, last, copies, padded(tokens))
                cost, before = best[first]
                options.append((cost + group.cells + GROUP, [*before, group]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def shape_of(cond: Conditioned, copies: int) -> tuple[int, int]:
    return copies, cond.structure.graph.size


class Layout:
    """Of structures with ``copies`` samples each, sorted by (copies, tokens), whatever the noise.

    Computed once and kept as long as the same runs go on together: it holds their attention biases.
    """

    def __init__(
        self, conds: Sequence[Conditioned], copies: Sequence[int], module: DiffusionModule
    ) -> None:
        self.groups = groups_of([shape_of(c, k) for c, k in zip(conds, copies, strict=True)])
        rows = [cond for cond, k in zip(conds, copies, strict=True) for _ in range(k)]
        graphs = [cond.structure.packed for cond in rows]
        counts = np.array([len(graph.types) for graph in graphs])
        self.rows, self.atoms = len(rows), int(counts.sum())
        self.space = rounded_up(self.atoms)  # some atoms at the end are nobody's
        first = starts(counts)
        self.first = torch.from_numpy(first)
        self.everyone = torch.arange(self.atoms)
        row = np.repeat(np.arange(len(rows)), counts)
        self.row = torch.from_numpy(np.pad(row, (0, self.space - self.atoms), mode="edge"))
        self.around = packed_around(graphs, first, self.space, module.ideal)
        types = np.concatenate([graph.types for graph in graphs])
        self.types = torch.from_numpy(np.pad(types, (0, self.space - self.atoms)))
        self.styles = torch.tensor([STYLES.index(cond.structure.style) for cond in rows])

        tokens = np.array([graph.size for graph in graphs])
        self.tokens = int(tokens.sum())
        used = np.concatenate([graph.slots_used for graph in graphs])
        width = np.searchsorted(WIDTHS, used)
        order = np.argsort(width, kind="stable")
        of_width = np.bincount(width, minlength=len(WIDTHS))
        space = [rounded_up(int(n)) if n else 0 for n in of_width]
        self.parts = [(k, n) for k, n in enumerate(space) if n]  # index into WIDTHS, tokens
        # Where each token stands among those of its width, and its first cell.
        number = np.empty(self.tokens, np.int64)
        number[order] = np.arange(self.tokens) - np.repeat(starts(of_width), of_width)
        sizes = np.array(space) * WIDTHS
        cell = starts(sizes)[width] + number * np.array(WIDTHS)[width]
        self.cells = int(sizes.sum())
        token = np.concatenate([graph.token for graph in graphs]) + np.repeat(
            starts(tokens), counts
        )
        slot = np.concatenate([graph.slot for graph in graphs])
        places = cell[token] + slot
        self.cell = torch.from_numpy(np.pad(places, (0, self.space - self.atoms)))
        self.by_width = torch.from_numpy(starts(np.array(space))[width] + number)

        self.biases: list[Tensor] = []  # by group, (structures, 1, blocks * heads, size, size)
        spot: list[np.ndarray] = []
        start = 0
        for group in self.groups:
            members = conds[group.first : group.last]
            for _ in range(len(members) * group.copies):
                spot.append(np.arange(tokens[len(spot)]) + start)
                start += group.size
            heads = members[0].bias.shape[0]
            bias = torch.full((len(members), 1, heads, group.size, group.size), MASKED)
            for one, cond in zip(bias, members, strict=True):
                size = cond.structure.graph.size
                one[0, :, :size, :size] = cond.bias
            self.biases.append(bias)
        self.padded = start
        self.spot = torch.from_numpy(np.concatenate(spot))  # of each token in its group
        self.token_input = torch.cat([cond.token_input for cond in rows])

        self.bytes = sum(bias.nbytes for bias in self.biases)

        # The planes of stereocentres, for steering.
        at = self.around.planes.centre[:, 0] > 0
        everyone = torch.arange(self.space)
        places = self.around.planes.places
        self.centres = places.own(everyone)[at]
        self.corners = places.others(everyone).unflatten(0, (-1, 3))[at]
        self.row_of_plane = self.row[self.centres]

    def centred(self, x: Tensor) -> Tensor:
        """Moves the mean of every row to the origin. x: (space, 3)"""
        count = torch.bincount(self.row[: self.atoms]).unsqueeze(-1)
        mean = sums(x, self.everyone, self.first) / count
        return x - mean.index_select(0, self.row)


class Layouts:
    """The last layouts, at most KEPT of them: the same runs usually go on together for many steps. Known
    by the identity of what they lay out, which nobody changes."""

    def __init__(self, module: DiffusionModule) -> None:
        self.module = module
        self._lock = threading.Lock()  # warm-up and the engine live in different threads
        self._kept: OrderedDict[Hashable, tuple[list[ref[Conditioned]], Layout]] = OrderedDict()

    def of(self, conds: Sequence[Conditioned], copies: Sequence[int]) -> Layout:
        key = tuple(copies), tuple(map(id, conds))
        with self._lock:
            refs, layout = self._kept.get(key, ([], None))
            if layout is not None and all(
                one() is cond for one, cond in zip(refs, conds, strict=True)
            ):
                self._kept.move_to_end(key)
                return layout
        layout = Layout(conds, copies, self.module)
        with self._lock:
            self._kept[key] = list(map(ref, conds)), layout
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and (
                len(self._kept) > KEPT
                or sum(one.bytes for _, one in self._kept.values()) > KEPT_BYTES
            ):
                self._kept.popitem(last=False)
        return layout
