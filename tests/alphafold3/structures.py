"""Small things the tests of this package share."""

from pathlib import Path

import numpy as np
import torch
from rdkit import Chem

from models.alphafold3.chemistry import molecule_graph
from models.alphafold3.diffusion_module import StructureModel
from models.alphafold3.graph import Graph
from models.alphafold3.trunk import ModelConfig

FIXTURES = Path(__file__).parents[1] / "fixtures/molecules"
TINY = ModelConfig(single=32, pair=16, triangle=8, heads=2, token=32, atom=16, blocks=2, fourier=16)


def random_model(seed: int = 0) -> StructureModel:
    """Every weight drawn at random: fresh models answer zero, which would hide mistakes."""
    torch.manual_seed(seed)
    model = StructureModel(TINY)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval().requires_grad_(False)


def graph_of(smiles: str) -> Graph:
    mol = Chem.MolFromSmiles(smiles)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return molecule_graph(mol)


def triple_product(xyz: np.ndarray, m: int, a: int, b: int, c: int) -> float:
    return float(np.dot(xyz[a] - xyz[m], np.cross(xyz[b] - xyz[m], xyz[c] - xyz[m])))
