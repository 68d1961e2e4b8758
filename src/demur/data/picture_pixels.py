"""A picture's pixels as a model gets them: RGB, 8 bits, upright, transparency on white, within a size.

A picture that needs none of this is sent as its file stands (``ready``); any other as a copy in the cache, a
PNG, or a JPEG where it had to be made smaller. Needs Pillow, which is loaded inside functions.
"""

from __future__ import annotations

import io
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data import pictures
from demur.data.picture_headers import KINDS
from demur.data.pictures import Picture, PictureFault

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 90  # ours: no visible loss


def pixels(picture: Picture, most_side: int | None = None) -> Image:
    """The picture as a Pillow image of mode RGB.

    Args:
        picture: of ``pictures.open_picture``.
        most_side: longest side in pixels; larger ones are scaled down, smaller ones left.

    Raises:
        PictureFault: it cannot be decoded.
    """
    image = import_module("PIL.Image")
    ops = import_module("PIL.ImageOps")
    try:
        with image.open(io.BytesIO(picture.data)) as opened:
            if most_side is not None:
                opened.thumbnail((most_side, most_side))
            upright = ops.exif_transpose(_eight_bits(opened))
            return _on_white(image, upright)
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise PictureFault("corrupt", f"{picture.name} cannot be decoded: {error}") from error


def ready(picture: Picture, cache: Path) -> Path:
    """The path to send: the picture's own, or that of a copy in the cache, named by its content.

    Raises:
        PictureFault: it cannot be decoded.
        ValueError: the picture has no path.
    """
    if picture.path is None:
        raise ValueError(f"{picture.name} has no path")
    if not picture.changes:
        return picture.path
    only_its_name = picture.misnamed and len(picture.changes) == 1
    ending = KINDS[picture.kind][0] if only_its_name else "-rgb.jpg" if picture.too_large else "-rgb.png"
    target = cache / "pictures" / f"{picture.sha256}{ending}"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        content = picture.data if only_its_name else _written(picture)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.write_bytes(content)
        os.replace(fresh, target)
    return target


def _written(picture: Picture) -> bytes:
    """A PNG of its pixels; a JPEG of at most ``SENT_SIDE`` pixels a side where it is too large."""
    out = io.BytesIO()
    if picture.too_large:
        pixels(picture, int(pictures.SENT_SIDE)).save(out, "JPEG", quality=_QUALITY)
    else:
        pixels(picture).save(out, "PNG")
    return out.getvalue()


def _eight_bits(opened: Any) -> Any:
    """Grey of 16 bits, which Pillow would clip, as grey of 8; anything else as it is."""
    if not opened.mode.startswith("I;16") and opened.mode != "I":
        return opened
    numpy, image = import_module("numpy"), import_module("PIL.Image")
    values = numpy.asarray(opened).astype("uint32") >> 8
    return image.fromarray(values.clip(0, 255).astype("uint8"))


def _on_white(image: Any, opened: Any) -> Image:
    rgba = opened.convert("RGBA")
    flat: Image = image.new("RGB", rgba.size, "white")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    return flat
