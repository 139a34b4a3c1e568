"""Random bodies for ``/api/plans`` and ``/api/runs`` of pipelines as shipped: inputs and settings made from
what ``/api/pipelines`` tells, branches of branches by id and by description, and whatever else JSON holds.

What is refused names its field; what is planned can be run, costs what was said, and comes to its end.
``make fuzz`` tries every pipeline, the usual tests the drop of dye.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import Live, all_events, live

from app.headers import SECURITY
from app.pipelines import PIPELINES

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
EVERY = EXAMPLES >= 50
IDS = list(PIPELINES) if EVERY else ["dye"]
SMALL = 60.0  # units of work that are computed to the end
met: Counter[str] = Counter()
http = httpx.Client(timeout=120)


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({id: PIPELINES[id] for id in IDS})
    yield started
    text = http.get(f"{started.url}/metrics").text
    print(f"{started.server.server_state.total_requests} requests, {dict(sorted(met.items()))}")
    started.end()
    assert 'status="500"' not in text


@pytest.fixture(scope="module")
def known(server: Live) -> dict[str, dict[str, Any]]:
    listed = http.get(f"{server.url}/api/pipelines").json()["pipelines"]
    return {entry["id"]: entry for entry in listed}


ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([10**18, -(10**400), 10**4000, 0, -1]),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["\ud800", "\x00", "\u202e", "<b>", "../..", "C" * 5000, "A" * 4001]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any], of: int = 12) -> Any:
    """``usual``, one time in ``of`` what is odd."""
    return st.integers(1, of).flatmap(lambda k: odd if k == of else usual)


def value(name: str, entry: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "choices" in entry:
        return st.sampled_from(entry["choices"])
    low, high = entry["minimum"], entry["maximum"]
    if name == "seed":
        return st.integers(0, 2**32 - 1)
    if isinstance(entry["default"], int):
        small = st.integers(int(low), min(int(high), int(low) + 9))
        return mostly(small, st.integers(int(low), int(high)), of=6)
    return st.floats(low, high)


@st.composite
def asked_settings(draw: st.DrawFn, entry: dict[str, Any], seed: bool = False) -> Any:
    """Settings within their bounds, each there or not; ``seed`` always."""
    found: dict[str, Any] = {}
    for name, described in entry["settings"].items():
        wanted = name in ("steps", "samples") or (seed and name == "seed")
        if name == "schedule.sigmas" or not (wanted or draw(st.integers(0, 3)) == 0):
            continue
        node, _, last = name.rpartition(".")
        place = found.setdefault(node, {}) if node else found
        place[last] = draw(mostly(value(name, described), ODD, of=40))
    if draw(st.integers(0, 5)) == 0 and "schedule.kind" in entry["settings"]:
        falling = sorted(draw(st.sets(st.floats(0.01, 40), min_size=1, max_size=9)), reverse=True)
        found["schedule"] = {"sigmas": falling}
        found.pop("steps", None)
    if isinstance(schedule := found.get("schedule"), dict) and schedule.get("kind") == "explicit":
        schedule.pop("kind")
    return found


def asked_input(entry: dict[str, Any]) -> st.SearchStrategy[Any]:
    usual = st.sampled_from([example["input"] for example in entry["examples"]])
    keys = sorted({key for example in entry["examples"] for key in example["input"]})
    strange = st.dictionaries(st.sampled_from([*keys, "x"]), ODD, max_size=2)
    return mostly(usual, strange, of=10)


@dataclass(frozen=True)
class Nth:
    """One of the last runs that came to their end, whose ids are not known while bodies are made."""

    number: int


def plain() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"seed": st.integers(0, 9), "steps": st.integers(2, 9)})


@st.composite
def asked_branch(
    draw: st.DrawFn, entry: dict[str, Any], given: dict[str, Any], depth: int = 1
) -> Any:
    """A branch of a run with the same number of samples, mostly of the same input."""
    stage = draw(mostly(st.sampled_from(entry["branches"] or ["x"]), st.text(max_size=9), of=20))
    branch = {"stage": stage, "step": draw(mostly(st.integers(0, 8), ODD))}
    if draw(st.integers(0, 4)) == 0:
        branch["run"] = draw(mostly(st.integers(0, 19).map(Nth), st.text(max_size=70)))
    else:
        before = draw(mostly(plain(), asked_settings(entry, seed=True), of=4))
        before["samples"] = (given.get("settings") or {}).get("samples", 1)
        if isinstance(before.get("steps"), int) and 0 < before["steps"] < 400:
            branch["step"] = draw(mostly(st.integers(0, before["steps"] - 1), ODD))
        of = {"input": draw(mostly(st.just(given["input"]), asked_input(entry), of=4))}
        of["settings"] = before
        if depth < 6 and draw(st.integers(0, 2)) == 0:
            inner = {"input": of["input"], "settings": before}
            of["branch"] = draw(asked_branch(entry, inner, depth + 1))
        branch["of"] = of
    if draw(st.integers(0, 9)) == 0:
        branch["sigma"] = draw(mostly(st.floats(0, 50), ODD, of=3))
    return branch


@st.composite
def asked(draw: st.DrawFn, entry: dict[str, Any]) -> dict[str, Any]:
    body = {"pipeline": entry["id"], "input": draw(asked_input(entry))}
    body["settings"] = draw(mostly(asked_settings(entry), ODD, of=20))
    branched = draw(st.integers(0, 5)) < (4 if entry["branches"] else 1)
    if isinstance(body["settings"], dict) and branched:
        body["branch"] = draw(mostly(asked_branch(entry, body), ODD, of=20))
    if draw(st.integers(0, 39)) == 0:
        body[draw(st.text(max_size=9))] = draw(ODD)
    return body


def known_runs(node: Any, runs: list[str]) -> Any:
    """The body with ids for its :class:`Nth`."""
    if isinstance(node, Nth):
        return runs[node.number % len(runs)] if runs else "nobody"
    if isinstance(node, dict):
        return {key: known_runs(inner, runs) for key, inner in node.items()}
    return [known_runs(inner, runs) for inner in node] if isinstance(node, list) else node


def post(server: Live, path: str, body: dict[str, Any]) -> httpx.Response:
    content = json.dumps(
        body
    ).encode()  # NaN and halves of characters too, as anybody may send them
    answer = http.post(f"{server.url}{path}", content=content)
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    met[f"{path.rpartition('/')[2]} {answer.status_code}"] += 1
    if answer.is_error:
        assert answer.status_code in (404, 413, 422), answer.text
        assert answer.json()["detail"], answer.text
        for problem in answer.json()["detail"]:
            assert problem["field"] and problem["message"] and problem["accepted"], problem
            assert len(problem["field"]) < 300 and len(problem["message"]) < 6000
    return answer


@pytest.mark.parametrize("id", IDS)
def test_what_is_planned_runs_as_it_was_planned(
    server: Live, known: dict[str, dict[str, Any]], id: str
) -> None:
    runs: list[str] = []

    @settings(
        max_examples=EXAMPLES if EVERY else 24,
        deadline=None,
        database=None,
        derandomize=not EVERY,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        body = known_runs(data.draw(asked(known[id])), runs)
        plan = post(server, "/api/plans", body)
        if plan.is_error:
            refused = post(server, "/api/runs", body)
            assert refused.status_code == plan.status_code
            fields = [[p["field"] for p in answer.json()["detail"]] for answer in (plan, refused)]
            assert fields[0] == fields[1]
            return
        told = plan.json()
        assert 0 < told["cost"] <= server.services.settings.max_cost and told["stages"]
        for stage in told["stages"]:
            assert all(math.isfinite(sigma) for sigma in stage.get("sigmas") or ())
        again = {**body, "settings": told["settings"]}
        assert post(server, "/api/plans", again).json() == told
        created = post(server, "/api/runs", again)
        assert created.status_code == 201 and created.json()["settings"] == told["settings"]
        url = f"{server.url}/api/runs/{created.json()['id']}"
        state = http.get(url).json()
        assert state["cost"] == pytest.approx(told["cost"], abs=0.06)
        if "branch" in body:
            met["branches"] += 1
            repeated = post(server, "/api/plans", {**again, "branch": state["branch"]})
            assert repeated.json() == told, "a branch as it is told is the same branch"
        if told["cost"] <= SMALL:
            events = all_events(f"{url}/events")
            assert events[0]["data"]["stages"] == told["stages"]
            assert [event["id"] for event in events if event["id"] is not None] == list(
                range(len(events))
            )
            end = events[-1]
            met[f"end {end['event']}"] += 1
            assert end["event"] == "done" or "not finite" in end["data"]["message"], end
            runs[:] = [*runs, created.json()["id"]][-20:]
        else:
            assert http.delete(url).status_code == 204

    ask()
