"""The engine with an exact network and no server."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from toy import Toy

from app.engine import Engine, Full, Job, Limits
from models.diffusion.sampler import Request, run
from models.pipeline import SampleSettings, ScheduleSpec


class Watcher:
    """A client that keeps what it is told; ``on_answer`` may interfere."""

    def __init__(self, on_answer: Any = None) -> None:
        self.steps: list[int] = []
        self.places: list[int] = []
        self.result: Any = None
        self.error: Exception | None = None
        self.reason: str | None = None
        self.ends = 0
        self.over = threading.Event()
        self.on_answer = on_answer

    def waiting(self, place: int, seconds: float) -> None:
        self.places.append(place)

    def started(self) -> None:
        pass

    def answered(self, request: Request, answer: Any) -> None:
        self.steps.append(request.step)
        if self.on_answer is not None:
            self.on_answer(request)

    def finished(self, result: Any) -> None:
        self.result = result
        self._end()

    def failed(self, error: Exception) -> None:
        self.error = error
        self._end()

    def cancelled(self, reason: str) -> None:
        self.reason = reason
        self._end()

    def _end(self) -> None:
        self.ends += 1
        self.over.set()

    def wait(self) -> Watcher:
        assert self.over.wait(30)
        return self


class Clock:
    """Seconds that pass in forwards only, as many as every row of a network is said to cost."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def cost(self, net: Any, seconds: float) -> None:
        answer = net.answer

        def slow(requests: Any) -> Any:
            self.now += seconds * sum(len(request.sigma) for request in requests)
            return answer(requests)

        net.answer = slow


def settings(seed: int = 0, steps: int = 6, samples: int = 1) -> SampleSettings:
    schedule = ScheduleSpec("karras", 10.0, 0.01)
    return SampleSettings(seed=seed, steps=steps, samples=samples, schedule=schedule)


def compute(
    toy: Toy, *wanted: SampleSettings, plans: Any = None, limits: Limits | None = None
) -> list[Watcher]:
    """Runs that are all submitted before the engine's first tick."""
    engine = Engine(limits)
    watchers = [Watcher() for _ in wanted]
    for k, (s, watcher) in enumerate(zip(wanted, watchers, strict=True)):
        plan = plans[k] if plans else "well"
        engine.submit(Job(toy.run(plan, s), watcher, rows=s.samples))
    engine.start()
    for watcher in watchers:
        watcher.wait()
    engine.stop()
    assert [watcher.ends for watcher in watchers] == [1] * len(watchers)
    return watchers


def test_a_run_among_others_equals_the_run_alone() -> None:
    wanted = [settings(seed=k, steps=3 + 2 * k, samples=1 + k % 3) for k in range(5)]
    watchers = compute(Toy(), *wanted)
    for watcher, s in zip(watchers, wanted, strict=True):
        alone = run(Toy().run("well", s))
        assert torch.equal(watcher.result, alone)
        assert watcher.steps == list(range(s.steps))


def test_one_forward_per_tick_holds_every_live_run() -> None:
    toy = Toy()
    compute(toy, settings(1, steps=4), settings(2, steps=6), settings(3, steps=6))
    assert [len(batch) for batch in toy.net.batches] == [3, 3, 3, 3, 2, 2]
    assert [{r.step for r in batch} for batch in toy.net.batches] == [{k} for k in range(6)]


def test_different_buckets_take_turns() -> None:
    small, image = Toy("particles"), Toy("image")
    image.net.batches = small.net.batches  # one common log
    clock = Clock()
    engine, watchers = Engine(clock=clock), [Watcher(), Watcher()]
    for toy in (small, image):
        clock.cost(toy.net, 1.0)
    engine.submit(Job(small.run("well", settings(steps=3)), watchers[0], 1))
    engine.submit(Job(image.run("well", settings(steps=3)), watchers[1], 1))
    engine.start()
    for watcher in watchers:
        watcher.wait()
    engine.stop()
    assert [[(r.net is image.net, r.step) for r in batch] for batch in small.net.batches] == [
        [(which, step)] for step in range(3) for which in (False, True)
    ]


