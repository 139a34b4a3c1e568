import math

import pytest
import torch
import torch.nn.functional as F

from models.dalle2.prior import PriorConfig, PriorNetwork, better_of_two, on_or_in_sphere
from models.dalle2.text import TokenPool


def test_better_of_two_takes_the_nearer_draw_of_each_row() -> None:
    text = torch.eye(3)[:2]
    first = torch.tensor([[5.0, 0, 0], [5.0, 0, 0]])
    second = torch.tensor([[0, 0, 2.0], [0, 2.0, 0]])
    kept, chosen = better_of_two(first, second, text)
    assert chosen.tolist() == [0, 1]
    assert torch.allclose(kept, text)


def test_estimates_stay_on_or_in_the_sphere() -> None:
    x = torch.randn(4, 16) * torch.tensor([[0.1], [1.0], [3.0], [30.0]])
    y = on_or_in_sphere(x)
    assert (y.norm(dim=1) <= 4.0001).all()
    assert torch.equal(y[0], x[0])
    assert F.cosine_similarity(x, y).tolist() == pytest.approx([1] * 4)


def test_dropping_the_text_removes_tokens_and_embedding_together() -> None:
    torch.manual_seed(0)
    net = PriorNetwork(PriorConfig(sigma_data=1.0, embed=16, states=8, width=32, blocks=1, heads=4))
    torch.nn.init.normal_(net.blocks[0].film.weight)
    x, c = torch.randn(2, 16), torch.zeros(2)
    no = torch.zeros(2, dtype=torch.bool)

    def answer(scale: float, has: torch.Tensor) -> torch.Tensor:
        text, states = scale * torch.ones(2, 16), scale * torch.ones(2, 3, 8)
        return net(x, c, text, states, torch.ones(2, 3, dtype=torch.bool), has)

    assert torch.equal(answer(1.0, no), answer(7.0, no))
    assert not torch.allclose(answer(1.0, ~no), answer(7.0, ~no))


def test_pooling_ignores_padding() -> None:
    torch.manual_seed(0)
    pool = TokenPool(8, 16, 4)
    states = torch.randn(1, 3, 8)
    padded = F.pad(states, (0, 0, 0, 4), value=9.0)
    mask = torch.arange(7)[None] < 3
    assert torch.allclose(pool(padded, mask), pool(states, mask[:, :3]), atol=1e-6)


def test_shipped_prior_lands_near_the_data(pipeline) -> None:
    """Samples have the length of data and point to the caption more than to another one."""
    from models.diffusion.sampler import run
    from models.pipeline import SampleSettings

    settings = SampleSettings(steps=12, samples=4, schedule=pipeline.defaults.schedule)
    result = run(pipeline.run(pipeline.parse({"prompt": "a pizza"}), settings))
    assert result.image_embed.norm(dim=1).tolist() == pytest.approx([1.0] * 4, abs=1e-3)
    with torch.inference_mode():
        reads = [
            pipeline.text.answer([_request(pipeline, text)])[0]["text_embed"]
            for text in ("a pizza", "a train")
        ]
    own, other = (result.image_embed @ r.T for r in reads)
    assert (own > other + 0.15).all()
    assert result.prior is not None and math.isfinite(float(result.prior.cosine.sum()))


def _request(pipeline, prompt):
    from models.diffusion.sampler import Request

    ids = pipeline.tokenizer(prompt).ids
    return Request(pipeline.text, torch.zeros(1, 0), torch.zeros(1), cond=[ids], frame=False)
