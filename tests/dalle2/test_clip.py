import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.dalle2.clip import Clip, ClipConfig, contrastive_loss, load_clip, recall
from models.dalle2.data import STILL, compose
from models.dalle2.layout import INDEX
from models.dalle2.text import load_text, pad
from models.dalle2.train_towers import CaptionFacts


def test_contrastive_loss_is_symmetric_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 6)
    none = torch.zeros(6, 6, dtype=torch.bool)
    rows = -logits.log_softmax(1).diagonal().mean()
    columns = -logits.log_softmax(0).diagonal().mean()
    assert contrastive_loss(logits, none).item() == pytest.approx(
        ((rows + columns) / 2).item(), abs=1e-6
    )


def test_duplicates_are_no_negatives() -> None:
    """Two pictures of the same thing with the same caption must not push each other away."""
    logits = torch.full((2, 2), 50.0)
    all_true = torch.ones(2, 2, dtype=torch.bool)
    assert contrastive_loss(logits, all_true).item() == pytest.approx(0, abs=1e-6)
    assert contrastive_loss(logits, ~all_true).item() == pytest.approx(math.log(2), abs=1e-6)


def test_recall_counts_ranks() -> None:
    text = torch.eye(4)
    image = F.normalize(torch.tensor([[1.0, 0.5, 0, 0], [1.0, 0.5, 0, 0]]), dim=1)
    target = torch.tensor([0, 1])
    assert recall(image, text, target, 1) == 0.5
    assert recall(image, text, target, 2) == 1.0


def test_embeddings_have_unit_length_and_the_temperature_is_capped() -> None:
    net = Clip(ClipConfig(channels=(16, 16, 16), blocks=1)).eval()
    assert net.image_embed(torch.randn(2, 3, 32, 32)).norm(dim=1).tolist() == pytest.approx([1, 1])
    assert net.text_embed(F.normalize(torch.randn(2, 384), dim=1)).norm(
        dim=1
    ).tolist() == pytest.approx([1, 1])
    with torch.no_grad():
        net.log_scale.fill_(10.0)
    assert net.scale().item() == pytest.approx(100)


def test_shipped_clip_finds_drawings_it_never_saw(sprites) -> None:
    """Held-out renderings of the fixture, their label among the fixture's 25: chance is 0.04."""
    encoder, tokenizer = load_text()
    clip = load_clip()
    rows = sprites.of("held_out_rendering")
    none = [None] * len(rows)
    with torch.inference_mode():
        image = clip.image_embed(compose(sprites.rgba[rows], none, none, torch.Generator(), STILL))
        _, sentence = encoder(*pad([tokenizer(c["label"]).ids for c in sprites.concepts]))
        text = clip.text_embed(sentence)
    assert recall(image, text, torch.from_numpy(sprites.concept[rows]), 1) >= 0.5


def test_recall_counts_twins_as_right() -> None:
    image = torch.eye(4)
    text = torch.eye(4)[[1, 0, 2, 3]]  # the first two are swapped
    target = torch.arange(4)
    same = torch.eye(4, dtype=torch.bool)
    assert recall(image, text, target, 1) == recall(image, text, target, 1, same) == 0.5
    same[0, 1] = same[1, 0] = True
    assert recall(image, text, target, 1, same) == 1.0


def rows_of(*scenes: tuple[int, int, int, int, str, bool]) -> CaptionFacts:
    """(sprite, other, colour, background, layout, loose); sprite i shows concept i."""
    first, other, colour, ground, layout, loose = (np.array(x) for x in zip(*scenes, strict=True))
    sprites = SimpleNamespace(concept=np.arange(4))
    index = np.array([INDEX[str(name)] for name in layout])
    drawn = SimpleNamespace(
        sprite=first, other=other, colour=colour, background=ground, layout=index, loose=loose
    )
    return CaptionFacts(sprites, drawn, torch.zeros(4, 4, dtype=torch.bool))


def test_a_caption_is_true_of_pictures_that_show_what_it_says() -> None:
    facts = rows_of(
        (0, -1, -1, -1, "whole", False),  # a cat
        (0, -1, 2, -1, "whole", False),  # a red cat
        (0, -1, -1, -1, "two", False),  # two cats
        (0, 1, -1, -1, "beside", False),  # a cat left of a dog
        (1, 0, -1, -1, "beside", False),  # a dog left of a cat
        (1, 0, -1, -1, "beside", True),  # a cat and a dog
        (0, 1, -1, -1, "above", False),  # a cat above a dog
    )
    fits = facts.fits(torch.arange(7))
    assert fits.diagonal().all()
    assert fits[0].all()  # there is a cat in every one of them
    assert fits[1].tolist() == [False, True, False, False, False, False, False]
    assert fits[2].tolist() == [False, False, True, False, False, False, False]
    assert fits[3].tolist() == [False, False, False, True, False, False, False]
    assert fits[4].tolist() == [False, False, False, False, True, True, False]
    assert fits[5].tolist() == [False, False, False, True, True, True, True]
