"""The copying meter: copies are found, independent drawings are not called copies, and the shipped
file belongs to the shipped CLIP."""

import numpy as np
import pytest
import torch

from models.checkpoint import CheckpointError
from models.dalle2 import clip as clip_module
from models.dalle2 import concept_map, copying
from models.dalle2.clip import load_clip
from models.dalle2.copying import FAR, Drawings, build, embed_drawings
from models.dalle2.data import to_uint8


@pytest.fixture(scope="module")
def drawings() -> Drawings:
    return Drawings.load()


@pytest.fixture(scope="module")
def net():
    return load_clip()


def test_what_ships_is_small() -> None:
    sizes = [m.CHECKPOINT.stat().st_size for m in (copying, concept_map)]
    assert sum(sizes) < 1.8e6


def test_every_training_drawing_is_there_and_named(drawings, sprites) -> None:
    assert len(drawings) > 6000 and len(set(drawings.labels)) > 1200
    assert drawings.thumbnails.shape == (len(drawings), 32, 32, 3)
    assert "openmoji" not in drawings.vendors and "emojione-v1" not in drawings.vendors
    cats = {v for label, v in zip(drawings.labels, drawings.vendors, strict=True) if label == "cat"}
    rows = [
        i for i in sprites.of("train") if sprites.concepts[sprites.concept[i]]["label"] == "cat"
    ]
    assert len(cats) == len(rows)


def test_a_training_drawing_is_recognised_as_itself(drawings, net, sprites) -> None:
    rows = sprites.of("train")[:30]
    pictures, embed = embed_drawings(net, sprites, rows)
    found = drawings.nearest(pictures, embed)
    names = [sprites.concepts[sprites.concept[r]]["label"] for r in rows]
    told = drawings.describe(found)
    assert [entry["pixels"]["label"] for entry in told] == names
    assert (
        np.mean([entry["clip"]["label"] == n for entry, n in zip(told, names, strict=True)]) > 0.8
    )
    assert drawings.shares(pictures, embed)["pixels"] > 0.9
    assert drawings.shares(pictures, embed)["clip"] > 0.9


def test_noise_copies_nothing(drawings, net) -> None:
    noise = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        shares = drawings.shares(noise, net.image_embed(noise))
    assert shares["pixels"] == 0 and shares["median_rms"] > 0.4


def test_the_distance_is_that_of_the_pictures(drawings, net) -> None:
    """Against the definition, computed the long way for a picture in between of two drawings."""
    first, second = (
        torch.from_numpy(drawings.thumbnails[i]).permute(2, 0, 1).float() / 127.5 - 1
        for i in (10, 2000)
    )
    picture = (0.9 * first + 0.1 * second)[None]
    with torch.inference_mode():
        found = drawings.nearest(picture, net.image_embed(picture))
    small = [torch.nn.functional.avg_pool2d(x, 2) for x in (picture[0], first)]
    assert int(found.index_pixels) == 10
    assert float(found.rms) == pytest.approx(float((small[0] - small[1]).square().mean().sqrt()))


def test_large_pictures_are_compared_like_small_ones(drawings, net) -> None:
    x = torch.from_numpy(drawings.thumbnails[:4]).permute(0, 3, 1, 2).float() / 127.5 - 1
    large = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    with torch.inference_mode():
        z = net.image_embed(x)
    assert torch.allclose(drawings.nearest(large, z).rms, drawings.nearest(x, z).rms, atol=1e-6)


def test_thresholds_call_one_independent_drawing_in_twenty_a_copy(drawings) -> None:
    about = drawings.about
    assert about.independent["drawings"] > 1000
    for kind in ("pixels", "clip"):
        assert about.independent[kind] == pytest.approx(FAR, abs=0.005)
    assert FAR <= about.independent["either"] <= 2 * FAR + 0.01
    assert 0.03 < about.near_rms < about.independent["median_rms"]
    assert about.independent["median_cosine"] < about.near_cosine < 1


def test_thumbnails_end_where_the_drawings_end(drawings) -> None:
    assert drawings.thumbnail(len(drawings) - 1).shape == (32, 32, 3)
    for wrong in (-1, len(drawings)):
        with pytest.raises(IndexError):
            drawings.thumbnail(wrong)


def test_it_is_built_from_the_picture_cache(sprites, net, tmp_path) -> None:
    about = build(sprites, tmp_path / "drawings.safetensors")
    built = Drawings.load(tmp_path / "drawings.safetensors")
    rows = sprites.of("train")
    assert len(built) == len(rows) and built.about == about
    pictures, embed = embed_drawings(net, sprites, rows)
    lost = np.abs(built.thumbnails.astype(int) - to_uint8(pictures)).mean()
    assert lost < 8  # of 255, by the lossy atlas
    found = built.nearest(pictures, embed)
    assert (found.index_pixels == torch.arange(len(rows))).float().mean() > 0.95
    assert (found.cosine > 0.97).all()


def test_drawings_of_another_clip_are_refused(tmp_path, monkeypatch, drawings) -> None:
    other = tmp_path / "other-clip.safetensors"
    other.write_bytes(clip_module.CHECKPOINT.read_bytes() + b" ")
    with pytest.raises(CheckpointError, match="data drawings"):
        Drawings.load(clip=other)
