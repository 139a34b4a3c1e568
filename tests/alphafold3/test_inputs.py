"""What may be typed, and what is said about what may not."""

from collections import Counter

import numpy as np
import pytest

from alphafold3.bad_inputs import BAD
from models.alphafold3.examples import EXAMPLES
from models.alphafold3.graph import ATOM, NO_INDEX, NUCLEOTIDE, RESIDUE, TOKEN_COLUMNS
from models.alphafold3.inputs import parse
from models.alphafold3.library import Library
from models.alphafold3.profiles import from_alignment
from models.alphafold3.sequences import known_modifications
from models.pipeline import InputError

COLUMN = {name: k for k, name in enumerate(TOKEN_COLUMNS)}
ATP = {"sequences": [{"ligand": {"id": "L", "ccdCodes": ["ATP"]}}]}
SITE = {
    "sequences": [
        {"protein": {"id": "A", "sequence": "CRCGH", "positions": [3, 4, 6, 9, 10]}},
        {"ligand": {"id": "Z", "ccdCodes": ["ZN"]}},
    ]
}
PHOSPHO = {"id": "A", "sequence": "RRASVA", "modifications": [{"ptmType": "SEP", "ptmPosition": 4}]}
HOMEODOMAIN = "KRPRTAFSSEQLARLKREFNENRYLTERRRQQLSSELGLNEAQIKIWFKNKRAKIK"


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.mark.parametrize(
    "given, slots, tokens, atoms, kinds",
    [
        ({"smiles": "CC(=O)Oc1ccccc1C(=O)O"}, 1, 13, 13, "ligand"),
        ({"ccd": "cff"}, 1, 14, 14, "ligand"),
        (ATP, 1, 31, 31, "ligand"),
        ({"protein": "gwk"}, 1, 28, 28, "protein"),
        ({"protein": "NLYIQWLKDGGPSSGRPPPS"}, 4, 20, 80, "protein"),
        ({"protein": ">sp|P1|X some protein\nNLYIQWLKDG\nGPSSGRPPPS\n"}, 4, 20, 80, "protein"),
        # six base pairs: a phosphate on every nucleotide, as in the duplexes of the training set
        ({"dna": "CGATCG"}, 23, 12, 246, "dna dna"),
        ({"rna": "CUUGCAAAG"}, 23, 9, 192, "rna"),
        ({"sequences": [{"dna": {"id": "A", "sequence": "ACG"}}]}, 23, 3, 62, "dna"),
        (SITE, 23, 6, 6 + 11 + 6 + 4 + 10 + 1, "protein ion"),
        # serine gives way to the ten atoms of phosphoserine, one token each
        ({"sequences": [{"protein": PHOSPHO}]}, 23, 15, 11 + 11 + 5 + 10 + 7 + 5, "protein"),
        (
            {"sequences": [{"ligand": {"id": "H", "ccdCodes": ["PP9"]}},
                           {"ligand": {"id": "F", "smiles": "[Fe+2]"}}]},
            23, 43, 43, "ligand ion",
        ),
        ({"sequences": [{"protein": {"id": ["A", "B"], "sequence": "A" * 20}}]},
         4, 40, 160, "protein protein"),
        (
            {"name": "x", "modelSeeds": [1], "dialect": "alphafold3", "version": 1,
             "sequences": [{"protein": {"id": "A", "sequence": "ACDEFGHIKLMNPQRS"}},
                           {"ligand": {"id": "L", "smiles": "CCO"}}]},
            23, 19, 130, "protein ligand",
        ),
    ],
)  # fmt: skip
def test_accepted(given, slots, tokens, atoms, kinds, library):
    plan = parse(given, library)
    assert (plan.slots, plan.structure.graph.size, len(plan.atoms)) == (slots, tokens, atoms)
    assert atoms == int(plan.structure.graph.present.sum()) == len(plan.structure.atoms)
    assert [chain.kind for chain in plan.chains] == kinds.split()
    assert {atom["kind"] for atom in plan.atoms} == set(kinds.split())
    assert all(
        0 <= i < atoms and 0 <= j < atoms and order in (1, 2, 3) for i, j, order in plan.bonds
    )
    assert set(plan.atoms[0]) == {
        "element", "name", "charge", "chain", "kind", "residue", "residue_index", "token",
    }  # fmt: skip
    tokens_of_atoms = plan.structure.atoms.numpy() // slots
    assert [atom["token"] for atom in plan.atoms] == tokens_of_atoms.tolist()


