"""The schedule lab in Chromium: presets and drawn curves run for real, numbers, links, keys, access."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_stage import query_of, without_viewers
from live import Live
from playwright.sync_api import Page, expect
from school import Molecule, Picture

from models.diffusion.noise import TrainedNoise
from models.diffusion.sampler import SAMPLERS
from models.pipeline import SampleSettings, outside_training, stage_data

TRAINED = TrainedNoise(-1.0, 1.4)


class Knowing:
    """Tells what its network saw in training, as the real pipelines do."""

    samplers = SAMPLERS

    def start(self, plan: Any, settings: SampleSettings) -> dict[str, Any]:
        start = super().start(plan, settings)  # type: ignore[misc]
        net = self.net  # type: ignore[attr-defined]
        net.trained = TRAINED.times(net.sigma_data)
        schedule = settings.build_schedule(net.sigma_data)
        start["stages"][-1] |= stage_data(net, "A", schedule)
        start["notes"] = outside_training(net, "A", schedule)
        return start


class LabPicture(Knowing, Picture):
    pass


class LabMolecule(Knowing, Molecule):
    def __init__(self) -> None:
        super().__init__()
        self.net.sigma_data = 1.0  # so that its bounds hold what the lab offers


class Lab:
    def __init__(self, page: Page, server: Live, pipelines: tuple[Any, Any]) -> None:
        self.page, self.server = page, server
        self.picture, self.molecule = pipelines

    def open(self, query: str = "") -> Lab:
        self.page.goto(f"{self.server.url}/lab?lowgfx=1&prompt=a+toy&molecule=CCO&seed=3{query}")
        self.ended()
        return self

    def ended(self) -> None:
        expect(self.page.locator("#lab-numbers")).to_be_visible()
        expect(self.page.locator("#run")).to_have_attribute("data-state", "idle")

    def run(self) -> None:
        self.page.click("#run")
        expect(self.page.locator("#lab-stale")).to_be_hidden()
        self.ended()

    @property
    def asked(self) -> dict[str, list[str]]:
        return query_of(self.page)

    def cells(self, table: str, row: str) -> list[str]:
        line = self.page.locator(f"{table} tr", has=self.page.get_by_role("rowheader", name=row))
        return line.first.locator("td").all_inner_texts()

    def point(self, side: str, n: int) -> Any:
        return self.page.locator(f".handle.{side}").nth(n)

    def height(self, side: str, n: int) -> float:
        return float(self.point(side, n).get_attribute("aria-valuenow") or "nan")

    def levels(self, net: Any, since: int) -> list[list[float]]:
        """Levels at which a toy was asked, per run, in the order of their first request."""
        runs: dict[int, list[float]] = {}
        for batch in net.batches[since:]:
            for request in batch:
                runs.setdefault(request.steps, []).append(float(request.sigma[0]))
        return list(runs.values())


@pytest.fixture
def lab(page: Page, serve: Callable[..., Live]) -> Lab:
    page.emulate_media(reduced_motion="reduce")
    without_viewers(page)
    pipelines = (LabPicture(), LabMolecule())
    return Lab(page, serve(*pipelines), pipelines)


def test_a_preset_and_a_drawn_curve_run_for_real(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n5&b=linear_n7")
    expect(page.locator(".lab-density-summary")).to_contain_text("A: of 5 steps")
    ids = ["picture_a", "picture_b", "molecule_a", "molecule_b"]
    for id in ids:
        expect(page.locator(f"#{id} .origin")).to_have_text("live")
        expect(page.locator(f"#{id} [data-role=status]")).to_contain_text("finished")
    apart = lab.cells("#lab-pairs", "final molecules apart")
    assert float(apart[2]) > 0
    assert lab.cells("#lab-pairs", "judge's label") == ["cat 0", "cat 0", "same"]
    assert lab.cells("#lab-pairs", "network calls")[:2] == ["12", "12"]
    # Drawn by hand: B's third point goes up as far as its neighbour lets it; the model is asked there.
    page.locator("#lab-b select").first.select_option("drawn")
    before = [lab.height("b", i) for i in range(8)]
    lab.point("b", 2).focus()
    for _ in range(60):
        page.keyboard.press("ArrowDown")
    after = [lab.height("b", i) for i in range(8)]
    assert after[2] == pytest.approx(before[3] + 0.02, abs=0.011)
    assert after[:2] + after[3:] == before[:2] + before[3:]
    assert all(a > b for a, b in pairwise(after))
    expect(page.locator("#lab-stale")).to_be_visible()
    since = len(lab.molecule.net.batches)
    lab.run()
    drawn = lab.levels(lab.molecule.net, since)
    assert sorted(len(levels) for levels in drawn) == [5, 7]
    seven = next(levels for levels in drawn if len(levels) == 7)
    assert seven[0] == pytest.approx(10 ** after[0] * lab.molecule.net.sigma_data, rel=0.02)
    assert seven[-1] == pytest.approx(10 ** after[7] * lab.molecule.net.sigma_data, rel=0.02)
    # The address holds it: another visit is the same experiment.
    numbers = page.locator("#lab-pairs tbody").inner_text()
    text = lab.asked["b"][0]
    assert text.startswith("drawn_n7_p0*")
    page.reload()
    lab.ended()
    assert lab.asked["b"] == [text]
    assert [lab.height("b", i) for i in range(8)] == after
    timeless = [re.sub(r"seconds.*", "", part) for part in numbers.split("\n")]
    again = page.locator("#lab-pairs tbody").inner_text().split("\n")
    label = next(line for line in timeless if line.startswith("final pictures apart"))
    assert label in again


def test_dragging_takes_a_formula_by_hand(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n4&b=karras_n4")
    assert set(lab.cells("#lab-pairs", "final pictures apart")[2:]) == {"0"}  # the same is the same
    handle = lab.point("a", 3)
    box = handle.locator("circle").last.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    height = lab.height("a", 3)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 12, steps=3)
    page.mouse.up()
    assert lab.height("a", 3) > height + 0.05
    expect(page.locator("#lab-a select").first).to_have_value("drawn")
    expect(page.locator("#lab-b select").first).to_have_value("karras")
    page.click("#same")
    expect(page.locator("#lab-b select").first).to_have_value("drawn")
    assert lab.asked["a"] == lab.asked["b"]
    page.mouse.move(x, y - 12)
    page.mouse.down()
    page.mouse.move(x, y - 900, steps=3)  # beyond its neighbour: it stays below
    page.mouse.up()
    assert lab.height("a", 3) < lab.height("a", 2)


def test_leaving_the_trained_range_is_allowed_and_said(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n4&b=af3_n6")
    said = page.locator("#lab-trained li[data-outside=true]")
    expect(said.first).to_contain_text("of what training saw")
    assert all(text.startswith("B, ") for text in said.all_inner_texts())
    expect(page.locator("#molecule_b .notes")).to_contain_text("lies above 99.99")
    assert page.locator("#molecule_a .notes li").count() == 0
    assert page.locator(".hatch.picture").count() == 2
    page.locator("#lab-b select").first.select_option("karras")
    expect(page.locator("#lab-trained")).to_contain_text("stay inside")
    page.locator("#lab-b input").nth(1).fill("290")
    expect(said.first).to_contain_text("above")
    page.locator("#lab-b input").nth(1).fill("9999")
    expect(page.locator("#lab-b input").nth(1)).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Tab")
    expect(page.locator("#lab-b input").nth(1)).to_have_value("300")


def test_several_seeds_have_means_and_spreads(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n3&b=linear_n3")
    page.click("#repeat")
    expect(page.locator("#lab-progress")).to_have_text("Done with 5 seeds.")
    apart = lab.cells("#lab-means", "final molecules apart")
    assert "±" in apart[2] and "±" in apart[3]
    assert "×÷" in lab.cells("#lab-means", "overall shape settled at")[0]
    assert lab.cells("#lab-means", "judge's label")[2] == "same in 5 of 5"
    with page.expect_download() as coming:
        page.click("#save-json")
    made = json.loads(coming.value.path().read_text())
    assert made["seeds"][1]["seeds"] == [3, 4, 5, 6, 7]
    assert made["comparison"][0]["runs"]["a"]["settings"]["seed"] == 3
    with page.expect_download() as coming:
        page.click("#save-csv")
    assert "comparison,alphafold3,apart.rmsd" in coming.value.path().read_text()


def test_charts_move_the_player_and_follow_it(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n6&b=linear_n6")
    bars = page.locator(".lab-decade")
    counts = [re.findall(r"(\d+) steps? of A, (\d+) of B", b.get_attribute("aria-label") or "")[0]
              for b in bars.all()]  # fmt: skip
    assert [sum(int(c[k]) for c in counts) for k in (0, 1)] == [6, 6]
    bars.nth(1).focus()
    page.keyboard.press("Enter")
    expect(bars.nth(1)).to_have_attribute("data-here", "")
    value = int(page.locator("#track").get_attribute("aria-valuenow") or -1)
    assert 0 < value < 100 and page.locator(".lab-chart .now").count() == 1
    page.locator("#track").focus()
    page.keyboard.press("End")
    assert page.locator(".lab-chart .now").count() == 0
    expect(page.locator("#molecule_b [data-role=status]")).to_contain_text("finished")
    page.click("#copy-link")
    assert lab.asked["u"] == ["1.000"]
    assert page.locator("#to-stage").get_attribute("href") == "/?prompt=a+toy&molecule=CCO&seed=3"
    page.keyboard.press("Home")


def test_what_cannot_be_used_is_said_beside_its_field(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n3&b=linear_n3")
    page.fill("#seed", "-1")
    page.click("#run")
    expect(page.locator("#seed-error")).to_contain_text("whole number")
    page.fill("#seed", "4")
    page.fill("#molecule", "{")
    page.locator("#kind").select_option("json")
    expect(page.locator("#molecule-error")).to_contain_text("JSON")
    page.click("#run")
    expect(page.locator("#seed-error")).to_be_hidden()
    expect(page.locator("#picture_b [data-role=status]")).to_contain_text("finished")


def test_the_lab_is_accessible_in_every_theme(lab: Lab, page: Page) -> None:
    lab.open("&a=karras_n3&b=af3_n3")
    page.locator("#lab-a details summary").click()
    for summary in page.locator(".lab-details summary").all():
        summary.click()
    for theme in ("light", "dark", "projector"):
        page.click(f"[data-theme-name={theme}]")
        lab.point("a", 1).focus()
        found = Axe().run(page).response["violations"]
        assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == [], theme
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), theme
    assert lab.asked["theme"] == ["projector"]


def test_the_shipped_models_run_under_both_schedules(page: Page, live_server: Live) -> None:
    """Few steps of the real thing: numbers of its own kind, and the picture's 128 pixels compared."""
    page.emulate_media(reduced_motion="reduce")
    without_viewers(page)
    lab = Lab(page, live_server, (None, None))
    page.goto(
        f"{live_server.url}/lab?lowgfx=1&prompt=a+sunflower&molecule=CFF&kind=ccd&seed=1"
        "&a=karras_n4&b=af3_n4_g0.8_m0.0625"
    )
    lab.ended()
    bands = ("layout", "shapes", "edges")
    parts = [float(lab.cells("#lab-pairs", f"of this: {band}")[2]) for band in bands]
    whole = float(lab.cells("#lab-pairs", "final pictures apart")[2])
    assert whole == pytest.approx(sum(part**2 for part in parts) ** 0.5, rel=0.1)
    calls = [int(value) for value in lab.cells("#lab-pairs", "network calls")[:2]]
    assert calls[0] == calls[1] > 4
    assert float(lab.cells("#lab-pairs", "final molecules apart")[2]) > 0
    assert lab.cells("#lab-pairs", "RMSD to the reference")[0] != "–"
    assert lab.cells("#lab-pairs", "bond length error")[0] != "–"
    assert lab.cells("#lab-pairs", "pLDDT")[0] != "–"
    told = page.locator("#molecule_b .notes").inner_text()
    assert "634 Å, lies above 99.9999" in told  # 160 x 2.2 Å with churn
    expect(page.locator("#lab-trained")).to_contain_text(
        "B, Molecule model: the first level, 634 Å"
    )
