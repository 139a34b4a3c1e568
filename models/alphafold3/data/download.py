"""The same kinds of crops from the PDB itself: downloads the entries of ``entries.txt`` and writes the
three files that :func:`models.alphafold3.data.crops.read_crops` reads. Needs biotite and a network.

Rules, per entry of the list: *pocket*, *modified* - every residue within 5 A of the component, the
furthest left out above MOST_ATOMS; *ion* - within 4.5 A, at least two contacts that are not water;
*duplex* - all runs of six Watson-Crick pairs; *interface* - four pairs of a duplex with protein within
4.5 A and the nearest residues; *rna_loop* - the nucleotides of every loop with the pairs that close it
(one: hairpin, two: internal loop, more: junction); *showcase* - the whole entry when it is small.
No hydrogens, no water, first alternative location, first model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models.alphafold3.data.ccd import BIOTITE, MissingSource
from models.alphafold3.graph import METALS
from models.alphafold3.residues import AMINO_ACIDS, NUCLEOTIDES

LIST = Path(__file__).with_name("entries.txt")
POCKET_REACH, ION_REACH, BOUND = 5.0, 4.5, 4.5
MOST_ATOMS, MOST_INTERFACE_ATOMS, MOST_SHOWN_ATOMS = 300, 400, 500
PAIRS, INTERFACE_PAIRS, INTERFACES = 6, 4, 3
WATSON_CRICK = frozenset(("AU", "UA", "AT", "TA", "CG", "GC"))
LONGEST_BOND, LONGEST_METAL_CONTACT = 2.3, 2.8
KINDS = (
    "pocket", "ion", "modres", "modnt", "protein_dna", "dna_window", "rna_window", "hybrid_window",
    "rna_hairpin", "rna_nway", "rna_twoway", "showcase",
)  # fmt: skip
FILE_OF = {"showcase": "showcase.npz"} | dict.fromkeys(KINDS[5:11], "nucleic.npz")
_ORDERS = {1: 1, 5: 1, 2: 2, 6: 2, 3: 3, 7: 3}  # of biotite's bond types; others count as single


@dataclass(frozen=True)
class Cut:
    """One crop: its kind, the code of its focus, and the residues (numbers in the entry) it holds."""

    kind: str
    code: str
    residues: tuple[int, ...]
    focus: frozenset[int]


class Entry:
    """One entry: biotite's atoms with bonds, and what each residue is."""

    def __init__(self, atoms: Any) -> None:
        import biotite.structure as struc

        heavy = ~np.isin(atoms.element, ("H", "D")) & (atoms.res_name != "HOH")
        self.atoms = atoms[heavy & (atoms.res_name != "DOD")]
        starts = struc.get_residue_starts(self.atoms, add_exclusive_stop=True)
        self.starts = np.asarray(starts)
        self.count = len(starts) - 1
        self.owner = np.repeat(np.arange(self.count), np.diff(starts))
        self.comp = self.atoms.res_name[starts[:-1]]
        self.size = np.diff(starts)
        self.protein = np.isin(self.comp, AMINO_ACIDS)
        self.nucleic = np.isin(self.comp, NUCLEOTIDES)
        bonds = self.atoms.bonds.as_array().astype(np.int64)
        p, q = bonds[:, 0], bonds[:, 1]
        metal = np.isin(self.atoms.element, [m.upper() for m in METALS])
        length = np.linalg.norm(self.atoms.coord[p] - self.atoms.coord[q], axis=1)
        sane = (length < LONGEST_BOND) & ~metal[p] & ~metal[q]
        self.bonds = bonds[sane]
        linked = self.owner[self.bonds[:, :2]]
        linked = linked[linked[:, 0] != linked[:, 1]]
        self.neighbours: set[tuple[int, int]] = {(int(i), int(j)) for i, j in linked}
        self.neighbours |= {(j, i) for i, j in self.neighbours}
        self.linked = np.isin(np.arange(self.count), linked)  # part of a chain, or bonded to one

    def reach(self, focus: list[int], cutoff: float) -> tuple[np.ndarray, np.ndarray]:
        """-> residues with an atom nearer than ``cutoff`` A to the focus, and how near, nearest first."""
        own = np.isin(self.owner, focus)
        nearest = np.full(len(own), np.inf)
        for xyz in self.atoms.coord[own]:
            nearest = np.minimum(nearest, np.linalg.norm(self.atoms.coord - xyz, axis=1))
        distance = np.minimum.reduceat(nearest, self.starts[:-1])
        order = np.argsort(distance, kind="stable")
        order = order[distance[order] < cutoff]
        return order, distance[order]

    def around(self, focus: list[int], cutoff: float, most: int) -> tuple[int, ...]:
        """The focus and the nearest residues within ``cutoff`` A, at most ``most`` atoms."""
        order, _ = self.reach(focus, cutoff)
        kept, atoms = list(focus), int(self.size[focus].sum())
        for residue in order.tolist():
            if residue not in kept:
                atoms += int(self.size[residue])
                if atoms > most:
                    break
                kept.append(residue)
        return tuple(sorted(kept))


