"""What ``make check`` makes of the advisory database's answers, and of none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import audit


def package(*fixes: list[str]) -> dict[str, Any]:
    flaws = [{"id": f"PYSEC-{k}", "fix_versions": each} for k, each in enumerate(fixes)]
    return {"name": "thing", "version": "1.0", "vulns": flaws}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("", 0, "skipped"),  # no network: pip-audit says so on stderr and writes nothing
        ("Proxy says no", 0, "skipped"),
        ('{"error": "offline"}', 0, "skipped"),
        (json.dumps({"dependencies": [package(), package([])]}), 0, "no fix yet"),
        (json.dumps({"dependencies": [package(["1.1"])]}), 1, "fixed in 1.1"),
    ],
)
def test_only_a_flaw_that_can_be_mended_stops_the_work(
    answer: str,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, stdout=answer, stderr="offline")

    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.main() == code
    assert said in capsys.readouterr().out


def test_a_database_that_does_not_answer_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*command: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("pip_audit", options["timeout"])

    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.main() == 0
