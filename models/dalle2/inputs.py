"""What a visitor may ask of ``dalle2``, parsed: a caption, or one of unCLIP's three tricks.

    {"prompt": P, "prior"?: bool}                    pictures of a caption, false: without the prior
    {"variation_of": E}                              one image embedding, other decoder noise
    {"interpolate": {"from": E, "to": E}}            the path between two image embeddings
    {"diff": {"of"?: E, "from": P, "to": P}}         an image embedding turned by a text difference

An end E is ``{"prompt": P}`` or ``{"image": A}`` with A an array of the wire format, uint8 (H, W, 3).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle2.data import IMAGE_SIZE
from models.dalle2.text import MAX_TOKENS, Tokenizer, Tokens, unread_words
from models.pipeline import InputError

MAX_PROMPT = 200
MIN_SIDE, MAX_SIDE = 8, 128  # of a picture given as an array; larger ones are uploaded as a file
PROMPT_ACCEPTED = (
    f"an English caption of 1 to {MAX_PROMPT} characters, for example: a green elephant"
)
END_ACCEPTED = '{"prompt": text} or a picture as {"image": array}'
IMAGE_ACCEPTED = (
    f'{{"dtype": "uint8", "shape": [S, S, 3], "data": base64}} with S from {MIN_SIDE} to {MAX_SIDE}'
)
NO_PRIOR = (
    "The prior is left out: the decoder gets the caption's CLIP embedding in the place of a picture's, "
    "which it was not trained on."
)
KINDS_ACCEPTED = (
    'one of {"prompt": text, "prior": true or false}, {"variation_of": end}, '
    '{"interpolate": {"from": end, "to": end}}, {"diff": {"of": end, "from": text, "to": text}}'
)


@dataclass(frozen=True)
class Caption:
    """A caption and how its words were read."""

    prompt: str
    tokens: Tokens

    @property
    def notes(self) -> tuple[str, ...]:
        notes = [
            f"“{word}” is not in the vocabulary; it was read as {_spoken(pieces)}."
            for word, known, pieces in zip(
                self.tokens.words, self.tokens.known, self.tokens.pieces, strict=True
            )
            if not known
        ]
        if unread := unread_words(self.prompt):
            notes.append(f"“{' '.join(unread)}” was not read: captions are English words.")
        if self.tokens.truncated:
            notes.append(f"Only the first {MAX_TOKENS} word pieces were read.")
        return tuple(notes)


@dataclass(frozen=True, eq=False)
class Picture:
    """pixels: (1, 3, 32, 32) in [-1, 1], what CLIP looks at."""

    pixels: Tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and torch.equal(self.pixels, other.pixels)


End = Caption | Picture


@dataclass(frozen=True)
class Plan:
    """What every kind of input has. ``ends`` are the pictures and captions whose image embeddings the
    decoder's come from, by role; ``captions`` are all texts that are read, those of ends first."""

    kind: ClassVar[str]
    default_samples: ClassVar[int | None] = None  # the pipeline's

    @property
    def ends(self) -> Mapping[str, End]:
        raise NotImplementedError

    @property
    def captions(self) -> tuple[Caption, ...]:
        return tuple(end for end in self.ends.values() if isinstance(end, Caption))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for c in self.captions for note in c.notes))


@dataclass(frozen=True)
class Draw(Plan):
    """Pictures of a caption; without ``prior`` the decoder gets the caption's own embedding."""

    kind: ClassVar[str] = "prompt"
    of: Caption
    prior: bool = True

    @property
    def ends(self) -> Mapping[str, End]:
        return {"of": self.of}

    @property
    def notes(self) -> tuple[str, ...]:
        return super().notes if self.prior else (*super().notes, NO_PRIOR)


@dataclass(frozen=True)
class Vary(Plan):
    """One image embedding drawn with different decoder noise (Ramesh et al. 2022, section 3.1)."""

    kind: ClassVar[str] = "variation"
    default_samples: ClassVar[int | None] = 4
    of: End

    @property
    def ends(self) -> Mapping[str, End]:
        return {"of": self.of}


@dataclass(frozen=True)
class Interpolate(Plan):
    """Points on the arc between two image embeddings (section 3.2)."""

    kind: ClassVar[str] = "interpolation"
    default_samples: ClassVar[int | None] = 6
    begin: End
    finish: End

    @property
    def ends(self) -> Mapping[str, End]:
        return {"from": self.begin, "to": self.finish}


@dataclass(frozen=True)
class Diff(Plan):
    """An image embedding turned towards the difference of two captions (section 3.3)."""

    kind: ClassVar[str] = "diff"
    default_samples: ClassVar[int | None] = 5
    of: End
    before: Caption
    after: Caption

    @property
    def ends(self) -> Mapping[str, End]:
        return {"of": self.of}

    @property
    def captions(self) -> tuple[Caption, ...]:
        return (*super().captions, self.before, self.after)


def _spoken(pieces: tuple[str, ...]) -> str:
    """Word pieces as a visitor reads them, without the marks of continuation."""
    return " + ".join(piece.removeprefix("##") for piece in pieces)


