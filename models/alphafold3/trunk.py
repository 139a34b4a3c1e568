"""The trunk: single and pair representations from the graph, run once per structure.

Pairformer blocks after Abramson et al. 2024 (supplement, algorithm 17) without dropout: triangle
multiplication along outgoing and incoming edges, triangle attention around starting and ending nodes,
pair transition, single attention with pair bias, single transition. The whole runs again on its own
output (recycling), and a head reads distances between tokens off the pairs (the distogram).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.alphafold3.features import PAIR_COLUMNS, TokenFeatures
from models.alphafold3.graph import TOKEN_COLUMNS

MASKED = -1e9
DISTANCE_EDGES = tuple(float(edge) for edge in range(2, 38))  # A, of the distogram's bins


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of trunk and diffusion module. sigma_data per class in A: RMS of one coordinate, measured
    on the training set (atoms: molecules of 2-40 heavy atoms; residues: 64-residue crops; full: nucleic
    acids and complexes with all atoms). recycles: passes of the trunk over its own output after the
    first."""

    single: int = 192
    pair: int = 48
    triangle: int = 32
    triangle_heads: int = 2
    profile: int = 8
    trunk_blocks: int = 2
    recycles: int = 2
    heads: int = 6
    token: int = 192
    atom: int = 128
    blocks: int = 6
    fourier: int = 128
    sigma_data_atoms: float = 2.2
    sigma_data_residues: float = 6.9
    sigma_data_full: float = 5.5


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
        # One copy of all matrices instead of one small copy for each.
        edges = (value * gate.sigmoid() * pair_mask).permute(3, 0, 1, 2).contiguous()
        a, b = edges.chunk(2)  # (h, B, T, T)
        x = a @ b.transpose(-1, -2) if self.outgoing else a.transpose(-1, -2) @ b
        return self.out(self.norm_out(x.permute(1, 2, 3, 0))) * self.gate(z).sigmoid()


