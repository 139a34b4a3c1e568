import torch

from models.dalle2.data import STILL, compose, load_sprites
from models.evaluation.classifier import (
    Classifier,
    ClassifierConfig,
    accuracy,
    augmented_batches,
    load_classifier,
    ranks_of,
)

FIXTURE = "tests/fixtures/images"


def test_ranks_count_the_classes_above() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert ranks_of(logits, torch.tensor([0, 2])).tolist() == [0, 2]


def test_batches_are_pictures_with_their_concepts() -> None:
    sprites = load_sprites(FIXTURE)
    x, concept = next(augmented_batches(sprites, sprites.of("train"), 16, seed=1))
    assert x.shape == (16, 3, 32, 32) and x.abs().max() <= 1
    assert set(concept.tolist()) <= set(sprites.concept[sprites.of("train")].tolist())


def test_classifier_learns_and_is_scored() -> None:
    torch.manual_seed(0)
    x = torch.rand(8, 3, 32, 32) * 2 - 1
    target = torch.arange(8)
    net = Classifier(ClassifierConfig(tuple("abcdefgh"), channels=(8, 16)))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), target).backward()
        optimizer.step()
    assert accuracy(net, x, target)["top5"] >= 0.9


def test_shipped_judge_names_drawings_it_never_saw() -> None:
    """Held-out renderings of the fixture: the judge has the right one of 1,310 names within five."""
    sprites, net = load_sprites(FIXTURE), load_classifier()
    rows = sprites.of("held_out_rendering")
    none = [None] * len(rows)
    x = compose(sprites.rgba[rows], none, none, torch.Generator(), STILL)
    names = [sprites.concepts[c]["label"] for c in sprites.concept[rows]]
    target = torch.tensor([net.config.labels.index(name) for name in names])
    assert accuracy(net, x, target)["top5"] >= 0.7
