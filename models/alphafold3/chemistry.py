"""RDKit molecules to graphs and back. RDKit works here and when data are built, never in the network."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdchem

from models.alphafold3.graph import ELEMENTS, NO_ATOM, NO_INDEX, TOKEN_COLUMNS, Graph

ORDERS = {
    rdchem.BondType.SINGLE: 1,
    rdchem.BondType.DOUBLE: 2,
    rdchem.BondType.TRIPLE: 3,
    rdchem.BondType.AROMATIC: 4,
}
_HYBRIDISATION = {
    rdchem.HybridizationType.SP: 1,
    rdchem.HybridizationType.SP2: 2,
    rdchem.HybridizationType.SP3: 3,
}
_ELEMENT_ID = {symbol: i for i, symbol in enumerate(ELEMENTS) if symbol}
_CHIRALITY = {"R": 1, "S": 2}


def _ring_size(size: int) -> int:
    return 0 if size == 0 else min(size - 2, 7)


def handed_neighbours(atom: rdchem.Atom) -> tuple[int, int, int] | None:
    """Three neighbours (a, b, c) with (a - m) . ((b - m) x (c - m)) > 0 as the stereo tag demands.

    None where the atom is no stereocentre or has fewer than three heavy neighbours.
    """
    tag = atom.GetChiralTag()
    if tag not in (rdchem.ChiralType.CHI_TETRAHEDRAL_CW, rdchem.ChiralType.CHI_TETRAHEDRAL_CCW):
        return None
    near = [n.GetIdx() for n in atom.GetNeighbors()]
    if len(near) not in (3, 4):
        return None
    # RDKit: seen from the first bond the others run counterclockwise (CCW). Three of four then have a
    # negative triple product, the first being above them. Three alone keep the hydrogen as the viewer.
    counterclockwise = tag == rdchem.ChiralType.CHI_TETRAHEDRAL_CCW
    if len(near) == 4:
        counterclockwise = not counterclockwise
    a, b, c = near[-3:]
    return (a, b, c) if counterclockwise else (a, c, b)


def _across_double_bonds(mol: rdchem.Mol) -> list[tuple[int, int, int, int, int]]:
    """(i, begin, end, j, geometry) for every pair of substituents i, j across a double bond with known
    E/Z; geometry 1 = cis, 2 = trans."""
    found = []
    for bond in mol.GetBonds():
        stereo = bond.GetStereo()
        if stereo in (rdchem.BondStereo.STEREOZ, rdchem.BondStereo.STEREOCIS):
            cis = True
        elif stereo in (rdchem.BondStereo.STEREOE, rdchem.BondStereo.STEREOTRANS):
            cis = False
        else:
            continue
        begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
        named = set(bond.GetStereoAtoms())
        for i in (n.GetIdx() for n in begin.GetNeighbors() if n.GetIdx() != end.GetIdx()):
            for j in (n.GetIdx() for n in end.GetNeighbors() if n.GetIdx() != begin.GetIdx()):
                flips = (i not in named) + (j not in named)
                geometry = 1 if cis == (flips % 2 == 0) else 2
                found.append((i, begin.GetIdx(), end.GetIdx(), j, geometry))
    return found


def molecule_graph(mol: rdchem.Mol) -> Graph:
    """A sanitised molecule without explicit hydrogens -> Graph with one token per atom.

    Raises ValueError naming an element outside :data:`ELEMENTS`.
    """
    rings = mol.GetRingInfo()
    rows, types = [], []
    handed = np.full((mol.GetNumAtoms(), 3), NO_ATOM, np.int16)
    masks = np.zeros(mol.GetNumAtoms(), np.uint64)
    for number, ring in enumerate(rings.AtomRings()[:64]):
        for i in ring:
            masks[i] |= np.uint64(1 << number)
    for atom in mol.GetAtoms():
        i, symbol = atom.GetIdx(), atom.GetSymbol()
        if symbol not in _ELEMENT_ID:
            raise ValueError(f"element {symbol} is not among {', '.join(ELEMENTS[1:])}")
        types.append(_ELEMENT_ID[symbol])
        code = _CHIRALITY.get(atom.GetProp("_CIPCode"), 0) if atom.HasProp("_CIPCode") else 0
        row = {
            "kind": 0,
            "element": _ELEMENT_ID[symbol],
            "charge": int(np.clip(atom.GetFormalCharge(), -3, 3)) + 3,
            "aromatic": int(atom.GetIsAromatic()),
            "degree": min(atom.GetDegree(), 6),
            "hydrogens": min(atom.GetTotalNumHs(), 4),
            "hybridisation": _HYBRIDISATION.get(atom.GetHybridization(), 0),
            "ring_size": _ring_size(rings.MinAtomRingSize(i)),
            "rings": min(rings.NumAtomRings(i), 3),
            "chirality": code,
            "residue": 0,
            "from_start": 0,
            "to_end": 0,
        }
        rows.append([row[name] for name in TOKEN_COLUMNS])
        triple = handed_neighbours(atom)
        if triple is not None:
            handed[i] = triple
    bonds = [
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), ORDERS.get(b.GetBondType(), 1))
        for b in mol.GetBonds()
    ]
    count = mol.GetNumAtoms()
    return Graph(
        tokens=np.array(rows, np.uint8),
        atom_types=np.array(types, np.uint8),
        slots=1,
        bonds=np.array(bonds, np.int16).reshape(-1, 3),
        rings=masks,
        handed=handed,
        cis_trans=np.array(
            [(i, j, geometry) for i, _, _, j, geometry in _across_double_bonds(mol)], np.int16
        ).reshape(-1, 3),
        chain=np.zeros(count, np.uint8),
        residue_index=np.full(count, NO_INDEX, np.int16),
    )


def graph_molecule(graph: Graph) -> rdchem.Mol:
    """The molecule of a one-slot graph, atoms in the graph's order, without stereo tags."""
    column = {name: k for k, name in enumerate(TOKEN_COLUMNS)}
    mol = Chem.RWMol()
    for row in graph.tokens.tolist():
        atom = rdchem.Atom(ELEMENTS[row[column["element"]]])
        atom.SetFormalCharge(row[column["charge"]] - 3)
        atom.SetIsAromatic(bool(row[column["aromatic"]]))
        atom.SetNumExplicitHs(row[column["hydrogens"]])
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    kinds = {order: kind for kind, order in ORDERS.items()}
    for i, j, order in graph.bonds.tolist():
        mol.AddBond(i, j, kinds[order])
    Chem.SanitizeMol(mol)
    return mol.GetMol()


