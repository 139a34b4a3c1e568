"""The structure module: single and pair representations in, one rigid frame per residue out.

Jumper et al. 2021, supplement 1.8, algorithms 20 and 22-24: a few blocks with shared weights move the
frames of all residues from one point to their places. A block looks at the other residues by what it is
told about each pair and by where both stand now (invariant point attention), turns and shifts every frame
in the frame's own axes, and predicts torsion angles. Rotating the whole input rotates the whole output.
Smaller than the paper, for backbones alone and without dropout; `docs/alphafold2.md` lists the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.alphafold2.frames import (
    TORSIONS,
    Frames,
    place_backbone,
    rotation_from_quaternion,
)

MASKED = -1e9


@dataclass(frozen=True)
class StructureConfig:
    """Sizes. trunk_single, trunk_pair: channels of the trunk; unit: A per unit of length in which the
    network itself counts, so that shifts and points are numbers near 1."""

    trunk_single: int = 192
    trunk_pair: int = 48
    single: int = 192
    heads: int = 8
    hidden: int = 16
    query_points: int = 4
    value_points: int = 8
    angle: int = 96
    blocks: int = 6
    unit: float = 10.0


@dataclass(frozen=True)
class Fold:
    """Where the module stands between two blocks. T residues.

    single: (B, T, single); frames: (B, T) in A; torsions: (B, T, 3, 2) raw (cos, sin) of TORSIONS, not
    yet of length one; backbone: (B, T, 4, 3) A.
    """

    single: Tensor
    frames: Frames
    torsions: Tensor
    backbone: Tensor


class InvariantPointAttention(nn.Module):
    """Attention between residues by content, pair and distance (algorithm 22).

    Every residue names points in its own frame, as query, key and value. Queries and keys attract each
    other when they stand close together in space; what comes back from the values is read in the frame
    of the residue that asked, so nothing depends on how the whole is turned.
    """

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        self.config = config
        h, points = config.heads, 2 * config.query_points + config.value_points
        self.qkv = nn.Linear(config.single, 3 * h * config.hidden, bias=False)
        self.points = nn.Linear(config.single, h * points * 3)
        self.pair_bias = nn.Linear(config.trunk_pair, h, bias=False)
        self.nearness = nn.Parameter(torch.full((h,), math.log(math.e - 1)))  # softplus of it is 1
        self.out = nn.Linear(
            h * (config.hidden + config.trunk_pair + 4 * config.value_points), config.single
        )
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, s: Tensor, pair: Tensor, frames: Frames, mask: Tensor) -> Tensor:
        """s: (B, T, single), pair: (B, T, T, trunk_pair), frames: (B, T) in units, mask: (B, T)."""
        config, (batch, size) = self.config, s.shape[:2]
        h, n = config.heads, config.query_points
        q, k, v = (
            part.unflatten(-1, (h, -1)).transpose(1, 2) for part in self.qkv(s).chunk(3, -1)
        )  # (B, h, T, hidden)
        points = frames.apply(self.points(s).unflatten(-1, (-1, 3)))
        points = points.unflatten(2, (h, -1)).transpose(1, 2)  # (B, h, T, points, 3)
        near_q, near_k, near_v = (
            part.flatten(-2) for part in points.split([n, n, config.value_points], -2)
        )
        # |q - k|^2 of all pairs from one product.
        distance = near_q.square().sum(-1)[..., :, None] + near_k.square().sum(-1)[..., None, :]
        distance = distance - 2 * near_q @ near_k.transpose(-1, -2)
        closeness = nn.functional.softplus(self.nearness) * math.sqrt(2 / (9 * n)) / 2
        logits = q @ k.transpose(-1, -2) * config.hidden**-0.5
        logits = logits + self.pair_bias(pair).permute(0, 3, 1, 2)
        logits = math.sqrt(1 / 3) * (logits - closeness[:, None, None] * distance)
        weights = logits.masked_fill(~mask[:, None, None, :], MASKED).softmax(-1)  # (B, h, T, T)

        content = (weights @ v).transpose(1, 2).flatten(2)
        edges = (weights.transpose(1, 2) @ pair).flatten(2)  # (B, T, h * trunk_pair)
        seen = (weights @ near_v).transpose(1, 2).reshape(batch, size, -1, 3)
        local = frames.invert_apply(seen)
        length = (local.square().sum(-1) + 1e-8).sqrt()
        return self.out(torch.cat([content, edges, local.flatten(2), length], -1))


class AngleNetwork(nn.Module):
    """phi, psi and omega as points in the plane, by two residual layers (algorithm 20, lines 11-14)."""

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        self.now = nn.Linear(config.single, config.angle)
        self.first = nn.Linear(config.trunk_single, config.angle)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Linear(config.angle, config.angle),
                nn.ReLU(),
                nn.Linear(config.angle, config.angle),
            )
            for _ in range(2)
        )
        self.out = nn.Linear(config.angle, 2 * len(TORSIONS))

    def forward(self, s: Tensor, initial: Tensor) -> Tensor:
        """(B, T, single) and the first single representation (B, T, trunk_single) -> (B, T, 3, 2)"""
        x = self.now(torch.relu(s)) + self.first(torch.relu(initial))
        for layer in self.layers:
            x = x + layer(x)
        return self.out(torch.relu(x)).unflatten(-1, (len(TORSIONS), 2))


class StructureModule(nn.Module):
    """Folds by :meth:`begin` and ``config.blocks`` times :meth:`step`; all in float32."""

    residue: Tensor

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.single
        self.norm_single = nn.LayerNorm(config.trunk_single)
        self.norm_pair = nn.LayerNorm(config.trunk_pair)
        self.single = nn.Linear(config.trunk_single, dim)
        self.attention = InvariantPointAttention(config)
        self.norm_attended = nn.LayerNorm(dim)
        self.transition = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)
        )
        self.norm_moved = nn.LayerNorm(dim)
        self.move = nn.Linear(dim, 6)
        self.angles = AngleNetwork(config)
        last = self.transition[-1]
        assert isinstance(last, nn.Linear)
        for layer in (last, self.move):  # an untrained block changes nothing
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        # Measured on the training set and then part of the checkpoint, see frames.average_residue.
        self.register_buffer("residue", torch.zeros(4, 3))

    def begin(self, single: Tensor, pair: Tensor) -> tuple[Fold, Tensor, Tensor]:
        """The trunk's answer (B, T, c), (B, T, T, c) -> all frames at the origin, and what every step
        reads: the single representation (B, T, trunk_single) and the pair (B, T, T, trunk_pair)."""
        initial, pair = self.norm_single(single.float()), self.norm_pair(pair.float())
        frames = Frames.identity(*single.shape[:2], device=single.device)
        torsions = torch.tensor([-1.0, 0.0], device=single.device).expand(
            *single.shape[:2], len(TORSIONS), 2
        )
        backbone = place_backbone(frames, torsions[..., 1, :], self.residue)
        return Fold(self.single(initial), frames, torsions, backbone), initial, pair

    def step(self, fold: Fold, initial: Tensor, pair: Tensor, mask: Tensor) -> Fold:
        """One block: attention, transition, every frame moved in its own axes, torsions, atoms."""
        unit = self.config.unit
        s = fold.single
        s = s + self.attention(s, pair, fold.frames.scaled(1 / unit), mask)
        s = self.norm_attended(s)
        s = self.norm_moved(s + self.transition(s))
        turn, shift = self.move(s).split(3, -1)
        frames = fold.frames.compose(Frames(rotation_from_quaternion(turn), shift * unit))
        torsions = self.angles(s, initial)
        psi = nn.functional.normalize(torsions[..., TORSIONS.index("psi"), :], dim=-1)
        return Fold(s, frames, torsions, place_backbone(frames, psi, self.residue))

    def forward(self, single: Tensor, pair: Tensor, mask: Tensor) -> list[Fold]:
        """Trunk's answer and mask (B, T) -> the fold after every block, for training."""
        fold, initial, pair = self.begin(single, pair)
        folds = []
        for _ in range(self.config.blocks):
            fold = replace(fold, frames=fold.frames.without_turning_gradient())
            folds.append(fold := self.step(fold, initial, pair, mask))
        return folds
