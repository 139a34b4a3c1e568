"""Sampling: what is drawn depends on the seed and the caption, not on who shares the forward."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.dalle1.drawing import choose, draw, guide
from models.dalle1.network import TokenNetwork
from models.dalle1.tokenizer import ImageTokenizer, TokenizerConfig
from models.dalle1.transformer import TokenTransformer, TransformerConfig
from models.diffusion.sampler import Request, Run, run
from models.evaluation.drawing import run_together
from models.pipeline import sample_generators

CONFIG = TransformerConfig(codes=40, side=4, text=5, word=8, summary=6, width=32, layers=2, heads=2)


@pytest.fixture(scope="module")
def net() -> TokenNetwork:
    torch.manual_seed(1)
    transformer = TokenTransformer(CONFIG)
    for parameter in transformer.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    shape = TokenizerConfig(size=16, side=4, codes=40, code=4, encoder=(8, 8), decoder=(8, 8))
    return TokenNetwork(transformer.eval(), ImageTokenizer(shape).eval(), torch.randn(20, 8))


def summary_of(ids: tuple[int, ...]) -> Tensor:
    return torch.randn(1, 6, generator=torch.Generator().manual_seed(ids[0]))


def drawing(net: TokenNetwork, seed: int, samples: int, ids: tuple[int, ...], **more: float) -> Run:
    settings = {"temperature": 1.0, "top_k": 40, "guidance_scale": 1.0, **more}
    summary, generators = summary_of(ids), sample_generators(seed, samples)
    return draw(net, CONFIG, ids, summary, generators, **settings)  # type: ignore[arg-type]


@torch.inference_mode()
def answers_of(net: TokenNetwork, requests: list[Request]) -> list[dict[str, Any]]:
    return net.answer(requests)


def uncached(net: TokenNetwork, ids: tuple[int, ...], codes: Tensor, scale: float) -> Tensor:
    """Logits of every place from whole sequences, without a cache. -> (S, places, codes)"""
    rows = len(codes)
    words = net.table[torch.tensor(ids)].expand(rows, -1, -1)
    summary = summary_of(ids).expand(rows, -1)
    mask = torch.ones(rows, 1 + len(ids), dtype=torch.bool)
    given = net.transformer(summary, words, mask, codes)
    free = net.transformer(summary, words, ~mask, codes)
    return free + scale * (given - free)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_drawing_with_a_cache_equals_drawing_without(net: TokenNetwork, scale: float) -> None:
    """Every code is the one that the whole sequence's logits and the same random numbers choose."""
    ids = (3, 7, 11)
    codes = run(drawing(net, 5, 3, ids, guidance_scale=scale))
    assert codes.shape == (3, 16) and (codes >= 0).all()
    generators = sample_generators(5, 3)
    with torch.inference_mode():
        logits = uncached(net, ids, codes, scale)
    for place in range(16):
        assert choose(logits[:, place], generators, 1.0, 40).tolist() == codes[:, place].tolist()


def test_a_sample_is_the_same_alone_and_in_company(net: TokenNetwork) -> None:
    """Runs of other lengths, sizes and settings, at other places of their pictures, share forwards."""
    alone = run(drawing(net, 9, 1, (1, 2)))
    several = run(drawing(net, 9, 4, (1, 2)))
    late = drawing(net, 9, 2, (1, 2))
    others = [
        drawing(net, 4, 3, (5, 6, 7, 8), guidance_scale=3.0),
        drawing(net, 2, 1, (9,), top_k=3),
    ]
    together = run_together([others[0], late, others[1]])
    assert torch.equal(several[:1], alone)
    assert torch.equal(together[1], several[:2])


def test_a_run_may_join_while_another_is_half_way(net: TokenNetwork) -> None:
    expected = [run(drawing(net, seed, 1, (1, 2))) for seed in (0, 1)]
    first, second = drawing(net, 0, 1, (1, 2)), drawing(net, 1, 1, (1, 2))
    request = next(first)
    for _ in range(7):
        request = first.send(answers_of(net, [request])[0])
    other = next(second)
    other = second.send(answers_of(net, [other])[0])
    results: list[Tensor] = []
    pending: list[tuple[Run, Request]] = [(first, request), (second, other)]
    while pending:
        answers = answers_of(net, [asked for _, asked in pending])
        going = []
        for (generator, _), answer in zip(pending, answers, strict=True):
            try:
                going.append((generator, generator.send(answer)))
            except StopIteration as stop:
                results.append(stop.value)
        pending = going
    assert [r.tolist() for r in results] == [e.tolist() for e in expected]


def test_frames_show_the_codes_so_far(net: TokenNetwork) -> None:
    seen: list[tuple[int, int, bool]] = []

    def watch(request: Request, answer: dict[str, Tensor]) -> None:
        drawn = int((request.x >= 0).sum())
        seen.append((request.step, drawn, answer["picture"] is not None))

    generator = draw(
        net,
        CONFIG,
        (4,),
        summary_of((4,)),
        sample_generators(0, 1),
        temperature=1.0,
        top_k=5,
        picture_every=2,
    )
    run(generator, watch)
    assert seen == [(step, step, step % 2 == 0) for step in range(16)]


def test_a_caption_longer_than_the_transformer_reads_is_cut(net: TokenNetwork) -> None:
    long, cut = tuple(range(12)), tuple(range(5))
    assert torch.equal(run(drawing(net, 3, 1, long)), run(drawing(net, 3, 1, cut)))


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, -1.0, 1.9]])
    assert choose(logits, sample_generators(0, 2), 0.0, 3).tolist() == [1, 0]


def test_top_k_and_temperature_shape_the_distribution() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]]).expand(4000, -1)
    generators = [torch.Generator().manual_seed(i) for i in range(4000)]
    drawn = torch.bincount(choose(logits, generators, 0.5, 3), minlength=4) / 4000
    expected = (torch.tensor([2.0, 1.0, 0.0]) / 0.5).softmax(0)
    assert drawn[3] == 0
    assert torch.allclose(drawn[:3], expected, atol=0.03)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        choose(torch.tensor([[0.0, torch.nan]]), sample_generators(0, 1), 1.0, 2)


def test_guidance_moves_away_from_the_captionless_logits() -> None:
    given, free = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    assert guide(torch.cat([given, free]), 1, 3.0).tolist() == [[3.0, 0.0]]
    assert guide(given, 1, 3.0).tolist() == given.tolist()
