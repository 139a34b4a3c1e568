"""What a visitor typed -> a plan: the graph, how to show it, and what to say about it.

Accepted are AlphaFold 3's public JSON (``{"sequences": [{"protein": {"id", "sequence",
"modifications"}}, {"dna" | "rna": {...}}, {"ligand": {"id", "ccdCodes" | "smiles"}}]}``; an ion is a
ligand) and the short forms ``{"smiles"}``, ``{"ccd"}``, ``{"protein"}`` (with ``"profile"``), ``{"dna"}``
(drawn as a duplex), ``{"rna"}``. One extension: a protein's ``positions`` numbers the residues of a
cut-out, such as a binding pocket. Anything else is an InputError with the dotted path of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from models.alphafold3.chains import Chain
from models.alphafold3.diffusion_module import STYLES
from models.alphafold3.library import Library
from models.alphafold3.ligands import code_chain, smiles_chain
from models.alphafold3.plan import Plan, plan
from models.alphafold3.profiles import from_alignment, typed
from models.alphafold3.sequences import duplex, letters, modifications, positions, titled
from models.pipeline import InputError

KINDS = ("smiles", "ccd", "protein", "dna", "rna")
FORMS = (
    'one of {"smiles": ...}, {"ccd": ...}, {"protein": ...}, {"dna": ...}, {"rna": ...} or AlphaFold 3\'s '
    '{"sequences": [...]}'
)
MAX_CHAINS, MAX_NAME = 8, 4
# Keys of the public format that change nothing here.
_IGNORED_TOP = {"name", "modelSeeds", "dialect", "version"}
_UNUSED = {
    "pairedMsa",
    "templates",
    "unpairedMsaPath",
    "pairedMsaPath",
}
_KEYS = {
    "protein": {"id", "sequence", "modifications", "positions", "profile", "unpairedMsa"},
    "dna": {"id", "sequence", "modifications"},
    "rna": {"id", "sequence", "modifications"},
    "ligand": {"id", "ccdCodes", "smiles"},
}
# Keys of the AlphaFold server's own dialect, by what they are called here.
_SERVER = {
    "proteinChain": '{"protein": {"id": "A", "sequence": ...}}',
    "dnaSequence": '{"dna": {"id": "A", "sequence": ...}}',
    "rnaSequence": '{"rna": {"id": "A", "sequence": ...}}',
    "ion": '{"ligand": {"id": "A", "ccdCodes": ["ZN"]}}',
}


def parse(given: Mapping[str, Any], library: Library) -> Plan:
    """Raises InputError naming the field below ``input.`` that cannot be used."""
    return plan(*read(given, library), library)


def read(given: Mapping[str, Any], library: Library) -> tuple[list[Chain], str]:
    """The chains that were asked for, and whose conformers to imitate (STYLES). Raises InputError."""
    if not isinstance(given, Mapping) or not given:
        raise InputError("input", "is empty", FORMS)
    style = given.get("style", STYLES[0])
    if style not in STYLES:
        raise InputError("input.style", f"{style!r} is not known", " or ".join(STYLES))
    given = {key: value for key, value in given.items() if key != "style"}
    chains = _public_format(given, library) if "sequences" in given else _short_form(given, library)
    return chains, style


def _short_form(given: Mapping[str, Any], library: Library) -> list[Chain]:
    kinds = [key for key in given if key in KINDS]
    allowed = {*kinds, "profile"} if "protein" in kinds else set(kinds)
    unknown = [key for key in given if key not in allowed]
    if unknown:
        raise InputError(f"input.{unknown[0]}", "is not a key of this input", FORMS)
    if len(kinds) != 1:
        raise InputError("input", f"holds {' and '.join(kinds)} at once", FORMS)
    kind, path = kinds[0], f"input.{kinds[0]}"
    value = given[kind]
    if kind == "smiles":
        return [smiles_chain("A", path, value)]
    if kind == "ccd":
        return [code_chain("A", path, value, library)]
    if kind == "dna":
        return duplex("A", path, value)
    sequence, notes = letters(value, path, kind)
    profile = typed(given.get("profile"), "input.profile", sequence, library)
    return [
        Chain("A", kind, path, sequence, sequence=sequence, profile=profile, notes=tuple(notes))
    ]


def _public_format(given: Mapping[str, Any], library: Library) -> list[Chain]:
    for key in given:
        # The format's optional keys may be there and empty; filled, they would change the answer.
        if key != "sequences" and key not in _IGNORED_TOP and given[key] not in (None, [], ""):
            raise InputError(
                f"input.{key}",
                "is not supported here",
                "sequences, name, modelSeeds, dialect, version",
            )
    entries = given["sequences"]
    if not isinstance(entries, list) or not entries:
        raise InputError("input.sequences", "must be a non-empty list", FORMS)
    chains: list[Chain] = []
    used: dict[str, str] = {}
    for number, entry in enumerate(entries):
        kind, body, path = _entry(entry, f"input.sequences.{number}")
        names = _identifiers(body, path, len(chains))
        for name in names:
            if name in used:
                raise InputError(
                    f"{path}.id",
                    f"{name!r} is a chain id of {used[name]} already: an id is used twice",
                    "a different id for every chain",
                )
            used[name] = path
        if len(chains) + len(names) > MAX_CHAINS:
            raise InputError(
                "input.sequences", "holds too many chains", f"at most {MAX_CHAINS} chains"
            )
        chain = (
            _ligand(body, names[0], path, library)
            if kind == "ligand"
            else _polymer(kind, body, names[0], path, library)
        )
        chains += [replace(chain, name=name) for name in names]
    return chains


def _entry(entry: Any, path: str) -> tuple[str, Mapping[str, Any], str]:
    """-> kind, body and path of one molecule."""
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise InputError(
            path, "must hold exactly one molecule", '{"protein" | "dna" | "rna" | "ligand": {...}}'
        )
    ((kind, body),) = entry.items()
    path = f"{path}.{kind}"
    if kind in _SERVER:
        raise InputError(path, "is the AlphaFold server's dialect", _SERVER[kind])
    if kind not in _KEYS or not isinstance(body, Mapping):
        raise InputError(
            path, "is not a molecule", '"protein", "dna", "rna" or "ligand" with an object'
        )
    for key in body:
        if key not in _KEYS[kind] and key not in _UNUSED and key != "description":
            raise InputError(
                f"{path}.{key}", "is not supported here", ", ".join(sorted(_KEYS[kind]))
            )
    return kind, body, path


def _identifiers(body: Mapping[str, Any], path: str, number: int) -> list[str]:
    given = body.get("id", chr(ord("A") + number))
    names = [given] if isinstance(given, str) else given
    good = isinstance(names, list) and all(
        isinstance(n, str) and n.isascii() and n.isalnum() and len(n) <= MAX_NAME for n in names
    )
    if not good or not names:
        raise InputError(
            f"{path}.id",
            "is not a chain id",
            f'1-{MAX_NAME} letters or digits such as "A", or a list of them',
        )
    return list(names)


def _ligand(body: Mapping[str, Any], name: str, path: str, library: Library) -> Chain:
    if ("smiles" in body) == ("ccdCodes" in body):
        raise InputError(
            path, "needs either smiles or ccdCodes", '"smiles": text or "ccdCodes": ["ATP"]'
        )
    if "smiles" in body:
        return smiles_chain(name, f"{path}.smiles", body["smiles"])
    codes = body["ccdCodes"]
    if not isinstance(codes, list) or not codes:
        raise InputError(f"{path}.ccdCodes", "must be a list of one code", '["ATP"]')
    if len(codes) > 1:
        raise InputError(
            f"{path}.ccdCodes",
            f"holds {len(codes)} codes: components bonded to each other are not supported",
            "one code per ligand entry; a glycan or peptide as one SMILES",
        )
    return code_chain(name, f"{path}.ccdCodes.0", codes[0], library)


def _polymer(kind: str, body: Mapping[str, Any], name: str, path: str, library: Library) -> Chain:
    sequence, notes = letters(body.get("sequence"), f"{path}.sequence", kind)
    unused = sorted(key for key in set(body) & _UNUSED if body[key])
    if unused:
        notes.append(f"{', '.join(unused)} not used: this model has no input for it.")
    profile: np.ndarray | None = None
    if kind == "protein":
        profile = typed(body.get("profile"), f"{path}.profile", sequence, library)
        if profile is None:
            profile = from_alignment(body.get("unpairedMsa"), f"{path}.unpairedMsa", sequence)
            if profile is not None:
                notes.append(
                    "unpairedMsa is read as a profile: the share of each residue per place."
                )
    changed = modifications(body.get("modifications"), f"{path}.modifications", kind, sequence)
    return Chain(
        name,
        kind,
        f"{path}.sequence",
        titled(sequence, changed),
        sequence=sequence,
        positions=positions(body.get("positions"), f"{path}.positions", len(sequence)),
        modifications=changed,
        profile=profile,
        notes=tuple(notes),
    )
