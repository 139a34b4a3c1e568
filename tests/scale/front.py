"""A front process of a toy server: ``python tests/scale/front.py``, settings from the environment. Its
rooms are shared through TWOFOLD_SCALE_REDIS; the toy model goes as far as the gate allows (see gated)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gated import Gated

from app.__main__ import listen, read_settings, serve_forever
from app.cluster.settings import ScaleSettings
from app.main import create_app
from app.pipelines import Pipelines

settings = read_settings(ScaleSettings, "front")
serve_forever(
    settings,
    listen(settings.host, settings.port),
    lambda: create_app(settings, Pipelines({"toy": Gated()}), store=settings.store),
)
