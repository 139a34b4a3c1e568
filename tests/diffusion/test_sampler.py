"""The sampler against closed forms.

For data N(0, sigma_data^2) the exact denoiser is x sigma_data^2 / (sigma^2 + sigma_data^2) and the
probability-flow ODE has the solution x_0 = x_T sigma_data / sqrt(sigma_T^2 + sigma_data^2).
"""

import itertools
import math

import pytest
import torch

from models.diffusion.sampler import Request, randn, run, sample
from models.diffusion.schedule import af3_churn, explicit, karras, without_churn


class Gaussian:
    """The exact denoiser of N(0, sigma_data^2); counts its rows."""

    name = "gaussian"

    def __init__(self, sigma_data: float = 1.0) -> None:
        self.sigma_data = sigma_data
        self.calls = 0

    def bucket(self, request: Request):
        return request.x.shape[1:]

    def answer(self, requests):
        self.calls += 1
        x = torch.cat([r.x for r in requests])
        sigma = torch.cat([r.sigma for r in requests]).reshape(-1, *[1] * (x.ndim - 1))
        shrink = self.sigma_data**2 / (sigma**2 + self.sigma_data**2)
        return list((x * shrink.float()).split([len(r.x) for r in requests]))


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(n) for n in numbers]


def ode_error(sampler: str, steps: int) -> float:
    net = Gaussian()
    schedule = without_churn(karras(steps, 0.002, 80.0))
    x = run(sample(net, (64,), schedule, seeds(1), sampler=sampler))
    exact = randn((64,), seeds(1)) * 80 / math.sqrt(80**2 + 1)
    return float((x - exact).norm() / exact.norm())


def test_heun_is_second_order_and_euler_first() -> None:
    heun = [ode_error("heun", n) for n in (18, 36, 72)]
    euler = [ode_error("euler", n) for n in (18, 36, 72)]
    # Halving the step divides the error by 4 and by 2.
    assert 3.5 < heun[0] / heun[1] < 5.5
    assert 3.5 < heun[1] / heun[2] < 5.5
    assert 1.7 < euler[0] / euler[1] < 2.4
    assert 1.7 < euler[1] / euler[2] < 2.4
    assert heun[2] < 0.004


def test_heun_asks_2n_minus_1_times_and_frames_once_per_step() -> None:
    net, frames = Gaussian(), []
    run(
        sample(net, (2,), without_churn(karras(18, 0.002, 80.0)), seeds(0), sampler="heun"),
        lambda request, _: frames.append(request.frame),
    )
    assert net.calls == 2 * 18 - 1
    assert sum(frames) == 18


def test_euler_is_ddim() -> None:
    # DDIM (Song et al. 2021, eq. 12, eta 0) in its own variance-preserving coordinates.
    net, schedule = Gaussian(0.7), without_churn(karras(12, 0.01, 50.0))
    x = run(sample(net, (32,), schedule, seeds(3)))
    sigmas = schedule.sigmas
    alpha_bar = 1 / (1 + sigmas**2)
    z = randn((32,), seeds(3)).double() * sigmas[0] * alpha_bar[0].sqrt()
    for a, a_next in itertools.pairwise(alpha_bar):
        sigma = ((1 - a) / a).sqrt()
        x0 = (z / a.sqrt()) * 0.49 / (sigma**2 + 0.49)
        epsilon = (z - a.sqrt() * x0) / (1 - a).sqrt()
        z = a_next.sqrt() * x0 + (1 - a_next).sqrt() * epsilon
    assert torch.allclose(x.double(), z, atol=1e-4)


def test_ancestral_is_the_ddpm_posterior() -> None:
    # One step of Ho et al. 2020, eq. 7, written in its own symbols.
    net, schedule = Gaussian(), without_churn(explicit([2.0, 0.5]))
    steps: list[Request] = []
    run(sample(net, (6,), schedule, seeds(9), sampler="ancestral"), lambda r, _: steps.append(r))
    generator = seeds(9)
    x = randn((6,), generator) * 2.0
    noise = randn((6,), generator)
    a_t, a_s = 1 / (1 + 4.0), 1 / (1 + 0.25)
    alpha, beta = a_t / a_s, 1 - a_t / a_s
    x0, x_vp = x / 5.0, x * math.sqrt(a_t)
    mean = math.sqrt(a_s) * beta / (1 - a_t) * x0 + math.sqrt(alpha) * (1 - a_s) / (1 - a_t) * x_vp
    x_next = mean + math.sqrt((1 - a_s) / (1 - a_t) * beta) * noise
    assert torch.allclose(steps[1].x, x_next / math.sqrt(a_s), atol=1e-5)


