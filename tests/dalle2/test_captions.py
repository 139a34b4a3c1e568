import random

from models.dalle2.captions import (
    BACKGROUNDS,
    COLOURS,
    draw_scene,
    held_out_background,
    held_out_colour,
    held_out_combinations,
    phrases,
    write,
)


def test_scenes_avoid_held_out_combinations_and_say_what_they_show(sprites) -> None:
    rng = random.Random(0)
    kinds = set()
    for _ in range(40):
        for row in range(0, len(sprites.concept), 5):
            concept = sprites.concepts[sprites.concept[row]]
            scene = draw_scene(row, concept, int(sprites.vendor[row]), rng)
            kinds.add((scene.colour is not None, scene.background is not None))
            if scene.colour:
                assert not held_out_colour(concept["hexcode"], scene.colour)
                assert scene.colour in scene.caption
            if scene.background:
                assert not held_out_background(concept["hexcode"], scene.background)
                assert scene.background in scene.caption
            assert scene.colour is None or scene.colour != (scene.background or "white")
    assert len(kinds) == 4


def test_held_out_combinations_are_held_out_on_both_sides(sprites) -> None:
    found = 0
    for concept in sprites.concepts:
        for colour, ground in held_out_combinations(concept):
            found += 1
            assert held_out_colour(concept["hexcode"], colour)
            assert held_out_background(concept["hexcode"], ground)
            assert colour in COLOURS and ground in BACKGROUNDS and colour != ground
    assert found > 0


def test_short_names() -> None:
    assert phrases({"label": "dog face"}) == ["dog face", "dog"]
    assert phrases({"label": "cat"}) == ["cat"]


def test_wordings() -> None:
    rng = random.Random(1)
    texts = {write("elephant", "green", "pink", rng) for _ in range(60)}
    assert "a green elephant on a pink background" in texts
    assert all("green elephant" in t and "pink" in t for t in texts)
