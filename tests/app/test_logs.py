"""Log lines: for people and machines, with run ids, without what visitors type."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from app.logs import Json, Text, fields

SECRET = "my secret prompt"


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.logs")
    logger.propagate = False
    logger.setLevel("INFO")
    yield logger
    logger.handlers.clear()


def written(logger: logging.Logger, formatter: logging.Formatter) -> io.StringIO:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger.handlers = [handler]
    return out


def crash(logger: logging.Logger) -> None:
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise RuntimeError(f"cannot draw {SECRET}") from error
    except RuntimeError:
        logger.exception("failed", extra=fields(run="abc"))


def test_text_lines_carry_their_fields(log: logging.Logger) -> None:
    out = written(log, Text(log_inputs=False))
    log.info("admitted", extra=fields(run="abc", samples=2, input=None))
    assert out.getvalue().endswith(" INFO tests.logs admitted run=abc samples=2\n")


def test_json_lines_are_objects_with_the_fields_in_them(log: logging.Logger) -> None:
    out = written(log, Json(log_inputs=False))
    log.info("admitted %d", 7, extra=fields(run="abc", cost=1.5))
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "logger": "tests.logs", "message": "admitted 7", "run": "abc", "cost": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [Text, Json])
def test_exceptions_are_told_by_type_and_place_and_quote_nothing(
    log: logging.Logger, kind: type[Text] | type[Json]
) -> None:
    out = written(log, kind(log_inputs=False))
    crash(log)
    told = out.getvalue()
    assert SECRET not in told
    assert "RuntimeError" in told and "caused by ValueError" in told and "in crash" in told
    out = written(log, kind(log_inputs=True))
    crash(log)
    assert SECRET in out.getvalue()
    if kind is Json:
        assert json.loads(out.getvalue())["run"] == "abc"


def test_a_failed_run_s_log_holds_its_id_and_not_its_input(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from test_engine import settings
    from toy import Toy

    from app.admission import Admission
    from app.engine import Engine
    from app.metrics import Metrics
    from app.preparing import Prepared
    from app.runs import Run
    from app.settings import Settings

    toy = Toy()
    chosen = Settings(threads=1)
    assert Admission(chosen, Engine(), Metrics()).draining is False
    prepared = Prepared("well", settings(), {})
    run = Run(toy, prepared, {"prompt": SECRET}, chosen, lambda run: None)
    with caplog.at_level(logging.INFO):
        run.failed(RuntimeError(SECRET))
    (record,) = caplog.records
    told = Json(log_inputs=False).format(record)
    assert json.loads(told)["run"] == run.id
    assert SECRET not in told
