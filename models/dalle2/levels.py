"""Which noise levels each stage of a ``dalle2`` run walks, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.branching import Branch
from models.dalle2.decoder import Decoder
from models.dalle2.inputs import Plan
from models.dalle2.prior import Prior
from models.dalle2.sources import prior_rows
from models.dalle2.upsampler import Upsampler, upsampler_schedule
from models.diffusion.schedule import Schedule, karras, without_churn
from models.pipeline import InputError, SampleSettings

PRIOR_WORK = 0.2  # of a step, in steps of the decoder


def prior_schedule(steps: int) -> Schedule:
    """The prior's levels for a decoder of that many steps: embeddings settle in fewer."""
    return without_churn(karras(min(max(steps // 2, 1), 40), 0.05, 20.0))


@dataclass(frozen=True)
class Levels:
    """Of the networks of one pipeline."""

    prior: Prior
    decoder: Decoder
    upsamplers: Sequence[Upsampler]

    def whole(self, settings: SampleSettings) -> dict[str, Schedule]:
        """Of every stage, in their order. Raises InputError."""
        try:
            main = settings.build_schedule(self.decoder.sigma_data)
        except ValueError as error:
            raise InputError(
                "settings.schedule", str(error), "falling levels that end in 0"
            ) from error
        return {
            self.prior.name: prior_schedule(main.steps),
            self.decoder.name: main,
            **{net.name: upsampler_schedule(main.steps, net.config) for net in self.upsamplers},
        }

    def walked(
        self, plan: Plan, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Schedule]:
        """Of the stages that a run shows. A branch skips those before its own, but for the prior where
        another input asks for another embedding. Raises InputError for a branch that cannot be."""
        levels = self.whole(settings)
        rows = len(prior_rows(plan, settings.samples))
        if branch is not None:
            branch.check(settings)
            before = self.walked(branch.plan, branch.settings, branch.branch)
            left = branch.left(levels, before)
            self._check(plan, rows, branch)
            names = list(levels)
            for name in names[: names.index(branch.stage)]:
                if name != self.prior.name or plan == branch.plan:
                    del levels[name]
            levels[branch.stage] = left
        if not rows:
            levels.pop(self.prior.name, None)
        return levels

    def _check(self, plan: Plan, rows: int, branch: Branch) -> None:
        """Raises InputError when a state of the other run is none of this input's, for which the prior
        imagines ``rows`` embeddings."""
        stage = branch.stage
        if stage == self.prior.name:
            others = len(prior_rows(branch.plan, branch.settings.samples))
            if rows != others:
                raise InputError(
                    "branch.stage",
                    f"is prior: it imagines {others} embeddings in the run that it goes on from, "
                    f"{rows or 'none'} for this input",
                    f"decoder, or an input for which the prior imagines {others}",
                )
        elif stage != self.decoder.name and plan != branch.plan:
            raise InputError(
                "branch.stage",
                f"is {stage}, which reads no caption: another input changes nothing from there",
                f"{self.prior.name} or {self.decoder.name}, or the input of the run that it goes on from",
            )

    def work(
        self,
        plan: Plan,
        settings: SampleSettings,
        branch: Branch | None = None,
        until: tuple[str, int] | None = None,
    ) -> float:
        """In steps of the decoder for one picture, those on the way to a branch among them; ``until``:
        stage and step at which it ends, if it does not go to the end."""
        weight = {self.prior.name: PRIOR_WORK, self.decoder.name: 1.0}
        weight |= {net.name: net.work for net in self.upsamplers}
        steps = 0.0
        for name, schedule in self.walked(plan, settings, branch).items():
            if until is not None and name == until[0]:
                steps += weight[name] * (until[1] - schedule.first + 1)
                break
            steps += weight[name] * schedule.steps
        work = steps * settings.samples * (2 if settings.sampler == "heun" else 1)
        if branch is not None:
            frame = (branch.stage, branch.step)
            work += self.work(branch.plan, branch.settings, branch.branch, frame)
        return work
