"""Complexes as graphs, held against RDKit's own builders of peptides and nucleic acids."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from models.alphafold3 import templates
from models.alphafold3.assembly import Unit, assemble, atom_names, chain_links
from models.alphafold3.chemistry import handed_neighbours, molecule_graph
from models.alphafold3.features import PAIR_COLUMNS, arrays
from models.alphafold3.graph import (
    ATOM_TYPES,
    ELEMENTS,
    METALS,
    NO_ATOM,
    NUCLEOTIDE,
    TOKEN_COLUMNS,
)
from models.alphafold3.residues import (
    AMINO_ACIDS,
    FULL_SLOTS,
    NUCLEOTIDES,
    RESIDUE_ATOMS,
)

COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}


def chain(comps, number=0):
    return [Unit(comp, number, k) for k, comp in enumerate(comps, 1)]


def rdkit_chain(letters, flavor):
    """RDKit's molecule of a sequence -> {(residue, name): atom}, without what leaves in a chain."""
    mol = Chem.MolFromSequence(letters, flavor=flavor)
    named = {}
    for atom in mol.GetAtoms():
        info = atom.GetPDBResidueInfo()
        name = info.GetName().strip()
        if info.GetResidueName() == "ILE":  # RDKit has the names of the two branches swapped
            name = {"CG1": "CG2", "CG2": "CG1"}.get(name, name)
        if name not in ("OXT", "OP3"):
            named[info.GetResidueNumber() - 1, name] = atom
    return mol, named


@pytest.mark.parametrize(
    ("comps", "letters", "flavor"),
    [
        (AMINO_ACIDS, "ACDEFGHIKLMNPQRSTVWY", 0),
        (("A", "C", "G", "U"), "ACGU", 3),
        (("DA", "DC", "DG", "DT"), "ACGT", 7),
    ],
)
def test_chain_is_the_molecule_rdkit_builds(comps, letters, flavor):
    built = assemble(chain(comps))
    mol, named = rdkit_chain(letters, flavor)
    assert set(built.atoms) == set(named)
    at = dict(zip(built.slots.tolist(), built.atoms, strict=True))
    ours = {
        frozenset((at[i], at[j])): order if order != 4 else 1.5
        for i, j, order in built.graph.bonds.tolist()
    }
    names = {atom.GetIdx(): key for key, atom in named.items()}
    theirs = {
        frozenset((names[b.GetBeginAtomIdx()], names[b.GetEndAtomIdx()])): b.GetBondTypeAsDouble()
        for b in mol.GetBonds()
        if b.GetBeginAtomIdx() in names and b.GetEndAtomIdx() in names
    }
    assert set(ours) == set(theirs)
    # The two oxygens of a group are named by the dictionary, their double bond is either's.
    phosphate = {key for key in ours if any(name in ("OP1", "OP2") for _, name in key)}
    assert all(ours[key] == theirs[key] for key in set(ours) - phosphate - acids(ours))
    for atom, slot in zip(built.atoms, built.slots.tolist(), strict=True):
        expected = handed_neighbours(named[atom])
        ours_near = built.graph.handed[slot]
        if expected is None or named[atom].GetSymbol() != "C":
            assert ours_near[0] == NO_ATOM
        else:
            assert same_hand([at[n] for n in ours_near.tolist()], [names[n] for n in expected])


def acids(bonds):
    ends = ("OD1", "OD2", "OE1", "OE2", "NH1", "NH2", "ND1", "NE2", "CD2", "CE1", "CG")
    return {key for key in bonds if any(name in ends for _, name in key)}


def same_hand(a, b):
    """Whether two triples are the same in the same cyclic order."""
    return b in (a, a[1:] + a[:1], a[2:] + a[:2])


def test_every_standard_centre_has_its_hand():
    l_centres = {comp: len(templates.template(comp).handed) for comp in AMINO_ACIDS}
    assert l_centres == {c: {"GLY": 0, "ILE": 2, "THR": 2}.get(c, 1) for c in AMINO_ACIDS}
    assert all(len(templates.template(c).handed) == (3 if c[0] == "D" else 4) for c in NUCLEOTIDES)


def test_absent_atoms_take_their_bonds_and_hands_along():
    whole = assemble(chain(("ALA", "ILE")))
    cut = assemble([Unit("ALA", 0, 1), Unit("ILE", 0, 2, ("N", "CA", "C", "O"))])
    assert len(cut.atoms) == len(whole.atoms) - 4
    assert len(cut.graph.bonds) == len(whole.graph.bonds) - 4
    slot = dict(zip(cut.atoms, cut.slots.tolist(), strict=True))
    assert cut.graph.handed[slot[1, "CA"], 0] == NO_ATOM
    assert cut.graph.handed[slot[0, "CA"], 0] != NO_ATOM


