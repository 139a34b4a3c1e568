from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import record
from app.wire import decode_array


def test_a_trace_is_a_real_run_s_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.main(["--out", str(tmp_path), "--pipelines", "dye", "--seed", "4"])
    trace = json.loads((tmp_path / "dye.json").read_text())
    assert "dye.json" in capsys.readouterr().out
    assert trace["pipeline"] == "dye"
    assert trace["settings"]["seed"] == 4
    assert trace["recorded_at"]
    names = [event["event"] for event in trace["events"]]
    assert names[0] == "start" and names[-1] == "done" and set(names[1:-1]) == {"frame"}
    assert [event["id"] for event in trace["events"]] == list(range(len(names)))
    frames = [event["data"] for event in trace["events"][1:-1]]
    assert frames[0]["step"] == 0 and frames[-1]["step"] == frames[-1]["steps"] - 1
    assert len(frames) <= record.MAX_FRAMES + 1
    assert decode_array(trace["events"][-1]["data"]["sample"]).ndim == 2
