"""Crops of made-up coordinates: every atom somewhere, so that what belongs to which can be told."""

import numpy as np
from rdkit import Chem

from models.alphafold3 import templates
from models.alphafold3.assembly import Unit, atom_names
from models.alphafold3.data.crops import Crop
from models.alphafold3.graph import NO_INDEX

COMPLEMENT = {"DA": "DT", "DT": "DA", "DC": "DG", "DG": "DC"}


def duplex(strand, pdb="1ABC", group=5):
    """A duplex of nucleotides with coordinates that only tell which atom is which."""
    both = [*strand, *(COMPLEMENT[c] for c in reversed(strand))]
    n = len(strand)
    units = [Unit(c, k // n, k % n + 1, atom_names(Unit(c))) for k, c in enumerate(both)]
    xyz = [np.random.default_rng(k).normal(size=(len(u.names), 3)) * 5 for k, u in enumerate(units)]
    pairs = np.append(np.arange(n), np.arange(n)[::-1])
    return Crop("dna", pdb, "", group, "", units, [], xyz, np.ones(2 * n, bool), pairs)


def windows(whole, length=6):
    """All windows of a duplex, as the data files hold them."""
    n = len(whole.units) // 2
    for start in range(n - length + 1):
        kept = [*range(start, start + length), *range(2 * n - start - length, 2 * n - start)]
        yield Crop(
            "dna_window", whole.pdb, "", whole.group, "",
            [whole.units[k] for k in kept], [], [whole.xyz[k] for k in kept],
            np.ones(len(kept), bool),
        )  # fmt: skip


def shell(pdb, group, shift=0.0):
    """A zinc ion between two residues, and a modified residue in the chain of one of them."""
    mol, names = templates.modified("MSE")
    mol, names = without_oxt(mol, names)
    units = [
        Unit("CYS", 0, 1, atom_names(Unit("CYS"))),
        Unit("MSE", 0, 2, names, mol),
        Unit("HIS", 0, 5, atom_names(Unit("HIS"))),
        Unit("ZN", 1, NO_INDEX, ("ZN",), templates.ion("ZN")),
    ]
    rng = np.random.default_rng(group)
    xyz = [rng.normal(size=(len(u.names), 3)) * 3 + shift for u in units]
    return Crop("ion", pdb, "ZN", group, "", units, [], xyz, np.array([False, False, False, True]))


def without_oxt(mol, names):
    kept = Chem.RWMol(mol)
    kept.RemoveAtom(names.index("OXT"))
    Chem.SanitizeMol(kept)
    return kept.GetMol(), tuple(n for n in names if n != "OXT")
