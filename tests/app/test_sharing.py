"""The page for frames, its headers and its setting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from live import Live, live
from pydantic import ValidationError
from toy import Toy

from app import qr
from app.headers import CONTENT_SECURITY_POLICY
from app.settings import Settings


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({"dalle2": Toy("image", id="dalle2")})
    yield started
    started.end()


def test_only_the_embed_page_may_be_framed(server: Live) -> None:
    inside = httpx.get(f"{server.url}/embed")
    assert inside.status_code == 200
    policy = inside.headers["content-security-policy"]
    assert (
        "frame-ancestors *" in policy and "script-src 'self'" in policy and "'unsafe" not in policy
    )
    assert inside.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "set-cookie" not in inside.headers
    for path in (
        "/",
        "/lessons",
        "/models",
        "/embed/",
        "/embedded",
        "/static/js/embed.js",
        "/api/pipelines",
    ):
        other = httpx.get(server.url + path).headers
        assert other["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert other["cross-origin-resource-policy"] == "same-origin", path


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "'none'",
        "'self'",
        "https://school.example",
        "'self' https://*.school.example:8443 http://localhost:3000",
    ],
)
def test_who_may_frame_it_is_a_setting(value: str) -> None:
    server = live({}, embed_ancestors=value)
    try:
        policy = httpx.get(f"{server.url}/embed").headers["content-security-policy"]
        assert policy.endswith(f"frame-ancestors {value}")
    finally:
        server.end()


@pytest.mark.parametrize(
    "value",
    ["", "self", "* ; script-src *", "https://a b", "javascript:x", "'self';", "https://a, *"],
)
def test_a_setting_that_is_no_list_of_origins_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(embed_ancestors=value)


@pytest.mark.parametrize(
    "query, ids",
    [
        ("", "dalle2 alphafold3"), ("only=dye", "dye"), ("only=evil%22%3E", "dalle2 alphafold3"),
        ("mode=compare", "dalle2 dalle1"), ("mode=compare&only=dalle2", "dalle2"),
        ("twins=1", "alphafold2 alphafold3"),
    ],
)  # fmt: skip
def test_the_panels_of_a_query(server: Live, query: str, ids: str) -> None:
    page = httpx.get(f"{server.url}/embed?{query}").text
    assert f'data-panels="{ids}"' in page
    assert 'id="ask"' not in page and 'id="track"' in page


def test_it_speaks_the_language_of_the_query(server: Live) -> None:
    page = httpx.get(f"{server.url}/embed?lang=de").text
    assert '<html lang="de"' in page


def test_a_code_is_drawn_once_beside_the_event_loop_and_one_at_a_time(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, str]] = []
    busy = threading.Lock()
    original = qr.segno.make_qr

    def draw(address: str, **options: str) -> object:
        assert busy.acquire(blocking=False), "two at once"
        try:
            drawn.append((address.rpartition("/")[2], threading.current_thread().name))
            return original(address, **options)
        finally:
            busy.release()

    monkeypatch.setattr(qr.segno, "make_qr", draw)
    qr._drawn.cache_clear()
    paths = [f"/?{k}{'x' * 400}" for k in range(6)] * 2
    with httpx.Client(base_url=server.url) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda p: client.get("/api/qr.svg", params={"path": p}), paths))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(path for path, _ in drawn) == sorted({path[1:] for path in paths})
    assert not any(thread == "server" for _, thread in drawn)  # where the event loop runs


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil.example", "/a\nb", "/\x00",
     "/\u202e", "", "/" + "x" * 1000],
)  # fmt: skip
def test_a_code_leads_nowhere_else(server: Live, path: str) -> None:
    answer = httpx.get(f"{server.url}/api/qr.svg", params={"path": path})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == "path"


def test_no_link_of_a_page_leads_to_another_host(server: Live) -> None:
    answer = httpx.get(f"{server.url}//evil.example/", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert 'href="//' not in answer.text and 'href="/evil.example/?lang=de"' in answer.text
