"""The server's side of the workers: who computes what, and what happens when one dies."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch

from app.forwards import Blind, Observer
from app.metrics import Counted
from app.pipelines import Pipelines
from app.relay import Lost, Relay
from app.runs import Run
from app.settings import Settings
from app.workers.messages import pack, receive
from app.workers.process import SETTINGS
from app.workers.zygote import Zygote

log = logging.getLogger(__name__)

PICTURES = ("dalle2", "dalle1")
ATTEMPTS = 3  # workers that may die of one run before it fails
YOUNG_S = 10.0  # a worker that dies before this age is replaced after a pause
PAUSES_S = (0.0, 0.5, 2.0, 10.0, 30.0)  # by how many died young, one after the other
SICK = 3  # so many of them, and the server is not well
MOST = 2**22  # bytes read ahead from a worker


@dataclass
class Member:
    """One worker's place, whoever holds it at the moment."""

    name: str
    ids: Sequence[str]
    writer: asyncio.StreamWriter | None = None
    up: asyncio.Event = field(default_factory=asyncio.Event)
    streams: dict[str, asyncio.Queue[tuple[str, bytes] | None]] = field(default_factory=dict)
    pid: int = 0
    deaths: int = 0
    young: int = 0  # of them at a young age, one after the other
    caches: list[list[Any]] = field(default_factory=list)
    process: dict[str, float] = field(default_factory=dict)

    def tell(self, said: dict[str, Any]) -> None:
        """Whoever has gone hears nothing; its runs are told otherwise."""
        if self.writer is not None and not self.writer.is_closing():
            self.writer.write(pack(said))


