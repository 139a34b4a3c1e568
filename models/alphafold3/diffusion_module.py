"""The diffusion module: raw noisy coordinates in, raw coordinates out (Abramson et al. 2024, fig. 2b).

atom encoder -> token transformer with pair bias and adaptive layer norm -> atom decoder. No frames, no
torsions, no equivariance: rotations are learned from augmentation. What the graph says about the noisy
coordinates enters as vectors (see :mod:`models.alphafold3.local`), which a linear layer can read directly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.alphafold3.features import Features, TokenFeatures
from models.alphafold3.graph import ATOM_TYPES
from models.alphafold3.local import (
    SCALARS,
    VECTORS,
    Around,
    IdealDistances,
    around,
    local_vectors,
)
from models.alphafold3.residues import FULL_SLOTS
from models.alphafold3.trunk import (
    Distogram,
    ModelConfig,
    PairBiasAttention,
    Trunk,
    key_mask_bias,
)
from models.diffusion.precond import Precond

STYLES = ("crystal", "ideal")
MAX_GAIN = 0.5  # 1 / A; see DiffusionModule.decode
LENGTHS = tuple(k in (*range(1, 7), *range(9, 12)) for k in range(VECTORS))  # vectors in A


class NoiseEmbedding(nn.Module):
    """c_noise and the conformer style -> (B, K, dim), by random Fourier features (AF3 algorithm 22)."""

    frequency: Tensor
    phase: Tensor

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("frequency", torch.randn(features, generator=generator))
        self.register_buffer("phase", torch.rand(features, generator=generator))
        self.style = nn.Embedding(len(STYLES), dim)
        nn.init.zeros_(self.style.weight)
        self.mix = nn.Sequential(nn.Linear(features, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, c_noise: Tensor, style: Tensor) -> Tensor:
        waves = torch.cos(2 * torch.pi * (c_noise.unsqueeze(-1) * self.frequency + self.phase))
        return nn.functional.silu(self.mix(waves) + self.style(style))


class DiffusionBlock(nn.Module):
    """Pair-biased attention and SwiGLU transition, both under adaLN-zero (Peebles & Xie 2023).

    AlphaFold 3 modulates per token; here the noise level modulates and the token's identity is added
    to its input, which costs one small matrix product per sample instead of three per token.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(dim, 6 * dim)
        self.attention = PairBiasAttention(dim, heads)
        self.up = nn.Linear(dim, 4 * dim, bias=False)
        self.down = nn.Linear(2 * dim, dim, bias=False)
        nn.init.xavier_uniform_(
            self.attention.out.weight
        )  # adaLN-zero's gates start at zero instead
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, noise: Tensor, bias: Tensor) -> Tensor:
        """x: (B, K, T, d), noise: (B, K, d), bias: (B, 1, heads, T, T)"""
        parts = self.modulation(noise).unsqueeze(-2).chunk(6, -1)
        shift_a, scale_a, gate_a, shift_t, scale_t, gate_t = parts
        normal = nn.functional.layer_norm(x, x.shape[-1:])
        x = x + gate_a * self.attention(torch.addcmul(normal + shift_a, normal, scale_a), bias)
        normal = nn.functional.layer_norm(x, x.shape[-1:])
        gate, value = self.up(torch.addcmul(normal + shift_t, normal, scale_t)).chunk(2, -1)
        return x + gate_t * self.down(nn.functional.silu(gate) * value)


@dataclass(frozen=True)
class Shown:
    """Encoded atoms (..., atoms, atom), the vectors that they see (..., atoms, VECTORS, 3), and c_out, A,
    which broadcasts to (..., atoms, 1)."""

    atoms: Tensor
    local: Tensor
    c_out: Tensor


