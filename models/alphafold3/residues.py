"""The building blocks of polymers: which atoms a residue or a nucleotide has, and in which slot.

Names are those of the Chemical Component Dictionary. Atoms that leave when a chain is built (OXT, OP3,
hydrogens) are left out.
"""

from __future__ import annotations

BACKBONE = ("N", "CA", "C", "O")
_SIDE_CHAINS = {
    "ALA": "CB",
    "CYS": "CB SG",
    "ASP": "CB CG OD1 OD2",
    "GLU": "CB CG CD OE1 OE2",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "GLY": "",
    "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1",
    "LYS": "CB CG CD CE NZ",
    "LEU": "CB CG CD1 CD2",
    "MET": "CB CG SD CE",
    "ASN": "CB CG OD1 ND2",
    "PRO": "CB CG CD",
    "GLN": "CB CG CD OE1 NE2",
    "ARG": "CB CG CD NE CZ NH1 NH2",
    "SER": "CB OG",
    "THR": "CB OG1 CG2",
    "VAL": "CB CG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH",
}
SUGAR = "P OP1 OP2 O5' C5' C4' O4' C3' O3' C2' O2' C1'".split()
_BASES = {
    "A": "N9 C8 N7 C5 C6 N6 N1 C2 N3 C4",
    "C": "N1 C2 O2 N3 C4 N4 C5 C6",
    "G": "N9 C8 N7 C5 C6 O6 N1 C2 N2 N3 C4",
    "U": "N1 C2 O2 N3 C4 O4 C5 C6",
    "T": "N1 C2 O2 N3 C4 O4 C5 C7 C6",
}
AMINO_ACIDS = tuple(_SIDE_CHAINS)  # in the order of graph.RESIDUES
NUCLEOTIDES = ("A", "C", "G", "U", "DA", "DC", "DG", "DT")

# Atoms by slot. A deoxynucleotide leaves the slot of O2' empty, so that slots mean the same in both.
RESIDUE_ATOMS: dict[str, tuple[str, ...]] = {
    **{comp: (*BACKBONE, *names.split()) for comp, names in _SIDE_CHAINS.items()},
    **{comp: (*SUGAR, *_BASES[comp[-1]].split()) for comp in NUCLEOTIDES},
}
# The atoms that a whole residue or nucleotide has.
STANDARD_ATOMS: dict[str, tuple[str, ...]] = {
    comp: tuple(n for n in atoms if n != "O2'" or len(comp) == 1)
    for comp, atoms in RESIDUE_ATOMS.items()
}
FULL_SLOTS = max(map(len, RESIDUE_ATOMS.values()))  # 23: guanosine

# Every side-chain atom is a type of its own (a ring's CD2 is not leucine's), sugar and phosphate atoms
# are shared by all nucleotides, base atoms by the ribo- and the deoxyribonucleotide.
POLYMER_ATOMS: tuple[str, ...] = (
    *(f"{comp} {name}" for comp, names in _SIDE_CHAINS.items() for name in names.split()),
    *(f"sugar {name}" for name in SUGAR),
    *(f"base {base} {name}" for base, names in _BASES.items() for name in names.split()),
)


def polymer_atom(comp: str, name: str) -> str:
    """The name in :data:`POLYMER_ATOMS`, or ``backbone NAME``, of atom ``name`` of component ``comp``.

    Raises KeyError for an atom that the component has no slot for.
    """
    if name not in RESIDUE_ATOMS[comp]:
        raise KeyError(f"{comp} has no atom {name}")
    if comp in _SIDE_CHAINS:
        return f"backbone {name}" if name in BACKBONE else f"{comp} {name}"
    return f"sugar {name}" if name in SUGAR else f"base {comp[-1]} {name}"
