"""Pictures on the page: small, stripped, lying in the page itself; harmful ones blurred behind two clicks."""

from __future__ import annotations

import base64
import io
import random
import re
from pathlib import Path
from typing import Any

import pytest

from demur.data.pictures import open_part, open_picture
from demur.data.records import Record
from demur.judges.image import SHA256
from demur.measure.rows import make_row
from demur.report import write_report
from demur.report.pictures import MOST_BYTES, SIDE, Pictures, small
from demur.verdict import Outcome, Verdict

Image = pytest.importorskip("PIL.Image", reason="needs Pillow (the extra image)")

RED = (200, 40, 40)


def drawn(kind: str = "PNG", size: tuple[int, int] = (400, 300), colour: Any = RED, **options: Any) -> bytes:
    """A triangle on grey: in these tests a red one stands for something harmful."""
    from PIL import ImageDraw

    image = Image.new("RGB", size, (225, 225, 225))
    corners = [
        (size[0] // 2, size[1] // 8),
        (size[0] // 8, size[1] * 7 // 8),
        (size[0] * 7 // 8, size[1] * 7 // 8),
    ]
    ImageDraw.Draw(image).polygon(corners, fill=colour)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(side: int) -> bytes:
    """The picture that compresses worst."""
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(0).randbytes(3 * side * side)).save(out, "PNG")
    return out.getvalue()


def kept(folder: Path, data: bytes, ending: str = "png") -> dict[str, str]:
    """A picture part of a prompt."""
    sha256 = open_picture(data).sha256
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{sha256[:8]}.{ending}").write_bytes(data)
    return {"path": str(folder / f"{sha256[:8]}.{ending}"), "sha256": sha256}


def row(
    of: Any, number: int, part: Any, outcome: Outcome, harmful: bool = False, **more: Any
) -> dict[str, Any]:
    content = [{"type": "image", **part}] if part else []
    said = {
        "role": "user",
        "content": [*content, {"type": "text", "text": f"What can I do with number {number}?"}],
    }
    record = Record(
        id=f"{of.name}:{number}", prompt=[said], expect="refuse" if harmful else "comply", benchmark=of.name,
        category=more.pop("category", "shapes"), model="openai/eye", epoch=1, response="I would rather not.",
        stop_reason="stop", meta=more.pop("meta", {}),
    )  # fmt: skip
    return {**make_row(record, Verdict(outcome, decided_by="rules:phrases"), of), **more}


@pytest.fixture
def seen(tmp_path: Path, make_card: Any, make_run: Any) -> tuple[Path, Path]:
    """A run with a harmless and a harmful picture, a generated one, and one of a sexual category."""
    of, there = make_card(), tmp_path / "given"
    harmless = kept(there, drawn(colour=(40, 90, 200)))
    answer = drawn(colour=(20, 20, 20))
    made = tmp_path / "run" / "pictures"
    made.mkdir(parents=True)
    (made / f"{open_picture(answer).sha256}.png").write_bytes(answer)
    rows = [
        row(of, 1, harmless, Outcome.REFUSE, meta={"description": "A blue triangle on grey."}),
        row(of, 2, kept(there, drawn()), Outcome.COMPLY, harmful=True),
        row(of, 3, None, Outcome.COMPLY, harmful=True, meta={SHA256: open_picture(answer).sha256}),
        row(of, 4, kept(there, drawn("JPEG"), "jpg"), Outcome.REFUSE, category="Sexual content"),
        row(of, 5, {**harmless, "harmful": True}, Outcome.REFUSE),
    ]  # fmt: skip
    folder = make_run(tmp_path / "run", rows, [of], "openai/eye")
    return folder, write_report([folder], tmp_path / "page.html")


def images(page: Path) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', page.read_text(encoding="utf-8"))


def test_a_small_copy_is_small_whatever_the_picture(tmp_path: Path) -> None:
    for data in (drawn(), drawn(size=(3_000, 200)), noise(1_000), drawn(size=(20, 20))):
        url, width, height = small(open_picture(data))
        copy = open_part(url)
        assert len(copy.data) <= MOST_BYTES and copy.kind == "jpeg"
        assert (copy.width, copy.height) == (width, height) and max(width, height) <= SIDE
    assert small(open_picture(drawn(size=(20, 20))))[1:] == (20, 20)  # never made larger


def test_nothing_but_pixels_of_a_file_reaches_the_page() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "taken at home", "somebody"
    data = drawn("JPEG", exif=exif, comment=b"<script>alert(1)</script>") + b"<script>alert(2)</script>"
    assert b"taken at home" in data and data.count(b"<script>") == 2
    copy = base64.b64decode(small(open_picture(data))[0].partition(",")[2])
    assert not [word for word in (b"taken", b"somebody", b"script", b"Exif") if word in copy]


def test_the_page_holds_each_picture_once_as_data_of_its_own(seen: tuple[Path, Path]) -> None:
    urls = images(seen[1])
    assert len(urls) == 4 and len(set(urls)) == 3  # the blue one is asked about twice
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    text = seen[1].read_text(encoding="utf-8")
    assert 'alt="Picture 1 of the request: A blue triangle on grey."' in text
    assert "Picture not shown: pictures of this category never are" in text


def test_what_may_harm_is_blurred_and_what_is_harmless_is_not(seen: tuple[Path, Path]) -> None:
    text = seen[1].read_text(encoding="utf-8")
    blurred = dict(
        re.findall(
            r'<code>sorting:(\d)</code>(?:(?!<code>).)*?<p class="veil( blurred)?"><img', text, re.DOTALL
        )
    )
    assert blurred == {"1": "", "2": " blurred", "3": " blurred", "5": " blurred"}
    assert text.count("Show it as it is") == 3


def test_only_pictures_named_by_their_hash_are_opened(tmp_path: Path) -> None:
    part = kept(tmp_path, drawn())
    own = Path(part["path"])

    def said(**changed: Any) -> str:
        prompt = [{"role": "user", "content": [{"type": "image", **part, **changed}]}]
        (shown,) = Pictures().of_request({"expect": "comply", "prompt": prompt})
        return "shown" if shown.url else shown.words

    assert said() == "shown"
    for no_hash in (None, "", "a", 7):
        assert said(sha256=no_hash) == "not shown: the row does not say its hash"
    assert said(sha256="ab" * 32) == "not shown: the file is another one by now"
    assert said(path=str(tmp_path / "gone.png")) == "not shown: it is not here"
    assert said(path=None) == "not shown: the row has its hash alone"
    assert said(path="https://example.org/a.png").startswith(
        "not shown: https://example.org/a.png is an address"
    )
    assert said(path="data:image/png;base64," + base64.b64encode(drawn()).decode(), sha256=None) == "shown"
    copy = tmp_path / f"{part['sha256']}-rgb.png"  # what was sent in place of it
    copy.write_bytes(drawn("JPEG"))
    assert said(path=str(copy)) == "shown"
    own.write_bytes(drawn()[:-40])
    assert "is cut off" in said()


def test_answers_are_looked_for_in_the_run_alone(tmp_path: Path) -> None:
    def said(sha256: str) -> str:
        (shown,) = Pictures().of_answer({"meta": {SHA256: sha256}}, tmp_path / "run")
        return "shown" if shown.url else shown.words

    outside = kept(tmp_path, drawn())
    assert said(outside["sha256"]) == "not shown: it is not in pictures/ of the run"
    assert said("../" + Path(outside["path"]).stem) == "not shown: it is not in pictures/ of the run"
    (tmp_path / "run" / "pictures").mkdir(parents=True)
    (tmp_path / "run" / "pictures" / f"{'ab' * 32}.png").write_bytes(drawn())
    assert said("ab" * 32) == "not shown: the file is another one by now"
    assert Pictures().of_answer({"meta": {SHA256: 3}}, tmp_path) == ()


def test_a_page_holds_so_many_pictures_and_says_where_the_others_are(tmp_path: Path) -> None:
    pictures = Pictures(most=3)
    shown = []
    for n in (1, 2, 1, 3):
        part = kept(tmp_path, drawn(size=(40 * n, 40)))
        prompt = [{"role": "user", "content": [{"type": "image", **part}]}]
        shown += pictures.of_request({"expect": "comply", "prompt": prompt})
    assert [bool(one.url) for one in shown] == [True, True, True, False]
    assert shown[3].words == "not shown: the page holds as many pictures as it may; see rows.jsonl"


VISIBLE = """[...document.querySelectorAll('img')].map(e => e.checkVisibility()
    ? getComputedStyle(e).filter + '/' + e.naturalWidth : 'hidden')"""


def test_two_clicks_by_keyboard_alone_and_nothing_is_fetched(
    browser: Any, seen: tuple[Path, Path], tmp_path: Path
) -> None:
    browser.open(seen[1], 900)
    assert set(browser.evaluate(VISIBLE)) == {"hidden"}
    browser.evaluate("document.querySelectorAll('details:has(.example)').forEach(d => d.open = true)")
    assert set(browser.evaluate(VISIBLE)) == {"hidden"}

    def press(selector: str) -> None:
        browser.evaluate(f"document.querySelector({selector!r}).focus()")
        assert browser.evaluate("document.activeElement.localName") == "summary"
        for kind in ("keyDown", "keyUp"):
            browser.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                text="\r",
                windowsVirtualKeyCode=13,
            )

    press("details.picture:has(.blurred) > summary")
    (after,) = [one for one in browser.evaluate(VISIBLE) if one != "hidden"]
    assert after == "blur(24px) grayscale(1)/192"
    press(".picture[open] .reveal > summary")
    (after,) = [one for one in browser.evaluate(VISIBLE) if one != "hidden"]
    assert after == "none/192"
    browser.evaluate("document.querySelectorAll('.picture').forEach(d => d.open = true)")
    states = browser.evaluate(VISIBLE)
    assert sorted(states) == ["blur(24px) grayscale(1)/192"] * 2 + ["none/192"] * 2
    assert [r for r in browser.requests() if not r.startswith("data:")] == [seen[1].resolve().as_uri()]
    assert browser.complaints() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 900
    browser.screenshot(tmp_path / "seen.png")
