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

from app.card_words import HOW, NOTES, TITLES, WORDS

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
    """name; role: "", "ceiling" or "baseline"; cells: one text per column, "" where there is none."""

    name: str
    role: str
    cells: list[str]


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


def words(key: str) -> str:
    """A key of a metrics file as a reader says it."""
    if key in WORDS:
        return WORDS[key]
    parts = (WORDS.get(part, part.replace("_", " ")) for part in key.split("."))
    return " ".join(parts).replace("@", " at ")


def told(key: str, value: Any) -> str:
    """A value with its unit, told by the last part of its key."""
    name = key.rpartition(".")[2]
    if value is None:
        return "–"
    if _is_range(value):
        return " to ".join(told(key, v) for v in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    whole = key.split(".")
    if isinstance(value, float) and abs(value) <= 1 and any(_SHARES.search(part) for part in whole):
        return f"{100 * value:.1f} %"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    if any(part.endswith("_A") for part in whole):
        return f"{text} Å"
    if name.endswith("_deg"):
        return f"{text}°"
    return f"{text} s" if name.endswith("seconds") else text


def sections(card: str, metrics: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[Section]]:
    """-> (how it was measured, the scores)."""
    how: list[tuple[str, str]] = []
    found: list[Section] = []
    for key, value in metrics.items():
        if key in HOW or not isinstance(value, (dict, list)):
            how.append((words(key), _flat(value)))
        elif value:
            found.append(_section(card, key, value))
    order = list(TITLES)
    found.sort(key=lambda s: order.index(s.key) if s.key in order else len(order))
    return how, found


def _section(card: str, key: str, value: Any) -> Section:
    note = NOTES.get(f"{card}.{key}", NOTES.get(key, ""))
    section = Section(key, TITLES.get(key, words(key).capitalize()), note)
    if isinstance(value, list):
        _add_list(section, key, value)
        return section
    records: list[tuple[Row, dict[str, Any]]] = []
    for name, part in value.items():
        if isinstance(part, Mapping):
            records.extend(_records(part, (name,), section))
        elif isinstance(part, list):
            _add_list(section, name, part)
        else:
            section.facts.append((words(name), told(name, part)))
    section.tables.extend(_tables(records))
    return section


def _add_list(section: Section, name: str, items: list[Any]) -> None:
    if items and all(isinstance(item, Mapping) for item in items):
        records = []
        for item in items:
            (first, value), *_ = item.items()
            rest = {k: v for k, v in item.items() if k != first}
            said = value if isinstance(value, str) else f"{words(first)} {told(first, value)}"
            records.append((Row(said, "", []), _columns(rest)))
        section.tables.extend(_tables(records))
    elif items:
        section.lists.append((words(name), [str(item) for item in items]))


def _records(
    value: Mapping[str, Any], path: tuple[str, ...], section: Section
) -> Iterator[tuple[Row, dict[str, Any]]]:
    """The records below a dict, outermost first, each with its still empty row."""
    plain = any(not isinstance(part, (Mapping, list)) for part in value.values())
    if plain:
        said = WORDS.get(".".join(path)) or ", ".join(words(part) for part in path)
        yield Row(said, _role(".".join(path)), []), _columns(value)
    for name, part in value.items():
        if isinstance(part, list):
            if not _is_range(part):
                _add_list(section, ".".join((*path, name)), part)
        elif isinstance(part, Mapping) and not (plain and _is_leaf(part)):
            yield from _records(part, (*path, name), section)


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


def _tables(records: list[tuple[Row, dict[str, Any]]]) -> list[Table]:
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
            row.cells = [_cell(key, record, row.name) for key in columns]
        tables.append(Table([words(key) for key in columns], [row for row, _ in members]))
    return tables


def _cell(key: str, record: Mapping[str, Any], row: str) -> str:
    if key not in record:
        return ""
    # Where the columns are models, the row says what is measured.
    return told(row.replace(" ", "_") if key in ("dalle1", "dalle2") else key, record[key])


def _role(name: str) -> str:
    return next((role for role, pattern in _ROLES if pattern.search(name)), "")


def _flat(value: Any) -> str:
    """Settings and the like, verbatim."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(part)}" for name, part in value.items())
    return ", ".join(map(_flat, value)) if isinstance(value, list) else str(value)
