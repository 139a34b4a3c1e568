"""Predict, then reveal: a question to the class, one answer each, a tally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Ready questions: how many options each has and which one is right. Their words, and why it is right,
# are in the page's catalogue (static/text/en/room.json, "poll.<id>.*").
READY: dict[str, tuple[int, int]] = {
    "molecule_first": (2, 0),
    "picture_first": (2, 0),
    "molecule_start": (3, 1),
    "same_seed": (3, 2),
    "shared_part": (3, 0),
}

# Questions of the lessons: how many options. Which one is right is measured by the run that follows,
# so it comes with the reveal. Words as above.
LESSONS: dict[str, int] = {
    "lesson_dye": 3,
    "lesson_axis": 3,
    "lesson_clip": 3,
    "lesson_schedule": 3,
    "lesson_dalle1": 3,
    "lesson_alphafold2": 3,
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

    def reveal(self, right: int | None) -> None:
        """Closes the answers. ``right``: which option the stage has measured to be right, for a question
        that was asked without one."""
        if right is not None and not self.revealed:
            self.asked = {**self.asked, "right": right}
        self.revealed = True

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
