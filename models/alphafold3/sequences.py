"""Proteins and nucleic acids of an input: what people paste as a sequence, checked, as chains."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from rdkit import Chem

from models.alphafold3 import templates
from models.alphafold3.chains import THREE_LETTERS, Chain, text
from models.alphafold3.graph import RESIDUES
from models.pipeline import InputError

MAX_RESIDUES, MAX_NUCLEOTIDES = 192, 64
PEPTIDE = 8  # residues up to which a peptide alone is drawn with all its atoms
LETTERS = {"protein": RESIDUES, "dna": "ACGT", "rna": "ACGU"}
LIMITS = {"protein": MAX_RESIDUES, "dna": MAX_NUCLEOTIDES, "rna": MAX_NUCLEOTIDES}
_UNITS = {"protein": "residue", "dna": "DNA letter", "rna": "RNA letter"}
# The public format's names of a modification's keys.
_MODIFICATION = {
    "protein": ("ptmType", "ptmPosition"),
    "dna": ("modificationType", "basePosition"),
    "rna": ("modificationType", "basePosition"),
}
_ONE_LETTER = {three: one for one, three in THREE_LETTERS.items()}
_HINTS = {
    "protein": {
        "*": "a stop: leave it out",
        "-": "a gap: leave it out",
        "X": "an unknown residue",
        "B": "D or N: choose one",
        "Z": "E or Q: choose one",
        "J": "I or L: choose one",
        "U": "selenocysteine: write C",
        "O": "pyrrolysine: write K",
    },
    "dna": {"U": "a letter of RNA", "N": "any base: choose one", "-": "a gap: leave it out"},
    "rna": {"T": "a letter of DNA", "N": "any base: choose one", "-": "a gap: leave it out"},
}


def accepted(kind: str) -> str:
    article = "a protein" if kind == "protein" else f"a strand of {kind.upper()}"
    return f"{article} in one-letter codes: 1-{LIMITS[kind]} of {LETTERS[kind]}"


def _fasta(value: str, path: str, kind: str) -> tuple[str, list[str]]:
    """The letters below a FASTA header, and a note that it was left out."""
    if value[0] not in ">;":
        return value, []
    lines = value.splitlines()
    records = sum(line.startswith(">") for line in lines)
    if records > 1:
        raise InputError(
            path,
            f"holds {records} FASTA records: one entry is one chain",
            'one record, or {"sequences": [...]} with an entry per chain',
        )
    body = "\n".join(line for line in lines if line[:1] not in (">", ";"))
    if not body.strip():
        raise InputError(path, "is empty below its FASTA header", accepted(kind))
    return body, [f"FASTA header left out: {lines[0][1:61].strip()}"]


def _three_letters(value: str, path: str) -> None:
    """Refuses ``ALA-GLY-SER`` and its like, with the one-letter form."""
    words = re.split(r"[\s,;.\-]+", value.upper().strip("-"))
    joined = "".join(words)
    if len(words) == 1:
        words = [joined[i : i + 3] for i in range(0, len(joined), 3)]
        if len(words) < 3:  # Gly-Leu-Tyr is written GLY too
            return
    if all(word in _ONE_LETTER for word in words):
        short = "".join(_ONE_LETTER[word] for word in words)
        raise InputError(
            path, "is written in three-letter codes", f"one letter per residue: {short}"
        )


def letters(value: Any, path: str, kind: str) -> tuple[str, list[str]]:
    """-> upper-case one-letter sequence and notes. Raises InputError."""
    given, notes = _fasta(text(value, path, accepted(kind)), path, kind)
    if kind == "protein":
        _three_letters(given, path)
    sequence = re.sub(r"\s+", "", given).upper()
    for place, letter in enumerate(sequence):
        if letter not in LETTERS[kind]:
            hint = _HINTS[kind].get(letter)
            raise InputError(
                path,
                f"{letter!r} at position {place + 1} is no {_UNITS[kind]}"
                + (f" but {hint}" if hint else ""),
                accepted(kind),
            )
    if len(sequence) > LIMITS[kind]:
        what = "residues" if kind == "protein" else "letters"
        raise InputError(path, f"has {len(sequence)} {what}", accepted(kind))
    if kind == "protein" and len(set(sequence)) > 2 and set(sequence) <= set("ACGT"):
        notes.append(
            "Read as a protein (Ala, Cys, Gly, Thr); for a nucleic acid use the key dna or rna."
        )
    return sequence, notes


@cache
def known_modifications(kind: str) -> tuple[str, ...]:
    """Component codes that can stand anywhere in a chain of ``kind``, sorted."""
    return tuple(sorted(code for code in templates.modified_codes() if _fits(code, kind)))


def _fits(code: str, kind: str) -> bool:
    """Nucleotides must have what both neighbours are bonded to: caps and chain ends do not."""
    mol, names = templates.modified(code)
    if kind == "protein" or "C1'" not in names:
        return (kind == "protein") == ("C1'" not in names)
    free = {name for name, atom in zip(names, mol.GetAtoms(), strict=True) if atom.GetDegree() == 1}
    return {"O3'", "OP3"} <= free and ("O2'" in names) == (kind == "rna")


def _modification(given: Any, path: str, kind: str, length: int) -> tuple[int, str]:
    """(place from 0, component code) of one entry."""
    type_key, place_key = _MODIFICATION[kind]
    form = f'{{"{type_key}": code, "{place_key}": 1 to {length}}}'
    if not isinstance(given, Mapping) or set(given) != {type_key, place_key}:
        raise InputError(path, "is not a modification", form)
    code, place = given[type_key], given[place_key]
    if not isinstance(place, int) or isinstance(place, bool) or not 1 <= place <= length:
        raise InputError(
            f"{path}.{place_key}",
            f"is {place!r}, outside the sequence",
            f"a whole number from 1 to {length}",
        )
    known = known_modifications(kind)
    wanted = code.strip().upper().removeprefix("CCD_") if isinstance(code, str) else ""
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
        hint = f" (near: {', '.join(near)})" if near else ""
        raise InputError(
            f"{path}.{type_key}",
            f"{str(code)[:40]!r} is no known modification of {_NAMES[kind]}",
            f"one of {', '.join(known)}{hint}",
        )
    return place - 1, wanted


_NAMES = {"protein": "a protein", "dna": "DNA", "rna": "RNA"}


def modifications(given: Any, path: str, kind: str, sequence: str) -> dict[int, str]:
    """The public format's list -> place in the sequence, from 0 -> component code. Raises InputError."""
    if given in (None, []):
        return {}
    if not isinstance(given, list):
        type_key, place_key = _MODIFICATION[kind]
        raise InputError(path, "is not a list", f'[{{"{type_key}": code, "{place_key}": 1}}]')
    found: dict[int, str] = {}
    for number, entry in enumerate(given):
        place, code = _modification(entry, f"{path}.{number}", kind, len(sequence))
        if place in found:
            raise InputError(
                f"{path}.{number}.{_MODIFICATION[kind][1]}",
                f"modifies position {place + 1} a second time",
                "one modification per position",
            )
        found[place] = code
    return found


