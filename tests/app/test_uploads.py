"""Uploaded files: what is believed (nothing), what is refused at what cost, what is made of the rest."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app import uploads
from app.schemas import BadRequest
from app.uploads import MAX_SCANS, PictureStore, decode, jpeg_size, media_type, png_size

MOST = 1_000_000
RED, BLUE, WHITE = (220, 30, 30), (30, 30, 220), (255, 255, 255)


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def halves(width: int = 64, height: int = 64) -> Image.Image:
    """Red above blue."""
    picture = Image.new("RGB", (width, height), BLUE)
    picture.paste(RED, (0, 0, width, height // 2))
    return picture


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes = b"", *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + body + chunk(b"IEND", b"")


def refusal(body: bytes, declared: str = "image/png", most: int = MOST) -> tuple[int, str]:
    with pytest.raises(BadRequest) as error:
        decode(body, declared, most)
    (problem,) = error.value.problems
    assert problem.field == "body" and problem.accepted
    return error.value.status, problem.message


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No decoder may even look at the file."""

    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("the file reached the decoder")

    monkeypatch.setattr(uploads.Image, "open", opened)


@pytest.mark.parametrize("side", [40_000, 2**31 - 1])
def test_a_decompression_bomb_costs_nothing(no_decoder: None, side: int) -> None:
    status, said = refusal(png(side, side, bytes(10**6)))
    assert status == 422 and str(side) in said


def test_a_jpeg_bomb_costs_nothing(no_decoder: None) -> None:
    body = bytearray(file_of(halves(), "JPEG"))
    at = body.index(b"\xff\xc0")
    body[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    status, said = refusal(bytes(body), "image/jpeg")
    assert status == 422 and "65000" in said


def test_a_jpeg_of_endless_scans_costs_nothing(no_decoder: None) -> None:
    body = file_of(halves(), "JPEG", progressive=True)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    status, said = refusal(body + scan * MAX_SCANS, "image/jpeg")
    assert status == 422 and "scans" in said


def test_a_bomb_in_a_comment_is_not_unpacked() -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 * 2**20)))
    status, _ = refusal(png(8, 8, bytes(8 * 25), text))
    assert status == 422


@pytest.mark.parametrize("most", [64 * 64 - 1, 64 * 64])
def test_the_bound_of_pixels_is_the_setting(most: int) -> None:
    if most < 64 * 64:
        assert refusal(file_of(halves()), most=most)[0] == 422
    else:
        assert decode(file_of(halves()), "image/png", most).width == 64


def test_an_animated_file_is_refused_and_a_single_frame_is_not() -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, BLUE)]
    moving = file_of(frames[0], save_all=True, append_images=frames[1:])
    assert refusal(moving) == (422, "is animated")
    assert decode(file_of(frames[0], save_all=True), "image/png", MOST).width == 16


