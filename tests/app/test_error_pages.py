"""A person gets a page where nothing lies or something broke; a program gets JSON."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from live import Live, live

from app.headers import CONTENT_SECURITY_POLICY

PERSON = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    server = live({})
    yield server
    server.end()


@pytest.mark.parametrize("path", ["/nowhere", "/models/none"])
def test_what_is_not_there(server: Live, path: str) -> None:
    page = httpx.get(server.url + path, headers={**PERSON, "Accept-Language": "es"})
    assert page.status_code == 404 and page.headers["content-type"].startswith("text/html")
    assert '<html lang="es"' in page.text and "Esta página no existe" in page.text
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    program = httpx.get(server.url + path)
    assert program.status_code == 404
    assert program.json()["detail"][0]["message"]


@pytest.mark.parametrize("path", ["/api/runs/none", "/static/none.js", "/text/xx/stage.json"])
def test_calls_are_answered_in_json_whoever_asks(server: Live, path: str) -> None:
    answer = httpx.get(server.url + path, headers=PERSON)
    assert answer.status_code == 404 and answer.json()["detail"]


def test_an_address_is_shown_as_text(server: Live) -> None:
    page = httpx.get(f"{server.url}/<script>alert(1)</script>", headers=PERSON)
    assert page.status_code == 404 and "<script>alert" not in page.text


def test_a_page_that_breaks(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("app.pages.card", broken)
    with httpx.Client() as client:
        page = client.get(f"{server.url}/models", headers=PERSON)
    assert page.status_code == 500 and "This page could not be made" in page.text
    assert "a bug" not in page.text
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
