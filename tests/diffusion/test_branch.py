"""Going on from a frame of another run, on an exact denoiser, where equal means equal."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.alphafold3.geometry import augment
from models.diffusion.branch import State, reach, unseen
from models.diffusion.sampler import SAMPLERS, Request, Run, randn, run, sample
from models.diffusion.schedule import Schedule, af3_churn, karras, linear, resumed, without_churn


class Gaussian:
    """The exact denoiser of N(0, sigma_data^2)."""

    name = "gaussian"
    sigma_data = 0.8

    def bucket(self, request: Request):
        return request.x.shape[1:]

    def answer(self, requests):
        return [
            r.x * (0.64 / (r.sigma**2 + 0.64)).float().reshape(-1, *[1] * (r.x.ndim - 1))
            for r in requests
        ]


NET, SHAPE = Gaussian(), (7, 3)
CHURNED = af3_churn(karras(14, 0.01, 20.0), 0.8, 0.3)


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(n) for n in numbers]


def walk(
    schedule: Schedule,
    sampler: str,
    generators,
    start: Tensor | None = None,
    move: Callable | None = augment,
) -> Run[Tensor]:
    return sample(
        NET,
        SHAPE,
        schedule,
        generators,
        sampler=sampler,
        noise_scale=1.003,
        step_scale=1.5,
        augment=move,
        start=start,
    )


def branch(schedule: Schedule, sampler: str, step: int, whole: Schedule | None = None) -> Run:
    """From a frame of the run of seeds 1 and 2, by its generators."""
    state = yield from reach(walk(schedule, sampler, seeds(1, 2)), "gaussian", step)
    left = resumed(schedule if whole is None else whole, schedule, step)
    return (yield from walk(left, sampler, state.generators, state.x))


def frames_of(generator: Run) -> tuple[Tensor, list[Request]]:
    seen: list[Request] = []
    result = run(generator, lambda request, _: seen.append(request))
    return result, seen


@pytest.mark.parametrize("step", [0, 1, 6, 13])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_unchanged_settings_give_the_other_run_s_sample_again(sampler: str, step: int) -> None:
    """With churn, rotations and every sampler's own noise: not a number differs."""
    schedule = without_churn(CHURNED.sigmas) if sampler == "ancestral" else CHURNED
    whole, seen = frames_of(walk(schedule, sampler, seeds(1, 2)))
    again, asked = frames_of(branch(schedule, sampler, step))
    assert torch.equal(whole, again)
    shown = [request for request in asked if request.frame]
    assert [request.step for request in shown] == list(range(step, 14))
    assert {request.steps for request in shown} == {14}
    expected = next(r for r in seen if r.frame and r.step == step)
    assert torch.equal(shown[0].x, expected.x) and torch.equal(shown[0].sigma, expected.sigma)


def test_what_was_walked_before_is_asked_unseen_and_told_as_past() -> None:
    _, asked = frames_of(branch(CHURNED, "heun", 3))
    hidden = [request for request in asked if not request.frame and request.past]
    assert [request.step for request in hidden] == [0, 1, 2, 3]
    first = next(i for i, request in enumerate(asked) if request.frame)
    # Heun's second evaluations are no frames of anybody: three before the state, none at it.
    assert [r.past for r in asked[:first]] == [True, False] * 3 + [True]


def test_another_schedule_is_walked_below_the_state_s_level_only() -> None:
    whole = without_churn(linear(10, 0.01, 40.0))
    left = resumed(whole, CHURNED, 6)
    level = float(CHURNED.sigmas[6])
    assert float(left.sigmas[0]) == level and left.first == 6
    assert left.sigmas[1:].tolist() == [s for s in whole.sigmas.tolist() if s < level]
    assert left.gammas[0] == CHURNED.gammas[6] and not left.gammas[1:].any()
    assert left.sigma_hat(6) == pytest.approx(level * 1.8)
    _, asked = frames_of(branch(CHURNED, "euler", 6, whole))
    levels = [float(request.sigma[0]) for request in asked if request.frame]
    assert levels[0] == left.sigma_hat(6) and levels[1:] == left.sigmas[1:-1].tolist()


