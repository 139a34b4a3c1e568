"""A run that goes on from a frame of another run, as pipelines see it: what is asked for, which levels are
left, and what it may not ask for. The state itself is caught by :mod:`models.diffusion.branch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from models.diffusion.branch import State
from models.diffusion.sampler import Request, Run
from models.diffusion.schedule import Schedule, resumed
from models.pipeline import InputError, SampleSettings, sample_generators

BRANCH_STREAM = (
    64  # added to a stage's own stream of random numbers: noise that no other run has seen
)


@dataclass(frozen=True)
class Branch:
    """The run that another one goes on from, by its plan and settings, and at which of its frames;
    ``branch``: where that run itself goes on from, if it does."""

    plan: Any
    settings: SampleSettings
    stage: str
    step: int
    branch: Branch | None = None

    def left(self, whole: Mapping[str, Schedule], before: Mapping[str, Schedule]) -> Schedule:
        """What of a run's own schedule of this stage is still to be walked. ``whole``, ``before``: the
        schedules of that run and of the one that it goes on from, by stage. Raises InputError for a
        frame which the latter has not."""
        if self.stage not in before:
            raise InputError(
                "branch.stage",
                f"is {self.stage[:20]!r}, which is no stage of the run that it goes on from",
                f"one of {', '.join(before)}",
            )
        walked = before[self.stage]
        try:
            return resumed(whole[self.stage], walked, self.step)
        except IndexError as error:
            last = walked.first + walked.steps - 1
            raise InputError(
                "branch.step",
                f"is {self.step}, which is no step of {self.stage} in the run that it goes on from",
                f"a whole number from {walked.first} to {last}",
            ) from error

    def check(self, settings: SampleSettings) -> None:
        """Raises InputError when a run with these settings has no state of its own to start from."""
        if settings.samples != self.settings.samples:
            raise InputError(
                "settings.samples",
                f"is {settings.samples}, the run that it goes on from drew {self.settings.samples}",
                f"{self.settings.samples}, or leave it out",
            )

    def told(self, schedule: Schedule) -> dict[str, Any]:
        """What the ``start`` event tells; ``schedule``: what is left, see :meth:`left`."""
        return {"stage": self.stage, "step": self.step, "sigma": schedule.sigma_hat(self.step)}

    def begin(
        self, state: State, settings: SampleSettings, stream: int, centre: Tensor | None = None
    ) -> State:
        """Where a run with these settings begins: at the very state with the other run's seed, else at
        new noise around the same estimate. ``stream``, ``centre``: of the stage's noise, see
        :meth:`State.renewed`."""
        if settings.seed == self.settings.seed:
            return state
        generators = sample_generators(settings.seed, settings.samples, stream + BRANCH_STREAM)
        return state.renewed(generators, centre)


def levels_left(
    name: str, sigma_data: float, settings: SampleSettings, branch: Branch | None
) -> Schedule:
    """The schedule of a pipeline's only stage. Raises InputError."""
    whole = settings.build_schedule(sigma_data)
    if branch is None:
        return whole
    before = levels_left(name, sigma_data, branch.settings, branch.branch)
    return branch.left({name: whole}, {name: before})


def forwards(
    name: str,
    sigma_data: float,
    settings: SampleSettings,
    branch: Branch | None,
    until: int | None = None,
) -> int:
    """How often a pipeline's only stage asks its network for one sample, on the way to the branch too;
    ``until``: the last step that is walked, if not all are."""
    schedule = levels_left(name, sigma_data, settings, branch)
    steps = schedule.steps if until is None else until - schedule.first + 1
    asked = steps * (2 if settings.sampler == "heun" else 1)
    if branch is None:
        return asked
    return asked + forwards(name, sigma_data, branch.settings, branch.branch, branch.step)


@runtime_checkable
class Branching(Protocol):
    """A pipeline whose runs can go on from a frame of another run. ``branches``: the stages that have
    such frames."""

    branches: tuple[str, ...]

    def start(
        self, plan: Any, settings: SampleSettings, branch: Branch | None = None
    ) -> dict[str, Any]:
        """As :meth:`Pipeline.start`; with a branch also ``branch`` of :meth:`Branch.told`, and the
        stages that are walked, the branched one from the state on."""
        ...

    def run(
        self, plan: Any, settings: SampleSettings, branch: Branch | None = None
    ) -> Run[Any]: ...

    def cost(self, plan: Any, settings: SampleSettings, branch: Branch | None = None) -> float:
        """Units of work, those on the way to the branch among them."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A view whose frames depend on those before them: a branch's view is also shown, one by one, the
    frames of the runs that it goes on from."""

    def past(self, request: Request, denoised: Any) -> None: ...
