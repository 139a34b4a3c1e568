"""What may be typed, and what is said about what may not."""

import pytest

from models.alphafold3.inputs import parse
from models.alphafold3.library import Library
from models.pipeline import InputError


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


ATP = {"sequences": [{"ligand": {"id": "L", "ccdCodes": ["ATP"]}}]}


@pytest.mark.parametrize(
    "given, atoms, kinds",
    [
        ({"smiles": "CC(=O)Oc1ccccc1C(=O)O"}, 13, ["ligand"]),
        ({"ccd": "cff"}, 14, ["ligand"]),
        (ATP, 31, ["ligand"]),
        ({"protein": "gwk"}, 28, ["protein"]),
        ({"protein": "NLYIQWLKDGGPSSGRPPPS"}, 80, ["protein"]),
        ({"dna": "AC"}, 37, ["dna"]),
        ({"rna": "AU"}, 39, ["rna"]),
        (
            {"sequences": [{"protein": {"id": ["A", "B"], "sequence": "A" * 20}}]},
            160,
            ["protein"] * 2,
        ),
        (
            {
                "name": "x",
                "modelSeeds": [1],
                "dialect": "alphafold3",
                "version": 1,
                "sequences": [
                    {"protein": {"id": "A", "sequence": "ACDEFGHIKLMNPQRS"}},
                    {"ligand": {"id": "L", "smiles": "CCO"}},
                ],
            },
            67,
            ["protein", "ligand"],
        ),
    ],
)
def test_accepted(given, atoms, kinds, library):
    plan = parse(given, library)
    assert len(plan.atoms) == atoms == int(plan.structure.graph.present.sum())
    assert [chain.kind for chain in plan.chains] == kinds
    assert all(
        0 <= i < atoms and 0 <= j < atoms and order in (1, 2, 3) for i, j, order in plan.bonds
    )
    assert {"element", "name", "charge", "chain", "residue", "residue_index", "token"} == set(
        plan.atoms[0]
    )


@pytest.mark.parametrize(
    "given, field, words",
    [
        ({}, "input", "empty"),
        ({"smiles": "C", "ccd": "ATP"}, "input", "at once"),
        ({"foo": "C"}, "input.foo", "not a key"),
        ({"smiles": ""}, "input.smiles", "empty"),
        ({"smiles": 5}, "input.smiles", "text"),
        ({"smiles": "c1ccc"}, "input.smiles", "unclosed ring"),
        ({"smiles": "CC(C)(C)(C)C"}, "input.smiles", "valence"),
        ({"smiles": "C" * 500}, "input.smiles", "500 heavy atoms"),
        ({"smiles": "C" * 5000}, "input.smiles", "5000 characters"),
        ({"smiles": "[Fe]CC"}, "input.smiles", "Fe"),
        ({"smiles": "O"}, "input.smiles", "single atom"),
        ({"ccd": "AQQ99"}, "input.ccd", "not a known component code"),
        ({"ccd": "HEM"}, "input.ccd", "Fe"),
        ({"protein": "ACX"}, "input.protein", "'X' at position 3"),
        ({"protein": "A" * 300}, "input.protein", "300 residues"),
        ({"dna": "ACU"}, "input.dna", "'U' at position 3"),
        ({"rna": "ACGUACGUACGU"}, "input.rna", "12 letters"),
        ({"smiles": "CC", "style": "wild"}, "input.style", "not known"),
        ({"sequences": []}, "input.sequences", "non-empty"),
        ({"sequences": [{"lipid": {}}]}, "input.sequences.0.lipid", "not a molecule"),
        (
            {**ATP, "bondedAtomPairs": [[["L", 1, "PA"], ["A", 1, "N"]]]},
            "input.bondedAtomPairs",
            "not supported",
        ),
        (
            {"sequences": [{"protein": {"id": "A", "sequence": "AB"}}]},
            "input.sequences.0.protein.sequence",
            "'B' at position 2",
        ),
        (
            {"sequences": [{"ligand": {"id": "A", "ccdCodes": ["ATP"], "smiles": "C"}}]},
            "input.sequences.0.ligand",
            "either",
        ),
        (
            {
                "sequences": [
                    {"ligand": {"id": "A", "smiles": "CC"}},
                    {"ligand": {"id": "A", "smiles": "CO"}},
                ]
            },
            "input.sequences",
            "twice",
        ),
        (
            {
                "sequences": [
                    {
                        "protein": {
                            "id": "A",
                            "sequence": "AA",
                            "modifications": [{"ptmType": "SEP"}],
                        }
                    }
                ]
            },
            "input.sequences.0.protein.modifications",
            "not trained",
        ),
    ],
)
def test_refused(given, field, words, library):
    with pytest.raises(InputError) as caught:
        parse(given, library)
    assert caught.value.field == field
    assert words in caught.value.message
    assert caught.value.accepted


def test_an_unknown_name_is_answered_with_codes(library):
    with pytest.raises(InputError) as caught:
        parse({"ccd": "caffeine"}, library)
    assert "CFF" in caught.value.accepted


@pytest.mark.parametrize(
    "given, words",
    [
        ({"smiles": "C" * 50}, "50 heavy atoms are outside the trained range"),
        ({"smiles": "CC(F)Cl"}, "1 stereocentre left open"),
        ({"smiles": "CCO.[Na+]"}, "only the largest"),
        ({"protein": "A" * 80}, "80 residues are outside the trained range"),
        ({"dna": "ACG"}, "outside the trained range"),
        (
            {"sequences": [ATP["sequences"][0], {"ligand": {"id": "M", "smiles": "CCO"}}]},
            "Complexes",
        ),
    ],
)
def test_notes_say_what_to_expect(given, words, library):
    assert any(words in note for note in parse(given, library).notes)


def test_training_labels_tell_the_truth(library):
    assert parse({"smiles": "Cn1cnc2c1c(=O)n(C)c(=O)n2C"}, library).training == "seen"
    assert parse({"smiles": "CCCCCCn1cnc2c1c(=O)n(C)c(=O)n2CCCCF"}, library).training == "similar"
    famous = parse({"protein": "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN"}, library)
    assert famous.training == "unseen" and famous.reference is not None


def test_references_follow_the_atom_order_that_was_typed(library):
    for smiles in ("CC(=O)Oc1ccccc1C(=O)O", "OC(=O)c1ccccc1OC(C)=O"):
        plan = parse({"smiles": smiles}, library)
        assert plan.reference is not None
        for i, j, _ in plan.bonds:
            assert 1.1 < (plan.reference[i] - plan.reference[j]).norm() < 1.6


def test_optional_keys_of_the_public_format_may_be_empty(library):
    given = {**ATP, "bondedAtomPairs": [], "userCCD": None, "name": "x", "modelSeeds": [1]}
    assert len(parse(given, library).atoms) == len(parse(ATP, library).atoms)
