"""Two lanes of the engine: two forwards at a time, and every client still told in order."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from test_engine import Watcher, settings
from toy import Toy

from app.engine import Engine, Limits
from app.jobs import Job
from models.diffusion.sampler import run


class Meeting:
    """Networks whose forwards wait for each other: only two at the same time get through."""

    def __init__(self, *toys: Toy) -> None:
        self.barrier = threading.Barrier(len(toys))
        for toy in toys:
            toy.net.answer = self._met(toy.net.answer)  # type: ignore[method-assign]

    def _met(self, answer: Any) -> Any:
        def meet(requests: Any) -> Any:
            self.barrier.wait(30)
            return answer(requests)

        return meet


class Alone:
    """Notes whether a network is ever asked by two threads at once."""

    def __init__(self, toy: Toy) -> None:
        self.met = False
        self._inside = threading.Lock()
        answer = toy.net.answer

        def guarded(requests: Any) -> Any:
            if not self._inside.acquire(blocking=False):
                self.met = True
                return answer(requests)
            try:
                return answer(requests)
            finally:
                self._inside.release()

        toy.net.answer = guarded  # type: ignore[method-assign]


def started(*jobs: Job, limits: Limits | None = None, lanes: int = 2) -> Engine:
    engine = Engine(limits, lanes=lanes, threads=4)
    for job in jobs:
        engine.submit(job)
    engine.start()
    return engine


def test_two_networks_are_computed_at_the_same_time() -> None:
    toys, watchers = [Toy(), Toy()], [Watcher(), Watcher()]
    Meeting(*toys)
    engine = started(
        *(Job(t.run("well", settings(steps=5)), w, 1) for t, w in zip(toys, watchers, strict=True))
    )
    for watcher in watchers:
        assert watcher.wait().error is None
        assert watcher.steps == list(range(5))
    engine.stop()


def test_a_network_that_waits_keeps_no_other_one_waiting() -> None:
    """Whichever began first; tests of pages that hold two networks rely on a third lane for all else."""
    waiting, free = [Toy(), Toy()], Toy()
    for toy in waiting:
        toy.net.hold()
    held = [Watcher() for _ in waiting]
    engine = started(
        *(Job(t.run("well", settings(steps=3)), w, 1) for t, w in zip(waiting, held, strict=True)),
        lanes=3,
    )
    engine.submit(Job(free.run("well", settings(steps=3)), late := Watcher(), 1))
    assert late.wait().result is not None
    assert [watcher.steps for watcher in held] == [[], []]
    waiting[1].net.permit(3)
    assert held[1].wait().result is not None and held[0].steps == []
    waiting[0].net.permit(3)
    assert held[0].wait().result is not None
    engine.stop()


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_many_runs_of_few_networks_are_what_they_are_alone(lanes: int) -> None:
    toys = [Toy(), Toy("image"), Toy()]
    guards = [Alone(toy) for toy in toys]
    wanted = [settings(k, steps=3 + k % 7, samples=1 + k % 3) for k in range(24)]
    watchers = [Watcher() for _ in wanted]
    engine = started(
        *(Job(toys[k % 3].run("well", s), watchers[k], s.samples) for k, s in enumerate(wanted)),
        limits=Limits(live_rows=20, batch_rows=6),
        lanes=lanes,
    )
    for k, (s, watcher) in enumerate(zip(wanted, watchers, strict=True)):
        fresh = Toy("image") if k % 3 == 1 else Toy()
        assert torch.equal(watcher.wait().result, run(fresh.run("well", s)))
        assert watcher.steps == list(range(s.steps))  # in order, though any lane may tell
        assert watcher.ends == 1
    engine.stop()
    assert not any(guard.met for guard in guards)


def test_the_next_forward_does_not_wait_for_the_picture_of_the_last() -> None:
    toy, engine = Toy(), Engine(lanes=2)
    second = threading.Event()
    answer = toy.net.answer

    def counted(requests: Any) -> Any:
        if requests[0].step == 1:
            second.set()
        return answer(requests)

    def slow(request: Any) -> None:
        if request.step == 0:
            assert second.wait(30)

    toy.net.answer = counted  # type: ignore[method-assign]
    watcher = Watcher(slow)
    engine.submit(Job(toy.run("well", settings(steps=4)), watcher, 1))
    engine.start()
    assert watcher.wait().error is None
    engine.stop()
    assert watcher.steps == [0, 1, 2, 3]


def test_a_client_that_does_not_keep_up_holds_its_own_run_back() -> None:
    toy, other = Toy(), Toy()
    go_on = threading.Event()
    slow, quick = Watcher(lambda request: go_on.wait(30)), Watcher()
    engine = started(
        Job(toy.run("well", settings(steps=30)), slow, 1),
        Job(other.run("well", settings(steps=30)), quick, 1),
    )
    assert quick.wait().error is None  # the second lane goes on without it
    assert len(toy.net.batches) <= 4  # one being told, two not told, one perhaps under way
    go_on.set()
    assert slow.wait().error is None
    engine.stop()
    assert slow.steps == list(range(30))


def test_an_exception_in_a_picture_ends_its_run_while_another_lane_computes_it() -> None:
    toy, under_way = Toy(), threading.Event()
    answer = toy.net.answer

    def noted(requests: Any) -> Any:
        if any(request.step == 1 for request in requests):
            under_way.set()
            assert broken.wait(30)
        return answer(requests)

    broken = threading.Event()

    def trip(request: Any) -> None:
        assert under_way.wait(30)
        broken.set()
        raise ValueError("no picture of this")

    toy.net.answer = noted  # type: ignore[method-assign]
    clumsy = Watcher(trip)
    engine = started(Job(toy.run("well", settings(steps=9)), clumsy, 1))
    assert isinstance(clumsy.wait().error, ValueError)
    engine.stop()
    assert clumsy.ends == 1
    assert clumsy.steps == [0]
    assert toy.ended.acquire(timeout=0)  # its generator was closed


def test_stopping_two_lanes_ends_every_run_once() -> None:
    toys = [Toy(), Toy()]
    for toy in toys:
        toy.net.hold()
    watchers = [Watcher() for _ in range(6)]
    engine = started(
        *(
            Job(toys[k % 2].run("well", settings(k, steps=100)), watcher, 1)
            for k, watcher in enumerate(watchers)
        ),
        limits=Limits(live_rows=3),
    )
    stopper = threading.Thread(target=engine.stop)
    with engine._changed:
        stopper.start()
        assert engine._changed.wait_for(lambda: engine._closing, timeout=30)
    for toy in toys:
        toy.net.permit(10)
    stopper.join(30)
    assert not engine.alive
    assert {watcher.wait().reason for watcher in watchers} == {"the server is shutting down"}
    assert [watcher.ends for watcher in watchers] == [1] * 6


def test_a_network_is_told_its_threads_all_when_alone_and_a_share_beside_another() -> None:
    told: dict[str, list[int]] = {"a": [], "b": []}
    toys = {name: Toy() for name in told}
    for name, toy in toys.items():
        toy.net.use_threads = told[name].append  # type: ignore[attr-defined]
    alone = Watcher()
    engine = started(Job(toys["a"].run("well", settings(steps=3)), alone, 1))
    alone.wait()
    engine.stop()
    assert told["a"] == [4, 4, 4]

    told["a"].clear()
    both = [Watcher(), Watcher()]
    Meeting(*toys.values())
    engine = started(
        *(
            Job(toy.run("well", settings(steps=3)), watcher, 1)
            for toy, watcher in zip(toys.values(), both, strict=True)
        )
    )
    for watcher in both:
        watcher.wait()
    engine.stop()
    assert told == {"a": [2] * 3, "b": [2] * 3}
