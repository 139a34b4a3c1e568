"""Molecules as files that other programs open: mmCIF (the trajectory) and SDF (the final samples).

Atoms, bonds and chains are those of a run's ``start`` event; bonds come from the input graph, never from
distances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

AMINO_ACIDS = frozenset(
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL UNK".split()
)
AROMATIC = 4
CIF_ORDERS = {1: "sing", 2: "doub", 3: "trip", AROMATIC: "arom"}
SDF_MAX = 999  # what the counts line of a V2000 block can hold


def mmcif(
    start: Mapping[str, Any], models: Sequence[np.ndarray], labels: Sequence[str], provenance: str
) -> str:
    """A multi-model mmCIF. models: coordinates (N, 3) in A, noise first; labels: one per model."""
    atoms = [_Atom(i, atom) for i, atom in enumerate(start["atoms"])]
    lines = [
        "data_twofold",
        "# Models are in the order noise -> data: the denoised estimate of every streamed step of the",
        "# first sample; the last model is the sample itself. Computed, not measured.",
        f"# {provenance}",
        "_entry.id twofold",
        "_exptl.entry_id twofold",
        "_exptl.method 'THEORETICAL MODEL'",
        *_loop(
            "struct_asym",
            ("id", "entity_id"),
            [(chain, k + 1) for k, chain in enumerate(_chains(atoms))],
        ),
        *_loop("entity", ("id", "type"), _entities(atoms)),
        *_bond_loops(atoms, start["bonds"]),
        "loop_",
        *(f"_atom_site.{name}" for name in _ATOM_SITE),
    ]
    entity = {chain: k + 1 for k, chain in enumerate(_chains(atoms))}
    serial = 0
    for number, (model, label) in enumerate(zip(models, labels, strict=True), 1):
        lines.append(f"# model {number}: {label}")
        for atom, (x, y, z) in zip(atoms, np.asarray(model, np.float64), strict=True):
            serial += 1
            lines.append(
                f"{'ATOM' if atom.polymer else 'HETATM'} {serial} {_quote(atom.element)} {atom.cif_name} . "
                f"{_quote(atom.residue)} {_quote(atom.chain)} {entity[atom.chain]} "
                f"{atom.residue_index if atom.polymer else '.'} ? {x:.3f} {y:.3f} {z:.3f} 1.00 0.00 "
                f"{atom.charge} {atom.residue_index} {_quote(atom.residue)} {_quote(atom.chain)} "
                f"{atom.cif_name} {number}"
            )
    return "\n".join([*lines, "#", ""])


_ATOM_SITE = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id",
    "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy",
    "B_iso_or_equiv", "pdbx_formal_charge", "auth_seq_id", "auth_comp_id", "auth_asym_id",
    "auth_atom_id", "pdbx_PDB_model_num",
)  # fmt: skip


class _Atom:
    """An atom of the start event with everything a file wants to know."""

    def __init__(self, index: int, atom: Mapping[str, Any]) -> None:
        self.element = str(atom["element"])
        self.name = str(atom.get("name") or f"{self.element}{index + 1}")
        self.cif_name = _quote(self.name)
        self.chain = str(atom.get("chain") or "A")
        self.residue = str(atom.get("residue") or "LIG")
        self.residue_index = int(atom.get("residue_index") or 1)
        self.charge = int(atom.get("charge") or 0)
        self.polymer = self.residue in AMINO_ACIDS


def _quote(value: str) -> str:
    """A CIF value: quoted when it holds blanks, quotes or begins like a keyword."""
    if value and not set(value) & set(" '\"#;") and value[0] not in "_$[]":
        return value
    return f'"{value}"' if '"' not in value else f"'{value}'"


def _loop(category: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    head = ["loop_", *(f"_{category}.{name}" for name in names)]
    return [*head, *(" ".join(_quote(str(value)) for value in row) for row in rows)]


def _chains(atoms: Sequence[_Atom]) -> list[str]:
    return list(dict.fromkeys(atom.chain for atom in atoms))


def _entities(atoms: Sequence[_Atom]) -> list[tuple[int, str]]:
    return [
        (k + 1, "polymer" if all(a.polymer for a in atoms if a.chain == chain) else "non-polymer")
        for k, chain in enumerate(_chains(atoms))
    ]


def _bond_loops(atoms: Sequence[_Atom], bonds: Sequence[Sequence[int]]) -> Iterator[str]:
    """Bonds within a residue as _chem_comp_bond, once per component; the others, peptide bonds aside
    (every reader knows them), as _struct_conn."""
    inside: dict[tuple[str, str, str], int] = {}
    between: list[tuple[str, ...]] = []
    for i, j, order in bonds:
        a, b = atoms[i], atoms[j]
        if (a.chain, a.residue_index) == (b.chain, b.residue_index):
            inside.setdefault((a.residue, a.name, b.name), order)
        elif {a.name, b.name} != {"C", "N"} or not (a.polymer and b.polymer):
            between.append((f"covale{len(between) + 1}", "covale", *_partner(a), *_partner(b)))
    rows = [
        (*key, CIF_ORDERS[order], "Y" if order == AROMATIC else "N", k)
        for k, (key, order) in enumerate(inside.items(), 1)
    ]
    names: tuple[str, ...] = ("comp_id", "atom_id_1", "atom_id_2")
    names += ("value_order", "pdbx_aromatic_flag", "pdbx_ordinal")
    yield from _loop("chem_comp_bond", names, rows)
    partner = ("label_asym_id", "label_comp_id", "label_seq_id", "label_atom_id")
    names = ("id", "conn_type_id", *(f"ptnr{k}_{name}" for k in (1, 2) for name in partner))
    yield from _loop("struct_conn", names, between)


def _partner(atom: _Atom) -> tuple[str, str, str, str]:
    return atom.chain, atom.residue, str(atom.residue_index) if atom.polymer else ".", atom.name


def sdf(start: Mapping[str, Any], samples: np.ndarray, provenance: str) -> str:
    """One V2000 record per final sample (S, N, 3), V3000 beyond 999 atoms or bonds. Settings and
    versions in the data item "twofold"."""
    atoms = [_Atom(i, atom) for i, atom in enumerate(start["atoms"])]
    bonds = start["bonds"]
    large = max(len(atoms), len(bonds)) > SDF_MAX
    block = _v3000 if large else _v2000
    records = []
    for number, sample in enumerate(samples, 1):
        head = [f"Twofold sample {number}", "  Twofold           3D", "computed, not measured"]
        body = block(atoms, bonds, np.asarray(sample, np.float64))
        data = ["> <twofold>", *_wrap(provenance), "", "> <sample>", str(number), "", "$$$$", ""]
        records.append("\n".join([*head, *body, *data]))
    return "".join(records)


def _wrap(text: str, width: int = 200) -> list[str]:
    """SDF data lines are limited to 200 characters; readers join them again."""
    return [text[i : i + width] for i in range(0, len(text), width)]


def _v2000(
    atoms: Sequence[_Atom], bonds: Sequence[Sequence[int]], positions: np.ndarray
) -> list[str]:
    lines = [f"{len(atoms):3d}{len(bonds):3d}  0  0  1  0  0  0  0  0999 V2000"]
    for atom, (x, y, z) in zip(atoms, positions, strict=True):
        lines.append(
            f"{x:10.4f}{y:10.4f}{z:10.4f} {atom.element:<3} 0  0  0  0  0  0  0  0  0  0  0  0"
        )
    lines += [f"{i + 1:3d}{j + 1:3d}{order:3d}  0" for i, j, order in bonds]
    charged = [(i + 1, atom.charge) for i, atom in enumerate(atoms) if atom.charge]
    for k in range(0, len(charged), 8):
        part = charged[k : k + 8]
        lines.append(
            f"M  CHG{len(part):3d}" + "".join(f" {i:3d} {charge:3d}" for i, charge in part)
        )
    return [*lines, "M  END"]


def _v3000(
    atoms: Sequence[_Atom], bonds: Sequence[Sequence[int]], positions: np.ndarray
) -> list[str]:
    lines = [
        "  0  0  0     0  0            999 V3000",
        "M  V30 BEGIN CTAB",
        f"M  V30 COUNTS {len(atoms)} {len(bonds)} 0 0 0",
        "M  V30 BEGIN ATOM",
    ]
    for i, (atom, (x, y, z)) in enumerate(zip(atoms, positions, strict=True), 1):
        charge = f" CHG={atom.charge}" if atom.charge else ""
        lines.append(f"M  V30 {i} {atom.element} {x:.4f} {y:.4f} {z:.4f} 0{charge}")
    lines += ["M  V30 END ATOM", "M  V30 BEGIN BOND"]
    lines += [f"M  V30 {k} {order} {i + 1} {j + 1}" for k, (i, j, order) in enumerate(bonds, 1)]
    return [*lines, "M  V30 END BOND", "M  V30 END CTAB", "M  END"]
