"""Small things the tests of this package share."""

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models import checkpoint
from models.alphafold2.checkpoint import CHECKPOINT, TRUNK, save_module
from models.alphafold2.structure_module import StructureConfig, StructureModule
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.trunk import ModelConfig
from models.checkpoint import fingerprint

TINY = StructureConfig(
    trunk_single=12, trunk_pair=6, single=16, heads=2, hidden=4, query_points=2, value_points=3,
    angle=8, blocks=3,
)  # fmt: skip
SMALL = ModelConfig(
    single=32, pair=16, triangle=8, heads=2, token=32, atom=16, blocks=2, fourier=16, recycles=1
)
# N, CA, C and the way from C to O, about as they are in proteins.
RESIDUE = torch.tensor([[-0.53, 1.36, 0.0], [0.0, 0.0, 0.0], [1.52, 0.0, 0.0], [0.63, 1.06, 0.0]])


def random_module(config: StructureConfig = TINY, seed: int = 0) -> StructureModule:
    """Every weight drawn at random: a fresh module moves nothing, which would hide mistakes."""
    torch.manual_seed(seed)
    module = StructureModule(config)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    module.residue.copy_(RESIDUE)
    return module.eval().requires_grad_(False)


def rotation(seed: int) -> Tensor:
    """A proper rotation (3, 3)."""
    q, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )
    return (q * torch.linalg.det(q)).float()


def ideal_helix(length: int) -> Tensor:
    """Backbone (length, 4, 3) A grown atom by atom with the bonds, angles and torsions of an alpha helix
    (phi -57, psi -47, omega 180 degrees), so that a right-handed one comes out if signs are right."""
    atoms = [torch.tensor(p, dtype=torch.float64) for p in ((0, 0, 0), (1.46, 0, 0))]
    atoms.append(_grow(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64), *atoms, 1.525, 111, 0))
    for _ in range(length - 1):
        for bond, angle, turn in ((1.329, 117.2, -47), (1.458, 121.7, 180), (1.525, 111.0, -57)):
            atoms.append(_grow(*atoms[-3:], bond, angle, turn))
    backbone = torch.stack(atoms).unflatten(0, (length, 3))
    oxygen = [_grow(*residue, 1.231, 120.5, -47 + 180) for residue in backbone]
    return torch.cat([backbone, torch.stack(oxygen)[:, None]], 1).float()


def _grow(a: Tensor, b: Tensor, c: Tensor, bond: float, angle: float, turn: float) -> Tensor:
    """The atom bonded to c at ``angle`` from b, turned by ``turn`` against a around b-c (degrees)."""
    along = torch.nn.functional.normalize(c - b, dim=0)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, along), dim=0)
    across = torch.linalg.cross(normal, along)
    bend, spin = math.radians(180 - angle), math.radians(turn)
    return c + bond * (
        math.cos(bend) * along
        + math.sin(bend) * (math.cos(spin) * across + math.sin(spin) * normal)
    )


def save_tiny(folder: Path) -> None:
    """The two files of the pipeline, small and drawn at random: a trunk and a module that fits it."""
    torch.manual_seed(0)
    model = StructureModel(SMALL)
    checkpoint.save(folder / TRUNK, model.state_dict(), SMALL)
    config = replace(TINY, trunk_single=SMALL.single, trunk_pair=SMALL.pair)
    state = random_module(config).state_dict()
    save_module(folder / CHECKPOINT, state, config, {}, fingerprint(folder / TRUNK))
