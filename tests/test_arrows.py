"""Who may import whom: the plan's arrows, read from the syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "models")


def modules() -> dict[str, Path]:
    files = [f for package in PACKAGES for f in (ROOT / package).rglob("*.py")]
    return {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in files}


def imports(path: Path, top_level: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


FORBIDDEN = [
    ("models", "app"),
    ("models.dalle2", "models.alphafold3"),
    ("models.alphafold3", "models.dalle2"),
    ("models.dalle2", "models.dalle1"),  # the newer model knows nothing of the older one
    ("models.dalle1", "models.alphafold3"),
    ("models.alphafold3", "models.dalle1"),
    (
        "models.alphafold3",
        "models.alphafold2",
    ),  # as above: the older one may read the newer one's trunk
    ("models.dalle2", "models.alphafold2"),
    ("models.dalle1", "models.alphafold2"),
    ("models.alphafold2", "models.dalle2"),
    ("models.alphafold2", "models.dalle1"),
    ("models.dye", "models.dalle2"),
    ("models.dye", "models.alphafold3"),
    ("models.diffusion", "numpy"),
    *[
        ("models.diffusion", f"models.{name}")
        for name in (
            "dalle2",
            "alphafold3",
            "alphafold2",
            "dye",
            "evaluation",
            "pipeline",
            "checkpoint",
            "config",
        )
    ],
]


@pytest.mark.parametrize(("who", "whom"), FORBIDDEN)
def test_arrow(who: str, whom: str) -> None:
    guilty = [
        f"{module} imports {name}"
        for module, path in modules().items()
        if below(module, who)
        for name in imports(path)
        if below(name, whom)
    ]
    assert not guilty


def test_diffusion_imports_torch_and_the_standard_library_only() -> None:
    import sys

    allowed = set(sys.stdlib_module_names) | {"torch", "models", "tqdm"}
    for module, path in modules().items():
        if below(module, "models.diffusion"):
            assert {name.split(".")[0] for name in imports(path)} <= allowed, module


def test_no_import_cycles() -> None:
    known = modules()
    graph = {
        module.removesuffix(".__init__"): {
            name for name in imports(path, top_level=True) if name in known
        }
        for module, path in known.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for name in graph.get(module, ()):
                visit(name, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_no_modules_named_after_nothing() -> None:
    names = {part for module in modules() for part in module.split(".")}
    assert not names & {
        "utils",
        "util",
        "helpers",
        "helper",
        "manager",
        "managers",
        "common",
        "misc",
    }
