"""Builds ``structures.npz`` from crops of experimental structures.

Split by ``group``: crops of one PDB entry, of one 30 % protein cluster, with a shared 12-mer of
nucleic acid or the same RNA motif are of one group and never on two sides. A group with more than
HUGE examples trains; the groups of the entries in HELD_OUT are tested; of the others a hash of the
group's number puts 15 % in the test set and 6 % in the validation set.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models.alphafold3.assembly import assemble, atom_names
from models.alphafold3.data.ccd import read_components
from models.alphafold3.data.crops import Crop, read_crops
from models.alphafold3.data.store import quantise
from models.alphafold3.data.structures import FILE
from models.alphafold3.graph import NO_INDEX
from models.alphafold3.residues import AMINO_ACIDS

MOST_TOKENS, MOST_ATOMS = 96, 420
HUGE = 30
TEST_SHARE, VALIDATION_SHARE = 0.15, 0.06
# Examples worth showing whose groups are small enough to keep out of the training.
HELD_OUT = frozenset(
    "1STP 1XDN 5A7U 1TF6 1BNA 1G9V 1EVE 2PVB 1VFY 1BLU 304D 2SRC 1CRN 1L2Y 5PTI 1YJP 3AL1".split()
)
FOCUSED = ("pocket", "ion", "modified")  # classes cut around one ligand, ion or modified residue
_CLASS = {
    "pocket": "pocket",
    "pocket_na": "pocket",
    "ion": "ion",
    "modres": "modified",
    "modnt": "modified",
    "protein_dna": "protein_dna",
    "protein_rna": "protein_dna",
    "dna": "dna",
    "rna_window": "rna",
    "hybrid_window": "rna",
    "rna_hairpin": "rna",
    "rna_nway": "rna",
    "rna_twoway": "rna",
}


def crop_class(crop: Crop) -> str:
    """One of structures.CLASSES; a showcase crop goes by what it is made of."""
    if crop.kind in _CLASS:
        return _CLASS[crop.kind]
    polymers = [u for u in crop.units if u.number != NO_INDEX]
    others = [u for u in crop.units if u.number == NO_INDEX and u.mol is not None]
    protein = [u for u in polymers if u.comp in AMINO_ACIDS]
    nucleic = [u for u in polymers if u.mol is None and u.comp not in AMINO_ACIDS]
    if protein and nucleic:
        return "protein_dna"
    if any(u.mol is not None and u.mol.GetNumAtoms() > 1 for u in others):
        return "pocket"
    if others:
        return "ion"
    if any(u.mol is not None for u in polymers):
        return "modified"
    if nucleic:
        return "dna" if all(u.comp.startswith("D") for u in nucleic) else "rna"
    return "protein"


def assign_splits(groups: np.ndarray, pdb: np.ndarray) -> np.ndarray:
    """(n,) of "train", "val", "test" by the rule in the module's docstring."""
    held = {int(g) for g, entry in zip(groups, pdb, strict=True) if str(entry) in HELD_OUT}
    size = Counter(groups.tolist())
    splits = {}
    for group, count in size.items():
        place = int(hashlib.sha256(f"group {group}".encode()).hexdigest(), 16) % 1000 / 1000
        if count > HUGE:
            splits[group] = "train"
        elif group in held or place < TEST_SHARE:
            splits[group] = "test"
        else:
            splits[group] = "val" if place < TEST_SHARE + VALIDATION_SHARE else "train"
    return np.array([splits[g] for g in groups.tolist()])


