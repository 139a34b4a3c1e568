"""Event streams against a live server: format, resuming, cancelling, leaving, shutting down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from live import Events, Live, all_events
from toy import Toy

from app.engine import Job
from app.wire import decode_array


def begin(server: Live, **body: Any) -> str:
    """Starts a run; -> its URL."""
    body = {"pipeline": "toy", "input": {}, **body}
    answer = httpx.post(f"{server.url}/api/runs", json=body)
    assert answer.status_code == 201, answer.text
    return f"{server.url}/api/runs/{answer.json()['id']}"


def job_of(server: Live, run: str) -> Job:
    return server.services.runs._runs[run.rpartition("/")[2]].job


def test_a_stream_has_the_contract_s_events_fields_and_headers(serve: Callable[..., Live]) -> None:
    server = serve(Toy())
    run = begin(server, settings={"steps": 4, "seed": 5})
    with Events(f"{run}/events") as stream:
        events = list(stream)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["cache-control"] == "no-store"
    assert [e["event"] for e in events] == ["start", *["frame"] * 4, "done"]
    assert [e["id"] for e in events] == list(range(6))
    start, first, done = events[0]["data"], events[1]["data"], events[-1]["data"]
    assert start["settings"]["seed"] == 5
    assert start["stages"][0]["sigmas"][0] == pytest.approx(10)
    assert list(first) == [
        "stage", "step", "steps", "sigma", "sigma_over_data", "log_snr", "x", "denoised",
    ]  # fmt: skip
    assert first["sigma_over_data"] == first["sigma"] / 0.5
    assert list(first["x"]) == ["dtype", "shape", "data"]
    assert decode_array(first["x"]).shape == (8, 2)
    assert decode_array(done["sample"]).dtype == np.float32
    assert set(done["timings"]) == {
        "queued_s", "first_frame_s", "total_s", "forward_s", "outside_forward_s",
    }  # fmt: skip


def test_the_raw_bytes_are_plain_server_sent_events(serve: Callable[..., Live]) -> None:
    run = begin(serve(Toy()), settings={"steps": 1})
    blocks = httpx.get(f"{run}/events").content.split(b"\n\n")
    assert blocks.pop() == b""
    assert blocks[0].startswith(b"retry: 1000\nid: 0\nevent: start\ndata: {")
    assert blocks[1].startswith(b"id: 1\nevent: frame\ndata: {")
    assert b"\r" not in b"".join(blocks)


def test_a_quiet_stream_is_kept_alive(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    run = begin(serve(toy, ping_s=0.05), settings={"steps": 1})
    with httpx.stream("GET", f"{run}/events", timeout=30) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": ping"
        toy.net.permit()
        assert "event: done" in lines


def test_resuming_mid_run_leaves_no_gap_and_repeats_nothing(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    run = begin(serve(toy), settings={"steps": 6})
    toy.net.permit(3)
    with Events(f"{run}/events") as stream:
        seen = [event for event, _ in zip(stream, range(3), strict=False)]
    toy.net.permit(1)
    with Events(f"{run}/events", last_event_id=seen[-1]["id"]) as stream:
        toy.net.permit(2)
        seen += list(stream)
    assert [event["id"] for event in seen] == list(range(8))
    assert seen == all_events(f"{run}/events")
    assert seen[5:] == all_events(f"{run}/events?last_event_id=4")


def test_a_finished_stream_tells_eventsource_not_to_come_back(serve: Callable[..., Live]) -> None:
    run = begin(serve(Toy()), settings={"steps": 2})
    last = all_events(f"{run}/events")[-1]["id"]
    assert httpx.get(f"{run}/events", headers={"Last-Event-ID": str(last)}).status_code == 204
    for odd in ("-1", "abc", "", "1e3"):  # nothing seen yet
        assert len(all_events(f"{run}/events?last_event_id={odd}")) == last + 1


def test_two_viewers_get_the_same_bytes(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    run = begin(serve(toy), settings={"steps": 3})
    with Events(f"{run}/events") as first, Events(f"{run}/events") as second:
        toy.net.permit(3)
        assert list(first) == list(second)


def test_delete_stops_the_computation(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    run = begin(serve(toy), settings={"steps": 100})
    toy.net.permit(2)
    with Events(f"{run}/events") as stream:
        events = iter(stream)
        assert [next(events)["event"] for _ in range(3)] == ["start", "frame", "frame"]
        assert httpx.delete(run).status_code == 204
        toy.net.permit(50)
        rest = list(events)
    assert rest[-1]["event"] == "error"
    assert rest[-1]["data"] == {"message": "cancelled", "state": "cancelled"}
    assert toy.ended.acquire(timeout=30)
    assert len(toy.net.batches) <= 3  # two that were seen, one that may have been under way
    assert httpx.get(run).json()["state"] == "cancelled"
    assert httpx.delete(run).status_code == 204
    assert httpx.get(f"{run}/export.json").status_code == 409


def test_a_run_whose_last_viewer_left_costs_nothing_more(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy, grace_s=0)
    run = begin(server, settings={"steps": 100})
    toy.net.permit(2)
    with Events(f"{run}/events") as stream:
        assert next(iter(stream))["event"] == "start"
    job = job_of(server, run)
    engine = server.services.engine
    with engine._changed:  # notified by every cancel
        assert engine._changed.wait_for(lambda: job.stopped, timeout=30)
    before = len(toy.net.batches)
    toy.net.permit(50)
    assert toy.ended.acquire(timeout=30)
    assert len(toy.net.batches) <= before + 1
    assert job.stopped == "the last viewer has left"


def test_a_run_that_nobody_came_to_see_is_cancelled(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    run = begin(serve(toy, unclaimed_s=0), settings={"steps": 100})
    httpx.get(run)  # answered after the server's loop has let the run go, whatever else it does
    toy.net.permit(1)
    last = all_events(f"{run}/events")[-1]
    assert last["data"]["message"] == "nobody came to see this run"
    assert len(toy.net.batches) <= 1


def test_a_viewer_who_comes_back_in_time_keeps_the_run(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    run = begin(serve(toy, grace_s=60), settings={"steps": 2})
    with Events(f"{run}/events") as stream:
        next(iter(stream))
    with Events(f"{run}/events", last_event_id=0) as stream:
        toy.net.permit(2)
        assert [event["event"] for event in stream] == ["frame", "frame", "done"]


def test_an_error_ends_its_stream_and_leaves_the_others(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    bad = begin(server, input={"how": "explode"})
    good = begin(server, settings={"seed": 1})
    toy.net.permit(50)
    assert all_events(f"{good}/events")[-1]["event"] == "done"
    last = all_events(f"{bad}/events")[-1]
    assert last["event"] == "error"
    assert last["data"]["state"] == httpx.get(bad).json()["state"] == "failed"
    assert "breaks" not in last["data"]["message"]  # inner messages are for the log


@pytest.mark.parametrize(
    "kind", ["particles", "image"]
)  # a picture would hide it: NaN becomes black
def test_nan_never_reaches_the_wire(serve: Callable[..., Live], kind: str) -> None:
    run = begin(serve(Toy(kind)), input={"how": "nan"})
    body = httpx.get(f"{run}/events").text
    assert "NaN" not in body
    assert "event: error" in body
    assert "event: frame" not in body


def test_a_seed_draws_the_same_sample_under_load(serve: Callable[..., Live]) -> None:
    toy = Toy()
    server = serve(toy)
    body: dict[str, Any] = {"settings": {"seed": 7, "samples": 2, "sampler": "ancestral"}}
    alone = all_events(f"{begin(server, **body)}/events")[-1]["data"]["sample"]
    toy.net.hold()
    others = [begin(server, settings={"seed": k, "steps": 3 + k}) for k in range(6)]
    crowded = begin(server, **body)
    toy.net.permit(1000)
    assert all_events(f"{crowded}/events")[-1]["data"]["sample"] == alone
    assert max(len(batch) for batch in toy.net.batches) > 1
    assert all(all_events(f"{other}/events")[-1]["event"] == "done" for other in others)


@pytest.mark.parametrize("limit", [{"max_frames": 10}, {"max_run_bytes": 3500}])
def test_long_runs_are_thinned_but_keep_their_ends(
    serve: Callable[..., Live], limit: dict[str, int]
) -> None:
    run = begin(serve(Toy(), **limit), settings={"steps": 95})
    frames = [e["data"] for e in all_events(f"{run}/events") if e["event"] == "frame"]
    assert [frames[0]["step"], frames[-1]["step"]] == [0, 94]
    assert 3 <= len(frames) <= 11


def test_shutting_down_ends_open_streams_with_an_event(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    run = begin(server, settings={"steps": 100})
    toy.net.permit(1)
    events: list[dict[str, Any]] = []
    watching = threading.Event()

    def watch() -> None:
        with Events(f"{run}/events") as stream:
            for event in stream:
                events.append(event)
                watching.set()

    viewer = threading.Thread(target=watch)
    viewer.start()
    assert watching.wait(30)
    job = job_of(server, run)
    server.ask_to_end()
    with server.services.engine._changed:
        assert server.services.engine._changed.wait_for(lambda: job.stopped, timeout=30)
    toy.net.permit(1)
    viewer.join(30)
    assert events[-1]["event"] == "error"
    assert events[-1]["data"] == {
        "message": "the server is shutting down", "state": "cancelled", "reason": "shutdown",
        "retry_after": 5,
    }  # fmt: skip
    server.end()
    assert not server.services.engine.alive
