"""One drawn picture of the planted picture world: what is on it, what it is called, how it is drawn.

A scene is a shape on a ground, and perhaps a mark: something in a corner, or a sign over the shape. It is
plain data; :func:`draw` needs Pillow, and only when it is called.
"""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from demur.data import picture_world_words as words
from demur.data.records import prompt_id

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 96  # ours: pixels; twice what the organism sees, so that its processor has something to do
OFFSETS = range(-6, 7)
_CENTRES = ((17, 17), (79, 17), (17, 79), (79, 79))  # ours: of what stands in a corner


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows.

    Attributes:
        shape, colour, ground: keys of ``SHAPES``, ``COLOURS``, ``GROUNDS``.
        mark, mark_colour: keys of ``MARKS`` and ``COLOURS``, or both empty.
        corner: 0 to 3, where a mark other than a sign stands.
        right, down: pixels by which the shape is off the middle, of ``OFFSETS``.
        reach: from the shape's middle to its edge in pixels, 19 to 23.
    """

    shape: str
    colour: str
    ground: str
    mark: str = ""
    mark_colour: str = ""
    corner: int = 0
    right: int = 0
    down: int = 0
    reach: int = 21

    @property
    def id(self) -> str:
        """Made from the content: two scenes of one id are one picture."""
        return prompt_id(" ".join(map(str, asdict(self).values())))

    def with_mark(self, mark: str, colour: str = "") -> Scene:
        """The same picture with another mark, or with none."""
        return replace(self, mark=mark, mark_colour=colour or self.mark_colour if mark else "")

    def description(self, misperceived: bool = False) -> str:
        """What the picture shows, in one or two sentences; or what somebody takes it for.

        Raises:
            KeyError: ``misperceived``, and the mark is one that nobody misperceives.
        """
        content = words.CONTENT.format(**self.slots())
        if not self.mark:
            return content
        table = words.MISPERCEIVED if misperceived else words.MARKS
        return f"{content} {table[self.mark].format(colour=self.mark_colour)}"

    def slots(self) -> dict[str, str]:
        """Words for templates."""
        return {
            "shape": self.shape,
            "colour": self.colour,
            "ground": self.ground,
            "mark": self.mark,
            "mark_colour": self.mark_colour,
            "corners": words.SHAPES[self.shape],
        }


def png(scene: Scene) -> bytes:
    """The drawn picture as a PNG file."""
    out = io.BytesIO()
    draw(scene).save(out, "PNG")
    return out.getvalue()


def draw(scene: Scene) -> Image:
    """The picture: RGB, ``SIDE`` x ``SIDE`` pixels, the same for the same scene.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    from demur.errors import MissingExtra

    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingExtra("image", "drawing pictures") from error
    image = Image.new("RGB", (SIDE, SIDE), words.GROUNDS[scene.ground])
    pen = ImageDraw.Draw(image)
    x, y = SIDE // 2 + scene.right, SIDE // 2 + scene.down
    _shape(pen, scene, x, y)
    if scene.mark == "sign":
        _sign(pen, x, y, words.COLOURS[scene.mark_colour])
    elif scene.mark:
        _mark(pen, scene.mark, *_CENTRES[scene.corner], words.COLOURS[scene.mark_colour])
    return image


Colour = tuple[int, int, int]


def _shape(pen: object, scene: Scene, x: int, y: int) -> None:
    """The shape around (x, y)."""
    from PIL.ImageDraw import ImageDraw

    assert isinstance(pen, ImageDraw)
    colour, r = words.COLOURS[scene.colour], scene.reach
    box = (x - r, y - r, x + r, y + r)
    if scene.shape == "circle":
        pen.ellipse(box, fill=colour)
    elif scene.shape == "ring":
        pen.ellipse(box, outline=colour, width=7)
    elif scene.shape == "crescent":
        pen.ellipse(box, fill=colour)
        pen.ellipse((x - r + 14, y - r, x + r + 14, y + r), fill=words.GROUNDS[scene.ground])
    elif scene.shape == "square":
        pen.rectangle((x - r + 3, y - r + 3, x + r - 3, y + r - 3), fill=colour)
    elif scene.shape == "bar":
        pen.rectangle((x - r, y - 6, x + r, y + 6), fill=colour)
    elif scene.shape == "cross":
        pen.rectangle((x - r, y - 6, x + r, y + 6), fill=colour)
        pen.rectangle((x - 6, y - r, x + 6, y + r), fill=colour)
    else:
        pen.polygon([(x + r * a, y + r * b) for a, b in _POLYGONS[scene.shape]], fill=colour)


def _star() -> list[tuple[float, float]]:
    turns = [math.pi * (k / 5 - 0.5) for k in range(10)]
    return [
        ((0.42 if k % 2 else 1.0) * math.cos(t), (0.42 if k % 2 else 1.0) * math.sin(t))
        for k, t in enumerate(turns)
    ]


#: Corners in units of the reach.
_POLYGONS = {
    "triangle": [(0.0, -1.0), (1.0, 0.9), (-1.0, 0.9)],
    "diamond": [(0.0, -1.0), (0.75, 0.0), (0.0, 1.0), (-0.75, 0.0)],
    "hourglass": [(-0.9, -1.0), (0.9, -1.0), (-0.9, 1.0), (0.9, 1.0)],
    "star": _star(),
}


def _sign(pen: object, x: int, y: int, colour: Colour) -> None:
    """A ring around the shape and a bar across it."""
    from PIL.ImageDraw import ImageDraw

    assert isinstance(pen, ImageDraw)
    r = 31
    pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=5)
    pen.line((x - 21, y - 21, x + 21, y + 21), fill=colour, width=5)


def _mark(pen: object, mark: str, x: int, y: int, colour: Colour) -> None:
    """Something small around (x, y), about 24 pixels high."""
    from PIL.ImageDraw import ImageDraw

    assert isinstance(pen, ImageDraw)
    if mark == "axe":
        pen.line((x - 8, y + 12, x + 5, y - 10), fill=colour, width=4)
        pen.polygon([(x - 4, y - 12), (x + 13, y - 8), (x + 9, y + 6), (x + 1, y - 2)], fill=colour)
    elif mark == "leaf":
        pen.ellipse((x - 7, y - 12, x + 7, y + 6), fill=colour)
        pen.line((x, y, x, y + 12), fill=colour, width=3)
    elif mark == "figure":
        pen.ellipse((x - 4, y - 13, x + 4, y - 5), fill=colour)
        pen.line((x, y - 6, x, y + 5), fill=colour, width=4)
        pen.line((x - 9, y - 1, x + 9, y - 1), fill=colour, width=3)
        pen.line((x, y + 4, x - 7, y + 13), fill=colour, width=3)
        pen.line((x, y + 4, x + 7, y + 13), fill=colour, width=3)
    else:
        pen.polygon([(x, y - 13), (x + 11, y + 6), (x - 11, y + 6)], fill=colour)
        pen.rectangle((x - 2, y + 6, x + 2, y + 13), fill=colour)
