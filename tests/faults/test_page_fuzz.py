"""Pages, words and files with random addresses and headers: an answer that is meant for the visitor,
never an error of ours, never what was typed as markup. ``FUZZ_EXAMPLES`` as in ``test_schema``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from live import Live, live
from toy import Toy

from app.headers import SECURITY

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
MARK = "<i>\"'&x"
http = httpx.Client(timeout=60)


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({"dalle2": Toy("image", id="dalle2")}, room_lookups=10**6)
    yield started
    text = http.get(f"{started.url}/metrics").text
    print(f"{started.server.server_state.total_requests} requests")
    started.end()
    assert 'status="500"' not in text


WORD = st.one_of(
    st.sampled_from(
        [MARK, "..", "%00", "en", "de", "zh", "stage", "stage,room", "dalle2", "dye", "compare", "1",
         "ABCDEF", "js/main.js", "card.json", "//evil.example", "\r\nX: y", "\u202e", "\ud7ff", "x" * 300]
    ),
    st.text(st.characters(codec="utf-8"), max_size=12),
)  # fmt: skip
PLACES = ("/", "/embed", "/lab", "/lessons", "/models", "/models/{}", "/models/{}/card.json", "/docs",
          "/room", "/room/{}", "/text/{}/{}.json", "/static/{}", "/vendor/plotly/{}", "/{}", "//{}",
          "/api/{}", "/api/qr.svg")  # fmt: skip
NAMES = ("lang", "only", "mode", "twins", "print", "code", "path", "theme", "p", "prompt")
HEADERS = ("Accept-Language", "Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range", "Host",
           "X-Forwarded-Host", "X-Forwarded-For", "Origin", "Sec-Fetch-Site")  # fmt: skip


def sendable(value: str) -> bytes:
    """What a header can hold of it."""
    return "".join(c for c in value if c >= " " and c != "\x7f").strip().encode()


@settings(
    max_examples=6 * EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES < 50,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.sampled_from(PLACES),
    st.lists(WORD, min_size=2, max_size=2),
    st.dictionaries(st.sampled_from(NAMES), WORD, max_size=4),
    st.dictionaries(st.sampled_from(HEADERS), WORD, max_size=3),
    st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST"]),
    st.booleans(),
)
@example("/{}", [MARK, ""], {"lang": MARK}, {"Accept-Language": "de;q=1e400,*;q=nan"}, "GET", True)
@example("/room/{}", [MARK, ""], {"code": MARK}, {"Host": "["}, "GET", True)
@example("/static/{}", ["js/main.js", ""], {}, {"Range": "bytes=0-0,-1,5-"}, "GET", False)
def test_pages_stand_whatever_they_are_asked(
    server: Live,
    place: str,
    words: list[str],
    query: dict[str, str],
    headers: dict[str, str],
    method: str,
    person: bool,
) -> None:
    path = place.format(*(quote(word, safe="/,.") for word in words))
    sent = [(name.encode(), sendable(value)) for name, value in headers.items()]
    sent.append((b"Accept", b"text/html" if person else b"*/*"))
    url = httpx.URL(server.url, raw_path=path.encode()).copy_merge_params(query)
    answer = http.request(method, url, headers=sent)
    assert answer.status_code in (200, 206, 303, 304, 307, 400, 404, 405, 416, 422)
    framed = path == "/embed"
    for name, value in SECURITY.items():
        if not framed or name in ("X-Content-Type-Options", "Referrer-Policy"):
            assert answer.headers.get(name) == value, (name, answer.status_code)
    assert "set-cookie" not in answer.headers and "x" not in answer.headers
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert MARK not in answer.text and "<i>" not in answer.text
        assert 'href="//' not in answer.text
    location = httpx.URL(answer.headers.get("location", "/"))
    # A slash too many at the end is taken away, at the host that was asked.
    asked = answer.request.headers["host"].partition(":")[0]
    assert location.host in ("", asked, "127.0.0.1")  # the last where nothing asked makes sense
    assert location.path.startswith("/") and not location.path.startswith("//")
