"""The drawings at 128 px: composition, splits and the training of the upsamplers on them."""

import numpy as np
import pytest
import torch
from conftest import FIXTURE

from models.dalle2.bank import shrink
from models.dalle2.captions import BACKGROUNDS, COLOURS, held_out_background, held_out_colour
from models.dalle2.data import STILL, compose
from models.dalle2.data_build import rasterise
from models.dalle2.fine import FineScenes, FineSprites, Move, lay, load_fine
from models.dalle2.stage import Options
from models.dalle2.train_upsamplers import (
    RECIPES,
    corrupted,
    crops_of,
    low_resolution,
    shaken,
    sharp_loss,
    training_sigma,
)
from models.dalle2.upsampler import Upsampler32, UpsamplerConfig, shifted, shifted_scalings


@pytest.fixture(scope="module")
def fine(sprites) -> FineSprites:
    """The fixture's sprites enlarged to 128 px: right in size and place, if not in detail."""
    x = torch.nn.functional.interpolate(sprites.rgba.float(), 128, mode="bilinear")
    return FineSprites(sprites, x.round().byte().permute(0, 2, 3, 1).contiguous().numpy())


def test_the_fine_drawing_shows_what_the_sprite_shows(sprites) -> None:
    """The fixture's 128 px drawings, reduced, are the pictures that decoder and CLIP are trained on."""
    kept = np.load(FIXTURE / "fine.npz")
    none: list[str | None] = [None] * len(kept["row"])
    pixels = torch.from_numpy(kept["rgba"]).permute(0, 3, 1, 2).float() / 255
    small = shrink(lay(pixels, none, none), 32)
    plain = compose(sprites.rgba[kept["row"]], none, none, torch.Generator(), STILL)
    assert (small - plain).abs().mean() < 0.06
    rolled = small.roll(1, 0)
    assert (rolled - plain).abs().mean() > 0.2  # another drawing is far away


def test_a_drawing_has_the_same_frame_at_every_size() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M1 1h6v8H1z"/></svg>'
    )
    small, large = rasterise(svg, 32), rasterise(svg, 128, 256)
    assert small is not None and large is not None
    reduced = large[..., 3].reshape(32, 4, 32, 4).mean((1, 3))
    assert np.abs(reduced - small[..., 3]).mean() < 6


def test_moves_are_by_whole_pixels_and_mirror(fine) -> None:
    still = fine.rgba(np.arange(3), 128)
    moved = fine.rgba(np.arange(3), 128, Move(down=4 / 128, right=-2 / 128, mirror=True))
    assert torch.allclose(moved, still.flip(-1).roll((4, -2), (-2, -1)))
    assert fine.rgba(np.arange(3), 64).shape == (3, 4, 64, 64)


def test_training_pictures_keep_to_the_training_split_and_the_held_out_pairs(
    fine, monkeypatch
) -> None:
    scenes = FineScenes(fine, 0)
    seen: list[tuple[str, str | None, str | None]] = []
    words = scenes._words

    def spy(row: int):
        colour, ground = words(row)
        seen.append((scenes._hexcode(row), colour, ground))
        return colour, ground

    monkeypatch.setattr(scenes, "_words", spy)
    drawn = [scenes.draw(40, 32) for _ in range(10)]
    assert all(x.shape == (40, 3, 32, 32) and x.abs().max() <= 1 for x in drawn)
    assert set(scenes.rows) == set(fine.sprites.of("train"))
    assert {c for _, c, _ in seen} - {None} and {g for _, _, g in seen} - {None}
    assert not any(c and held_out_colour(h, c) for h, c, _ in seen)
    assert not any(g and held_out_background(h, g) for h, _, g in seen)
    barred = [c for h, _, _ in seen for c in COLOURS if held_out_colour(h, c)]
    assert barred and BACKGROUNDS  # there was something to keep out


def test_missing_cache_names_the_command(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m models data images"):
        load_fine(tmp_path)


def test_corruption_keeps_the_picture_recognisable() -> None:
    torch.manual_seed(0)
    x = torch.rand(64, 3, 16, 16).round() * 2 - 1
    x = torch.nn.functional.interpolate(x[..., ::4, ::4], 16)
    for change in (corrupted, shaken):
        y = change(x)
        assert y.shape == x.shape and y.abs().max() <= 1.001
        assert 0.01 < (y - x).square().mean().sqrt() < 0.6
    assert torch.allclose(shaken(torch.full((2, 3, 16, 16), 0.3)), torch.tensor(0.3))


def test_crops_match_their_condition() -> None:
    torch.manual_seed(0)
    low = torch.arange(64.0).view(1, 1, 1, 64).expand(2, 3, 64, 64) + 100 * torch.arange(64.0).view(
        1, 1, 64, 1
    )
    target = low.repeat_interleave(2, -1).repeat_interleave(2, -2)
    cut, cut_low = crops_of(target, low, RECIPES["upsampler128"])
    assert cut.shape == (4, 3, 64, 64) and cut_low.shape == (4, 3, 32, 32)
    assert torch.equal(shrink(cut, 32), cut_low)


def test_levels_reach_the_start_and_stay_below() -> None:
    torch.manual_seed(0)
    sigma = training_sigma(600, 0.3, "cpu")
    assert sigma.max().item() == pytest.approx(0.3)
    assert (sigma > 0.299).float().mean() > 1 / 7
    assert sigma.min() >= 0.0149


def test_an_upsampler_learns_in_sixty_steps(fine, tmp_path) -> None:
    """A small network on one batch of the fixture: its mean error must fall."""
    torch.manual_seed(0)
    config = UpsamplerConfig(0.6, 0.3, 0.2, 32, widths=(16, 32), condition=32)
    net = Upsampler32.denoiser_of(config)
    options = Options(tmp_path, tmp_path, 1.0)
    target = FineScenes(fine, 0).draw(16, 32)
    low = low_resolution(target, [], options)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        sigma = training_sigma(16, 0.3, "cpu")
        denoised = net(shifted(target, low, sigma, 0.3), sigma, low=low)
        loss = sharp_loss(denoised, target, shifted_scalings(sigma, config).c_out)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-8:]) < 0.95 * np.mean(losses[:8]), losses
