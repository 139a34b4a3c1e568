"""Colour, background and style words, and the captions made from a concept's phrases.

Where things stand, how many and how big is said by `layout.py`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from models.dalle2.data_build import VENDORS, split_hash
from models.dalle2.layout import COUNTS, LAYOUTS, LOOSE, SIZES, Layout, draw_layout, plural

# Named colours as RGB in [0, 1]. The first six are far enough apart for an exact check.
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.12, 0.14),
    "yellow": (0.98, 0.83, 0.12),
    "green": (0.16, 0.65, 0.24),
    "blue": (0.13, 0.40, 0.88),
    "purple": (0.55, 0.24, 0.78),
    "pink": (0.97, 0.47, 0.70),
    "orange": (0.98, 0.55, 0.10),
    "brown": (0.50, 0.31, 0.17),
    "black": (0.14, 0.14, 0.15),
    "gray": (0.56, 0.57, 0.59),
    "white": (0.95, 0.95, 0.96),
}
CHECKED_COLOURS = ("red", "yellow", "green", "blue", "purple", "pink")
BACKGROUNDS: dict[str, tuple[float, float, float]] = {
    **{name: COLOURS[name] for name in (*CHECKED_COLOURS, "orange", "gray")},
    "black": (0.04, 0.04, 0.05),
    "white": (1.0, 1.0, 1.0),
}
CHECKED_BACKGROUNDS = (*CHECKED_COLOURS, "black", "white")
PLAIN = "white"  # what a caption without a background word gets
STYLES = {
    "noto-v1": "blob",
    "twemoji": "flat",
    "fluent-emoji-flat": "flat",
    "fluent-3d": "glossy 3d",
    "emojione": "retro",
    "fxemoji": "retro",
    "streamline-emojis": "cartoon outline",
}


def held_out_colour(hexcode: str, colour: str) -> bool:
    """True for the 1 in 10 (concept, object colour) pairs that training never composes."""
    return split_hash(hexcode + colour) % 10 == 0


def held_out_background(hexcode: str, background: str) -> bool:
    """True for the 1 in 10 (concept, background) pairs that training never composes."""
    return split_hash(f"{hexcode}on:{background}") % 10 == 0


@dataclass(frozen=True)
class Scene:
    """What a picture shows and what its caption says. colour/background None: not recoloured, plain.

    other: the second sprite of a pair; loose: the caption leaves open which of the two stands where.
    """

    sprite: int
    colour: str | None
    background: str | None
    caption: str
    layout: str = "whole"
    other: int | None = None
    loose: bool = False


def phrases(concept: dict[str, Any]) -> list[str]:
    """The label and its shorter form ("dog face" -> "dog"), without duplicates."""
    short = concept["label"].removesuffix(" face").replace(": ", " ")
    return list(dict.fromkeys([concept["label"], short]))


def draw_phrase(concept: dict[str, Any], rng: random.Random) -> str:
    """One way to name the concept: its label mostly, else a synonym, a tag, or label with tags."""
    names = phrases(concept)
    roll = rng.random()
    if roll < 0.45 or not concept["tags"]:
        return rng.choice(names)
    if roll < 0.53 and concept["synonyms"]:
        return rng.choice(concept["synonyms"])
    words = concept["tags"] + concept["keywords"]
    if roll < 0.70:
        return rng.choice(words)
    chosen = rng.sample(words, min(len(words), rng.randint(1, 3)))
    return ", ".join([rng.choice(names), *chosen])


def article(text: str) -> str:
    """Puts "a" or "an" before a text, by sound: "a unicorn", "an hourglass"."""
    vowel = text[:1] in "aeiou" and not re.match(r"(uni(?!d)|eu|ufo|one\b|one-|uk|ut|us[ae])", text)
    return f"an {text}" if vowel or text.startswith(("hour", "x-ray")) else f"a {text}"


def write(phrase: str, colour: str | None, background: str | None, rng: random.Random) -> str:
    """A caption from its parts, in one of a few wordings."""
    if colour:
        phrase = f"{colour} {phrase}"
    roll = rng.random()
    text = phrase if roll < 0.35 else f"the {phrase}" if roll < 0.42 else article(phrase)
    return on_ground(text, background, rng)


def on_ground(text: str, background: str | None, rng: random.Random) -> str:
    """Adds the background's words, if there is one."""
    if background is None:
        return text
    place = article(background)
    return rng.choice(
        [f"{text} on {place} background", f"{text} on {place} background", f"{text} on {background}",
         f"{text}, {background} background"]
    )  # fmt: skip


