"""The store of crops: what is built is what is read, duplexes cut and stitched, splits by group."""

from pathlib import Path

import numpy as np
import pytest

from models.alphafold3 import templates
from models.alphafold3.assembly import Unit, assemble, atom_names
from models.alphafold3.data import download
from models.alphafold3.data.complexes import HUGE, assign_splits, crop_class, pack
from models.alphafold3.data.crops import _stitch, read_crops
from models.alphafold3.data.structures import Structures, subset
from models.alphafold3.graph import TOKEN_COLUMNS
from models.alphafold3.residues import FULL_SLOTS, STANDARD_ATOMS
from tests.alphafold3.crops import duplex, shell, windows

COLUMN = {name: i for i, name in enumerate(TOKEN_COLUMNS)}
CACHE = Path(__file__).parents[2] / "cache/structures/structures.npz"


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "structures.npz"
    crops = [duplex("DC DG DA DA DT DC DG".split()), shell("2ABC", 7, 4.0), shell("3ABC", 7)]
    np.savez(path, **pack(crops))
    return crops, Structures(path)


def test_graph_and_coordinates_come_back(stored):
    crops, data = stored
    assert data["class"].tolist() == ["dna", "ion", "ion"]
    for k, crop in enumerate(crops):
        built = assemble(crop.units, crop.links, coordinates=crop.xyz)
        read = data.graph(k)
        for name in ("tokens", "atom_types", "bonds", "handed", "turns", "cis_trans", "rings"):
            np.testing.assert_array_equal(getattr(read, name), getattr(built.graph, name), name)
        for name in ("chain", "residue_index"):
            np.testing.assert_array_equal(getattr(read, name), getattr(built.graph, name), name)
        flat = np.concatenate(
            [crop.xyz[u][[atom_names(crop.units[u]).index(n)]] for u, n in built.atoms]
        )
        xyz = data.coordinates(k)
        np.testing.assert_allclose(xyz[built.slots], flat - flat.mean(0), atol=0.002)
        assert not xyz[~read.present].any()
    assert not data.ligand(0).any()
    assert data.ligand(1).nonzero()[0].tolist() == [(data.graph(1).size - 1) * FULL_SLOTS]
    np.testing.assert_allclose(data["weight"], [1, 0.5**0.5, 0.5**0.5], rtol=1e-6)


def test_stereo_of_stored_molecules_is_that_of_their_coordinates(stored):
    _, data = stored
    for k in (1, 2):
        graph, xyz = data.graph(k), data.coordinates(k)
        centres = np.flatnonzero(
            (graph.handed[:, 0] >= 0) & (np.arange(len(xyz)) % FULL_SLOTS == 0)
        )
        assert len(centres) == 1  # the CA of the selenomethionine
        for m in centres:
            a, b, c = xyz[graph.handed[m]] - xyz[m]
            assert np.dot(a, np.cross(b, c)) > 0


def test_window_of_a_duplex_is_a_duplex(stored):
    _, data = stored
    starts = set()
    for seed in range(12):
        graph, xyz = data.window(0, np.random.default_rng(seed), 4)
        assert graph.size == 8 and len(xyz) == 8 * FULL_SLOTS
        assert graph.tokens[:, COLUMN["from_start"]].tolist() == [1, 2, 3, 4] * 2
        assert graph.tokens[:, COLUMN["to_end"]].tolist() == [4, 3, 2, 1] * 2
        letters = graph.tokens[:, COLUMN["residue"]].tolist()
        pair = {26: 29, 29: 26, 27: 28, 28: 27}  # DA with DT, DC with DG
        assert letters[4:] == [pair[letter] for letter in letters[3::-1]]
        assert (graph.bonds[:, :2] < len(xyz)).all() and graph.present[graph.bonds[:, :2]].all()
        triples = graph.turns.reshape(-1, 3)
        assert graph.present[triples[triples[:, 0] >= 0]].all()
        assert np.abs(xyz[graph.present].mean(0)).max() < 1e-4
        starts.add(tuple(letters[:4]))
    assert len(starts) > 2
    whole, _ = data.window(0, np.random.default_rng(0), 10)
    assert whole.size == 14
    assert data.window(1, np.random.default_rng(0))[0].size == data.graph(1).size


