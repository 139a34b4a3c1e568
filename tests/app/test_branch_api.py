"""Branches over HTTP: what is told, resumed and exported, every refusal by its field, and replicas."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from live import Events, Live, all_events, live
from PIL import Image
from test_uploads import file_of, halves
from toy import Toy

from app.cluster.replica import Replica
from app.settings import Settings
from app.wire import decode_array
from models.dye.pipeline import Dye

CAT, SPIRAL = {"shape": "cat"}, {"shape": "spiral"}
STEPS = 12
OF = {"input": CAT, "settings": {"seed": 5, "steps": STEPS}}
AT = {"of": OF, "stage": "particles", "step": 4}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({"dye": "models.dye.pipeline:Dye", "toy": Toy()}, max_cost=3000)
    yield started
    started.end()


def ask(server: Live, **body: Any) -> httpx.Response:
    body = {"pipeline": "dye", "input": CAT, "settings": {"steps": STEPS}, **body}
    return httpx.post(f"{server.url}/api/runs", content=json.dumps(body), timeout=60)


def play(server: Live, **body: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    answer = ask(server, **body)
    assert answer.status_code == 201, answer.text
    events = all_events(server.url + answer.json()["events"])
    assert events[-1]["event"] == "done", events[-1]
    return answer.json(), events


def frames(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["event"] == "frame"]


@pytest.fixture(scope="module")
def parent(server: Live) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return play(server, settings={"seed": 5, "steps": STEPS})


def test_pipelines_say_which_stages_can_be_branched(server: Live) -> None:
    listed = httpx.get(f"{server.url}/api/pipelines").json()["pipelines"]
    assert {entry["id"]: entry["branches"] for entry in listed} == {"dye": ["particles"], "toy": []}


def test_a_branch_that_changes_nothing_is_the_rest_of_the_run(server: Live, parent: Any) -> None:
    run, before = parent
    branch, events = play(server, branch={"run": run["id"], "stage": "particles", "step": 4})
    assert branch["settings"] == run["settings"]  # the seed too, which was left out
    assert frames(events) == frames(before)[4:]
    assert events[-1]["data"]["sample"] == before[-1]["data"]["sample"]
    start = events[0]["data"]
    (stage,) = start["stages"]
    assert stage["first"] == 4
    assert stage["sigmas"] == before[0]["data"]["stages"][0]["sigmas"][4:]
    assert start["branch"] == {
        "of": {"input": CAT, "settings": run["settings"]},
        "stage": "particles",
        "step": 4,
        "sigma": frames(before)[4]["sigma"],
    }
    settling = events[-1]["data"]["settling"]
    assert settling["step"] == list(range(4, STEPS))
    assert all(band["error"][0] in (0.0, 1.0) for band in settling["bands"])


def test_the_run_is_told_as_what_it_was_asked_with_and_needed_no_more(
    server: Live, parent: Any
) -> None:
    run, _ = parent
    by_id, one = play(server, branch={"run": run["id"], "stage": "particles", "step": 4})
    _, two = play(server, branch=AT)
    assert frames(one) == frames(two)
    told = httpx.get(f"{server.url}/api/runs/{by_id['id']}").json()["branch"]
    assert told == one[0]["data"]["branch"]
    _, three = play(server, branch=told)  # as it stands there, sigma and all
    assert frames(three) == frames(one) and three[0]["data"]["branch"] == told
    assert httpx.get(f"{server.url}/api/runs/{run['id']}").json()["branch"] is None


def test_a_running_run_can_be_branched_where_it_will_come(serve: Any) -> None:
    held = Dye()
    server = serve(held, unclaimed_s=60)
    gate = Gate(held)
    body = {"settings": {"seed": 1, "steps": 6}}
    run = ask(server, **body).json()
    at = {"run": run["id"], "stage": "particles", "step": 5}
    branch = ask(server, branch=at, settings={"steps": 6})
    assert branch.status_code == 201
    assert httpx.get(f"{server.url}/api/runs/{run['id']}").json()["state"] != "done"
    gate.open()
    one, two = (all_events(server.url + r["events"]) for r in (run, branch.json()))
    assert one[-1]["data"]["sample"] == two[-1]["data"]["sample"]


class Gate:
    """Keeps a pipeline's network from answering until it is opened."""

    def __init__(self, dye: Dye) -> None:
        self._open = threading.Event()
        answer = dye.net.answer

        def wait(requests: Any) -> Any:
            assert self._open.wait(30)
            return answer(requests)

        dye.net.answer = wait  # type: ignore[method-assign]

    def open(self) -> None:
        self._open.set()


