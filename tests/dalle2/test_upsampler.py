"""The upsamplers: the process they share with the sampler, and what the shipped ones can do."""

import numpy as np
import pytest
import torch
from conftest import FIXTURE

from models.dalle2.bank import shrink
from models.dalle2.fine import lay
from models.dalle2.upsampler import (
    UPSAMPLERS,
    UpsamplerConfig,
    UpsamplerNetwork,
    enlarge,
    shifted,
    shifted_scalings,
    upsample,
    upsampler_schedule,
)
from models.diffusion.sampler import Request, run
from models.evaluation.upsamplers import bicubic, crispness, enlarged, measure, psnr
from models.pipeline import sample_generators

# Over bicubic: dB of PSNR, and times as crisp; a little below what was measured.
FLOORS = {"upsampler": (0.1, 1.2), "upsampler64": (0.3, 1.1), "upsampler128": (0.3, 1.05)}
LARGEST_BYTES = {"upsampler": 1.7e6, "upsampler64": 1.2e6, "upsampler128": 0.6e6}


@pytest.fixture(scope="module")
def stages():
    return [kind.load() for kind in UPSAMPLERS]


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    """Renderings that no network was trained on, at 128 px."""
    pixels = torch.from_numpy(np.load(FIXTURE / "fine.npz")["rgba"]).permute(0, 3, 1, 2)
    return lay(pixels.float() / 255, [None] * len(pixels), [None] * len(pixels))


class Oracle:
    """Knows the answer; remembers what it was shown."""

    name, sigma_data, size, shape = "oracle", 0.6, 32, (3, 32, 32)

    def __init__(self, target: torch.Tensor) -> None:
        self.target, self.seen = target, []

    def bucket(self, request: Request) -> str:
        return self.name

    def answer(self, requests):
        (request,) = requests
        self.seen.append((float(request.sigma[0]), request.x))
        return [self.target]


def test_the_sampler_keeps_to_the_mixture_that_training_shows() -> None:
    """Every Euler step must land on (1 - s) target + s enlarged + sigma noise, with the same noise."""
    g = torch.Generator().manual_seed(0)
    low, target = torch.rand(1, 3, 16, 16, generator=g), torch.rand(1, 3, 32, 32, generator=g)
    config = UpsamplerConfig(sigma_data=0.6, sigma_start=0.3, residual=0.2, size=32)
    net = Oracle(target)
    out = run(upsample(net, low, upsampler_schedule(36, config), sample_generators(5, 1, 3)))
    assert (out - target).abs().max() < 1e-5
    (first, begin), *later = net.seen
    assert first == pytest.approx(config.sigma_start)
    noise = (begin - enlarge(low, 32)) / first
    assert len(later) == 2
    for sigma, x in later:
        share = sigma / config.sigma_start
        expected = target + share * (enlarge(low, 32) - target) + sigma * noise
        assert (x - expected).abs().max() < 1e-5


def test_training_states_run_from_the_target_to_the_enlarged_picture() -> None:
    torch.manual_seed(0)
    target, low = torch.ones(2, 3, 32, 32), -torch.ones(2, 3, 16, 16)
    near = shifted(target, low, torch.tensor([1e-4, 0.3]), 0.3)
    assert (near[0] - 1).abs().max() < 0.01
    assert near[1].mean().item() == pytest.approx(-1, abs=0.02)
    assert near[1].std().item() == pytest.approx(0.3, rel=0.05)


def test_the_scalings_give_unit_variance_and_the_best_linear_guess() -> None:
    config = UpsamplerConfig(sigma_data=0.6, sigma_start=0.3, residual=0.2, size=32)
    g = torch.Generator().manual_seed(0)
    r, n = 0.2 * torch.randn(200_000, generator=g), torch.randn(200_000, generator=g)
    for sigma in (0.3, 0.2, 0.1, 0.02):
        scale = shifted_scalings(torch.tensor([sigma]), config)
        seen = (1 - sigma / config.sigma_start) * r + sigma * n
        assert (scale.c_in * seen).std().item() == pytest.approx(1, rel=0.01)
        slope = float((seen * r).mean() / seen.square().mean())  # least squares
        assert float(scale.c_skip) == pytest.approx(slope, abs=0.02)
        assert (r - slope * seen).std().item() == pytest.approx(float(scale.c_out), rel=0.02)


