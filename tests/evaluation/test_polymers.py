"""Scores of crops: nothing wrong counts as nothing, a known mistake as what it is."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from models.alphafold3.assembly import Unit, atom_names
from models.alphafold3.data.complexes import pack
from models.alphafold3.data.crops import Crop
from models.alphafold3.data.structures import Structures
from models.evaluation import polymers
from models.evaluation.polymer_baselines import helix_for, mean_helix, shell
from models.evaluation.polymer_cases import case, held_out, settle_names
from models.evaluation.polymers import CLASSES, interface_lddt, placed_rmsd, score_class
from tests.alphafold3.crops import duplex
from tests.alphafold3.crops import shell as ion_crop


def pocket(group):
    units = [
        *(Unit(c, 0, k, atom_names(Unit(c))) for k, c in ((1, "ASP"), (2, "TYR"), (9, "LEU"))),
        Unit("LIG", 1, mol=Chem.MolFromSmiles("CCO"), names=("C1", "C2", "O1")),
    ]
    rng = np.random.default_rng(group)
    xyz = [rng.normal(size=(len(u.names), 3)) * 4 for u in units]
    focus = np.array([False, False, False, True])
    return Crop("pocket", f"P{group:03d}", "LIG", group, "", units, [], xyz, focus)


def contact(group):
    strand = duplex(["DA", "DC"], group=group)
    units = [*strand.units, Unit("ARG", 2, 1, atom_names(Unit("ARG")))]
    xyz = [*strand.xyz, np.random.default_rng(group).normal(size=(11, 3)) * 4 + [6, 0, 0]]
    focus = np.array([True] * 4 + [False])
    return Crop("protein_dna", f"C{group:03d}", "", group, "", units, [], xyz, focus)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    letters = "DC DG DA DA DT DC".split()
    crops = [duplex(letters, group=g) for g in range(12)]
    crops += [make(g) for g in range(20, 34) for make in (pocket, contact)]
    crops += [ion_crop(f"I{g:03d}", g) for g in range(40, 54)]
    arrays = pack(crops)
    path = tmp_path_factory.mktemp("structures") / "structures.npz"
    np.savez(path, **arrays)
    return Structures(path)


def items_of(data, name):
    found = [case(data, k) for k in held_out(data, name, 6)]
    assert found
    return found


@pytest.mark.parametrize("key", ["dna_6bp", "ion_shells", "pockets", "protein_dna"])
def test_the_crystal_itself_scores_full_marks(data, key):
    items = items_of(data, CLASSES[key].name)
    scores = score_class(
        data, CLASSES[key], items, [item.crystal.expand(2, -1, -1) for item in items]
    )
    assert scores["structures"] == len(items) and scores["samples"] == 2
    for name, value in scores.items():
        if name.startswith(("baseline", "right_handed")) or not isinstance(value, float):
            continue
        expected = 1.0 if "lddt" in name else 0.0
        assert value == pytest.approx(expected, abs=2e-3), name


def test_a_mirror_image_is_wrong(data):
    items = items_of(data, "pocket")
    mirrored = [(item.crystal * torch.tensor([1.0, 1.0, -1.0]))[None] for item in items]
    scores = score_class(data, CLASSES["pockets"], items, mirrored)
    assert scores["rmsd_A"] > 1


def test_best_of_several_is_not_the_first(data):
    items = items_of(data, "dna")
    bad = [torch.stack([x.crystal + torch.randn_like(x.crystal), x.crystal]) for x in items]
    scores = score_class(data, CLASSES["dna_6bp"], items, bad)
    assert scores["rmsd_A"] > 0.8 and scores["best_rmsd_A"] < 1e-2
    assert scores["lddt"] < 0.95 and scores["best_lddt"] > 0.999


def test_held_out_takes_groups_in_turn_and_no_training_crop(data):
    found = held_out(data, "pocket", 100)
    assert set(data["split"][found].tolist()) <= {"test", "val"}
    groups = data["group"][found].tolist()
    assert len(set(groups)) == len(groups)
    assert held_out(data, "pocket", 1) == found[:1]
    assert held_out(data, "pocket", 9, ("ion",)) == []


def test_names_of_a_turned_group_may_swap(data):
    item = items_of(data, "pocket")[0]
    place = {int(s): n for n, s in enumerate(item.slots)}
    od1, od2 = place[6], place[7]  # of the aspartate
    swapped = item.crystal.clone()
    swapped[[od1, od2]] = item.crystal[[od2, od1]]
    drawn = torch.stack([item.crystal, swapped])
    settled = settle_names(item, drawn)
    torch.testing.assert_close(settled[1], item.crystal)
    torch.testing.assert_close(settled[0], item.crystal)
    leucine = swapped.clone()
    leucine[[place[46 + 6], place[46 + 7]]] = item.crystal[[place[46 + 7], place[46 + 6]]]
    moved = (settle_names(item, leucine[None])[0] - item.crystal).norm(dim=-1) > 1e-3
    assert moved.nonzero()[:, 0].tolist() == [place[46 + 6], place[46 + 7]]  # hands do not swap


def test_a_shifted_ligand_is_off_by_the_shift(data):
    item = items_of(data, "pocket")[0]
    moved = item.crystal.clone()
    moved[item.focus] += torch.tensor([0.0, 3.0, 4.0])
    assert float(placed_rmsd(moved[None], item)) == pytest.approx(5.0, abs=1e-3)


def test_interface_counts_contacts_only(data):
    item = items_of(data, "protein_dna")[0]
    away = item.crystal.clone()
    away[item.kinds() == 2] += 40.0
    assert float(interface_lddt(away[None], item)) == 0.0
    assert float(interface_lddt(item.crystal[None], item)) == 1.0


def test_mean_helix_of_equal_duplexes_is_that_duplex(data):
    """All made-up duplexes have the same letters and coordinates: their mean is each of them."""
    item = items_of(data, "dna")[0]
    laid = helix_for(item, mean_helix(data))[None]
    assert float(polymers.all_rmsd(laid, item.crystal)) < 0.01


def test_ion_error_is_that_of_the_distances(data):
    item = next(i for i in items_of(data, "ion") if shell(i))
    ((ion, near),) = shell(item)
    stretched = item.crystal.clone()
    direction = torch.nn.functional.normalize(stretched[near[0]] - stretched[ion], dim=0)
    stretched[near[0]] += 0.5 * direction
    scores = score_class(data, CLASSES["ion_shells"], [item], [stretched[None]])
    assert scores["distance_error_A"] == pytest.approx(0.5 / len(near), abs=1e-3)
