"""The page's languages: the catalogues below ``static/text`` and which of them a visitor reads.

A catalogue is a folder of parts, each a flat JSON object {key: text with {values}}. Keys are unique over
all parts, so a template asks for any of them; a browser loads the parts that it needs. What a language
lacks is filled with English.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from markupsafe import Markup, escape

HERE = Path(__file__).parent
TEXT = (HERE if (HERE / "static").is_dir() else HERE.parent) / "static" / "text"
DEFAULT = "en"
# The part whose keys are sentences of the server: the browser translates those.
SENTENCES = "messages"
# By their own names, as the switch shows them; the order is the switch's.
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "zh": "简体中文"}
# Names for ``<html lang>``, by which browsers choose fonts, hyphens and voices.
TAGS = {"en": "en", "de": "de", "es": "es", "zh": "zh-Hans"}
# Marks of thousands and of decimals, as Intl.NumberFormat writes them.
MARKS = {"en": (",", "."), "de": (".", ","), "es": (".", ","), "zh": (",", ".")}


@lru_cache(maxsize=256)
def _read(path: Path, version: int) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _own(language: str, name: str) -> dict[str, str]:
    """A file of the language itself, {} while nobody has translated it."""
    path = TEXT / language / f"{name}.json"
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else {}


def parts() -> tuple[str, ...]:
    """Names of the parts that English has."""
    return tuple(sorted(path.stem for path in (TEXT / DEFAULT).glob("*.json")))


def part(language: str, name: str) -> dict[str, str]:
    """One part, English where the language has no text. Raises KeyError for an unknown part."""
    if language not in LANGUAGES or name not in parts():
        raise KeyError(name)
    return _own(DEFAULT, name) | _own(language, name)


def text(language: str, key: str, **values: Any) -> str | Markup:
    """The text of a key with its values filled in. Raises KeyError for an unknown key.

    A key without a text of its own may have ``.one`` and ``.other``, chosen by ``values["count"]``. Keys
    that end in ``_html`` hold markup: they come back as Markup, their values escaped.
    """
    found = _every(language, _versions())
    if key not in found and "count" in values:
        key += ".one" if values["count"] == 1 and language != "zh" else ".other"
    if key.endswith("_html"):
        return Markup(_filled(found[key], {name: escape(value) for name, value in values.items()}))
    return _filled(found[key], values)


def found(language: str, key: str) -> str:
    """The text of a key, "" for an unknown one."""
    return _every(language, _versions()).get(key, "")


def _filled(text: str, values: dict[str, Any]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _versions() -> tuple[int, ...]:
    """Of the files, looked at once a second: a page asks for hundreds of texts."""
    return _looked(int(time.monotonic()))


@lru_cache(maxsize=1)
def _looked(second: int) -> tuple[int, ...]:
    return tuple(path.stat().st_mtime_ns for path in sorted(TEXT.glob("*/*.json")))


@lru_cache(maxsize=2 * len(LANGUAGES))
def _every(language: str, version: tuple[int, ...]) -> dict[str, str]:
    return {
        key: said
        for name in parts()
        if name != SENTENCES
        for key, said in part(language, name).items()
    }


def served(language: str, names: tuple[str, ...]) -> tuple[bytes, bytes, str]:
    """Parts in one JSON object -> (the bytes, gzipped, a weak ETag). Raises KeyError for an unknown one."""
    if language not in LANGUAGES or len(names) > len(parts()):
        raise KeyError(language)
    return _served(language, names, _versions())


@lru_cache(maxsize=64)
def _served(
    language: str, names: tuple[str, ...], version: tuple[int, ...]
) -> tuple[bytes, bytes, str]:
    found = {key: said for name in names for key, said in part(language, name).items()}
    body = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
    tag = hashlib.sha256(body).hexdigest()[:16]
    return body, gzip.compress(body, compresslevel=6, mtime=0), f'W/"{tag}"'


def number(language: str, value: float, digits: int = 0) -> str:
    """A number with the language's marks of thousands and decimals."""
    return localised(language, f"{value:,.{digits}f}")


def localised(language: str, said: str) -> str:
    """The same of a number as Python writes it."""
    thousands, decimal = MARKS[language]
    if language == "es" and said.count(",") == 1 and said.index(",") == 1 + said.startswith("-"):
        said = said.replace(",", "")  # Spanish groups from five digits on
    return said.translate(str.maketrans(",.", thousands + decimal))


def accepted(header: str) -> list[str]:
    """Languages of an Accept-Language header, the most wanted first; those of weight 0 and what is not
    understood are left out (RFC 9110, section 12.5.4)."""
    wanted: list[tuple[float, str]] = []
    for item in header.split(","):
        name, _, weight = item.partition(";")
        label, _, quality = weight.partition("=")
        try:
            q = float(quality) if label.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        if name.strip() and 0 < q <= 1:
            wanted.append((q, name.strip().lower()))
    return [name for _, name in sorted(wanted, key=lambda pair: -pair[0])]


def chosen(asked: str | None, header: str) -> str:
    """``?lang=``, else what the browser wants most of what there is, else English."""
    for name in (asked or "", *accepted(header)):
        primary = name.replace("_", "-").partition("-")[0].lower()
        if primary in LANGUAGES:
            return primary
        if primary == "*":
            break
    return DEFAULT


def language_of(request: Request) -> str:
    """The language that a page is written in."""
    return chosen(request.query_params.get("lang"), request.headers.get("accept-language", ""))


def link(request: Request, path: str) -> str:
    """The address of one of our own pages, in the language that this page's address asked for."""
    if not request.query_params.get("lang"):
        return path
    where, mark, place = path.partition("#")
    joint = "&" if "?" in where else "?"
    return f"{where}{joint}lang={language_of(request)}{mark}{place}"


def context(request: Request) -> dict[str, Any]:
    """What every template knows: ``t``, ``number``, ``link``, ``lang``, ``languages``."""
    language = language_of(request)

    def words(*names: str) -> str:
        return f"/text/{language}/{','.join(names)}.json"

    t: Callable[..., str | Markup] = lambda key, **values: text(language, key, **values)  # noqa: E731
    return {
        "t": t,
        "number": lambda value, digits=0: number(language, value, digits),
        "significant": lambda value: localised(language, f"{value:,.4g}"),
        "link": lambda path: link(request, path),
        "words": words,
        "lang": language,
        "lang_tag": TAGS[language],
        "languages": [
            {"id": id, "name": name, "tag": TAGS[id], "here": _with(request, id)}
            for id, name in LANGUAGES.items()
        ],
    }


def _with(request: Request, language: str) -> str:
    """The page's own address in another language."""
    query = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    path = "/" + request.url.path.lstrip("/")  # two slashes would begin another host's name
    return f"{path}?{urlencode([*query, ('lang', language)])}"
