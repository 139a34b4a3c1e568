"""Fairness: who is served next, without threads and without time passing by itself."""

from __future__ import annotations

from dataclasses import dataclass

from test_engine import Clock, Watcher, settings
from toy import Toy

from app.engine import Engine, Job, Limits
from app.turns import FIRST_ROWS, HORIZON_S, NEWCOMER_ANSWERS, Turns


@dataclass(eq=False)
class Asker:
    number: int
    key: str = "a"
    asked: int = 1
    answers: int = 0
    shown: bool = True
    served: float = 0.0


def names(runs: list[Asker]) -> list[int]:
    return [run.number for run in runs]


def test_a_run_without_a_frame_goes_before_all_others_in_order_of_arrival() -> None:
    old = [Asker(k) for k in range(3)]
    second, first = Asker(8, "b", shown=False), Asker(7, "c", shown=False)
    turns = Turns(32, 1.0)
    assert names(turns.pick([*old, second, first])) == [7]
    assert names(turns.pick([*old, second])) == [8]
    assert names(turns.pick(old)) == [0, 1, 2]


def test_the_privilege_of_a_newcomer_ends_after_a_few_answers() -> None:
    chatty = Asker(9, "b", shown=False, answers=NEWCOMER_ANSWERS, served=0.1)
    assert names(Turns(32, 1.0).pick([Asker(0), chatty])) == [0]


def test_the_least_served_run_leads_and_takes_along_whoever_shares_its_forward() -> None:
    runs = [Asker(0, "a", served=3), Asker(1, "b", served=1), Asker(2, "a", served=2)]
    runs.append(Asker(3, "b", served=9))
    assert names(Turns(32, 1.0).pick(runs)) == [1, 3]


def test_a_large_request_does_not_keep_small_ones_behind_it_out_of_a_forward() -> None:
    runs = [Asker(0, asked=3), Asker(1, asked=30), Asker(2, asked=2)]
    assert names(Turns(8, 1.0).pick(runs)) == [0, 2]
    assert names(Turns(8, 1.0).pick([runs[1]])) == [1]  # alone, however large


def test_batch_sizes_are_round_so_that_few_different_ones_occur() -> None:
    turns = Turns(64, 10.0)
    turns.charge([Asker(0)], 0.001)
    sizes = [len(turns.pick([Asker(k) for k in range(n)])) for n in range(1, 65)]
    assert len(set(sizes)) == 20
    assert all(4 / 5 * n <= size <= n for n, size in enumerate(sizes, 1))
    # Whoever is left out is the least urgent, and with large requests nobody has to be.
    assert names(turns.pick([Asker(k) for k in range(9)])) == list(range(8))
    assert len(turns.pick([Asker(0, asked=5), Asker(1, asked=6)])) == 2


def test_a_forward_holds_no_more_than_its_expected_seconds() -> None:
    turns = Turns(32, 0.25)
    turns.charge([Asker(0)], 0.1)  # a row of this kind takes 0.1 s
    assert len(turns.pick([Asker(k) for k in range(10)])) == 2
    turns.charge([Asker(0, "cheap")], 0.001)
    assert len(turns.pick([Asker(k, "cheap") for k in range(10)])) == 10


def test_a_kind_of_forward_that_is_not_known_yet_begins_small() -> None:
    turns = Turns(32, 0.25)
    assert len(turns.pick([Asker(k) for k in range(20)])) == FIRST_ROWS
    assert len(turns.pick([Asker(k, asked=20) for k in range(2)])) == 1


def test_seconds_are_shared_by_rows_and_a_newcomer_starts_level() -> None:
    turns = Turns(32, 10.0)
    large, small = Asker(0, asked=3), Asker(1)
    turns.charge([large, small], 0.4)
    assert (round(large.served, 6), round(small.served, 6)) == (0.3, 0.1)
    turns.pick([large, small])
    late = Asker(2)
    turns.join(late)
    assert late.served == small.served


