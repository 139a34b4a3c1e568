"""Held-out crops of nucleic acids, ions, pockets and modified chains against the crystal.

Held out are the groups of the test and the validation side: training saw neither, and nothing was
chosen by them. Every number stands beside what can be had without the network: the mean helix of the
training duplexes, the training hairpin of the same length most like this one, the mean contact distance of
an ion in training, the crystal's own ligand turned at random in its pocket, the crystal's own
protein turned at random beside its nucleic acid, a training crop of the same class and size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.alphafold3.data.structures import FILE, Structures
from models.alphafold3.geometry import align
from models.alphafold3.graph import NUCLEOTIDE, RESIDUE
from models.alphafold3.pipeline import AlphaFold3
from models.alphafold3.structure import Structure
from models.evaluation.duplexes import base_pairs, winding
from models.evaluation.molecules_drawing import SAMPLE_SEED, sample_structures
from models.evaluation.molecules_tables import mean
from models.evaluation.polymer_baselines import (
    CONTACT,
    TURNS,
    contact_kind,
    crop_of_size,
    helix_for,
    mean_contacts,
    mean_helix,
    shell,
    similar_motif,
    turned,
)
from models.evaluation.polymer_cases import (
    INTERFACE,
    WINDOW,
    Case,
    all_lddt,
    all_rmsd,
    case,
    held_out,
    settle_names,
)
from models.pipeline import SampleSettings

SAMPLES, PER_CLASS = 5, 12


def interface_lddt(drawn: Tensor, item: Case) -> Tensor:
    """lDDT over the pairs between amino acids and nucleotides only. (S, N, 3) -> (S,)"""
    kinds = item.kinds()
    protein = torch.nonzero(kinds == RESIDUE)[:, 0]
    nucleic = torch.nonzero(kinds == NUCLEOTIDE)[:, 0]
    true = torch.cdist(item.crystal[protein], item.crystal[nucleic])
    gap = (torch.cdist(drawn[:, protein], drawn[:, nucleic]) - true).abs()
    kept = torch.stack([(gap < limit).float() for limit in (0.5, 1.0, 2.0, 4.0)]).mean(0)
    near = (true < INTERFACE).float()
    return (kept * near).sum((-1, -2)) / near.sum().clamp_min(1)


def placed_rmsd(drawn: Tensor, item: Case) -> Tensor:
    """RMSD of the focus after laying everything else onto the crystal. (S, N, 3) -> (S,)"""
    rest = (~item.focus).expand(len(drawn), -1)
    laid = align(drawn, item.crystal.expand_as(drawn), rest)
    return (laid - item.crystal)[:, item.focus].square().sum(-1).mean(-1).sqrt()


def _own_rmsd(drawn: Tensor, item: Case) -> Tensor:
    """RMSD of the focus alone, laid onto itself."""
    return all_rmsd(drawn[:, item.focus], item.crystal[item.focus])


Measures = dict[str, list[Tensor]]  # name -> (S,) per crop; one value for a baseline


def _nucleic(data: Structures, items: Sequence[Case], drawn: Sequence[Tensor]) -> Measures:
    helix = mean_helix(data)
    out: Measures = defaultdict(list)
    for item, x in zip(items, drawn, strict=True):
        if data["class"][item.index] == "dna":
            straight = helix_for(item, helix)[None]
            out["baseline_rmsd_A"].append(all_rmsd(straight, item.crystal))
            out["baseline_lddt"].append(all_lddt(straight, item.crystal))
            if pairs := base_pairs(item.graph):
                turns = winding(x[:, item.representatives()], torch.tensor(pairs))
                out["right_handed"].append((turns > 0).float().mean()[None])
        elif (found := similar_motif(data, item)) is not None:
            other, shared = found
            out["baseline_rmsd_A"].append(all_rmsd(other[None], item.crystal[shared]))
            out["baseline_lddt"].append(all_lddt(other[None], item.crystal[shared]))
            out["rmsd_where_baseline_A"].append(all_rmsd(x[:, shared], item.crystal[shared]))
    return out


def _ions(data: Structures, items: Sequence[Case], drawn: Sequence[Tensor]) -> Measures:
    usual = mean_contacts(data)
    out: Measures = defaultdict(list)
    for item, x in zip(items, drawn, strict=True):
        errors, guesses = [], []
        for ion, near in shell(item):
            true = (item.crystal[near] - item.crystal[ion]).norm(dim=-1)
            errors.append(((x[:, near] - x[:, ion, None]).norm(dim=-1) - true).abs())
            for atom, distance in zip(near.tolist(), true.tolist(), strict=True):
                guess = usual.get(contact_kind(item, ion, atom))
                if guess is not None:
                    guesses.append(abs(guess - distance))
        if errors:
            out["distance_error_A"].append(torch.cat(errors, -1).mean(-1))
        if guesses:
            out["baseline_distance_error_A"].append(torch.tensor([np.mean(guesses)]))
    return out


def _pockets(data: Structures, items: Sequence[Case], drawn: Sequence[Tensor]) -> Measures:
    out: Measures = defaultdict(list)
    for item, x in zip(items, drawn, strict=True):
        if not item.focus.any() or item.focus.all():
            continue
        out["ligand_rmsd_A"].append(placed_rmsd(x, item))
        out["ligand_own_rmsd_A"].append(_own_rmsd(x, item))
        moved = item.crystal.expand(TURNS, -1, -1).clone()
        moved[:, item.focus] = turned(item.crystal[item.focus], item.index)
        out["baseline_ligand_rmsd_A"].append(placed_rmsd(moved, item).mean()[None])
    return out


def _interfaces(data: Structures, items: Sequence[Case], drawn: Sequence[Tensor]) -> Measures:
    out: Measures = defaultdict(list)
    for item, x in zip(items, drawn, strict=True):
        protein = item.kinds() != NUCLEOTIDE
        if not protein.any() or protein.all():
            continue
        out["interface_lddt"].append(interface_lddt(x, item))
        moved = item.crystal.expand(TURNS, -1, -1).clone()
        moved[:, protein] = turned(item.crystal[protein], item.index)
        out["baseline_interface_lddt"].append(interface_lddt(moved, item).mean()[None])
    return out


def _modified(data: Structures, items: Sequence[Case], drawn: Sequence[Tensor]) -> Measures:
    out: Measures = defaultdict(list)
    for item, x in zip(items, drawn, strict=True):
        if item.focus.any():
            out["modified_own_rmsd_A"].append(_own_rmsd(x, item))
    return out


@dataclass(frozen=True)
class _Class:
    """What is scored under one name: class and kinds of the data, and its own measures."""

    name: str
    kinds: tuple[str, ...]
    measures: Callable[[Structures, Sequence[Case], Sequence[Tensor]], Measures]


CLASSES: dict[str, _Class] = {
    "dna_6bp": _Class("dna", (), _nucleic),
    "rna_hairpins": _Class("rna", ("rna_hairpin",), _nucleic),
    "rna_other": _Class("rna", ("rna_nway", "rna_twoway", "rna_window", "hybrid_window"), _nucleic),
    "ion_shells": _Class("ion", (), _ions),
    "pockets": _Class("pocket", (), _pockets),
    "modified": _Class("modified", (), _modified),
    "protein_dna": _Class("protein_dna", (), _interfaces),
}


def summarise(measures: Measures) -> dict[str, Any]:
    """Means over crops: of the first sample, and of the best of all where several were drawn."""
    out: dict[str, Any] = {}
    for name, values in measures.items():
        if not values:
            continue
        out[name] = mean([float(v[0]) for v in values])
        if len(values[0]) > 1:
            best = torch.Tensor.max if "lddt" in name else torch.Tensor.min
            out[f"best_{name}"] = mean([float(best(v)) for v in values])
    return out


def score_class(
    data: Structures, wanted: _Class, items: Sequence[Case], drawn: Sequence[Tensor]
) -> dict[str, Any]:
    """drawn: (S, N, 3) A per crop, as the pipeline drew them."""
    settled = [settle_names(item, x.float()) for item, x in zip(items, drawn, strict=True)]
    measures: Measures = defaultdict(list)
    for item, x in zip(items, settled, strict=True):
        measures["rmsd_A"].append(all_rmsd(x, item.crystal))
        measures["lddt"].append(all_lddt(x, item.crystal))
        if wanted.measures is not _nucleic and (other := crop_of_size(data, item)) is not None:
            places = item.representatives()
            measures["token_lddt"].append(all_lddt(x[:, places], item.crystal[places]))
            measures["baseline_token_lddt"].append(all_lddt(other[None], item.crystal[places]))
    measures |= wanted.measures(data, items, settled)
    return {
        "structures": len(items),
        "groups": len({int(data["group"][item.index]) for item in items}),
        "samples": len(drawn[0]),
        **summarise(measures),
        "entries": sorted({str(data["pdb"][item.index]) for item in items}),
    }


def score_structures(
    pipeline: AlphaFold3,
    cache: Path = Path("cache"),
    limit: int = PER_CLASS,
    settings: SampleSettings | None = None,
) -> dict[str, Any]:
    """Per class of CLASSES up to ``limit`` held-out crops, SAMPLES samples each.

    Raises FileNotFoundError naming the command that builds the crops.
    """
    data = Structures(cache / FILE)
    given = settings or pipeline.defaults
    given = replace(given, seed=SAMPLE_SEED, samples=SAMPLES)
    out: dict[str, Any] = {
        "held_out": "test and validation groups; structures are drawn from groups in turn",
        "window_base_pairs": WINDOW,
        "contact_below_A": CONTACT,
    }
    for name, wanted in CLASSES.items():
        places = held_out(data, wanted.name, limit, wanted.kinds)
        items = [case(data, index) for index in places]
        if wanted.name == "dna":
            items = [item for item in items if item.graph.size == 2 * WINDOW]
        if items:
            drawn = sample_structures(pipeline, [Structure(item.graph) for item in items], given)
            out[name] = score_class(data, wanted, items, drawn)
    return out
