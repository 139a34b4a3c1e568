"""Uploaded pictures: decoded in bounds, kept small, forgotten soon.

A file is believed in nothing. Its kind is read from its first bytes and must be the one that was
declared; its size in pixels is read from the header, by us, before any decoder sees it, so that a
decompression bomb costs what its few bytes weigh. What is kept is the 32 x 32 picture that CLIP looks
at, never the file.
"""

from __future__ import annotations

import io
import secrets
import struct
import time
import warnings
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageOps

from app.schemas import BadRequest

SIDE = 32  # pixels of what is kept
MIN_SIDE = 8  # of a file; less has nothing to see
KINDS = {"image/png": "PNG", "image/jpeg": "JPEG"}
ACCEPTED = "a PNG or JPEG file as the raw body, with its Content-Type"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_SCAN = b"\xff\xda"  # begins a scan; inside of picture data an FF is always followed by 00
MAX_SCANS = 32  # progressive files have about ten; each costs a pass over all pixels
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[code] for code in (5, 6, 7, 8)}
# Start-of-frame markers of JPEG; C4, C8 and CC among them mean something else.
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True)
class Upload:
    """width, height: of the file as it is meant to be seen; pixels: (32, 32, 3) uint8."""

    width: int
    height: int
    pixels: np.ndarray


def media_type(content_type: str) -> str:
    """The declared kind without parameters. Raises a 415 for what we never decode."""
    declared = content_type.partition(";")[0].strip().lower()
    if declared not in KINDS:
        raise BadRequest.one(
            "content-type", "is neither image/png nor image/jpeg", ACCEPTED, status=415
        )
    return declared


def decode(body: bytes, declared: str, max_pixels: int) -> Upload:
    """The small picture inside a file. CPU-bound: call it in a thread. Raises BadRequest: 415 if the
    bytes are another kind than ``declared``, 422 if they cannot be used."""
    found = sniff(body)
    if found != declared:
        if found is None:
            said = "holds neither a PNG nor a JPEG picture"
        else:
            said = f"is declared {declared} and holds {found}"
        raise BadRequest.one("body", said, ACCEPTED, status=415)
    width, height = png_size(body) if found == "image/png" else jpeg_size(body)
    if width * height > max_pixels:
        raise _refused(
            f"has {width} x {height} pixels", f"at most {max_pixels} pixels, width times height"
        )
    if min(width, height) < MIN_SIDE:
        raise _refused(f"has {width} x {height} pixels", f"at least {MIN_SIDE} pixels per side")
    if found == "image/png" and b"acTL" in png_chunks(body):
        raise _refused("is animated", "a still picture")
    if found == "image/jpeg" and body.count(_SCAN) > MAX_SCANS:
        raise _refused(f"has more than {MAX_SCANS} scans", "an ordinary JPEG file")
    try:
        # Pillow warns about bombs at its own bound, and about odd metadata; ours are stricter.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(body), formats=[KINDS[found]]) as file:
                turn = _orientation(file)
                small = _square(file)
    except (OSError, ValueError, SyntaxError, ArithmeticError, LookupError, struct.error) as error:
        raise _damaged() from error
    if turn is not None:
        small = small.transpose(turn)
    if turn in _SIDEWAYS:
        width, height = height, width
    return Upload(width, height, np.asarray(small, np.uint8))


def sniff(body: bytes) -> str | None:
    """The kind that the first bytes tell, or None."""
    if body.startswith(_PNG_MAGIC):
        return "image/png"
    return "image/jpeg" if body.startswith(b"\xff\xd8\xff") else None


def png_size(body: bytes) -> tuple[int, int]:
    """(width, height) of the header chunk, which comes first (PNG specification, 11.2.2)."""
    if body[12:16] != b"IHDR" or len(body) < 33:
        raise _damaged()
    width, height = struct.unpack(">II", body[16:24])
    return width, height


