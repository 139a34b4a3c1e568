"""Operator settings and the ways to start the server wrongly."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.metrics import Metrics
from app.pipelines import Pipelines
from app.settings import Settings, table


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_PORT", "9001")
    monkeypatch.setenv("TWOFOLD_PIPELINES", "dye, dalle2")
    settings = Settings()
    assert settings.port == 9001
    assert settings.pipelines == ("dye", "dalle2")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "99999"),
        ("PORT", "x"),
        ("THREADS", "0"),
        ("GRACE_S", "-1"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "nginx"),
        ("LOG_FORMAT", "xml"),
        ("MAX_CONNECTIONS", "0"),
        ("PIPELINES", " , "),
        ("KEEP_S", "nan"),
        ("GRACE_S", "soon"),
        ("LOG_INPUTS", "perhaps"),
    ],
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


DOCUMENT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_the_table_of_settings_is_what_the_code_says() -> None:
    assert table() in DOCUMENT, "put what `python -m app.settings` prints into docs/operations.md"
    assert all(field.description for field in Settings.model_fields.values())


def test_every_metric_is_documented() -> None:
    metrics = Metrics()
    metrics.watch_caches(lambda: [])
    for family in metrics.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name.startswith("process_") or f"`{name}`" in DOCUMENT, name


def test_a_class_behind_one_address_fits_into_the_defaults() -> None:
    settings, pupils, panels = Settings(), 60, 2
    assert settings.max_client_runs >= pupils * panels
    assert settings.max_client_streams >= pupils * panels
    assert settings.max_client_connections >= pupils * 6  # what a browser opens
    assert settings.max_client_runs < settings.max_runs  # and leaves room for others
    assert settings.max_client_streams < settings.max_streams
    assert settings.max_client_connections < settings.max_connections


@pytest.mark.parametrize("value", ["10.0.0.0/8, ::1", "10.1.2.3/8,::1/128"])
def test_trusted_proxies_are_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TWOFOLD_TRUSTED_PROXIES", value)
    assert [str(n) for n in Settings().trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_a_slip_of_the_pen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_MAX_RUN", "3")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends at once
        ended = _start("--port", str(taken.getsockname()[1]))
    assert "TWOFOLD_MAX_RUN is set, but there is no such setting" in ended.stderr
