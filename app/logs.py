"""Log lines for people (text) or for machines (one JSON object per line), with the run's id in a field.

What visitors type stays out of the logs unless ``TWOFOLD_LOG_INPUTS`` is set: nobody logs it on purpose,
and of an exception only its type and the places it passed are written, since its message may quote it.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

Crash = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def fields(**values: Any) -> dict[str, Any]:
    """For ``log.info("admitted", extra=fields(run=id))``: values that a machine can find by name."""
    return {"fields": values}


class Text(logging.Formatter):
    """``2026-11-22 18:00:00,123 INFO app.runs admitted run=... pipeline=...``"""

    def __init__(self, log_inputs: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._log_inputs = log_inputs

    def formatMessage(self, record: logging.LogRecord) -> str:
        given: dict[str, Any] = getattr(record, "fields", {})
        parts = (f"{key}={value}" for key, value in given.items() if value is not None)
        return " ".join([super().formatMessage(record), *parts])

    def formatException(self, ei: Any) -> str:
        return _told(ei, self._log_inputs)


class Json(logging.Formatter):
    """``{"time": ..., "level": ..., "logger": ..., "message": ..., "run": ..., ...}``"""

    def __init__(self, log_inputs: bool) -> None:
        super().__init__()
        self._log_inputs = log_inputs

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = _told(record.exc_info, self._log_inputs)
        return json.dumps(line, default=str)


def _told(crash: Crash, with_messages: bool) -> str:
    """The exception and what caused it, innermost last; without their messages unless wanted."""
    kind, error, trace = crash
    if kind is None:
        return ""
    if with_messages:
        return "".join(traceback.format_exception(kind, error, trace)).rstrip("\n")
    told: list[str] = []
    while error is not None:
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
        told.append(f"{type(error).__qualname__}\n{''.join(frames)}".rstrip("\n"))
        error = error.__cause__ or error.__context__
    return "\ncaused by ".join(told)


class FirstLine(logging.Filter):
    """What asyncio says of a lost task or callback goes on, from its second line, with the task, its
    exception's message and its arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "asyncio":
            record.msg, record.args = record.getMessage().partition("\n")[0], None
        return True


def configure(level: str, format: str, log_inputs: bool) -> None:
    """Sends everything to stderr. Below "info" only our own modules speak: libraries tell whole requests
    and events there."""
    handler = logging.StreamHandler(sys.stderr)
    if not log_inputs:
        handler.addFilter(FirstLine())
    handler.setFormatter((Json if format == "json" else Text)(log_inputs))
    wanted: int = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(wanted, logging.INFO), handlers=[handler], force=True)
    for package in ("app", "models"):
        logging.getLogger(package).setLevel(wanted)