def test_the_rest_of_the_same_schedule_is_its_tail_also_of_a_rest() -> None:
    rest = resumed(CHURNED, CHURNED, 4)
    for left in (resumed(CHURNED, CHURNED, 9), resumed(CHURNED, rest, 9)):
        assert torch.equal(left.sigmas, CHURNED.sigmas[9:])
        assert torch.equal(left.gammas, CHURNED.gammas[9:])
        assert left.first == 9 and left.steps == 5


def test_a_schedule_without_a_level_below_leaves_in_one_step() -> None:
    left = resumed(without_churn(linear(3, 5.0, 9.0)), CHURNED, 13)
    assert left.sigmas.tolist() == [float(CHURNED.sigmas[13]), 0.0]


@pytest.mark.parametrize("step", [-1, 3, 14])
def test_a_step_that_was_not_walked_is_refused(step: int) -> None:
    with pytest.raises(IndexError, match="steps 4 to 13"):
        resumed(CHURNED, resumed(CHURNED, CHURNED, 4), step)


def test_new_noise_is_the_forward_process_from_the_estimate() -> None:
    state = run(reach(walk(CHURNED, "af3", seeds(1, 2)), "gaussian", 5))
    assert state.sigma == CHURNED.sigma_hat(5)
    renewed = state.renewed(seeds(8, 9))
    expected = state.denoised + state.sigma * randn(SHAPE, seeds(8, 9))
    assert torch.equal(renewed.x, expected)
    assert not torch.allclose(renewed.x, state.x, atol=0.1)
    # What noise is still to come is drawn by the new generators, which have given that noise already.
    given, fresh = renewed.generators[1], seeds(9)[0]
    torch.randn(*SHAPE, generator=fresh)
    assert torch.equal(torch.randn(4, generator=given), torch.randn(4, generator=fresh))


def test_samples_from_new_noise_spread_like_the_data() -> None:
    """From high noise, where the estimate knows next to nothing, branches are fresh samples."""
    schedule = without_churn(karras(60, 0.005, 40.0))

    def fresh(numbers: range) -> Run[Tensor]:
        before = sample(NET, (400,), schedule, seeds(*[1] * len(numbers)))
        state = yield from reach(before, "gaussian", 2)
        state = state.renewed(seeds(*numbers))
        left = resumed(schedule, schedule, 2)
        return (
            yield from sample(
                NET, (400,), left, state.generators, start=state.x, sampler="ancestral"
            )
        )

    drawn = run(fresh(range(100, 132)))
    assert float(drawn.std()) == pytest.approx(NET.sigma_data, rel=0.08)
    between = torch.corrcoef(drawn)[~torch.eye(32, dtype=torch.bool)]
    assert float(between.abs().mean()) < 0.06  # 0.04 for independent rows of 400


def test_a_centre_moves_the_new_state() -> None:
    state = State(torch.zeros(1, 2), 2.0, torch.ones(1, 2), seeds(0))
    moved = state.renewed(seeds(3), torch.full((1, 2), 5.0))
    assert torch.equal(moved.x, 5.0 + 2.0 * randn((2,), seeds(3)))


def test_a_frame_that_never_comes_is_an_error() -> None:
    with pytest.raises(LookupError, match="step 14 of gaussian"):
        run(reach(walk(CHURNED, "euler", seeds(0)), "gaussian", 14))
    with pytest.raises(LookupError, match="step 0 of atoms"):
        run(reach(walk(CHURNED, "euler", seeds(0)), "atoms", 0))


def test_the_other_run_is_ended_when_its_frame_is_there_and_when_nobody_wants_it() -> None:
    ended: list[str] = []

    def watched() -> Run[Tensor]:
        try:
            return (yield from walk(CHURNED, "euler", seeds(0)))
        finally:
            ended.append("yes")

    run(reach(watched(), "gaussian", 2))
    assert ended == ["yes"]
    for wrapper in (reach(watched(), "gaussian", 9), unseen(watched())):
        next(wrapper)
        wrapper.close()
    assert ended == ["yes"] * 3


def test_unseen_changes_nothing_but_who_looks() -> None:
    plain, seen = frames_of(walk(CHURNED, "heun", seeds(4)))
    hidden, asked = frames_of(unseen(walk(CHURNED, "heun", seeds(4))))
    assert torch.equal(plain, hidden)
    assert not any(request.frame for request in asked)
    assert [r.past for r in asked] == [r.frame for r in seen]
    assert math.isclose(float(seen[0].sigma[0]), CHURNED.sigma_hat(0))
