"""The server's side of the workers. These are threads of this process and die when they are told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import httpx
import pytest
from live import Events, Live, all_events, live
from toy import Toy

from app.pipelines import Pipelines
from app.settings import Settings
from app.workers import pool
from app.workers.messages import read
from app.workers.pool import Workers
from app.workers.process import Worker

STEPS = 6


class Threads:
    """Starts a thread where a zygote forks a process. ``born``: what each new worker does with its channel
    and its pipelines, the last entry counts for all others."""

    def __init__(self, *born: Callable[[socket.socket, Pipelines, Sequence[str]], None]) -> None:
        self.born = list(born)
        self.pipelines: list[Pipelines] = []
        self.channels: list[socket.socket] = []
        self.gone = False

    def fork(self, channel: socket.socket, ids: Sequence[str]) -> int:
        if self.gone:
            raise ConnectionError("there is nobody to ask")
        own = channel.dup()
        self.channels.append(own)
        pipelines = Pipelines({id: Toy(id=id) for id in ids})
        pipelines.construct()
        self.pipelines.append(pipelines)
        work = self.born.pop(0) if len(self.born) > 1 else self.born[0]
        threading.Thread(target=work, args=(own, pipelines, ids), daemon=True).start()
        return len(self.channels)

    def toy(self, worker: int) -> Toy:
        return self.pipelines[worker]._made["toy"]  # type: ignore[return-value]

    def kill(self, worker: int) -> None:
        self.channels[worker].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.gone = True


def works(channel: socket.socket, pipelines: Pipelines, ids: Sequence[str]) -> None:
    with suppress(OSError):
        Worker(channel, Settings(threads=1), pipelines, ids).serve()


def dies_at_once(channel: socket.socket, pipelines: Pipelines, ids: Sequence[str]) -> None:
    channel.close()


def dies_of_a_run(channel: socket.socket, pipelines: Pipelines, ids: Sequence[str]) -> None:
    """Says that it is ready, and is gone as soon as it is asked for anything."""
    from app.workers.messages import Sender

    for id in ids:
        Sender(channel).send({"ready": id, "reason": "", "backend": ""})
    read(channel)
    channel.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PAUSES_S", (0.0, 0.0, 0.0, 0.05))


@pytest.fixture
def serving() -> Iterator[Callable[[Threads], Live]]:
    servers: list[Live] = []

    def start(zygote: Threads) -> Live:
        pipelines = Pipelines({"toy": Toy()})
        pipelines.construct()
        workers = Workers(zygote, Settings(threads=1), pipelines)  # type: ignore[arg-type]
        servers.append(live({"toy": Toy()}, engine=workers))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def begin(server: Live, seed: int = 1, how: str = "well") -> dict[str, Any]:
    body = {"pipeline": "toy", "input": {"how": how}, "settings": {"seed": seed, "steps": STEPS}}
    answer = httpx.post(f"{server.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def test_a_run_goes_through_a_worker_as_it_goes_through_an_engine(
    serving: Callable[[Threads], Live],
) -> None:
    server, plain = serving(Threads(works)), live({"toy": Toy()})
    try:
        told = []
        for one in (server, plain):
            events = all_events(one.url + begin(one, seed=3)["events"])
            events[-1]["data"].pop("timings")
            told.append(events)
        assert told[0] == told[1]
        broken = all_events(server.url + begin(server, how="explode")["events"])
        assert broken[-1]["data"]["message"] == "the computation failed (RuntimeError)"
        strange = all_events(server.url + begin(server, how="nan")["events"])
        assert strange[-1]["event"] == "error"
        assert "finite" in strange[-1]["data"]["message"]
    finally:
        plain.end()


def test_a_dead_worker_is_replaced_and_its_run_repeated(
    serving: Callable[[Threads], Live],
) -> None:
    zygote = Threads(works)
    server = serving(zygote)
    url = server.url + begin(server)["events"]
    whole = all_events(url)
    zygote.toy(0).net.hold()
    url = server.url + begin(server)["events"]
    zygote.toy(0).net.permit(3)
    seen = []
    with Events(url) as events:
        for event in events:
            seen.append(event)
            if event["event"] == "frame" and event["data"]["step"] == 2:
                zygote.kill(0)
    zygote.toy(0).net.permit(STEPS)  # its thread ends with the test
    for one in (whole[-1], seen[-1]):
        one["data"].pop("timings")
    assert seen == whole
    assert len(zygote.channels) == 2


def test_a_run_that_every_worker_dies_of_fails(serving: Callable[[Threads], Live]) -> None:
    zygote = Threads(dies_of_a_run)
    server = serving(zygote)
    events = all_events(server.url + begin(server)["events"])
    assert [event["event"] for event in events] == ["start", "error"]
    assert events[-1]["data"]["state"] == "failed"
    assert len(zygote.channels) >= pool.ATTEMPTS


def test_a_cancelled_run_is_let_go_by_its_worker(serving: Callable[[Threads], Live]) -> None:
    zygote = Threads(works)
    server = serving(zygote)
    run = begin(server)
    all_events(server.url + run["events"])
    net = zygote.toy(0).net
    net.hold()
    run = begin(server)
    net.permit(2)
    with Events(server.url + run["events"]) as events:
        for event in events:
            if event["event"] == "frame" and event["data"]["step"] == 1:
                httpx.delete(f"{server.url}/api/runs/{run['id']}")
            last = event
    assert last["data"]["state"] == "cancelled"
    net.permit(1)  # the forward under way
    done = zygote.toy(0).ended
    assert done.acquire(timeout=20) and done.acquire(timeout=20)  # both generators are closed
    assert len(net.batches) <= STEPS + 3


def test_a_server_whose_workers_die_young_says_that_it_is_not_well(
    serving: Callable[[Threads], Live],
) -> None:
    server = serving(Threads(dies_at_once))
    workers = server.services.engine
    assert isinstance(workers, Workers)
    assert workers.warm("toy") == "its process dies again and again"
    assert httpx.get(f"{server.url}/healthz").status_code == 503
    assert httpx.get(f"{server.url}/readyz").status_code == 503


def test_nobody_waits_for_a_worker_that_cannot_be_born(
    serving: Callable[[Threads], Live],
) -> None:
    zygote = Threads(works)
    zygote.gone = True
    server = serving(zygote)
    workers = server.services.engine
    assert isinstance(workers, Workers)
    assert workers.warm("toy") == "no process can be started for it"
    assert httpx.get(f"{server.url}/healthz").status_code == 503