def _pairs(entry: Entry) -> dict[int, int]:
    """Nucleotide -> partner, Watson-Crick pairs between standard nucleotides only."""
    import biotite.structure as struc

    if entry.nucleic.sum() < 2:
        return {}
    atoms = entry.atoms[entry.nucleic[entry.owner]]
    where = np.flatnonzero(entry.nucleic[entry.owner])
    partner: dict[int, int] = {}
    for i, j in struc.base_pairs(atoms):
        a, b = int(entry.owner[where[i]]), int(entry.owner[where[j]])
        if entry.comp[a][-1] + entry.comp[b][-1] in WATSON_CRICK:
            partner[a], partner[b] = b, a
    return partner


def _helices(entry: Entry, partner: dict[int, int], length: int) -> Iterator[list[int]]:
    """Runs of ``length`` stacked pairs: the first strand 5' to 3', then the second."""
    seen = set()
    for first in sorted(partner):
        run = [first + k for k in range(length)]
        if not all(r in partner for r in run):
            continue
        across = [partner[r] for r in run]
        steps = zip(run, run[1:], across, across[1:], strict=False)
        joined = all(
            (a, b) in entry.neighbours and d == c - 1 and (c, d) in entry.neighbours
            for a, b, c, d in steps
        )
        found = frozenset((*run, *across))
        if joined and found not in seen and len(found) == 2 * length:
            seen.add(found)
            yield [*run, *reversed(across)]


