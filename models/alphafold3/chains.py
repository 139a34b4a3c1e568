"""One chain of an input: a ligand, a protein or a short nucleic acid, checked and turned into a graph."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rdkit import Chem, rdBase
from torch import Tensor

from models.alphafold3.chemistry import ORDERS, molecule_graph
from models.alphafold3.graph import BACKBONE, ELEMENTS, RESIDUES, Graph
from models.alphafold3.library import Library
from models.alphafold3.polymer import backbone_graph, residue_ids
from models.pipeline import InputError

MAX_TEXT = 4000  # characters; far beyond any molecule that would be accepted
PEPTIDE = 8  # residues up to which a peptide is drawn with all its atoms
MAX_MOLECULE = 128  # heavy atoms
THREE_LETTERS = dict(
    zip(
        RESIDUES,
        "ALA CYS ASP GLU PHE GLY HIS ILE LYS LEU MET ASN PRO GLN ARG SER THR VAL TRP TYR".split(),
        strict=True,
    )
)
_ELEMENTS_ACCEPTED = (
    "a molecule of " + ", ".join(ELEMENTS[1:]) + " (hydrogens are added by themselves)"
)
_SMILES_ACCEPTED = f"a SMILES of 2-{MAX_MOLECULE} heavy atoms, for example CC(=O)Oc1ccccc1C(=O)O"

# RDKit tells why it rejects a SMILES only in its log.
rdBase.LogToPythonLogger()
_LOG = logging.getLogger("rdkit")
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())  # what visitors type stays out of the server's log
_LOCK = threading.Lock()


class _Reasons(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass(frozen=True)
class Chain:
    """name: chain id; kind: ligand, protein, dna or rna; path: field it came from; mol: the molecule
    unless the chain is a backbone; sequence: letters of a polymer."""

    name: str
    kind: str
    path: str
    title: str
    graph: Graph
    residue: str = "LIG"
    sequence: str = ""
    mol: Chem.Mol | None = None
    notes: tuple[str, ...] = ()

    def atoms(self) -> list[dict[str, Any]]:
        """element, name, residue, residue_index, charge and token (within the chain) of every atom."""
        if self.mol is None:
            return [
                {
                    "element": name[0],
                    "name": name,
                    "charge": 0,
                    "residue": THREE_LETTERS[letter],
                    "residue_index": t + 1,
                    "token": t,
                }
                for t, letter in enumerate(self.sequence)
                for name in BACKBONE
            ]
        records, counts = [], Counter[str]()
        for atom in self.mol.GetAtoms():
            symbol, info = atom.GetSymbol(), atom.GetPDBResidueInfo()
            counts[symbol] += 1
            records.append(
                {
                    "element": symbol,
                    "name": info.GetName().strip() if info else f"{symbol}{counts[symbol]}",
                    "charge": atom.GetFormalCharge(),
                    "residue": info.GetResidueName().strip() if info else self.residue,
                    "residue_index": info.GetResidueNumber() if info else 1,
                    "token": atom.GetIdx(),
                }
            )
        return records

    def bonds(self) -> list[tuple[int, int, int]]:
        """(atom, atom, order) with orders 1, 2, 3: aromatic rings in one of their Kekule forms."""
        if self.mol is None:
            number = np.cumsum(self.graph.present) - 1
            return [(int(number[i]), int(number[j]), int(o)) for i, j, o in self.graph.bonds]
        drawn = Chem.Mol(self.mol)
        Chem.Kekulize(drawn, clearAromaticFlags=True)
        return [
            (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), ORDERS[b.GetBondType()])
            for b in drawn.GetBonds()
        ]

    def reference(self, library: Library) -> tuple[Tensor | None, str]:
        """(N, 3) A and the name of an experimental structure of this chain, if one ships."""
        if self.mol is not None:
            return library.molecule_reference(
                self.mol
            ), "Chemical Component Dictionary, crystal conformer"
        entry = library.protein_reference(self.sequence)
        if entry is None:
            return None, ""
        return torch.tensor(entry["xyz"]).reshape(
            -1, 3
        ), f"PDB {entry['entry'].replace('_', ', chain ')}"


def _text(value: str, path: str, accepted: str) -> str:
    value = value.strip()
    if not value:
        raise InputError(path, "is empty", accepted)
    if len(value) > MAX_TEXT:
        raise InputError(path, f"has {len(value)} characters", f"at most {MAX_TEXT} characters")
    return value


def _parse_smiles(smiles: str, path: str) -> Chem.Mol:
    reasons = _Reasons()
    with _LOCK:
        _LOG.addHandler(reasons)
        try:
            mol = Chem.MolFromSmiles(smiles)
        finally:
            _LOG.removeHandler(reasons)
    if mol is None:
        lines = [re.sub(r"^\[[\d:.,]+\]\s*", "", line).strip() for line in reasons.lines]
        reason = next((line for line in lines if line), "no reason given")
        raise InputError(path, f"is not a valid SMILES: {reason[:160]}", _SMILES_ACCEPTED)
    return mol


def _usable(mol: Chem.Mol, path: str) -> tuple[Chem.Mol, list[str]]:
    """One connected molecule of trained elements without hydrogens, and notes on what was changed."""
    notes = []
    fragments = Chem.GetMolFrags(mol, asMols=True)
    if len(fragments) > 1:
        mol = max(fragments, key=lambda m: m.GetNumHeavyAtoms())
        notes.append(f"The input has {len(fragments)} separate parts; only the largest is drawn.")
    if any(atom.GetIsotope() for atom in mol.GetAtoms()):
        for atom in mol.GetAtoms():
            atom.SetIsotope(0)
        notes.append("Isotope labels are dropped: they do not change the shape.")
    mol = Chem.RemoveHs(mol)
    strange = sorted({atom.GetSymbol() for atom in mol.GetAtoms()} - set(ELEMENTS))
    if strange:
        raise InputError(
            path, f"contains {', '.join(strange)}, which is not trained", _ELEMENTS_ACCEPTED
        )
    count = mol.GetNumAtoms()
    if count < 2:
        raise InputError(path, "is a single atom: there is nothing to denoise", _SMILES_ACCEPTED)
    if count > MAX_MOLECULE:
        raise InputError(path, f"has {count} heavy atoms", _SMILES_ACCEPTED)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    centres = Chem.FindMolChiralCenters(mol, includeUnassigned=True, useLegacyImplementation=True)
    undecided = sum(label == "?" for _, label in centres)
    if undecided:
        s = "s" if undecided > 1 else ""
        notes.append(
            f"{undecided} stereocentre{s} left open in the input: either hand may come out."
        )
    return mol, notes


def ligand_chain(
    name: str, path: str, *, smiles: str = "", code: str = "", library: Library | None = None
) -> Chain:
    """A molecule by SMILES or by Chemical Component code. Raises InputError."""
    if library is None:
        text = _text(smiles, path, _SMILES_ACCEPTED)
        mol, notes = _usable(_parse_smiles(text, path), path)
        return Chain(name, "ligand", path, text, molecule_graph(mol), mol=mol, notes=tuple(notes))
    code = _text(code, path, "a Chemical Component code such as ATP").upper()
    component = library.components.get(code)
    if component is None:
        near = library.suggestions(code)
        hint = f"; near: {', '.join(near)}" if near else ""
        accepted = f"a Chemical Component code such as ATP or CFF{hint}"
        raise InputError(path, f"{code[:40]} is not a known component code", accepted)
    title = f"{component.name.lower() if component.name.isupper() else component.name} ({code})"
    if not component.smiles:
        raise InputError(
            path,
            f"{code} cannot be drawn as an organic molecule of 2-{MAX_MOLECULE} heavy atoms",
            _ELEMENTS_ACCEPTED,
        )
    mol, notes = _usable(_parse_smiles(component.smiles, path), path)
    return Chain(
        name, "ligand", path, title, molecule_graph(mol), residue=code, mol=mol, notes=tuple(notes)
    )


def _letters(value: str, path: str, alphabet: str, what: str, accepted: str) -> str:
    sequence = re.sub(r"\s+", "", _text(value, path, accepted)).upper()
    for place, letter in enumerate(sequence):
        if letter not in alphabet:
            raise InputError(path, f"{letter!r} at position {place + 1} is no {what}", accepted)
    return sequence


def protein_chain(name: str, path: str, value: str, limit: int) -> Chain:
    """Short peptides with all atoms, longer chains as backbones. Raises InputError."""
    accepted = f"1-{limit} residues of {RESIDUES}"
    sequence = _letters(value, path, RESIDUES, "residue", accepted)
    if len(sequence) > limit:
        raise InputError(path, f"has {len(sequence)} residues", accepted)
    if len(sequence) <= PEPTIDE:
        mol = Chem.MolFromSequence(sequence)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
        note = (
            f"Peptides of up to {PEPTIDE} residues are drawn with all their atoms, "
            "longer chains as backbones."
        )
        return Chain(
            name,
            "protein",
            path,
            sequence,
            molecule_graph(mol),
            sequence=sequence,
            mol=mol,
            notes=(note,),
        )
    notes = ["Backbone only (N, CA, C, O), from the sequence alone, without related sequences."]
    if len(sequence) < 16:
        notes.append(f"{len(sequence)} residues are outside the trained range (16-64).")
    graph = backbone_graph(residue_ids(sequence))
    return Chain(name, "protein", path, sequence, graph, sequence=sequence, notes=tuple(notes))


def nucleic_chain(name: str, path: str, value: str, kind: str) -> Chain:
    """A short single strand, drawn atom by atom from its molecular graph. Raises InputError."""
    alphabet = "ACGT" if kind == "dna" else "ACGU"
    accepted = f"a short strand of {alphabet}: 1-6 letters, at most {MAX_MOLECULE} heavy atoms"
    sequence = _letters(value, path, alphabet, f"{kind.upper()} letter", accepted)
    if len(sequence) > 6:
        raise InputError(path, f"has {len(sequence)} letters", accepted)
    mol = Chem.MolFromSequence(sequence, flavor=6 if kind == "dna" else 2)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    note = f"{kind.upper()} is not trained as a polymer: the strand is drawn as one molecule" + (
        ", outside the trained range." if len(sequence) > 1 else "."
    )
    return Chain(
        name, kind, path, sequence, molecule_graph(mol), sequence=sequence, mol=mol, notes=(note,)
    )
