"""Cache, padding and masks: what is computed once must equal what is computed anew."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle1.transformer import TokenTransformer, TransformerConfig

CONFIG = TransformerConfig(
    codes=50, side=4, text=6, word=8, summary=12, width=32, layers=3, heads=2
)


@pytest.fixture(scope="module")
def net() -> TokenTransformer:
    torch.manual_seed(0)
    net = TokenTransformer(CONFIG)
    for parameter in net.parameters():  # away from the calm start, where masks hardly matter
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return net.eval()


def caption(rows: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Summary, words and mask."""
    summary, words = torch.randn(rows, CONFIG.summary), torch.randn(rows, length, CONFIG.word)
    return F.normalize(summary, dim=1), words, torch.ones(rows, 1 + length, dtype=torch.bool)


def test_a_place_does_not_see_itself_or_later_ones(net: TokenTransformer) -> None:
    summary, words, mask = caption(1, 4)
    codes = torch.randint(50, (1, 16))
    changed = codes.clone()
    changed[:, 9] = (codes[:, 9] + 1) % 50
    with torch.no_grad():
        before, after = (net(summary, words, mask, c) for c in (codes, changed))
    difference = (before - after).abs().amax((0, 2))
    assert difference[:10].max() == 0
    assert (difference[10:] > 1e-4).all()


def test_padding_of_a_caption_changes_nothing(net: TokenTransformer) -> None:
    summary, words, mask = caption(2, 6)
    codes = torch.randint(50, (2, 16))
    mask[:, 5:] = False
    with torch.no_grad():
        long = net(summary, words, mask, codes)
        short = net(summary, words[:, :4], mask[:, :5], codes)
    assert torch.allclose(long, short, atol=1e-5)


def test_the_caption_matters(net: TokenTransformer) -> None:
    summary, words, mask = caption(1, 5)
    codes = torch.randint(50, (1, 16))
    with torch.no_grad():
        given, free = (
            net(summary, words, mask, codes),
            net(summary, words, torch.zeros_like(mask), codes),
        )
    assert (given - free).abs().max() > 0.01


@torch.no_grad()
def test_steps_with_a_cache_equal_the_whole_sequence(net: TokenTransformer) -> None:
    """Rows with captions of 5 and 3 words and with none, each advanced on its own slots."""
    lengths = [6, 4, 0]
    summary, words, _ = caption(3, 5)
    mask = torch.arange(6) < torch.tensor([6, 4, 0])[:, None]
    codes = torch.randint(50, (3, 16))
    whole = net(summary, words, mask, codes)

    logits, kept = net.prefill(summary, words, mask)
    assert torch.allclose(logits, whole[:, 0], atol=1e-4)
    cache = torch.randn(
        3, CONFIG.layers, 2, CONFIG.heads, CONFIG.slots, 16
    )  # rubbish beyond filled
    for i, length in enumerate(lengths):
        cache[i, ..., :length, :] = kept[i, ..., :length, :]
        cache[i, ..., length, :] = kept[i, ..., -1, :]
    filled = torch.tensor(lengths) + 1
    for place in range(1, 16):
        logits, new = net.step(codes[:, place - 1], torch.full((3,), place), cache, filled)
        assert torch.allclose(logits, whole[:, place], atol=1e-4), place
        cache[torch.arange(3), ..., filled, :] = new
        filled = filled + 1


@torch.no_grad()
def test_rows_at_different_places_share_a_forward(net: TokenTransformer) -> None:
    cache = torch.randn(2, CONFIG.layers, 2, CONFIG.heads, CONFIG.slots, 16)
    last, place, filled = torch.tensor([7, 21]), torch.tensor([3, 12]), torch.tensor([6, 17])
    both, _ = net.step(last, place, cache, filled)
    for i in range(2):
        used = int(filled[i])
        one = [last[i : i + 1], place[i : i + 1], cache[i : i + 1, ..., :used, :]]
        alone, _ = net.step(*one, filled[i : i + 1])
        assert torch.allclose(both[i], alone[0], atol=1e-5)
