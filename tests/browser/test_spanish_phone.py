"""A visitor with a phone who reads Spanish: the words, the numbers and what a thumb has to reach."""

from __future__ import annotations

from browser_stage import Stage
from playwright.sync_api import Page, expect
from school import School

PHONE = {"width": 390, "height": 844}


def test_examples_are_read_in_spanish_and_found_in_both_languages(
    molecules: Stage, page: Page
) -> None:
    page.set_viewport_size(PHONE)
    molecules.open("&lang=es")
    page.get_by_role("button", name="Los 10 ejemplos").click()
    dialog = page.get_by_role("dialog", name="Ejemplos")
    expect(dialog.get_by_role("heading", name="Moléculas pequeñas")).to_be_visible()
    for word in ("proteínas", "proteins", "reservada"):
        dialog.get_by_role("searchbox").fill(word)
        expect(dialog.get_by_role("button", name="Helix")).to_be_visible()
        expect(dialog.locator("li:visible")).to_have_count(1)


def test_labels_on_a_fields_edge_stay_on_one_line(molecules: Stage, page: Page) -> None:
    molecules.open("&lang=es")
    page.set_viewport_size({"width": 320, "height": 700})
    for label in page.locator(".field label:visible").all():
        box = label.bounding_box()
        assert box is not None and box["height"] < 24


def test_a_lesson_shows_a_thumb_the_mark_that_it_asks_for(school: School, page: Page) -> None:
    page.set_viewport_size(PHONE)
    school.lesson("axis", 4, "&lang=es")
    mark = page.get_by_role("button", name="Global definido", exact=True)
    expect(mark).to_be_visible()
    expect(page.get_by_role("button", name="Local definido", exact=True)).to_be_hidden()
    mark.click()
    school.is_done()
    school.says(".lesson-said", "Lo global se definió con ruido 0,")


def test_plotly_gets_the_pages_marks_of_numbers(molecules: Stage, page: Page) -> None:
    drawn = """async (lang) => {
      document.documentElement.lang = lang;
      const { react } = await import("/static/js/plotly.js");
      let got = null;
      globalThis.Plotly = { react: (element, traces, layout) => (got = layout.separators) };
      await react(Object.assign(document.createElement("div"), { ariaLabel: "a chart" }), [], {});
      return got;
    }"""
    molecules.open("&lang=es")
    assert page.evaluate(drawn, "es") == ",."
    assert page.evaluate(drawn, "en") == ".,"
