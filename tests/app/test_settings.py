"""Operator settings and the ways to start the server wrongly."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.pipelines import Pipelines
from app.settings import Settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_PORT", "9001")
    monkeypatch.setenv("TWOFOLD_PIPELINES", "dye, dalle2")
    settings = Settings()
    assert settings.port == 9001
    assert settings.pipelines == ("dye", "dalle2")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "99999"), ("PORT", "x"), ("THREADS", "0"), ("GRACE_S", "-1"), ("LOG_LEVEL", "loud")],
)
def test_nonsense_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TWOFOLD_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_an_unknown_pipeline_is_named() -> None:
    with pytest.raises(ValueError, match="'dall-e'"):
        Pipelines.named(["dye", "dall-e"])


def _start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _start("--port", str(port))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_a_bad_option_is_one_clear_line() -> None:
    ended = _start("--port", "99999")
    assert ended.returncode == 1
    assert ended.stderr == "TWOFOLD_PORT: Input should be less than or equal to 65535\n"


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for name in Settings.model_fields:
        assert f"`TWOFOLD_{name.upper()}`" in text, name
