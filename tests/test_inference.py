"""Networks as they compute for visitors: the same answers, half the memory."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models import inference
from models.dalle2 import decoder, prior
from models.dalle2.clip import load_clip
from models.dalle2.reading import ReadingStage
from models.dalle2.unet import ChannelNorm
from models.dalle2.upsampler import UPSAMPLERS
from models.diffusion.sampler import Request
from models.inference import Conv, Doubling, prepare

BF16, FLOAT32 = torch.bfloat16, torch.float32
KINDS = [prior.Prior, decoder.Decoder, *UPSAMPLERS]


def channels_last(*shape: int, seed: int = 0) -> torch.Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


def under_autocast(module: nn.Module, *given: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode(), torch.autocast("cpu", BF16):
        return module(*given)


def prepared(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    return prepare(copy.deepcopy(module).eval(), dtype)


@pytest.mark.parametrize("capability", [None, *inference.MULTIPLIES_BF16])
def test_bf16_is_computed_where_the_processor_multiplies_it(monkeypatch, capability) -> None:
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_f": True, capability: True}, raising=False
    )
    fresh = inference.arithmetic.__wrapped__
    assert fresh() is (FLOAT32 if capability is None else BF16)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert fresh() is BF16  # an older PyTorch does not say


@pytest.mark.parametrize(
    "layer, x",
    [
        (nn.Linear(24, 40), torch.randn(3, 5, 24)),
        (nn.Linear(24, 40, bias=False), torch.randn(1, 24)),
        (nn.Conv2d(6, 32, 3, padding=1), channels_last(2, 6, 8, 8)),
        (nn.Conv2d(32, 48, 3, stride=2, padding=1), channels_last(1, 32, 8, 8)),
        (nn.Conv2d(32, 16, 1, bias=False), channels_last(3, 32, 4, 4)),
    ],
)
def test_layers_give_the_very_bits_of_autocast(layer, x) -> None:
    with torch.inference_mode():
        assert torch.equal(prepared(layer, BF16)(x), under_autocast(layer, x))
        assert torch.allclose(prepared(layer, FLOAT32)(x), layer(x), atol=1e-5)


@pytest.mark.parametrize("size", [4, 8, 16])  # both ways of PreparedDoubling
@pytest.mark.parametrize("packs", [True, False])
def test_a_doubling_convolution_is_the_convolution_of_the_doubled_picture(
    size, packs, monkeypatch
) -> None:
    if not packs:
        monkeypatch.setattr(inference, "packs", lambda dtype: False)
    layer, x = Doubling(16, 24, 3, padding=1), channels_last(2, 16, size, size)
    with torch.inference_mode():
        exact = layer(x)
        assert exact.shape == (2, 24, 2 * size, 2 * size)
        assert torch.allclose(prepared(layer, FLOAT32)(x), exact, atol=1e-5)
        off = (prepared(layer, BF16)(x) - exact).square().mean()
    assert off <= 1.2 * (under_autocast(layer, x) - exact).square().mean()


@pytest.mark.parametrize("packs", [True, False])
def test_activations_and_sums_are_computed_with_the_convolution(packs, monkeypatch) -> None:
    if not packs:
        monkeypatch.setattr(inference, "packs", lambda dtype: False)
    layer, x, more = (
        Conv(16, 16, 3, padding=1),
        channels_last(2, 16, 8, 8),
        channels_last(2, 16, 8, 8),
    )
    with torch.inference_mode():
        own = prepared(layer, FLOAT32)
        assert torch.allclose(
            own(x, silu=True), F.silu(F.conv2d(x, layer.weight, layer.bias, padding=1)), atol=1e-5
        )
        expected = layer(x, plus=more)
        taken = more.clone(memory_format=torch.channels_last)
        total = own(x, plus=taken)
    assert torch.allclose(total, expected, atol=1e-5)
    assert total.data_ptr() == taken.data_ptr()  # as said: its memory is taken for the sum


def test_sequences_are_joined_with_what_follows() -> None:
    norm = nn.BatchNorm2d(16)
    norm.running_mean.normal_()  # type: ignore[union-attr]
    norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    layers = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), norm, nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 8), nn.GELU(), nn.Linear(8, 4), nn.SiLU(),
    ).eval()  # fmt: skip
    own, x = prepared(layers, FLOAT32), channels_last(2, 3, 4, 4)
    assert len(own) == 5
    with torch.inference_mode():
        assert torch.allclose(own(x), layers(x), atol=1e-5)


def test_norms_are_computed_in_float32() -> None:
    norm = ChannelNorm(32)
    nn.init.normal_(norm.weight)
    x, film = channels_last(2, 32, 4, 4).to(BF16), (torch.randn(2, 32), torch.randn(2, 32))
    with torch.inference_mode():
        exact = norm(x.float(), film, silu=True)
        found = prepared(norm, BF16)(x, film, silu=True)
    assert found.dtype is BF16 and torch.equal(found, exact.to(BF16))


def ask(net, rows: int, seed: int, guidance: float = 2.5) -> Request:
    g = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> torch.Tensor:
        return F.normalize(torch.randn(*shape, generator=g), dim=-1)

    cond = {
        "low": torch.rand(rows, 3, net.shape[-1] // 2, net.shape[-1] // 2, generator=g) * 2 - 1,
        "image_embed": unit(rows, 256),
        "text_embed": unit(rows, 256),
        "states": torch.randn(rows, 3 + seed, getattr(net.config, "states", 1), generator=g),
        "guidance_scale": torch.full((rows,), guidance),
    }
    sigma = torch.full((rows,), (0.1 + 0.4 * seed) * net.sigma_data, dtype=torch.float64)
    return Request(net, torch.randn(rows, *net.shape, generator=g) * 0.5, sigma, cond)


def as_trained(kind):
    """A stage whose network is the float32 one, for autocast to round."""
    net = kind.load()
    network = kind.trained_network()[0].network
    net.use_torch(FLOAT32)
    net.denoiser.network = network
    if isinstance(net, ReadingStage):
        net.read_with(network)
    return net


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_rounds_no_more_than_autocast_over_its_float32_weights(kind) -> None:
    trained, for_autocast, exact, own = as_trained(kind), as_trained(kind), kind.load(), kind.load()
    exact.use_torch(FLOAT32)
    own.use_torch(BF16)

    def answers(net) -> torch.Tensor:
        return torch.cat(net.answer([ask(net, 1, 0), ask(net, 3, 1), ask(net, 2, 2, 1.0)]))

    with torch.inference_mode():
        true, found, plain = answers(exact), answers(own), answers(trained)
        with torch.autocast("cpu", BF16):
            rounded = answers(for_autocast)
    assert torch.allclose(true, plain, atol=1e-4)
    off, allowed = ((a - true).square().mean().sqrt() for a in (found, rounded))
    assert 0 < off <= 1.1 * allowed, (float(off), float(allowed))


def held(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def size_of(tensors) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_rounded_weights_are_in_memory(kind) -> None:
    trained = size_of(held(kind.trained_network()[0]))
    net = kind.load()
    net.use_torch(BF16)
    own = held(net.denoiser)
    # Norms and nulls stay in float32; doubling convolutions are kept in 4 x 4 of 9 numbers, twice.
    assert size_of(own) <= 0.64 * trained
    assert all(t.numel() < 5000 for t in own if t.dtype is FLOAT32)


def test_a_run_is_read_once_and_every_run_for_itself(monkeypatch) -> None:
    """What does not depend on the noise is computed at the first step only, whoever shares it."""
    net, reads = decoder.Decoder.load(), []
    read = decoder.DecoderNetwork.read

    def counted(self, *, image_embed, **rest):
        reads.append(len(image_embed))
        return read(self, image_embed=image_embed, **rest)

    monkeypatch.setattr(decoder.DecoderNetwork, "read", counted)
    first, second = ask(net, 1, 0), ask(net, 2, 1)
    with torch.inference_mode():
        alone = net.answer([first])[0]
        again, _ = net.answer([first, second])
        assert (again - alone).square().mean().sqrt() < 0.004
        net.answer([second, first])
        assert reads == [1, 1, 2]  # the first run, what stands for nothing, the second run
        other = Request(net, first.x, first.sigma, ask(net, 1, 5).cond)
        assert (net.answer([other])[0] - alone).square().mean().sqrt() > 0.01
        net.use_torch()  # another network has to read for itself
        net.answer([first])
    assert reads == [1, 1, 2, 1, 1, 1]


def test_the_judges_clip_is_the_trained_one() -> None:
    """It keeps float32: cosines are told, and thresholds set, to four digits."""
    trained, x = load_clip(), torch.rand(3, 3, 32, 32) * 2 - 1
    own = prepared(trained, FLOAT32)
    with torch.inference_mode():
        assert torch.allclose(own.image_embed(x), trained.image_embed(x), atol=1e-5)
