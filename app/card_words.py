"""The words of the model cards that belong to keys of metrics files: titles, notes, labels.

They are in the catalogue (part ``cards``). A key without words is shown by its own name, so that a new
score is never lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app import languages

HOW = ("settings", "seeds", "checkpoint", "checkpoints", "seconds", "judged_at_px", "training")

# Sections in the order in which the cards show them.
ORDER = (
    "recognisability",
    "prior",
    "combinations",
    "layouts",
    "pairs",
    "retrieval",
    "guidance",
    "upsamplers",
    "beside_dalle2",
    "trained",
    "tokenizer",
    "variety",
    "copying",
    "novelty",
    "precision",
    "speed",
    "classes",
    "molecules",
    "against_etkdg",
    "component_classes",
    "proteins",
    "distogram",
    "twins",
    "against_alphafold3",
    "cost",
    "structures",
    "confidence",
    "samplers",
    "ablation",
    "named",
    "posebusters_failures",
    "data",
    "failures",
)


@dataclass(frozen=True)
class Words:
    """What a reader of one language is told."""

    language: str = languages.DEFAULT

    def __call__(self, key: str) -> str:
        """A key of a metrics file as a reader says it."""
        whole = self.known(key)
        if whole:
            return whole
        parts = (self.known(part) or part.replace("_", " ") for part in key.split("."))
        return " ".join(parts).replace("@", " at ")

    def known(self, key: str) -> str:
        """The same, "" without words of its own."""
        return self._of("word", key)

    def title(self, key: str) -> str:
        """Of a section."""
        said = self._of("title", key) or self(key)
        return said[:1].upper() + said[1:]

    def note(self, card: str, key: str) -> str:
        """What to know about a section, "" if nothing; a card may have one of its own."""
        return self._of("note", f"{card}.{key}") or self._of("note", key)

    def caption(self, card: str, key: str) -> str:
        """Of a sheet of pictures in static/cards."""
        said = self._of("caption", f"{card}.{key}") or self._of("caption", key)
        return said or f"{key.replace('-', ' ').capitalize()}."

    def text(self, key: str, **values: Any) -> str:
        """Any text of the catalogue."""
        return languages.text(self.language, key, **values)

    def integer(self, value: int) -> str:
        return languages.number(self.language, value)

    def significant(self, value: float) -> str:
        """Four significant digits."""
        return languages.localised(self.language, f"{value:,.4g}")

    def percent(self, share: float) -> str:
        return self.text("mark.percent", value=languages.number(self.language, 100 * share, 1))

    def _of(self, kind: str, key: str) -> str:
        return languages.found(self.language, f"card.{kind}.{key}")


ENGLISH = Words()
