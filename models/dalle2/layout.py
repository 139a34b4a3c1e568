"""Where things stand in a picture: sizes, positions, counts and pairs, with the words that say so."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from models.dalle2.data_build import split_hash


@dataclass(frozen=True)
class Layout:
    """places: one (centre x, centre y, size) per object, in fractions of the picture, y downwards;
    wordings: what may be said about one object there; {} is the object with its article or number."""

    name: str
    kind: str  # whole, size, position, count or pair
    places: tuple[tuple[float, float, float], ...]
    wordings: tuple[str, ...] = ("{}",)


_LOW, _MID, _HIGH, _HALF = 0.26, 0.5, 0.74, 0.46


def _position(name: str, x: float, y: float, *wordings: str) -> Layout:
    return Layout(name, "position", ((x, y, _HALF),), wordings)


def _corner(vertical: str, horizontal: str, x: float, y: float) -> Layout:
    other = {"top": "upper", "bottom": "lower"}[vertical]
    name = f"{vertical} {horizontal}"
    return _position(
        name, x, y, f"{{}} in the {name}", f"{{}} in the {name} corner",
        f"{{}} in the {other} {horizontal} corner", f"{{}}, {name}",
    )  # fmt: skip


_ROW = ((_LOW, _MID, _HALF), (_HIGH, _MID, _HALF))
LAYOUTS: tuple[Layout, ...] = (
    Layout("whole", "whole", ((_MID, _MID, 1.0),)),
    Layout("small", "size", ((_MID, _MID, 0.46),)),
    Layout("big", "size", ((_MID, _MID, 1.25),)),
    _position("left", _LOW, _MID, "{} on the left", "{} on the left side", "{} at the left"),
    _position("right", _HIGH, _MID, "{} on the right", "{} on the right side", "{} at the right"),
    _position("top", _MID, _LOW, "{} at the top", "{} on top", "{} at the top of the picture"),
    _position("bottom", _MID, _HIGH, "{} at the bottom", "{} at the bottom of the picture"),
    _corner("top", "left", _LOW, _LOW),
    _corner("top", "right", _HIGH, _LOW),
    _corner("bottom", "left", _LOW, _HIGH),
    _corner("bottom", "right", _HIGH, _HIGH),
    Layout("two", "count", _ROW),
    Layout("three", "count", ((_MID, _LOW, _HALF), (_LOW, _HIGH, _HALF), (_HIGH, _HIGH, _HALF))),
    Layout(
        "four", "count", tuple((x, y, _HALF) for y in (_LOW, _HIGH) for x in (_LOW, _HIGH))
    ),
    Layout(
        "beside", "pair", _ROW,
        ("{} to the left of {}", "{} left of {}", "{1} to the right of {0}", "{1} right of {0}"),
    ),
    Layout(
        "above", "pair", ((_MID, _LOW, _HALF), (_MID, _HIGH, _HALF)),
        ("{} above {}", "{} over {}", "{} on top of {}", "{1} below {0}", "{1} under {0}"),
    ),
)  # fmt: skip
INDEX = {layout.name: i for i, layout in enumerate(LAYOUTS)}
# Wordings that name both things and leave open which stands where; such a pair stands side by side.
LOOSE = ("{} and {}", "{} and {}", "{} next to {}", "{} beside {}", "{} with {}")
SIZES = {"small": ("small", "tiny", "little"), "big": ("big", "huge", "large")}
COUNTS = {
    "two": ("two {}", "2 {}", "a pair of {}", "two {}"),
    "three": ("three {}", "3 {}", "three {}"),
    "four": ("four {}", "4 {}", "four {}"),
}
MOST = max(len(layout.places) for layout in LAYOUTS)
# Concepts that are still themselves at half the size; pairs are drawn from these.
BOLD = frozenset(
    "cat;dog;cat face;dog face;lion;tiger;fox;bear;panda;pig;pig face;cow;horse;unicorn;zebra;camel;"
    "giraffe;elephant;mouse face;rabbit face;rabbit;monkey face;frog;turtle;snake;whale;spouting whale;"
    "dolphin;fish;tropical fish;shark;octopus;crab;snail;bug;honeybee;lady beetle;bird;duck;owl;chicken;"
    "rooster;baby chick;spider;rose;sunflower;tulip;evergreen tree;deciduous tree;palm tree;cactus;"
    "mushroom;maple leaf;four leaf clover;grapes;watermelon;tangerine;lemon;banana;pineapple;red apple;"
    "green apple;pear;peach;cherries;strawberry;tomato;eggplant;bread;cheese wedge;hamburger;pizza;"
    "hot dog;egg;cooking;soft ice cream;ice cream;doughnut;cookie;birthday cake;cupcake;lollipop;candy;"
    "beer mug;hot beverage;wine glass;house;castle;tent;bus;automobile;taxi;fire engine;ambulance;"
    "tractor;locomotive;bicycle;sailboat;airplane;rocket;helicopter;flying saucer;alarm clock;sun;"
    "crescent moon;full moon;star;cloud;rainbow;umbrella;snowflake;snowman;fire;droplet;balloon;"
    "christmas tree;wrapped gift;soccer ball;basketball;tennis;trophy;guitar;drum;trumpet;bell;key;"
    "light bulb;open book;scissors;crown;top hat;gem stone;ring;glasses;t-shirt;jeans;red heart;"
    "ghost;robot;skull;alien;jack-o-lantern;grinning face;smiling face with sunglasses;teddy bear;"
    "hammer;bomb;envelope;camera;television;mobile phone;laptop;door;chair;candle;anchor".split(";")
)


def held_out_layout(hexcode: str, layout: str) -> bool:
    """True for the 1 in 10 (concept, size, position or count) pairs that training never composes."""
    return split_hash(f"{hexcode}@{layout}") % 10 == 0


def held_out_pair(first: str, second: str) -> bool:
    """True for the 1 in 10 pairs of concepts (hexcodes, either way round) never composed in training."""
    return split_hash("+".join(sorted((first, second)))) % 10 == 0


_HEAD = re.compile(r"(.+?)( (?:with|of|in|on|to|behind|showing|for) .*|, .*|$)")


def plural(phrase: str) -> str:
    """More than one of it: "cat face" -> "cat faces", "nest with eggs" -> "nests with eggs"."""
    found = _HEAD.match(phrase)
    if found is None:
        return phrase
    *before, noun = found[1].split(" ")
    return " ".join([*before, _plural_noun(noun)]) + found[2]


_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "ox": "oxen", "foot": "feet", "tooth": "teeth", "man": "men",
    "woman": "women", "child": "children", "person": "people", "leaf": "leaves", "wolf": "wolves",
    "knife": "knives", "loaf": "loaves", "cactus": "cacti", "sheep": "sheep", "fish": "fish",
    "deer": "deer", "bison": "bison", "moose": "moose", "shrimp": "shrimp", "squid": "squid",
    "scarf": "scarves", "shelf": "shelves", "dice": "dice", "t-rex": "t-rexes",
    "potato": "potatoes", "tomato": "tomatoes", "volcano": "volcanoes", "mosquito": "mosquitoes",
    "mango": "mangoes", "buffalo": "buffaloes", "tornado": "tornadoes",
}  # fmt: skip


def _plural_noun(noun: str) -> str:
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith("man"):
        return noun[:-2] + "en"
    if re.search(r"(s|x|z|ch|sh)$", noun):
        already = noun.endswith("s") and not noun.endswith(("ss", "us", "is"))
        return noun if already else noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def draw_layout(hexcode: str, rng: random.Random) -> Layout | None:
    """A size (30 %), a position (28 %) or a count (42 %) that training may show of this concept."""
    roll = rng.random()
    kind = "size" if roll < 0.3 else "position" if roll < 0.58 else "count"
    free = [x for x in LAYOUTS if x.kind == kind and not held_out_layout(hexcode, x.name)]
    return rng.choice(free) if free else None


def place_table() -> tuple[Tensor, Tensor]:
    """All places (L, MOST, 3), padded with zeros, and how many each layout has (L,)."""
    table = torch.zeros(len(LAYOUTS), MOST, 3)
    for i, layout in enumerate(LAYOUTS):
        table[i, : len(layout.places)] = torch.tensor(layout.places)
    return table, torch.tensor([len(layout.places) for layout in LAYOUTS])