def _loops(entry: Entry, partner: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
    """(number of closing pairs, nucleotides 5' to 3') of every loop; walks from each pair inwards."""
    for i, j in sorted(partner.items()):
        if i > j:
            continue
        here, kept, closing = i, [i], 1
        while here != j:
            if (here, here + 1) not in entry.neighbours or not entry.nucleic[here + 1]:
                break
            here += 1
            kept.append(here)
            far = partner.get(here, here)
            if here < far < j:
                closing += 1
                here = far
                kept.append(here)
        stacked = closing == 2 and len(kept) == 4
        if here == j and not stacked and entry.size[kept].sum() <= MOST_ATOMS:
            yield closing, kept


def cuts(atoms: Any, wanted: dict[str, list[str]]) -> Iterator[Cut]:
    """Every crop of an entry's atoms (biotite, with bonds) for what the list says: kind -> codes."""
    entry = Entry(atoms)
    for residue in range(entry.count):
        code, size = str(entry.comp[residue]), int(entry.size[residue])
        kind = next((k for k, codes in wanted.items() if code in codes), "")
        if kind == "ion" and size == 1:
            kept = entry.around([residue], ION_REACH, MOST_ATOMS)
            if len(kept) > 2:
                yield Cut("ion", code, kept, frozenset([residue]))
        elif kind in ("pocket", "modified") and size > 1:
            kept = entry.around([residue], POCKET_REACH, MOST_ATOMS)
            name = kind
            if kind == "modified":
                sugar = "C1'" in entry.atoms.atom_name[entry.owner == residue]
                name = "modnt" if sugar else "modres"
            yield Cut(name, code, kept, frozenset([residue]))
    partner = _pairs(entry) if {"duplex", "interface", "rna_loop"} & set(wanted) else {}
    if "duplex" in wanted:
        for run in _helices(entry, partner, PAIRS):
            deoxy = {str(c).startswith("D") for c in entry.comp[run]}
            kind = "hybrid_window" if len(deoxy) > 1 else "dna_window"
            kind = kind if deoxy != {False} else "rna_window"
            yield Cut(kind, "", tuple(run), frozenset(run))
    if "interface" in wanted:
        bound = []
        for run in _helices(entry, partner, INTERFACE_PAIRS):
            near, _ = entry.reach(run, BOUND)
            bound.append((int(entry.protein[near].sum()), run))
        bound.sort(key=lambda item: -item[0])
        for contacts, run in bound[:INTERFACES]:
            if contacts:
                kept = entry.around(run, POCKET_REACH, MOST_INTERFACE_ATOMS)
                yield Cut("protein_dna", "", kept, frozenset(run))
    if "rna_loop" in wanted:
        for closing, kept_loop in _loops(entry, partner):
            kind = ("rna_hairpin", "rna_twoway", "rna_nway")[min(closing, 3) - 1]
            yield Cut(kind, "", tuple(kept_loop), frozenset(kept_loop))
    if "showcase" in wanted and entry.size.sum() <= MOST_SHOWN_ATOMS:
        yield Cut("showcase", "", tuple(range(entry.count)), frozenset())


def _mol_class(entry: Entry, residue: int) -> int:
    """moldata's code: 0 protein, 1 dna, 2 rna, 3 ligand, 4 ion, 5 modified residue in a chain."""
    if entry.protein[residue]:
        return 0
    if entry.nucleic[residue]:
        return 1 if str(entry.comp[residue]).startswith("D") else 2
    if entry.size[residue] == 1:
        return 4
    names = set(entry.atoms.atom_name[entry.owner == residue].tolist())
    in_chain = entry.linked[residue] and ({"N", "CA", "C"} <= names or {"C1'", "O3'"} <= names)
    return (
        5
        if in_chain or "N1 CA1 C3" == " ".join(n for n in ("N1", "CA1", "C3") if n in names)
        else 3
    )


def arrays(cut: Cut, entry: Entry, pdb: str, group: int) -> dict[str, Any]:
    """One crop in the layout of the three files (docs/molecules.md)."""
    from rdkit import Chem

    number = Chem.GetPeriodicTable().GetAtomicNumber
    index = np.concatenate([np.arange(entry.starts[r], entry.starts[r + 1]) for r in cut.residues])
    place = {int(a): n for n, a in enumerate(index)}
    local = {r: n for n, r in enumerate(cut.residues)}
    atoms, owner = entry.atoms[index], entry.owner[index]
    rows = [
        (
            place[int(p)],
            place[int(q)],
            _ORDERS.get(int(order), 1),
            int(entry.owner[p] != entry.owner[q]),
        )
        for p, q, order in entry.bonds
        if int(p) in place and int(q) in place
    ]
    held = np.array(rows, np.int64).reshape(-1, 4)
    return {
        "z": np.array([number(str(e).capitalize()) for e in atoms.element], np.uint8),
        "name": atoms.atom_name.astype("S4"),
        "comp": atoms.res_name.astype("S5"),
        "chain": atoms.chain_id.astype("S4"),
        "resnum": atoms.res_id.astype(np.int32),
        "residue": np.array([local[int(r)] for r in owner], np.uint8),
        "mol": np.array([_mol_class(entry, int(r)) for r in owner], np.uint8),
        "focus": np.isin(owner, list(cut.focus)).astype(np.uint8),
        "xyz": atoms.coord.astype(np.float32),
        "bond": np.sort(held[:, :2], axis=1).astype(np.uint16),
        "bond_order": held[:, 2].astype(np.uint8),
        "bond_kind": np.where(held[:, 3] > 0, 5, 0).astype(np.uint8),
        "kind": KINDS.index(cut.kind), "pdb": pdb, "code": cut.code, "group": group,
    }  # fmt: skip


def pack(crops: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    per_atom = ("z", "name", "comp", "chain", "resnum", "residue", "mol", "focus", "xyz")
    per_bond = ("bond", "bond_order", "bond_kind")
    out = {key: np.concatenate([c[key] for c in crops]) for key in (*per_atom, *per_bond)}
    for name, key in (("atom_start", "z"), ("bond_start", "bond")):
        out[name] = np.append(0, np.cumsum([len(c[key]) for c in crops])).astype(np.int32)
    out["kind"] = np.array([c["kind"] for c in crops], np.uint8)
    out["kind_names"] = np.array([k.encode() for k in KINDS])
    out["group"] = np.array([c["group"] for c in crops], np.int32)
    for key in ("pdb", "code"):
        out[key] = np.array([c[key].encode() for c in crops])
    return out


def read_list(path: Path = LIST) -> dict[str, tuple[int, dict[str, list[str]]]]:
    """PDB id -> group, kind -> codes."""
    entries = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pdb, group, *kinds = line.split()
            parts = [kind.partition(":") for kind in kinds]
            entries[pdb] = (int(group), {k: codes.split(",") for k, _, codes in parts})
    return entries


def download(folder: Path, limit: int | None = None) -> Path:
    """Fetches the entries as binary mmCIF into ``folder``/entries and writes the three files.

    Files that are there are not fetched again. Raises MissingSource without biotite, and whatever
    the network raises.
    """
    try:
        from biotite.database import rcsb
        from biotite.structure.io import pdbx
    except ImportError as error:
        raise MissingSource(f"reading mmCIF needs biotite: pip install {BIOTITE}") from error
    store = folder / "entries"
    store.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("nucleic.npz", "complexes.npz", "showcase.npz")
    }
    for pdb, (group, wanted) in tqdm(list(read_list().items())[:limit], "entries"):
        file = pdbx.BinaryCIFFile.read(str(rcsb.fetch(pdb, "bcif", str(store))))
        atoms = pdbx.get_structure(file, model=1, include_bonds=True)
        entry = Entry(atoms)
        for cut in cuts(atoms, wanted):
            files[FILE_OF.get(cut.kind, "complexes.npz")].append(arrays(cut, entry, pdb, group))
    for name, crops in files.items():
        if crops:
            np.savez_compressed(folder / name, **pack(crops))  # type: ignore[arg-type]
    return folder