def test_only_neighbours_in_number_are_bonded():
    units = [
        Unit("ALA", 0, 1),
        Unit("GLY", 0, 3),
        Unit("SER", 1, 2),
        Unit("A", 2, 1),
        Unit("U", 2, 2),
    ]
    assert chain_links(units) == [(3, "O3'", 4, "P")]


@pytest.mark.parametrize("code", ["SEP", "CRO", "DAL", "MSE"])
def test_modified_residue_reads_as_part_of_the_peptide(code):
    mol, names = templates.modified(code)
    built = assemble([Unit("ALA", 0, 1), Unit(code, 0, 2, names, mol), Unit("TRP", 0, 3)])
    atoms = [name for unit, name in built.atoms if unit == 1]
    assert "OXT" not in atoms and len(atoms) == mol.GetNumAtoms() - 1
    # The same atoms in one molecule: alanine's acyl on the nitrogen, an amine on the carbonyl.
    first = "N" if "N" in names else "N1"
    whole = Chem.RWMol(mol)
    oxt = names.index("OXT")
    whole.ReplaceAtom(oxt, Chem.Atom("N"))
    methyl = whole.AddAtom(Chem.Atom("C"))
    whole.AddBond(oxt, methyl, Chem.BondType.SINGLE)
    carbonyl, oxygen, tail = (whole.AddAtom(Chem.Atom(e)) for e in ("C", "O", "C"))
    whole.AddBond(names.index(first), carbonyl, Chem.BondType.SINGLE)
    whole.AddBond(carbonyl, oxygen, Chem.BondType.DOUBLE)
    whole.AddBond(carbonyl, tail, Chem.BondType.SINGLE)
    Chem.SanitizeMol(whole)
    Chem.AssignStereochemistry(whole, cleanIt=True, force=True)
    expected = molecule_graph(whole.GetMol())
    at = dict(zip(built.atoms, built.slots.tolist(), strict=True))
    for name in atoms:
        row = built.graph.tokens[at[1, name] // FULL_SLOTS]
        np.testing.assert_array_equal(row, expected.tokens[names.index(name)], err_msg=name)
    tokens = [at[1, name] // FULL_SLOTS for name in atoms]
    assert set(built.graph.residue_index[tokens].tolist()) == {2}
    pairs = {frozenset(p) for p in (built.graph.bonds[:, :2] // FULL_SLOTS).tolist()}
    assert frozenset((0, at[1, first] // FULL_SLOTS)) in pairs


def test_bond_to_a_stereocentre_keeps_its_hand():
    mol = Chem.MolFromSmiles("C[C@H](F)Cl")
    other = Chem.MolFromSmiles("Br")
    built = assemble(
        [Unit("X", 0, mol=mol, names=("C1", "C2", "F1", "CL1")), Unit("Y", 1, mol=other)],
        [(0, "C2", 1, "BR")],
    )
    # C[C@H](F)Cl with its hydrogen replaced: the neighbours keep their places.
    whole = Chem.MolFromSmiles("C[C@](Br)(F)Cl")
    names = ("C1", "C2", "BR", "F1", "CL1")
    slot = {name: s for (_, name), s in zip(built.atoms, built.slots.tolist(), strict=True)}
    near = built.graph.handed[slot["C2"]].tolist()
    wanted = [slot[names[n]] for n in handed_neighbours(whole.GetAtomWithIdx(1))]
    xyz = {"C1": (1, 1, 1), "BR": (-1, -1, 1), "F1": (-1, 1, -1), "CL1": (1, -1, -1)}
    place = {slot[k]: np.array(v) for k, v in xyz.items()}

    def volume(triple):
        return np.sign(np.linalg.det(np.array([place[s] for s in triple])))

    assert volume(near) == volume(wanted)


def test_ions_have_no_bonds_and_haem_keeps_its_iron():
    zinc = assemble([Unit("CYS", 0, 1), Unit("ZN", 1, mol=templates.ion("ZN"))])
    row = zinc.graph.tokens[1]
    assert row[COLUMN["element"]] == len(ELEMENTS) + METALS.index("Zn")
    assert row[COLUMN["charge"]] == 5
    assert ATOM_TYPES[zinc.graph.atom_types[FULL_SLOTS]] == "Zn"
    assert zinc.atoms[-1] == (1, "ZN") and len(zinc.graph.bonds) == 5
    haem = Chem.MolFromSmiles("[Fe]12N3C=CC=C3.N1C=C2", sanitize=False)
    built = assemble([Unit("HEM", 0, mol=haem)])
    bonds = built.graph.bonds[:, :2] // FULL_SLOTS
    assert 0 not in bonds and built.graph.size == haem.GetNumAtoms()


def test_direction_of_chains():
    built = assemble([*chain(("DA", "DC", "DG", "DT", "DA")), *chain(("DG", "DC"), 1)])
    rows = built.graph.tokens
    assert rows[:, COLUMN["kind"]].tolist() == [NUCLEOTIDE] * 7
    assert rows[:, COLUMN["from_start"]].tolist() == [1, 2, 3, 4, 5, 1, 2]
    assert rows[:, COLUMN["to_end"]].tolist() == [5, 4, 3, 2, 1, 2, 1]
    c1 = RESIDUE_ATOMS["DA"].index("C1'")
    turns = built.graph.turns[2 * FULL_SLOTS + c1]
    assert (turns[0] // FULL_SLOTS).tolist() == [1, 2, 3] and (turns[0] % FULL_SLOTS == c1).all()
    assert (turns[1] // FULL_SLOTS).tolist() == [0, 2, 4] and turns[2, 0] == NO_ATOM
    assert (built.graph.turns[: 2 * FULL_SLOTS, 1:] == NO_ATOM).all()
    peptide = assemble(chain(("ALA",) * 7)).graph
    assert (peptide.turns[3 * FULL_SLOTS + 2, 0] // FULL_SLOTS).tolist() == [2, 3, 4]
    assert (peptide.turns[3 * FULL_SLOTS, 0] // FULL_SLOTS).tolist() == [0, 3, 6]


def test_coordinates_decide_the_hand():
    mol, names = templates.modified("DTH")
    with_h = Chem.AddHs(mol)
    AllChem.EmbedMolecule(with_h, randomSeed=1)
    xyz = with_h.GetConformer().GetPositions()[: mol.GetNumAtoms()]
    asked = assemble([Unit("DTH", 0, mol=mol, names=names)]).graph
    for flip in (1, -1):
        where = np.zeros((len(asked.atom_types), 3))
        where[::FULL_SLOTS] = xyz * flip
        built = assemble(
            [Unit("DTH", 0, mol=mol, names=names)], coordinates=[xyz * [flip, flip, flip]]
        ).graph
        centres = np.flatnonzero(built.handed[:, 0] >= 0)
        assert len(centres) == 2
        for m in centres:
            a, b, c = where[built.handed[m]] - where[m]
            assert np.dot(a, np.cross(b, c)) > 0
            same = (asked.handed[m] == built.handed[m]).all()
            assert same == (flip == 1)


def test_features_of_a_complex():
    mol = Chem.MolFromSmiles("Cc1ccccc1")
    built = assemble([*chain(("SER", "PHE")), Unit("TOL", 1, mol=mol)])
    item = arrays(built.graph)
    column = {name: item["pair"][:, :, k] for k, name in enumerate(PAIR_COLUMNS)}
    assert column["bond"][0, 1] == 1 and not column["bond"][1, 2:].any()
    assert column["relative"][0, 1] and not column["relative"][0, 2:].any()
    assert column["ring"][3:, 3:].all() and not column["ring"][0, 2:].any()


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([Unit("XYZ", 0, 1)], "XYZ"),
        ([Unit("ALA", 0, 1, ("N", "CA", "SG"))], "SG"),
        ([Unit("ALA", 0, 1, ("N", "N"))], "two atoms"),
        ([Unit("U1", 0, mol=Chem.MolFromSmiles("[U]"))], "element U"),
        ([Unit("LIG", 0, mol=Chem.MolFromSmiles("CC"), names=("C1",))], "1 names for 2 atoms"),
    ],
)
def test_mistakes_are_named(units, words):
    with pytest.raises(ValueError, match=words):
        assemble(units)


def test_links_beside_the_chain():
    units = [Unit("CYS", 0, 1), Unit("CYS", 0, 9)]
    built = assemble(units, [(0, "SG", 1, "SG")])
    assert [FULL_SLOTS * 0 + 5, FULL_SLOTS + 5, 1] in built.graph.bonds.tolist()
    with pytest.raises(ValueError, match="no atom 'XX'"):
        assemble(units, [(0, "XX", 1, "SG")])
    assert atom_names(units[0]) == RESIDUE_ATOMS["CYS"]


@pytest.mark.parametrize(
    ("comps", "letters", "flavor"),
    [(("ILE", "THR", "GLY", "PRO"), "ITGP", 0), (("G", "C"), "GC", 3), (("DA", "DT"), "AT", 7)],
)
def test_hands_are_those_of_built_coordinates(comps, letters, flavor):
    built = assemble(chain(comps))
    mol, named = rdkit_chain(letters, flavor)
    mol = Chem.AddHs(mol)
    AllChem.EmbedMolecule(mol, randomSeed=3)
    every = mol.GetConformer().GetPositions()
    xyz = np.zeros((len(built.graph.atom_types), 3))
    for atom, slot in zip(built.atoms, built.slots.tolist(), strict=True):
        xyz[slot] = every[named[atom].GetIdx()]
    handed = built.graph.handed
    centres = np.flatnonzero(handed[:, 0] >= 0)
    a, b, c = (xyz[handed[centres, n]] - xyz[centres] for n in range(3))
    assert len(centres) >= 5 and ((a * np.cross(b, c)).sum(-1) > 0).all()