def _record(crop: Crop) -> dict[str, Any] | None:
    """One example's arrays, or None when it is too large to train on."""
    assembly = assemble(crop.units, crop.links, coordinates=crop.xyz)
    graph, slots = assembly.graph, assembly.slots
    allowed = MOST_ATOMS if crop.pair is None else len(slots)  # a duplex is cut again in training
    if graph.size > MOST_TOKENS or len(slots) > allowed:
        return None
    names = [{name: i for i, name in enumerate(atom_names(u))} for u in crop.units]
    xyz = np.array([crop.xyz[k][names[k][name]] for k, name in assembly.atoms])
    pair = np.full(graph.size, -1, np.int8)
    if crop.pair is not None:
        pair[:] = crop.pair
    assert graph.turns is not None
    name = crop_class(crop)
    focus = crop.focus & (name in FOCUSED)
    if name in FOCUSED and not focus.any():  # a showcase entry as a whole
        focus = np.array([u.mol is not None for u in crop.units])
    return {
        "kind": crop.kind, "class": name, "pdb": crop.pdb, "code": crop.code,
        "title": crop.title, "group": crop.group,
        "token": graph.tokens, "rings": graph.rings, "chain": graph.chain,
        "residue_index": graph.residue_index, "pair": pair,
        "slot": slots.astype(np.int16), "atom_type": graph.atom_types[slots],
        "handed": graph.handed[slots], "turns": graph.turns[slots], "xyz": quantise(xyz),
        "focus": np.array([focus[k] for k, _ in assembly.atoms]),
        "bonds": graph.bonds, "cis_trans": graph.cis_trans,
    }  # fmt: skip


_FLAT = (
    "token", "rings", "chain", "residue_index", "pair", "slot", "atom_type", "handed", "turns", "xyz",
    "focus", "bonds", "cis_trans",
)  # fmt: skip


def pack(crops: Iterable[Crop]) -> dict[str, np.ndarray]:
    """The arrays of ``structures.npz`` (see :class:`structures.Structures`)."""
    records = [r for crop in tqdm(crops, "structures") if (r := _record(crop)) is not None]
    arrays = {key: np.concatenate([r[key] for r in records]) for key in _FLAT}
    for key in ("kind", "class", "pdb", "code", "title", "group"):
        arrays[key] = np.array([r[key] for r in records])
    for name, key in (("tokens", "token"), ("atoms", "slot"), ("bonds", "bonds")):
        arrays[f"{name}_per"] = np.array([len(r[key]) for r in records], np.int32)
    arrays["cis_trans_per"] = np.array([len(r["cis_trans"]) for r in records], np.int32)
    arrays["split"] = assign_splits(arrays["group"], arrays["pdb"])
    sizes = Counter(zip(arrays["class"].tolist(), arrays["group"].tolist(), strict=True))
    of = zip(arrays["class"].tolist(), arrays["group"].tolist(), strict=True)
    arrays["weight"] = np.array([1 / np.sqrt(sizes[key]) for key in of], np.float32)
    return arrays


def summary(arrays: dict[str, np.ndarray]) -> str:
    """One line per class: examples and groups by split, tokens, atoms, RMS of the coordinates in A."""
    edges = np.append(0, np.cumsum(arrays["atoms_per"], dtype=np.int64))
    lines = []
    for name in dict.fromkeys(arrays["class"].tolist()):
        where = arrays["class"] == name
        counts = [
            f"{split} {int((where & (arrays['split'] == split)).sum())} in "
            f"{len(np.unique(arrays['group'][where & (arrays['split'] == split)]))} groups"
            for split in ("train", "val", "test")
        ]
        sizes, atoms = arrays["tokens_per"][where], arrays["atoms_per"][where]
        square = [
            np.mean((arrays["xyz"][edges[i] : edges[i + 1]] * 0.002) ** 2)
            for i in np.flatnonzero(where)
        ]
        lines.append(
            f"{name}: {', '.join(counts)}; tokens {sizes.min()}-{int(np.median(sizes))}-"
            f"{sizes.max()}, atoms {atoms.min()}-{int(np.median(atoms))}-{atoms.max()}, "
            f"coordinate RMS {np.sqrt(np.mean(square)):.2f} A"
        )
    return "\n".join(lines)


def build(cache: Path = Path("cache"), folder: Path = Path("../shared/data")) -> Path:
    """Writes ``structures/structures.npz`` below ``cache`` from the crops in ``folder``.

    Raises FileNotFoundError when a file of the three is not there, MissingSource without biotite.
    """
    arrays = pack(read_crops(folder, read_components()))
    path = cache / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    print(summary(arrays))
    return path
