"""What people type wrongly about molecules: the input, the field that the refusal must name, words of its
message, and words of what it says would be accepted."""

from typing import Any

ALANINES = "A" * 20


def _protein(**body: Any) -> dict[str, Any]:
    return {"sequences": [{"protein": {"id": "A", "sequence": "ACDEFG", **body}}]}


def _ligands(*bodies: dict[str, Any]) -> dict[str, Any]:
    return {"sequences": [{"ligand": body} for body in bodies]}


def _strand(kind: str, **body: Any) -> dict[str, Any]:
    return {"sequences": [{kind: {"id": "A", "sequence": "ACG", **body}}]}


_FIRST = "input.sequences.0"
_PROTEIN = f"{_FIRST}.protein"
_ROW = [0.05] * 20

BAD: list[tuple[Any, str, str, str]] = [
    # the shape of the input
    ({}, "input", "empty", "smiles"),
    ({"smiles": "C", "ccd": "ATP"}, "input", "at once", "one of"),
    ({"foo": "C"}, "input.foo", "not a key", "smiles"),
    ({"smiles": "CC", "style": "wild"}, "input.style", "not known", "crystal"),
    ({"smiles": "CC", "profile": True}, "input.profile", "not a key", "smiles"),
    # SMILES
    ({"smiles": ""}, "input.smiles", "empty", "SMILES"),
    ({"smiles": 5}, "input.smiles", "text", "SMILES"),
    ({"smiles": "c1ccc"}, "input.smiles", "unclosed ring", "SMILES"),
    ({"smiles": "CC(C)(C)(C)C"}, "input.smiles", "valence", "SMILES"),
    ({"smiles": "c1cccc1"}, "input.smiles", "ekul", "SMILES"),
    ({"smiles": "C" * 400}, "input.smiles", "400 heavy atoms", "2-128"),
    ({"smiles": "C" * 5000}, "input.smiles", "5000 characters", "4000"),
    ({"smiles": "O"}, "input.smiles", "single atom", "2-128"),
    ({"smiles": "[H][H]"}, "input.smiles", "hydrogens that stand for themselves", "C, N, O"),
    ({"smiles": "C~C"}, "input.smiles", "a bond that is not single", "SMILES"),
    ({"smiles": "*CC"}, "input.smiles", "*, which is not trained", "C, N, O"),
    ({"smiles": "CCO.[Na+]"}, "input.smiles", "2 separate parts (CCO, [Na+])", "one ligand entry per part"),
    ({"smiles": "[Na+].[Cl-]"}, "input.smiles", "one entry is one connected molecule", "per part"),
    ({"smiles": "[Fe]CC"}, "input.smiles", "Fe bonded inside a molecule", "FE2"),
    ({"smiles": "CC[Hg]CC"}, "input.smiles", "Hg, which is not trained", "C, N, O"),
    ({"smiles": "[Zn+2]"}, "input.smiles", "Zn2+ (ZN) alone is a single atom", "positions"),
    ({"smiles": "[Zn+5]"}, "input.smiles", "Zn with charge +5", "[Zn+2] (ZN)"),
    ({"smiles": "[Na]"}, "input.smiles", "charge +0", "[Na+1] (NA)"),
    ({"smiles": "[Hg+2]"}, "input.smiles", "ion of Hg", "ZN"),
    # component codes
    ({"ccd": "AQQ99"}, "input.ccd", "not a known component code", "ATP"),
    ({"ccd": "caffeine"}, "input.ccd", "not a known", "CFF (caffeine)"),
    ({"ccd": "HEM"}, "input.ccd", "Fe bonded inside a molecule", "the organic part alone"),
    ({"ccd": "HOH"}, "input.ccd", "water", "ZN"),
    ({"ccd": "HG"}, "input.ccd", "an ion that is not trained", "ZN"),
    ({"ccd": "ZN"}, "input.ccd", "alone is a single atom", "beside a ligand"),
    ({"ccd": None}, "input.ccd", "text", "ATP"),
    (_ligands({"id": "L", "ccdCodes": ["NAG", "NAG"]}), f"{_FIRST}.ligand.ccdCodes",
     "bonded to each other", "one code per ligand entry"),
    (_ligands({"id": "L", "ccdCodes": "ATP"}), f"{_FIRST}.ligand.ccdCodes", "list", "ATP"),
    (_ligands({"id": "L", "ccdCodes": ["ATP"], "smiles": "C"}), f"{_FIRST}.ligand", "either", "smiles"),
    (_ligands({"id": "L", "ccdCodes": ["PP9"]}, {"id": "M", "ccdCodes": ["HEM"]}),
     "input.sequences.1.ligand.ccdCodes.0", "Fe bonded", "organic part"),
    # protein sequences
    ({"protein": ""}, "input.protein", "empty", "one-letter"),
    ({"protein": "ACX"}, "input.protein", "'X' at position 3", "ACDEFG"),
    ({"protein": "MKV*"}, "input.protein", "a stop: leave it out", "ACDEFG"),
    ({"protein": "MK-V"}, "input.protein", "a gap: leave it out", "ACDEFG"),
    ({"protein": "A" * 300}, "input.protein", "300 residues", "192"),
    ({"protein": "ALA-GLY-SER"}, "input.protein", "three-letter codes", "AGS"),
    ({"protein": "Ala Gly Ser Trp"}, "input.protein", "three-letter codes", "AGSW"),
    ({"protein": "ALAGLYSER"}, "input.protein", "three-letter codes", "AGS"),
    ({"protein": ">a\nACD\n>b\nEFG"}, "input.protein", "2 FASTA records", "an entry per chain"),
    ({"protein": ">only a name\n"}, "input.protein", "empty below its FASTA header", "one-letter"),
    # profiles
    ({"protein": ALANINES, "profile": True}, "input.profile", "no profile ships", "20 rows of 20"),
    ({"protein": ALANINES, "profile": "deep"}, "input.profile", "neither true nor", "20 rows"),
    ({"protein": ALANINES, "profile": [_ROW] * 19}, "input.profile", "19 rows for 20 residues", "20 rows"),
    ({"protein": ALANINES, "profile": [_ROW] * 19 + [[1.0]]}, "input.profile.19", "1 numbers", "20 shares"),
    ({"protein": ALANINES, "profile": [[0.5] * 20] * 20}, "input.profile.0", "adds up to 10", "up to 1"),
    ({"protein": ALANINES, "profile": [[-1] + [0.1] * 19] * 20}, "input.profile.0", "from 0 to 1", "rows"),
    (_protein(unpairedMsa=">q\nAAAA\n"), f"{_PROTEIN}.unpairedMsa", "own sequence", "A3M"),
    (_protein(unpairedMsa=">q\nACDEFG\n>h\nACD\n"), f"{_PROTEIN}.unpairedMsa", "3 places", "A3M"),
    # nucleic acids
    ({"dna": "ACU"}, "input.dna", "'U' at position 3 is no DNA letter but a letter of RNA", "ACGT"),
    ({"rna": "ACT"}, "input.rna", "a letter of DNA", "ACGU"),
    ({"rna": "ACGN"}, "input.rna", "any base", "ACGU"),
    ({"dna": "A" * 65}, "input.dna", "65 letters", "1-64"),
    ({"rna": ""}, "input.rna", "empty", "ACGU"),
    # modifications
    (_protein(modifications=[{"ptmType": "XYZ1", "ptmPosition": 2}]),
     f"{_PROTEIN}.modifications.0.ptmType", "no known modification of a protein", "SEP"),
    (_protein(modifications=[{"ptmType": "5CM", "ptmPosition": 2}]),
     f"{_PROTEIN}.modifications.0.ptmType", "no known modification of a protein", "TPO"),
    (_protein(modifications=[{"ptmType": "SEP", "ptmPosition": 9}]),
     f"{_PROTEIN}.modifications.0.ptmPosition", "outside the sequence", "1 to 6"),
    (_protein(modifications=[{"ptmType": "SEP"}]), f"{_PROTEIN}.modifications.0", "not a modification",
     "ptmPosition"),
    (_protein(modifications=[{"ptmType": "SEP", "ptmPosition": 2}] * 2),
     f"{_PROTEIN}.modifications.1.ptmPosition", "a second time", "one modification per position"),
    (_protein(modifications={"SEP": 2}), f"{_PROTEIN}.modifications", "not a list", "ptmType"),
    (_strand("dna", modifications=[{"modificationType": "PSU", "basePosition": 1}]),
     f"{_FIRST}.dna.modifications.0.modificationType", "of DNA", "5CM"),
    (_strand("dna", modifications=[{"ptmType": "5CM", "ptmPosition": 1}]),
     f"{_FIRST}.dna.modifications.0", "not a modification", "modificationType"),
    # positions
    (_protein(positions=[1, 2, 3]), f"{_PROTEIN}.positions", "3 numbers for 6 letters", "one per letter"),
    (_protein(positions=[1, 2, 3, 3, 5, 6]), f"{_PROTEIN}.positions", "3 follows 3", "rise"),
    (_protein(positions="1-6"), f"{_PROTEIN}.positions", "not a list of residue numbers", "whole numbers"),
    (_protein(positions=[1, 2, 3, 4, 5, 6.5]), f"{_PROTEIN}.positions", "not a list", "whole numbers"),
    # the public format
    ({"sequences": []}, "input.sequences", "non-empty", "sequences"),
    ({"sequences": [{"lipid": {}}]}, f"{_FIRST}.lipid", "not a molecule", "ligand"),
    ({"sequences": [{"proteinChain": {"sequence": "AC", "count": 1}}]}, f"{_FIRST}.proteinChain",
     "server's dialect", '"protein"'),
    ({"sequences": [{"protein": {"id": "A"}}]}, f"{_PROTEIN}.sequence", "text", "one-letter"),
    (_protein(count=2), f"{_PROTEIN}.count", "not supported", "sequence"),
    (_protein(id="A-1"), f"{_PROTEIN}.id", "not a chain id", '"A"'),
    (_protein(id=[]), f"{_PROTEIN}.id", "not a chain id", "list"),
    (_ligands({"id": "A", "smiles": "CC"}, {"id": "A", "smiles": "CO"}),
     "input.sequences.1.ligand.id", "used twice", "different id"),
    (_protein(id=["A", "A"]), f"{_PROTEIN}.id", "used twice", "different id"),
    (_protein(id=list("ABCDEFGHI")), "input.sequences", "too many chains", "8"),
    ({**_protein(), "bondedAtomPairs": [[["A", 1, "SG"], ["A", 2, "SG"]]]}, "input.bondedAtomPairs",
     "not supported", "sequences"),
    # sizes
    ({"sequences": [{"protein": {"id": "A", "sequence": "A" * 128}},
                    {"ligand": {"id": "Z", "ccdCodes": ["ZN"]}}]},
     "input.sequences", "129 tokens", "128 tokens where all atoms are drawn"),
    (_protein(id=["A", "B"], sequence="A" * 150), f"{_PROTEIN}.sequence", "300 tokens", "256 tokens"),
    (_ligands({"id": ["A", "B"], "smiles": "C" * 70}), f"{_FIRST}.ligand.smiles", "140 heavy atoms", "128"),
]  # fmt: skip
