"""The picture fixture and, once per session, the shipped pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.dalle2.data import Sprites, load_sprites
from models.dalle2.pipeline import Dalle2

FIXTURE = Path(__file__).parent.parent / "fixtures" / "images"


@pytest.fixture(scope="session")
def sprites() -> Sprites:
    return load_sprites(FIXTURE)


@pytest.fixture(scope="session")
def pipeline() -> Dalle2:
    return Dalle2()
