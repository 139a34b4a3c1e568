"""Molecules as mmCIF: every streamed estimate and the final sample as models of one trajectory.

Entities and sequences as the PDBx/mmCIF dictionary has them, so that a viewer knows what is a protein
and what a ligand; the confidence also as ModelCIF's categories, which is what viewers colour by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from app.molecule_files import STANDARD, Entity, FileAtom, FileMolecule

AROMATIC = 4
ORDERS = {1: "sing", 2: "doub", 3: "trip", AROMATIC: "arom"}
POLYMER_TYPES = {
    "protein": "polypeptide(L)",
    "dna": "polydeoxyribonucleotide",
    "rna": "polyribonucleotide",
}
COMPONENT_TYPES = {
    "protein": "L-peptide linking",
    "dna": "DNA linking",
    "rna": "RNA linking",
}
ONE_LETTER = dict(
    zip(
        "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL UNK".split(),
        "ARNDCQEGHILKMFPSTWYVX",
        strict=True,
    )
)
_ATOM_SITE = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id",
    "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy",
    "B_iso_or_equiv", "pdbx_formal_charge", "auth_seq_id", "auth_comp_id", "auth_asym_id",
    "auth_atom_id", "pdbx_PDB_model_num",
)  # fmt: skip


def mmcif(
    molecule: FileMolecule,
    models: Sequence[np.ndarray],
    labels: Sequence[str],
    provenance: str,
    plddt: np.ndarray | None = None,
) -> str:
    """A multi-model mmCIF. models: coordinates (N, 3) in A, noise first; labels: one per model; plddt:
    (N,), 0-100, of the last model."""
    confidence = (
        "The B factor is the predicted lDDT (0-100) of the last model's atoms, the same in every model."
        if plddt is not None
        else "The B factor says nothing: this run has no predicted lDDT."
    )
    lines = [
        "data_twofold",
        "# Models are in the order noise -> data: the denoised estimate of every streamed step of the",
        "# first sample; the last model is the sample itself. Computed, not measured.",
        f"# {confidence}",
        f"# {provenance}",
        "_entry.id twofold",
        "_exptl.entry_id twofold",
        "_exptl.method 'THEORETICAL MODEL'",
        *_entity_loops(molecule),
        *_bond_loops(molecule),
        *_loop(
            "ma_model_list",
            ("ordinal_id", "model_id", "model_name", "model_type"),
            [(k, k, label, "Other") for k, label in enumerate(labels, 1)],
        ),
        *(_metric_loops(molecule, plddt, len(models)) if plddt is not None else ()),
        "loop_",
        *(f"_atom_site.{name}" for name in _ATOM_SITE),
    ]
    before, after = [], []
    for i, atom in enumerate(molecule.atoms):
        entity, name = molecule.entities[atom.chain].number, quoted(atom.name)
        chain, residue = quoted(atom.chain), quoted(atom.residue)
        group = "ATOM" if atom.standard else "HETATM"
        named = f"{quoted(atom.element)} {name} . {residue} {chain} {entity}"
        before.append((group, f"{named} {_seq(molecule, atom)} ?"))
        b = 0.0 if plddt is None else plddt[i]
        after.append(f"1.00 {b:.2f} {atom.charge} {atom.residue_index} {residue} {chain} {name}")
    serial = 0
    for number, (model, label) in enumerate(zip(models, labels, strict=True), 1):
        lines.append(f"# model {number}: {label}")
        for (group, head), (x, y, z), tail in zip(
            before, np.asarray(model, np.float64), after, strict=True
        ):
            serial += 1
            lines.append(f"{group} {serial} {head} {x:.3f} {y:.3f} {z:.3f} {tail} {number}")
    return "\n".join([*lines, "#", ""])


def _seq(molecule: FileMolecule, atom: FileAtom) -> str:
    return str(molecule.place(atom)) if atom.polymer else "."


def quoted(value: str) -> str:
    """A CIF value: quoted when it holds blanks or quotes, begins like a keyword or is empty."""
    if value and not set(value) & set(" '\"#;") and value[0] not in "_$[]":
        return value
    return f'"{value}"' if '"' not in value else f"'{value}'"


def _loop(category: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    head = ["loop_", *(f"_{category}.{name}" for name in names)]
    return [*head, *(" ".join(quoted(str(value)) for value in row) for row in rows)]


def _entity_loops(molecule: FileMolecule) -> Iterator[str]:
    entities = {entity.number: entity for entity in molecule.entities.values()}.values()
    polymers = [entity for entity in entities if entity.polymer]
    strands = {
        entity.number: ",".join(c for c, e in molecule.entities.items() if e is entity)
        for entity in polymers
    }
    yield from _loop(
        "entity",
        ("id", "type", "pdbx_description"),
        [(e.number, "polymer" if e.polymer else "non-polymer", _described(e)) for e in entities],
    )
    yield from _loop(
        "entity_poly",
        ("entity_id", "type", "nstd_monomer", "pdbx_strand_id", "pdbx_seq_one_letter_code",
         "pdbx_seq_one_letter_code_can"),
        [
            (e.number, POLYMER_TYPES[e.kind], "no" if set(e.residues) <= STANDARD[e.kind] else "yes",
             strands[e.number], _letters(e), _letters(e, canonical=True))
            for e in polymers
        ],
    )  # fmt: skip
    yield from _loop(
        "entity_poly_seq",
        ("entity_id", "num", "mon_id", "hetero"),
        [(e.number, k, name, "n") for e in polymers for k, name in enumerate(e.residues, 1)],
    )
    yield from _loop(
        "pdbx_entity_nonpoly",
        ("entity_id", "name", "comp_id"),
        [(e.number, _described(e), e.residues[0]) for e in entities if not e.polymer],
    )
    yield from _loop(
        "struct_asym",
        ("id", "entity_id"),
        [(chain, entity.number) for chain, entity in molecule.entities.items()],
    )
    components = {name: _component(e, name) for e in entities for name in e.residues}
    yield from _loop("chem_comp", ("id", "type"), sorted(components.items()))


def _described(entity: Entity) -> str:
    return entity.kind if entity.polymer else f"{entity.kind} {' '.join(entity.residues)}"


def _component(entity: Entity, name: str) -> str:
    if name == "GLY":
        return "peptide linking"
    return COMPONENT_TYPES.get(entity.kind, "non-polymer")


def _letters(entity: Entity, canonical: bool = False) -> str:
    """The sequence, modified residues as (XYZ) or, canonical, as X or N."""
    letters = []
    for name in entity.residues:
        if name in STANDARD[entity.kind]:
            protein = entity.kind == "protein"
            letters.append(
                ONE_LETTER[name] if protein else name if canonical is False else name[-1]
            )
        elif canonical:
            letters.append("X" if entity.kind == "protein" else "N")
        else:
            letters.append(f"({name})")
    # mmCIF writes deoxynucleotides in brackets: they are no single letters.
    if entity.kind == "dna" and not canonical:
        return "".join(part if part.startswith("(") else f"({part})" for part in letters)
    return "".join(letters)


def _bond_loops(molecule: FileMolecule) -> Iterator[str]:
    """Bonds within a residue as _chem_comp_bond, once per component; the others as _struct_conn, but
    for those along a chain of usual residues, which every reader makes by itself."""
    inside: dict[tuple[str, str, str], int] = {}
    between: list[tuple[str, ...]] = []
    for i, j, order in molecule.bonds:
        a, b = molecule.atoms[i], molecule.atoms[j]
        if (a.chain, a.residue_index) == (b.chain, b.residue_index):
            inside.setdefault((a.residue, a.name, b.name), order)
        elif not molecule.implied(i, j):
            ends = (*_partner(molecule, a), *_partner(molecule, b))
            between.append((f"covale{len(between) + 1}", "covale", *ends))
    rows = [
        (*key, ORDERS[order], "Y" if order == AROMATIC else "N", k)
        for k, (key, order) in enumerate(inside.items(), 1)
    ]
    names: tuple[str, ...] = ("comp_id", "atom_id_1", "atom_id_2")
    names += ("value_order", "pdbx_aromatic_flag", "pdbx_ordinal")
    yield from _loop("chem_comp_bond", names, rows)
    partner = ("label_asym_id", "label_comp_id", "label_seq_id", "label_atom_id", "auth_asym_id",
               "auth_comp_id", "auth_seq_id")  # fmt: skip
    names = ("id", "conn_type_id", *(f"ptnr{k}_{name}" for k in (1, 2) for name in partner))
    yield from _loop("struct_conn", names, between)
    if between:
        yield from _loop("struct_conn_type", ("id",), [("covale",)])


def _partner(molecule: FileMolecule, atom: FileAtom) -> tuple[str, ...]:
    seq = _seq(molecule, atom)
    auth = (atom.chain, atom.residue, str(atom.residue_index))
    return (atom.chain, atom.residue, seq, atom.name, *auth)


def _metric_loops(molecule: FileMolecule, plddt: np.ndarray, model: int) -> Iterator[str]:
    """ModelCIF's quality categories for the last model: one value over all, one per residue."""
    modes = [
        (k, "pLDDT", "predicted lDDT", "pLDDT", mode) for k, mode in ((1, "global"), (2, "local"))
    ]
    yield from _loop("ma_qa_metric", ("id", "name", "description", "type", "mode"), modes)
    whole = [(1, model, 1, f"{plddt.mean():.2f}")]
    yield from _loop(
        "ma_qa_metric_global", ("ordinal_id", "model_id", "metric_id", "metric_value"), whole
    )
    residues: dict[tuple[str, str, str], list[float]] = {}
    for atom, value in zip(molecule.atoms, plddt, strict=True):
        key = (atom.chain, atom.residue, _seq(molecule, atom))
        residues.setdefault(key, []).append(float(value))
    yield from _loop(
        "ma_qa_metric_local",
        ("ordinal_id", "model_id", "label_asym_id", "label_comp_id", "label_seq_id", "metric_id",
         "metric_value"),
        [
            (k, model, *key, 2, f"{np.mean(values):.2f}")
            for k, (key, values) in enumerate(residues.items(), 1)
        ],
    )  # fmt: skip