@pytest.mark.parametrize("given, field, words, accepted", BAD, ids=lambda v: str(v)[:60])
def test_refused(given, field, words, accepted, library):
    with pytest.raises(InputError) as caught:
        parse(given, library)
    assert caught.value.field == field
    assert words in caught.value.message
    assert accepted in caught.value.accepted


def test_the_table_of_bad_inputs_is_long_and_without_doubles():
    assert len(BAD) >= 40 and len({str(row[0]) for row in BAD}) == len(BAD)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"smiles": "C" * 50}, "50 heavy atoms are outside the trained range"),
        ({"smiles": "CC(F)Cl"}, "1 stereocentre left open"),
        ({"protein": "A" * 80}, "80 residues are outside the trained range"),
        ({"protein": "A" * 12}, "12 residues are outside the trained range"),
        ({"dna": "ACGTACGTACGTA"}, "13 nucleotides are outside the trained range"),
        ({"dna": "ACGGGT"}, "Drawn as a double strand with its complement ACCCGT"),
        ({"protein": ">x|y\nNLYIQWLKDGGPSSGRPPPS"}, "FASTA header left out: x|y"),
        ({"protein": "ACGTACGTACGT"}, "for a nucleic acid use the key dna or rna"),
        (SITE, "Seen in training only as cut-outs"),
        (
            {"sequences": [ATP["sequences"][0], {"ligand": {"id": "M", "smiles": "CCO"}}]},
            "their arrangement means nothing",
        ),
        (
            {"sequences": [{"protein": {"id": "A", "sequence": "A" * 110}}, SITE["sequences"][1]]},
            "111 tokens are outside the trained range",
        ),
        (
            {"sequences": [{"protein": {"id": "A", "sequence": "A" * 20}}, SITE["sequences"][1]]},
            "whole chains were trained as backbones only",
        ),
        (
            {"sequences": [{"protein": {**PHOSPHO, "sequence": "RRAAVA"}}]},
            "SEP derives from SER, the sequence has ALA at 4",
        ),
        (
            {"sequences": [{"protein": {"id": "A", "sequence": "A" * 20, "templates": [{}]}}]},
            "templates not used",
        ),
    ],
)
def test_notes_say_what_to_expect(given, words, library):
    assert any(words in note for note in parse(given, library).notes)


def test_what_is_inside_the_trained_range_is_not_warned_about(library):
    for given in ({"ccd": "CFF"}, {"rna": "CUUGCAAAG"}, {"protein": HOMEODOMAIN}):
        assert not any("outside" in note for note in parse(given, library).notes)


def test_letters_become_the_components_of_their_kind(library):
    plan = parse({"sequences": [{"dna": {"id": "A", "sequence": "ACGT"}},
                                {"rna": {"id": "B", "sequence": "ACGU"}}]}, library)  # fmt: skip
    residues = list(dict.fromkeys((a["chain"], a["residue"]) for a in plan.atoms))
    assert residues == [("A", "DA"), ("A", "DC"), ("A", "DG"), ("A", "DT"),
                        ("B", "A"), ("B", "C"), ("B", "G"), ("B", "U")]  # fmt: skip
    names = Counter(a["name"] for a in plan.atoms)
    assert names["O2'"] == 4 and names["P"] == 8 and names["C7"] == 1
    assert (plan.structure.graph.tokens[:, COLUMN["kind"]] == NUCLEOTIDE).all()


