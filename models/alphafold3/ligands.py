"""Small molecules and ions of an input: SMILES or component codes, checked and turned into chains."""

from __future__ import annotations

import logging
import re
import threading

from rdkit import Chem, rdBase

from models.alphafold3 import templates
from models.alphafold3.chains import MAX_MOLECULE, Chain, text
from models.alphafold3.chemistry import ORDERS
from models.alphafold3.graph import ELEMENTS, METALS
from models.alphafold3.library import Component, Library
from models.pipeline import InputError

# Solvents, salts and metals that somebody tries; told apart from unknown codes.
_UNTRAINED = frozenset(
    "HOH DOD O OH LI RB CS SR BA AL HG PB AG AU PT PD CR V W MO U GD YB SM".split()
)
_ION_ACCEPTED = f'an ion of its own: "ccdCodes" with one of {", ".join(sorted(templates.ions()))}'
_ELEMENTS_ACCEPTED = (
    "a molecule of " + ", ".join(ELEMENTS[1:]) + " (hydrogens are added by themselves)"
)
_SMILES_ACCEPTED = f"a SMILES of 2-{MAX_MOLECULE} heavy atoms, for example CC(=O)Oc1ccccc1C(=O)O"
_CODE_ACCEPTED = "a Chemical Component code such as ATP or CFF"
_PARTS_ACCEPTED = (
    "one connected molecule, or one ligand entry per part: "
    '{"sequences": [{"ligand": {"id": "L", "smiles": ...}}, {"ligand": {"id": "M", ...}}]}'
)

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


def _read(smiles: str, path: str) -> Chem.Mol:
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


def _connected(mol: Chem.Mol, path: str) -> None:
    """One entry is one molecule: salts and mixtures are not guessed apart."""
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    if len(parts) == 1:
        return
    shown = ", ".join(Chem.MolToSmiles(part)[:40] for part in parts[:4])
    more = ", ..." if len(parts) > 4 else ""
    raise InputError(
        path,
        f"holds {len(parts)} separate parts ({shown}{more}): one entry is one connected molecule",
        _PARTS_ACCEPTED,
    )


def _elements(mol: Chem.Mol, path: str) -> None:
    symbols = {atom.GetSymbol() for atom in mol.GetAtoms()} - {"H"}
    strange = sorted(symbols - set(ELEMENTS))
    if not strange:
        return
    names = ", ".join(strange)
    if set(strange) <= set(METALS):
        raise InputError(
            path,
            f"holds {names} bonded inside a molecule: a metal is only known as an ion of its own",
            f"the organic part alone, and {names} as {_ION_ACCEPTED}",
        )
    raise InputError(path, f"contains {names}, which is not trained", _ELEMENTS_ACCEPTED)


def _usable(mol: Chem.Mol, path: str) -> tuple[Chem.Mol, list[str]]:
    """A molecule of trained elements without hydrogens, and notes on what was changed."""
    notes = []
    _connected(mol, path)
    _elements(mol, path)
    if any(atom.GetIsotope() for atom in mol.GetAtoms()):
        for atom in mol.GetAtoms():
            atom.SetIsotope(0)
        notes.append("Isotope labels are dropped: they do not change the shape.")
    mol = Chem.RemoveHs(mol)
    count = mol.GetNumHeavyAtoms()
    if count < mol.GetNumAtoms():
        raise InputError(path, "holds hydrogens that stand for themselves", _ELEMENTS_ACCEPTED)
    if any(bond.GetBondType() not in ORDERS for bond in mol.GetBonds()):
        raise InputError(
            path, "holds a bond that is not single, double, triple or aromatic", _SMILES_ACCEPTED
        )
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


def ion_chain(name: str, path: str, code: str) -> Chain:
    """code: a key of :func:`templates.ions`."""
    symbol, charge = templates.ions()[code]
    sign = "+" if charge > 0 else "-"
    title = f"{symbol}{abs(charge) if abs(charge) > 1 else ''}{sign} ({code})"
    return Chain(name, "ion", path, title, residue=code, mol=templates.ion(code))


def _lone_atom(mol: Chem.Mol, name: str, path: str) -> Chain | None:
    """A SMILES of one atom as an ion, if the model knows it; None if it is no ion at all."""
    if mol.GetNumAtoms() != 1:
        return None
    atom = mol.GetAtomWithIdx(0)
    symbol, charge = atom.GetSymbol(), atom.GetFormalCharge()
    known = {code: value for code, value in templates.ions().items() if value[0] == symbol}
    for code, value in known.items():
        if value == (symbol, charge) and not atom.GetTotalNumHs():
            return ion_chain(name, path, code)
    if known and (symbol in METALS or charge):
        choices = " or ".join(f"[{symbol}{c:+d}] ({code})" for code, (_, c) in known.items())
        raise InputError(path, f"is {symbol} with charge {charge:+d}, not a known ion", choices)
    if charge and symbol not in ELEMENTS:
        raise InputError(path, f"is an ion of {symbol}, which is not trained", _ION_ACCEPTED)
    return None


def smiles_chain(name: str, path: str, smiles: object) -> Chain:
    """Raises InputError."""
    written = text(smiles, path, _SMILES_ACCEPTED)
    mol = _read(written, path)
    ion = _lone_atom(mol, name, path)
    if ion is not None:
        return ion
    mol, notes = _usable(mol, path)
    return Chain(name, "ligand", path, written, mol=mol, notes=tuple(notes))


def _component(code: str, path: str, library: Library) -> Component:
    if code in _UNTRAINED:
        what = (
            "water, which is not drawn" if code in ("HOH", "DOD") else "an ion that is not trained"
        )
        raise InputError(path, f"{code} is {what}", _ION_ACCEPTED)
    component = library.components.get(code)
    if component is not None:
        return component
    near = library.suggestions(code)
    hint = f"; near: {', '.join(near)}" if near else ""
    raise InputError(path, f"{code[:40]} is not a known component code", _CODE_ACCEPTED + hint)


def code_chain(name: str, path: str, value: object, library: Library) -> Chain:
    """A molecule or ion by its code in the Chemical Component Dictionary. Raises InputError."""
    code = text(value, path, _CODE_ACCEPTED).upper().removeprefix("CCD_")
    if code in templates.ions():
        return ion_chain(name, path, code)
    component = _component(code, path, library)
    title = f"{component.name.lower() if component.name.isupper() else component.name} ({code})"
    if not component.smiles:
        raise InputError(
            path,
            f"{code} cannot be drawn as an organic molecule of 2-{MAX_MOLECULE} heavy atoms",
            _ELEMENTS_ACCEPTED,
        )
    mol, notes = _usable(_read(component.smiles, path), path)
    return Chain(name, "ligand", path, title, residue=code, mol=mol, notes=tuple(notes))
