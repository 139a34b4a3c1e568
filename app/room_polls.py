"""Predict, then reveal: a question to the class, one answer each, a tally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Ready questions: how many options each has and which one is right. Their words, and why it is right,
# are in the page's catalogue (static/js/text/room.en.js, "poll.<id>.*").
READY: dict[str, tuple[int, int]] = {
    "molecule_first": (2, 0),
    "picture_first": (2, 0),
    "molecule_start": (3, 1),
    "same_seed": (3, 2),
    "shared_part": (3, 0),
}


@dataclass
class Poll:
    """A question that was asked: ``asked`` holds {"ready": id} or {"question", "options"}, then
    "count" (of options) and "right" (index or None)."""

    number: int
    asked: Mapping[str, Any]
    revealed: bool = False
    answers: dict[str, int] = field(default_factory=dict)  # by follower

    def answer(self, follower: str, option: int, most: int) -> None:
        """Counts an answer, or changes it. After the reveal, and beyond ``most`` followers, nothing
        happens."""
        known = follower in self.answers or len(self.answers) < most
        if known and not self.revealed and 0 <= option < self.asked["count"]:
            self.answers[follower] = option

    def tally(self) -> list[int]:
        """Answers per option."""
        given = list(self.answers.values())
        return [given.count(option) for option in range(self.asked["count"])]

    def public(self) -> dict[str, Any]:
        """What followers may know: counts and the right answer only once it is revealed."""
        shown = {key: value for key, value in self.asked.items() if key != "right"}
        shown |= {"number": self.number, "revealed": self.revealed}
        if self.revealed:
            shown |= {"tally": self.tally(), "right": self.asked["right"]}
        return shown