def test_ancestral_keeps_the_variance() -> None:
    schedule = without_churn(karras(200, 0.002, 80.0))
    x = run(sample(Gaussian(), (20_000,), schedule, seeds(0), sampler="ancestral"))
    assert float(x.std()) == pytest.approx(1.0, abs=0.04)


def algorithm_18(denoise, noise, levels, gamma_0, gamma_min, noise_scale, step_scale):
    """Supplement of Abramson et al. 2024, algorithm 18, line by line (without CentreRandomAugmentation;
    line 9 with the numerator x_noisy - x_denoised, as published code has it)."""
    x = levels[0] * noise.pop(0)
    for c_prev, c in itertools.pairwise(levels):
        gamma = gamma_0 if c > gamma_min else 0.0
        t_hat = c_prev * (gamma + 1)
        xi = math.sqrt(t_hat**2 - c_prev**2)
        x_noisy = x + noise_scale * xi * noise.pop(0) if gamma > 0 else x
        delta = (x_noisy - denoise(x_noisy, t_hat)) / t_hat
        x = x_noisy + step_scale * (c - t_hat) * delta
    return x


@pytest.mark.parametrize("steps", [4, 20])
def test_af3_step_is_algorithm_18(steps: int) -> None:
    sigma_data, levels = 16.0, karras(steps, 0.0064, 2560.0)
    schedule = af3_churn(levels, 0.8, 1.0)
    net = Gaussian(sigma_data)
    x = run(
        sample(net, (5, 3), schedule, seeds(4), sampler="af3", noise_scale=1.003, step_scale=1.5)
    )
    generator = seeds(4)
    noise = [randn((5, 3), generator) for _ in range(steps + 1)]
    expected = algorithm_18(
        lambda x, t: x * sigma_data**2 / (t**2 + sigma_data**2),
        noise,
        levels.tolist(),
        0.8,
        1.0,
        1.003,
        1.5,
    )
    assert torch.allclose(x, expected, atol=1e-3)


def test_augment_moves_x_before_every_step() -> None:
    seen = []

    def centre(x, generators):
        seen.append(len(generators))
        return x - x.mean(1, keepdim=True)

    requests: list[Request] = []
    schedule = without_churn(karras(5, 0.1, 10.0))
    run(
        sample(Gaussian(), (7, 3), schedule, seeds(1, 2), augment=centre),
        lambda r, _: requests.append(r),
    )
    assert seen == [2] * 5
    assert all(r.x.mean(1).abs().max() < 1e-5 for r in requests)


def test_sample_k_of_a_seed_does_not_depend_on_its_company() -> None:
    schedule = af3_churn(karras(10, 0.01, 20.0), 0.8, 0.1)
    three = run(sample(Gaussian(), (8,), schedule, seeds(1, 2, 3), sampler="af3"))
    alone = run(sample(Gaussian(), (8,), schedule, seeds(2), sampler="af3"))
    assert torch.allclose(three[1], alone[0])


def test_runs_at_other_levels_share_a_forward_and_stay_what_they_are() -> None:
    net = Gaussian()
    schedules = [without_churn(karras(n, 0.01, 30.0)) for n in (5, 9)]
    alone = [run(sample(net, (4,), s, seeds(k))) for k, s in enumerate(schedules)]
    runs = [sample(net, (4,), s, seeds(k)) for k, s in enumerate(schedules)]
    pending = {k: next(r) for k, r in enumerate(runs)}
    results = {}
    while pending:
        answers = net.answer(list(pending.values()))
        for k, answer in zip(list(pending), answers, strict=True):
            try:
                pending[k] = runs[k].send(answer)
            except StopIteration as stop:
                results[k] = stop.value
                del pending[k]
    for k in (0, 1):
        assert torch.allclose(results[k], alone[k])


@pytest.mark.parametrize("sampler", ["euler", "heun", "ancestral", "af3"])
def test_never_suspended_inside_no_grad(sampler: str) -> None:
    generator = sample(
        Gaussian(), (2,), without_churn(karras(4, 0.1, 5.0)), seeds(0), sampler=sampler
    )
    request = next(generator)
    try:
        while True:
            assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            with torch.inference_mode():
                answer = request.net.answer([request])[0]
            request = generator.send(answer)
    except StopIteration:
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_x_init_starts_from_a_state() -> None:
    schedule = without_churn(explicit([0.5]))
    requests: list[Request] = []
    start = torch.full((1, 4), 10.0)
    run(sample(Gaussian(), (4,), schedule, seeds(0), x_init=start), lambda r, _: requests.append(r))
    assert torch.allclose(requests[0].x, start + 0.5 * randn((4,), seeds(0)))


def test_unknown_sampler_is_named() -> None:
    with pytest.raises(ValueError, match="euler, heun, ancestral, af3"):
        run(sample(Gaussian(), (2,), without_churn(karras(3, 0.1, 1.0)), seeds(0), sampler="plms"))
