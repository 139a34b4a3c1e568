"""Both tracks of a forked run in the curves, on the map and in 3-D; the prior left at any of its steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_stage import Stage
from conftest import stage_of
from idea_toy import CurvedMolecule, IdeaToy
from live import Live
from playwright.sync_api import Page, expect

GHOST = "#dalle2 .ghost canvas"
MAIN = "#dalle2 .estimate canvas"
DRAWN = """(place) => document.querySelector(place).toDataURL()"""


@pytest.fixture
def ideas(page: Page, serve: Callable[..., Live]) -> Stage:
    page.route("**/3Dmol-min.js", lambda route: route.fulfill(status=200, body=""))
    picture, molecule = IdeaToy(), CurvedMolecule("molecule", "alphafold3")
    return stage_of(page, serve(picture, molecule), picture, molecule)


def ended(stage: Stage, forks: int) -> None:
    page = stage.page
    expect(page.locator(".fork-bar")).to_have_count(forks)
    expect(page.locator("#run")).to_have_text("Run")
    expect(page.locator("#track")).to_have_attribute("aria-valuenow", "100")


def at(stage: Stage, key: str) -> None:
    stage.page.locator("#track").focus()
    stage.page.keyboard.press(key)


def test_the_prior_is_left_at_any_step_and_both_tracks_have_curves(
    ideas: Stage, page: Page
) -> None:
    stage = ideas.open()
    bodies: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: (
            bodies.append(json.loads(request.post_data or "{}"))
            if request.method == "POST" and request.url.endswith("/api/runs")
            else None
        ),
    )
    stage.still()
    expect(page.locator("#settings-form input").first).to_be_attached()
    page.click("#tab-map")
    button = page.locator("#branch-idea")
    expect(button).to_be_visible()
    page.click("#map-table summary")
    # Every step of the idea can be left, also when the picture is done.
    for row in range(6):
        page.locator("#map-table tbody button").nth(row).click()
        expect(button).to_have_text(f"Branch the idea from step {row + 1} of 6")
    at(stage, "End")
    expect(button).to_be_visible()
    # In the middle of the picture the button leaves the idea, not the picture.
    page.locator("#map-table tbody button").nth(3).click()
    expect(page.locator("#dalle2 [data-role=status]")).to_contain_text("step")
    button.focus()
    page.keyboard.press("Enter")
    ended(stage, 1)
    (body,) = bodies
    assert body["branch"]["stage"] == "prior" and body["branch"]["step"] == 3
    assert body["settings"]["seed"] != 3  # nothing was changed: new dice
    expect(page.locator("#branch-said")).to_contain_text("from the first track")
    expect(page.locator("#dalle2 .fork-words")).to_contain_text("Its idea was left at step 4")
    # Another idea makes another picture from its first step on: no frame is shared.
    assert page.evaluate(DRAWN, MAIN) != page.evaluate(DRAWN, GHOST)
    at(stage, "Home")
    expect(page.locator("#dalle2 .ghost figcaption")).to_have_text("first track")
    expect(page.locator('.map-key [data-mark="other"]')).to_be_visible()
    # With the key, and another caption; the strip holds the parent's steps before the fork.
    page.locator("#map-table tbody button").nth(1).click()
    page.fill("#prompt", "a moon")
    at(stage, "i")
    ended(stage, 1)
    assert bodies[1]["branch"]["step"] == 1 and bodies[1]["input"] == {"prompt": "a moon"}
    # At the fork there are two: the one that was left, and the same with new noise.
    expect(page.locator("#map-table tbody tr")).to_have_count(7)

    # The curves of both: named in the chart, in the sentence and in the table.
    page.click("#tab-chart")
    expect(page.locator("#chart")).to_have_attribute("data-state", "drawn")
    key = page.locator("#chart .annotation-text", has_text="grey, dashed: first track")
    expect(key).to_have_count(1)  # the molecule has one track
    dashes = page.evaluate(
        "() => document.querySelector('#chart').data.map(({line}) => line?.dash)"
    )
    assert {"8px,4px", "5px,4px", "2px,4px"} <= set(dashes)
    summary = page.locator("#chart-summary")
    expect(summary).to_contain_text("A picture, first track (grey, dashed): layout settled at")
    captions = page.locator("#chart-table caption")
    expect(captions).to_have_count(3)
    expect(captions.nth(1)).to_contain_text("A picture, first track (grey, dashed)")
    at(stage, "g")
    expect(page.locator("#chart .annotation-text", has_text="dashed: the branch")).to_have_count(1)
    page.get_by_role("button", name="Keep only the main track").click()
    expect(captions).to_have_count(2)
    expect(key).to_have_count(0)
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()


def test_without_an_idea_the_key_says_why(stage: Stage, page: Page) -> None:
    stage.open().still()
    page.keyboard.press("i")
    expect(page.locator("#branch-said")).to_contain_text("no step of the idea")


def test_the_other_molecule_is_drawn_thin_and_dashed(origin: Page) -> None:
    """In the flat drawing as in 3-D: dashes, thinner than the bonds, without balls that would hide."""
    got = origin.evaluate(
        """async () => {
        const calls = [];
        const nothing = () => {};
        const model = () => ({
          addAtoms(atoms) { this.atoms = atoms; },
          selectedAtoms() { return this.atoms; },
          setStyle(which, style) { calls.push(style); },
        });
        const view = () => [0, 0, 0, 0, 0, 0, 0, 1];
        globalThis.$3Dmol = {createViewer: () => ({addModel: model, getView: view,
          linkViewer: nothing, setViewChangeCallback: nothing, removeAllModels: nothing,
          removeModel: nothing, setSlab: nothing, setView: nothing, render: nothing})};
        const {Scene3D} = await import('/static/js/scene3d.js');
        const {Molecule} = await import('/static/js/molecule.js');
        const wells = [document.createElement('div'), document.createElement('div')];
        const scene = new Scene3D(wells, () => {});
        const atom = (name) => ({element: 'C', name, chain: 'A', residue: 'LIG',
          residue_index: 1, charge: 0});
        const molecule = new Molecule({atoms: [atom('C1'), atom('C2')], bonds: [[0, 1, 1]],
          chains: [{id: 'A', kind: 'ligand'}]});
        scene.build(molecule, 5, [0, 0, 0, 1]);
        calls.length = 0;
        scene.overlay([{xyz: new Float32Array(6), colour: '#123456', radius: 0.09, dashed: true},
          {xyz: new Float32Array(6), colour: '#654321', radius: 0.1}]);
        delete globalThis.$3Dmol;
        return calls.filter(({stick}) => stick).map(({stick}) => stick);
      }"""
    )
    ghost, reference = got
    assert ghost["dashedBonds"] and ghost["radius"] < 0.15 and ghost["color"] == "#123456"
    assert 0 < ghost["dashedBondConfig"]["dashLength"] < 0.5
    assert "dashedBonds" not in reference