def test_another_seed_another_shape_another_schedule(server: Live, parent: Any) -> None:
    first = frames(parent[1])[4]
    _, seed = play(server, branch=AT, settings={"seed": 6, "steps": STEPS})
    x, old, centre = (
        decode_array(a).astype(float) for a in (frames(seed)[0]["x"], first["x"], first["denoised"])
    )
    noise = (x - centre) / first["sigma"]
    assert noise.std() == pytest.approx(1, abs=0.05) and not np.allclose(x, old, atol=0.1)
    _, shape = play(server, branch=AT, input=SPIRAL)
    assert frames(shape)[0]["x"] == first["x"]
    assert frames(shape)[0]["denoised"] != first["denoised"]
    assert shape[-1]["data"]["sample"] != parent[1][-1]["data"]["sample"]
    levels = [8.0, 3.0, 1.0, 0.2, 0.05]
    _, drawn = play(server, branch=AT, settings={"schedule": {"sigmas": levels}})
    walked = [first["sigma"], *(s for s in levels if s < first["sigma"])]
    assert [frame["sigma"] for frame in frames(drawn)] == walked
    assert [frame["step"] for frame in frames(drawn)] == [4 + i for i in range(len(walked))]
    assert {frame["steps"] for frame in frames(drawn)} == {4 + len(walked)}


def test_a_branch_of_a_branch(server: Live) -> None:
    one, _ = play(server, branch=AT, input=SPIRAL)
    two, events = play(
        server, branch={"run": one["id"], "stage": "particles", "step": 8}, input=SPIRAL
    )
    of = events[0]["data"]["branch"]["of"]
    assert of["input"] == SPIRAL and of["branch"]["of"]["input"] == CAT
    assert (of["branch"]["stage"], of["branch"]["step"]) == ("particles", 4)
    id = two["id"]
    for depth in (3, 4):
        next_one, events = play(
            server, branch={"run": id, "stage": "particles", "step": 8}, input=SPIRAL
        )
        id = next_one["id"]
        assert str(events[0]["data"]["branch"]).count("'stage'") == depth
    refused = ask(server, branch={"run": id, "stage": "particles", "step": 8})
    assert problem(refused)["field"] == "branch"
    assert "4 in a row" in problem(refused)["accepted"]


def test_a_stream_resumes_inside_a_branch(server: Live) -> None:
    run, events = play(server, branch=AT, input=SPIRAL)
    assert [event["id"] for event in events] == list(range(STEPS - 4 + 2))
    url = server.url + run["events"]
    assert all_events(url, last_event_id=3) == events[4:]
    with Events(url, last_event_id=len(events) - 1) as finished:
        assert finished.status == 204


