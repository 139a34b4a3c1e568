"""The pages say what the settings and the result files say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cluster.settings import ScaleSettings
from app.settings import Settings
from benchmarks import report

DOCS = Path(__file__).parents[2] / "docs"


def test_every_setting_of_a_cluster_is_on_the_page() -> None:
    page = (DOCS / "scaling.md").read_text()
    for name in set(ScaleSettings.model_fields) - set(Settings.model_fields):
        field = ScaleSettings.model_fields[name]
        assert f"| `TWOFOLD_{name.upper()}` | {field.default} | {field.description} |" in page


def test_fewer_replicas_at_most_than_at_least_are_refused() -> None:
    with pytest.raises(ValueError, match="MAX_REPLICAS"):
        ScaleSettings(scale_min_replicas=3, scale_max_replicas=2)


def test_the_pages_show_the_result_files() -> None:
    if not report.RESULTS.exists():
        pytest.skip("make bench has not been run")
    result = json.loads(report.RESULTS.read_text())
    rooms = json.loads(report.ROOMS.read_text()) if report.ROOMS.exists() else None
    assert report.table(result) in report.PAGE.read_text()
    if report.VISIT.exists():
        assert report.visit_table(json.loads(report.VISIT.read_text())) in report.PAGE.read_text()
    page = report.SCALING.read_text()
    assert report.costs(result, rooms) in page
    assert report.needs(result, rooms) in page
