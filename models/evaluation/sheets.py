"""Where the model cards' sheets of samples lie, and how large they may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CARDS = Path("static/cards")
LIMIT = 250_000  # bytes of one sheet


def save_sheet(sheet: Any, path: Path, limit: int = LIMIT) -> None:
    """As WebP of the highest quality that stays within ``limit`` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in (90, 80, 70, 60, 50, 40, 30):
        sheet.save(path, "WEBP", quality=quality, method=6)
        if path.stat().st_size <= limit:
            return
