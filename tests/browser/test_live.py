"""Live runs while they stream, and everything that can go wrong with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from browser_stage import Stage, Watch, comes
from live import Live
from playwright.sync_api import Page, Route, expect
from toy import Toy

from app.runs import Run


def test_scrubbing_while_the_run_still_arrives(stage: Stage, page: Page) -> None:
    """What one panel has received limits both; the other shows a complete run."""
    stage.open().still()
    stage.molecule.net.hold()
    page.locator("#molecule-examples button").first.click()
    expect(page.locator("#run")).to_have_text("Stop")
    stage.molecule.net.permit(3)
    status = page.locator("#alphafold3 [data-role=status]")
    expect(status).to_have_text("step 3 of 6")
    # Only what has arrived can be reached, and back to the first frame.
    page.locator("#track").focus()
    page.keyboard.press("End")
    assert 10 < stage.value() < 70
    page.keyboard.press("Home")
    assert stage.status("dalle2") == "step 1 of 6" and stage.status("alphafold3") == "step 1 of 6"
    expect(page.locator(".follow")).to_be_visible()
    with page.expect_event("console", lambda m: m.text == "arrived"):
        page.evaluate(
            """() => new MutationObserver(() => console.log('arrived')).observe(
              document.querySelector('.lane canvas'), {attributes: true})"""
        )
        stage.molecule.net.permit(1)
    assert stage.value() == 0  # what arrives does not take the playhead away
    page.click(".follow")
    expect(status).to_have_text("step 4 of 6")
    stage.molecule.net.permit(9)
    expect(status).to_contain_text("finished: 6 steps, computed in")
    expect(page.locator("#run")).to_have_text("Run")
    expect(page.locator(".follow")).to_be_hidden()
    assert (stage.origin("dalle2"), stage.origin("alphafold3")) == ("recorded", "live")


def test_stop_ends_the_run_on_the_server(stage: Stage, page: Page) -> None:
    stage.open()
    stage.picture.net.hold()
    stage.molecule.net.hold()
    with page.expect_response("**/api/runs") as answer:
        page.click("#run")
    id = answer.value.json()["id"]
    stage.picture.net.permit(1)
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    with page.expect_response(
        lambda a: a.request.method == "DELETE" and a.url.endswith(f"/api/runs/{id}")
    ) as gone:
        page.click("#run")
    assert gone.value.status == 204
    expect(page.locator("#run")).to_have_text("Run")
    # Not before: what may be computed is computed faster than a page can ask to stop it.
    stage.picture.net.permit(9)
    stage.molecule.net.permit(9)
    state = f"{stage.server.url}/api/runs/{id}"
    comes(page, lambda: httpx.get(state).json()["state"], lambda found: found == "cancelled")


def test_enter_in_a_field_runs(stage: Stage, page: Page) -> None:
    stage.open()
    page.fill("#prompt", "a red fish")
    page.press("#prompt", "Enter")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")


def test_an_example_runs_its_own_panel_only(stage: Stage, page: Page) -> None:
    stage.open()
    page.locator("#molecule-examples button").first.click()
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    assert stage.origin("dalle2") == "recorded"


@dataclass
class Refusing:
    """Stands before the server: the first POST is refused, the next ones wait until :meth:`relent`, so that
    what the page says meanwhile can be read at leisure."""

    posted: list[dict] = field(default_factory=list)  # bodies
    waiting: list[Route] = field(default_factory=list)
    relented: bool = False

    def relent(self) -> None:
        self.relented = True
        for route in self.waiting:
            route.continue_()


def refuse(page: Page, status: int, problem: dict[str, str], **headers: str) -> Refusing:
    gate = Refusing()

    def handle(route: Route) -> None:
        gate.posted.append(route.request.post_data_json)
        if len(gate.posted) == 1:
            body = json.dumps({"detail": [problem]})
            kind = "application/json"
            route.fulfill(status=status, body=body, content_type=kind, headers=headers)
        elif gate.relented:
            route.continue_()
        else:
            gate.waiting.append(route)

    page.route("**/api/runs", handle)
    return gate


def test_a_bad_input_is_explained_beside_its_field(stage: Stage, page: Page, watch: Watch) -> None:
    watch.expected = ["422"]
    stage.open()
    problem = {
        "field": "input.smiles",
        "message": "is not a valid SMILES",
        "accepted": "a SMILES string",
    }
    refuse(page, 422, problem)
    page.fill("#molecule", "C(C")
    page.evaluate("() => document.querySelector('#prompt').dispatchEvent(new Event('input'))")
    page.locator("#molecule-examples button").first.click()
    error = page.locator("#molecule-error")
    expect(error).to_have_text("This is not a valid SMILES. Accepted: a SMILES string.")
    expect(page.locator("#molecule")).to_have_attribute("aria-invalid", "true")
    assert "molecule-error" in (page.locator("#molecule").get_attribute("aria-describedby") or "")
    expect(page.locator("#prompt-error")).to_be_hidden()
    page.fill("#molecule", "CC")
    expect(error).to_be_hidden()


def test_a_bad_seed_and_bad_json_never_leave_the_page(stage: Stage, page: Page) -> None:
    stage.open()
    posted: list[str] = []
    page.on("request", lambda r: posted.append(r.post_data or "") if r.method == "POST" else None)
    page.fill("#seed", "-1")
    page.click("#run")
    expect(page.locator("#seed-error")).to_contain_text("whole number from 0 to 4294967295")
    assert posted == []
    page.fill("#seed", "4")
    page.fill("#molecule", '{"sequences": [')
    page.click("#run")
    expect(page.locator("#molecule-error")).to_contain_text("not valid JSON")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    assert len(posted) == 1 and '"dalle2"' in posted[0]


def test_a_full_server_is_asked_again_after_the_wait(
    stage: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["429"]
    stage.open()
    problem = {"field": "", "message": "the server is full", "accepted": ""}
    gate = refuse(page, 429, problem, **{"Retry-After": "1"})
    page.locator("#molecule-examples button").first.click()
    expect(page.locator("#molecule-error")).to_contain_text("trying again in 1 s")
    gate.relent()
    page.wait_for_selector("#alphafold3 .origin[data-origin=live]")
    assert len(gate.posted) == 2 and gate.posted[0] == gate.posted[1]
    expect(page.locator("#molecule-error")).to_be_hidden()


def test_a_model_that_is_still_loading_is_waited_for(
    stage: Stage, page: Page, watch: Watch
) -> None:
    watch.expected = ["503"]
    loading = [True]

    def loading_first(route: Route) -> None:
        listed = route.fetch().json()
        if loading:
            off = {"id": "dalle2", "available": False, "reason": "it is still loading"}
            listed["pipelines"] = [off if p["id"] == "dalle2" else p for p in listed["pipelines"]]
        route.fulfill(status=200, json=listed)

    page.route("**/api/pipelines", loading_first)
    message = "dalle2 is not available: it is still loading"
    problem = {"field": "pipeline", "message": message, "accepted": ""}
    gate = refuse(page, 503, problem, **{"Retry-After": "1"})
    stage.open()
    expect(page.locator("#prompt-error")).to_contain_text("being loaded")
    expect(page.locator("#prompt-examples button")).to_have_count(0)
    loading.clear()
    expect(page.locator("#prompt-examples button")).to_have_count(1)
    expect(page.locator("#prompt-error")).to_be_hidden()
    page.locator("#prompt-examples button").first.click()
    expect(page.locator("#prompt-error")).to_contain_text("being loaded")
    gate.relent()
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    assert len(gate.posted) == 2


def test_a_cut_stream_is_resumed_without_a_gap(stage: Stage, page: Page) -> None:
    """The first answer breaks off after three events; the browser comes back naming the last."""
    stage.open()
    cuts: list[str] = []
    resumed_after: list[int] = []
    runs = stage.server.services.runs
    watch_run = runs.watch

    def watching(run: Run, after: int = -1, *more: Any, **named: Any) -> AsyncIterator[bytes]:
        resumed_after.append(after)
        return watch_run(run, after, *more, **named)

    runs.watch = watching  # type: ignore[method-assign]

    def cut(route: Route) -> None:
        cuts.append(route.request.url)
        if len(cuts) > 1:
            route.continue_()
            return
        whole = httpx.get(route.request.url, timeout=30).content
        blocks = whole.split(b"\n\n")[:3]
        head = {"Cache-Control": "no-store"}
        body = b"retry: 50\n" + b"\n\n".join(blocks) + b"\n\n"
        route.fulfill(status=200, body=body, content_type="text/event-stream", headers=head)

    page.route("**/api/runs/*/events", cut)
    page.locator("#molecule-examples button").first.click()
    stage.until(
        "document.querySelector('#alphafold3 [data-role=status]').textContent.startsWith('finished')"
    )
    assert resumed_after == [-1, 2]  # the test's own look at the stream, then the browser's
    expect(page.locator("#trouble")).to_be_hidden()
    page.locator("#track").focus()
    page.keyboard.press("Home")
    assert stage.status("alphafold3") == "step 1 of 6"
    steps = set()
    while stage.value() < 100:
        steps.add(stage.status("alphafold3"))
        page.keyboard.press("ArrowRight")
    assert steps == {f"step {k} of 6" for k in range(1, 7)}


def test_a_run_lost_with_its_server_is_said(stage: Stage, page: Page, watch: Watch) -> None:
    watch.expected = ["404"]
    stage.open()
    page.route("**/api/runs/*/events", lambda route: route.fulfill(status=404, body="{}"))
    page.locator("#molecule-examples button").first.click()
    expect(page.locator("#trouble")).to_contain_text("does not know this run any more")
    expect(page.locator("#run")).to_have_text("Run")


def test_a_failed_run_is_said_and_the_other_goes_on(stage: Stage, page: Page) -> None:
    stage.open()

    def explode(route: Route) -> None:
        body = route.request.post_data_json
        if body["pipeline"] == "alphafold3":
            body["input"] = {"how": "explode"}
        route.continue_(post_data=json.dumps(body))

    page.route("**/api/runs", explode)
    page.click("#run")
    expect(page.locator("#trouble")).to_contain_text("the computation failed")
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")
    expect(page.locator("#run")).to_have_text("Run")


def test_a_pipeline_that_is_off_says_why_and_the_other_works(
    page: Page, serve: Callable[..., Live], stage: Stage
) -> None:
    page.route("**/api/pipelines", lambda route: _without_molecules(route))
    stage.open()
    error = page.locator("#molecule-error")
    expect(error).to_contain_text("is switched off: checkpoint x.safetensors: file is missing")
    expect(error).to_contain_text("The other model works")
    page.locator("#prompt-examples button").first.click()
    page.wait_for_selector("#dalle2 .origin[data-origin=live]")


def _without_molecules(route: Route) -> None:
    listed = route.fetch().json()
    reason = "checkpoint x.safetensors: file is missing"
    off = {"id": "alphafold3", "available": False, "reason": reason}
    listed["pipelines"] = [off if p["id"] == "alphafold3" else p for p in listed["pipelines"]]
    route.fulfill(status=200, json=listed)


def test_several_samples_can_be_looked_at(stage: Stage, page: Page, toys: tuple[Toy, Toy]) -> None:
    stage.open()
    page.click("#settings summary")
    slider = page.locator("#settings-form fieldset[data-accent=picture] input").last
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.click("#run")
    stage.until(
        "document.querySelector('#dalle2 [data-role=status]').textContent.startsWith('fin')"
    )
    cells = page.locator("#dalle2 .estimate button.cell")
    expect(cells).to_have_count(3)
    page.keyboard.press("Home")  # in the noise no two samples are alike
    read = """() => document.querySelector(
      '#dalle2 .estimate .cell[aria-pressed=true] canvas').toDataURL()"""
    first = page.evaluate(read)
    page.get_by_role("button", name="Next sample").click()
    assert page.evaluate(read) != first
    page.get_by_role("button", name="Previous sample").click()
    assert page.evaluate(read) == first
