"""Promises about the tree itself: small, no pickles, every data source credited."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.split("\0") if name]


def test_tracked_files_stay_small(tracked) -> None:
    sizes = {path: path.stat().st_size for path in tracked if path.is_file()}
    assert sum(sizes.values()) < 48_000_000
    weights = [p for p in sizes if p.is_relative_to(ROOT / "models" / "checkpoints")]
    assert weights and sum(sizes[p] for p in weights) < 40_000_000


def test_no_pickles_and_no_third_party_scripts(tracked) -> None:
    assert not [p for p in tracked if p.suffix in {".pt", ".pth", ".pkl", ".pickle", ".bin"}]
    assert not [p for p in tracked if p.name.endswith((".min.js", "-min.js"))]


def test_every_set_of_pictures_is_credited() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for name in ("Noto", "Twemoji", "Fluent", "EmojiOne 2.3", "FxEmoji", "Streamline", "OpenMoji"):
        assert name in notice
    for name in ("WordNet", "MiniLM", "Chemical Component Dictionary", "ProMod3", "3Dmol.js"):
        assert name in notice
