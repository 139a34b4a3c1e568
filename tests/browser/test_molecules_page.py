"""What can be done with molecules: looks, confidence, references, distances, the library, the twin."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from browser_stage import Stage, Watch, comes, not_wider, query_of, settled_shot
from molecule_toy import COMPLEX, LENGTH, SEQUENCE, MoleculeToy
from PIL import Image
from playwright.sync_api import Page, expect
from test_access import judged

from app.wire import encode_array

PLAIN = f"&molecule={SEQUENCE}&kind=protein"
PROTEIN = f"{PLAIN}&view=cartoon"
DONE = "document.querySelector('#alphafold3 [data-role=status]').textContent.startsWith('finished')"
SIZES = {"projection": (1920, 1080), "laptop": (1366, 768), "phone": (390, 844)}


def drawn(stage: Stage, page: Page, query: str) -> None:
    """Opens a link and goes to its run's end."""
    stage.open(query)
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    page.wait_for_selector("#run[data-state=idle]")
    page.locator("#track").focus()
    page.keyboard.press("End")
    stage.until(DONE)
    # What draws it may come later than what it draws.
    expect(page.locator("#alphafold3 .estimate canvas").first).to_be_attached()


def styles(page: Page) -> dict[str, str]:
    buttons = page.locator("#alphafold3 .style-switch button").all()
    return {
        b.get_attribute("aria-label") or "": b.get_attribute("aria-pressed") or "" for b in buttons
    }


def test_how_it_is_drawn_is_chosen_and_stays_in_the_address(molecules: Stage, page: Page) -> None:
    drawn(molecules, page, PLAIN)
    # A short chain beside an ion is shown for its atoms, unless somebody wishes otherwise.
    assert styles(page) == {"Sticks": "true", "Spheres": "false", "Ribbons": "false"}
    legend = page.locator("#alphafold3 .legend")
    expect(legend).to_contain_text("first residue")
    page.locator("#alphafold3").get_by_role("button", name="Spheres").click()
    page.locator("#alphafold3").get_by_label("Colours by").select_option("chain")
    expect(legend).to_have_text("chain A (protein)chain L (ligand)chain Z (ion)")
    page.locator("#alphafold3").get_by_label("Colours by").select_option("entity")
    expect(legend).to_have_text("proteinligandion")
    given = query_of(page)
    assert (given["view"], given["colour"]) == (["spheres"], ["entity"])
    page.reload()
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    spheres = page.locator("#alphafold3").get_by_role("button", name="Spheres")
    expect(spheres).to_have_attribute("aria-pressed", "true")
    expect(legend).to_have_text("proteinligandion")
    # A small molecule has no ribbons and one kind: what cannot be is not offered, the wish stays.
    page.fill("#molecule", "CCO")
    page.press("#molecule", "Enter")
    expect(page.locator("#alphafold3 .style-switch button")).to_have_count(2)
    expect(legend).to_have_text("carbonoxygen")


def test_confidence_has_bands_in_words_and_the_surest_sample_is_found(
    molecules: Stage, page: Page
) -> None:
    drawn(molecules, page, PROTEIN + "&samples=1,3&colour=plddt")
    legend = page.locator("#alphafold3 .legend")
    for words in ("very sure, over 90:", "sure, 70 to 90:", "unsure, 50 to 70:", "under 50:"):
        expect(legend).to_contain_text(words)
    shares = re.findall(r"([\d.]+) %", legend.inner_text())
    assert sum(map(float, shares)) == pytest.approx(100, abs=2)
    widths = page.evaluate(
        """() => [...document.querySelectorAll('#alphafold3 .legend rect')]
          .map((r) => Number(r.getAttribute('height')))"""
    )
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 4  # thick is sure
    scores = page.locator("#alphafold3 [data-role=scores]")
    expect(scores).to_contain_text("pLDDT 65")
    expect(scores).not_to_contain_text("most confident")
    page.get_by_role("button", name="Show the most confident of 3: sample 2").click()
    expect(scores).to_contain_text("pLDDT 68 · most confident of 3")
    expect(scores).not_to_contain_text("lDDT 0.9")  # that is the first sample's
    chosen = page.get_by_role("button", name="Sample 2, predicted lDDT 68, the most confident")
    expect(chosen).to_have_attribute("aria-pressed", "true")


