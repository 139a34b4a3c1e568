"""Chains -> a plan: how much of them is drawn, the graph, the records for people, and what to say.

Three forms. *Molecules*: ligands only, or one short peptide, one token per atom. *Backbones*: whole
protein chains only, N CA C O per residue. *All atoms*: everything else - nucleic acids, ions, modified
residues, pockets and mixtures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from models.alphafold3.all_atoms import all_atoms
from models.alphafold3.chains import Chain
from models.alphafold3.forms import Drawn, backbones, molecules
from models.alphafold3.library import Library
from models.alphafold3.polymer import SLOTS
from models.alphafold3.residues import FULL_SLOTS
from models.alphafold3.seen import Training
from models.alphafold3.sequences import PEPTIDE, peptide
from models.alphafold3.structure import Structure
from models.pipeline import InputError


@dataclass(frozen=True)
class Plan:
    """A parsed input. ``structure`` is what the networks get; the rest is for people.

    atoms: element, name, residue, residue_index, charge, chain, kind, token of every atom; bonds: atom,
    atom, order between them; reference: (N, 3) A of the same atoms, from experiment.
    """

    structure: Structure
    chains: tuple[Chain, ...]
    notes: tuple[str, ...]
    training: Training
    title: str
    reference: Tensor | None = None
    reference_name: str = ""
    atoms: list[dict[str, Any]] = field(default_factory=list)
    bonds: list[list[int]] = field(default_factory=list)

    @property
    def slots(self) -> int:
        return self.structure.graph.slots


_FORMS = {
    1: "atom by atom",
    SLOTS: "as a protein's backbone",
    FULL_SLOTS: "with all atoms of residues",
}


def check_like(plan: Plan, other: Plan) -> None:
    """Raises InputError when coordinates of ``other`` are no state of ``plan``: another number of atoms,
    or drawn by another network."""
    count, wanted = len(plan.atoms), len(other.atoms)
    if (count, plan.slots) == (wanted, other.slots):
        return
    raise InputError(
        "branch",
        f"goes on from {other.title}, {wanted} heavy atoms drawn {_FORMS[other.slots]}; "
        f"{plan.title} has {count}, drawn {_FORMS[plan.slots]}",
        f"an input of {wanted} heavy atoms that is drawn {_FORMS[other.slots]}",
    )


def plan(chains: list[Chain], style: str, library: Library, peptides: bool = True) -> Plan:
    """Raises InputError when the whole is too large or makes no structure. ``peptides``: a short one
    alone is drawn with all its atoms, not as a backbone."""
    if all(chain.kind == "ion" for chain in chains):
        raise InputError(
            chains[0].path,
            f"{chains[0].title} alone is a single atom: there is nothing to denoise",
            "an ion beside a ligand, a nucleic acid or the residues around it (positions)",
        )
    shaped, drawn = _form(chains, peptides)
    reference, name = library.reference(shaped, drawn.atoms)
    notes = [note for chain in shaped for note in chain.notes] + drawn.notes
    return Plan(
        structure=Structure(drawn.graph, style),
        chains=tuple(shaped),
        notes=tuple(dict.fromkeys(notes)),
        training=library.training(shaped),
        title=_title(shaped),
        reference=reference,
        reference_name=name,
        atoms=drawn.atoms,
        bonds=drawn.bonds,
    )


def _title(chains: list[Chain]) -> str:
    return " + ".join(chain.title for chain in chains)


def _form(chains: list[Chain], peptides: bool) -> tuple[list[Chain], Drawn]:
    if all(chain.kind == "ligand" for chain in chains):
        return chains, molecules(chains)
    if all(chain.kind == "protein" and chain.plain for chain in chains):
        if peptides and len(chains) == 1 and len(chains[0].sequence) <= PEPTIDE:
            chains = [_as_molecule(chains[0])]
            return chains, molecules(chains)
        return chains, backbones(chains)
    return chains, all_atoms(chains)


def _as_molecule(chain: Chain) -> Chain:
    note = (
        f"Peptides of up to {PEPTIDE} residues are drawn with all their atoms, "
        "longer chains as backbones."
    )
    if chain.profile is not None:
        note += " The profile is not used for them."
    return replace(chain, mol=peptide(chain.sequence), notes=(*chain.notes, note))