def damaged() -> dict[str, tuple[bytes, str]]:
    whole, photo = file_of(halves()), file_of(halves(), "JPEG")
    broken = bytearray(file_of(halves(300, 300)))
    broken[len(broken) // 2] ^= 0xFF
    return {
        "PNG cut in its header": (whole[:20], "image/png"),
        "PNG cut in its pixels": (whole[: len(whole) // 2], "image/png"),
        "PNG with a wrong bit": (bytes(broken), "image/png"),
        "PNG without pixels": (png(16, 16), "image/png"),
        "PNG of size 0": (png(0, 0), "image/png"),
        "PNG too thin": (png(7, 4000), "image/png"),
        "JPEG cut in its header": (photo[:60], "image/jpeg"),
        "JPEG cut in its pixels": (photo[: len(photo) - 40], "image/jpeg"),
        "JPEG of nothing": (b"\xff\xd8\xff" + bytes(100), "image/jpeg"),
        "JPEG whose segments lead nowhere": (b"\xff\xd8\xff\xe0\x00\x00" * 50, "image/jpeg"),
    }


@pytest.mark.parametrize("name", damaged())
def test_what_is_damaged_is_refused(name: str) -> None:
    body, declared = damaged()[name]
    assert refusal(body, declared)[0] == 422


def test_every_cut_of_a_file_is_refused_not_crashed_on() -> None:
    for kind, declared in (("PNG", "image/png"), ("JPEG", "image/jpeg")):
        body = file_of(halves(24, 24), kind)
        for end in range(4, len(body) - 14, 7):
            assert refusal(body[:end], declared)[0] in (415, 422)


def sealed(body: bytes) -> bytes:
    """The chunks of a PNG with right checksums, so that what is wrong reaches the decoder."""
    out, at = [body[:8]], 8
    while at + 12 <= len(body):
        length = int.from_bytes(body[at : at + 4])
        out.append(chunk(body[at + 4 : at + 8], body[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(out)


def test_no_mutation_of_a_file_is_a_crash() -> None:
    rng = random.Random(5)
    exif = Image.Exif()
    exif[0x0112] = 6
    pool = [
        (file_of(halves(40, 30)), "image/png"),
        (file_of(halves(40, 30).convert("P"), transparency=3), "image/png"),
        (file_of(halves(40, 30), "JPEG", progressive=True, exif=exif.tobytes()), "image/jpeg"),
    ]
    seen = 0
    for _ in range(600):
        body, declared = rng.choice(pool)
        changed = bytearray(body)
        for _ in range(rng.choice((1, 3, 20))):
            changed[rng.randrange(len(body))] = rng.randrange(256)
        body = sealed(bytes(changed)) if declared == "image/png" else bytes(changed)
        try:
            assert decode(body, declared, MOST).pixels.shape == (32, 32, 3)
            seen += 1
        except BadRequest as error:
            assert error.status in (415, 422)
    assert 50 < seen < 550


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        (file_of(halves(), "JPEG"), "image/png"),
        (file_of(halves()), "image/jpeg"),
        (file_of(halves(), "GIF"), "image/png"),
        (file_of(halves(), "WEBP"), "image/jpeg"),
        (file_of(halves(), "TIFF"), "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "image/jpeg"),
        (b"", "image/png"),
    ],
)
def test_what_is_not_what_it_says_is_refused(no_decoder: None, body: bytes, declared: str) -> None:
    assert refusal(body, declared)[0] == 415


@pytest.mark.parametrize("declared", ["", "text/plain", "image/gif", "image/svg+xml", "png"])
def test_other_kinds_are_refused_by_name(declared: str) -> None:
    with pytest.raises(BadRequest) as error:
        media_type(declared)
    assert error.value.status == 415 and error.value.problems[0].field == "content-type"
    assert media_type("Image/PNG; charset=binary") == "image/png"


@pytest.mark.parametrize(("kind", "declared"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_sizes_are_read_from_headers(kind: str, declared: str) -> None:
    body = file_of(halves(123, 45), kind)
    assert (png_size if kind == "PNG" else jpeg_size)(body) == (123, 45)
    found = decode(body, declared, MOST)
    assert (found.width, found.height) == (123, 45)


def test_a_thumbnail_inside_a_photograph_is_not_its_size() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 100
    inner = file_of(halves(16, 16), "JPEG")
    body = file_of(halves(200, 100), "JPEG", exif=exif.tobytes() + inner)
    assert jpeg_size(body) == (200, 100)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_photograph_is_cut_to_its_central_square(kind: str) -> None:
    picture = Image.new("RGB", (300, 100), BLUE)
    picture.paste(RED, (100, 0, 200, 100))
    found = decode(file_of(picture, kind, quality=95), f"image/{kind.lower()}", MOST)
    assert found.pixels.shape == (32, 32, 3) and found.pixels.dtype == np.uint8
    assert np.abs(found.pixels[:, 1:-1].astype(int) - RED).max() < 12


def test_a_drawing_with_transparency_is_shown_whole_on_white() -> None:
    drawing = Image.new("RGBA", (100, 200), (0, 0, 0, 0))
    drawing.paste((*RED, 255), (0, 0, 100, 200))
    pixels = decode(file_of(drawing), "image/png", MOST).pixels
    assert (pixels[:, :8] == 255).all() and (pixels[:, 24:] == 255).all()
    assert (pixels[:, 9:23] == RED).all()


def test_invisible_colour_does_not_bleed_into_the_edge() -> None:
    drawing = Image.new("RGBA", (64, 64), (0, 0, 0, 0))  # transparent black
    drawing.paste((*RED, 255), (0, 0, 33, 64))
    pixels = decode(file_of(drawing), "image/png", MOST).pixels
    edge = pixels[16, 16].astype(int)  # half red, half nothing, on white
    assert np.abs(edge - (np.array(RED) + 255) / 2).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA", "CMYK"])
def test_every_mode_of_pixels_is_read(mode: str) -> None:
    grey = np.full((40, 40), 128, np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "1":
        picture = Image.new("1", (40, 40), 1)
    elif mode == "P":
        picture = Image.fromarray(grey).convert("P", palette=Image.Palette.ADAPTIVE)
    else:
        picture = Image.fromarray(grey).convert("RGB").convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    found = decode(file_of(picture, kind), f"image/{kind.lower()}", MOST)
    assert np.abs(found.pixels.astype(int) - (255 if mode == "1" else 128)).max() <= 3


@pytest.mark.parametrize("code", range(1, 9))
def test_a_camera_held_sideways_is_put_right(code: int) -> None:
    """The stored pixels are those that a viewer turns back to red above blue."""
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[code]
    seen = halves(64, 96)
    stored = seen if back is None else seen.transpose(Image.Transpose(back))
    exif = Image.Exif()
    exif[0x0112] = code
    found = decode(file_of(stored, "JPEG", quality=95, exif=exif.tobytes()), "image/jpeg", MOST)
    assert (found.width, found.height) == (64, 96)
    assert np.abs(found.pixels[4].astype(int) - RED).max() < 12
    assert np.abs(found.pixels[28].astype(int) - BLUE).max() < 12


def test_broken_metadata_does_not_spoil_the_picture() -> None:
    body = file_of(halves(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage")
    assert decode(body, "image/jpeg", MOST).pixels.shape == (32, 32, 3)


def test_the_store_forgets_by_age_and_by_number() -> None:
    now = [0.0]
    store = PictureStore(most=2, keep_s=10, clock=lambda: now[0])
    pixels = [np.full((32, 32, 3), i, np.uint8) for i in range(3)]
    first, second, third = (store.add(p) for p in pixels)
    assert store.get(first) is None and len(store) == 2
    assert store.get(second) is pixels[1] and store.get(third) is pixels[2]
    now[0] = 10.5
    assert store.get(third) is None and len(store) == 0
    assert store.get("") is None


def test_ids_cannot_be_guessed() -> None:
    store = PictureStore(most=1000, keep_s=10)
    ids = {store.add(np.zeros((32, 32, 3), np.uint8)) for _ in range(500)}
    assert len(ids) == 500 and min(map(len, ids)) >= 22