def test_networks_that_answer_through_one_share_its_forwards() -> None:
    toys, watchers = [Toy(), Toy(), Toy()], [Watcher(), Watcher(), Watcher()]
    shared = toys[0].net
    for toy in toys[1:]:
        toy.net.through = shared  # type: ignore[attr-defined]
    engine = Engine()
    for toy, watcher in zip(toys, watchers, strict=True):
        engine.submit(Job(toy.run("well", settings(seed=4, steps=5)), watcher, 1))
    engine.start()
    for watcher in watchers:
        watcher.wait()
    engine.stop()
    assert [len(batch) for batch in shared.batches] == [3] * 5
    assert all(not toy.net.batches for toy in toys[1:])
    alone = run(Toy().run("well", settings(seed=4, steps=5)))
    assert all(torch.equal(watcher.result, alone) for watcher in watchers)


def test_a_forward_holds_at_most_batch_rows_samples() -> None:
    toy = Toy()
    wanted = [settings(k, steps=2, samples=3) for k in range(4)]
    compute(toy, *wanted, limits=Limits(batch_rows=7))
    assert [sum(len(r.x) for r in batch) for batch in toy.net.batches] == [6, 6, 6, 6]


def test_a_run_larger_than_a_limit_still_runs() -> None:
    toy = Toy()
    (watcher,) = compute(toy, settings(samples=5), limits=Limits(live_rows=2, batch_rows=2))
    assert watcher.result.shape == (5, 8, 2)


def test_runs_wait_for_room_in_the_order_they_came() -> None:
    toy = Toy()
    compute(toy, *(settings(k, steps=2) for k in range(5)), limits=Limits(live_rows=2))
    assert [len(batch) for batch in toy.net.batches] == [2, 2, 2, 2, 1, 1]


def test_a_cancelled_run_is_in_no_further_forward() -> None:
    toy, engine = Toy(), Engine()
    job = Job(toy.run("well", settings(steps=50)), Watcher(), 1)

    def stop_at_two(request: Request) -> None:
        if request.step == 2:
            engine.cancel(job, "enough")

    watcher = Watcher(stop_at_two)
    job.client = watcher
    engine.submit(job)
    engine.start()
    assert watcher.wait().reason == "enough"
    engine.stop()
    assert len(toy.net.batches) == 3
    assert toy.ended.acquire(timeout=0)  # its generator was closed
    assert watcher.ends == 1


def test_a_waiting_run_can_be_cancelled_without_a_forward() -> None:
    toy, engine = Toy(), Engine(Limits(live_rows=1))
    toy.net.hold()
    first, second = Watcher(), Watcher()
    engine.submit(Job(toy.run("well", settings(1, steps=2)), first, 1))
    waiting = Job(toy.run("well", settings(2, steps=2)), second, 1)
    engine.submit(waiting)
    engine.start()
    engine.cancel(waiting, "changed my mind")
    toy.net.permit(2)
    assert first.wait().result is not None
    assert second.wait().reason == "changed my mind"
    engine.stop()
    assert second.steps == []
    assert len(toy.net.batches) == 2


def test_only_the_run_whose_input_breaks_the_network_fails() -> None:
    toy = Toy()
    plans = ["well", "explode", "well"]
    good, bad, other = compute(toy, settings(1), settings(2), settings(3), plans=plans)
    assert isinstance(bad.error, RuntimeError)
    for watcher, seed in ((good, 1), (other, 3)):
        assert torch.equal(watcher.result, run(Toy().run("well", settings(seed))))


def test_an_exception_in_a_picture_fails_its_run_only() -> None:
    def trip(request: Request) -> None:
        if request.step == 1:
            raise ValueError("no picture of this")

    toy, engine = Toy(), Engine()
    clumsy, fine = Watcher(trip), Watcher()
    engine.submit(Job(toy.run("well", settings(1)), clumsy, 1))
    engine.submit(Job(toy.run("well", settings(2)), fine, 1))
    engine.start()
    assert isinstance(clumsy.wait().error, ValueError)
    assert fine.wait().result is not None
    engine.stop()
    assert clumsy.steps == [0, 1]


