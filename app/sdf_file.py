"""Molecules as SDF: every final sample with the bond orders and charges of the input graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.molecule_files import FileAtom, FileMolecule, slices

V2000_MAX = 999  # what the counts line of a V2000 block can hold
LINE = 200  # characters; readers join longer data again

Bond = tuple[int, int, int]


def sdf(
    molecule: FileMolecule,
    samples: np.ndarray,
    provenance: str,
    plddt: np.ndarray | None = None,
    order: Sequence[int] | None = None,
) -> str:
    """One record per final sample (S, N, 3) and ligand or ion; without any, per sample. V2000, beyond
    999 atoms or bonds V3000.

    plddt: (S, N), written as the atom property list ``atom.dprop.plddt`` (RDKit reads it into the
    atoms) and its mean; order: samples by confidence, best first. Settings and versions are in the
    data item "twofold".
    """
    parts = _parts(molecule)
    records = []
    for k, sample in enumerate(np.asarray(samples, np.float64)):
        for title, chosen in parts:
            atoms = [molecule.atoms[i] for i in chosen]
            bonds = _bonds(molecule, chosen)
            block = _v3000 if max(len(atoms), len(bonds)) > V2000_MAX else _v2000
            head = [f"{title} sample {k + 1}", "  Twofold           3D", "computed, not measured"]
            items = {"twofold": slices(provenance, LINE), "sample": [str(k + 1)]}
            if plddt is not None:
                values = plddt[k][chosen]
                listed = " ".join(f"{value:.1f}" for value in values)
                items["plddt_mean"] = [f"{values.mean():.2f}"]
                items["atom.dprop.plddt"] = _words(listed)
            if order is not None:
                items["confidence_rank"] = [str(list(order).index(k) + 1)]
            data = [line for name, value in items.items() for line in (f"> <{name}>", *value, "")]
            body = block(atoms, bonds, sample[chosen])
            records.append("\n".join([*head, *body, *data, "$$$$", ""]))
    return "".join(records)


def _parts(molecule: FileMolecule) -> list[tuple[str, list[int]]]:
    """Title and atoms of every record: each ligand and ion by itself, or everything."""
    ligands: dict[str, list[int]] = {}
    for i, atom in enumerate(molecule.atoms):
        if not atom.polymer:
            ligands.setdefault(atom.chain, []).append(i)
    if not ligands:
        return [("Twofold", list(range(len(molecule.atoms))))]
    return [
        (f"{molecule.atoms[chosen[0]].residue} chain {chain},", chosen)
        for chain, chosen in ligands.items()
    ]


def _bonds(molecule: FileMolecule, chosen: Sequence[int]) -> list[Bond]:
    place = {atom: k for k, atom in enumerate(chosen)}
    return [(place[i], place[j], o) for i, j, o in molecule.bonds if i in place and j in place]


def _words(text: str) -> list[str]:
    """Lines that break at blanks only."""
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) + 1 > LINE:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]


def _v2000(atoms: Sequence[FileAtom], bonds: Sequence[Bond], positions: np.ndarray) -> list[str]:
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


def _v3000(atoms: Sequence[FileAtom], bonds: Sequence[Bond], positions: np.ndarray) -> list[str]:
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