def test_subset_is_what_assembly_would_build():
    whole = assemble([Unit(c, 0, k) for k, c in enumerate(("DA", "DG", "DC", "DT"), 1)]).graph
    part = assemble([Unit(c, 0, k) for k, c in enumerate(("DG", "DC", "DT"), 2)]).graph
    cut = subset(whole, np.array([1, 2, 3]))
    for name in ("tokens", "atom_types", "handed", "turns", "residue_index"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(part, name), name)
    assert sorted(cut.bonds.tolist()) == sorted(part.bonds.tolist())


def test_windows_are_stitched_and_long_duplexes_cut():
    short = duplex("DC DG DA DA DT DC DG DA".split())
    long = duplex(["DA", "DC", "DG", "DT"] * 5, pdb="2ABC")
    pieces = list(_stitch([*windows(short), *windows(long)]))
    assert [len(p.units) for p in pieces] == [16, 24, 24, 24]
    assert [u.comp for u in pieces[0].units] == [u.comp for u in short.units]
    for unit, place, got in zip(pieces[0].units, short.units, pieces[0].xyz, strict=True):
        k = short.units.index(place)
        assert unit.number == place.number
        np.testing.assert_array_equal(got, short.xyz[k])
    assert pieces[0].pair.tolist() == [*range(8), *range(7, -1, -1)]
    assert [u.comp for u in pieces[2].units[:12]] == [u.comp for u in long.units[6:18]]
    # Windows of two entries never join, even with the same letters.
    assert len(list(_stitch([*windows(short), *windows(duplex(["DA"] * 6, "9ABC"))]))) == 2


def test_groups_never_sit_on_two_sides():
    groups = np.repeat(np.arange(200), 3)
    pdb = np.array([f"X{g:03d}" for g in groups])
    pdb[3] = "1STP"  # group 1
    splits = assign_splits(groups, pdb)
    assert all(len(set(splits[groups == g].tolist())) == 1 for g in range(200))
    shares = {s: float((splits == s).mean()) for s in ("train", "val", "test")}
    assert 0.1 < shares["test"] < 0.22 and 0.02 < shares["val"] < 0.12
    assert set(splits[groups == 1].tolist()) == {"test"}
    large = np.append(np.zeros(HUGE, int), 0)
    assert set(assign_splits(large, np.array(["1STP"] * len(large))).tolist()) == {"train"}
    order = np.random.default_rng(0).permutation(len(groups))
    np.testing.assert_array_equal(assign_splits(groups[order], pdb[order]), splits[order])


def entry(struc, parts):
    """biotite's atoms of (component, chain, number, element and name of each atom, (N, 3), bonds)."""
    made = []
    for comp, chain, number, names, xyz, bonds in parts:
        part = struc.AtomArray(len(names))
        part.coord = np.asarray(xyz, np.float32)
        part.atom_name[:] = names
        part.element[:] = [comp if len(names) == 1 and comp != "HOH" else n[0] for n in names]
        part.res_name[:], part.chain_id[:], part.res_id[:] = comp, chain, number
        part.bonds = struc.BondList(len(names), np.asarray(bonds, np.int64).reshape(-1, 3))
        made.append(part)
    return struc.concatenate(made)


def residue(comp, chain, number, place):
    """A standard block with its bonds, all atoms within a little more than an angstrom of a place."""
    block = templates.template(comp)
    names = STANDARD_ATOMS[comp]
    index = {name: k for k, name in enumerate(names)}
    held = [
        (index[block.atoms[i]], index[block.atoms[j]], min(order, 3))
        for i, j, order in block.bonds.tolist()
    ]
    xyz = np.random.default_rng(number).normal(size=(len(names), 3)) * 0.3 + place
    return comp, chain, number, list(names), xyz, held


def biotite_entry():
    """Three residues, a zinc ion between two of them, a ligand and a water."""
    struc = pytest.importorskip("biotite.structure")
    ring = [("C1", 1), ("C2", 2), ("C3", 3), ("C4", 4), ("C5", 5), ("C6", 0)]
    angle = np.arange(6) * np.pi / 3
    hexagon = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1) * 1.4 + [10.0, 0, 0]
    bonds = [(k, to, 1 + k % 2) for k, (_, to) in enumerate(ring)]
    return entry(
        struc,
        [
            residue("CYS", "A", 1, [0.0, 0, 0]),
            residue("HIS", "A", 5, [6.0, 0, 0]),
            residue("ALA", "A", 9, [30.0, 0, 0]),
            ("BNZ", "A", 50, [name for name, _ in ring], hexagon, bonds),
            ("ZN", "B", 100, ["ZN"], [[3.0, 0, 0]], []),
            ("HOH", "B", 101, ["O"], [[4.0, 0, 0]], []),
        ],
    )


