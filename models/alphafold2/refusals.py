"""What AlphaFold 2 has no answer for, and why, in plain words.

Its output is one rigid frame per amino acid, spanned by N, CA and C, and torsion angles from a table of
the twenty kinds. Whatever else stands in an input has no frame to move or no row in that table.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem

from models.alphafold3.chains import Chain
from models.alphafold3.library import Library
from models.pipeline import InputError

ACCEPTED = "whole protein chains of the 20 standard amino acids, and nothing else beside them"
# A ring of carbons with one oxygen, hydroxyls or other oxygens on it and nothing aromatic beside it.
_SUGAR_RINGS = [
    Chem.MolFromSmarts(pattern)
    for pattern in (
        "[CX4;r6]1[CX4;r6][CX4;r6][CX4;r6][CX4;r6]O1",
        "[CX4;r5]1[CX4;r5][CX4;r5][CX4;r5]O1",
    )
]
_SHOWN = 40  # characters of a SMILES


def check(chains: Sequence[Chain], library: Library) -> None:
    """Raises InputError naming the first thing that has no frame; ions before molecules before strands
    before residues, because the more foreign one explains more."""
    for reason in (_ion, _molecule, _strand, _modified, _cut_out):
        for chain in chains:
            message = reason(chain, library)
            if message is not None:
                raise InputError(chain.path, message, ACCEPTED)


def _ion(chain: Chain, library: Library) -> str | None:
    if chain.kind != "ion" or chain.mol is None:
        return None
    number = chain.mol.GetAtomWithIdx(0).GetAtomicNum()
    name = Chem.GetPeriodicTable().GetElementName(number).lower()
    return (
        f"{_article(name)} {name} ion ({chain.residue}) is one atom: three atoms are needed to span a "
        "frame, and AlphaFold 2 places everything by frames."
    )


def _molecule(chain: Chain, library: Library) -> str | None:
    if chain.kind != "ligand" or chain.mol is None:
        return None
    atoms = chain.mol.GetNumAtoms()
    if _sugar(chain.mol):
        return (
            f"{_shown(chain.title)} is a sugar: its {atoms} atoms form rings and branches, not a chain "
            "with N, CA and C in every link. AlphaFold 2 has no frame for it and no table of its torsions."
        )
    return (
        f"{_shown(chain.title)} is a molecule of {atoms} atoms, not a chain of residues. AlphaFold 2 "
        "would need a frame in it and a table of its torsions, made beforehand for every molecule there "
        "is; AlphaFold 3 moves the atoms themselves."
    )


def _strand(chain: Chain, library: Library) -> str | None:
    if chain.kind not in ("dna", "rna"):
        return None
    sugar = "deoxyribose" if chain.kind == "dna" else "ribose"
    return (
        f"Chain {chain.name} is {chain.kind.upper()}: a nucleotide is a phosphate, a {sugar} and a base "
        "and has no N, CA and C to span AlphaFold 2's frame, nor phi, psi and omega to turn."
    )


def _modified(chain: Chain, library: Library) -> str | None:
    for place, code in chain.modifications.items():
        component = library.components.get(code)
        name = f"{component.name.lower()} ({code})" if component is not None else code
        return (
            f"Residue {chain.number(place)} of chain {chain.name} is {name}. It has a backbone, but "
            "AlphaFold 2's table of frames and torsions ends with the twenty standard amino acids: "
            "nothing would place the atoms that were added."
        )
    return None


def _cut_out(chain: Chain, library: Library) -> str | None:
    if not chain.positions:
        return None
    return (
        f"Chain {chain.name} is a cut-out of single residues (positions) drawn with all their atoms. "
        "AlphaFold 2 here folds the backbones of whole chains, and side chains have no place in that."
    )


def _sugar(mol: Chem.Mol) -> bool:
    if any(a.GetSymbol() not in "CNO" or a.GetIsAromatic() for a in mol.GetAtoms()):
        return False
    oxygens = sum(a.GetSymbol() == "O" for a in mol.GetAtoms())
    ring = any(mol.HasSubstructMatch(pattern) for pattern in _SUGAR_RINGS)
    return ring and oxygens >= 4


def _shown(title: str) -> str:
    short = title if len(title) <= 2 * _SHOWN else title[:_SHOWN] + "..."
    return short[:1].upper() + short[1:] if " " in short else short


def _article(word: str) -> str:
    return "An" if word[0] in "aeiou" else "A"