class TriangleAttention(nn.Module):
    """Edge ij attends to the edges that share its node i, biased by the third edge of the triangle
    (algorithms 14 and 15). ``ending``: those that share its node j."""

    def __init__(self, pair: int, hidden: int, heads: int, ending: bool) -> None:
        super().__init__()
        self.heads, self.ending = heads, ending
        self.norm = nn.LayerNorm(pair)
        self.qkvg = nn.Linear(pair, 4 * hidden, bias=False)
        self.bias = nn.Linear(pair, heads, bias=False)
        self.out = nn.Linear(hidden, pair, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, z: Tensor, token_mask: Tensor) -> Tensor:
        """z: (B, T, T, c), token_mask: (B, T)"""
        if self.ending:
            z = z.transpose(1, 2)
        z = self.norm(z)
        q, k, v, gate = self.qkvg(z).chunk(4, -1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(2, 3) for t in (q, k, v))
        bias = key_mask_bias(self.bias(z).permute(0, 3, 1, 2), token_mask).to(q.dtype)
        # One structure after the other: only then is its bias broadcast instead of copied T times, and
        # the (T, heads, T, T) weights, most of a large structure's time, are never written.
        attend = nn.functional.scaled_dot_product_attention
        out = torch.stack([attend(q[b], k[b], v[b], bias[b : b + 1]) for b in range(len(z))])
        out = self.out(out.transpose(2, 3).flatten(-2) * gate.sigmoid())
        return out.transpose(1, 2) if self.ending else out


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
    """Algorithm 17; without triangle attention when ``triangle_heads`` is 0."""

    def __init__(
        self, single: int, pair: int, triangle: int, heads: int, triangle_heads: int = 0
    ) -> None:
        super().__init__()
        self.outgoing = TriangleMultiplication(pair, triangle, outgoing=True)
        self.incoming = TriangleMultiplication(pair, triangle, outgoing=False)
        if triangle_heads:
            self.starting, self.ending = (
                TriangleAttention(pair, triangle, triangle_heads, ending)
                for ending in (False, True)
            )
        self.attends = triangle_heads > 0
        self.pair_transition = Transition(pair)
        self.pair_bias = nn.Sequential(nn.LayerNorm(pair), nn.Linear(pair, heads, bias=False))
        self.norm = nn.LayerNorm(single)
        self.attention = PairBiasAttention(single, heads)
        self.single_transition = Transition(single)

    def forward(
        self, s: Tensor, z: Tensor, token_mask: Tensor, pair_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        z = z + self.outgoing(z, pair_mask)
        z = z + self.incoming(z, pair_mask)
        if self.attends:
            z = z + self.starting(z, token_mask)
            z = z + self.ending(z, token_mask)
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


class ProfileModule(nn.Module):
    """What related sequences say: residue shares of every position to the single, products of those of
    two positions to the pair representation.

    It stands where AlphaFold 3's MSA module does (algorithm 8) at the size of this model: the alignment
    is given as its column averages, of which the outer product mean (algorithm 9) takes one row.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.single = nn.Linear(21, config.single, bias=False)
        self.ends = nn.Linear(21, 2 * config.profile, bias=False)
        self.pair = nn.Linear(config.profile**2, config.pair, bias=False)
        nn.init.zeros_(self.pair.weight)

    def forward(self, profile: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 21) -> (B, T, single), (B, T, T, pair)"""
        left, right = self.ends(profile).chunk(2, -1)
        outer = torch.einsum("bic,bjd->bijcd", left, right).flatten(-2)
        return self.single(profile), self.pair(outer)


class Trunk(nn.Module):
    """Features -> single (B, T, single) and pair (B, T, T, pair)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.recycles = config.recycles
        self.tokens = SumOfEmbeddings(list(TOKEN_COLUMNS.values()), config.single)
        self.profile = ProfileModule(config)
        self.pairs = SumOfEmbeddings(list(PAIR_COLUMNS.values()), config.pair)
        self.ends = nn.Linear(config.single, 2 * config.pair, bias=False)
        self.again_single = nn.Linear(config.single, config.single, bias=False)
        self.again_pair = nn.Linear(config.pair, config.pair, bias=False)
        nn.init.zeros_(self.again_single.weight)
        nn.init.zeros_(self.again_pair.weight)
        self.blocks = nn.ModuleList(
            PairformerBlock(
                config.single, config.pair, config.triangle, config.heads, config.triangle_heads
            )
            for _ in range(config.trunk_blocks)
        )
        self.norm_single = nn.LayerNorm(config.single)
        self.norm_pair = nn.LayerNorm(config.pair)

    def forward(
        self, features: TokenFeatures, recycles: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """``recycles``: passes after the first, by default as configured. Only the last has a gradient."""
        mask = features.token_mask
        pair_mask = (mask[:, :, None] & mask[:, None, :]).unsqueeze(-1).float()
        profile_single, profile_pair = self.profile(features.profile)
        s_first = self.tokens(features.tokens) + profile_single
        left, right = self.ends(s_first).chunk(2, -1)
        # Under autocast the ends are bfloat16; the wide pair tensor follows them.
        z_first = self.pairs(features.pair).to(left.dtype) + profile_pair.to(left.dtype)
        z_first = z_first + left[:, :, None] + right[:, None, :]

        def once(before: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
            s, z = s_first, z_first
            if before is not None:
                s = s + self.again_single(before[0])
                z = z + self.again_pair(before[1])
            for block in self.blocks:
                s, z = block(s, z, mask, pair_mask)
            return self.norm_single(s), self.norm_pair(z)

        before: tuple[Tensor, Tensor] | None = None
        with torch.no_grad():
            for _ in range(self.recycles if recycles is None else recycles):
                before = once(before)
        return once(before)


class Distogram(nn.Module):
    """Logits of the distance between the representative atoms of two tokens (supplement 4.4)."""

    centres: Tensor

    def __init__(self, pair: int) -> None:
        super().__init__()
        self.out = nn.Linear(pair, len(DISTANCE_EDGES) + 1)
        edges = torch.tensor(DISTANCE_EDGES)
        half = (edges[1] - edges[0]) / 2
        centres = torch.cat([edges[:1] - half, (edges[1:] + edges[:-1]) / 2, edges[-1:] + half])
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, pair: Tensor) -> Tensor:
        """(B, T, T, pair) -> (B, T, T, bins)"""
        return self.out(pair + pair.transpose(1, 2))

    def expected(self, pair: Tensor) -> Tensor:
        """(B, T, T) mean of the predicted distribution, A; distances beyond the last edge count as it."""
        return self(pair).float().softmax(-1) @ self.centres
