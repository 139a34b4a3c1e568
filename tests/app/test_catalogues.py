"""Which language a page is written in, how numbers look, and the catalogues: complete, used, consistent."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from catalogues import NAMES, SHARED
from live import Live, live

from app import languages
from app.languages import LANGUAGES, SENTENCES, accepted, chosen, localised, number, part, parts

ROOT = Path(languages.__file__).parent.parent
OTHERS = [name for name in LANGUAGES if name != "en"]
HOLE = re.compile(r"\{\w+\}")
TAG = re.compile(r"</?\w+")

# -- which language -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR, fr;q=0.9, es;q=0.5, en;q=0.3", "es"),
        ("en;q=0.3, zh-TW;q=0.8", "zh"),
        ("zh-Hans-CN", "zh"),
        ("de;q=0, es", "es"),
        ("da, en;q=0.8, de;q=0.7", "en"),
        ("*", "en"),
        ("fr, *;q=0.5, de;q=0.1", "en"),
        ("", "en"),
        ("de;q=nonsense, es;q=0.1", "es"),
        (" ES ; Q=0.7 , DE ; q=0.2", "es"),
        (";;q=1,,,", "en"),
    ],
)
def test_the_browsers_wish(header: str, wanted: str) -> None:
    assert chosen(None, header) == wanted


def test_the_address_comes_before_the_browsers_wish() -> None:
    assert chosen("es", "de") == "es"
    assert chosen("zh-CN", "de") == "zh"
    assert chosen("xx", "de") == chosen("", "de") == "de"
    assert accepted("en;q=0.2, de;q=0.7, es;q=0.7") == ["de", "es", "en"]


@pytest.mark.parametrize(
    ("language", "small", "large"),
    [("en", "1,234.5", "12,345"), ("de", "1.234,5", "12.345"), ("es", "1234,5", "12.345"),
     ("zh", "1,234.5", "12,345")],
)  # fmt: skip
def test_numbers_as_the_browser_writes_them(language: str, small: str, large: str) -> None:
    assert number(language, 1234.5, 1) == small
    assert number(language, 12345) == large
    assert localised(language, "-1,234.5") == f"-{small}"


def test_plural_forms_and_markup() -> None:
    assert languages.text("de", "join.often", count=1).endswith(
        "In 1 Sekunde noch einmal versuchen."
    )
    assert "In 5 Sekunden" in languages.text("de", "join.often", count=5)
    said = languages.text("en", "card.dalle1.data_html", link='"><script>')
    assert "<a href=" in said and "<script>" not in said
    with pytest.raises(KeyError):
        languages.text("en", "no.such.key")


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    server = live({})
    yield server
    server.end()


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


PAGES = ("/", "/lessons", "/lab", "/models", "/models/dalle2", "/docs", "/room", "/embed")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_speaks_the_language_that_is_asked_for(client: httpx.Client, path: str) -> None:
    page = client.get(path, headers={"Accept-Language": "de-AT, en;q=0.5"})
    assert '<html lang="de"' in page.text
    assert "accept-language" in page.headers["vary"].lower()
    asked = client.get(
        path, params={"lang": "zh", "prompt": "a & b"}, headers={"Accept-Language": "de"}
    )
    assert '<html lang="zh-Hans"' in asked.text
    if path != "/embed":  # the switch keeps what else the address holds
        assert "prompt=a+%26+b&amp;lang=es" in asked.text
    own = re.findall(r'<a [^>]*?href="(/(?:models|lessons|lab|docs)?(?:[/?#][^"]*)?)"', asked.text)
    assert own and all(
        "lang=zh" in link or "data-lang" in link for link in own if "prompt" not in link
    )
    plain = re.sub(r"<a [^>]*data-lang.*?</a>", "", page.text)
    assert "lang=" not in "".join(re.findall(r'href="([^"]*)"', plain))


def test_what_is_wrong_with_a_room_code_is_said_in_the_language(client: httpx.Client) -> None:
    page = client.get("/room", params={"code": "zz", "lang": "de"})
    assert "Ein Code besteht aus sechs Buchstaben" in page.text
    assert (
        '<input type="hidden" name="lang" value="de">' in page.text
    )  # the form asks in German again


def test_every_page_has_the_switch_and_the_script_knows_the_languages() -> None:
    for path in TEMPLATES:
        template = path.read_text()
        if 'extends "base.html"' in template and path.name != "embed.html":  # a frame in a slide
            assert 'include "languages.html"' in template, path.name
    early = (ROOT / "static" / "js" / "early.js").read_text()
    assert f"/^({'|'.join(LANGUAGES)})$/" in early
    assert set(languages.TAGS) == set(languages.MARKS) == set(LANGUAGES)


def test_parts_are_served_as_one_file(client: httpx.Client) -> None:
    answer = client.get("/text/de/stage,pictures.json", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == part("de", "stage") | part("de", "pictures")
    tag = answer.headers["etag"]
    assert (
        client.get("/text/de/stage,pictures.json", headers={"If-None-Match": tag}).status_code
        == 304
    )
    assert client.get("/text/es/stage,pictures.json").headers["etag"] != tag
    for missing in (
        "/text/xx/stage.json",
        "/text/de/nothing.json",
        "/text/de/..%2Fen%2Fstage.json",
    ):
        assert client.get(missing).status_code == 404


def test_a_gap_is_filled_with_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for language, words in {"en": {"a": "one", "b": "two {n}"}, "de": {"a": "eins"}}.items():
        (tmp_path / language).mkdir()
        (tmp_path / language / "stage.json").write_text(json.dumps(words))
    monkeypatch.setattr(languages, "TEXT", tmp_path)
    languages._looked.cache_clear()
    assert part("de", "stage") == {"a": "eins", "b": "two {n}"}
    assert languages.text("de", "b", n=3) == "two 3"
    body, packed, tag = languages.served("de", ("stage",))
    assert json.loads(gzip.decompress(packed)) == json.loads(body) == part("de", "stage")
    (tmp_path / "de" / "stage.json").write_text(json.dumps({"a": "eins", "b": "zwei"}))
    languages._looked.cache_clear()  # looked at once a second
    assert languages.served("de", ("stage",))[2] != tag


# -- the catalogues -------------------------------------------------------------------------------


def _own(language: str, name: str) -> dict[str, str]:
    return json.loads((languages.TEXT / language / f"{name}.json").read_text())


@pytest.mark.parametrize("name", parts())
@pytest.mark.parametrize("language", OTHERS)
def test_every_language_is_complete(language: str, name: str) -> None:
    english, own = _own("en", name), _own(language, name)
    assert list(own) == list(english)
    for key, text in english.items():
        other = own[key]
        assert bool(other.strip()) == bool(text.strip()), key
        assert sorted(HOLE.findall(other)) == sorted(HOLE.findall(text)), key
        assert sorted(TAG.findall(other)) == sorted(TAG.findall(text)), key
        if other == text:
            rest = NAMES.sub("", HOLE.sub("", text))
            assert text in SHARED[language] or not re.search(r"[a-z]{2}", rest), f"{key}: {text}"


def test_no_key_stands_in_two_parts() -> None:
    seen: dict[str, str] = {}
    for name in parts():
        for key in part("en", name) if name != SENTENCES else ():
            assert seen.setdefault(key, name) == name, key


SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LITERAL = r'"([^"\\\n]+)"'
KEYS = {key for name in parts() if name != SENTENCES for key in part("en", name)}


def _plain(key: str) -> str:
    return re.sub(r"\.(one|other)$", "", key)


def _asked() -> set[str]:
    """Keys that stand whole in a call of t."""
    call = re.compile(
        r"(?<![\w.])t\(\s*(?:[^()\"`]*\?\s*)?" + LITERAL + r"(?:\s*:\s*" + LITERAL + ")?"
    )
    found = [m for path in (*SCRIPTS, *TEMPLATES) for m in call.findall(path.read_text())]
    return {key for pair in found for key in pair if key}


def test_every_key_that_is_asked_for_exists() -> None:
    asked = {key for key in _asked() if re.fullmatch(r"[\w.@ -]+", key) and not key.endswith(".")}
    assert len(asked) > 250
    known = KEYS | {_plain(key) for key in KEYS}
    assert {key for key in asked if key not in known} == set()


def test_every_text_is_used() -> None:
    """By its whole key, or by a key that begins so: `chart.label.${band}`, "card.note." + key."""
    code = "\n".join(path.read_text() for path in (*SCRIPTS, *TEMPLATES))
    code += "\n".join(path.read_text() for path in (ROOT / "app").glob("*.py"))
    whole = set(re.findall(r"(?<=[\"'`])[\w.@-]+(?=[\"'`])", code))
    # A part after a dot that is put together: ${..} and {..} in it, or what is joined to it.
    begun = set(
        re.findall(r"(?<=[\"'`])([a-z]\w*\.(?:[\w-]+\.)*[\w-]*)(?:\$?\{|[\"'`] [~+])", code)
    )
    ended = set(re.findall(r"(?:\}|~ [\"'])(\.[a-z][\w.]*)(?=[\"'`])", code))  # `${id}.title`
    assert len(begun) > 20 and ".title" in ended
    unused = [
        key
        for key in KEYS
        if not {key, re.sub(r"\.(one|other|0|1|n|of)$", "", key)} & whole
        and not key.startswith(tuple(begun))
        and not key.endswith(tuple(ended))
    ]
    assert unused == []


MARKUP = re.compile(r"\{[{%#].*?[}%#]\}|<(script|style|svg|code|pre)\b.*?</\1>|<[^>]*>", re.DOTALL)
SAID = re.compile(r'\b(?:alt|title|placeholder|aria-label|aria-description|content)="([^"]*)"')
NO_LANGUAGE = re.compile(r"Twofold|MB|ABC 234|width=device-width.*|light dark")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_words_of_its_own(path: Path) -> None:
    template = path.read_text()
    bare = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    texts = [*re.split(r"\s{2,}|\n", MARKUP.sub("\n", bare))]
    without = re.sub(r"\{[{%].*?[}%]\}", "", bare, flags=re.DOTALL)
    texts += SAID.findall(without)
    left = {NO_LANGUAGE.sub("", text).strip() for text in texts}
    assert [text for text in left if re.search(r"[A-Za-z]{2}", text)] == []