def test_every_export_of_a_branch_carries_it(server: Live) -> None:
    run, events = play(server, branch=AT, input=SPIRAL)
    url = f"{server.url}/api/runs/{run['id']}/export"
    branch = events[0]["data"]["branch"]
    document = httpx.get(f"{url}.json").json()
    assert document["branch"] == branch and document["events"] == events
    again = ask(server, **{k: document[k] for k in ("pipeline", "input", "settings", "branch")})
    assert again.status_code == 201
    assert (
        all_events(server.url + again.json()["events"])[-1]["data"]["sample"]
        == (events[-1]["data"]["sample"])
    )
    table = httpx.get(f"{url}.csv").text
    head, rows = table.splitlines()[0], list(csv.DictReader(io.StringIO(table.partition("\n")[2])))
    assert json.loads(head.removeprefix("# "))["branch"] == branch
    assert [int(row["step"]) for row in rows] == list(range(4, STEPS))
    assert all(row["error_position"] for row in rows)
    png = Image.open(io.BytesIO(httpx.get(f"{url}.png", timeout=60).content))
    assert any(json.dumps(branch["of"]["input"]) in str(value) for value in png.info.values())
    for film in ("gif", "mp4"):
        answer = httpx.get(f"{url}.{film}", timeout=60)
        assert answer.status_code == 200 and len(answer.content) > 1000


def problem(answer: httpx.Response, status: int = 422) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert all(one["message"] and one["accepted"] for one in detail)
    first: dict[str, str] = detail[0]
    return first


def nested(depth: int) -> dict[str, Any]:
    at: dict[str, Any] = AT
    for _ in range(depth - 1):
        at = {"of": {**OF, "branch": at}, "stage": "particles", "step": 4}
    return at


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD: list[tuple[Any, str]] = [
    ("here", "branch"),
    ([], "branch"),
    ({}, "branch.stage"),
    ({"stage": "particles", "step": 4}, "branch"),
    ({**AT, "run": "abc"}, "branch"),
    ({**AT, "at": 1}, "branch.at"),
    ({**AT, "stage": 3}, "branch.stage"),
    ({**AT, "stage": "decoder"}, "branch.stage"),
    ({**AT, "stage": "x" * 10_000}, "branch.stage"),
    ({**AT, "stage": "\ud800"}, "branch.stage"),
    ({**AT, "stage": None}, "branch.stage"),
    ({**AT, "step": -1}, "branch.step"),
    ({**AT, "step": STEPS}, "branch.step"),
    ({**AT, "step": 10**30}, "branch.step"),
    ({**AT, "step": 4.5}, "branch.step"),
    ({**AT, "step": True}, "branch.step"),
    ({**AT, "step": "4"}, "branch.step"),
    ({**AT, "sigma": 0.5}, "branch.sigma"),
    ({**AT, "sigma": "much"}, "branch.sigma"),
    ({**AT, "of": "run"}, "branch.of"),
    ({**AT, "of": {"settings": {"seed": 1}}}, "branch.of.input"),
    ({**AT, "of": {"input": {}}}, "branch.of.settings.seed"),
    ({**AT, "of": {"input": {}, "settings": {"steps": 9}}}, "branch.of.settings.seed"),
    ({**AT, "of": {**OF, "pipeline": "dye"}}, "branch.of.pipeline"),
    ({**AT, "of": {**OF, "input": {"shape": "cube"}}}, "branch.of.input.shape"),
    ({**AT, "of": {**OF, "input": {"shape": deep(40)}}}, "branch.of.input"),
    ({**AT, "of": {**OF, "input": {"shape": "\ud800"}}}, "branch.of.input"),
    ({**AT, "of": {**OF, "settings": {"seed": -1}}}, "branch.of.settings.seed"),
    ({**AT, "of": {**OF, "settings": {"seed": 1, "steps": 5000}}}, "branch.of.settings.steps"),
    ({**AT, "of": {**OF, "settings": {"seed": 1, "sampler": "plms"}}},
     "branch.of.settings.sampler"),
    ({**AT, "of": {**OF, "settings": {"seed": 1, "schedule": {"sigmas": [1, 2]}}}},
     "branch.of.settings.schedule"),
    ({**AT, "of": {**OF, "settings": {"seed": 1, "samples": 2}}}, "settings.samples"),
    ({**AT, "of": {**OF, "branch": {**AT, "step": 99}}}, "branch.of.branch.step"),
    ({**AT, "of": {**OF, "branch": {**AT, "of": {"input": {}}}}},
     "branch.of.branch.of.settings.seed"),
    ({**AT, "step": 3, "of": {**OF, "branch": AT}}, "branch.step"),
    (nested(5), "branch.of.branch.of.branch.of.branch.of.branch"),
]  # fmt: skip