def write_layout(
    phrase: str, layout: Layout, colour: str | None, background: str | None, rng: random.Random
) -> str:
    """A caption that says how big, where or how many: "two red cats on a blue background"."""
    if layout.kind == "count":
        text = rng.choice(COUNTS[layout.name]).format(
            f"{colour} {plural(phrase)}" if colour else plural(phrase)
        )
        return on_ground(text, background, rng)
    thing = f"{colour} {phrase}" if colour else phrase
    if layout.kind == "size":
        thing = f"{rng.choice(SIZES[layout.name])} {thing}"
    named = thing if rng.random() < 0.3 else article(thing)
    wording = rng.choice(layout.wordings)
    if rng.random() < 0.5:
        return on_ground(wording.format(named), background, rng)
    return wording.format(on_ground(named, background, rng))


def draw_scene(sprite: int, concept: dict[str, Any], vendor: int, rng: random.Random) -> Scene:
    """A random scene for a sprite that avoids every held-out combination.

    19 % say a size, a position or a count. Of the others 45 % are plain on white, 10 % of those with
    a style word; 20 % recoloured; 15 % on a named background; 20 % both.
    """
    hexcode = concept["hexcode"]
    colours = [c for c in COLOURS if not held_out_colour(hexcode, c)]
    grounds = [b for b in BACKGROUNDS if not held_out_background(hexcode, b)]
    layout = draw_layout(hexcode, rng) if rng.random() < 0.19 else None
    # Half of the pictures that say a size, a position or a count are plain otherwise.
    roll = rng.random() if layout is None or rng.random() < 0.5 else 1.0
    colour = rng.choice(colours) if roll < 0.4 and colours else None
    ground = rng.choice(grounds) if 0.2 <= roll < 0.55 and grounds else None
    if colour is not None and colour == (ground or PLAIN):
        colour = None
    if layout is not None:
        phrase = rng.choice(phrases(concept) + concept["synonyms"][:1])
        text = write_layout(phrase, layout, colour, ground, rng)
        return Scene(sprite, colour, ground, text, layout.name)
    if colour is None and ground is None:
        text = write(draw_phrase(concept, rng), None, None, rng)
        style = STYLES.get(VENDORS[vendor])
        if style and rng.random() < 0.1:
            text = rng.choice([f"{text}, {style} style", f"{text} in {style} style"])
        return Scene(sprite, None, None, text)
    # A tag of several words does not take a colour well; name the thing itself.
    phrase = rng.choice(phrases(concept) + concept["synonyms"][:1])
    return Scene(sprite, colour, ground, write(phrase, colour, ground, rng))


def draw_pair(
    sprites: tuple[int, int], concepts: tuple[dict[str, Any], dict[str, Any]], rng: random.Random
) -> Scene:
    """Two things in one picture, the first to the left of or above the second. 30 % on a background
    that neither is held out from; three captions in ten leave the order open."""
    grounds = [
        b for b in BACKGROUNDS if not any(held_out_background(c["hexcode"], b) for c in concepts)
    ]
    ground = rng.choice(grounds) if grounds and rng.random() < 0.3 else None
    names = [rng.choice(phrases(c)) for c in concepts]
    names = [article(n) for n in names] if rng.random() < 0.75 else names
    pairs = [layout for layout in LAYOUTS if layout.kind == "pair"]
    if rng.random() < 0.3:
        layout = pairs[0]  # side by side
        if rng.random() < 0.5:
            names.reverse()
        text = rng.choice(LOOSE).format(*names)
        return Scene(
            sprites[0], None, ground, on_ground(text, ground, rng), layout.name, sprites[1], True
        )
    layout = rng.choice(pairs)
    text = on_ground(rng.choice(layout.wordings).format(*names), ground, rng)
    return Scene(sprites[0], None, ground, text, layout.name, sprites[1])


def held_out_combinations(concept: dict[str, Any]) -> list[tuple[str, str]]:
    """The (colour, background) pairs of a concept where both were kept out of training."""
    hexcode = concept["hexcode"]
    return [
        (c, b)
        for c in CHECKED_COLOURS
        for b in CHECKED_BACKGROUNDS
        if c != b and held_out_colour(hexcode, c) and held_out_background(hexcode, b)
    ]
