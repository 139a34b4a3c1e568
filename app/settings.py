"""What an operator can set: environment variables ``TWOFOLD_*``, checked once at start."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _cores() -> int:
    """Those that this process may use, where the system can tell."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


class Settings(BaseSettings):
    """Every value has a default that suits a laptop with two cores."""

    model_config = SettingsConfigDict(env_prefix="TWOFOLD_", frozen=True, extra="forbid")

    host: str = Field(
        default="127.0.0.1", description="address to listen on; 0.0.0.0 for a class room"
    )
    port: int = Field(
        default=8000, ge=0, le=65535, description="port to listen on; 0 picks a free one"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    threads: int = Field(default_factory=_cores, ge=1, le=256, description="threads of one forward")
    pipelines: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("dalle2", "alphafold3", "dye"),
        description="ids of the pipelines to load, with commas",
    )

    max_runs: int = Field(default=128, ge=1, description="runs admitted at once, live or waiting")
    max_live_rows: int = Field(
        default=64, ge=1, description="samples that advance together in a tick"
    )
    max_batch_rows: int = Field(default=32, ge=1, description="samples per forward")
    max_cost: int = Field(
        default=4000, ge=1, description="steps x samples that one run may ask for"
    )
    max_frames: int = Field(
        default=100, ge=2, description="frames streamed per stage; thinned beyond"
    )
    max_run_bytes: int = Field(
        default=4 * 2**20, ge=1, description="of a stage's frames; thinned beyond"
    )
    max_body: int = Field(default=64 * 1024, ge=256, description="bytes of a request body")

    grace_s: float = Field(default=10, ge=0, description="a run without viewers is cancelled after")
    unclaimed_s: float = Field(default=30, ge=0, description="a run that nobody came to see, after")
    keep_runs: int = Field(
        default=200, ge=0, description="finished runs kept for replay and export"
    )
    keep_bytes: int = Field(default=128 * 2**20, ge=0, description="bytes of their events")
    keep_s: float = Field(default=3600, ge=0, description="seconds that they are kept")
    ping_s: float = Field(
        default=15, gt=0, description="seconds between keep-alive comments in a stream"
    )
    shutdown_s: int = Field(
        default=3, ge=0, description="seconds that open requests get at shutdown"
    )

    @field_validator("pipelines", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
