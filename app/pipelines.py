"""Which pipelines there are, and whether each can be used."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from models.cached import Cached
from models.checkpoint import CheckpointError
from models.dalle2 import fast
from models.pipeline import Pipeline

log = logging.getLogger(__name__)

PIPELINES = {
    "dalle2": "models.dalle2.pipeline:Dalle2",
    "dalle1": "models.dalle1.pipeline:Dalle1",
    "alphafold3": "models.alphafold3.pipeline:AlphaFold3",
    "alphafold2": "models.alphafold2.pipeline:AlphaFold2",
    "dye": "models.dye.pipeline:Dye",
}


class Unavailable(Exception):
    """A known pipeline that cannot run; ``loading`` if it soon can."""

    def __init__(self, id: str, reason: str, loading: bool) -> None:
        super().__init__(f"{id} is not available: {reason}")
        self.id = id
        self.reason = reason
        self.loading = loading


class Pipelines:
    """Loads and warms up each pipeline on its own, so that one broken checkpoint leaves the others
    working. Values of ``table`` are "module:Class" or ready objects."""

    def __init__(self, table: Mapping[str, str | Pipeline]) -> None:
        self._table = dict(table)
        self._made: dict[str, Pipeline] = {}
        self._ready: dict[str, Pipeline] = {}
        self._broken: dict[str, str] = {}
        self._loaded = threading.Event()
        self.cache_bytes: int | None = None  # bound of each cache; None leaves a pipeline's own
        self.backend: Literal["auto", "torch", "openvino"] = "torch"
        # Of a forward that is alone and of one among others, for a back end that must know beforehand.
        self.threads: tuple[int, ...] = (1,)
        # Where other processes compute: waits until one of them has warmed up the pipeline of that id,
        # and says what is wrong with it.
        self.elsewhere: Callable[[str], str] | None = None

    @classmethod
    def named(cls, ids: Sequence[str]) -> Pipelines:
        """The shipped pipelines with these ids. Raises ValueError for an unknown one."""
        unknown = set(ids) - set(PIPELINES)
        if unknown:
            raise ValueError(
                f"unknown pipeline {min(unknown)!r}, choose from {', '.join(PIPELINES)}"
            )
        return cls({id: PIPELINES[id] for id in ids})

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._table)

    @property
    def loaded(self) -> bool:
        """Whether loading has ended, well or not."""
        return self._loaded.is_set()

    def wait(self) -> None:
        """Returns when loading has ended."""
        self._loaded.wait()

    def construct(self) -> None:
        """Reads the checkpoints of what is not constructed yet, one after the other; computes nothing."""
        for id, entry in self._table.items():
            if id in self._made or id in self._broken:
                continue
            try:
                pipeline = self._construct(entry) if isinstance(entry, str) else entry
            except Exception as error:
                self._fail(id, error)
            else:
                if self.cache_bytes is not None:
                    for cache in getattr(pipeline, "caches", ()):
                        cache.max_bytes = self.cache_bytes
                self._made[id] = pipeline

    def load(self) -> None:
        """Constructs everything and warms it up; takes seconds."""
        self.construct()
        for id in self._made:
            reason = self.warm(id)
            if reason:
                log.error("pipeline=%s is off: %s", id, reason)
            else:
                log.info("pipeline=%s is ready", id)
        self._loaded.set()

    def warm(self, id: str) -> str:
        """Makes a constructed pipeline ready, here or elsewhere. -> what is wrong with it, or nothing"""
        pipeline = self._made[id]
        if self.elsewhere is not None:
            reason = self.elsewhere(id)
            if reason:
                self._broken[id] = reason
                return reason
        else:
            try:
                self._warm_up(pipeline)
            except Exception as error:
                self._fail(id, error)
                return self._broken[id]
        self._ready[id] = pipeline
        return ""

    def _fail(self, id: str, error: Exception) -> None:
        """Whatever is wrong with one pipeline must not take the others down."""
        if isinstance(error, CheckpointError):
            self._broken[id] = str(error)
            log.error("pipeline=%s is off: %s", id, error)
        else:
            self._broken[id] = f"it could not be loaded ({type(error).__name__}: {error})"
            log.error("pipeline=%s is off", id, exc_info=error)

    @property
    def constructed(self) -> tuple[str, ...]:
        return tuple(self._made)

    def computes_with(self, id: str, backend: str) -> None:
        """Other processes say with what they compute a pipeline, for whoever lists it."""
        if hasattr(self._made[id], "backend"):
            self._made[id].backend = backend  # type: ignore[attr-defined]

    def _warm_up(self, pipeline: Pipeline) -> None:
        """With the back end of the settings, if the pipeline has a choice. ``auto`` falls back to torch
        whatever is wrong with OpenVINO; asked for by name, it must work."""
        use = getattr(pipeline, "use_openvino", None)
        if use is None or self.backend == "torch":
            return pipeline.warm_up()
        if not fast.installed():
            if self.backend == "openvino":
                raise RuntimeError('OpenVINO is not installed: pip install "twofold[fast]"')
            return pipeline.warm_up()
        try:
            use(*self.threads)
            pipeline.warm_up()
        except Exception:
            if self.backend == "openvino":
                raise
            log.exception("pipeline=%s goes on with torch, OpenVINO failed", pipeline.id)
            pipeline.use_torch()  # type: ignore[attr-defined]
            pipeline.warm_up()

    @staticmethod
    def _construct(entry: str) -> Pipeline:
        module, name = entry.split(":")
        pipeline: Pipeline = getattr(importlib.import_module(module), name)()
        return pipeline

    def caches(self) -> Iterator[tuple[str, Cached]]:
        """Network name and memory of every loaded pipeline that has one."""
        for pipeline in list(self._ready.values()):
            for cache in getattr(pipeline, "caches", ()):
                yield cache.name, cache

    def get(self, id: str) -> Pipeline:
        """Raises KeyError for an unknown id and Unavailable for one that cannot run."""
        if id in self._ready:
            return self._ready[id]
        if id in self._table:
            reason = self._broken.get(id)
            raise Unavailable(id, reason or "it is still loading", loading=reason is None)
        raise KeyError(id)

    def status(self) -> dict[str, dict[str, Any]]:
        """-> {id: {"ready": bool, "reason"?: str}}"""
        status: dict[str, dict[str, Any]] = {}
        for id in self._table:
            try:
                self.get(id)
                status[id] = {"ready": True}
            except Unavailable as error:
                status[id] = {"ready": False, "reason": error.reason}
        return status
