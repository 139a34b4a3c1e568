"""What an operator can set: environment variables ``TWOFOLD_*``, checked once at start."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo
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
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="text for people, json (one object per line) for machines"
    )
    log_inputs: bool = Field(
        default=False, description="also log what visitors type, and messages that may quote it"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(),
        description="addresses or networks of proxies whose X-Forwarded-* count, with commas",
    )
    threads: int = Field(
        default_factory=_cores, ge=1, le=256, description="threads of all forwards together"
    )
    lanes: int = Field(
        default=2, ge=1, le=8, description="forwards side by side, at most one per thread"
    )
    workers: int = Field(
        default=2,
        ge=0,
        le=2,
        description="processes that compute: 2 one for pictures and one for molecules, 1 one for both, "
        "0 the server itself; never more than threads, and none where the system is not Linux",
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        default="auto",
        description="what computes pictures; auto: OpenVINO where it is installed, else torch",
    )
    pipelines: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("dalle2", "dalle1", "alphafold3", "alphafold2", "dye"),
        description="ids of the pipelines to load, with commas",
    )

    max_runs: int = Field(default=256, ge=1, description="runs admitted at once, live or waiting")
    max_client_runs: int = Field(
        default=160,
        ge=1,
        description="of one address: a class of 60 behind one router with both panels, and reserve",
    )
    max_live_rows: int = Field(
        default=256, ge=1, description="samples of the runs that take turns; the others wait"
    )
    max_batch_rows: int = Field(default=32, ge=1, description="samples per forward")
    max_forward_s: float = Field(
        default=0.25, gt=0, description="expected seconds of a forward that others may still join"
    )
    max_cost: int = Field(
        default=8000, ge=1, description="units of work (steps x samples x size) of one run"
    )
    max_client_cost: int = Field(
        default=24_000, ge=1, description="units of all runs of one address at once"
    )
    max_total_cost: int = Field(default=40_000, ge=1, description="units of all runs at once")
    max_streams: int = Field(default=1024, ge=1, description="event streams of runs open at once")
    max_client_streams: int = Field(default=256, ge=1, description="of them to one address")
    max_plans: int = Field(
        default=96, ge=1, description="plans (`/api/plans`) at once, made one after the other"
    )
    max_client_plans: int = Field(default=64, ge=1, description="of them for one address")
    max_uploads: int = Field(default=16, ge=1, description="uploads received at once")
    max_client_uploads: int = Field(default=12, ge=1, description="of them from one address")
    max_exports: int = Field(
        default=32, ge=1, description="exports being written, one after the other, or read"
    )
    max_client_exports: int = Field(default=24, ge=1, description="of them to one address")
    max_connections: int = Field(
        default=2048, ge=8, description="connections; beyond them only the health checks answer"
    )
    max_client_connections: int = Field(
        default=1024, ge=4, description="of them from one address (not from trusted proxies)"
    )
    max_held_bytes: int = Field(
        default=384 * 2**20,
        ge=2**20,
        description="bytes of events in memory, of running and kept runs; no new run beyond",
    )
    cache_bytes: int = Field(
        default=32 * 2**20,
        ge=0,
        description="bytes of remembered captions and trunks, for each of the two",
    )
    max_frames: int = Field(
        default=100, ge=2, description="frames streamed per stage; thinned beyond"
    )
    max_run_bytes: int = Field(
        default=4 * 2**20, ge=1, description="of a stage's frames; thinned beyond"
    )
    max_picture_bytes: int = Field(
        default=2 * 2**20, ge=1024, description="bytes of an uploaded picture"
    )
    max_picture_pixels: int = Field(
        default=12_500_000, ge=1024, description="width x height of one, checked before decoding"
    )
    max_pictures: int = Field(
        default=512, ge=1, description="uploads kept for runs that refer to them, 3 KB each"
    )
    keep_picture_s: float = Field(default=3600, gt=0, description="seconds that they are kept")
    max_body: int = Field(default=64 * 1024, ge=256, description="bytes of a request body")

    header_s: float = Field(
        default=10, gt=0, description="seconds that a connection gets to send a request's head"
    )
    body_s: float = Field(
        default=20, gt=0, description="seconds that a client gets to send a request's body"
    )
    send_s: float = Field(
        default=60, gt=0, description="a reader who takes nothing of an answer is let go after"
    )
    grace_s: float = Field(default=10, ge=0, description="a run without viewers is cancelled after")
    unclaimed_s: float = Field(default=30, ge=0, description="a run that nobody came to see, after")
    keep_runs: int = Field(
        default=200, ge=0, description="finished runs kept for replay and export"
    )
    keep_bytes: int = Field(default=96 * 2**20, ge=0, description="bytes of their events")
    keep_s: float = Field(default=3600, ge=0, description="seconds that they are kept")
    ping_s: float = Field(
        default=15, gt=0, description="seconds between keep-alive comments in a stream"
    )
    drain_s: float = Field(
        default=0.5,
        ge=0,
        description="seconds at shutdown in which running runs may end and new ones get 503",
    )
    shutdown_s: int = Field(
        default=3, ge=0, description="seconds that open requests get after that"
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",") if part.strip()]
            return tuple(ip_network(part, strict=False) for part in parts)
        return value

    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#\s]+(/[^?#\s]*)?)?$",
        description="address of the page for phones, if it is not the presenter's",
    )
    embed_ancestors: str = Field(
        default="*",
        pattern=r"^(\*|'none'|('self'|https?://[\w.*:\-]+)( ('self'|https?://[\w.*:\-]+))*)$",
        description="pages that may show `/embed` in a frame: `*`, `'none'`, or `'self'` and origins,"
        " with spaces",
    )
    max_rooms: int = Field(default=50, ge=0, description="rooms open at once")
    max_room_bytes: int = Field(
        default=256 * 2**20, ge=1, description="bytes of events in all rooms; no further run beyond"
    )
    room_followers: int = Field(default=300, ge=1, description="followers of one room")
    room_idle_s: float = Field(
        default=1800, gt=0, description="a room whose presenter is silent ends after"
    )
    room_max_s: float = Field(default=6 * 3600, gt=0, description="every room ends after")
    room_state_bytes: int = Field(
        default=16 * 1024, ge=1024, description="bytes of a presenter's message"
    )
    room_opens: int = Field(default=6, ge=1, description="rooms that a client may open at once")
    room_opens_per_hour: float = Field(default=60, gt=0, description="and after that in an hour")
    room_lookups: int = Field(
        default=20, ge=1, description="unknown room codes that a client may try at once"
    )
    room_lookups_per_minute: float = Field(
        default=12, gt=0, description="and after that in a minute"
    )

    @field_validator("pipelines")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no pipeline, the server would have nothing to run")
        return value

    @field_validator("pipelines", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def used_workers(self) -> int:
        """A fork is cheap and PyTorch survives it on Linux; elsewhere the server computes itself."""
        return min(self.workers, self.threads) if sys.platform == "linux" else 0

    @property
    def of_worker(self) -> Settings:
        """With the share of one worker."""
        share = self.threads // max(1, self.used_workers)
        return self.model_copy(update={"threads": share, "workers": 0})

    @property
    def used_lanes(self) -> int:
        return min(self.lanes, self.threads)

    @property
    def lane_threads(self) -> int:
        """Threads of a forward while every lane computes."""
        return self.threads // self.used_lanes


def table(fields: Mapping[str, FieldInfo] = Settings.model_fields) -> str:
    """Every setting as a row of a Markdown table: variable, default, what it is. ``python -m
    app.settings`` prints it for docs/operations.md."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in fields.items():
        default = "all cores" if name == "threads" else field.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        if isinstance(default, bool):
            default = str(default).lower()
        rows.append(f"| `TWOFOLD_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