def test_a_generator_that_raises_fails_its_run_only() -> None:
    def broken() -> Any:
        raise KeyError("before the first request")
        yield

    toy, engine = Toy(), Engine()
    bad, fine = Watcher(), Watcher()
    engine.submit(Job(broken(), bad, 1))
    engine.submit(Job(toy.run("well", settings()), fine, 1))
    engine.start()
    assert isinstance(bad.wait().error, KeyError)
    assert fine.wait().result is not None
    engine.stop()


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_fault_of_the_engine_itself_fails_the_runs_of_that_moment_and_it_goes_on(
    lanes: int,
) -> None:
    toy, engine, watcher = Toy(), Engine(lanes=lanes), Watcher()
    toy.net.bucket = lambda request: []  # type: ignore[method-assign]  # cannot be a key
    engine.submit(Job(toy.run("well", settings()), watcher, 1))
    engine.start()
    assert isinstance(watcher.wait().error, TypeError)
    assert engine.alive and engine.live == 0
    engine.submit(Job(Toy().run("well", settings()), fine := Watcher(), 1))
    assert fine.wait().result is not None
    engine.stop()


def test_too_few_answers_are_an_error_and_not_a_mixed_up_run() -> None:
    toy, engine, watcher = Toy(), Engine(), Watcher()
    toy.net.answer = lambda requests: []  # type: ignore[method-assign]
    engine.submit(Job(toy.run("well", settings()), watcher, 1))
    engine.start()
    assert "0 answers to 1 requests" in str(watcher.wait().error)
    engine.stop()


def test_generators_never_run_in_inference_mode() -> None:
    modes: list[bool] = []

    def curious(inner: Any) -> Any:
        answer = None
        while True:
            modes.append(torch.is_inference_mode_enabled())
            try:
                request = inner.send(answer)
            except StopIteration as stop:
                return stop.value
            answer = yield request

    toy, engine, watcher = Toy(), Engine(), Watcher()
    engine.submit(Job(curious(toy.run("well", settings(steps=3))), watcher, 1))
    engine.start()
    watcher.wait()
    engine.stop()
    assert modes == [False] * 4


def test_admission_is_bounded_and_says_when_to_come_back() -> None:
    toy, engine = Toy(), Engine(Limits(runs=2))
    toy.net.hold()
    watchers = [Watcher(), Watcher()]
    for watcher in watchers:
        engine.submit(Job(toy.run("well", settings(steps=1)), watcher, 1))
    with pytest.raises(Full) as refused:
        engine.submit(Job(toy.run("well", settings()), Watcher(), 1))
    assert 1 <= refused.value.retry_after <= 60
    engine.start()
    toy.net.permit(10)
    for watcher in watchers:
        watcher.wait()
    engine.submit(Job(toy.run("well", settings(steps=1)), late := Watcher(), 1))
    assert late.wait().result is not None
    engine.stop()


def test_stopping_ends_live_and_waiting_runs() -> None:
    toy, engine = Toy(), Engine(Limits(live_rows=1))
    toy.net.hold()
    watchers = [Watcher(), Watcher()]
    for watcher in watchers:
        engine.submit(Job(toy.run("well", settings(steps=100)), watcher, 1))
    engine.start()
    stopper = threading.Thread(target=engine.stop)
    with engine._changed:
        stopper.start()
        assert engine._changed.wait_for(lambda: engine._closing, timeout=30)
    toy.net.permit(1)  # the forward under way ends; there is no other
    stopper.join(30)
    assert not engine.alive
    assert {watcher.wait().reason for watcher in watchers} == {"the server is shutting down"}
    assert len(toy.net.batches) <= 1
    with pytest.raises(Full):
        engine.submit(Job(toy.run("well", settings()), Watcher(), 1))


def test_time_inside_and_outside_of_forwards_is_accounted_for() -> None:
    seen: list[tuple[str, int, int]] = []
    ticks: list[tuple[float, float]] = []

    class Observer:
        def forward(self, net: str, requests: int, rows: int, seconds: float) -> None:
            seen.append((net, requests, rows))

        def cells(self, net: str, used: int, padded: int) -> None:
            raise AssertionError("the toy network does not pad")

        def tick(self, seconds: float, forward_seconds: float) -> None:
            ticks.append((seconds, forward_seconds))

    toy, watcher = Toy(), Watcher()
    engine = Engine(observer=Observer())
    job = Job(toy.run("well", settings(steps=2, samples=3)), watcher, 3)
    engine.submit(job)
    engine.start()
    watcher.wait()
    engine.stop()
    assert seen == [("toy", 1, 3)] * 2
    assert job.forward_s > 0
    assert job.outside_s > 0
    assert all(0 <= forward <= tick for tick, forward in ticks)