def test_downloaded_entries_become_crops(tmp_path):
    """The cutting only: nothing here reaches the PDB."""
    atoms = biotite_entry()
    found = list(download.cuts(atoms, {"ion": ["ZN"], "pocket": ["BNZ"]}))
    read = download.Entry(atoms)
    comps = [[str(read.comp[r]) for r in cut.residues] for cut in found]
    assert comps == [["HIS", "BNZ"], ["CYS", "HIS", "ZN"]]
    rows = [download.arrays(cut, read, "9XYZ", 400) for cut in found]
    np.savez(tmp_path / "complexes.npz", **download.pack(rows))
    for name in ("nucleic.npz", "showcase.npz"):
        np.savez(tmp_path / name, **download.pack(rows[:1]))
    crops = list(read_crops(tmp_path, []))
    assert [(c.kind, c.pdb, c.code, c.group) for c in crops[1:3]] == [
        ("pocket", "9XYZ", "BNZ", 400), ("ion", "9XYZ", "ZN", 400),
    ]  # fmt: skip
    assert [crop_class(c) for c in crops[1:3]] == ["pocket", "ion"]
    arrays = pack(crops[1:3])
    assert arrays["atoms_per"].tolist() == [len(rows[0]["z"]), len(rows[1]["z"])]
    with pytest.raises(FileNotFoundError, match="--structures"):
        list(read_crops(tmp_path / "none", []))


def hairpin_entry(sequence):
    struc = pytest.importorskip("biotite.structure")
    parts = [residue(c, "A", k + 1, [1.6 * k, 0, 0]) for k, c in enumerate(sequence)]
    atoms = entry(struc, parts)
    for k in range(1, len(sequence)):
        tail = int(np.flatnonzero((atoms.res_id == k) & (atoms.atom_name == "O3'"))[0])
        head = int(np.flatnonzero((atoms.res_id == k + 1) & (atoms.atom_name == "P"))[0])
        atoms.coord[tail] = atoms.coord[head] + [0, 1.6, 0]
        atoms.bonds.add_bond(tail, head, struc.BondType.SINGLE)
    return download.Entry(atoms)


def test_loops_and_helices_by_their_pairs():
    read = hairpin_entry("GGCAAAGCAGCUUUUGCC")
    #                      0123456789..
    pairs = [(0, 17), (1, 16), (2, 15), (9, 14)]
    partner = {**dict(pairs), **{j: i for i, j in pairs}}
    loops = list(download._loops(read, partner))
    assert loops == [(2, [2, *range(3, 10), 14, 15]), (1, [9, 10, 11, 12, 13, 14])]
    helix = list(download._helices(read, partner, 3))
    assert helix == [[0, 1, 2, 15, 16, 17]]
    assert not list(download._helices(read, partner, 4))


def test_list_of_entries():
    entries = download.read_list()
    assert len(entries) > 300
    assert entries["1STP"][1]["pocket"] == ["BTN"]
    kinds = {kind for _, wanted in entries.values() for kind in wanted}
    assert kinds == {
        "pocket", "ion", "modified", "duplex", "interface", "rna_loop", "showcase",
    }  # fmt: skip


@pytest.mark.skipif(
    not CACHE.is_file(), reason="needs cache/structures, see `python -m models data`"
)
def test_the_real_set_is_sane():
    data = Structures(CACHE)
    assert len(data) > 1300 and set(data["split"].tolist()) == {"train", "val", "test"}
    right = total = 0
    for k in range(0, len(data), 7):
        graph, xyz = data.graph(k), data.coordinates(k)
        ends = xyz[graph.bonds[:, :2].astype(int)]
        lengths = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)
        assert 1.0 < lengths.min() and lengths.max() < 2.2
        m = np.flatnonzero(graph.handed[:, 0] >= 0)
        a, b, c = (xyz[graph.handed[m, n]] - xyz[m] for n in range(3))
        volume = (a * np.cross(b, c)).sum(-1)
        right, total = right + (volume > 0).sum(), total + len(m)
        assert graph.size <= 96 and (graph.present.sum() <= 420 or data["class"][k] == "dna")
    assert right / total > 0.99
