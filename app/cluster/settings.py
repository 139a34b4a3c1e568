"""Settings of a cluster: those of one server, and ``TWOFOLD_SCALE_*``."""

from __future__ import annotations

from pydantic import Field, model_validator

from app.room_store import Store
from app.settings import Settings, table


class ScaleSettings(Settings):
    """All of ``app.settings``; ``threads`` is one replica's."""

    scale_ray: str = Field(
        default="local",
        description="Ray cluster: local starts one on this machine, auto joins the one that runs "
        "here, else its address",
    )
    scale_min_replicas: int = Field(default=2, ge=1, description="engine processes, at least")
    scale_max_replicas: int = Field(default=2, ge=1, description="engine processes, at most")
    scale_target_runs: int = Field(
        default=16, ge=1, description="runs per replica that autoscaling aims at"
    )
    scale_attempts: int = Field(
        default=3, ge=1, description="replicas that may die of one run before it fails"
    )
    scale_redis: str = Field(
        default="",
        pattern=r"^(rediss?://\S+|unix://\S+)?$",
        description="Redis that several fronts share their rooms through; nothing for a single one",
    )

    @property
    def store(self) -> Store | None:
        """Where rooms are kept, if not in the front's own memory."""
        if not self.scale_redis:
            return None
        from redis.asyncio import Redis

        from app.cluster.room_stream import RedisStore

        return RedisStore(Redis.from_url(self.scale_redis, protocol=2), self.room_max_s)

    @model_validator(mode="after")
    def _bounds(self) -> ScaleSettings:
        if self.scale_max_replicas < self.scale_min_replicas:
            raise ValueError("TWOFOLD_SCALE_MAX_REPLICAS is below TWOFOLD_SCALE_MIN_REPLICAS")
        return self


if __name__ == "__main__":
    own = set(ScaleSettings.model_fields) - set(Settings.model_fields)
    print(table({name: ScaleSettings.model_fields[name] for name in sorted(own)}))
