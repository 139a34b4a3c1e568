"""Metrics files as tables: whatever JSON an evaluation wrote becomes rows and columns, nothing is left
out and nothing is added.

A *record* is a dict that holds at least one plain value; records below one top-level key that share
columns make one table, its rows named by their path. Which rows are a ceiling or a baseline shows in
their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.card_words import ENGLISH, HOW, ORDER, Words

_ROLES = (
    ("", re.compile(r"relative_to")),
    ("ceiling", re.compile(r"ceiling|float32|training_drawings|\boriginal$")),
    (
        "baseline",
        re.compile(
            r"chance|etkdg|ETKDG|floor|baseline|mean_embedding|text_embedding|independent|real_"
        ),
    ),
)
_SHARES = re.compile(
    r"top_?\d|recall|share|colour|background|posebusters$|posebusters_and|stereo$|^all$|^(pixels|clip"
    r"|either)$|by_layout|^(size|position|count)$|usage|clip_order|posebusters_full$|precision|chance"
    r"|_broken$|_clashing$|right_handed$"
)


@dataclass
class Row:
    """name; role: "", "ceiling" or "baseline"; key: its path in the file; cells: one text per column, ""
    where there is none."""

    name: str
    role: str
    key: str
    cells: list[str] = field(default_factory=list)


@dataclass
class Table:
    columns: list[str]
    rows: list[Row]


@dataclass
class Section:
    """title, note: in words; facts: single values; tables: records; lists: texts."""

    key: str
    title: str
    note: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    lists: list[tuple[str, list[str]]] = field(default_factory=list)


def told(key: str, value: Any, words: Words) -> str:
    """A value with its unit, told by the last part of its key."""
    name = key.rpartition(".")[2]
    if value is None:
        return "–"
    if _is_range(value):
        low, high = (told(key, v, words) for v in value)
        return words.text("card.range", low=low, high=high)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return words.known(str(value)) or str(value)  # some scores are sentences
    whole = key.split(".")
    if isinstance(value, float) and abs(value) <= 1 and any(_SHARES.search(part) for part in whole):
        return words.percent(value)
    text = words.integer(value) if isinstance(value, int) else words.significant(value)
    if any(part.endswith("_A") for part in whole):
        return f"{text} Å"
    if name.endswith("_deg"):
        return f"{text}°"
    return f"{text} s" if name.endswith("seconds") else text


def sections(
    card: str, metrics: Mapping[str, Any], words: Words = ENGLISH
) -> tuple[list[tuple[str, str]], list[Section]]:
    """-> (how it was measured, the scores)."""
    how: list[tuple[str, str]] = []
    found: list[Section] = []
    for key, value in metrics.items():
        if key in HOW or not isinstance(value, (dict, list)):
            how.append((words(key), _flat(value)))
        elif value:
            found.append(_section(card, key, value, words))
    found.sort(key=lambda s: ORDER.index(s.key) if s.key in ORDER else len(ORDER))
    return how, found


def _section(card: str, key: str, value: Any, words: Words) -> Section:
    section = Section(key, words.title(key), words.note(card, key))
    if isinstance(value, list):
        _add_list(section, key, value, words)
        return section
    records: list[tuple[Row, dict[str, Any]]] = []
    for name, part in value.items():
        if isinstance(part, Mapping):
            records.extend(_records(part, (name,), section, words))
        elif isinstance(part, list):
            _add_list(section, name, part, words)
        else:
            section.facts.append((words(name), told(name, part, words)))
    section.tables.extend(_tables(records, words))
    return section


def _add_list(section: Section, name: str, items: list[Any], words: Words) -> None:
    if items and all(isinstance(item, Mapping) for item in items):
        records = []
        for item in items:
            (first, value), *_ = item.items()
            rest = {k: v for k, v in item.items() if k != first}
            said = (
                value if isinstance(value, str) else f"{words(first)} {told(first, value, words)}"
            )
            records.append((Row(said, "", first), _columns(rest)))
        section.tables.extend(_tables(records, words))
    elif items:
        section.lists.append((words(name), [str(item) for item in items]))


def _records(
    value: Mapping[str, Any], path: tuple[str, ...], section: Section, words: Words
) -> Iterator[tuple[Row, dict[str, Any]]]:
    """The records below a dict, outermost first, each with its still empty row."""
    plain = any(not isinstance(part, (Mapping, list)) for part in value.values())
    if plain:
        key = ".".join(path)
        said = words.known(key) or words.text("mark.comma").join(words(part) for part in path)
        yield Row(said, _role(key), key), _columns(value)
    for name, part in value.items():
        if isinstance(part, list):
            if not _is_range(part):
                _add_list(section, ".".join((*path, name)), part, words)
        elif isinstance(part, Mapping) and not (plain and _is_leaf(part)):
            yield from _records(part, (*path, name), section, words)


def _is_leaf(value: Mapping[str, Any]) -> bool:
    parts = value.values()
    return not any(
        isinstance(p, Mapping) or (isinstance(p, list) and not _is_range(p)) for p in parts
    )


def _is_range(value: Any) -> bool:
    """Two numbers, from and to: told in one cell."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)


def _columns(value: Mapping[str, Any]) -> dict[str, Any]:
    """One record's plain values; those of a dict inside it get its name in front."""
    columns: dict[str, Any] = {}
    for name, part in value.items():
        if isinstance(part, Mapping):
            if _is_leaf(part):
                columns.update({f"{name}.{inner}": v for inner, v in part.items()})
        elif not isinstance(part, list) or _is_range(part):
            columns[name] = part
    return columns


def _tables(records: list[tuple[Row, dict[str, Any]]], words: Words) -> list[Table]:
    """Records that share at least half of their columns stand in one table."""
    groups: list[tuple[list[str], list[tuple[Row, dict[str, Any]]]]] = []
    for row, record in records:
        if not record:
            continue
        for columns, members in groups:
            if 2 * len(set(columns) & set(record)) >= min(len(columns), len(record)):
                columns.extend(key for key in record if key not in columns)
                members.append((row, record))
                break
        else:
            groups.append((list(record), [(row, record)]))
    tables = []
    for columns, members in groups:
        for row, record in members:
            row.cells = [_cell(key, record, row.key, words) for key in columns]
        tables.append(Table([words(key) for key in columns], [row for row, _ in members]))
    return tables


def _cell(key: str, record: Mapping[str, Any], row: str, words: Words) -> str:
    if key not in record:
        return ""
    # Where the columns are models, the row says what is measured.
    return told(row if key in ("dalle1", "dalle2") else key, record[key], words)


def _role(name: str) -> str:
    return next((role for role, pattern in _ROLES if pattern.search(name)), "")


def _flat(value: Any) -> str:
    """Settings and the like, verbatim."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(part)}" for name, part in value.items())
    return ", ".join(map(_flat, value)) if isinstance(value, list) else str(value)
