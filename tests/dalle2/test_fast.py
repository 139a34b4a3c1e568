"""The OpenVINO back end: the same answers, for every batch and caption length."""

import sys

import pytest
import torch

from models.dalle2 import decoder, fast, prior
from models.dalle2.upsampler import UPSAMPLERS
from models.diffusion.sampler import Request

needs_openvino = pytest.mark.skipif(not fast.installed(), reason="OpenVINO is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def ask(net, rows: int, tokens: int = 4, seed: int = 0) -> Request:
    g = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(*shape, generator=g), dim=-1)

    cond = {
        "low": torch.rand(rows, 3, net.shape[-1] // 2, net.shape[-1] // 2, generator=g) * 2 - 1,
        "image_embed": unit(rows, 256),
        "text_embed": unit(rows, 256),
        "states": torch.randn(rows, tokens, getattr(net.config, "states", 1), generator=g),
        "guidance_scale": torch.full((rows,), 2.0),
    }
    sigma = torch.full((rows,), 0.2 * net.sigma_data, dtype=torch.float64)
    return Request(net, torch.randn(rows, *net.shape, generator=g) * 0.5, sigma, cond)


@needs_openvino
@pytest.mark.parametrize("kind", [prior.Prior, decoder.Decoder, *UPSAMPLERS])
def test_answers_agree_for_every_batch(kind) -> None:
    """Against float32, OpenVINO may be off by as much as torch's own bf16, within a factor of two."""
    plain, exact, compiled = kind.load(), kind.load(), kind.load()
    plain.use_torch(torch.bfloat16)
    exact.use_torch(torch.float32)
    compiled.use_openvino(2)
    for rows, tokens in ((1, 4), (3, 7), (2, 4)):
        asked = [[ask(net, rows, tokens)] for net in (plain, exact, compiled)]
        with torch.inference_mode():
            a, b, c = (
                net.answer(r)[0] for net, r in zip((plain, exact, compiled), asked, strict=True)
            )
        assert c.shape == b.shape and torch.isfinite(c).all()
        off, allowed = (c - b).square().mean().sqrt(), (a - b).square().mean().sqrt()
        assert off <= 2 * allowed + 1e-3, (rows, float(off), float(allowed))


@needs_openvino
def test_a_converted_network_is_kept_and_read_again(monkeypatch) -> None:
    kind = UPSAMPLERS[0]
    first = kind.load()
    first.use_openvino(1)
    with torch.inference_mode():
        one = first.answer([ask(first, 1)])[0]

    def never(*_):
        raise AssertionError("converted twice")

    monkeypatch.setattr(fast.Compiled, "_convert", never)
    second = kind.load()
    second.use_openvino(1)
    with torch.inference_mode():
        assert torch.equal(second.answer([ask(second, 1)])[0], one)


@needs_openvino
def test_threads_of_a_forward_may_change_between_those_it_is_prepared_for() -> None:
    net = UPSAMPLERS[0].load()
    net.use_openvino(2, 1)
    asked = ask(net, 2)
    answers = []
    with torch.inference_mode():
        for threads in (2, 1, 2, 7):  # 7: as before, nothing is compiled for it
            net.use_threads(threads)
            answers.append(net.answer([asked])[0])
    assert set(net.denoiser.network._requests) == {1, 2}
    for answer in answers[1:]:
        assert torch.allclose(answer, answers[0], atol=0.02)


@needs_openvino
def test_nothing_is_reported_to_anybody() -> None:
    """The package would tell an analytics server about every conversion."""
    fast.load_openvino()
    assert sys.modules["openvino_telemetry"] is None


@needs_openvino
def test_other_weights_are_another_network() -> None:
    net = UPSAMPLERS[0].trained_network()[0].network
    assert fast.Compiled(net, (1,), "a")._key() != fast.Compiled(net, (1,), "b")._key()


@needs_openvino
def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    net = UPSAMPLERS[0].load()
    net.use_openvino(1)
    with torch.inference_mode():
        assert torch.isfinite(net.answer([ask(net, 1)])[0]).all()


def test_without_the_package_torch_answers(monkeypatch) -> None:
    monkeypatch.setattr(fast.importlib.util, "find_spec", lambda name: None)
    assert not fast.installed()
