"""The Chemical Component Dictionary (wwPDB, CC0) as biotite ships it: columns, then molecules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdchem

rdBase.DisableLog("rdApp.*")
BIOTITE = "biotite==1.6.0"
_ORDER = {
    "SING": rdchem.BondType.SINGLE,
    "DOUB": rdchem.BondType.DOUBLE,
    "TRIP": rdchem.BondType.TRIPLE,
}


class MissingSource(RuntimeError):
    """A package that the data are built from is not there; the message says how to get it."""


@dataclass(frozen=True)
class Component:
    """One entry, heavy atoms only. crystal, ideal: (N, 3) float32 A, NaN where an atom has none."""

    code: str
    name: str
    date: str
    kind: str
    symbols: list[str]
    charges: list[int]
    hydrogens: list[int]  # explicit hydrogens listed on each heavy atom
    lists_hydrogens: bool
    bonds: list[tuple[int, int, str]]
    crystal: np.ndarray
    ideal: np.ndarray
    names: tuple[str, ...] = ()  # of the heavy atoms


def _columns(category: Any, names: tuple[str, ...]) -> list[np.ndarray]:
    return [category[name].as_array() for name in names]


def _coordinates(category: Any, suffixes: tuple[str, str, str]) -> np.ndarray:
    axes = []
    for name in suffixes:
        column = category[name]
        values = column.as_array(np.float32, masked_value=np.nan)
        axes.append(values)
    return np.stack(axes, -1)


def read_components() -> list[Component]:
    """Every released component with atoms. Raises MissingSource when biotite is not installed."""
    try:
        from biotite.structure.info.ccd import get_ccd
    except ImportError as error:
        raise MissingSource(
            f"the Chemical Component Dictionary comes with biotite: pip install {BIOTITE}"
        ) from error
    block = get_ccd()
    comp, atom, bond = block["chem_comp"], block["chem_comp_atom"], block["chem_comp_bond"]
    ids, names, dates, kinds, status = _columns(
        comp, ("id", "name", "pdbx_initial_date", "type", "pdbx_release_status")
    )
    owner, atom_id, symbol, charge = _columns(atom, ("comp_id", "atom_id", "type_symbol", "charge"))
    crystal = _coordinates(atom, ("model_Cartn_x", "model_Cartn_y", "model_Cartn_z"))
    ideal = _coordinates(atom, tuple(f"pdbx_model_Cartn_{a}_ideal" for a in "xyz"))  # type: ignore[arg-type]
    bond_owner, first, second, order = _columns(
        bond, ("comp_id", "atom_id_1", "atom_id_2", "value_order")
    )

    def spans(column: np.ndarray) -> dict[str, tuple[int, int]]:
        edges = np.flatnonzero(column[1:] != column[:-1]) + 1
        starts, stops = np.append(0, edges), np.append(edges, len(column))
        return {str(column[a]): (int(a), int(b)) for a, b in zip(starts, stops, strict=True)}

    atom_span, bond_span = spans(owner), spans(bond_owner)
    components = []
    for k in np.flatnonzero(status == "REL"):
        code = str(ids[k])
        if code not in atom_span:
            continue
        a, b = atom_span[code]
        heavy = [i for i in range(a, b) if symbol[i].upper() not in ("H", "D")]
        place = {str(atom_id[i]): n for n, i in enumerate(heavy)}
        listed = [0] * len(heavy)
        bonds = []
        for i in range(*bond_span.get(code, (0, 0))):
            p, q = place.get(str(first[i])), place.get(str(second[i]))
            if p is not None and q is not None:
                bonds.append((p, q, str(order[i])))
            elif p is not None:
                listed[p] += 1
            elif q is not None:
                listed[q] += 1
        components.append(
            Component(
                code=code,
                name=str(names[k]),
                date=str(dates[k]),
                kind=str(kinds[k]),
                symbols=[str(symbol[i]).capitalize() for i in heavy],
                charges=[int(charge[i]) for i in heavy],
                hydrogens=listed,
                lists_hydrogens=len(heavy) < b - a,
                bonds=bonds,
                crystal=crystal[heavy],
                ideal=ideal[heavy],
                names=tuple(str(atom_id[i]) for i in heavy),
            )
        )
    return components


def build_molecule(component: Component) -> rdchem.Mol | None:
    """Heavy-atom molecule from the bond table and formal charges; hydrogens stay implicit.

    None when RDKit rejects it or its hydrogens disagree with the listed ones, which means that a
    charge or a bond order of the entry is wrong.
    """
    mol = Chem.RWMol()
    for symbol, charge in zip(component.symbols, component.charges, strict=True):
        try:
            atom = rdchem.Atom(symbol)
        except RuntimeError:
            return None
        atom.SetFormalCharge(charge)
        mol.AddAtom(atom)
    for i, j, order in component.bonds:
        if order not in _ORDER or mol.GetBondBetweenAtoms(i, j) is not None:
            return None
        mol.AddBond(i, j, _ORDER[order])
    try:
        Chem.SanitizeMol(mol)
    except (rdchem.AtomValenceException, rdchem.KekulizeException, ValueError):
        return None
    if component.lists_hydrogens:
        counted = [atom.GetTotalNumHs() for atom in mol.GetAtoms()]
        if counted != component.hydrogens:
            return None
    return mol.GetMol()