def test_without_attention_a_crop_is_drawn_as_inside_the_whole() -> None:
    """What lets the networks train on crops: far from its border a crop does not feel where it lies."""
    torch.manual_seed(0)
    config = UpsamplerConfig(0.6, 0.1, 0.1, 128, widths=(16, 16), condition=16)
    net = UpsamplerNetwork(config).eval()
    torch.nn.init.normal_(net.unet.out.weight, std=0.1)
    for name, weight in net.named_parameters():
        if name.endswith("conv2.weight"):
            torch.nn.init.normal_(weight, std=0.1)
    x, low = torch.randn(1, 3, 192, 192), torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        whole = net(x, torch.zeros(1), low)[..., 80:112, 80:112]
        cut = net(x[..., 32:160, 32:160], torch.zeros(1), low[..., 16:80, 16:80])[..., 48:80, 48:80]
    assert whole.std() > 0.01
    assert (whole - cut).abs().max() < 1e-3 * whole.abs().max()


def test_steps_are_a_share_of_the_decoders(stages) -> None:
    counts = [[upsampler_schedule(n, net.config).steps for n in (1, 24, 200)] for net in stages]
    assert counts == [[1, 2, 16]] * 3
    starts = [net.config.sigma_start for net in stages]
    assert starts == sorted(starts, reverse=True)  # each stage takes over below the one before


@pytest.mark.parametrize("number", [0, 1, 2])
def test_rows_batched_equal_rows_alone(stages, number) -> None:
    net = stages[number]
    g = torch.Generator().manual_seed(0)

    def ask(rows: int, sigma: float) -> Request:
        low = torch.rand(rows, 3, net.size // 2, net.size // 2, generator=g) * 2 - 1
        x = enlarge(low, net.size) + sigma * torch.randn(rows, *net.shape, generator=g)
        return Request(net, x, torch.full((rows,), sigma, dtype=torch.float64), {"low": low})

    asked = [ask(1, 0.1), ask(2, 0.03)]
    with torch.inference_mode():
        for one, shared in zip(asked, net.answer(asked), strict=True):
            assert (net.answer([one])[0] - shared).abs().max() < 0.05


def test_checkpoints_stay_small() -> None:
    for kind in UPSAMPLERS:
        assert kind.checkpoint.stat().st_size <= LARGEST_BYTES[kind.name]


def test_crispness_sees_blur_and_not_flat_areas() -> None:
    edge = torch.ones(1, 3, 16, 16)
    edge[..., :8] = -1
    assert crispness(edge) == pytest.approx(2)
    ramp = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    assert crispness(ramp) == pytest.approx(2 / 15)


def test_every_stage_beats_bicubic_on_drawings_it_never_saw(stages, real) -> None:
    """Both are measured here, on the same pictures."""
    found = measure(stages, real)
    for name, (gain, crisp) in FLOORS.items():
        assert found[name]["psnr"] >= found[name]["psnr_bicubic"] + gain, found
        assert found[name]["crispness"] >= crisp * found[name]["crispness_bicubic"], found


def test_a_picture_from_16_px_is_crisp(stages, real) -> None:
    low = shrink(real, 16)
    pictures = enlarged(stages, low)
    assert pictures.shape == real.shape
    assert crispness(pictures) > 2.5 * crispness(bicubic(low, 128))
    assert crispness(pictures) > 0.32 * crispness(real)
    assert psnr(pictures, real) > psnr(bicubic(low, 128), real) - 0.3


def test_one_seed_is_one_picture_and_another_is_another(stages, real) -> None:
    low = shrink(real[:1], 16)
    first, again, other = (enlarged(stages[:1], low, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
