import json

import pytest

from models import curves


def log(tmp_path, name, lines):
    (tmp_path / name).mkdir()
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / name / "log.jsonl").write_text(text + "\n")


def test_curves_are_thinned_and_kept_beside_other_networks(tmp_path) -> None:
    losses = [{"step": 20 * i, "seconds": 2.0 * i, "loss": float(i)} for i in range(1, 601)]
    log(tmp_path, "clip", [*losses, {"step": 12000, "seconds": 1200.0, "recall@1": 0.5}])
    path = tmp_path / "curves.json"
    path.write_text(json.dumps({"prior": {"step": [1]}}))
    curves.write(tmp_path, "clip", path)
    kept = json.loads(path.read_text())
    assert set(kept) == {"prior", "clip", "clip_held_out"}
    assert len(kept["clip"]["step"]) == curves.POINTS and kept["clip"]["step"][-1] == 12000
    assert kept["clip"]["loss"][0] == pytest.approx(3.0)  # the mean of the first five
    assert kept["clip_held_out"] == {"step": [12000], "seconds": [1200.0], "recall@1": [0.5]}


def test_a_step_trained_twice_counts_once(tmp_path) -> None:
    lines = [{"step": s, "seconds": 1.0, "loss": v} for s, v in ((20, 1.0), (40, 9.0), (40, 2.0))]
    log(tmp_path, "text", lines)
    assert [line["loss"] for line in curves.read_log(tmp_path / "text" / "log.jsonl")] == [1.0, 2.0]
    curves.write(tmp_path, "nothing", tmp_path / "curves.json")
    assert not (tmp_path / "curves.json").exists()


def test_a_column_that_comes_and_goes_makes_a_curve_of_its_own(tmp_path) -> None:
    losses = [{"step": s, "seconds": float(s), "loss": 9.0, "even": s / 2} for s in (2, 4, 6)]
    log(tmp_path, "net", [*losses, {"step": 7, "seconds": 7.0, "loss": 9.0}])
    curves.write(tmp_path, "net", tmp_path / "c.json", {"evens": "even", "odds": "odd"})
    kept = json.loads((tmp_path / "c.json").read_text())
    assert set(kept) == {"net", "evens"} and "even" not in kept["net"]
    assert kept["evens"] == {"step": [2, 4, 6], "seconds": [2.0, 4.0, 6.0], "loss": [1.0, 2.0, 3.0]}
