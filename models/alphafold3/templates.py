"""What is inside a building block: the bonds and the hands of the 20 residues and 8 nucleotides, the
common modified ones as molecules with atom names, and the ions by code.

Read from ``models/tables/alphafold3-residues.json``, which ``python -m models data library`` writes from
the Chemical Component Dictionary (see :mod:`models.alphafold3.data.blocks`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdchem

from models.alphafold3.graph import ELEMENTS, METALS
from models.checkpoint import TABLES

TABLE = "alphafold3-residues.json"


@dataclass(frozen=True)
class Template:
    """One residue or nucleotide. Atoms are numbered as in residues.RESIDUE_ATOMS.
    bonds: (E, 3) int16 atom, atom, order (4 = aromatic). handed: stereocentre -> three neighbours
    (a, b, c) with (a - m) . ((b - m) x (c - m)) > 0 in the L residue or the D ribose.
    """

    atoms: tuple[str, ...]
    bonds: np.ndarray
    handed: dict[int, tuple[int, int, int]]


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((TABLES / TABLE).read_text())
    return table


@cache
def template(comp: str) -> Template:
    """Raises KeyError when ``comp`` is none of residues.RESIDUE_ATOMS."""
    entry = _table()["residues"][comp]
    return Template(
        atoms=tuple(entry["atoms"]),
        bonds=np.array(entry["bonds"], np.int16).reshape(-1, 3),
        handed={m: (a, b, c) for m, a, b, c in entry["handed"]},
    )


@cache
def modified_codes() -> dict[str, str]:
    """Code -> name of every modified residue and nucleotide that :func:`modified` knows."""
    return {code: entry["name"] for code, entry in _table()["modified"].items()}


def modified(code: str) -> tuple[rdchem.Mol, tuple[str, ...]]:
    """A modified residue or nucleotide as it stands alone: (molecule without explicit hydrogens, with
    stereo tags; its atom names in the same order). KeyError when the table does not have it."""
    entry = _table()["modified"][code]
    mol = Chem.MolFromSmiles(entry["smiles"])
    return mol, tuple(entry["atoms"].split())


def parent(code: str) -> str:
    """The standard residue or nucleotide that the modified ``code`` derives from, "" when none."""
    return str(_table()["modified"][code]["parent"])


@cache
def ions() -> dict[str, tuple[str, int]]:
    """Code -> (element, charge) of the single-atom components with an element the network knows."""
    return {code: (symbol, charge) for code, (symbol, charge) in _table()["ions"].items()}


def ion(code: str) -> rdchem.Mol:
    """The one-atom molecule of an ion's code, as ``ZN``. KeyError when it is none of :func:`ions`."""
    symbol, charge = ions()[code]
    mol = Chem.RWMol()
    atom = rdchem.Atom(symbol)
    atom.SetFormalCharge(charge)
    atom.SetNoImplicit(True)
    mol.AddAtom(atom)
    Chem.SanitizeMol(mol)
    return mol.GetMol()


KNOWN_IONS = frozenset((*METALS, *ELEMENTS[1:]))
