"""What may be asked of dalle2: every refusal names its field and what would be accepted."""

import base64
from typing import Any

import pytest
import torch

from models.dalle2.inputs import Diff, Draw, Interpolate, Picture, Vary, for_clip, parse
from models.dalle2.text import load_text
from models.pipeline import InputError


@pytest.fixture(scope="module")
def tokenizer():
    return load_text()[1]


def array(side: int = 32, value: int = 255, **other: Any) -> dict[str, Any]:
    data = base64.b64encode(bytes([value]) * (side * side * 3)).decode()
    return {"dtype": "uint8", "shape": [side, side, 3], "data": data, **other}


CAT = {"prompt": "a cat"}
GOOD = {"image": array()}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "input.prompt"),
        ({"prompt": "a cat", "variation_of": CAT}, "input.variation_of"),
        ({"variation_of": CAT, "diff": {"from": "a", "to": "b"}}, "input.diff"),
        ({"variation_of": "a cat"}, "input.variation_of"),
        ({"variation_of": {}}, "input.variation_of"),
        ({"variation_of": {"prompt": "a cat", "image": array()}}, "input.variation_of"),
        ({"variation_of": {"prompt": ""}}, "input.variation_of.prompt"),
        ({"variation_of": {"picture": "x"}}, "input.variation_of"),
        ({"interpolate": None}, "input.interpolate"),
        ({"interpolate": [CAT, CAT]}, "input.interpolate"),
        ({"interpolate": {"from": CAT}}, "input.interpolate.to"),
        ({"interpolate": {"to": CAT}}, "input.interpolate.from"),
        ({"interpolate": {"from": CAT, "to": None}}, "input.interpolate.to"),
        ({"interpolate": {"from": CAT, "to": CAT, "by": 3}}, "input.interpolate.by"),
        ({"interpolate": {"from": CAT, "to": {"prompt": 5}}}, "input.interpolate.to.prompt"),
        ({"diff": {"from": "a cat"}}, "input.diff.to"),
        ({"diff": {"from": "a cat", "to": "A  cat!"}}, "input.diff.to"),
        ({"diff": {"from": "a cat", "to": "a dog", "of": None}}, "input.diff.of"),
        ({"diff": {"from": "", "to": "a dog"}}, "input.diff.from"),
        ({"variation_of": {"image": "x"}}, "input.variation_of.image"),
        ({"variation_of": {"image": array(dtype="float32")}}, "input.variation_of.image.dtype"),
        ({"variation_of": {"image": array(shape=[32, 32])}}, "input.variation_of.image.shape"),
        ({"variation_of": {"image": array(shape=[32, 31, 3])}}, "input.variation_of.image.shape"),
        ({"variation_of": {"image": array(shape=[32, 32, 4])}}, "input.variation_of.image.shape"),
        ({"variation_of": {"image": array(shape=[True, 1, 3])}}, "input.variation_of.image.shape"),
        ({"variation_of": {"image": array(7)}}, "input.variation_of.image.shape"),
        ({"variation_of": {"image": array(129)}}, "input.variation_of.image.shape"),
        (
            {"variation_of": {"image": array(shape=[10**9, 10**9, 3])}},
            "input.variation_of.image.shape",
        ),
        ({"variation_of": {"image": array(shape=[64, 64, 3])}}, "input.variation_of.image.data"),
        ({"variation_of": {"image": array(data="not base64!")}}, "input.variation_of.image.data"),
        ({"variation_of": {"image": array(data=7)}}, "input.variation_of.image.data"),
    ],
)
def test_what_cannot_be_used_names_its_field_and_what_would_do(tokenizer, given, field) -> None:
    with pytest.raises(InputError) as error:
        parse(given, tokenizer)
    assert error.value.field == field
    assert error.value.message and error.value.accepted


def test_every_kind_is_understood(tokenizer) -> None:
    draw = parse(CAT, tokenizer)
    assert isinstance(draw, Draw) and draw.of.prompt == "a cat"
    vary = parse({"variation_of": GOOD}, tokenizer)
    assert isinstance(vary, Vary) and isinstance(vary.of, Picture) and vary.captions == ()
    path = parse({"interpolate": {"from": CAT, "to": GOOD}}, tokenizer)
    assert isinstance(path, Interpolate) and list(path.ends) == ["from", "to"]
    diff = parse({"diff": {"from": "a cat", "to": "a green cat"}}, tokenizer)
    assert isinstance(diff, Diff) and diff.of == diff.before
    assert [c.prompt for c in diff.captions] == ["a cat", "a cat", "a green cat"]
    turned = parse({"diff": {"of": GOOD, "from": "a cat", "to": "a green cat"}}, tokenizer)
    assert isinstance(turned.of, Picture)
    assert [c.prompt for c in turned.captions] == ["a cat", "a green cat"]


def test_an_unknown_word_is_noted_once_wherever_it_stands(tokenizer) -> None:
    plan = parse({"diff": {"from": "a zorbflax", "to": "a green zorbflax"}}, tokenizer)
    assert len(plan.notes) == 1 and "zorbflax" in plan.notes[0]


def test_words_in_other_letters_are_noted_and_alone_refused(tokenizer) -> None:
    plan = parse({"prompt": "a Cafe\u0301 cat 向日葵, зимой"}, tokenizer)
    assert [n for n in plan.notes if "was not read" in n] == [
        "“向日葵 зимой” was not read: captions are English words."
    ]
    with pytest.raises(InputError) as refused:
        parse({"prompt": "一朵向日葵"}, tokenizer)
    assert refused.value.message == "has no word in Latin letters or digits"
    assert "English caption" in refused.value.accepted


@pytest.mark.parametrize("side", [8, 31, 32, 64, 100, 128])
def test_a_picture_of_any_size_becomes_what_clip_looks_at(tokenizer, side) -> None:
    plan = parse({"variation_of": {"image": array(side, value=51)}}, tokenizer)
    assert plan.of.pixels.shape == (1, 3, 32, 32)
    assert plan.of.pixels.numpy() == pytest.approx(51 / 127.5 - 1, abs=1e-5)


def test_shrinking_is_a_block_average() -> None:
    x = torch.arange(64.0).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    assert torch.equal(for_clip(x)[0, 0, 0], torch.arange(32) * 2 + 0.5)
