"""The trunk: single and pair representations from the graph, run once per structure.

Pairformer blocks after Abramson et al. 2024 (supplement, algorithm 17) without triangle attention and
dropout: triangle multiplication along outgoing and incoming edges, pair transition, single attention
with pair bias, single transition.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.alphafold3.features import PAIR_COLUMNS, Features
from models.alphafold3.graph import TOKEN_COLUMNS

MASKED = -1e9


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of trunk and diffusion module. sigma_data per class in A: RMS of one coordinate, measured
    on the training set (atoms: molecules of 2-40 heavy atoms; residues: 64-residue crops)."""

    single: int = 192
    pair: int = 48
    triangle: int = 32
    trunk_blocks: int = 2
    heads: int = 6
    token: int = 192
    atom: int = 128
    blocks: int = 6
    fourier: int = 128
    sigma_data_atoms: float = 2.2
    sigma_data_residues: float = 6.9


class Transition(nn.Module):
    """LayerNorm, SwiGLU, back (algorithm 11). The last layer starts at zero."""

    def __init__(self, dim: int, factor: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 2 * factor * dim, bias=False)
        self.down = nn.Linear(factor * dim, dim, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(self.norm(x)).chunk(2, -1)
        return self.down(nn.functional.silu(gate) * value)


class TriangleMultiplication(nn.Module):
    """Edge ij from the edges of the triangles it closes (algorithms 12 and 13).

    outgoing: sum_k a_ik b_jk, incoming: sum_k a_ki b_kj.
    """

    def __init__(self, pair: int, hidden: int, outgoing: bool) -> None:
        super().__init__()
        self.outgoing = outgoing
        self.norm_in = nn.LayerNorm(pair)
        self.edges = nn.Linear(pair, 4 * hidden, bias=False)
        self.norm_out = nn.LayerNorm(hidden)
        self.gate = nn.Linear(pair, pair, bias=False)
        self.out = nn.Linear(hidden, pair, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, z: Tensor, pair_mask: Tensor) -> Tensor:
        """z: (B, T, T, c), pair_mask: (B, T, T, 1)"""
        z = self.norm_in(z)
        value, gate = self.edges(z).chunk(2, -1)
        a, b = (value * gate.sigmoid() * pair_mask).permute(0, 3, 1, 2).chunk(2, 1)  # (B, h, T, T)
        x = a @ b.transpose(-1, -2) if self.outgoing else a.transpose(-1, -2) @ b
        return self.out(self.norm_out(x.permute(0, 2, 3, 1))) * self.gate(z).sigmoid()


class PairBiasAttention(nn.Module):
    """Gated self-attention over tokens, logits biased by the pair representation (algorithm 24)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkvg = nn.Linear(dim, 4 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.out = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: (..., T, d); bias: (..., heads, T, T), padding keys already at MASKED."""
        q, k, v, gate = self.qkvg(x).chunk(4, -1)
        q = (q + self.q_bias) * (q.shape[-1] // self.heads) ** -0.5
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for t in (q, k, v))
        weights = (q @ k.transpose(-1, -2) + bias).softmax(-1)
        mixed = (weights.to(v.dtype) @ v).transpose(-2, -3).flatten(-2)
        return self.out(mixed * gate.sigmoid())


def key_mask_bias(bias: Tensor, token_mask: Tensor) -> Tensor:
    """Sets the logits of padding keys to MASKED. bias: (B, h, T, T), token_mask: (B, T)."""
    return bias.masked_fill(~token_mask[:, None, None, :], MASKED)


class PairformerBlock(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.outgoing = TriangleMultiplication(config.pair, config.triangle, outgoing=True)
        self.incoming = TriangleMultiplication(config.pair, config.triangle, outgoing=False)
        self.pair_transition = Transition(config.pair)
        self.pair_bias = nn.Sequential(
            nn.LayerNorm(config.pair), nn.Linear(config.pair, config.heads, bias=False)
        )
        self.norm = nn.LayerNorm(config.single)
        self.attention = PairBiasAttention(config.single, config.heads)
        self.single_transition = Transition(config.single)

    def forward(
        self, s: Tensor, z: Tensor, token_mask: Tensor, pair_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        z = z + self.outgoing(z, pair_mask)
        z = z + self.incoming(z, pair_mask)
        z = z + self.pair_transition(z)
        bias = key_mask_bias(self.pair_bias(z).permute(0, 3, 1, 2), token_mask)
        s = s + self.attention(self.norm(s), bias)
        return s + self.single_transition(s), z


class SumOfEmbeddings(nn.Module):
    """One learned vector per value of every column, added up: a linear layer on the one-hots."""

    offsets: Tensor

    def __init__(self, sizes: list[int], dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(sizes), dim)
        nn.init.normal_(self.table.weight, std=len(sizes) ** -0.5)
        offsets = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, columns: Tensor) -> Tensor:
        """(..., n) int64 -> (..., dim)"""
        flat = (columns + self.offsets).flatten(0, -2)
        out = nn.functional.embedding_bag(flat, self.table.weight, mode="sum")
        return out.unflatten(0, columns.shape[:-1])


class Trunk(nn.Module):
    """Features -> single (B, T, single) and pair (B, T, T, pair)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.tokens = SumOfEmbeddings(list(TOKEN_COLUMNS.values()), config.single)
        self.profile = nn.Linear(21, config.single, bias=False)
        self.pairs = SumOfEmbeddings(list(PAIR_COLUMNS.values()), config.pair)
        self.ends = nn.Linear(config.single, 2 * config.pair, bias=False)
        self.blocks = nn.ModuleList(PairformerBlock(config) for _ in range(config.trunk_blocks))
        self.norm_single = nn.LayerNorm(config.single)
        self.norm_pair = nn.LayerNorm(config.pair)

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        mask = features.token_mask
        pair_mask = (mask[:, :, None] & mask[:, None, :]).unsqueeze(-1).float()
        s = self.tokens(features.tokens) + self.profile(features.profile)
        left, right = self.ends(s).chunk(2, -1)
        # Under autocast the ends are bfloat16; the wide pair tensor follows them.
        z = self.pairs(features.pair).to(left.dtype) + left[:, :, None] + right[:, None, :]
        for block in self.blocks:
            s, z = block(s, z, mask, pair_mask)
        return self.norm_single(s), self.norm_pair(z)
