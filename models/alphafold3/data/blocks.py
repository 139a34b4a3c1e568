"""Writes the table of building blocks (see :mod:`models.alphafold3.templates`) from the dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rdkit import Chem

from models.alphafold3.chemistry import ORDERS, handed_neighbours, with_conformer
from models.alphafold3.data.ccd import Component, build_molecule, read_components
from models.alphafold3.graph import ELEMENTS
from models.alphafold3.residues import RESIDUE_ATOMS
from models.alphafold3.templates import KNOWN_IONS, TABLE
from models.checkpoint import TABLES

# Modified residues and nucleotides worth typing: the ones of the training crops and well-known others,
# each with the standard block it derives from.
MODIFIED = {
    "SER": "SEP DSN SAC",
    "THR": "TPO DTH BMT",
    "TYR": "PTR TYS DTY NIY TYI IYR",
    "MET": "MSE SME FME MHO",
    "PRO": "HYP DPR HY3",
    "LYS": "MLY M3L MLZ ALY KCX DLY LLP LYR",
    "CYS": "CSO CSD CME OCS SNC NCY CSS CSX YCM SMC DCY",
    "ARG": "DAR AGM CIR 2MR DA2 HMR",
    "GLU": "CGU DGL PCA GMA",
    "ASP": "DAS PHD IAS",
    "ASN": "DSG MEN AHB",
    "GLN": "DGN MGN",
    "ALA": "DAL AIB MAA DHA NCB ABA",
    "VAL": "DVA MVA",
    "LEU": "DLE MLE NLE DNE",
    "ILE": "DIL",
    "PHE": "DPN PHI PHL HPE MEA",
    "TRP": "DTR TRQ 6CW TRO",
    "HIS": "DHI HIC MHS NEP HIP",
    "GLY": "SAR CRO CR2 NRQ CRQ CRF CH6 GYS",
    "A": "1MA 6MZ MIA A23 A2M MA6 T6A",
    "C": "5MC OMC CCC 4OC 5HC",
    "G": "2MG 7MG M2G OMG YYG YG IGU G7M GTP GDP",
    "U": "PSU H2U 5MU P2U OMU 4SU 5BU UR3 70U SUR",
    "DA": "6MA 2DA 8DA 6HA",
    "DC": "5CM 5HC DOC 5FC 1CC CBR",
    "DG": "8OG 6OG G7M BGM 2PR",
    "DT": "5IU BRU TCY T5S UMP DU DUZ",
    "": "DI I PST AF2",
}


def _standard(component: Component, comp: str) -> dict[str, Any]:
    mol = build_molecule(component)
    if mol is None:
        raise RuntimeError(f"the dictionary's entry {comp} could not be read")
    mol = with_conformer(mol, component.ideal)
    Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
    slot = {name: i for i, name in enumerate(RESIDUE_ATOMS[comp])}
    place = {n: slot[name] for n, name in enumerate(component.names) if name in slot}
    bonds = [
        (*sorted((place[i], place[j])), ORDERS[bond.GetBondType()])
        for bond in mol.GetBonds()
        if (i := bond.GetBeginAtomIdx()) in place and (j := bond.GetEndAtomIdx()) in place
    ]
    handed = []
    for atom in mol.GetAtoms():
        near = handed_neighbours(atom)
        if near is not None and atom.GetSymbol() == "C" and all(n in place for n in near):
            handed.append([place[atom.GetIdx()], *(place[n] for n in near)])
    return {"atoms": RESIDUE_ATOMS[comp], "bonds": sorted(bonds), "handed": sorted(handed)}


def _modified(component: Component, parent: str) -> dict[str, Any] | None:
    mol = build_molecule(component)
    if mol is None or not set(component.symbols) <= set(ELEMENTS):
        return None
    mol = with_conformer(mol, component.ideal)
    Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
    mol.RemoveAllConformers()
    smiles = Chem.MolToSmiles(mol)
    order = list(mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])
    names = " ".join(component.names[i] for i in order)
    name = " ".join(component.name.split()).lower()
    return {"smiles": smiles, "atoms": names, "parent": parent, "name": name}


def _ion(component: Component) -> tuple[str, int] | None:
    alone = len(component.symbols) == 1 and not component.lists_hydrogens
    if not alone or component.symbols[0] not in KNOWN_IONS or component.charges[0] == 0:
        return None
    return component.symbols[0], component.charges[0]


def write_blocks(folder: Path = TABLES, components: list[Component] | None = None) -> Path:
    """Writes the table; needs biotite unless the ``components`` are given."""
    components = read_components() if components is None else components
    parents = {code: parent for parent, codes in MODIFIED.items() for code in codes.split()}
    residues, modified, ions = {}, {}, {}
    for component in components:
        code = component.code
        if code in RESIDUE_ATOMS:
            residues[code] = _standard(component, code)
        elif code in parents and (entry := _modified(component, parents[code])) is not None:
            modified[code] = entry
        elif (ion := _ion(component)) is not None:
            ions[code] = ion
    lines = [
        json.dumps(name) + ": " + _rows(table)
        for name, table in (("residues", residues), ("modified", modified), ("ions", ions))
    ]
    path = folder / TABLE
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return path


def _rows(table: dict[str, Any]) -> str:
    rows = [
        f" {json.dumps(k)}: {json.dumps(table[k], separators=(',', ':'))}" for k in sorted(table)
    ]
    return "{\n" + ",\n".join(rows) + "\n}"