def titled(sequence: str, changed: Mapping[int, str]) -> str:
    """The sequence with modified places as their codes in brackets."""
    return "".join(f"({changed[t]})" if t in changed else c for t, c in enumerate(sequence))


def modification_notes(chain: Chain) -> list[str]:
    """Where a modification stands on a letter that it does not derive from."""
    odd = []
    for place, code in chain.modifications.items():
        parent, here = templates.parent(code), chain.component(chain.sequence[place])
        if parent and here not in parent.replace(",", " ").split():
            odd.append(f"{code} derives from {parent}, the sequence has {here} at {place + 1}.")
    return odd


def positions(given: Any, path: str, length: int) -> tuple[int, ...]:
    """Residue numbers, one per letter, rising. Raises InputError."""
    if given is None:
        return ()
    form = f"{length} whole numbers that rise, one per letter of the sequence"
    whole = isinstance(given, Sequence) and all(
        isinstance(n, int) and not isinstance(n, bool) and -999 <= n <= 9999 for n in given
    )
    if not whole:
        raise InputError(path, "is not a list of residue numbers", form)
    if len(given) != length:
        raise InputError(path, f"has {len(given)} numbers for {length} letters", form)
    for a, b in itertools.pairwise(given):
        if b <= a:
            raise InputError(path, f"does not rise: {b} follows {a}", form)
    return tuple(given)


def peptide(sequence: str) -> Chem.Mol:
    """All heavy atoms of a short peptide, with its hands."""
    mol = Chem.MolFromSequence(sequence)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def complement(sequence: str) -> str:
    """The other strand of a DNA duplex, from its own start."""
    return sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def duplex(name: str, path: str, value: Any) -> list[Chain]:
    """The short form of DNA: the strand and its complement. Raises InputError."""
    strand, notes = letters(value, path, "dna")
    other = complement(strand)
    notes.append(
        f"Drawn as a double strand with its complement {other}; "
        'a single strand is {"sequences": [{"dna": {...}}]}.'
    )
    return [
        Chain(name, "dna", path, strand, sequence=strand, notes=tuple(notes)),
        Chain(chr(ord(name) + 1), "dna", path, other, sequence=other),
    ]
