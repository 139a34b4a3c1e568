"""Languages in a real browser: by its own wish, by the switch, by the address; nothing left in English."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sentences
from alphafold3 import bad_inputs
from axe_playwright_python.sync_playwright import Axe
from browser_stage import Stage, Watch, address, not_wider
from catalogues import same
from playwright.sync_api import Browser, Page, expect

from app.languages import LANGUAGES, part
from models.alphafold3.inputs import parse
from models.alphafold3.library import Library
from models.pipeline import InputError

OTHERS = [name for name in LANGUAGES if name != "en"]
SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}

# What the models themselves read or say, what a room code looks like, a file's name.
ENGLISH_ANYWHERE = re.compile(
    r"\b(EN|DE|ES|ZH|English|Deutsch|Español|GWK|CCO|a toy|a sunflower|toy|ethanol|px|ABC 234)\b"
    r"|openapi\.json|[\w/.-]+\.(safetensors|json|txt|tsv\.xz)"
)
TEXTS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.closest('script, style, noscript, svg, code, pre, .chips, [lang=en]:not(html)')) continue;
    found.push(walker.currentNode.data.trim());
  }
  for (const element of document.querySelectorAll('[aria-label], [title], [alt], [placeholder]')) {
    if (element.closest('svg, .chips, [lang=en]:not(html)')) continue;
    for (const name of ['aria-label', 'title', 'alt', 'placeholder'])
      if (element.hasAttribute(name)) found.push(element.getAttribute(name).trim());
  }
  return [...new Set(found), document.title].filter((text) => /[a-z]{2}/i.test(text));
}"""


def english(page: Page, known: set[str], language: str) -> set[str]:
    """Texts of the page, seen or read aloud, that the English page has as well."""
    left = {text for text in page.evaluate(TEXTS) if text in known}
    return {text for text in left if not same(ENGLISH_ANYWHERE.sub("", text).strip(), language)}