@pytest.mark.parametrize(("branch", "field"), BAD, ids=lambda value: str(value)[:60])
def test_what_cannot_be_branched_is_refused_by_field(server: Live, branch: Any, field: str) -> None:
    settings = {"steps": STEPS, "samples": 1}
    found = problem(ask(server, branch=branch, settings=settings))
    assert found["field"] == field


def test_refusals_say_what_would_be_accepted(server: Live) -> None:
    said = {
        "branch.step": problem(ask(server, branch={**AT, "step": 99})),
        "branch.stage": problem(ask(server, branch={**AT, "stage": "decoder"})),
        "branch.at": problem(ask(server, branch={**AT, "at": 1})),
    }
    assert said["branch.step"]["accepted"] == f"a whole number from 0 to {STEPS - 1}"
    assert said["branch.stage"]["accepted"] == "one of particles"
    assert said["branch.at"]["accepted"] == "one of run, of, stage, step, sigma"


def test_runs_that_are_not_known_and_pipelines_without_states(server: Live, parent: Any) -> None:
    unknown = ask(server, branch={"run": "nobody", "stage": "particles", "step": 1})
    assert problem(unknown, 404)["field"] == "branch.run"
    inner = {"run": "nobody", "stage": "particles", "step": 1}
    unknown = ask(server, branch={**AT, "of": {**OF, "branch": inner}})
    assert problem(unknown, 404)["field"] == "branch.of.branch.run"
    run = parent[0]["id"]
    other = ask(server, pipeline="toy", input={}, branch={"run": run, "stage": "toy", "step": 1})
    assert problem(other)["field"] == "branch.run"
    none = ask(server, pipeline="toy", input={}, branch={**AT, "of": {**OF, "input": {}}})
    assert problem(none)["field"] == "branch" and "branches" in problem(none)["accepted"]


def test_the_work_before_the_state_counts_and_is_bounded(server: Live) -> None:
    run, _ = play(server, branch=AT)
    cost = httpx.get(f"{server.url}/api/runs/{run['id']}").json()["cost"]
    assert cost == STEPS + 1  # the state's own step is made twice
    heavy = {"seed": 1, "steps": 400, "samples": 4}
    at = {"of": {"input": CAT, "settings": heavy}, "stage": "particles", "step": 399}
    ok = ask(server, branch=at, settings={"steps": 2, "samples": 4})
    assert ok.status_code == 201
    below = {"kind": "karras", "sigma_max": 0.01, "sigma_min": 0.001}
    many = {"steps": 400, "samples": 4, "schedule": below}  # all of them below the state's level
    refused = problem(ask(server, branch=at, settings=many))
    assert refused["field"] == "settings.steps" and "3000 units" in refused["accepted"]


def test_a_plan_of_a_branch_tells_its_levels(server: Live) -> None:
    body = {"pipeline": "dye", "input": CAT, "settings": {"steps": STEPS}, "branch": AT}
    plan = httpx.post(f"{server.url}/api/plans", json=body).json()
    assert plan["stages"][0]["first"] == 4 and len(plan["stages"][0]["sigmas"]) == STEPS - 4 + 1
    assert plan["cost"] == STEPS + 1


def test_a_replica_computes_a_branch_from_what_was_told(server: Live) -> None:
    run, events = play(server, branch=AT, input=SPIRAL)
    known = server.services.runs.get(run["id"])
    assert known is not None

    async def computed() -> list[tuple[str, bytes]]:
        replica = Replica(Settings(threads=1).model_dump(), {"dye": "models.dye.pipeline:Dye"})
        try:
            stream = replica.compute("dye", known.input, known.settings, known.branch)
            return [one async for one in stream]
        finally:
            replica._services.engine.stop()

    said = asyncio.run(computed())
    told = [json.loads(data) for event, data in said if event == "frame"]
    assert told == frames(events)
    assert json.loads(said[-1][1])["sample"] == events[-1]["data"]["sample"]


