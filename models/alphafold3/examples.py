"""The molecules that the page offers, one line about each, and where their crystal structures come from.

Whether an example was in training is never written here: the pipeline asks the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Input = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    group: str
    label: str
    line: str
    input: Input


@dataclass(frozen=True)
class ComplexReference:
    """An example of several parts whose experimental coordinates ship: those of a file that is part of a
    package on PyPI. chains: id in the input -> chain of the PDB entry, shift of the residue numbers."""

    pdb: str
    input: Input
    chains: Mapping[str, tuple[str, int]]


def _sequences(*entries: Input) -> Input:
    return {"sequences": list(entries)}


def _pocket(name: str, sequence: str, numbers: str, **more: Any) -> Input:
    """Residues of a longer chain by their numbers, in words."""
    positions = [int(n) for n in numbers.split()]
    return {"protein": {"id": name, "sequence": sequence, "positions": positions, **more}}


def _ligand(name: str, code: str) -> Input:
    return {"ligand": {"id": name, "ccdCodes": [code]}}


def _dna(name: str, sequence: str, **more: Any) -> Input:
    return {"dna": {"id": name, "sequence": sequence, **more}}


def _rna(name: str, sequence: str) -> Input:
    return {"rna": {"id": name, "sequence": sequence}}


_FINGER = _sequences(
    {"protein": {"id": "A", "sequence": "KPYPCGLCNRCFTRRDLLIRHAQKIHS"}}, _ligand("Z", "ZN")
)
_HOMEODOMAIN = "KRPRTAFSSEQLARLKREFNENRYLTERRRQQLSSELGLNEAQIKIWFKNKRAKIK"
_AMYLOID = "GNNQQNY"
_INNER = "GCGAATTCGC"
_METHYLATED = [{"modificationType": "5CM", "basePosition": 5}]

REFERENCES = (
    ComplexReference("1YJP", {"protein": _AMYLOID}, {"A": ("A", 0)}),
    ComplexReference("1BNA", {"dna": _INNER}, {"A": ("A", 1), "B": ("B", 13)}),
)

MOLECULES, SUGARS, COFACTORS = "Small molecules", "Sugars", "Cofactors"
PROTEINS, NUCLEIC = "Proteins", "DNA and RNA"
SITES, MODIFIED = "Ions and pockets", "Modified chains"

EXAMPLES = (
    Example(PROTEINS, "Peptide Gly-Trp-Lys", "Three residues with all their atoms, drawn as one molecule.",
            {"protein": "GWK"}),
    Example(MOLECULES, "Caffeine", "Two flat rings: every atom has one place to be.", {"ccd": "CFF"}),
    Example(MOLECULES, "Aspirin", "A ring with two arms that turn.",
            {"smiles": "CC(=O)Oc1ccccc1C(=O)O"}),
    Example(MOLECULES, "L-alanine", "The amino acid as life uses it; compare its mirror image.",
            {"smiles": "C[C@H](N)C(=O)O"}),
    Example(MOLECULES, "D-alanine", "The mirror image: same bonds, the other hand.",
            {"smiles": "C[C@@H](N)C(=O)O"}),
    Example(MOLECULES, "Penicillin G", "A strained ring of four that breaks bacteria's walls.",
            {"ccd": "PNN"}),
    Example(MOLECULES, "Testosterone", "Four fused rings, six stereocentres: a stiff frame.",
            {"ccd": "TES"}),
    Example(MOLECULES, "Retinal", "A chain of double bonds that light bends: how eyes see.",
            {"ccd": "RET"}),
    Example(MOLECULES, "Imatinib", "A cancer drug of 37 atoms, long and bendy.", {"ccd": "STI"}),
    Example(MOLECULES, "New in 2024+ (A1BA7)", "Entered the dictionary after the training data end.",
            {"ccd": "A1BA7"}),
    Example(SUGARS, "Glucose", "A ring with five hands to get right.", {"ccd": "GLC"}),
    Example(SUGARS, "Sucrose", "Table sugar: two rings and the bond between them.",
            {"smiles": "OC[C@H]1O[C@H](O[C@]2(CO)O[C@H](CO)[C@@H](O)[C@@H]2O)[C@H](O)[C@@H](O)[C@@H]1O"}),
    Example(SUGARS, "Sialic acid", "The sugar at the tips of our cells' coats; flu viruses hold on to it.",
            {"ccd": "SIA"}),
    Example(COFACTORS, "ATP", "Energy in three phosphates, on a sugar and a base.", {"ccd": "ATP"}),
    Example(COFACTORS, "NAD", "Carries electrons; two nucleotides head to head, 44 atoms.", {"ccd": "NAD"}),
    Example(COFACTORS, "Haem", "The ring that holds oxygen in blood, its iron as an ion beside it.",
            _sequences(_ligand("H", "PP9"), _ligand("F", "FE2"))),
    Example(PROTEINS, "Amyloid peptide", "Seven residues of a yeast prion with all atoms.",
            {"protein": _AMYLOID}),
    Example(PROTEINS, "Trp-cage (backbone)", "One of the smallest folds: a helix and a tail around a Trp.",
            {"protein": "GDAYAQWLADGGPSSGRPPPSG"}),
    Example(PROTEINS, "Villin headpiece", "Three helices in 35 residues; folds in microseconds.",
            {"protein": "LSDEDFKAVFGMTRSAFANLPLWLQQHLKKEKGLF"}),
    Example(PROTEINS, "Homeodomain", "Three helices that read DNA, from the sequence alone.",
            {"protein": _HOMEODOMAIN}),
    Example(PROTEINS, "Homeodomain, with profile", "The same, told what related sequences have.",
            {"protein": _HOMEODOMAIN, "profile": True}),
    Example(PROTEINS, "Protein A domain", "A bundle of three helices that binds antibodies.",
            {"protein": "ADNKFNKEQQNAFYEILHLPNLTEEQRNGFIQSLKDDPSVSKEILAEAKKLNDAQAPK", "profile": True}),
    Example(PROTEINS, "Crambin", "A seed protein that diffracts better than any other.",
            {"protein": "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN", "profile": True}),
    Example(PROTEINS, "BPTI", "The first protein whose motion was computed, in 1977.",
            {"protein": "RPDFCLEPPYAGACRARIIRYFYNAKAGLCQTFVYGGCRAKRNNFKSAEDCLRTCGGA",
             "profile": True}),
    Example(NUCLEIC, "B-DNA, ten base pairs", "Inside Dickerson's dodecamer, beside its crystal.",
            {"dna": _INNER}),
    Example(NUCLEIC, "Dickerson dodecamer", "The first B-DNA crystal, 1981, as two strands in AF3's JSON.",
            _sequences(_dna("A", "CGCGAATTCGCG"), _dna("B", "CGCGAATTCGCG"))),
    Example(NUCLEIC, "RNA hairpin, GCAA loop", "A stem and a loop of four: the commonest turn in RNA.",
            {"rna": "GGGCGCAAGCCU"}),
    Example(NUCLEIC, "RNA hairpin of P4-P6", "Nine nucleotides of a ribozyme, loop GCAA.",
            {"rna": "CUUGCAAAG"}),
    Example(NUCLEIC, "RNA-DNA hybrid", "What a gene looks like while it is read.",
            _sequences(_dna("A", "GTCACATG"), _rna("B", "CAUGUGAC"))),
    Example(SITES, "Zinc finger", "27 residues and one zinc: two Cys and two His hold it.", _FINGER),
    Example(SITES, "Zinc finger on DNA", "One finger of TFIIIA, its zinc and five base pairs.",
            _sequences(
                _pocket("A", "FPCKEEGCEKGFTSLHHLTRHSLTHTGE", " ".join(map(str, range(43, 71)))),
                _ligand("Z", "ZN"), _dna("B", "ATGGG"), _dna("C", "CCCAT"))),
    Example(SITES, "Biotin in its pocket", "Streptavidin's residues around it: nature's firmest grip.",
            _sequences(
                _pocket("A", "NLSYSVGNAWASTWWLD", "23 25 27 43 45 47 48 49 50 79 86 88 90 92 108 110 128"),
                _ligand("L", "BTN"))),
    Example(SITES, "ATP and magnesium", "In the RNA ligase that spends it: the ion holds phosphates.",
            _sequences(
                _pocket("A", "YIEICEKVHGTNRGEQFFAEVIKR",
                        "58 59 60 61 85 86 87 88 89 90 91 92 111 158 159 193 207 209 243 283 286 "
                        "305 307 309"),
                _ligand("L", "ATP"), _ligand("M", "MG"))),
    Example(SITES, "Zinc site", "Four cysteines around a zinc, from a FYVE domain.",
            _sequences(
                _pocket("A", "CRSCGGFVCDSCF", "192 193 194 195 196 197 199 221 222 223 224 225 226"),
                _ligand("Z", "ZN"))),
    Example(SITES, "Calcium site", "An EF hand: a loop of oxygens that catches calcium.",
            _sequences(
                _pocket("A", "IDQDKSGFIEE", "50 51 52 53 54 55 56 57 58 59 62"), _ligand("C", "CA"))),
    Example(MODIFIED, "GFP's chromophore", "Three residues that became a dye, and what surrounds them.",
            _sequences(
                _pocket("A", "LLFLVTTFGVQYQRVNYNHVFIQTSLE",
                        "42 44 46 60 61 62 63 64 66 68 69 92 94 96 112 121 145 146 148 150 165 167 "
                        "183 203 205 220 222",
                        modifications=[{"ptmType": "CRO", "ptmPosition": 9}]))),
    Example(MODIFIED, "Phosphothreonine", "A switch of cell signalling and the arginines that hold it.",
            _sequences(
                _pocket("A", "RRRTYTHEVY", "50 126 150 158 159 160 161 162 163 180",
                        modifications=[{"ptmType": "TPO", "ptmPosition": 6}]),
                _pocket("B", "EI", "269 270"))),
    Example(MODIFIED, "Methylated DNA", "5-methylcytosine on both strands: how genes are silenced.",
            _sequences(_dna("A", "CGATCGATCG", modifications=_METHYLATED),
                       _dna("B", "CGATCGATCG", modifications=_METHYLATED))),
)  # fmt: skip
