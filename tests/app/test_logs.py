"""Log lines: for people and machines, with run ids, without what visitors type."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from live import Live, all_events
from toy import Toy

from app.logs import Json, Text, configure, fields
from models.pipeline import InputError

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
    from app.preparing import Prepared
    from app.runs import Run
    from app.settings import Settings

    toy = Toy()
    chosen = Settings(threads=1)
    assert Admission(chosen, Engine()).draining is False
    prepared = Prepared("well", settings(), {})
    run = Run(toy, prepared, {"prompt": SECRET}, chosen, lambda run: None)
    with caplog.at_level(logging.INFO):
        run.failed(RuntimeError(SECRET))
    (record,) = caplog.records
    told = Json(log_inputs=False).format(record)
    assert json.loads(told)["run"] == run.id
    assert SECRET not in told


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a server writes that tells as much as it can, but for ``log_inputs``."""
    out, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", out)
    configure("debug", "json", log_inputs=False)
    for ours in ("httpx", "httpcore"):  # the visitor's own
        monkeypatch.setattr(logging.getLogger(ours), "disabled", True)
        for name in list(logging.root.manager.loggerDict):
            if name.startswith(f"{ours}."):
                monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    for package in ("app", "models"):
        logging.getLogger(package).setLevel(logging.NOTSET)


class Clumsy(Toy):
    """Its errors quote what was typed, wherever they happen."""

    def parse(self, input: Any) -> str:
        said = input.get("prompt", "")
        if said.startswith("refuse"):
            raise InputError("input.prompt", f"cannot be {said}", "something else")
        if said.startswith("crash"):
            raise RuntimeError(f"no idea what {said} is")
        self.said = said
        return "explode" if said.startswith("explode") else "well"

    def view(self, plan: str, settings: Any) -> Any:
        if self.said.startswith("draw"):
            raise KeyError(self.said)
        return super().view(plan, settings)


def test_nothing_that_a_visitor_types_or_holds_is_ever_logged(
    serve: Callable[..., Live], stderr: io.StringIO
) -> None:
    server = serve(Clumsy(), log_level="debug")
    answers = {}
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for how in ("do", "refuse", "crash", "explode", "draw"):
            body = {"pipeline": "toy", "input": {"prompt": f"{how} {SECRET}"}}
            answer = client.post("/api/runs", json=body)
            answers[how] = answer.status_code
            if answer.status_code == 201:
                all_events(server.url + answer.json()["events"])
        room = client.post("/api/rooms").json()
        key = {"X-Room-Key": room["key"]}
        state = {"panels": {}, "player": {"u": 0}, "inputs": {"prompt": SECRET}}
        assert client.post(f"/api/rooms/{room['code']}/state", json=state, headers=key).is_success
        poll = {"question": SECRET, "options": [SECRET, "b"]}
        assert client.post(f"/api/rooms/{room['code']}/poll", json=poll, headers=key).is_success
        client.get(f"/{SECRET}", params={"prompt": SECRET}, headers={"Last-Event-ID": SECRET})
        client.post("/api/runs", content=SECRET)
        client.post("/api/plans", json={"pipeline": SECRET, "input": {}})
        client.get("/api/qr.svg", params={"path": f"/?prompt={SECRET}"})
    assert answers == {"do": 201, "refuse": 422, "crash": 500, "explode": 201, "draw": 500}
    told = stderr.getvalue()
    assert "RuntimeError" in told and "KeyError" in told and '"message": "failed"' in told
    assert SECRET not in told and room["key"] not in told


def test_a_lost_task_is_logged_without_what_its_exception_quotes(stderr: io.StringIO) -> None:
    async def lose() -> None:
        async def fail() -> None:
            raise ValueError(SECRET)

        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task

    asyncio.run(lose())
    told = stderr.getvalue()
    assert "Task exception was never retrieved" in told and "ValueError" in told
    assert SECRET not in told