def test_cut_outs_keep_their_numbers_and_are_bonded_only_where_these_follow(library):
    plan = parse(SITE, library)
    graph = plan.structure.graph
    assert {a["residue_index"] for a in plan.atoms if a["kind"] == "protein"} == {3, 4, 6, 9, 10}
    assert graph.tokens[:, COLUMN["kind"]].tolist() == [RESIDUE] * 5 + [ATOM]
    assert graph.residue_index[-1] == NO_INDEX
    assert np.diff(graph.residue_index[:5]).tolist() == [1, 2, 3, 1]
    between = {
        (plan.atoms[i]["residue_index"], plan.atoms[j]["residue_index"])
        for i, j, _ in plan.bonds
        if plan.atoms[i]["token"] != plan.atoms[j]["token"]
    }
    assert between == {(3, 4), (9, 10)}


def _connected(plan) -> int:
    """How many pieces the bonds make of the atoms."""
    group = list(range(len(plan.atoms)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i, j, _ in plan.bonds:
        group[root(i)] = root(j)
    return len({root(i) for i in range(len(plan.atoms))})


def test_modified_residues_are_bonded_into_their_chain(library):
    assert _connected(parse({"sequences": [{"protein": PHOSPHO}]}, library)) == 1
    strand = {"id": "A", "sequence": "ACGT",
              "modifications": [{"modificationType": "CCD_5CM", "basePosition": 2}]}  # fmt: skip
    methylated = parse({"sequences": [{"dna": strand}]}, library)
    assert _connected(methylated) == 1
    assert "A(5CM)GT" in methylated.title
    # GFP's chromophore is numbered as the middle one of the three residues it is made of.
    chromophore = {"id": "A", "sequence": "FGV", "positions": [64, 66, 68],
                   "modifications": [{"ptmType": "CRO", "ptmPosition": 2}]}  # fmt: skip
    assert _connected(parse({"sequences": [{"protein": chromophore}]}, library)) == 1
    assert _connected(parse({"dna": "ACG"}, library)) == 2


@pytest.mark.parametrize("kind, keys", [("protein", ("ptmType", "ptmPosition")),
                                        ("dna", ("modificationType", "basePosition")),
                                        ("rna", ("modificationType", "basePosition"))])  # fmt: skip
def test_every_modification_joins_its_neighbours(kind, keys, library):
    codes = known_modifications(kind)
    assert {"protein": "SEP", "dna": "5CM", "rna": "PSU"}[kind] in codes
    for code in codes:
        changes = [dict(zip(keys, (code, 2), strict=True))]
        entry = {kind: {"id": "A", "sequence": "AAA", "modifications": changes}}
        plan = parse({"sequences": [entry]}, library)
        assert any(atom["residue"] == code for atom in plan.atoms)
        assert _connected(plan) == 1, code


def test_aromatic_rings_are_drawn_with_single_and_double_bonds(library):
    plan = parse({"sequences": [{"protein": {"id": "A", "sequence": "FHWY", "positions": [1, 3, 5, 7]}},
                                SITE["sequences"][1]]}, library)  # fmt: skip
    double = Counter(plan.atoms[i]["residue"] for i, _, order in plan.bonds if order == 2)
    # One carbonyl each; three double bonds in a benzene ring, two in imidazole, four in indole.
    assert double == {"PHE": 4, "HIS": 3, "TRP": 5, "TYR": 4}
    bases = parse({"rna": "ACGU"}, library)
    held = Counter(atom for i, j, order in bases.bonds if order == 2 for atom in (i, j))
    assert max(held.values()) == 1 or set(
        bases.atoms[i]["element"] for i, n in held.items() if n > 1
    ) == {"P"}


def test_profiles_reach_the_network(library):
    plain = parse({"protein": HOMEODOMAIN}, library)
    known = parse({"protein": HOMEODOMAIN, "profile": True}, library)
    assert plain.structure.graph.profile is None
    table = known.structure.graph.profile
    assert table.shape == (56, 20) and (np.abs(table.sum(-1) - 255.0) < 16).all()
    assert plain.structure.digest != known.structure.digest
    typed = [(row / row.sum()).tolist() for row in table.astype(float)]
    again = parse({"protein": HOMEODOMAIN, "profile": typed}, library).structure.graph.profile
    assert np.abs(again.astype(int) - table).max() <= 12


def test_an_alignment_is_read_as_a_profile(library):
    alignment = ">query\nACDEFG\n>same\nACDEFG\n>gap and insertion\nAC-EwwYG\n"
    table = from_alignment(alignment, "f", "ACDEFG")
    order = "ACDEFGHIKLMNPQRSTVWY"
    assert table[0, order.index("A")] == 255 and table[2, order.index("D")] == 255
    assert 0 < table[4, order.index("Y")] < 255
    # The odd one out counts more than one of two copies (Henikoff weights).
    assert table[4, order.index("Y")] > 255 / 3
    body = {"id": "A", "sequence": "ACDEFGHIKL", "unpairedMsa": ">q\nACDEFGHIKL\n>h\nACDEFGHIKV\n"}
    plan = parse({"sequences": [{"protein": body}]}, library)
    assert plan.structure.graph.profile is not None
    assert any("unpairedMsa is read as a profile" in note for note in plan.notes)


def test_profiles_stand_at_the_residues_they_describe(library):
    rows = [[0.0] * 20 for _ in range(5)]
    rows[3][5] = 1.0  # glycine
    body = {**SITE["sequences"][0]["protein"], "profile": rows}
    graph = parse({"sequences": [{"protein": body}, SITE["sequences"][1]]}, library).structure.graph
    assert graph.profile[3, 5] == 255 and graph.profile.sum() == 255


def test_training_labels_tell_the_truth(library):
    def label(given):
        return parse(given, library).training

    assert label({"smiles": "Cn1cnc2c1c(=O)n(C)c(=O)n2C"}) == "seen"
    assert label({"smiles": "CCCCCCn1cnc2c1c(=O)n(C)c(=O)n2CCCCF"}) == "similar"
    famous = parse({"protein": "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN"}, library)
    assert famous.training == "unseen" and famous.reference is not None
    # The Dickerson dodecamer's group is tested, the P4-P6 hairpin and GFP's chromophore were trained on.
    assert label({"dna": "GCGAATTCGC"}) == "unseen"
    assert label({"rna": "CUUGCAAAG"}) == "seen"
    assert label({"dna": "ACG"}) == "similar"  # too short to tell


def test_cut_outs_are_recognised_whatever_their_numbers(library):
    sequence, numbers = "RRRTYTHEVY", [50, 126, 150, 158, 159, 160, 161, 162, 163, 180]

    def label(shift, letters=sequence):
        body = {"id": "A", "sequence": letters, "positions": [n + shift for n in numbers],
                "modifications": [{"ptmType": "TPO", "ptmPosition": 6}]}  # fmt: skip
        return parse({"sequences": [{"protein": body}]}, library).training

    assert label(0) == label(100) == "seen"
    assert label(0, "WKMFCTPQWN") == "unseen"
    # Streptavidin's backbone was trained on, this cut-out was not; of the RNA ligase neither was.
    for word, expected in (("Biotin", "similar"), ("ATP and", "unseen"), ("chromophore", "seen")):
        example = next(example for example in EXAMPLES if word in example.label)
        assert parse(example.input, library).training == expected


def test_references_follow_the_atom_order_that_was_typed(library):
    for smiles in ("CC(=O)Oc1ccccc1C(=O)O", "OC(=O)c1ccccc1OC(C)=O"):
        plan = parse({"smiles": smiles}, library)
        assert plan.reference is not None
        for i, j, _ in plan.bonds:
            assert 1.1 < (plan.reference[i] - plan.reference[j]).norm() < 1.6
    for given, name in (({"dna": "GCGAATTCGC"}, "PDB 1BNA"), ({"protein": "GNNQQNY"}, "PDB 1YJP")):
        plan = parse(given, library)
        assert plan.reference_name == name
        for i, j, _ in plan.bonds:
            assert 1.1 < (plan.reference[i] - plan.reference[j]).norm() < 1.7
    assert parse({"dna": "GCGAATTCGG"}, library).reference is None


def test_optional_keys_of_the_public_format_may_be_empty(library):
    given = {**ATP, "bondedAtomPairs": [], "userCCD": None, "name": "x", "modelSeeds": [1]}
    assert len(parse(given, library).atoms) == len(parse(ATP, library).atoms)