def png_chunks(body: bytes) -> set[bytes]:
    """The names of all chunks. Every one is checked against its checksum, which a decoder that would
    rather show something does not do; what is wrong or cut off raises a 422."""
    names: set[bytes] = set()
    at = len(_PNG_MAGIC)
    while b"IEND" not in names:
        length = int.from_bytes(body[at : at + 4])
        end = at + 8 + length
        if zlib.crc32(body[at + 4 : end]) != int.from_bytes(body[end : end + 4]) or end > len(body):
            raise _damaged()
        names.add(body[at + 4 : at + 8])
        at = end + 4
    return names


def jpeg_size(body: bytes) -> tuple[int, int]:
    """(width, height) of the first frame header (ITU T.81, B.2.2). Thumbnails lie inside of other
    segments, which are stepped over."""
    at = 2
    while at + 9 <= len(body):
        if body[at] != 0xFF:
            break
        marker = body[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _SOF:
            height, width = struct.unpack(">HH", body[at + 5 : at + 9])
            return width, height
        elif marker == 0xDA:  # picture data before any frame header
            break
        else:
            at += 2 + int.from_bytes(body[at + 2 : at + 4])
    raise _damaged()


def _orientation(file: Image.Image) -> Image.Transpose | None:
    """How to turn the stored picture to what was seen through the camera (EXIF 2.3, tag 274)."""
    try:
        return _TURNS.get(file.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # whatever is wrong with metadata, the picture may be well
        return None


def _square(file: Image.Image) -> Image.Image:
    """(32, 32) RGB: the centre of a photograph, the whole of a drawing with transparency, on white."""
    file.draft(None, (4 * SIDE, 4 * SIDE))  # a JPEG is decoded at the least scale that will do
    if file.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(file).astype(np.uint32) >> 8
        picture: Image.Image = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    elif file.mode in ("RGBA", "LA", "PA") or "transparency" in file.info:
        # Shrunk with premultiplied alpha, or the colour of invisible pixels would bleed in.
        drawing = file.convert("RGBA").convert("RGBa")
        drawing = ImageOps.contain(drawing, (SIDE, SIDE), _filter(max(drawing.size)))
        drawing = drawing.convert("RGBA")
        white = Image.new("RGBA", (SIDE, SIDE), "white")
        corner = ((SIDE - drawing.width) // 2, (SIDE - drawing.height) // 2)
        white.alpha_composite(drawing, corner)
        return white.convert("RGB")
    else:
        picture = file.convert("RGB")
    return ImageOps.fit(picture, (SIDE, SIDE), _filter(min(picture.size)))


def _filter(side: int) -> Image.Resampling:
    """Block averages as the training drawings were made with; enlarging needs a smooth one."""
    return Image.Resampling.BOX if side >= SIDE else Image.Resampling.BICUBIC


def _refused(message: str, accepted: str) -> BadRequest:
    return BadRequest.one("body", message, accepted)


def _damaged() -> BadRequest:
    return _refused("is damaged or cut off", "a file that opens in an image viewer")


class PictureStore:
    """The last uploads, by unguessable id. Bounded in number (a picture is 3 KB) and in age; lives in
    the event loop."""

    def __init__(
        self, most: int, keep_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._keep_s, self._clock = most, keep_s, clock
        self._pictures: OrderedDict[str, tuple[float, np.ndarray]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, pixels: np.ndarray) -> str:
        """-> its id; the oldest make room."""
        self._forget()
        while self._pictures and len(self._pictures) >= self._most:
            self._pictures.popitem(last=False)
        id = secrets.token_urlsafe(16)
        self._pictures[id] = (self._clock(), pixels)
        return id

    def get(self, id: str) -> np.ndarray | None:
        """(32, 32, 3) uint8, or None if it is unknown or forgotten."""
        self._forget()
        found = self._pictures.get(id)
        return None if found is None else found[1]

    def _forget(self) -> None:
        now = self._clock()
        while self._pictures:
            added, _ = next(iter(self._pictures.values()))
            if now - added <= self._keep_s:
                return
            self._pictures.popitem(last=False)
