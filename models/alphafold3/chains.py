"""One chain of an input as it was read: a polymer's letters, or a molecule. How much of it is drawn, a
backbone or all atoms, depends on what stands beside it and is decided in :mod:`models.alphafold3.plan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rdkit import Chem

from models.alphafold3.chemistry import ORDERS
from models.alphafold3.graph import RESIDUES
from models.alphafold3.residues import AMINO_ACIDS, BACKBONE
from models.pipeline import InputError

MAX_TEXT = 4000  # characters; far beyond any molecule or sequence that would be accepted
MAX_MOLECULE = 128  # heavy atoms
THREE_LETTERS = dict(zip(RESIDUES, AMINO_ACIDS, strict=True))
POLYMERS = ("protein", "dna", "rna")


def text(value: Any, path: str, accepted: str) -> str:
    """``value`` without blanks around it. Raises InputError when it is no text, empty or too long."""
    if not isinstance(value, str):
        raise InputError(path, "must be text", accepted)
    value = value.strip()
    if not value:
        raise InputError(path, "is empty", accepted)
    if len(value) > MAX_TEXT:
        raise InputError(path, f"has {len(value)} characters", f"at most {MAX_TEXT} characters")
    return value


@dataclass(frozen=True)
class Chain:
    """name: chain id; kind: protein, dna, rna, ligand or ion; path: field it came from; residue: the
    component code of a ligand or ion; sequence: letters of a polymer; mol: the molecule unless the
    chain is a polymer of more than a few residues.

    positions: the number of every letter in a longer chain that these residues are taken from, empty
    for a whole chain; modifications: place in the sequence (from 0) -> component code; profile: (T, 20)
    uint8, see Graph.
    """

    name: str
    kind: str
    path: str
    title: str
    residue: str = "LIG"
    sequence: str = ""
    mol: Chem.Mol | None = None
    positions: tuple[int, ...] = ()
    modifications: Mapping[int, str] = field(default_factory=dict)
    profile: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def polymer(self) -> bool:
        return self.kind in POLYMERS

    @property
    def plain(self) -> bool:
        """A whole chain of standard residues."""
        return not self.positions and not self.modifications

    def number(self, place: int) -> int:
        """The residue number of a letter, from 1 for a whole chain."""
        return self.positions[place] if self.positions else place + 1

    def components(self) -> list[str]:
        """The component code of every letter, of the modification where there is one."""
        codes = [self.component(letter) for letter in self.sequence]
        for place, code in self.modifications.items():
            codes[place] = code
        return codes

    def component(self, letter: str) -> str:
        if self.kind == "protein":
            return THREE_LETTERS[letter]
        return f"D{letter}" if self.kind == "dna" else letter

    def record(self, **values: Any) -> dict[str, Any]:
        """An atom of the start event."""
        return {"charge": 0, **values, "chain": self.name, "kind": self.kind}


def backbone_atoms(chain: Chain) -> list[dict[str, Any]]:
    """element, name, residue, residue_index, charge, chain, kind and token (within the chain)."""
    return [
        chain.record(
            element=name[0],
            name=name,
            residue=THREE_LETTERS[letter],
            residue_index=chain.number(t),
            token=t,
        )
        for t, letter in enumerate(chain.sequence)
        for name in BACKBONE
    ]


def molecule_atoms(chain: Chain) -> list[dict[str, Any]]:
    """As :func:`backbone_atoms`, one token per atom; names of a peptide are those of its residues."""
    assert chain.mol is not None
    records, counts = [], Counter[str]()
    for atom in chain.mol.GetAtoms():
        symbol, info = atom.GetSymbol(), atom.GetPDBResidueInfo()
        counts[symbol] += 1
        records.append(
            chain.record(
                element=symbol,
                name=info.GetName().strip() if info else f"{symbol}{counts[symbol]}",
                charge=atom.GetFormalCharge(),
                residue=info.GetResidueName().strip() if info else chain.residue,
                residue_index=info.GetResidueNumber() if info else 1,
                token=atom.GetIdx(),
            )
        )
    return records


def molecule_bonds(mol: Chem.Mol) -> list[tuple[int, int, int]]:
    """(atom, atom, order) with orders 1, 2, 3: aromatic rings in one of their Kekule forms."""
    drawn = Chem.Mol(mol)
    Chem.Kekulize(drawn, clearAromaticFlags=True)
    return [
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), ORDERS[b.GetBondType()]) for b in drawn.GetBonds()
    ]