def test_who_used_idle_time_pays_back_a_bounded_part_of_it() -> None:
    turns, alone = Turns(32, 10.0), Asker(0)
    for _ in range(100):
        turns.charge([alone], 5.0)
    assert alone.served <= HORIZON_S


def finished_at(clock: Clock, watcher: Watcher) -> list[float]:
    """Notes the time at which a watcher's run ended."""
    times: list[float] = []
    end = watcher._end

    def noted() -> None:
        times.append(clock.now)
        end()

    watcher._end = noted  # type: ignore[method-assign]
    return times


def test_a_short_run_beside_long_ones_ends_after_its_share_of_the_time() -> None:
    """Eight runs of 200 steps and one of 20, all of different shapes, so that none shares a forward:
    the short one needs its own 20 forwards and at most one of each other run between two of them."""
    clock = Clock()
    toys = [Toy() for _ in range(9)]
    for toy in toys:
        clock.cost(toy.net, 0.01)
    engine = Engine(clock=clock)
    watchers = [Watcher() for _ in toys]
    ends = [finished_at(clock, watcher) for watcher in watchers]
    for k, (toy, watcher) in enumerate(zip(toys, watchers, strict=True)):
        steps = 20 if k == 8 else 200
        engine.submit(Job(toy.run("well", settings(k, steps=steps)), watcher, 1))
    engine.start()
    for watcher in watchers:
        watcher.wait()
    engine.stop()
    assert ends[8][0] <= 0.01 * (20 * 9 + 9)
    assert min(end[0] for end in ends[:8]) > 0.01 * 200 * 7


def test_a_dear_run_does_not_slow_down_cheap_ones_by_more_than_its_share() -> None:
    """A row of the dear run takes 20 times as long: beside it the cheap run gets 20 steps to its one."""
    clock, dear, cheap = Clock(), Toy(), Toy()
    clock.cost(dear.net, 0.2)
    clock.cost(cheap.net, 0.01)
    engine, watchers = Engine(clock=clock), [Watcher(), Watcher()]
    ends = [finished_at(clock, watcher) for watcher in watchers]
    engine.submit(Job(dear.run("well", settings(steps=100)), watchers[0], 1))
    engine.submit(Job(cheap.run("well", settings(steps=60)), watchers[1], 1))
    engine.start()
    for watcher in watchers:
        watcher.wait()
    engine.stop()
    assert ends[1][0] <= 2 * 60 * 0.01 + 2 * 0.2


def test_a_newcomer_s_first_frame_waits_for_one_forward_only() -> None:
    """Twenty long runs are under way when another comes: it is in the very next forward."""
    clock, old, new = Clock(), [Toy() for _ in range(20)], Toy()
    log: list[str] = []
    engine = Engine(clock=clock)
    newcomer = Watcher()

    def arrive(request: object) -> None:
        if len(log) == 100:
            engine.submit(Job(new.run("well", settings(steps=3)), newcomer, 1))
        log.append("old")

    newcomer.on_answer = lambda request: log.append("new")
    watchers = [Watcher(arrive) for _ in old]
    for toy in (*old, new):
        clock.cost(toy.net, 0.01)
    for toy, watcher in zip(old, watchers, strict=True):
        engine.submit(Job(toy.run("well", settings(steps=30)), watcher, 1))
    engine.start()
    for watcher in (*watchers, newcomer):
        watcher.wait()
    engine.stop()
    assert log.index("new") == 101


def test_waiting_runs_are_told_their_place_whenever_it_changes() -> None:
    toy = Toy()
    engine, watchers = Engine(Limits(live_rows=1)), [Watcher() for _ in range(3)]
    for k, watcher in enumerate(watchers):
        engine.submit(Job(toy.run("well", settings(k, steps=2)), watcher, 1))
    engine.start()
    for watcher in watchers:
        watcher.wait()
    engine.stop()
    assert [watcher.places for watcher in watchers] == [[], [1], [2, 1]]
