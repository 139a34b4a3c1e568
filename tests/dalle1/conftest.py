"""The picture fixture and, once per session, the shipped pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.dalle1.pipeline import Dalle1
from models.dalle2.data import Sprites, load_sprites

FIXTURE = Path(__file__).parent.parent / "fixtures" / "images"


@pytest.fixture(scope="session")
def sprites() -> Sprites:
    return load_sprites(FIXTURE)


@pytest.fixture(scope="session")
def dalle1() -> Dalle1:
    return Dalle1()
