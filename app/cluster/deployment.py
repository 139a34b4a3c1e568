"""Starting and finding the replicas under Ray Serve. Nothing of Ray listens for browsers: its HTTP proxy is
off, visitors talk to the fronts."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

# Read when Ray starts. No usage reports; and its workers are the server here, not work in the background,
# so they get no lower priority than everybody else.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")

import ray
from ray import serve

from app.cluster.replica import Replica
from app.cluster.settings import ScaleSettings
from app.settings import Settings

APPLICATION = "twofold"
OBJECT_STORE_BYTES = 100 * 2**20  # events are passed on one by one, nothing is kept in it


def connect(settings: ScaleSettings) -> None:
    """Joins the Ray cluster of the settings, or starts one on this machine. Raises ConnectionError."""
    local: dict[str, Any] = {}
    if settings.scale_ray == "local":
        local = {
            # Bookkeeping, not a limit: as many replicas as the settings allow must find their place.
            "num_cpus": settings.scale_max_replicas * settings.threads,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
    ray.init(
        address=settings.scale_ray,
        namespace=APPLICATION,
        log_to_driver=False,
        logging_level=logging.WARNING,
        **local,
    )


def deploy(settings: ScaleSettings, table: Mapping[str, str]) -> Any:
    """Starts the replicas of the pipelines in ``table`` and returns their handle when the first can
    compute; an application of that name that is already there is updated. ``connect`` comes first."""
    engine = {name: getattr(settings, name) for name in Settings.model_fields}
    bounds: dict[str, Any] = {"num_replicas": settings.scale_min_replicas}
    if settings.scale_max_replicas > settings.scale_min_replicas:
        bounds = {
            "autoscaling_config": {
                "min_replicas": settings.scale_min_replicas,
                "max_replicas": settings.scale_max_replicas,
                "target_ongoing_requests": settings.scale_target_runs,
            }
        }
    deployment = serve.deployment(
        name="Replica",
        max_ongoing_requests=settings.max_runs,
        ray_actor_options={"num_cpus": settings.threads},
        graceful_shutdown_timeout_s=settings.shutdown_s,
        **bounds,
    )(Replica)
    serve.start(proxy_location="Disabled")
    return serve.run(deployment.bind(engine, dict(table)), name=APPLICATION, route_prefix=None)


def find() -> Any:
    """The handle of replicas that another process has deployed. ``connect`` comes first. Raises
    ray.serve.exceptions.RayServeException when there are none."""
    return serve.get_app_handle(APPLICATION)


def shut_down() -> None:
    """Ends the replicas, and Ray itself where :func:`connect` has started it."""
    serve.shutdown()
    ray.shutdown()
