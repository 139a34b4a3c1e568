from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from models.checkpoint import CheckpointError
from models.dalle2 import decoder, prior
from models.dalle2.decoder import (
    IMAGE_DROP,
    STATES_DROP,
    TEXT_DROP,
    Decoder,
    condition,
    drop,
    null_condition,
)
from models.dalle2.network import gather_states
from models.dalle2.upsampler import UPSAMPLERS
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


@pytest.mark.parametrize("kind", [decoder.Decoder, prior.Prior, *UPSAMPLERS])
def test_missing_checkpoints_are_named(kind, tmp_path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors: file is missing"):
        kind.load(tmp_path / "gone.safetensors")


def small(states: int) -> decoder.DecoderNetwork:
    torch.manual_seed(0)
    config = decoder.DecoderConfig(
        sigma_data=0.6,
        embed=8,
        widths=(16, 32),
        attention=(1,),
        condition=16,
        context=8,
        sketch=8,
        states=states,
    )
    return decoder.DecoderNetwork(config).eval()


def test_token_states_are_read_with_the_text_only() -> None:
    """They start without effect (a warm start loses nothing); then they matter, unless the text is
    dropped, and rows without a token are as rows without states."""
    net, other = small(12), torch.randn(2, 3, 12)
    for name, weight in net.named_parameters():  # many start at zero, which would hide every input
        if weight.ndim > 1 and "pool" not in name:
            torch.nn.init.normal_(weight, std=0.1)
    embeds = F.normalize(torch.randn(2, 8), dim=1)
    x, noise = torch.randn(2, 3, 16, 16), torch.zeros(2)

    def out(states: torch.Tensor | None, has_text: bool = True) -> torch.Tensor:
        told = torch.full((2,), has_text)
        with torch.inference_mode():
            return net(x, noise, **condition(embeds, embeds, told, states))

    assert torch.equal(out(other), out(None))
    torch.nn.init.normal_(net.pool.value.weight)
    assert (out(other) - out(None)).abs().max() > 1e-3
    assert torch.equal(out(other, has_text=False), out(None, has_text=False))
    assert torch.equal(out(torch.zeros(2, 1, 12)), out(None))


def test_states_are_dropped_now_and_then_and_alone() -> None:
    torch.manual_seed(0)
    embeds, states = F.normalize(torch.randn(5000, 8), dim=1), torch.ones(5000, 2, 4)
    dropped = drop(condition(embeds, embeds, states=states))
    gone = dropped["states"].abs().sum((1, 2)) == 0
    assert gone.float().mean().item() == pytest.approx(STATES_DROP, abs=0.02)
    assert (gone & dropped["has_text"]).any() and (~gone & ~dropped["has_text"]).any()


def test_requests_with_and_without_states_share_a_forward() -> None:
    with_states = SimpleNamespace(x=torch.zeros(2, 1), cond={"states": torch.ones(2, 5, 4)})
    without = SimpleNamespace(x=torch.zeros(1, 1), cond={})
    states = gather_states([with_states, without], 4)
    assert states.shape == (3, 5, 4)
    assert states[:2].min() == 1 and states[2].abs().max() == 0