def find_atom(page: Page, which: str) -> str:
    """Moves over a well until an atom tells its name."""
    well = page.locator(f"#alphafold3 .{which} .well")
    box = well.bounding_box()
    assert box
    tip = page.locator(f"#alphafold3 .{which} .atom-tip")
    for row in (0.5, 0.6, 0.7, 0.8, 0.9, 0.4, 0.3, 0.2):
        for column in np.linspace(0.1, 0.9, 14):
            page.mouse.move(box["x"] + column * box["width"], box["y"] + row * box["height"])
            if tip.is_visible():
                return tip.inner_text()
    raise AssertionError("no atom was found")


def test_an_atom_says_who_it_is_and_the_map_shows_its_row(molecules: Stage, page: Page) -> None:
    drawn(molecules, page, PROTEIN)
    text = find_atom(page, "estimate")
    assert re.fullmatch(
        r"(CA · [A-Z]{3} \d+ · chain A|[CO]\d · EOH · chain L|ZN · ZN · chain Z) · pLDDT \d\d", text
    )
    expect(page.locator("#alphafold3 .estimate .marks circle")).to_have_count(1)
    expect(page.locator("#alphafold3 .noisy .marks circle")).to_have_count(1)
    page.mouse.move(5, 5)
    expect(page.locator("#alphafold3 .atom-tip:visible")).to_have_count(0)
    expect(page.locator("#alphafold3 .marks circle")).to_have_count(0)
    page.click("#tab-near")
    page.locator("#alphafold3").scroll_into_view_if_needed()
    named = find_atom(page, "estimate")
    residue = re.match(r"CA · ([A-Z]{3} \d+) · chain A", named)
    if residue:
        expect(page.locator(".near-tip")).to_have_text(f"{residue[1]}, chain A")


def test_the_map_of_distances_is_the_molecule_s_and_moves(molecules: Stage, page: Page) -> None:
    drawn(molecules, page, PROTEIN)
    page.click("#tab-near")
    tip, maps = page.locator(".near-tip"), page.locator(".near-maps figure:visible")
    expect(maps).to_have_count(3)
    page.locator("#near-panel canvas").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(tip).to_have_text(re.compile(r"CYS 2, chain A and PHE 5, chain A"))
    traces = COMPLEX[1 : 4 * LENGTH : 4]
    true = float(np.linalg.norm(traces[1] - traces[4]))
    said = re.findall(r"([\d.]+) Å", tip.inner_text())
    assert float(said[0]) == pytest.approx(true, abs=0.1)
    assert float(said[1]) == pytest.approx(true + 1, abs=0.1)  # expected, as the toy has it
    assert float(said[2]) == pytest.approx(true, abs=0.1)  # the reference is moved, not bent
    circles = page.locator("#alphafold3 .estimate .marks circle")
    expect(circles).to_have_count(2)
    expect(page.locator("#alphafold3 .estimate .marks line")).to_have_count(1)
    summary = page.locator("#near-summary")
    expect(summary).to_contain_text(f"of {16 * 15 // 2} pairs are nearer than 8 Å")
    expect(summary).to_contain_text("on average the two differ by 1 Å")
    expect(summary).to_contain_text("From the reference the guess differs by 0 Å")
    picture = page.locator("#near-panel canvas")
    page.locator("#track").focus()
    now, expected = (picture.nth(k).evaluate("(c) => c.toDataURL()") for k in (0, 1))
    page.keyboard.press("Home")
    expect(summary).not_to_contain_text("differs by 0 Å")
    assert picture.nth(0).evaluate("(c) => c.toDataURL()") != now
    assert picture.nth(1).evaluate("(c) => c.toDataURL()") == expected  # it was said before
    page.locator("#near-panel canvas").first.hover(position={"x": 3, "y": 200})
    expect(tip).to_contain_text("ALA 1, chain A")


