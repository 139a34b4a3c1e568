"""The objects that live as long as the application, in one typed place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.engine import Engine, Limits
from app.metrics import Metrics
from app.pipelines import Pipelines
from app.runs import Runs
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    settings: Settings
    metrics: Metrics
    pipelines: Pipelines
    engine: Engine
    runs: Runs

    @classmethod
    def build(cls, settings: Settings, pipelines: Pipelines) -> Services:
        metrics = Metrics()
        limits = Limits(settings.max_runs, settings.max_live_rows, settings.max_batch_rows)
        engine = Engine(limits, metrics, settings.threads)
        return cls(settings, metrics, pipelines, engine, Runs(engine, settings, metrics))


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Has = Annotated[Services, Depends(services_of)]
