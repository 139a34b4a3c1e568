"""Frozen dataclasses to JSON and back: what a checkpoint's header holds."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

C = TypeVar("C")


def to_json(config: Any) -> str:
    """A dataclass instance as canonical JSON."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True)


def from_json(cls: type[C], text: str) -> C:
    """Builds ``cls`` from :func:`to_json`'s text; lists become tuples, as frozen configs hold them.

    Raises ValueError naming a field that ``cls`` does not have.
    """
    data = json.loads(text)
    names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = set(data) - names
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