def test_references_and_rdkit_s_answer_lie_over_the_first_sample(
    molecules: Stage, page: Page
) -> None:
    drawn(molecules, page, "&molecule=CCO&kind=smiles&samples=1,2")
    read = "() => document.querySelector('#alphafold3 .estimate canvas.flat').toDataURL()"
    pictures = [page.evaluate(read)]
    for name in ("Reference over it", "Computed conformer", "RDKit's answer"):
        page.get_by_role("button", name=name).click()
        if name.startswith("RDKit"):
            said = page.locator("#alphafold3 [data-kind=etkdg]")
            expect(said).to_have_text(re.compile(r"RDKit: [\d.]+ s, 0\.\d+ Å away"))
            expect(said).to_have_attribute("aria-pressed", "true")
        pictures.append(page.evaluate(read))
    assert len(set(pictures)) == 4
    page.get_by_role("button", name="Sample 2,").click()
    expect(page.locator("#alphafold3 .references button:visible")).to_have_count(0)
    page.get_by_role("button", name="Sample 1,").click()
    assert page.evaluate(read) == pictures[-1]
    page.keyboard.press("Home")  # while there is noise there is nothing to compare
    expect(page.locator("#alphafold3 .references button:visible")).to_have_count(0)


def test_rdkit_is_offered_for_molecules_only_and_says_why_not(
    molecules: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["422"]
    drawn(molecules, page, PROTEIN)
    expect(page.get_by_role("button", name="Reference over it")).to_be_visible()
    expect(page.get_by_role("button", name="RDKit's answer")).to_be_hidden()
    problem = {"field": "id", "message": "RDKit found no shape", "accepted": ""}
    page.route("**/etkdg", lambda route: route.fulfill(status=422, json={"detail": [problem]}))
    page.fill("#molecule", "CCO")
    page.press("#molecule", "Enter")
    page.get_by_role("button", name="RDKit's answer").click()
    expect(page.locator("#alphafold3 [data-kind=etkdg]")).to_have_text(
        "RDKit: RDKit found no shape"
    )


def test_scores_against_the_reference_are_told_frame_by_frame(molecules: Stage, page: Page) -> None:
    drawn(molecules, page, PROTEIN)
    panel = page.locator("#measured")
    expect(panel).to_contain_text("A molecule: lDDT 1, RMSD in Å 0.5 at the end.")
    panel.locator("summary").click()
    rows = panel.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("0.2")
    expect(panel.locator("thead")).to_have_text("noise / datalDDTRMSD in Å")


def test_the_twin_answers_proteins_and_says_why_it_has_no_frame_for_others(
    molecules: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["422", "404"]  # its refusal; toys have no card
    drawn(molecules, page, PROTEIN + "&samples=1,2")
    twin = page.get_by_role("button", name="AlphaFold 2 vs 3")
    twin.click()
    expect(page.locator("#dalle2")).to_be_hidden()
    expect(page.locator("#picture-field")).to_be_hidden()
    expect(page.locator("#alphafold2")).to_be_visible()
    page.click("#run")
    page.wait_for_selector("#alphafold2 .origin[data-origin=live]")
    table = page.locator("#twins-panel table")
    expect(table).to_contain_text("frames of residues, block by block")
    expect(table).to_contain_text("none: the same answer every time")
    words = page.locator("#twins-panel .compare-summary")
    expect(words).to_contain_text("AlphaFold 2 took 9 network calls for its one answer")
    expect(words).to_contain_text("Å apart")
    page.locator("#track").focus()
    page.keyboard.press("End")
    assert molecules.status("alphafold2").startswith("finished")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert "block" in page.locator("#reading").inner_text()
    page.fill("#molecule", "CCO")
    page.press("#molecule", "Enter")
    refusal = page.locator("#alphafold2 [data-role=refusal]")
    expect(refusal).to_contain_text("no residues, so there are no frames")
    expect(page.locator("#alphafold2 .views")).to_be_hidden()
    expect(page.locator("#molecule-error")).to_be_hidden()
    expect(words).to_contain_text("no residues, so there are no frames")
    molecules.until(DONE)
    assert query_of(page)["twins"] == ["1"]
    page.fill("#molecule", SEQUENCE)
    page.press("#molecule", "Enter")
    page.wait_for_selector("#alphafold2 .origin[data-origin=live]")
    expect(refusal).to_be_hidden()
    twin.click()
    expect(page.locator("#alphafold2")).to_be_hidden()
    expect(page.locator("#dalle2")).to_be_visible()
    expect(page.locator("#tab-twins")).to_be_hidden()


def test_the_library_is_searched_and_runs_what_was_found(molecules: Stage, page: Page) -> None:
    molecules.open()
    opener = page.get_by_role("button", name="All 10 examples")
    opener.click()
    dialog = page.get_by_role("dialog", name="Examples")
    expect(dialog.locator("li:visible")).to_have_count(10)
    expect(dialog).to_contain_text("held out")
    page.keyboard.type("in a row")
    expect(dialog.locator("li:visible")).to_have_count(9)
    page.keyboard.type(" 7")
    expect(dialog.locator("li:visible")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("button", name="Molecule 7")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    expect(dialog.get_by_role("searchbox")).to_have_value("")
    page.keyboard.type("nothing like it")
    expect(dialog).to_contain_text("Nothing found")
    dialog.get_by_role("searchbox").fill("helix")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    assert page.input_value("#molecule") == SEQUENCE
    assert molecules.origin("dalle2") == "recorded"


def test_related_sequences_are_switched_where_an_example_has_them(
    molecules: Stage, page: Page
) -> None:
    toy = molecules.molecule
    assert isinstance(toy, MoleculeToy)
    drawn(molecules, page, PROTEIN)
    switch = page.get_by_role("button", name="Use related sequences")
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert dict(toy.asked[-1]) == {"protein": SEQUENCE}
    switch.click()
    page.press("#molecule", "Enter")
    molecules.until("new URLSearchParams(location.search).get('profile') === '1'")
    page.wait_for_selector("#run[data-state=idle]")
    assert dict(toy.asked[-1]) == {"protein": SEQUENCE, "profile": True}
    page.fill("#molecule", SEQUENCE[:-1])
    expect(switch).to_be_hidden()


def test_a_pasted_fasta_file_becomes_chains(molecules: Stage, page: Page) -> None:
    toy = molecules.molecule
    assert isinstance(toy, MoleculeToy)
    molecules.open()
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData('text/plain', '>one\\nGCGAA\\nTTCGC\\n>two\\nMKVLA\\n');
          document.querySelector('#molecule').dispatchEvent(
            new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    )
    expect(page.locator("#understood")).to_have_text("read as 2 chains")
    page.press("#molecule", "Enter")
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    assert dict(toy.asked[-1]) == {
        "sequences": [
            {"dna": {"id": "A", "sequence": "GCGAATTCGC"}},
            {"protein": {"id": "B", "sequence": "MKVLA"}},
        ]
    }


def test_no_accessibility_violations(molecules: Stage, page: Page) -> None:
    drawn(molecules, page, PROTEIN + "&samples=1,2&colour=plddt")
    page.click("#tab-near")
    expect(page.locator("#near-summary")).to_contain_text("pairs")
    judged(page, "near")
    page.get_by_role("button", name="AlphaFold 2 vs 3").click()
    page.click("#tab-twins")
    expect(page.locator("#twins-panel table th").first).to_be_visible()
    judged(page, "twins")
    page.click("#library-open")
    expect(page.locator("#library")).to_be_visible()
    judged(page, "library")


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overflows(molecules: Stage, page: Page, size: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    drawn(molecules, page, PROTEIN + "&samples=1,3&colour=plddt")
    page.click("#tab-near")
    expect(page.locator("#near-summary")).to_contain_text("pairs")
    not_wider(page, width)
    tools, well = (
        page.locator(f"#alphafold3 {part}").bounding_box()
        for part in (".view-tools", ".estimate .well")
    )
    assert tools and well
    assert tools["x"] >= well["x"] and tools["x"] + tools["width"] <= well["x"] + well["width"]
    page.click("#library-open")
    expect(page.locator("#library")).to_be_visible()  # its module comes now
    dialog = page.locator("#library").bounding_box()
    assert dialog and dialog["width"] <= width and dialog["height"] <= height
    page.keyboard.press("Escape")
    page.get_by_role("button", name="AlphaFold 2 vs 3").click()
    not_wider(page, width)


# One strand of ideal B-DNA: radius (A), angle (degrees) and height (A) of the atoms a ribbon is made of.
NUCLEOTIDE = {
    "P": (8.91, 95.2, 2.08), "OP1": (10.19, 91.1, 1.86), "OP2": (8.82, 103.3, 3.29),
    "O5'": (7.73, 88.0, 1.83), "C5'": (7.70, 79.8, 2.77), "C4'": (7.59, 69.9, 2.04),
    "C3'": (8.20, 69.9, 0.64), "O3'": (9.29, 62.6, 0.40), "C1'": (5.86, 67.4, 0.47), "N1": (1.4, 60.0, 0.1),
}  # fmt: skip


def test_nucleic_acids_are_drawn_as_ribbons(full: Stage, page: Page) -> None:
    """The real viewer knows a strand by the names of its atoms; a wrong name draws nothing."""
    atoms, places = [], []
    for t, comp in enumerate(["DA", "DG", "DA", "DG", "DA", "DG"]):
        for name, (radius, degrees, height) in NUCLEOTIDE.items():
            angle = np.radians(degrees + 36 * t)
            places.append([radius * np.cos(angle), radius * np.sin(angle), height + 3.38 * t])
            atoms.append({"element": name[0], "name": name, "residue": comp, "residue_index": t + 1,
                          "chain": "A", "kind": "dna", "token": t, "charge": 0})  # fmt: skip
    trace = full.traces["alphafold3"]
    start, done = trace["events"][0]["data"], trace["events"][-1]["data"]
    start |= {"atoms": atoms, "bonds": [], "chains": [{"id": "A", "kind": "dna"}]}
    xyz = encode_array(np.array(places, np.float32))
    for event in trace["events"][1:-1]:
        event["data"] |= {"x": xyz, "denoised": xyz}
    done["sample"] = xyz
    full.open("&colour=chain").still()
    page.keyboard.press("End")
    assert styles(page)["Ribbons"] == "true"
    expect(page.locator("#alphafold3 .estimate .scale")).to_be_visible()
    scene = page.locator("#alphafold3 .estimate .scene canvas")
    ribbon = comes(
        page, lambda: _share_of_blue(settled_shot(page, scene)), lambda share: share > 0.008
    )
    page.locator("#alphafold3").get_by_role("button", name="Sticks").click()
    # There are no bonds, so nothing but the balls.
    comes(
        page, lambda: _share_of_blue(scene.screenshot()), lambda share: abs(share - ribbon) > 0.002
    )


def _share_of_blue(png: bytes) -> float:
    """Pixels in the first chain's colour, lit or in the shade."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int16)
    red, blue = pixels[..., 0], pixels[..., 2]
    return float(((blue - red) > 70).mean())
