import pytest
import torch
import torch.nn.functional as F

from models.checkpoint import CheckpointError
from models.dalle2 import decoder, prior, upsampler
from models.dalle2.decoder import IMAGE_DROP, TEXT_DROP, Decoder, condition, drop, null_condition
from models.diffusion.sampler import Request


@pytest.fixture(scope="module")
def net() -> Decoder:
    return Decoder.load()


def request(net, rows: int, sigma: float, guidance: float, seed: int) -> Request:
    g = torch.Generator().manual_seed(seed)
    x = sigma * torch.randn(rows, *net.shape, generator=g)
    embeds = F.normalize(torch.randn(2, rows, 256, generator=g), dim=-1)
    cond = {
        "image_embed": embeds[0],
        "text_embed": embeds[1],
        "guidance_scale": torch.full((rows,), guidance),
    }
    return Request(net, x, torch.full((rows,), sigma, dtype=torch.float64), cond)


def test_rows_batched_with_strangers_equal_rows_alone(net) -> None:
    """Other visitors, other noise levels, other guidance: within bf16's rounding nothing changes."""
    asked = [
        request(net, 1, 20.0, 2.0, 1),
        request(net, 3, 0.4, 1.0, 2),
        request(net, 2, 0.05, 0.0, 3),
    ]
    with torch.inference_mode():
        together = net.answer(asked)
        for one, shared in zip(asked, together, strict=True):
            alone = net.answer([one])[0]
            assert alone.shape == shared.shape == one.x.shape
            assert (alone - shared).abs().max() < 0.05


def test_guidance_one_is_the_conditional_estimate_and_zero_the_unconditional(net) -> None:
    asked = request(net, 2, 1.0, 1.0, 4)
    cond = condition(asked.cond["image_embed"], asked.cond["text_embed"])
    with torch.inference_mode():
        guided = net.answer([asked])[0]
        zero = net.answer([request(net, 2, 1.0, 0.0, 4)])[0]
        with torch.autocast("cpu", torch.bfloat16):
            plain = net.denoiser(asked.x, asked.sigma, **cond)
            null = net.denoiser(asked.x, asked.sigma, **null_condition(cond))
    assert (guided - plain).abs().max() < 0.02
    assert (zero - null).abs().max() < 0.05
    assert (plain - null).abs().max() > 0.1


def test_both_conditions_are_dropped_independently() -> None:
    torch.manual_seed(0)
    embeds = F.normalize(torch.randn(20_000, 8), dim=1)
    dropped = drop(condition(embeds, embeds))
    image, text = ~dropped["has_image"], ~dropped["has_text"]
    assert image.float().mean().item() == pytest.approx(IMAGE_DROP, abs=0.01)
    assert text.float().mean().item() == pytest.approx(TEXT_DROP, abs=0.015)
    assert (image & text).float().mean().item() == pytest.approx(IMAGE_DROP * TEXT_DROP, abs=0.01)
    assert not torch.equal(dropped["image_embed"], embeds)


def test_upsampler_rows_batched_equal_rows_alone() -> None:
    net = upsampler.Upsampler.load()
    g = torch.Generator().manual_seed(0)

    def ask(rows: int, sigma: float) -> Request:
        cond = {
            "low": torch.rand(rows, 3, 16, 16, generator=g) * 2 - 1,
            "image_embed": F.normalize(torch.randn(rows, 256, generator=g), dim=1),
        }
        x = upsampler.enlarge(cond["low"], 32) + sigma * torch.randn(rows, 3, 32, 32, generator=g)
        return Request(net, x, torch.full((rows,), sigma, dtype=torch.float64), cond)

    asked = [ask(1, 0.5), ask(2, 0.05)]
    with torch.inference_mode():
        for one, shared in zip(asked, net.answer(asked), strict=True):
            assert (net.answer([one])[0] - shared).abs().max() < 0.05


@pytest.mark.parametrize("kind", [decoder.Decoder, upsampler.Upsampler, prior.Prior])
def test_missing_checkpoints_are_named(kind, tmp_path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors: file is missing"):
        kind.load(tmp_path / "gone.safetensors")
