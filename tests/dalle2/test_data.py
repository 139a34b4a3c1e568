import numpy as np
import pytest
import torch

from models.dalle2.captions import BACKGROUNDS, CHECKED_COLOURS, COLOURS
from models.dalle2.data import (
    STILL,
    STRONG,
    compose,
    concept_weights,
    load_scenes,
    load_sprites,
    recolour,
    to_uint8,
)
from models.evaluation.checker import name_backgrounds, name_colours


def pictures(sprites, colours, grounds, jitter=STILL):
    rows = np.arange(len(colours)) % len(sprites.concept)
    return compose(sprites.rgba[rows], colours, grounds, torch.Generator().manual_seed(0), jitter)


def test_plain_pictures_stand_on_white(sprites) -> None:
    x = pictures(sprites, [None] * 30, [None] * 30)
    assert x.shape == (30, 3, 32, 32)
    assert x.min() >= -1 and x.max() <= 1
    assert (x[:, :, 0, 0] == 1).all()


def test_checker_names_colours_and_backgrounds_of_real_pictures(sprites) -> None:
    names = [c for c in CHECKED_COLOURS for _ in range(20)]
    grounds = [g for _ in range(30) for g in ("white", "black", "blue", "green")]
    grounds = ["yellow" if g == n else g for g, n in zip(grounds, names, strict=True)]
    x = pictures(sprites, names, grounds)
    assert np.mean([a == b for a, b in zip(name_colours(x), names, strict=True)]) >= 0.97
    assert name_backgrounds(x) == grounds


def test_recolouring_keeps_outline_and_shading(sprites) -> None:
    rgba = sprites.rgba[:8].float() / 255
    red = torch.tensor(COLOURS["red"]).repeat(8, 1)
    painted = recolour(rgba, red)
    assert torch.equal(painted[:, 3], rgba[:, 3])
    assert (painted[:, :3] <= painted[:, 3:] + 1e-6).all()
    before, after = rgba[:, :3].mean(1).flatten(1), painted[:, :3].mean(1).flatten(1)
    for a, b in zip(before, after, strict=True):
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.5


def test_edges_do_not_bleed_black(sprites) -> None:
    """Premultiplied colour: a white shape on white has no dark rim."""
    disc = torch.zeros(1, 4, 40, 40, dtype=torch.uint8)
    disc[:, :, 10:30, 10:30] = 255
    x = compose(disc, [None], ["white"], torch.Generator(), STRONG)
    assert x.min() > 0.99


def test_background_shows_only_through_transparency() -> None:
    solid = torch.full((1, 4, 40, 40), 255, dtype=torch.uint8)
    x = compose(solid, [None], ["black"], torch.Generator(), STILL)
    assert x[..., 4:-4, 4:-4].min() > 0.99
    empty = torch.zeros(1, 4, 40, 40, dtype=torch.uint8)
    y = compose(empty, [None], ["pink"], torch.Generator(), STILL)
    assert torch.allclose((y[0, :, 5, 5] + 1) / 2, torch.tensor(BACKGROUNDS["pink"]), atol=1e-5)


def test_weights_are_a_distribution_over_rows(sprites) -> None:
    rows = sprites.of("train")
    weights = concept_weights(sprites, rows)
    assert weights.sum() == pytest.approx(1) and (weights > 0).all()


def test_to_uint8_clamps() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(x)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_missing_cache_says_how_to_build_it(tmp_path) -> None:
    for load in (load_sprites, load_scenes):
        with pytest.raises(FileNotFoundError, match="python -m models data images"):
            load(tmp_path)
