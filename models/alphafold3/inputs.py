"""What a visitor typed -> a plan: the graph, how to show it, and what to say about it.

Accepted are AlphaFold 3's public JSON (``{"sequences": [{"protein": {"id", "sequence"}}, {"ligand":
{"id", "ccdCodes" | "smiles"}}, {"dna" | "rna": {"id", "sequence"}}]}``) and the short forms
``{"smiles"}``, ``{"ccd"}``, ``{"protein"}``, ``{"dna"}``, ``{"rna"}``. Anything else is an InputError
with the dotted path of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from models.alphafold3.chains import Chain, ligand_chain, nucleic_chain, protein_chain
from models.alphafold3.diffusion_module import STYLES
from models.alphafold3.graph import join
from models.alphafold3.library import Library, Training
from models.alphafold3.network import Structure
from models.pipeline import InputError

KINDS = ("smiles", "ccd", "protein", "dna", "rna")
FORMS = (
    'one of {"smiles": ...}, {"ccd": ...}, {"protein": ...}, {"dna": ...}, {"rna": ...} or AlphaFold 3\'s '
    '{"sequences": [...]}'
)
MAX_ATOM_TOKENS, MAX_RESIDUES, MAX_TOKENS, MAX_CHAINS = 128, 192, 256, 8
TRAINED_ATOMS, TRAINED_RESIDUES = 40, 64
# Keys of the public format that change nothing here.
IGNORED_TOP = {"name", "modelSeeds", "dialect", "version"}
IGNORED_PROTEIN = {
    "unpairedMsa",
    "pairedMsa",
    "templates",
    "unpairedMsaPath",
    "pairedMsaPath",
    "description",
}
_RANK = {"seen": 2, "similar": 1, "unseen": 0}


@dataclass(frozen=True)
class Plan:
    """A parsed input. ``structure`` is what the networks get; the rest is for people."""

    structure: Structure
    chains: tuple[Chain, ...]
    notes: tuple[str, ...]
    training: Training
    title: str
    reference: Tensor | None = None  # (N, 3) A, atoms of the structure
    reference_name: str = ""
    atoms: list[dict[str, Any]] = field(default_factory=list)
    bonds: list[list[int]] = field(default_factory=list)

    @property
    def slots(self) -> int:
        return self.structure.graph.slots


def parse(given: Mapping[str, Any], library: Library) -> Plan:
    """Raises InputError naming the field below ``input.`` that cannot be used."""
    if not isinstance(given, Mapping) or not given:
        raise InputError("input", "is empty", FORMS)
    style = given.get("style", STYLES[0])
    if style not in STYLES:
        raise InputError("input.style", f"{style!r} is not known", " or ".join(STYLES))
    given = {key: value for key, value in given.items() if key != "style"}
    if "sequences" in given:
        chains = _public_format(given, library)
    else:
        unknown = [key for key in given if key not in KINDS]
        if unknown:
            raise InputError(f"input.{unknown[0]}", "is not a key of this input", FORMS)
        if len(given) != 1:
            raise InputError("input", f"holds {' and '.join(given)} at once", FORMS)
        ((kind, value),) = given.items()
        chains = [_chain(kind, value, "A", f"input.{kind}", library)]
    return _assemble(chains, style, library)


def _chain(kind: str, value: Any, name: str, path: str, library: Library) -> Chain:
    if not isinstance(value, str):
        raise InputError(path, "must be text", "text")
    if kind == "smiles":
        return ligand_chain(name, path, smiles=value)
    if kind == "ccd":
        return ligand_chain(name, path, code=value, library=library)
    if kind == "protein":
        return protein_chain(name, path, value, MAX_RESIDUES)
    return nucleic_chain(name, path, value, kind)


def _identifiers(entry: Mapping[str, Any], path: str, number: int) -> list[str]:
    given = entry.get("id", chr(ord("A") + number))
    names = [given] if isinstance(given, str) else given
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(n, str) and n.isalnum() for n in names)
    ):
        raise InputError(
            f"{path}.id", "is not a chain id", 'a letter such as "A", or a list of them'
        )
    return names


def _public_format(given: Mapping[str, Any], library: Library) -> list[Chain]:
    for key in given:
        # The format's optional keys may be there and empty; filled, they would change the answer.
        if key != "sequences" and key not in IGNORED_TOP and given[key] not in (None, [], ""):
            raise InputError(
                f"input.{key}",
                "is not supported here",
                "sequences, name, modelSeeds, dialect, version",
            )
    entries = given["sequences"]
    if not isinstance(entries, list) or not entries:
        raise InputError("input.sequences", "must be a non-empty list", FORMS)
    chains: list[Chain] = []
    for number, entry in enumerate(entries):
        path = f"input.sequences.{number}"
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise InputError(
                path,
                "must hold exactly one molecule",
                '{"protein" | "dna" | "rna" | "ligand": {...}}',
            )
        ((kind, body),) = entry.items()
        path = f"{path}.{kind}"
        if kind not in ("protein", "dna", "rna", "ligand") or not isinstance(body, Mapping):
            raise InputError(
                path, "is not a molecule", '"protein", "dna", "rna" or "ligand" with an object'
            )
        names = _identifiers(body, path, len(chains))
        chain = (
            _ligand(body, names[0], path, library)
            if kind == "ligand"
            else _polymer(kind, body, names[0], path)
        )
        chains += [replace(chain, name=name) for name in names]
        if len(chains) > MAX_CHAINS:
            raise InputError(
                "input.sequences", "holds too many chains", f"at most {MAX_CHAINS} chains"
            )
    if len({chain.name for chain in chains}) < len(chains):
        raise InputError(
            "input.sequences", "uses a chain id twice", "a different id for every chain"
        )
    return chains


def _ligand(body: Mapping[str, Any], name: str, path: str, library: Library) -> Chain:
    unknown = set(body) - {"id", "ccdCodes", "smiles", "description"}
    if unknown:
        raise InputError(f"{path}.{min(unknown)}", "is not supported here", "id, ccdCodes, smiles")
    if ("smiles" in body) == ("ccdCodes" in body):
        raise InputError(
            path, "needs either smiles or ccdCodes", '"smiles": text or "ccdCodes": ["ATP"]'
        )
    if "smiles" in body:
        return _chain("smiles", body["smiles"], name, f"{path}.smiles", library)
    codes = body["ccdCodes"]
    if not isinstance(codes, list) or len(codes) != 1:
        raise InputError(
            f"{path}.ccdCodes",
            "must be a list of one code",
            '["ATP"]; linked components are not supported',
        )
    return _chain("ccd", codes[0], name, f"{path}.ccdCodes.0", library)


def _polymer(kind: str, body: Mapping[str, Any], name: str, path: str) -> Chain:
    unknown = set(body) - {"id", "sequence"} - IGNORED_PROTEIN - {"modifications"}
    if unknown:
        raise InputError(f"{path}.{min(unknown)}", "is not supported here", "id, sequence")
    if body.get("modifications"):
        raise InputError(
            f"{path}.modifications", "modified residues are not trained", "an empty list"
        )
    if not isinstance(body.get("sequence"), str):
        raise InputError(f"{path}.sequence", "is missing", "a sequence of one-letter codes")
    if kind == "protein":
        chain = protein_chain(name, f"{path}.sequence", body["sequence"], MAX_RESIDUES)
    else:
        chain = nucleic_chain(name, f"{path}.sequence", body["sequence"], kind)
    unused = sorted(key for key in set(body) & IGNORED_PROTEIN if body[key])
    if unused:
        chain = replace(
            chain,
            notes=(
                *chain.notes,
                f"{', '.join(unused)} not used: this model has no MSA or template input.",
            ),
        )
    return chain


def _assemble(chains: list[Chain], style: str, library: Library) -> Plan:
    graphs = [chain.graph for chain in chains]
    tokens = sum(g.size for g in graphs)
    atoms = sum(g.size for g in graphs if g.slots == 1)
    if atoms > MAX_ATOM_TOKENS or tokens > MAX_TOKENS:
        path = chains[0].path if len(chains) == 1 else "input.sequences"
        raise InputError(
            path,
            f"has {atoms} heavy atoms" if atoms > MAX_ATOM_TOKENS else f"has {tokens} tokens",
            f"at most {MAX_ATOM_TOKENS} heavy atoms outside proteins, {MAX_RESIDUES} residues in proteins, "
            f"{MAX_TOKENS} tokens in all",
        )
    notes = [note for chain in chains for note in chain.notes]
    largest = max((g.size for g in graphs if g.slots == 1), default=0)
    longest = max((g.size for g in graphs if g.slots > 1), default=0)
    if largest > TRAINED_ATOMS:
        notes.append(
            f"{largest} heavy atoms are outside the trained range (2-{TRAINED_ATOMS}): "
            "expect strained or tangled shapes."
        )
    if longest > TRAINED_RESIDUES:
        notes.append(
            f"{longest} residues are outside the trained range (16-{TRAINED_RESIDUES}): "
            "local structure only."
        )
    if len(chains) > 1:
        notes.append(
            "Complexes are not trained yet: each chain is shaped, their arrangement means nothing."
        )
    graph = graphs[0] if len(chains) == 1 else join(graphs)
    labels = [_training(chain, library) for chain in chains]
    reference, name = _reference(chains, library)
    records, bonds = _records(chains)
    return Plan(
        structure=Structure(graph, style),
        chains=tuple(chains),
        notes=tuple(dict.fromkeys(notes)),
        training=min(labels, key=_RANK.__getitem__),
        title=" + ".join(chain.title for chain in chains),
        reference=reference,
        reference_name=name,
        atoms=records,
        bonds=bonds,
    )


def _training(chain: Chain, library: Library) -> Training:
    if chain.mol is not None:
        return library.molecule_training(chain.mol)
    return library.protein_training(chain.sequence)


def _reference(chains: list[Chain], library: Library) -> tuple[Tensor | None, str]:
    if len(chains) > 1:
        return None, ""
    return chains[0].reference(library)


def _records(chains: list[Chain]) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Atoms and bonds of the start event; bonds between the atoms as numbered there."""
    records: list[dict[str, Any]] = []
    bonds: list[list[int]] = []
    token = 0
    for chain in chains:
        first = len(records)
        bonds += [[first + i, first + j, order] for i, j, order in chain.bonds()]
        for atom in chain.atoms():
            records.append(atom | {"chain": chain.name, "token": token + atom["token"]})
        token += chain.graph.size
    return records, bonds
