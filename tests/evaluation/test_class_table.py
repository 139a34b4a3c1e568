"""One table for all classes, from the tables of each."""

import json
from types import MappingProxyType

import numpy as np

from models.alphafold3.pipeline import CHECKPOINT
from models.evaluation import class_table
from models.evaluation.molecules import merged
from models.evaluation.molecules_classes import WORDS


class Data(dict):
    pass


def test_rows_come_from_every_part_and_shares_add_up(monkeypatch):
    shares = dict.fromkeys(WORDS, 0.1) | {"proteins": 0.4, "rna": 0.15, "dna": 0.05}
    monkeypatch.setattr(class_table, "training_shares", lambda data: dict(shares))
    metrics = {
        "component_classes": {
            "saccharides": {
                "twofold": {"molecules": 3, "rmsd_mean_A": 0.5},
                "etkdg_v3": {"molecules": 3, "rmsd_mean_A": 0.7},
            }
        },
        "proteins": {
            "samples_per_crop": 5,
            "with_profile": {
                "all": {"crops": 9, "rmsd_ca_A": 8.0, "lddt_ca": 0.5, "lddt_ca_floor": 0.3}
            },
        },
        "structures": {
            "window_base_pairs": 6,
            "rna_hairpins": {"structures": 4, "rmsd_A": 3.0, "lddt": 0.6},
            "rna_other": {"structures": 2, "rmsd_A": 5.0, "lddt": 0.4},
        },
    }
    table = class_table.class_table(metrics, Data())  # type: ignore[arg-type]
    assert list(table) == ["saccharides", "proteins_with_profile", "rna_hairpins", "rna_other"]
    assert table["saccharides"]["baseline_rmsd_A"] == 0.7
    assert table["proteins_with_profile"]["training_share"] == 0.2
    assert table["rna_hairpins"]["training_share"] == 0.15
    assert table["rna_other"]["training_share"] is None  # told once, with the hairpins
    assert class_table.class_table({}, Data()) == {}  # type: ignore[arg-type]


def test_component_shares_follow_how_often_sizes_are_drawn(monkeypatch):
    class Batches:
        sizes = np.array([10, 20])
        weight = np.array([0.75, 0.25])
        by_size = MappingProxyType({10: np.array([0, 1, 1]), 20: np.array([2])})

    names = list(WORDS)
    monkeypatch.setattr(class_table, "MoleculeBatches", lambda *a: Batches)
    monkeypatch.setattr(
        class_table, "classes", lambda codes: np.array([names[0], names[1], names[0]])
    )
    found = class_table.component_shares({"code": np.array(["A", "B", "C"])})  # type: ignore[arg-type]
    assert found[names[0]] == 0.75 / 3 + 0.25 and found[names[1]] == 0.5


def test_parts_are_kept_for_the_same_weights_only(tmp_path):
    out = tmp_path / "metrics.json"
    weights = {CHECKPOINT: "a", "head": "1"}
    first = merged(out, {"checkpoint": weights, "named": {"x": 1}, "confidence": 2, "seconds": 1.0})
    out.write_text(json.dumps(first))
    more = merged(out, {"checkpoint": weights, "proteins": 3, "seconds": 2.0})
    assert more["named"] == {"x": 1} and more["proteins"] == 3 and more["seconds"] == 3.0
    other_head = merged(out, {"checkpoint": weights | {"head": "2"}, "seconds": 0.0})
    assert "confidence" not in other_head and "named" in other_head
    trained_on = merged(out, {"checkpoint": {CHECKPOINT: "b"}, "seconds": 1.0})
    assert trained_on == {"checkpoint": {CHECKPOINT: "b"}, "seconds": 1.0}
