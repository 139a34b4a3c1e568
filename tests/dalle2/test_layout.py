import random

import numpy as np
import pytest
import torch

from models.dalle2.captions import article, draw_pair, draw_scene, held_out_background
from models.dalle2.data import STILL, STRONG, compose, compose_layouts
from models.dalle2.distill import draw_scenes
from models.dalle2.layout import (
    BOLD,
    INDEX,
    LAYOUTS,
    draw_layout,
    held_out_layout,
    held_out_pair,
    place_table,
    plural,
)
from models.evaluation.checker import count_blobs, foreground, has_layout

BY_NAME = {layout.name: layout for layout in LAYOUTS}


def square() -> torch.Tensor:
    """One blue sprite and one red one that fill their frame but for a margin."""
    rgba = torch.zeros(2, 4, 40, 40, dtype=torch.uint8)
    rgba[:, 3, 2:38, 2:38] = 255
    rgba[0, 2, 2:38, 2:38] = 255
    rgba[1, 0, 2:38, 2:38] = 255
    return rgba


def picture(name: str, other: int = -1, jitter=STILL, background: int = -1) -> torch.Tensor:
    one = np.array
    return compose_layouts(
        square(), one([0]), one([other]), one([-1]), one([background]), one([INDEX[name]]),
        torch.Generator().manual_seed(0), jitter,
    )[0]  # fmt: skip


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x.kind in ("size", "position", "count")])
def test_the_checker_finds_what_was_composed(layout) -> None:
    image = picture(layout.name)
    assert has_layout(image, layout)
    others = [x for x in LAYOUTS if x.kind == layout.kind and x is not layout]
    assert not any(has_layout(image, other) for other in others)


@pytest.mark.parametrize("name", [x.name for x in LAYOUTS if x.kind == "position"])
def test_a_mirrored_sprite_stays_where_its_caption_says(name) -> None:
    """Training's strong jitter, flips included, must not contradict the position."""
    assert all(has_layout(picture(name, jitter=STRONG), BY_NAME[name]) for _ in range(5))


def test_the_first_of_a_pair_is_left_or_above() -> None:
    beside, above = picture("beside", other=1), picture("above", other=1)
    blue = (0.0, 0.0, 1.0)
    for image, (y, x) in ((beside, (16, 8)), (above, (8, 16))):
        assert torch.allclose((image[:, y, x] + 1) / 2, torch.tensor(blue), atol=0.02)
    for image, (y, x) in ((beside, (16, 23)), (above, (23, 16))):
        assert image[0, y, x] > 0.9 and image[2, y, x] < -0.9


def test_whole_layouts_are_what_compose_draws(sprites) -> None:
    rows, none = np.arange(6), np.full(6, -1)
    together = compose_layouts(
        sprites.rgba, rows, none, none, none, np.zeros(6, int), torch.Generator()
    )
    alone = compose(sprites.rgba[:6], [None] * 6, [None] * 6, torch.Generator(), STILL)
    assert torch.allclose(together, alone, atol=1e-5)


def test_blobs_are_counted_with_diagonals_and_without_specks() -> None:
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[2:8, 2:8] = mask[8:14, 8:14] = True  # touch at a corner: one
    mask[20:28, 20:28] = True
    mask[30, 2] = True  # a speck
    assert count_blobs(mask) == 2
    assert count_blobs(torch.zeros(32, 32, dtype=torch.bool)) == 0
    assert foreground(picture("two")[None]).float().mean() > 0.2


def test_scenes_say_layouts_and_avoid_held_out_ones(sprites) -> None:
    rng = random.Random(0)
    seen: dict[str, int] = {}
    for _ in range(30):
        for row in range(0, len(sprites.concept), 3):
            concept = sprites.concepts[sprites.concept[row]]
            scene = draw_scene(row, concept, int(sprites.vendor[row]), rng)
            seen[scene.layout] = seen.get(scene.layout, 0) + 1
            assert not held_out_layout(concept["hexcode"], scene.layout) or scene.layout == "whole"
    share = 1 - seen["whole"] / sum(seen.values())
    assert 0.14 < share < 0.24
    assert {layout.name for layout in LAYOUTS if layout.kind != "pair"} == set(seen)


def test_drawn_layouts_are_never_held_out() -> None:
    rng = random.Random(1)
    for i in range(400):
        layout = draw_layout(f"code{i % 20}", rng)
        assert layout is not None and not held_out_layout(f"code{i % 20}", layout.name)


def test_held_out_pairs_do_not_depend_on_the_order() -> None:
    pairs = [(f"a{i}", f"b{i}") for i in range(300)]
    assert all(held_out_pair(a, b) == held_out_pair(b, a) for a, b in pairs)
    assert 10 < sum(held_out_pair(a, b) for a, b in pairs) < 60


def test_pairs_name_both_things_in_their_order(sprites) -> None:
    bold = [i for i, c in enumerate(sprites.concepts) if c["label"] in BOLD]
    first, second = (sprites.concepts[i] for i in bold[:2])
    rng = random.Random(2)
    for _ in range(60):
        scene = draw_pair((3, 7), (first, second), rng)
        text = scene.caption
        names = [c["label"].removesuffix(" face") for c in (first, second)]
        assert all(name in text for name in names)
        assert (scene.sprite, scene.other) == (3, 7)
        ahead = text.index(names[0]) < text.index(names[1])
        if " left of " in text or " above " in text or " over " in text or " on top of " in text:
            assert ahead and not scene.loose
        if " right of " in text or " below " in text or " under " in text:
            assert not ahead and not scene.loose
        if scene.background:
            assert not any(
                held_out_background(c["hexcode"], scene.background) for c in (first, second)
            )


def test_training_pairs_leave_out_the_held_out_ones(sprites) -> None:
    scenes = draw_scenes(sprites, 3000, random.Random(0))
    pairs = [s for s in scenes if s.other is not None]
    assert 0.04 < len(pairs) / len(scenes) < 0.12
    for scene in pairs:
        codes = [
            sprites.concepts[sprites.concept[r]]["hexcode"] for r in (scene.sprite, scene.other)
        ]
        assert not held_out_pair(*codes)


def test_plurals_and_articles() -> None:
    words = ("cat face", "nest with eggs", "mouse", "baby", "box", "glasses", "octopus", "snowman")
    assert [plural(w) for w in words] == [
        "cat faces", "nests with eggs", "mice", "babies", "boxes", "glasses", "octopuses", "snowmen",
    ]  # fmt: skip
    assert article("unicorn") == "a unicorn" and article("umbrella") == "an umbrella"
    assert article("hourglass") == "an hourglass" and article("orange cat") == "an orange cat"
    assert article("house") == "a house" and article("one-piece swimsuit") == "a one-piece swimsuit"


def test_places_are_inside_the_picture() -> None:
    table, counts = place_table()
    assert table.shape[0] == len(counts) == len(LAYOUTS)
    for places, count in zip(table, counts, strict=True):
        x, y, size = places[: int(count)].T
        small = size < 1
        assert ((x - size / 2)[small] > 0).all() and ((y + size / 2)[small] < 1).all()