class Workers(Relay):
    """Computing by processes of this machine. Pictures have one and everything else another, if there
    are two: networks of one kind share forwards only where they meet."""

    def __init__(self, zygote: Zygote, settings: Settings, pipelines: Pipelines) -> None:
        super().__init__(settings.max_runs, ATTEMPTS)
        self.observer: Observer = Blind()
        self._zygote = zygote
        self._pipelines = pipelines
        self._members = [
            Member(name, ids) for name, ids in _shared_out(pipelines, settings.used_workers)
        ]
        self._of = {id: member for member in self._members for id in member.ids}
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._said = threading.Condition()
        self._ready: dict[str, str] = {}  # pipeline to what is wrong with it

    @classmethod
    def begin(
        cls, settings: Settings, inherited: Sequence[socket.socket] = ()
    ) -> tuple[Pipelines, Workers]:
        """The pipelines of the settings, constructed, and workers for them. Call it before there is any
        other thread; ``inherited``: see :meth:`Zygote.start`. Raises ValueError for bad settings."""
        torch.set_num_threads(1)  # no pool of threads before the fork, and none beside the workers'
        pipelines = Pipelines.named(settings.pipelines)
        own = settings.of_worker
        pipelines.cache_bytes, pipelines.backend = own.cache_bytes, own.backend
        pipelines.threads = (own.threads, own.lane_threads)
        pipelines.construct()
        workers = cls(Zygote.start(own, pipelines, inherited), settings, pipelines)
        pipelines.elsewhere = workers.warm
        return pipelines, workers

    @property
    def alive(self) -> bool:
        return super().alive and all(member.young < SICK for member in self._members)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by worker."""
        return {member.name: member.pid for member in self._members}

    def caches(self) -> Iterator[tuple[str, Counted]]:
        """What the workers remember, as they last said."""
        for member in self._members:
            for name, hits, misses, size in member.caches:
                yield name, SimpleNamespace(hits=hits, misses=misses, bytes=size)

    def processes(self) -> Iterator[tuple[str, dict[str, float]]]:
        """Memory and processor time of each worker, as it last said, and how many have died."""
        for member in self._members:
            if member.process:
                yield member.name, {**member.process, "deaths": member.deaths}

    def warm(self, id: str) -> str:
        """Waits in a thread until a worker has warmed up this pipeline. -> what is wrong with it."""
        with self._said:
            self._said.wait_for(lambda: id in self._ready or self._closing)
        return self._ready.get(id, "the server is shutting down")

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(self._keep_up(member)) for member in self._members]

    def stop(self) -> None:
        """May be called from another thread. The processes end by themselves when nobody listens."""
        super().stop()
        with self._said:
            self._said.notify_all()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        for member in self._members:
            if member.writer is not None:
                member.writer.close()
        self._zygote.close()

    async def events(self, run: Run) -> AsyncIterator[tuple[str, bytes]]:
        member = self._of[run.pipeline.id]
        await member.up.wait()
        heard: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        member.streams[run.id] = heard
        member.tell(
            {
                "run": run.id,
                "pipeline": run.pipeline.id,
                "input": run.input,
                "settings": SETTINGS.dump_python(run.settings, mode="json"),
                "branch": run.branch,
            }
        )
        try:
            while (said := await heard.get()) is not None:
                yield said
                if said[0] in ("done", "error"):
                    return
            raise Lost(f"the worker for {member.name} has died")
        finally:
            del member.streams[run.id]
            member.tell({"cancel": run.id})  # of a run that has ended: nothing happens

    async def _keep_up(self, member: Member) -> None:
        """Keeps a worker in this place until the server ends."""
        loop = asyncio.get_running_loop()
        while not self._closing:
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    member.pid = await asyncio.to_thread(self._zygote.fork, theirs, member.ids)
                except OSError as error:
                    member.young = SICK  # for good: there is nobody to ask for another one
                    log.critical("no new worker for %s: %s", member.name, error)
                    self._give_up(member, "no process can be started for it")
                    return
            born = loop.time()
            log.info("worker %d computes %s", member.pid, ", ".join(member.ids))
            await self._listen(member, ours)
            if self._closing:
                return
            member.deaths += 1
            member.young = member.young + 1 if loop.time() - born < YOUNG_S else 0
            pause = PAUSES_S[min(member.young, len(PAUSES_S) - 1)]
            log.error("the worker for %s has died, a new one comes in %g s", member.name, pause)
            if member.young >= SICK:
                self._give_up(member, "its process dies again and again")
            await asyncio.sleep(pause)

    async def _listen(self, member: Member, channel: socket.socket) -> None:
        """Until the worker has gone; its runs are then told so."""
        reader, member.writer = await asyncio.open_unix_connection(sock=channel, limit=MOST)
        member.up.set()
        try:
            while True:
                said, data = await receive(reader)
                self._heard(member, said, data)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            member.up.clear()
            member.writer.close()
            for heard in member.streams.values():
                heard.put_nowait(None)

    def _heard(self, member: Member, said: dict[str, Any], data: bytes) -> None:
        if "run" in said:
            heard = member.streams.get(said["run"])
            if heard is not None:
                heard.put_nowait((said["event"], data))
        elif "seen" in said:
            for what, *about in said["seen"]:
                getattr(self.observer, what)(*about)
            member.caches, member.process = said["caches"], said["process"]
        else:
            member.young = 0
            with self._said:
                if said["backend"] and said["ready"] not in self._ready:
                    self._pipelines.computes_with(said["ready"], said["backend"])
                self._ready.setdefault(said["ready"], said["reason"])
                self._said.notify_all()

    def _give_up(self, member: Member, reason: str) -> None:
        """Nobody waits any longer for pipelines that never became ready."""
        with self._said:
            for id in member.ids:
                self._ready.setdefault(id, reason)
            self._said.notify_all()


def _shared_out(pipelines: Pipelines, workers: int) -> list[tuple[str, list[str]]]:
    """-> name and pipelines of each worker."""
    pictures = [id for id in pipelines.constructed if id in PICTURES]
    others = [id for id in pipelines.constructed if id not in PICTURES]
    if workers == 1 or not pictures or not others:
        return [("everything", [*pictures, *others])]
    return [("pictures", pictures), ("molecules", others)]