def with_conformer(mol: rdchem.Mol, xyz: np.ndarray) -> rdchem.Mol:
    """A copy of ``mol`` whose only conformer is ``xyz`` (N, 3) in A."""
    copy = Chem.Mol(mol)
    copy.RemoveAllConformers()
    conformer = rdchem.Conformer(copy.GetNumAtoms())
    conformer.Set3D(True)
    conformer.SetPositions(np.ascontiguousarray(xyz, dtype=np.float64))
    copy.AddConformer(conformer)
    return copy


def stereo_smiles(mol: rdchem.Mol, xyz: np.ndarray) -> str:
    """Canonical SMILES with the stereochemistry read off the coordinates ``xyz`` (N, 3)."""
    copy = with_conformer(mol, xyz)
    Chem.AssignStereochemistryFrom3D(copy, replaceExistingTags=True)
    return Chem.MolToSmiles(copy)


def comparable_smiles(mol: rdchem.Mol, xyz: np.ndarray) -> str:
    """:func:`stereo_smiles` without the hands of phosphorus and sulphur that a proton's move would swap.

    The oxygens of a phosphate differ only by where the input draws the double bond and the hydrogen.
    """
    copy = with_conformer(mol, xyz)
    Chem.AssignStereochemistryFrom3D(copy, replaceExistingTags=True)
    for atom in copy.GetAtoms():
        if _swappable(atom):
            atom.SetChiralTag(rdchem.ChiralType.CHI_UNSPECIFIED)
    Chem.AssignStereochemistry(copy, cleanIt=True, force=True)
    return Chem.MolToSmiles(copy)


def _swappable(atom: rdchem.Atom) -> bool:
    if atom.GetSymbol() not in ("P", "S"):
        return False
    ends = [n for n in atom.GetNeighbors() if n.GetSymbol() == "O" and n.GetDegree() == 1]
    return len(ends) >= 2


def stereo_matches(mol: rdchem.Mol, xyz: np.ndarray) -> bool:
    """Whether the hands and double bonds that ``mol`` specifies are those of the coordinates (N, 3).

    What the input leaves open is free: a centre counts only if ``mol`` gives it a tag, and not if the
    tag is that of a phosphate (see :func:`comparable_smiles`).
    """
    for atom in mol.GetAtoms():
        wanted = handed_neighbours(atom)
        if wanted is not None and not _swappable(atom):
            a, b, c = (xyz[n] - xyz[atom.GetIdx()] for n in wanted)
            if np.dot(a, np.cross(b, c)) <= 0:
                return False
    for i, begin, end, j, geometry in _across_double_bonds(mol):
        axis = xyz[end] - xyz[begin]
        side_i, side_j = (np.cross(axis, xyz[n] - xyz[begin]) for n in (i, j))
        if (np.dot(side_i, side_j) > 0) != (geometry == 1):
            return False
    return True