# -- as shipped -------------------------------------------------------------------------------------


def shipped(server: Live, pipeline: str, input: Any, **more: Any) -> list[dict[str, Any]]:
    body = {"pipeline": pipeline, "input": input, "settings": {"seed": 2, "steps": 6}, **more}
    answer = httpx.post(f"{server.url}/api/runs", json=body, timeout=60)
    assert answer.status_code == 201, answer.text
    events = all_events(server.url + answer.json()["events"])
    assert events[-1]["event"] == "done", events[-1]
    return events


def test_a_molecule_and_its_branch_lie_on_each_other(live_server: Live) -> None:
    given = {"ccd": "CFF"}
    whole = shipped(live_server, "alphafold3", given)
    of = {"input": given, "settings": {"seed": 2, "steps": 6}}
    branch = shipped(
        live_server, "alphafold3", given, branch={"of": of, "stage": "atoms", "step": 3}
    )
    for one, two in zip(frames(whole)[3:], frames(branch), strict=True):
        assert one["step"] == two["step"]
        apart = decode_array(one["denoised"]) - decode_array(two["denoised"])
        assert np.abs(apart).max() < 0.02
    assert branch[0]["data"]["branch"]["stage"] == "atoms"


def test_an_uploaded_picture_works_in_the_run_that_is_branched(live_server: Live) -> None:
    uploaded = httpx.post(
        f"{live_server.url}/api/pictures",
        content=file_of(halves()),
        headers={"Content-Type": "image/png"},
    ).json()
    given = {"variation_of": {"picture": uploaded["id"]}}
    settings = {"seed": 2, "steps": 6, "samples": 1}
    whole = shipped(live_server, "dalle2", given, settings=settings)
    at = {"of": {"input": given, "settings": settings}, "stage": "decoder", "step": 2}
    branch = shipped(live_server, "dalle2", given, settings=settings, branch=at)
    of = branch[0]["data"]["branch"]["of"]
    assert of["input"]["variation_of"]["image"]["shape"] == [32, 32, 3]  # needs no upload any more
    assert frames(branch) == [f for f in frames(whole) if f["stage"] != "decoder" or f["step"] >= 2]
    at["of"]["input"] = {"variation_of": {"picture": "gone"}}
    refused = httpx.post(
        f"{live_server.url}/api/runs",
        json={"pipeline": "dalle2", "input": given, "settings": settings, "branch": at},
    )
    assert problem(refused)["field"] == "branch.of.input.variation_of.picture"


@pytest.mark.parametrize("pipeline", ["dalle1", "alphafold2"])
def test_the_older_models_have_no_state_to_branch(live_server: Live, pipeline: str) -> None:
    given = {"prompt": "a cat"} if pipeline == "dalle1" else {"protein": "A" * 30}
    at = {"of": {"input": given, "settings": {"seed": 1}}, "stage": "tokens", "step": 1}
    body = {"pipeline": pipeline, "input": given, "branch": at}
    answer = httpx.post(f"{live_server.url}/api/runs", json=body, timeout=60)
    assert problem(answer)["field"] == "branch"


def test_without_the_prior_there_is_no_stage_of_it(live_server: Live) -> None:
    events = shipped(live_server, "dalle2", {"prompt": "a cat", "prior": False})
    start = events[0]["data"]
    assert start["stages"][0]["name"] == "decoder"
    assert any("prior is left out" in note for note in start["notes"])
    assert "prior" not in events[-1]["data"]
    body = {"pipeline": "dalle2", "input": {"prompt": "a cat", "prior": "no"}}
    answer = httpx.post(f"{live_server.url}/api/runs", json=body, timeout=60)
    assert problem(answer)["field"] == "input.prior"
