"""Readers, splits and leaks, on fixtures that the data commands' own code built."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from alphafold3.structures import FIXTURES
from models.alphafold3.data import proteins as protein_data
from models.alphafold3.data.batches import (
    MoleculeBatches,
    ProteinBatches,
    Proteins,
    has_quaternary_centre,
)
from models.alphafold3.data.ccd import MissingSource
from models.alphafold3.data.promod3 import read
from models.alphafold3.data.store import STEP, Molecules, quantise, restore

CACHE = Path(__file__).parents[2] / "cache"


def molecule_files() -> list:
    full = CACHE / "molecules/molecules.npz"
    absent = pytest.mark.skipif(not full.is_file(), reason="the full cache is not built")
    return [FIXTURES / "molecules.npz", pytest.param(full, marks=absent)]


def protein_files() -> list:
    full = CACHE / "proteins/proteins.npz"
    absent = pytest.mark.skipif(not full.is_file(), reason="the full cache is not built")
    return [FIXTURES / "proteins.npz", pytest.param(full, marks=absent)]


def test_promod3_reader_finds_real_backbones():
    database = read(FIXTURES / "structure_db.dat")
    assert len(database.chains) == 10 and database.chains[0].name == "1A0C_D"
    crambin = next(chain for chain in database.chains if chain.name == "3NIR_A")
    assert database.letters(crambin) == "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN"
    for chain in database.chains:
        xyz = database.backbone(chain)
        n_ca = np.linalg.norm(xyz[:, 0] - xyz[:, 1], axis=-1)
        peptide = np.linalg.norm(xyz[:-1, 2] - xyz[1:, 0], axis=-1)
        assert abs(n_ca.mean() - 1.46) < 0.02 and abs(peptide.mean() - 1.33) < 0.02
        rows = database.profile[chain.offset : chain.offset + chain.size].sum(1)
        assert np.abs(rows - 10_000).max() < 100


def test_promod3_reader_refuses_other_files(tmp_path):
    (tmp_path / "other.dat").write_bytes(b"\0" * 200)
    with pytest.raises(ValueError, match="no ProMod3 structure database"):
        read(tmp_path / "other.dat")


def test_missing_sources_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(protein_data, "DATABASE", "nowhere.dat")
    with pytest.raises(MissingSource, match="apt-get download promod3-data"):
        protein_data.find_database(tmp_path)
    monkeypatch.delenv("MMSEQS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingSource, match="apt-get install mmseqs2"):
        protein_data.cluster({"1ABC_A": "ACDEF"})
    with pytest.raises(FileNotFoundError, match="python -m models data molecules"):
        Molecules(tmp_path / "molecules.npz")
    with pytest.raises(FileNotFoundError, match="python -m models data proteins"):
        Proteins(tmp_path / "proteins.npz")


def test_stored_coordinates_keep_their_shape():
    xyz = np.random.default_rng(0).normal(size=(30, 3)) * 8 + 40
    assert np.abs(restore(quantise(xyz)) - (xyz - xyz.mean(0))).max() <= STEP / 2 + 1e-6


@pytest.mark.parametrize("path", molecule_files())
def test_molecule_splits_follow_the_dates_and_do_not_leak(path):
    data = Molecules(path)
    split, date, key = data["split"], data["date"], data["key"]
    assert (date[split == "train"] < "2023").all()
    assert ((date[split == "val"] >= "2023") & (date[split == "val"] < "2024")).all()
    assert (date[split == "test"] >= "2024").all() and (split == "test").sum() > 5
    trained = set(key[split == "train"].tolist())
    assert not trained & set(key[split == "val"].tolist())
    assert not trained & set(key[split == "test"].tolist())
    early = date < "2024"
    assert not set(data["scaffold"][early].tolist()) & set(
        data["scaffold"][split == "test"].tolist()
    )


@pytest.mark.parametrize("path", molecule_files())
def test_test_molecules_are_unlike_all_earlier_ones(path):
    data = Molecules(path)
    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)

    def prints(index):
        return [make.GetFingerprint(Chem.MolFromSmiles(str(data["smiles"][k]))) for k in index]

    test = np.flatnonzero(data["split"] == "test")[:40]
    train = np.flatnonzero(data["split"] == "train")[:2000]
    earlier = prints(train)
    for fingerprint in prints(test):
        assert max(DataStructs.BulkTanimotoSimilarity(fingerprint, earlier)) < 0.5


@pytest.mark.parametrize("path", protein_files())
def test_protein_splits_share_no_cluster(path):
    data = Proteins(path)
    clusters = {
        s: set(data["cluster"][data["split"] == s].tolist()) for s in np.unique(data["split"])
    }
    for one in clusters:
        for other in clusters:
            assert one == other or not clusters[one] & clusters[other]
    late = [bool(protein_data.LATE.match(str(n))) for n in data["name"][data["split"] == "test"]]
    assert all(late) and late
    assert {"3NIR_A", "1WY3_A", "5NVG_A"} <= set(data["name"][data["split"] == "demo"].tolist())


def test_batches_are_what_they_say():
    rng = np.random.default_rng(0)
    molecules = MoleculeBatches(Molecules(FIXTURES / "molecules.npz"), 4, 256, 40, 20.0)
    for _ in range(5):
        batch = molecules.draw(rng)
        assert batch.truth.shape == (*batch.features.atom_types.shape, 3)
        assert batch.features.token_mask.all() and batch.truth.abs().max() > 0.5
    proteins = ProteinBatches(Proteins(FIXTURES / "proteins.npz"), 2, 256)
    known = 0
    for _ in range(6):
        batch = proteins.draw(rng)
        assert batch.features.slots == 4 and batch.truth.shape[1] % 4 == 0
        known += int(batch.features.profile[..., 20].any())
    assert known > 0


def test_fully_substituted_stereocentres_are_found_and_count_more():
    data = Molecules(FIXTURES / "molecules.npz")
    found = dict(zip(data["code"].tolist(), has_quaternary_centre(data).tolist(), strict=True))
    assert found["CAM"] and not found["ALA"] and not found["CFF"]
    plain = MoleculeBatches(data, 4, 256, 40, 20.0)
    heavy = MoleculeBatches(data, 4, 256, 40, 20.0, quaternary=5)
    size = int(data["atom_counts"][data["code"] == "CAM"][0])
    assert len(heavy.by_size[size]) > len(plain.by_size[size])