def ready(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("body[data-ready]").wait_for()


def test_no_english_is_left_on_the_stage(stage: Stage, page: Page) -> None:
    ready(page, f"{stage.server.url}/?lowgfx=1&lang=en")
    known = set(page.evaluate(TEXTS))
    assert len(known) > 80
    for language in OTHERS:
        ready(page, f"{stage.server.url}/?lowgfx=1&lang={language}")
        expect(page.locator(".panel-status").first).not_to_be_empty()
        assert english(page, known, language) == set()
        assert page.locator("html").get_attribute("lang") == {"zh": "zh-Hans"}.get(
            language, language
        )


@pytest.mark.parametrize("path", ["/lessons", "/models", "/lab?lowgfx=1", "/room", "/docs"])
def test_no_english_is_left_on_other_pages(
    stage: Stage, page: Page, path: str, watch: Watch
) -> None:
    watch.expected += ["422"]  # the lab asks for schedules that the toys do not have
    joint = "&" if "?" in path else "?"
    texts = {}
    for language in ("en", "de", "es", "zh"):
        page.goto(f"{stage.server.url}{path}{joint}lang={language}")
        page.wait_for_load_state("networkidle")
        texts[language] = set(page.evaluate(TEXTS))
        if language != "en":
            assert english(page, texts["en"], language) == set()


def test_the_browsers_language_the_switch_and_the_address(stage: Stage, browser: Browser) -> None:
    url = stage.server.url
    context = browser.new_context(locale="es-MX", viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.goto(f"{url}/lessons")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    page.goto(f"{url}/lessons?print=dye&lang=de#top")  # the address comes first
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.goto(f"{url}/lessons?print=dye#top")
    page.locator(".languages summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator(".languages summary")).to_be_focused()
    expect(page.locator(".languages ul")).to_be_hidden()
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the fourth: Chinese
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert address(page) == f"{url}/lessons?print=dye&lang=zh#top"  # the rest of the address stays
    page.goto(f"{url}/models")  # the choice is remembered, and the address says so
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert address(page) == f"{url}/models?lang=zh"
    page.locator(".model-list a").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert context.cookies() == []
    context.close()


def test_the_stage_keeps_its_language_and_loads_no_other(stage: Stage, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ready(page, f"{stage.server.url}/?lowgfx=1&lang=de&seed=7")
    own = [url for url in asked if "/text/" in url]
    assert own and all("/text/de/" in url for url in own)
    assert len({url for url in own if "stage" in url}) == 1
    number = page.evaluate(
        "import('/static/js/text.js').then((m) => [m.number(1234.4), m.number(0.256)])"
    )
    assert number == ["1.234", "0,26"]
    page.locator(".languages summary").click()
    page.locator(".languages a[data-lang=es]").click()
    page.wait_for_url(re.compile("lang=es"))
    assert "seed=7" in address(page) and "lowgfx=1" in address(page)
    expect(page.locator("#run")).to_have_text(part("es", "stage")["run"])


@pytest.mark.parametrize("size", SIZES, ids=list(SIZES))
def test_german_fits(stage: Stage, page: Page, size: str) -> None:
    """The longest words of the four: nothing runs out of the page, of its button or of the menu."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    theme = "&theme=projector" if size == "projection" else ""
    ready(page, f"{stage.server.url}/?lowgfx=1&lang=de{theme}")
    not_wider(page, width)
    page.locator(".languages summary").click()
    cut = page.evaluate(
        """(width) => [...document.querySelectorAll('button, a, summary, h1, h2, figcaption')]
          .filter((e) => e.checkVisibility() && !e.closest('.chips, .tabs, .sr, .skip'))
          .filter((e) => e.textContent.trim())
          .filter((e) => {
            const box = e.getBoundingClientRect();
            const over = e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1;
            return box.left < 0 || box.right > width + 0.5 || over;
          }).map((e) => e.textContent.trim())""",
        width,
    )
    assert cut == []
    answer = Axe().run(page)
    assert answer.response["violations"] == [], answer.generate_report()


def test_words_that_do_not_come_are_said(stage: Stage, page: Page, watch: Watch) -> None:
    watch.expected += ["words did not come", "Failed to load resource"]
    page.route("**/text/de/*.json", lambda route: route.abort())
    page.goto(f"{stage.server.url}/?lowgfx=1&lang=de")
    expect(page.locator("#trouble")).to_have_text(part("de", "page")["page.broken"])


# -- what the server says ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


@pytest.fixture
def translated(module: Callable[..., Any]) -> Callable[[str, list[str]], list[str | None]]:
    def call(language: str, said: list[str]) -> list[str | None]:
        body = "const t = new m.SentenceTable(a[0]); return a[1].map((s) => t.find(s));"
        return module("sentence_table", body, [part(language, "messages"), said])

    return call


TECHNICAL = re.compile(r'[\[{"]|sequences, name|crystal or ideal|dalle2$|\[\w+\+?\d?\] \(')


@pytest.mark.parametrize("language", OTHERS)
def test_whatever_the_code_says_is_known(translated: Any, language: str) -> None:
    said = sorted(s.replace("7 7 (7) ion", "A zinc (ZN) ion") for s in sentences.sentences())
    assert len(said) > 200
    unknown = [s for s, t in zip(said, translated(language, said), strict=True) if t is None]
    assert [s for s in unknown if not TECHNICAL.match(s)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_refusals_of_molecules_are_translated(
    translated: Any, library: Library, language: str
) -> None:
    messages, ways_out = [], []
    for given, *_ in bad_inputs.BAD:
        with pytest.raises(InputError) as caught:
            parse(given, library)
        messages.append(caught.value.message)
        ways_out.append(caught.value.accepted)
    got = translated(language, messages)
    assert [m for m, t in zip(messages, got, strict=True) if t is None] == []
    got = translated(language, ways_out)
    unknown = [m for m, t in zip(ways_out, got, strict=True) if t is None]
    assert [m for m in unknown if not TECHNICAL.match(m) and " " in m.replace(", ", "")] == []


def test_templates_find_their_values(module: Callable[..., Any]) -> None:
    got = module(
        "sentence_table",
        """const t = new m.SentenceTable({
          'has {count} heavy atoms': 'hat {count} schwere Atome', 'has {count}': 'hat {count}',
          '{letter} is no {unit}': '{letter} ist {unit}', 'residue': 'keine Aminosäure',
          'a {b} c {a}': '{a} vor {b}', 'costs $ (a+b)': 'kostet'});
        return ['has 7 heavy atoms', 'has 7', "'X' is no residue", 'a 1 c 2', 'costs $ (a+b)', 'costs',
          'has no\\nend', ''].map((s) => t.find(s));""",
    )
    assert got == [
        "hat 7 schwere Atome", "hat 7", "'X' ist keine Aminosäure", "2 vor 1", "kostet", None,
        "hat no\nend", None,
    ]  # fmt: skip


def test_a_refusal_and_a_note_in_german(stage: Stage, page: Page) -> None:
    ready(page, f"{stage.server.url}/?lowgfx=1&lang=de")
    page.fill("#seed", "99999999999")
    page.click("#run")
    expect(page.locator("#seed-error")).to_contain_text("ganze Zahl von 0 bis")
    said = page.evaluate(
        """async () => {
          const { said, tell } = await import('/static/js/sentences.js');
          const known = document.createElement('li'), unknown = document.createElement('li');
          await tell(known, 'Backbone only (N, CA, C, O), from the sequence alone.');
          await tell(unknown, 'Nobody has translated this.');
          return [await said('is empty'), known.textContent, known.lang, unknown.textContent, unknown.lang];
        }"""
    )
    assert said == [
        "ist leer", "Nur das Rückgrat (N, CA, C, O), aus der Sequenz allein.", "",
        "Nobody has translated this.", "en",
    ]  # fmt: skip
