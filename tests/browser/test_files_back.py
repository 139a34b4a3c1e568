"""Files come back in: every export is read by the page, and what is no run of ours gets a sentence."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from browser_stage import PATIENCE_MS, Watch, run_of, without_viewers
from live import Live, all_events, live
from molecule_toy import MoleculeToy
from picture_toy import PictureToy
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, Page, expect

from models.dye.pipeline import Dye

CAPTION = "a red  fish & chips, “très” chaud " + "on a blue background " * 4
FORMATS = {
    "dalle2": ("json", "png", "strip.png", "gif", "mp4", "csv"),
    "alphafold3": ("json", "png", "gif", "mp4", "csv", "cif", "pdb", "sdf"),
}
INPUTS: dict[str, dict[str, Any]] = {"dalle2": {"prompt": CAPTION}, "alphafold3": {"smiles": "CCO"}}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    started = live({p.id: p for p in (PictureToy(), MoleculeToy(), Dye())})
    yield started
    started.end()


@pytest.fixture(scope="module")
def files(server: Live) -> dict[str, bytes]:
    """Every export of a run of each pipeline by name, as "dalle2.png"."""
    found = {}
    for id, formats in FORMATS.items():
        settings = {"seed": 77, "steps": 5, "samples": 2}
        body = {"pipeline": id, "input": INPUTS[id], "settings": settings}
        run = httpx.post(f"{server.url}/api/runs", json=body).json()
        all_events(server.url + run["events"])
        for format in formats:
            answer = httpx.get(f"{server.url}/api/runs/{run['id']}/export.{format}", timeout=60)
            assert answer.status_code == 200, answer.text
            found[f"{id}.{format}"] = answer.content
    return found


@pytest.fixture(scope="module")
def page_of(browser: Browser, server: Live) -> Iterator[tuple[Page, Watch, list[dict[str, Any]]]]:
    """One page for all tests here, what went wrong in it, and what it asked to be run."""
    page = browser.new_page(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    watching, posted = Watch(), []
    page.on("console", watching.console)
    page.on("pageerror", lambda error: watching.problems.append(f"exception: {error}"))
    page.on("request", watching.request)
    page.on(
        "request",
        lambda r: posted.append(r.post_data_json) if r.url.endswith("/api/runs") else None,
    )
    without_viewers(page)
    traces = {
        id: run_of(server, id, INPUTS[id] | ({"prompt": "a toy"} if id == "dalle2" else {}))
        for id in FORMATS
    }

    def recorded(route: Any) -> None:
        id = route.request.url.rsplit("/", 1)[1].removesuffix(".json")
        empty = {"input": {}, "events": [{"event": "start", "data": {"stages": []}}]}
        route.fulfill(status=200, json=traces.get(id, empty))

    page.route("**/static/traces/*.json", recorded)
    yield page, watching, posted
    page.close()


@pytest.fixture
def fresh(page_of: tuple[Page, Watch, list], server: Live) -> Iterator[tuple[Page, list]]:
    page, watching, posted = page_of
    watching.problems.clear()
    watching.expected.clear()
    page.goto(f"{server.url}/?lowgfx=1")
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("#prompt-examples button").first).to_be_visible()
    posted.clear()
    yield page, posted
    assert watching.unexpected() == []


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    """Through the dialog, as on a phone."""
    page.click("#copy-link")
    page.get_by_role("tab", name="Open").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files
        ]
    )


def drop(page: Page, selector: str, name: str, data: bytes, kind: str = "") -> None:
    page.locator(selector).first.evaluate(
        """(place, [name, text, kind]) => {
          const data = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([data], name, { type: kind }));
          const init = { bubbles: true, cancelable: true, dataTransfer: transfer };
          place.dispatchEvent(new DragEvent('dragover', init));
          place.dispatchEvent(new DragEvent('drop', init));
        }""",
        [name, base64.b64encode(data).decode(), kind],
    )


@pytest.mark.parametrize("name", [f"{id}.{format}" for id in FORMATS for format in FORMATS[id]])
def test_every_export_is_read_again(module: Any, files: dict[str, bytes], name: str) -> None:
    kind, text = module(
        "file_read",
        """const found = m.readFile(Uint8Array.from(atob(a), (c) => c.charCodeAt(0)));
        return [found.kind, found.text];""",
        base64.b64encode(files[name]).decode(),
    )
    assert kind == name.rsplit(".", 1)[1]
    document = json.loads(text)
    id = name.split(".")[0]
    assert document["input"] == INPUTS[id]
    assert document["settings"]["seed"] == 77 and document["settings"]["steps"] == 5
    assert set(document["versions"]) == {"python", "twofold", "torch", "numpy"}
    assert document["checkpoints"]


def picture(**saved: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 60).convert("RGB").save(out, "PNG", **saved)
    return out.getvalue()


def test_foreign_and_cut_files_hold_nothing(module: Any, files: dict[str, bytes]) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", '{"pipeline": "no"}')
    gif = io.BytesIO()
    Image.new("RGB", (9, 9)).save(gif, "GIF", comment=b"made with love")
    cases = [
        (picture(), "png"), (picture(pnginfo=text), "png"), (gif.getvalue(), "gif"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(40), "mp4"), (b"data_1ABC\n_entry.id 1ABC\n", "cif"),
        (b"HEADER    OXYGEN TRANSPORT\nATOM  \n", "pdb"), (b"x\n y\n\n  0  0\nM  END\n$$$$\n", "sdf"),
        (b"%PDF-1.7", None), (b"", None), (b"\x7fELF\x00\x00", None), (b"step,sigma\n1,2\n", None),
    ]  # fmt: skip
    read = """return a.map((one) => {
      const { kind, text } = m.readFile(Uint8Array.from(atob(one), (c) => c.charCodeAt(0)));
      return [kind, text]; });"""
    got = module("file_read", read, [base64.b64encode(data).decode() for data, _ in cases])
    assert got == [[kind, None] for _, kind in cases]
    # However a file of ours is cut, reading it ends: with its settings, or without.
    cut = [
        data[: len(data) * k // 7]
        for name, data in files.items()
        if "json" not in name
        for k in range(7)
    ]
    assert len(module("file_read", read, [base64.b64encode(data).decode() for data in cut])) == len(
        cut
    )


@pytest.mark.parametrize(
    "path, value",
    [
        ("pipeline", "other"), ("pipeline", 3), ("input", "x"), ("settings", None),
        ("settings.samples", 1e9),
        ("events", "x"), ("events.0.event", "frame"), ("events.0.data.stages", {}),
        ("events.0.data.stages.0.sigmas", "x"), ("events.-1.event", "frame"),
        ("events.-1.data.sample.shape", [1, 2]), ("events.-1.data.sample.data", "AAAA"),
        ("events.2.data.sigma", "high"), ("events.2.data.x", None), ("events.2.data.x.dtype", "object"),
        ("events.2.data.x.shape", [2, 1, 3]), ("events.2.data.step", -1),
        ("events.2.data.stage", "nowhere"),
        ("events.0.data.atoms", []), ("events.0.data.atoms.0", 5), ("events.0.data.bonds", [[0, 99999]]),
        ("checkpoints", []), ("branch", {"of": 3}), ("events.0.data.branch", {"step": 2}),
    ],
)  # fmt: skip
def test_a_damaged_run_is_never_shown(
    module: Any, files: dict[str, bytes], path: str, value: Any
) -> None:
    check = """try { m.documentOf(a, ['dalle2', 'alphafold3']); return ''; }
      catch (error) { if (!(error instanceof m.NotARun)) throw error; return error.key; }"""
    document = json.loads(files["alphafold3.json"])
    assert module("file_check", check, json.dumps(document)) == ""
    node: Any = document
    *way, last = [int(part) if part.lstrip("-").isdigit() else part for part in path.split(".")]
    for part in way:
        node = node[part]
    node[last] = value
    assert module("file_check", check, json.dumps(document)).startswith("files.")


def test_a_json_file_shows_its_frames_and_computes_nothing(
    fresh: tuple[Page, list], files: dict[str, bytes]
) -> None:
    page, posted = fresh
    choose(page, ("run.json", files["alphafold3.json"]), ("other.json", files["dalle2.json"]))
    notice = page.locator("#notice")
    expect(notice).to_contain_text("run.json is shown as it was recorded")
    expect(notice).to_contain_text("other.json is shown as it was recorded")
    expect(notice).not_to_contain_text("other weights")
    for id in ("dalle2", "alphafold3"):
        expect(page.locator(f"#{id} .origin")).to_have_text("recorded")
        expect(page.locator(f"#{id} [data-role=status]")).to_contain_text("finished: 5 steps")
    assert page.input_value("#prompt") == CAPTION and page.input_value("#seed") == "77"
    assert page.input_value("#molecule") == "CCO"
    page.locator("#track").focus()
    page.keyboard.press("Home")
    expect(page.locator("#alphafold3 [data-role=status]")).to_contain_text("step 1 of 5")
    page.keyboard.press("ArrowRight")
    document = json.loads(files["alphafold3.json"])
    expect(page.locator("#alphafold3 [data-role=status]")).to_contain_text("step 2 of 5")
    pixels = (
        "() => [...document.querySelectorAll('#dalle2 .cell canvas')].map((c) => c.toDataURL())"
    )
    recorded = page.evaluate(pixels)
    assert posted == []
    notice.get_by_role("button", name="Run it live").click()
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    again = {body["pipeline"]: body for body in posted}
    assert again["alphafold3"]["input"] == document["input"]
    assert again["alphafold3"]["settings"] == document["settings"]
    assert again["dalle2"]["input"] == INPUTS["dalle2"]
    # What was shown are the frames themselves: computed anew they are the same, pixel by pixel.
    expect(page.locator("#run")).to_have_text("Run")
    page.locator("#track").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert len(recorded) == 4 and page.evaluate(pixels) == recorded


def test_a_branch_comes_back_as_one(fresh: tuple[Page, list], server: Live) -> None:
    page, posted = fresh
    whole = {"input": {"shape": "drop"}, "settings": {"seed": 4, "steps": 9}}
    branch = {"of": whole, "stage": "particles", "step": 3}
    body = {
        "pipeline": "dye",
        "input": {"shape": "cat"},
        "settings": {"seed": 6, "steps": 9},
        "branch": branch,
    }
    run = httpx.post(f"{server.url}/api/runs", json=body).json()
    all_events(server.url + run["events"])
    document = httpx.get(f"{server.url}/api/runs/{run['id']}/export.json").json()
    drop(page, "#player", "branch.json", json.dumps(document).encode())
    expect(page.locator("#notice")).to_contain_text("branch.json is shown as it was recorded")
    expect(page.locator("#dye-section .origin")).to_have_text("recorded")
    page.locator("#notice").get_by_role("button", name="Run it live").click()
    page.wait_for_selector("#dye-section .origin[data-origin=live]")
    assert posted[-1]["branch"] == document["branch"]
    assert posted[-1]["settings"]["seed"] == 6 and posted[-1]["input"] == {"shape": "cat"}


def test_a_picture_of_ours_fills_the_form_wherever_it_is_dropped(
    fresh: tuple[Page, list], files: dict[str, bytes]
) -> None:
    page, posted = fresh
    page.fill("#prompt", "something else")
    drop(page, "#track", "mine.png", files["dalle2.png"], "image/png")
    notice = page.locator("#notice")
    expect(notice).to_contain_text(
        "The settings of mine.png are now in the form (A picture, seed 77)"
    )
    assert page.input_value("#prompt") == CAPTION and page.input_value("#seed") == "77"
    page.click("#settings summary")
    steps = page.locator("#settings-form fieldset[data-accent=picture] input[type=range]").first
    assert steps.input_value() == "5"
    assert posted == []
    page.click("#run")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    asked = next(body for body in posted if body["pipeline"] == "dalle2")
    assert (asked["input"], asked["settings"]["seed"]) == (INPUTS["dalle2"], 77)
    assert asked["settings"]["samples"] == 2
    drop(page, "#alphafold3", "mine.sdf", files["alphafold3.sdf"])
    expect(notice).to_contain_text("mine.sdf")
    # On the picture's field it is settings as well; one press makes it a picture.
    drop(page, "#picture-field", "mine.png", files["dalle2.png"], "image/png")
    with page.expect_response("**/api/pictures"):
        notice.get_by_role("button", name="Use the picture instead").click()


def test_a_plain_picture_is_one_for_the_picture_s_field(fresh: tuple[Page, list]) -> None:
    page, _ = fresh
    drop(page, "#alphafold3", "cat.png", picture(), "image/png")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("cat.png holds no settings of this page")
    expect(notice).to_contain_text("drop it on the caption's field")
    expect(notice.locator("p")).to_have_attribute("role", "alert")
    with page.expect_response("**/api/pictures"):
        drop(page, "#picture-field", "cat.png", picture(), "image/png")
    expect(page.locator("#picture-field .held").first).to_be_visible()


def test_what_is_no_run_gets_a_sentence_and_the_page_goes_on(
    fresh: tuple[Page, list], files: dict[str, bytes]
) -> None:
    page, _ = fresh
    before = page.locator("#alphafold3 [data-role=status]").inner_text()
    broken = files["alphafold3.json"].replace(b'"shape": [2', b'"shape": [7', 1)
    cases = (
        ("a.json", b"{not json", "is damaged: its settings cannot be read"),
        ("b.json", b'{"hello": "world"}', "is JSON, but no run of this page"),
        ("c.json", broken, "is damaged"),
        ("d.xyz", b"\x01\x02\x00", "is not a file that this page can open"),
        ("e.json", files["alphafold3.json"].replace(b'"alphafold3"', b'"gpt"'), "no model “gpt”"),
        ("f.pdb", b"HEADER    OXYGEN\n", "holds no settings"),
    )
    notice = page.locator("#notice")
    for name, data, said in cases:
        drop(page, "#player", name, data)
        expect(notice).to_contain_text(said)
        expect(notice).to_contain_text("Accepted: files that this page has saved, as JSON, PNG")
        assert page.locator("#alphafold3 [data-role=status]").inner_text() == before


def test_another_server_s_weights_are_said(
    fresh: tuple[Page, list], files: dict[str, bytes]
) -> None:
    page, _ = fresh
    document = json.loads(files["dalle2.json"])
    document["checkpoints"] = {"old.safetensors": "ffff"}
    drop(page, "#dalle2", "old.json", json.dumps(document).encode(), "application/json")
    expect(page.locator("#notice")).to_contain_text("made with other weights")


def test_runs_are_saved_from_the_dialog(
    fresh: tuple[Page, list], page_of: tuple[Page, Watch, list]
) -> None:
    page, _ = fresh
    page.click("#copy-link")
    page.get_by_role("tab", name="Save").click()
    molecule = page.locator(".formats[data-accent=molecule]")
    expect(molecule.locator("button")).to_have_text(["JSON"])  # a recorded run has no more
    with page.expect_download() as saved:
        molecule.locator("[data-format=json]").click()
    with open(saved.value.path(), "rb") as file:
        assert json.load(file)["pipeline"] == "alphafold3"
    page.keyboard.press("Escape")
    page.click("#run")
    expect(page.locator("#dalle2 .origin")).to_have_text("live")
    expect(page.locator("#run")).to_have_text("Run")
    page.click("#copy-link")
    page.get_by_role("tab", name="Save").click()
    assert molecule.locator("button").evaluate_all("(all) => all.map((one) => one.dataset.format)") == [
        "png", "strip.png", "gif", "mp4", "cif", "pdb", "sdf", "zip", "csv", "json",
    ]  # fmt: skip
    with page.expect_download() as saved:
        page.locator(".formats[data-accent=picture] [data-format=png]").click()
    assert saved.value.suggested_filename.startswith("twofold-dalle2-")
    with Image.open(saved.value.path()) as opened:
        assert json.loads(opened.text["Twofold"])["pipeline"] == "dalle2"  # type: ignore[attr-defined]
    expect(page.locator(".share .said")).to_contain_text("was saved")
    # A run that the server has forgotten.
    page_of[1].expected = ["404"]
    page.route(
        "**/api/runs/*/export.csv", lambda route: route.fulfill(status=404, json={"detail": []})
    )
    molecule.locator("[data-format=csv]").click()
    expect(page.locator(".share .said")).to_contain_text("this one is gone. Press Run again")
