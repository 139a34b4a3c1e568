"""Which pages may change something on this server."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from live import Live
from toy import Toy

from app.headers import SECURITY

RUN = {"pipeline": "toy", "input": {}, "settings": {"steps": 1}}


@pytest.mark.parametrize(
    ("site", "status"),
    [(None, 201), ("same-origin", 201), ("same-site", 201), ("none", 201), ("cross-site", 403)],
)
def test_a_page_of_another_site_starts_nothing(
    serve: Callable[..., Live], site: str | None, status: int
) -> None:
    server = serve(Toy())
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        # As a form may send it without asking first.
        told = client.post("/api/runs", json=RUN, headers={"Content-Type": "text/plain"})
        assert told.status_code == status
        assert {name: told.headers[name] for name in SECURITY} == SECURITY
        assert client.post("/api/rooms").status_code == status
        assert client.get("/").status_code == 200  # links from everywhere lead here
    assert len(server.services.runs._runs) == (status == 201)
    if status == 403:
        (problem,) = told.json()["detail"]
        assert problem["field"] and problem["message"] and problem["accepted"]
        assert 'twofold_refusals_total{status="403"} 2.0' in httpx.get(f"{server.url}/metrics").text


def test_a_run_cannot_be_stopped_from_another_site(serve: Callable[..., Live]) -> None:
    toy = Toy()
    toy.net.hold()
    server = serve(toy)
    run = httpx.post(f"{server.url}/api/runs", json=RUN).json()["id"]
    url = f"{server.url}/api/runs/{run}"
    assert httpx.delete(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert httpx.delete(url, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 204
    toy.net.permit(10)