def parse(input: Mapping[str, Any], tokenizer: Tokenizer) -> Plan:
    """-> Draw, Vary, Interpolate or Diff. Raises InputError naming the field below ``input.``"""
    kinds = ("prompt", "variation_of", "interpolate", "diff")
    unknown = set(input) - {*kinds, "prior"}
    if unknown:
        raise InputError(f"input.{min(unknown)}", "is not an input of dalle2", KINDS_ACCEPTED)
    given = [kind for kind in kinds if kind in input]
    if not given:
        raise InputError("input.prompt", "is missing", PROMPT_ACCEPTED)
    if len(given) > 1:
        raise InputError(f"input.{given[1]}", f"stands beside input.{given[0]}", KINDS_ACCEPTED)
    prior = input.get("prior", True)
    if not isinstance(prior, bool):
        raise InputError("input.prior", "is neither true nor false", "true or false")
    if given == ["prompt"]:
        return Draw(caption(input["prompt"], "input.prompt", tokenizer), prior)
    if "prior" in input:
        raise InputError("input.prior", f"stands beside input.{given[0]}", "only beside prompt")
    if given == ["variation_of"]:
        return Vary(end(input["variation_of"], "input.variation_of", tokenizer))
    if given == ["interpolate"]:
        path = _parts(input["interpolate"], "input.interpolate", ("from", "to"), END_ACCEPTED)
        return Interpolate(
            end(path["from"], "input.interpolate.from", tokenizer),
            end(path["to"], "input.interpolate.to", tokenizer),
        )
    diff = _parts(input["diff"], "input.diff", ("from", "to"), PROMPT_ACCEPTED, ("of",))
    before = caption(diff["from"], "input.diff.from", tokenizer)
    after = caption(diff["to"], "input.diff.to", tokenizer)
    of = end(diff["of"], "input.diff.of", tokenizer) if "of" in diff else before
    if before.tokens.ids == after.tokens.ids:
        raise InputError(
            "input.diff.to", "reads the same as input.diff.from", "a caption with another meaning"
        )
    return Diff(of, before, after)


def _parts(
    value: Any, field: str, needed: tuple[str, ...], accepted: str, optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    shape = ", ".join(f'"{name}"' for name in (*needed, *optional))
    if not isinstance(value, Mapping):
        raise InputError(field, "is no object", f"an object with {shape}")
    unknown = set(value) - {*needed, *optional}
    if unknown:
        raise InputError(f"{field}.{min(unknown)}", "is not known here", f"only {shape}")
    for name in needed:
        if name not in value:
            raise InputError(f"{field}.{name}", "is missing", accepted)
    return value


def caption(value: Any, field: str, tokenizer: Tokenizer) -> Caption:
    """A text with at least one readable word. Raises InputError."""
    if not isinstance(value, str):
        raise InputError(field, "is missing or no text", PROMPT_ACCEPTED)
    prompt = " ".join(value.split())
    if not prompt:
        raise InputError(field, "is empty", PROMPT_ACCEPTED)
    if len(prompt) > MAX_PROMPT:
        raise InputError(field, f"has {len(prompt)} characters", PROMPT_ACCEPTED)
    tokens = tokenizer(prompt)
    if not tokens.ids:
        raise InputError(field, "has no word in Latin letters or digits", PROMPT_ACCEPTED)
    return Caption(prompt, tokens)


def end(value: Any, field: str, tokenizer: Tokenizer) -> End:
    """A caption or a picture. Raises InputError."""
    if not isinstance(value, Mapping) or len(value) != 1 or not set(value) <= {"prompt", "image"}:
        raise InputError(field, "is neither a caption nor a picture", END_ACCEPTED)
    if "prompt" in value:
        return caption(value["prompt"], f"{field}.prompt", tokenizer)
    return Picture(picture(value["image"], f"{field}.image"))


def picture(value: Any, field: str) -> Tensor:
    """An array of the wire format -> (1, 3, 32, 32) in [-1, 1]. Raises InputError."""
    if not isinstance(value, Mapping) or set(value) != {"dtype", "shape", "data"}:
        raise InputError(field, "is no array", IMAGE_ACCEPTED)
    shape, data = value["shape"], value["data"]
    whole = isinstance(shape, list) and all(type(n) is int for n in shape)
    if not whole or len(shape) != 3 or shape[2] != 3 or shape[0] != shape[1]:
        raise InputError(f"{field}.shape", "is not that of a square colour picture", IMAGE_ACCEPTED)
    side = shape[0]
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"{field}.shape", f"has sides of {side} pixels", IMAGE_ACCEPTED)
    if value["dtype"] != "uint8":
        raise InputError(f"{field}.dtype", "is not uint8", IMAGE_ACCEPTED)
    try:
        pixels = base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InputError(f"{field}.data", "is not base64", IMAGE_ACCEPTED) from error
    if len(pixels) != side * side * 3:
        message = f"holds {len(pixels)} bytes, the shape has {side * side * 3}"
        raise InputError(f"{field}.data", message, IMAGE_ACCEPTED)
    array = np.frombuffer(pixels, np.uint8).reshape(side, side, 3)
    x = torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return for_clip(x)


def for_clip(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) of any size -> (B, 3, 32, 32): block averages where they fit, else resampled."""
    side = pictures.shape[-1]
    if side == IMAGE_SIZE:
        return pictures
    if side % IMAGE_SIZE == 0:
        return F.avg_pool2d(pictures, side // IMAGE_SIZE)
    return F.interpolate(
        pictures, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True, align_corners=False
    )
