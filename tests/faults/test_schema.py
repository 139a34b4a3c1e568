"""Random requests made from the OpenAPI document, valid and not: every answer is one that it describes,
none is an error of ours, and all carry the security headers.

``FUZZ_EXAMPLES`` is the number of requests per call and kind; ``make fuzz`` sends more than 10 000.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from live import Live, live
from schemathesis.checks import CheckContext
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method
from toy import Toy

from app.headers import SECURITY
from app.main import create_app
from app.pipelines import Pipelines
from app.settings import Settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    # Under the name of a shipped pipeline, so that the examples of the document start runs.
    started = live(
        {"dalle2": Toy("image", id="dalle2")}, unclaimed_s=2, room_lookups=10**6, room_opens=10**6
    )
    yield started
    text = httpx.get(f"{started.url}/metrics").text
    print(f"{started.server.server_state.total_requests} requests")
    started.end()
    assert 'status="500"' not in text


DOCUMENT = create_app(Settings(threads=1), Pipelines({})).openapi()
OPERATIONS = {
    operation.label: operation
    for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    if (operation := result.ok()) is not None
}


def the_usual_headers(
    context: CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    for name, value in SECURITY.items():
        assert response.headers.get(name.lower()) == [value], (name, response.status_code)
    assert response.headers.get("cache-control"), response.status_code
    if response.status_code in (429, 503):
        (seconds,) = response.headers["retry-after"]
        assert int(seconds) > 0


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("call", list(OPERATIONS))
def test_every_answer_is_one_that_the_document_describes(
    server: Live, call: str, mode: GenerationMode
) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES < 50,
        suppress_health_check=list(HealthCheck),
    )
    @given(OPERATIONS[call].as_strategy(mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(
            base_url=server.url,
            additional_checks=[the_usual_headers],
            # What a pipeline accepts is narrower than what a schema can say.
            excluded_checks=[positive_data_acceptance, unsupported_method],
            timeout=30,
            session=session,
        )

    with requests.Session() as session:
        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # a call without parameters cannot be wrong


def test_every_path_answers_every_other_method_with_405_and_the_usual_headers(
    server: Live,
) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        paths = client.get("/openapi.json").json()["paths"]
        for path, operations in paths.items():
            place = path.replace("{", "").replace("}", "")
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                if method.lower() in operations:
                    continue
                answer = client.request(method, place)
                assert answer.status_code == 405, (method, place)
                assert {o.upper() for o in operations} <= set(answer.headers["allow"].split(", "))
                assert answer.json()["detail"][0]["accepted"] == answer.headers["allow"]
                assert {name: answer.headers[name] for name in SECURITY} == SECURITY


def test_pages_and_files_carry_the_usual_headers_too(server: Live) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for path in ("/", "/docs", "/openapi.json", "/static/js/main.js", "/static/none.js",
                     "/static/../app/main.py", "/static/%2e%2e/app/main.py", "/room/ABCDEF",
                     "/<script>alert(1)</script>", "/api/runs/%3Cscript%3E"):  # fmt: skip
            answer = client.get(path)
            assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY, path
            assert "<script>alert" not in answer.text
            assert answer.status_code in (200, 404), path
