"""Pictures by content: each way of being unusable has its own message, each that is changed says how."""

from __future__ import annotations

import base64
import io
import random
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demur.data import pictures
from demur.data.picture_headers import KINDS
from demur.data.picture_pixels import pixels, ready
from demur.data.pictures import FAULTS, PictureFault, changes_said, find_picture, open_part, open_picture

Image = pytest.importorskip("PIL.Image", reason="needs Pillow (the extra image)")

#: One grey pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
RED, GREEN, BLUE = (220, 30, 30), (30, 160, 60), (40, 60, 200)


def quarters(size: int = 32) -> Any:
    """Four colours, so that a turned or clipped picture shows: red, green over blue, white."""
    drawn = Image.new("RGB", (size, size), "white")
    half = size // 2
    drawn.paste(RED, (0, 0, half, half))
    drawn.paste(GREEN, (half, 0, size, half))
    drawn.paste(BLUE, (0, half, half, size))
    return drawn


def saved(image: Any, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def near(one: tuple[int, ...], other: tuple[int, ...], within: int = 12) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= within


def of_size(width: int, height: int) -> bytes:
    """The header of a PNG of any size and nothing else: what a decompression bomb begins with."""
    return PNG[:16] + struct.pack(">II", width, height) + PNG[24:]


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>'
UNUSABLE = {
    "zero bytes": (b"", "empty", "has no bytes"),
    "20,000 x 20,000": (of_size(20_000, 20_000), "too many pixels", "20000 x 20000 pixels; at most"),
    "no pixel": (of_size(0, 5), "corrupt", "has 0 x 5 pixels; it is corrupt"),
    "PNG cut off": (saved(quarters(), "PNG")[:-30], "cut off", "is cut off: a png picture without its end"),
    "JPEG cut off": (saved(quarters(), "JPEG")[:-30], "cut off", "is cut off: a jpeg picture"),
    "WebP cut off": (saved(quarters(), "WEBP")[:-30], "cut off", "is cut off: a webp picture"),
    "GIF cut off": (saved(quarters(), "GIF")[:-30], "cut off", "is cut off: a gif picture"),
    "PNG of 20 bytes": (PNG[:20], "corrupt", "a png picture whose size cannot be read; it is corrupt"),
    "JPEG of 4 bytes": (b"\xff\xd8\xff\xe0", "corrupt", "a jpeg picture whose size cannot be read"),
    "JPEG without a marker": (b"\xff\xd8\xff\xe0\x00\x02" + bytes(40), "corrupt", "a jpeg picture whose"),
    "WebP of no picture": (b"RIFF\0\0\0\0WEBPALPH" + bytes(20), "corrupt", "a webp picture whose size"),
    "animated GIF": (animated("GIF"), "animated", r"is animated \(3 frames\); save the frame"),
    "animated WebP": (animated("WEBP"), "animated", r"is animated \(3 frames\)"),
    "animated PNG": (animated("PNG"), "animated", r"is animated \(3 frames\)"),
    "SVG": (SVG, "a drawing", r"is a drawing \(SVG\); models take pixels, so save it as PNG"),
    "HTML": (b"\n<!DOCTYPE html><html>Not found", "a web page", r"is a web page \(HTML\), not a picture"),
    "BMP": (saved(quarters(), "BMP"), "another kind", "is a BMP file; png, jpeg, webp, gif are read"),
    "TIFF": (saved(quarters(), "TIFF"), "another kind", "is a TIFF file"),
    "AVIF": (b"\0\0\0\x1cftypavif" + bytes(20), "another kind", "is a AVIF file"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "another kind", "is a Git LFS pointer file"),
    "text": (b"A meadow.", "no picture", r"is no picture of a known kind \(png, jpeg, webp, gif\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_done_9_each_picture_that_cannot_be_used_has_its_own_message(name: str, tmp_path: Path) -> None:
    content, fault, message = UNUSABLE[name]
    path = tmp_path / "7.png"
    path.write_bytes(content)
    with pytest.raises(PictureFault, match=message) as caught:
        open_picture(path)
    assert caught.value.fault == fault and str(path) in str(caught.value)
    with pytest.raises(PictureFault, match=message):
        open_picture(content)


def test_every_fault_that_is_named_is_shown_by_a_test() -> None:
    elsewhere = {"absent", "too many bytes", "an address"}  # the tests below
    assert {fault for _, fault, _ in UNUSABLE.values()} | elsewhere == set(FAULTS)


def test_done_9_too_many_bytes_an_absent_file_and_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(PNG)
    monkeypatch.setattr(pictures, "MOST_BYTES", len(PNG) - 1)
    for source in (path, PNG):
        with pytest.raises(PictureFault, match=r"bytes; at most \d+ are read") as caught:
            open_picture(source)
        assert caught.value.fault == "too many bytes"
    with pytest.raises(PictureFault, match="cannot be read: No such file") as caught:
        open_picture(tmp_path / "y.png")
    assert caught.value.fault == "absent"
    with pytest.raises(PictureFault, match=r"is an address; save the picture") as caught:
        open_part("https://example.org/a.png")
    assert caught.value.fault == "an address"


CHANGED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "WebP named .png": (lambda: saved(quarters(), "WEBP"), ".png", "webp named .png"),
    "no ending": (lambda: saved(quarters(), "PNG"), "", "png named without an ending"),
    "RGBA": (lambda: saved(quarters().convert("RGBA"), "PNG"), ".png", "transparency laid on white"),
    "grey and alpha": (lambda: saved(Image.new("LA", (4, 4)), "PNG"), ".png", "transparency laid on white"),
    "palette": (lambda: saved(quarters().quantize(8), "PNG"), ".png", "palette written out"),
    "GIF": (lambda: saved(quarters(), "GIF"), ".gif", "palette written out"),
    "palette with a transparent colour": (
        lambda: saved(quarters().quantize(8), "PNG", transparency=0), ".png", "transparency laid on white"
    ),
    "WebP with alpha": (
        lambda: saved(Image.new("RGBA", (9, 9), (0, 0, 0, 7)), "WEBP"), ".webp", "transparency laid on white"
    ),
    "CMYK": (lambda: saved(quarters().convert("CMYK"), "JPEG"), ".jpg", "CMYK to RGB"),
    "16 bits": (
        lambda: saved(Image.new("I;16", (8, 8), 40_000), "PNG"), ".png", "16 bits a channel to 8"
    ),
    "rotated": (lambda: rotated("JPEG"), ".jpeg", "turned upright as its Exif says"),
    "rotated PNG": (lambda: rotated("PNG"), ".png", "turned upright as its Exif says"),
    "rotated WebP": (lambda: rotated("WEBP"), ".webp", "turned upright as its Exif says"),
}  # fmt: skip


def rotated(kind: str) -> bytes:
    """The four quarters, stored turned by a quarter and saying so."""
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees clockwise to see it upright"
    return saved(quarters().rotate(90), kind, exif=exif, quality=95)


@pytest.mark.parametrize("name", CHANGED)
def test_done_9_each_picture_that_is_changed_before_it_is_sent_says_how(name: str, tmp_path: Path) -> None:
    make, suffix, change = CHANGED[name]
    path = tmp_path / f"7{suffix}"
    path.write_bytes(make())
    picture = open_picture(path)
    assert picture.changes == (change,)
    sent = open_picture(ready(picture, tmp_path / "cache"))
    assert sent.path != path and sent.changes == () and path.read_bytes() == make()
    assert (sent.width, sent.height) == (picture.width, picture.height)
    if "named" in change:
        assert sent.data == picture.data and sent.kind == picture.kind
    assert ready(picture, tmp_path / "cache") == sent.path


SOUND = [make() for make, _, _ in CHANGED.values()]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_turned_picture_is_seen_upright(kind: str) -> None:
    seen = pixels(open_picture(rotated(kind)))
    for at, colour in (((6, 6), RED), ((26, 6), GREEN), ((6, 26), BLUE)):
        assert near(seen.getpixel(at), colour)


def test_pixels_are_rgb_on_white_and_of_eight_bits_not_clipped() -> None:
    clear = saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")
    assert pixels(open_picture(clear)).getpixel((0, 0)) == (255, 255, 255)
    deep = saved(Image.new("I;16", (4, 4), 40_000), "PNG")
    assert pixels(open_picture(deep)).getpixel((1, 1)) == (40_000 >> 8,) * 3
    ink = pixels(open_picture(saved(quarters().convert("CMYK"), "JPEG", quality=95)))
    assert ink.mode == "RGB" and near(ink.getpixel((5, 5)), RED)


def test_a_picture_as_it_should_be_is_sent_as_it_is(tmp_path: Path) -> None:
    for number, kind in enumerate(("PNG", "JPEG", "WEBP")):
        path = tmp_path / f"{number}.{kind.lower()}"
        path.write_bytes(saved(quarters(), kind))
        assert open_picture(path).changes == () and ready(open_picture(path), tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()
    assert find_picture([tmp_path / "none", tmp_path], "1") == tmp_path / "1.jpeg"
    assert find_picture([tmp_path], "3") is None


def test_a_large_picture_is_made_smaller_and_transparency_lies_on_white(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    Image.new("RGBA", (4_000, 1_000), (0, 0, 0, 0)).save(path)
    picture = open_picture(path)
    assert picture.too_large and "made smaller" in picture.changes[0]
    sent = open_picture(ready(picture, tmp_path / "cache"))
    assert (sent.kind, sent.width, sent.height, sent.changes) == ("jpeg", 2_048, 512, ())
    assert pixels(sent).getpixel((5, 5)) == (255, 255, 255)


def test_what_only_decoding_finds_is_a_fault_of_the_picture(tmp_path: Path) -> None:
    whole = bytearray(saved(quarters(), "PNG"))
    middle = whole.index(b"IDAT") + 6
    whole[middle : middle + 8] = bytes(8)
    path = tmp_path / "1.png"
    path.write_bytes(whole)
    with pytest.raises(PictureFault, match=r"1\.png cannot be decoded") as caught:
        pixels(open_picture(path))
    assert caught.value.fault == "corrupt"


def mutated(seed: int) -> bytes:
    """A picture file with a few bytes changed, removed or put in, or cut off."""
    chance = random.Random(seed)
    data = bytearray(chance.choice(SOUND))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        kind, at = chance.random(), chance.randrange(max(1, len(data)))
        if kind < 0.6 and data:
            data[at] = chance.randrange(256)
        elif kind < 0.8:
            del data[at : at + chance.randrange(1, 12)]
        elif kind < 0.95:
            data[at:at] = chance.randbytes(chance.randrange(1, 6))
        else:
            del data[at:]
    return bytes(data)


def test_a_damaged_file_ends_in_a_picture_or_a_fault_and_nothing_else() -> None:
    ends: Counter[str] = Counter()
    for seed in range(1_500):
        try:
            pixels(open_picture(mutated(seed)), 64)
            ends["seen"] += 1
        except PictureFault as error:
            ends[error.fault] += 1
    assert ends["seen"] > 50 and ends["corrupt"] > 50 and ends["cut off"] > 50, ends


def test_parts_of_messages_are_data_urls_paths_and_file_addresses(tmp_path: Path) -> None:
    path = tmp_path / "a b.png"
    path.write_bytes(PNG)
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    for place in (str(path), path.as_uri(), url):
        picture = open_part(place)
        assert (picture.kind, picture.width, picture.data) == ("png", 1, PNG)
    with pytest.raises(ValueError, match="has no path"):
        ready(open_part(url), tmp_path)
    for place in ("data:image/png,abc", "data:image/png;base64,a"):
        with pytest.raises(PictureFault, match=r"is no data URL|is no base64") as caught:
            open_part(place)
        assert caught.value.fault == "corrupt"


def test_kinds_are_told_by_content_whatever_the_name(tmp_path: Path) -> None:
    for kind in KINDS:
        path = tmp_path / f"{kind}.txt"
        path.write_bytes(saved(quarters(), kind.upper()))
        found = open_picture(path)
        assert (found.kind, found.width, found.height, found.misnamed) == (kind, 32, 32, True)
    lossless = open_picture(saved(quarters(), "WEBP", lossless=True))
    assert (lossless.kind, lossless.width, lossless.height) == ("webp", 32, 32)


def test_long_lists_of_changed_pictures_are_cut() -> None:
    (said,) = changes_said({"palette written out": [str(n) for n in range(25)]})
    assert said.startswith("changed before it is sent, palette written out: 0, 1,")
    assert said.endswith("19 and 5 more")


def test_the_thirty_real_pictures_open_and_decode(shared_data: Path) -> None:
    found = [open_picture(path) for path in sorted((shared_data / "mossbench" / "images_256").iterdir())]
    assert len(found) == 30 and {p.kind for p in found} == {"jpeg"}
    assert all(max(p.width, p.height) <= 256 and p.changes == () for p in found)
    assert all(pixels(p).size == (p.width, p.height) for p in found)
