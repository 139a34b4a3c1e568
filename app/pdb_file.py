"""Molecules as PDB: the final samples, in the narrow columns that old programs read.

Only finished samples are written: at high noise coordinates do not fit the columns. What does not fit
otherwise is refused or renamed, and a REMARK says so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from string import ascii_letters, ascii_uppercase, digits

import numpy as np

from app.molecule_files import FileAtom, FileMolecule, slices

MAX_SERIAL = 99_999
MAX_RESIDUE = 9_999
LOW, HIGH = -999.999, 9999.999  # what eight columns with three decimals hold


class DoesNotFit(ValueError):
    """The molecule is beyond what the format can hold; the message says in what."""


def pdb(
    molecule: FileMolecule,
    samples: np.ndarray,
    provenance: str,
    plddt: np.ndarray | None = None,
    order: Sequence[int] | None = None,
) -> str:
    """Samples (S, N, 3) as MODELs when there are several. plddt: (S, N), 0-100, becomes the B factor.
    Raises DoesNotFit."""
    count = len(molecule.atoms) + len(molecule.chains)  # a chain's end has a number as well
    if count > MAX_SERIAL:
        raise DoesNotFit(
            f"{len(molecule.atoms)} atoms are more than the {MAX_SERIAL} of a PDB file"
        )
    if max(atom.residue_index for atom in molecule.atoms) > MAX_RESIDUE:
        raise DoesNotFit(f"residue numbers above {MAX_RESIDUE} do not fit into a PDB file")
    positions = np.asarray(samples, np.float64)
    if positions.min() < LOW or positions.max() > HIGH:
        positions = positions - positions.mean(1, keepdims=True)
        if positions.min() < LOW or positions.max() > HIGH:
            raise DoesNotFit("coordinates of this size do not fit into a PDB file")
    chains = _short(molecule.chains, 1, ascii_uppercase + ascii_letters + digits)
    residues = _short(dict.fromkeys(atom.residue for atom in molecule.atoms), 3, ())
    lines = [
        "HEADER    THEORETICAL MODEL",
        "TITLE     A MOLECULE DRAWN BY TWOFOLD",
        "EXPDTA    THEORETICAL MODEL",
        *_remarks(chains, residues, provenance, plddt is not None, order),
        *_seqres(molecule, chains, residues),
    ]
    several = len(positions) > 1
    for k, sample in enumerate(positions):
        if several:
            lines.append(f"MODEL     {k + 1:4d}")
        lines += _atoms(molecule, sample, None if plddt is None else plddt[k], chains, residues)
        if several:
            lines.append("ENDMDL")
    return "\n".join([*lines, *_conect(molecule), "END", ""])


def _short(names: Iterable[str], width: int, free: Sequence[str]) -> dict[str, str]:
    """Names that fit into ``width`` columns; those that do not are replaced by unused ones."""
    names = list(names)
    chosen = {name: name for name in names if len(name) <= width}
    spare = iter(free or [f"L{k:02d}" for k in range(100)])
    for name in names:
        if name not in chosen:
            chosen[name] = next(s for s in spare if s not in chosen.values())
    return chosen


def _remarks(
    chains: dict[str, str],
    residues: dict[str, str],
    provenance: str,
    confident: bool,
    order: Sequence[int] | None,
) -> Iterator[str]:
    said = ["COMPUTED, NOT MEASURED. EACH MODEL IS ONE FINISHED SAMPLE."]
    if confident:
        said.append("THE B FACTOR IS THE PREDICTED LDDT (0-100): HIGHER IS SURER.")
    else:
        said.append("THE B FACTOR SAYS NOTHING: THIS RUN HAS NO PREDICTED LDDT.")
    if order is not None and len(order) > 1:
        said.append("MODELS FROM MOST TO LEAST CONFIDENT: " + ", ".join(str(k + 1) for k in order))
    for what, names in (("CHAIN", chains), ("RESIDUE", residues)):
        said += [
            f"{what} {name} IS WRITTEN AS {short}."
            for name, short in names.items()
            if name != short
        ]
    for text in said:
        for line in textwrap.wrap(text, 68):
            yield f"REMARK 999 {line}"
    for line in slices(provenance, 68):
        yield f"REMARK 998 {line}"


def _seqres(
    molecule: FileMolecule, chains: dict[str, str], residues: dict[str, str]
) -> Iterator[str]:
    for chain, entity in molecule.entities.items():
        if not entity.polymer:
            continue
        names = [f"{residues.get(name, name):>3}" for name in entity.residues]
        for row in range(0, len(names), 13):
            part = " ".join(names[row : row + 13])
            yield f"SEQRES {row // 13 + 1:3d} {chains[chain]} {len(names):4d}  {part}"


def _atoms(
    molecule: FileMolecule,
    sample: np.ndarray,
    plddt: np.ndarray | None,
    chains: dict[str, str],
    residues: dict[str, str],
) -> Iterator[str]:
    for (i, serial), end in _numbered(molecule):
        atom = molecule.atoms[i]
        x, y, z = sample[i]
        place = f"{residues[atom.residue]:>3} {chains[atom.chain]}{atom.residue_index:4d}"
        b = 0.0 if plddt is None else plddt[i]
        group = "ATOM  " if atom.standard else "HETATM"
        charge = f"{abs(atom.charge)}{'+' if atom.charge > 0 else '-'}" if atom.charge else "  "
        yield (
            f"{group}{serial:5d} {_name(atom)} {place}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00{b:6.2f}"
            f"          {atom.element.upper():>2}{charge}"
        )
        if end and atom.polymer:
            yield f"TER   {serial + 1:5d}      {place}"


def _numbered(molecule: FileMolecule) -> Iterator[tuple[tuple[int, int], bool]]:
    """((atom, its number), whether its chain ends there); a chain's end takes a number."""
    serial = 0
    for i, atom in enumerate(molecule.atoms):
        end = i + 1 == len(molecule.atoms) or molecule.atoms[i + 1].chain != atom.chain
        serial += 1
        yield (i, serial), end
        serial += int(end and atom.polymer)


def _name(atom: FileAtom) -> str:
    """Four columns; a one-letter element's name begins in the second."""
    name = atom.name[:4]
    return f" {name:<3}" if len(atom.element) == 1 and len(name) < 4 else f"{name:<4}"


def _conect(molecule: FileMolecule) -> Iterator[str]:
    """Bonds that no reader makes by itself: of everything but usual residues."""
    serials = [serial for (_, serial), _ in _numbered(molecule)]
    partners: dict[int, list[int]] = {}
    for i, j, _ in molecule.bonds:
        if not (molecule.atoms[i].standard and molecule.atoms[j].standard):
            for a, b in ((i, j), (j, i)):
                partners.setdefault(serials[a], []).append(serials[b])
    for serial in sorted(partners):
        near = sorted(partners[serial])
        for k in range(0, len(near), 4):
            yield f"CONECT{serial:5d}" + "".join(f"{other:5d}" for other in near[k : k + 4])
