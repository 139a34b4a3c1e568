"""The labels *seen*, *similar*, *unseen*: only the training split may leave a trace in the table."""

import numpy as np
import pytest

from models.alphafold3.assembly import Unit, atom_names
from models.alphafold3.data.complexes import pack
from models.alphafold3.data.crops import Crop
from models.alphafold3.data.seen_tables import strands, structure_tables
from models.alphafold3.data.structures import Structures
from models.alphafold3.seen import Seen, site_features, stretch_bits
from tests.alphafold3.crops import duplex

SITE = "HIS CYS TRP TYR ASP LYS PHE".split()


def _pocket(pdb, group, components, numbers):
    units = [Unit(c, 0, n, atom_names(Unit(c))) for c, n in zip(components, numbers, strict=True)]
    rng = np.random.default_rng(group)
    xyz = [rng.normal(size=(len(u.names), 3)) * 5 for u in units]
    return Crop("pocket", pdb, "", group, "", units, [], xyz, np.ones(len(units), bool))


@pytest.fixture
def structures(tmp_path):
    crops = [
        duplex("DC DG DA DA DT DC DG DC DA".split(), "1AAA", 1),
        duplex("DT DT DG DG DG DG DT DT DT".split(), "2AAA", 2),
        _pocket("3AAA", 3, SITE, [1, 4, 6, 9, 15, 16, 30]),
        _pocket("4AAA", 4, SITE[::-1], [1, 4, 6, 9, 15, 16, 30]),
        _pocket("5AAA", 5, ["GLY"] * 7, [1, 8, 17, 29, 40, 52, 70]),
    ]
    path = tmp_path / "structures.npz"
    np.savez(path, **pack(crops))
    data = Structures(path)
    data.arrays["split"] = np.array(["train", "test", "train", "test", "val"])
    return data


@pytest.fixture
def seen(structures):
    rest = {name: np.zeros(0, np.uint64) for name in ("molecules", "scaffolds")}
    fragments = np.zeros(1, np.uint8)
    return Seen({**rest, "fragments": fragments, **structure_tables(structures, {"4AAA"})})


def test_strands_are_read_from_the_crops(structures):
    assert strands(structures, 0) == [("dna", "CGAATCGCA"), ("dna", "TGCGATTCG")]
    assert strands(structures, 2) == []


def test_strands_of_the_training_split_are_known_and_no_others(seen):
    assert seen.strand("CGAATCGCA", "dna") == "seen"
    assert seen.strand("TGCGATTCG", "dna") == "seen"  # the complement
    assert seen.strand("TTGGGGTTT", "dna") == "unseen"
    assert seen.strand("CGAATCGCAGGGG", "dna") == "similar"
    assert seen.strand("CGAATCG", "dna") is None
    assert seen.strand("CGAAUCGCA", "rna") == "unseen"


def test_sites_are_known_by_their_neighbours(seen):
    def label(components, numbers):
        return seen.site(site_features(zip([0] * 7, numbers, components, strict=True)))

    numbers = np.array([1, 4, 6, 9, 15, 16, 30])
    assert label(SITE, numbers) == label(SITE, numbers + 500) == "seen"
    assert label(SITE, numbers * 2) == "unseen"
    assert label(SITE[::-1], numbers) == "similar"  # its chain's backbone was trained on
    assert label(["GLY"] * 7, [1, 8, 17, 29, 40, 52, 70]) == "unseen"  # validation split
    assert label([*SITE[:4], *["GLY"] * 3], numbers) in ("similar", "seen")


def test_stretches_are_numbers_of_their_letters():
    assert stretch_bits("AAAAAAAA", "dna").tolist() == [0]
    assert stretch_bits("TTTTTT", "rna").tolist() == stretch_bits("UUUUUU", "rna").tolist()
    assert stretch_bits("UUUUUUU", "rna").tolist() == [4**6 - 1] * 2
    assert len({*stretch_bits("ACGTACGTACGT", "dna").tolist()}) == 4
