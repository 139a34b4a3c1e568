"""``python -m app.cluster``: starts the replicas and a front. ``python -m app.cluster front``: one more
front of the cluster that TWOFOLD_SCALE_RAY names (auto: the one on this machine)."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from app.__main__ import end_on_sigterm, listen, read_settings, serve_forever
from app.cluster.settings import ScaleSettings


def main() -> None:
    end_on_sigterm()
    front_only = sys.argv[1:2] == ["front"]
    if front_only:
        del sys.argv[1]
    settings = read_settings(ScaleSettings, "python -m app.cluster [front]")
    listening = listen(settings.host, settings.port)

    from app.cluster import deployment
    from app.cluster.relay import Cluster
    from app.main import create_app
    from app.pipelines import PIPELINES, Pipelines

    def build() -> FastAPI:
        pipelines = Pipelines.named(settings.pipelines)
        print("Twofold is starting its replicas", flush=True)
        deployment.connect(settings)
        table = {id: PIPELINES[id] for id in settings.pipelines}
        handle = deployment.find() if front_only else deployment.deploy(settings, table)
        runs = settings.max_runs * settings.scale_max_replicas
        cluster = Cluster(handle, runs, settings.scale_attempts)
        return create_app(settings, pipelines, cluster, settings.store)

    try:
        serve_forever(settings, listening, build)
    finally:
        if not front_only:
            deployment.shut_down()


if __name__ == "__main__":
    main()