class DiffusionModule(nn.Module):
    """F of EDM's preconditioning: c_in x, c_noise and the trunk's output -> (B * K, M, 3).

    :meth:`encode`, :meth:`transform` and :meth:`decode` do not ask how atoms are laid out. :meth:`forward`
    is the padded layout of training; a server packs (see :mod:`models.alphafold3.packed_module`).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        atom, token = config.atom, config.token
        self.ideal = IdealDistances()
        self.vectors = nn.Linear(3 * VECTORS, atom)
        self.scalars = nn.Linear(SCALARS, atom, bias=False)
        nn.init.zeros_(self.scalars.weight)
        self.atom_type = nn.Embedding(len(ATOM_TYPES), atom)
        self.atom_in = nn.Sequential(
            nn.Linear(atom, 2 * atom), nn.SiLU(), nn.Linear(2 * atom, atom)
        )
        self.to_token = nn.Linear(FULL_SLOTS * atom, token, bias=False)
        self.single = nn.Linear(config.single, token, bias=False)
        self.noise = NoiseEmbedding(config.fourier, token)
        self.pair_bias = nn.Linear(config.pair, config.blocks * config.heads, bias=False)
        self.blocks = nn.ModuleList(
            DiffusionBlock(token, config.heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(token)
        self.to_atoms = nn.Linear(token, FULL_SLOTS * atom, bias=False)
        self.atom_out = nn.Sequential(
            nn.LayerNorm(atom), nn.Linear(atom, 2 * atom), nn.SiLU(), nn.Linear(2 * atom, atom)
        )
        self.norm_out = nn.LayerNorm(atom)
        self.out = nn.Linear(atom, 3, bias=False)
        nn.init.zeros_(self.out.weight)
        self.vector_gates = nn.Linear(atom, VECTORS, bias=False)
        nn.init.zeros_(self.vector_gates.weight)

    def condition(self, single: Tensor, pair: Tensor, token_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The part that no noise enters, once per structure: token input (B, T, token) and attention
        bias of all blocks (B, blocks * heads, T, T)."""
        bias = self.pair_bias(pair).permute(0, 3, 1, 2)
        return self.single(single), key_mask_bias(bias, token_mask)

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        features: Features,
        token_input: Tensor,
        bias: Tensor,
        style: Tensor,
        scale: Tensor,
    ) -> Tensor:
        """x: (B * K, M, 3), c_noise: (B * K,), token_input (B, T, d), bias (B, blocks * heads, T, T),
        style: (B * K,) index into STYLES, scale: (B * K,) A per unit of x. K copies share a structure."""
        batch, slots = len(token_input), features.slots
        x = x.unflatten(0, (batch, -1))
        lengths = scale.reshape(batch, -1, 1, 1)
        level = c_noise.reshape(batch, -1, 1, 1)
        seen = around(features, self.ideal)
        shown = self.encode(
            x, seen, features.atom_types[:, None], level, lengths, token_input.dtype
        )
        atoms = shown.atoms * features.atom_mask[:, None, :, None].to(shown.atoms.dtype)
        width = slots * self.config.atom
        per_token = (
            torch.relu(atoms).unflatten(2, (-1, slots)).flatten(-2)
        )  # (B, K, T, slots * atom)
        tokens = (
            nn.functional.linear(per_token, self.to_token.weight[:, :width]) + token_input[:, None]
        )
        noise = self.noise(c_noise, style).unflatten(0, (batch, -1))
        tokens = self.transform(tokens, noise, bias[:, None])
        back = nn.functional.linear(self.norm(tokens), self.to_atoms.weight[:width])
        back = back.unflatten(-1, (slots, -1)).flatten(2, 3)
        return self.decode(replace(shown, atoms=atoms), back).flatten(0, 1)

    def encode(
        self,
        x: Tensor,
        seen: Around,
        types: Tensor,
        c_noise: Tensor,
        lengths: Tensor,
        dtype: torch.dtype,
    ) -> Shown:
        """The atoms by themselves. x: (..., atoms, 3), types: into ATOM_TYPES, broadcasts to (..., atoms),
        c_noise, lengths (A per unit of x): broadcast to (..., atoms, 1). dtype: of the embeddings."""
        with torch.autocast(
            x.device.type, enabled=False
        ):  # differences of coordinates need float32
            ratio = (4 * c_noise).exp()  # sigma / sigma_data
            c_out = lengths * ratio / (1 + ratio**2)
            local, scalars = local_vectors(x, seen, lengths, c_out)
            vectors = self.vectors(local.flatten(-2)) + self.scalars(scalars)
        atoms = (vectors + self.atom_type(types)).to(dtype)  # (..., atoms, atom)
        return Shown(atoms + self.atom_in(atoms), local, c_out)

    def transform(self, tokens: Tensor, noise: Tensor, bias: Tensor) -> Tensor:
        """tokens: (B, K, T, d), noise: (B, K, d), bias: (B, 1, blocks * heads, T, T) -> (B, K, T, d)"""
        heads = self.config.heads
        for k, block in enumerate(self.blocks):
            tokens = block(tokens, noise, bias[:, :, k * heads : (k + 1) * heads])
        return tokens

    def decode(self, shown: Shown, back: Tensor) -> Tensor:
        """What the tokens give back to their atoms (..., atoms, atom) -> F (..., atoms, 3)"""
        atoms = shown.atoms + back
        atoms = atoms + self.atom_out(atoms)
        atoms = self.norm_out(atoms)
        # The noise of an atom is best cancelled by the atom's own vectors, gated: through the layers
        # above, a copy of them would have to survive three layer norms.
        in_angstrom = torch.tensor(LENGTHS, device=back.device).unsqueeze(-1)
        gain = (1 / shown.c_out).clamp_max(MAX_GAIN).unsqueeze(-1)
        gain = torch.where(in_angstrom, gain, 1.0)
        gates = self.vector_gates(atoms).float().unsqueeze(-1)
        return self.out(atoms).float() + (gates * gain * shown.local).sum(-2)


class StructureModel(nn.Module):
    """Trunk and preconditioned diffusion module: one model for every class of molecules."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config)
        self.distogram = Distogram(config.pair)
        self.denoiser = Precond(DiffusionModule(config), config.sigma_data_atoms)

    @property
    def module(self) -> DiffusionModule:
        network = self.denoiser.network
        assert isinstance(network, DiffusionModule)
        return network

    def set_ideal_distances(self, bonds: Tensor, angles: Tensor) -> None:
        """Measured once on the training set, then part of the checkpoint."""
        self.module.ideal.bonds.copy_(bonds)
        self.module.ideal.angles.copy_(angles)

    def sigma_data(self, slots: int) -> float:
        """A: the scale of a structure's class: molecules (one slot), protein backbones, everything else."""
        config = self.config
        if slots == 1:
            return config.sigma_data_atoms
        return config.sigma_data_full if slots == FULL_SLOTS else config.sigma_data_residues

    def condition(
        self, single: Tensor, pair: Tensor, features: TokenFeatures
    ) -> tuple[Tensor, Tensor]:
        """From the trunk's answer, what :meth:`denoise` needs of every structure, whatever the noise."""
        return self.module.condition(single, pair, features.token_mask)

    def denoise(
        self,
        x: Tensor,
        sigma: Tensor,
        features: Features,
        condition: tuple[Tensor, Tensor],
        style: Tensor,
        sigma_data: Tensor,
    ) -> Tensor:
        """x: (B * K, M, 3) A, sigma, style, sigma_data: (B * K,) -> denoised (B * K, M, 3) A."""
        scale = (sigma.to(torch.float32) ** 2 + sigma_data**2).sqrt()
        return self.denoiser(
            x,
            sigma,
            features,
            *condition,
            sigma_data=sigma_data,
            style=style,
            scale=scale,
        )
