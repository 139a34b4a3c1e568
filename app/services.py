"""The objects that live as long as the application, in one typed place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Annotated

from fastapi import Depends, Request

from app.admission import Admission
from app.computing import Computing
from app.engine import Engine, Limits
from app.metrics import Metrics
from app.pipelines import Pipelines
from app.pulse import Pulse
from app.room_store import Store
from app.rooms import Rooms
from app.runs import Runs
from app.settings import Settings
from app.throttle import Buckets
from app.uploads import PictureStore
from app.workers.pool import Workers


@dataclass(frozen=True)
class Services:
    settings: Settings
    metrics: Metrics
    pipelines: Pipelines
    engine: Computing
    admission: Admission
    runs: Runs
    pulse: Pulse
    pictures: PictureStore
    rooms: Rooms
    lookups: Buckets  # unknown room codes
    openings: Buckets  # of rooms

    @classmethod
    def build(
        cls,
        settings: Settings,
        pipelines: Pipelines,
        engine: Computing | None = None,
        store: Store | None = None,
    ) -> Services:
        """Everything in this process, unless somebody else computes (``engine``) or rooms are shared
        with other processes (``store``)."""
        metrics = Metrics()
        if isinstance(engine, Workers):
            engine.observer = metrics
            workers = engine
            metrics.watch_caches(lambda: chain(pipelines.caches(), workers.caches()))
            metrics.watch_workers(workers.processes)
        else:
            metrics.watch_caches(pipelines.caches)
        limits = Limits(
            settings.max_runs,
            settings.max_live_rows,
            settings.max_batch_rows,
            settings.max_forward_s,
        )
        engine = engine or Engine(limits, metrics, settings.threads, settings.used_lanes)
        admission = Admission(settings, engine)
        runs = Runs(engine, settings, metrics)
        pictures = PictureStore(settings.max_pictures, settings.keep_picture_s)
        rooms = Rooms(runs, settings, metrics, store)
        lookups = Buckets(settings.room_lookups, settings.room_lookups_per_minute / 60, rooms.clock)
        openings = Buckets(settings.room_opens, settings.room_opens_per_hour / 3600, rooms.clock)
        pulse = Pulse(metrics)
        return cls(
            settings,
            metrics,
            pipelines,
            engine,
            admission,
            runs,
            pulse,
            pictures,
            rooms,
            lookups,
            openings,
        )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Has = Annotated[Services, Depends(services_of)]
