"""What the tests of lessons work with: exact pipelines that measure how they settle, a stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from browser_stage import Stage, without_viewers
from picture_toy import PictureToy, PictureView
from playwright.sync_api import Page, Route, expect
from torch import Tensor
from toy import Toy, ToyView

from models.branching import Branch, levels_left
from models.diffusion.branch import reach
from models.diffusion.sampler import Request, Run, sample
from models.diffusion.schedule import Schedule
from models.evaluation.settling import settled_at
from models.pipeline import Frame, InputError, SampleSettings, ScheduleSpec


class Measured(ToyView):
    """Curves of the toy's own guesses; ``names``: a band that settles early, one that settles late."""

    names = ("global", "bonds")

    def frame(self, request: Request, denoised: Tensor) -> Frame:
        frame = super().frame(request, denoised)
        if frame.stage == "toy":
            kept = self.__dict__.setdefault("kept", [])
            kept.append((frame.sigma_over_data, np.asarray(frame.denoised, np.float64)))
        return frame

    def done(self, result: Tensor) -> dict[str, Any]:
        done = super().done(result)
        final = np.asarray(done["sample"], np.float64)
        levels = [level for level, _ in self.__dict__["kept"]]
        error = np.array([np.abs(guess - final).mean() for _, guess in self.__dict__["kept"]])
        error = error / error[0]
        bands = [
            {"name": name, "label": name, "unit": "", "error": curve.tolist(),
             "settled_at": settled_at(curve.tolist(), levels)}
            for name, curve in zip(self.names, (error**2, error), strict=True)
        ]  # fmt: skip
        settling = {"bands": bands, "sigma_over_data": levels, "stage": ["toy"] * len(levels)}
        return {**done, "settling": settling}


class MeasuredPicture(Measured, PictureView):
    names = ("low", "high")


class Picture(PictureToy):
    """Its runs can be left, too."""

    branches = ("toy",)

    def _left(self, settings: SampleSettings, branch: Branch) -> Schedule:
        return levels_left(self.net.name, self.net.sigma_data, settings, branch)

    def start(
        self, plan: Any, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        start = super().start(plan, settings)
        if branch is None:
            return start
        left = self._left(settings, branch)
        stage = {**start["stages"][-1], "sigmas": left.sigmas.tolist()}
        return {**start, "stages": [stage], "branch": branch.told(left)}

    def cost(self, plan: Any, settings: SampleSettings, branch: Branch | None = None) -> float:
        return settings.steps

    def run(self, plan: Any, settings: SampleSettings, branch: Branch | None = None) -> Run[Tensor]:
        if branch is None:
            return (yield from super().run(plan, settings))
        before = self.run(branch.plan, branch.settings, branch.branch)
        state = yield from reach(before, branch.stage, branch.step)
        state = branch.begin(state, settings, stream=0)
        return (
            yield from sample(
                self.net, self.net.mean.shape, self._left(settings, branch), state.generators,
                cond=None, sampler=settings.sampler, start=state.x,
            )
        )  # fmt: skip

    def view(self, plan: Any, settings: SampleSettings) -> ToyView:
        return MeasuredPicture(settings.samples, isinstance(plan, Mapping) and "prompt" in plan)


class Molecule(Toy):
    presets: Mapping[str, SampleSettings] = {
        "published": replace(Toy.defaults, steps=12, schedule=ScheduleSpec("af3"))
    }

    def __init__(self) -> None:
        super().__init__("molecule", id="alphafold3")

    def view(self, plan: str, settings: SampleSettings) -> ToyView:
        return Measured("molecule", settings.samples)


class FramesView(ToyView):
    def frame(self, request: Request, denoised: Tensor) -> Frame:
        return replace(super().frame(request, denoised), sigma=None, sigma_data=None)


class Frames(Toy):
    """One answer, and none for what is no protein: the tests' AlphaFold 2."""

    uses = frozenset({"seed"})

    def __init__(self) -> None:
        super().__init__("molecule", id="alphafold2")

    def parse(self, input: Mapping[str, Any]) -> str:
        if "ccd" in input:
            raise InputError("input.ccd", "has no frames and no torsions", "a protein")
        return "well"

    def start(self, plan: str, settings: SampleSettings) -> dict[str, Any]:
        stage = {"name": "toy", "sigma_data": None, "sigmas": None, "unit": "block"}
        return {**super().start(plan, settings), "stages": [stage]}

    def run(self, plan: str, settings: SampleSettings) -> Any:
        return super().run(plan, replace(settings, seed=0))

    def view(self, plan: str, settings: SampleSettings) -> ToyView:
        return FramesView("molecule", settings.samples)


class School(Stage):
    """The stage with a lesson open."""

    def lesson(self, id: str, step: int = 1, query: str = "") -> School:
        self.open(f"&lesson={id}&step={step}{query}")
        expect(self.page.locator("#lesson h3")).to_be_visible()
        self.until("document.querySelector('#settings-form fieldset')")  # what is on offer has come
        return self

    @property
    def done(self) -> list[bool]:
        return self.page.locator(".lesson-steps button").evaluate_all(
            "(all) => all.map(({ dataset }) => dataset.done === 'true')"
        )

    def all_done(self) -> None:
        expect(self.page.locator(".lesson-steps button:not([data-done=true])")).to_have_count(0)
        assert all(self.done) and self.done

    def is_done(self) -> None:
        expect(self.page.locator(".lesson-tick")).to_have_attribute("data-done", "true")

    def on(self) -> None:
        """The step is done; the next one opens and is not."""
        self.is_done()
        self.page.locator("[data-hold=next]").click()
        expect(self.page.locator(".lesson-tick")).to_have_attribute("data-done", "false")

    def press(self, *keys: str) -> None:
        self.page.locator("#track").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def slide(self, accent: str, n: int, value: int) -> None:
        self.page.click("#settings summary")
        slider = self.page.locator(
            f"#settings-form fieldset[data-accent={accent}] input[type=range]"
        )
        slider.nth(n).fill(str(value))
        self.page.keyboard.press("Escape")

    def run(self) -> None:
        """Presses Run and waits until what it has started is on the stage."""
        self.page.click("#run")
        expect(self.page.locator("#run")).to_have_attribute("data-state", "idle")

    def says(self, selector: str, *texts: str) -> str:
        """What is said there, once it holds all of ``texts``: the lesson looks ten times a second."""
        place = self.page.locator(selector)
        expect(place).to_be_visible()
        for text in texts:
            expect(place).to_contain_text(text)
        return place.inner_text()


def light(page: Page, traces: Mapping[str, Any]) -> None:
    """Without the viewers, and with these recordings."""
    without_viewers(page)

    def recorded(route: Route) -> None:
        id = urlsplit(route.request.url).path.rsplit("/", 1)[1].removesuffix(".json")
        empty = {"input": {}, "events": [{"event": "start", "data": {"stages": []}}]}
        body = json.dumps(traces.get(id, empty))
        route.fulfill(status=200, content_type="application/json", body=body)

    page.route("**/static/traces/*.json", recorded)
