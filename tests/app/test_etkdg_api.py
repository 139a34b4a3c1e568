"""RDKit's answer beside a finished run's, over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from live import Live, all_events
from rdkit import Chem
from toy import Toy

import app.etkdg
from app.wire import decode_array

Serve = Callable[..., Live]


class MoleculeToy(Toy):
    """Its plan holds ethanol, as a plan of the real pipeline does; "chains" asks for more."""

    def __init__(self) -> None:
        super().__init__("molecule", id="toy")

    def parse(self, input: Mapping[str, Any]) -> Any:
        mol = None if input.get("backbone") else Chem.MolFromSmiles("CCO")
        return SimpleNamespace(chains=[SimpleNamespace(mol=mol)] * input.get("chains", 1), notes=())


@pytest.fixture
def toy() -> MoleculeToy:
    return MoleculeToy()


def run_of(server: Live, input: dict[str, Any], wait: bool = True, **settings: Any) -> str:
    body = {"pipeline": "toy", "input": input, "settings": {"seed": 3, **settings}}
    run = httpx.post(f"{server.url}/api/runs", json=body).json()
    if wait:
        all_events(server.url + run["events"])
    return f"{server.url}/api/runs/{run['id']}"


def test_the_answer_lies_on_the_first_sample(serve: Serve, toy: MoleculeToy) -> None:
    url = run_of(serve(toy), {}, samples=2)
    answer = httpx.get(f"{url}/etkdg")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    first = decode_array(all_events(f"{url}/events")[-1]["data"]["sample"])[0]
    xyz = decode_array(found["xyz"])
    assert found["method"] == "RDKit ETKDGv3" and 0 < found["seconds"] < 60
    assert found["rmsd"] == pytest.approx(np.sqrt(((xyz - first) ** 2).sum(1).mean()), abs=1e-3)
    assert found["rmsd"] < 0.2  # both are ethanol


def test_it_is_computed_once_however_many_ask(
    serve: Serve, toy: MoleculeToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = run_of(serve(toy), {})
    begun, go, asked = threading.Event(), threading.Event(), []
    compute = app.etkdg.etkdg

    def slow(*given: Any) -> Any:
        asked.append(given)
        begun.set()
        assert go.wait(20)
        return compute(*given)

    monkeypatch.setattr(app.etkdg, "etkdg", slow)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(httpx.get, f"{url}/etkdg", timeout=30) for _ in range(3)]
        assert begun.wait(20)
        # Meanwhile the engine and the server go on.
        other = run_of(serve(MoleculeToy()), {})
        assert httpx.get(other).json()["state"] == "done"
        assert httpx.get(url).json()["state"] == "done"
        go.set()
        bodies = [answer.result().json() for answer in answers]
    assert len(asked) == 1
    assert bodies[0] == bodies[1] == bodies[2] == httpx.get(f"{url}/etkdg").json()


@pytest.mark.parametrize("input", [{"chains": 2}, {"backbone": True}])
def test_what_is_no_single_molecule_is_refused(
    serve: Serve, toy: MoleculeToy, input: dict[str, Any]
) -> None:
    answer = httpx.get(f"{run_of(serve(toy), input)}/etkdg")
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert "no single organic molecule" in problem["message"]
    assert problem["accepted"] == "a run of one organic molecule"


def test_a_run_that_has_not_ended_is_refused(serve: Serve, toy: MoleculeToy) -> None:
    toy.net.hold()
    server = serve(toy)
    answer = httpx.get(f"{run_of(server, {}, wait=False)}/etkdg")
    assert answer.status_code == 409
    toy.net.permit(20)
    assert httpx.get(f"{server.url}/api/runs/nobody/etkdg").status_code == 404
