"""What the first load weighs, in bytes as they travel; ``make page`` prints the same with times."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
from browser_stage import Stage
from playwright.sync_api import Page, Request

from benchmarks.page import kind_of

LIMIT = 150_000  # HTML, style sheets, own modules and one language's words


def test_the_stage_loads_little_before_anything_is_asked(full: Stage, page: Page) -> None:
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))
    full.open()
    full.charted()
    found: dict[str, int] = {}
    for request in finished:
        answer = request.response()
        assert answer
        kind = kind_of(request.url, answer.header_value("content-type") or "")
        if kind in ("html", "css", "js", "words"):
            path = urlsplit(request.url).path
            assert path not in found, f"{path} is fetched twice"
            found[path] = request.sizes()["responseBodySize"]
    fixed = sum(
        size for path, size in found.items() if path != "/" and not path.startswith("/text/")
    )
    for language in ("en", "de", "es", "zh"):
        words = [
            path.replace("/text/en/", f"/text/{language}/") for path in found if "/text/" in path
        ]
        assert words
        own = fixed + sum(_travels(full.server.url + path) for path in words)
        own += _travels(f"{full.server.url}/?lang={language}")
        largest = sorted(found.items(), key=lambda item: -item[1])[:12]
        assert own < LIMIT, (language, own, largest)
    later = ("room.js", "library.js", "map_view.js", "near_view.js", "lesson.js", "dye.js")
    assert not [path for path in found if path.rsplit("/", 1)[-1] in later]


def _travels(url: str) -> int:
    """Bytes of a compressed answer."""
    with httpx.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200 and answer.headers["content-encoding"] == "gzip", url
        return sum(len(part) for part in answer.iter_raw())
