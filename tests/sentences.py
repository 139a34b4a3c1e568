"""Sentences that the server can say, read out of the code: refusals, what would be accepted, notes.

What stands between braces in an f-string becomes "7"; both ways of a conditional are said.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Calls whose arguments (by position, by name) a visitor reads.
SAID: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "InputError": ((1, 2), ()),
    "one": ((1, 2), ()),
    "Problem": ((), ("message", "accepted")),
    "Busy": ((2,), ()),
    "_busy": ((2,), ()),
    "_refused": ((0, 1), ()),
    "_detail": ((1, 2), ()),
    "Unavailable": ((1,), ()),
}
FILES = (
    *(ROOT / "app").glob("*.py"),
    *(ROOT / "models").glob("*.py"),
    *(ROOT / "models" / "dalle1").glob("pipeline.py"),
    *(ROOT / "models" / "dalle2").glob("*.py"),
    *(ROOT / "models" / "dye").glob("*.py"),
    *(ROOT / "models" / "alphafold2").glob("*.py"),
    *(ROOT / "models" / "alphafold3").glob("*.py"),
)
LISTS = ("notes", "odd")


class Module:
    """One file: its strings by name, and what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text())
        self.named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.named.setdefault(node.targets[0].id, []).append(node.value)

    def texts(self, node: ast.expr, depth: int = 0) -> list[str]:
        """Everything that an expression can say; [] for what no text is seen in."""
        if depth > 4:
            return []
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, depth + 1) + self.texts(node.orelse, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.texts(node.left, depth + 1), self.texts(node.right, depth + 1)
            return [a + b for a in left for b in right]
        if isinstance(node, ast.JoinedStr):
            return ["".join(parts) for parts in itertools.product(*self._parts(node, depth))]
        if isinstance(node, ast.Name):
            found = [self.texts(value, depth + 1) for value in self.named.get(node.id, ())]
            return [text for texts in found for text in texts]
        return []

    def _parts(self, node: ast.JoinedStr, depth: int) -> Iterator[list[str]]:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                spoken = isinstance(part.value, (ast.IfExp, ast.Name))
                yield (spoken and self.texts(part.value, depth + 1)) or ["7"]
            else:
                yield self.texts(part, depth + 1)

    def said(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
                places, keywords = SAID.get(name, ((), ()))
                for place in places:
                    if place < len(node.args):
                        yield from self.texts(node.args[place])
                for keyword in node.keywords:
                    if keyword.arg in keywords:
                        yield from self.texts(keyword.value)
                target = called.value if isinstance(called, ast.Attribute) else None
                if name == "append" and isinstance(target, ast.Name) and target.id in LISTS:
                    yield from self.texts(node.args[0])
            elif isinstance(node, ast.Return) and self.path.name == "refusals.py" and node.value:
                yield from (text for text in self.texts(node.value) if " " in text)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
                target = node.targets[0]
                if isinstance(target, ast.Name) and target.id in LISTS:
                    for item in node.value.elts:
                        yield from self.texts(item)


def sentences() -> set[str]:
    """Everything that app and models say to a visitor, as far as the code shows it."""
    return {text for path in FILES for text in Module(path).said() if text.strip()}
