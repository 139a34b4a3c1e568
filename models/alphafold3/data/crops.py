"""Pieces cut out of experimental structures, as units: read from ``complexes.npz``, ``nucleic.npz`` and
``showcase.npz`` (see docs/molecules.md for what they hold).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdchem

from models.alphafold3.data.ccd import Component
from models.alphafold3.graph import ELEMENTS, METALS, NO_INDEX
from models.alphafold3.residues import RESIDUE_ATOMS
from models.alphafold3.units import JOINTS, Link, Unit, chain_links

FILES = ("nucleic.npz", "complexes.npz", "showcase.npz")
PEPTIDE, PHOSPHODIESTER, METAL = 2, 3, 6
LIGAND, ION = 3, 4
_BONDS = {1: rdchem.BondType.SINGLE, 2: rdchem.BondType.DOUBLE, 3: rdchem.BondType.TRIPLE}
_POLYMER_TERMINI = ("OXT", "OP3")
# Kinds whose strands are chains of their own, whatever chain they were cut from.
STRANDS = frozenset(
    ("dna_window", "rna_window", "hybrid_window", "rna_hairpin", "rna_nway", "rna_twoway")
)
LONGEST, STRIDE = 12, 6  # base pairs of a piece of a duplex, and between the starts of two pieces


@dataclass(frozen=True)
class Crop:
    """units, their links and coordinates ((n, 3) A per unit, atoms as the units name them), which
    units are the focus, and what the example is. pair: for a duplex, base pair of each unit."""

    kind: str
    pdb: str
    code: str
    group: int
    title: str
    units: list[Unit]
    links: list[Link]
    xyz: list[np.ndarray]
    focus: np.ndarray
    pair: np.ndarray | None = None


@dataclass
class _Residue:
    """Atoms of one residue of a file, local atom numbers of its example."""

    comp: str
    chain: str
    resnum: int
    mol: int
    atoms: list[int] = field(default_factory=list)


def _molecule(
    residue: _Residue, z: np.ndarray, names: list[str], bonds: list[tuple[int, int, int]],
    charges: dict[str, int],
) -> rdchem.Mol:  # fmt: skip
    place = {atom: n for n, atom in enumerate(residue.atoms)}
    mol = Chem.RWMol()
    for atom in residue.atoms:
        new = rdchem.Atom(int(z[atom]))
        new.SetFormalCharge(charges.get(names[atom], 0))
        mol.AddAtom(new)
    for i, j, order in bonds:
        if i in place and j in place:
            mol.AddBond(place[i], place[j], _BONDS[order])
    mol.UpdatePropertyCache(strict=False)
    return mol.GetMol()


def _read_one(d: dict[str, np.ndarray], i: int, charges: dict[str, dict[str, int]]) -> Crop | None:
    """One example, or None when it holds an element the network does not know."""
    atoms = slice(int(d["atom_start"][i]), int(d["atom_start"][i + 1]))
    held = slice(int(d["bond_start"][i]), int(d["bond_start"][i + 1]))
    z, xyz = d["z"][atoms], d["xyz"][atoms]
    known = {Chem.GetPeriodicTable().GetAtomicNumber(s) for s in (*ELEMENTS[1:], *METALS)}
    if not set(z.tolist()) <= known:
        return None
    names = [n.decode() for n in d["name"][atoms]]
    residues: dict[int, _Residue] = {}
    owner = d["residue"][atoms].tolist()
    for n, r in enumerate(owner):
        k = atoms.start + n
        if r not in residues:
            residues[r] = _Residue(
                d["comp"][k].decode(), d["chain"][k].decode(), int(d["resnum"][k]), int(d["mol"][k])
            )
        residues[r].atoms.append(n)
    bonds, between = [], []
    table = zip(
        d["bond"][held].tolist(),
        d["bond_order"][held].tolist(),
        d["bond_kind"][held].tolist(),
        strict=True,
    )
    for (p, q), order, kind in table:
        if kind == METAL or order == 0:
            continue
        if owner[p] == owner[q]:
            bonds.append((p, q, order))
        else:
            between.append((p, q))
    strands = d["kind_names"][d["kind"][i]].decode() in STRANDS
    units, picked = _units(residues, owner, between, names, strands)
    place: dict[int, tuple[int, str]] = {}
    coordinates, focus = [], []
    for k, (unit, residue) in enumerate(zip(units, residues.values(), strict=True)):
        if unit.mol is None and unit.names is None:
            molecule = _molecule(residue, z, names, bonds, charges.get(residue.comp, {}))
            units[k] = replace(unit, names=tuple(names[n] for n in residue.atoms), mol=molecule)
        coordinates.append(xyz[picked[k]])
        focus.append(bool(d["focus"][atoms][residue.atoms].any()))
        place |= {n: (k, names[n]) for n in picked[k]}
    made = set(chain_links(units))
    links: list[Link] = []
    for p, q in between:
        if p in place and q in place:
            link, turned = (*place[p], *place[q]), (*place[q], *place[p])
            if link not in made and turned not in made:
                links.append(link)
    return Crop(
        kind=d["kind_names"][d["kind"][i]].decode(),
        pdb=d["pdb"][i].decode(),
        code=d["code"][i].decode(),
        group=int(d["group"][i]),
        title=str(d["title"][i].decode()) if "title" in d else "",
        units=units,
        links=links,
        xyz=coordinates,
        focus=np.array(focus),
    )


def _units(
    residues: dict[int, _Residue],
    owner: list[int],
    between: list[tuple[int, int]],
    names: list[str],
    strands: bool,
) -> tuple[list[Unit], list[list[int]]]:
    """Units without molecules yet (names None marks those that need one), and their local atoms.

    Neighbours that are bonded get consecutive numbers, others numbers at least two apart. Every
    strand of a nucleic acid motif is a chain of its own, so is every ligand and ion.
    """
    joined = {
        (owner[tail], owner[head])
        for pair in between
        for tail, head in (pair, pair[::-1])
        if (names[tail], names[head]) in JOINTS
    }
    chains: dict[str, int] = {}
    last: dict[int, tuple[int, int, int]] = {}  # chain -> residue, resnum, number
    units, picked, count = [], [], 0
    for r, residue in residues.items():
        standard = residue.comp in RESIDUE_ATOMS and residue.mol in (0, 1, 2)
        if residue.mol in (LIGAND, ION):
            chain, number = count, NO_INDEX
            count += 1
        else:
            key = residue.chain
            previous = last.get(chains[key]) if key in chains else None
            follows = previous is not None and (previous[0], r) in joined
            if key not in chains or (strands and not follows):
                chains[key], previous = count, None
                count += 1
            chain = chains[key]
            if previous is None:
                number = 1
            elif follows:
                number = previous[2] + 1
            else:
                number = previous[2] + max(2, residue.resnum - previous[1])
            last[chain] = (r, residue.resnum, number)
        atoms = residue.atoms
        if standard:
            atoms = [n for n in atoms if names[n] in RESIDUE_ATOMS[residue.comp]]
        kept = tuple(names[n] for n in atoms) if standard else None
        units.append(Unit(residue.comp, chain, number, kept))
        picked.append(atoms)
    return units, picked


def read_crops(folder: Path, components: list[Component]) -> Iterator[Crop]:
    """Every example of the three files. Raises FileNotFoundError naming the folder."""
    charges = {
        c.code: dict(zip(c.names, c.charges, strict=True)) for c in components if any(c.charges)
    }
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: name its folder with --structures")
        with np.load(path, allow_pickle=False) as file:
            d: dict[str, Any] = {key: file[key] for key in file.files}
        windows = []
        for i in range(len(d["kind"])):
            crop = _read_one(d, i, charges)
            if crop is None:
                continue
            if crop.kind == "dna_window":
                windows.append(crop)
            else:
                yield crop
        yield from _stitch(windows)


def _stitch(windows: list[Crop]) -> Iterator[Crop]:
    """Windows that overlap by all but one base pair become the duplex they were cut from, and that is
    cut into pieces of at most LONGEST base pairs which overlap by half."""
    run: list[Crop] = []
    for window in (*windows, None):
        if run and (window is None or not _continues(run[-1], window)):
            yield from _pieces(run)
            run = []
        if window is not None:
            run.append(window)


def _half(window: Crop) -> int:
    """Base pairs of a window: its two strands are equally long."""
    return len(window.units) // 2


def _continues(before: Crop, after: Crop) -> bool:
    n = _half(before)
    return before.pdb == after.pdb and all(
        np.array_equal(before.xyz[k + 1], after.xyz[k])
        and np.array_equal(before.xyz[n + k], after.xyz[n + k + 1])
        for k in range(n - 1)
    )


def _pieces(run: list[Crop]) -> Iterator[Crop]:
    n = _half(run[0])
    forward = [(run[0], k) for k in range(n)] + [(w, n - 1) for w in run[1:]]
    backward = [(run[0], 2 * n - 1 - k) for k in range(n)] + [(w, n) for w in run[1:]]
    length = len(forward)
    starts = range(0, max(1, length - LONGEST + 1), STRIDE)
    last = max(0, length - LONGEST)
    for start in sorted({*starts, last}):
        stop = min(length, start + LONGEST)
        strands = [forward[start:stop], backward[start:stop][::-1]]
        units, xyz = [], []
        for chain, strand in enumerate(strands):
            for number, (window, k) in enumerate(strand, 1):
                units.append(replace(window.units[k], chain=chain, number=number))
                xyz.append(window.xyz[k])
        pairs = np.arange(stop - start)
        yield replace(
            run[0],
            kind="dna",
            units=units,
            links=[],
            xyz=xyz,
            focus=np.ones(len(units), bool),
            pair=np.append(pairs, pairs[::-1]),
        )
