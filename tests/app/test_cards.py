"""Model cards: every number on them stands in a file, none is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import torch
from live import live

from app.card_tables import sections
from app.cards import CARDS, POINTS, card
from app.languages import text
from models.checkpoint import CHECKPOINTS
from models.compact import SCALE, save_compact


@dataclass(frozen=True)
class Config:
    codes: int = 8


METRICS = {
    "settings": {"steps": 24},
    "recognisability": {
        "captions": 100,
        "prior": {"top1": 0.625, "top5": 0.91},
        "ceiling_same_concepts": {"top1": 0.54, "top5": 0.81, "drawings": 90},
        "chance_top5": 0.0038,
    },
    "guidance": {"curve": [{"guidance_scale": 1, "top5": 0.5}, {"guidance_scale": 2, "top5": 0.7}]},
    "deep": {"a": {"b": {"x_A": 1.25, "inner": {"mean": 3.0, "std": None}}}},
    "brand_new": {"something": 7, "prompts": ["a cat"]},
    "failures": [{"caption": "a <b>cat</b>", "judged": "dog", "rank": 9}],
}


def test_any_metrics_become_tables_and_nothing_is_lost() -> None:
    how, found = sections("dalle2", METRICS)
    assert how == [("settings", "steps 24")]
    keys = [section.key for section in found]
    assert keys == ["recognisability", "guidance", "failures", "deep", "brand_new"]
    by_key = {section.key: section for section in found}
    (table,) = by_key["recognisability"].tables
    assert table.columns == ["top 1", "top 5", "drawings"]
    ours, ceiling = table.rows
    assert (ours.role, ours.cells) == ("", ["62.5 %", "91.0 %", ""])
    assert (ceiling.role, ceiling.cells) == ("ceiling", ["54.0 %", "81.0 %", "90"])
    assert ("chance, top 5", "0.4 %") in by_key["recognisability"].facts
    assert [row.name for row in by_key["guidance"].tables[0].rows] == ["guidance 1", "guidance 2"]
    assert by_key["deep"].tables[0].columns == ["x A", "inner mean", "inner std"]
    assert by_key["deep"].tables[0].rows[0].cells == ["1.25 Å", "3", "–"]
    assert by_key["brand_new"].title == "Brand new"
    assert by_key["brand_new"].facts == [("something", "7")]
    assert by_key["brand_new"].lists == [("prompts", ["a cat"])]


def test_parameters_and_training_are_read_from_the_files(tmp_path: Path) -> None:
    state = {"w": torch.randn(64, 100), "b": torch.zeros(64)}
    meta = {"step": 12, "seconds": 3.5}
    save_compact(tmp_path / "dalle1-tokenizer.safetensors", state, Config(), meta)
    (tmp_path / "dalle1-curves.json").write_text(
        json.dumps(
            {"tokenizer": {"step": list(range(999)), "loss": [1.0] * 998 + [0.25]}, "bad": 3}
        )
    )
    found = card("dalle1", tmp_path, tmp_path)
    (file,) = found.files
    assert SCALE  # the rows' scales are in the file and are not counted
    assert (file.parameters, file.steps, file.seconds) == (64 * 100 + 64, 12, 3.5)
    assert found.parameters == 6464 and found.size == file.size
    log = found.curves["tokenizer"]
    assert set(found.curves) == {"tokenizer"}
    assert len(log["loss"]) <= POINTS + 1 and log["step"][-1] == 998 and log["loss"][-1] == 0.25
    assert found.sections == [] and found.guidance == []


def test_broken_files_leave_a_gap(tmp_path: Path) -> None:
    (tmp_path / "dalle2-decoder.safetensors").write_bytes(b"\xff" * 20)
    (tmp_path / "dalle2-metrics.json").write_text("{")
    (tmp_path / "dalle2-curves.json").write_text("[1]")
    found = card("dalle2", tmp_path, tmp_path)
    assert found.parameters == 0 and found.sections == [] and found.curves == {}


CONFIDENCE = {
    "samples_per_structure": 5,
    "proteins": {
        "structures": 9,
        "calibration": {
            "bins": [{"from": 40, "to": 50, "atoms": 70, "plddt": 45.5, "lddt": 41.0}],
            "error": 4.5,
        },
        "ranking": {"lddt": {"random": 50.0, "gain": {"mean": 1.5, "ci95": [0.5, 2.5]}}},
    },
}


def test_confidence_has_a_chart_with_a_table_and_ranges_are_one_cell(tmp_path: Path) -> None:
    (tmp_path / "alphafold3-metrics.json").write_text(json.dumps({"confidence": CONFIDENCE}))
    found = card("alphafold3", tmp_path, tmp_path)
    assert found.calibration == {"proteins": CONFIDENCE["proteins"]["calibration"]["bins"]}  # type: ignore[index]
    assert found.data()["calibration"] == found.calibration
    (section,) = found.sections
    cells = {c for table in section.tables for row in table.rows for c in row.cells}
    assert "0.5 to 2.5" in cells and "45.5" not in cells and section.lists == []


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    server = live({})
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
    server.end()


@pytest.mark.parametrize("id", CARDS)
def test_every_card_is_served(client: httpx.Client, id: str) -> None:
    page = client.get(f"/models/{id}")
    assert page.status_code == 200 and text("en", f"card.{id}.title") in page.text
    assert f'href="/models/{id}"' in client.get("/models").text
    data = client.get(f"/models/{id}/card.json").json()
    assert data["id"] == id
    assert (data["parameters"] > 100_000) == (id != "dye")


def test_the_shown_scores_are_those_of_the_file(client: httpx.Client) -> None:
    metrics = json.loads((CHECKPOINTS / "alphafold3-metrics.json").read_text())
    page = client.get("/models/alphafold3").text
    for name in ("twofold", "etkdg_v3"):
        assert f"{100 * metrics['molecules'][name]['all']['posebusters']:.1f} %" in page
    assert "baseline" in page and "python -m models evaluate alphafold3" in page


def test_an_unknown_card_is_refused(client: httpx.Client) -> None:
    for path in ("/models/nobody", "/models/nobody/card.json"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "dalle2" in answer.json()["detail"][0]["accepted"]


def test_text_in_metrics_is_never_markup(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dye-metrics.json").write_text(json.dumps(METRICS))
    monkeypatch.setattr(
        "app.pages.card", lambda id, sheets, words: card(id, sheets, tmp_path, words=words)
    )
    page = client.get("/models/dye").text
    assert "a &lt;b&gt;cat" in page and "<b>cat" not in page
