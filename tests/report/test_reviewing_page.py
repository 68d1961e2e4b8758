"""The reviewing page in a real browser (a fixture of this folder): keys, a hostile prompt, what is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from demur.data.records import Record, write_records
from demur.page import reviewing
from demur.page.reviewing import Choice, reviewing_page
from demur.stress.review import open_review, read_candidates
from demur.stress.review_decisions import DECISIONS, read_decisions
from demur.stress.review_server import ReviewServer

Page = Any  # a Browser of conftest.py
#: Lets the test wait for what the page does, in milliseconds, where the browser itself can wait.
WAIT = """new Promise((found, missed) => {
  const from = Date.now();
  const look = () => (%s) ? found(true) : Date.now() - from > 20000 ? missed(document.body.innerText)
    : setTimeout(look, 10);
  look();
})"""


@pytest.fixture
def source(tmp_path: Path, hostile: str) -> Path:
    hostile = hostile.replace("\ud800", "")  # no file holds half a character
    meta = {"seed": f"Seed {hostile}", "strategies": "anger > despair", "refused": 0.75, "answers": 8}
    made = [Record(f"made:{i}", f"Q{i} {hostile}?", "comply", meta=meta) for i in range(4)]
    write_records(tmp_path / "records.jsonl", made)
    return tmp_path / "records.jsonl"


@pytest.fixture
def serve(source: Path, tmp_path: Path, hostile: str) -> Iterator[Callable[..., ReviewServer]]:
    """Serves the candidates to one person; ends with the test."""
    ends: list[Callable[[], None]] = []

    def start(reviewer: str = "ann", **given: Any) -> ReviewServer:
        folder = open_review(tmp_path / "r", read_candidates(source), reviewer)
        server = ReviewServer(folder, hostile, judged={"made:0": f"judge: harmless ({hostile})"}, **given)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def end() -> None:
            server.shutdown()
            thread.join()
            server.server_close()
            folder.__exit__()

        ends.append(end)
        return server

    yield start
    for end in ends:
        end()


def wait(browser: Page, expression: str) -> None:
    found = browser.call(
        "Runtime.evaluate", expression=WAIT % expression, awaitPromise=True, returnByValue=True
    )
    assert "exceptionDetails" not in found, (expression, browser.complaints(), found)


@pytest.fixture
def opened(browser: Page) -> Callable[[ReviewServer], Callable[..., None]]:
    """Opens a page; gives what presses keys as a keyboard does."""

    def go(server: ReviewServer) -> Callable[..., None]:
        browser.events.clear()
        browser.call("Page.navigate", url=server.url)
        wait(
            browser,
            "location.href.startsWith('http') && (document.getElementById('item')?.hidden === false"
            " || document.getElementById('done')?.hidden === false)",
        )

        def press(key: str, **more: Any) -> None:
            text = {"text": key} if len(key) == 1 else {}
            browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
            browser.call("Input.dispatchKeyEvent", type="keyUp", key=key)

        return press

    return go


def status(browser: Page, text: str) -> None:
    wait(browser, f"document.getElementById('status').textContent === {json.dumps(text)}")


def on_disk(server: ReviewServer) -> dict[str, str]:
    return {key.id: said for key, said in read_decisions(server.folder.path / DECISIONS).items()}


def test_a_person_decides_with_keys(
    browser: Page, serve: Callable[..., ReviewServer], opened: Callable[..., Any]
) -> None:
    server = serve()
    press = opened(server)
    status(browser, "0 of 4 decided · prompt 1")
    press("a")
    status(browser, "1 of 4 decided · prompt 2")
    assert on_disk(server) == {"made:0": "accept"}
    press("s")  # comes again at the end
    status(browser, "1 of 4 decided · prompt 3")
    press("H")  # capitals too
    status(browser, "2 of 4 decided · prompt 4")
    press("n")
    status(browser, "3 of 4 decided · prompt 2")
    press("d")
    status(browser, "4 of 4 decided")
    wanted = {"made:0": "accept", "made:1": "duplicate", "made:2": "harmful", "made:3": "not natural"}
    assert on_disk(server) == wanted
    assert browser.evaluate("document.getElementById('done').hidden") is False
    press("u")
    status(browser, "3 of 4 decided · prompt 2")
    assert "made:1" not in on_disk(server)
    press("r")
    status(browser, "4 of 4 decided")
    assert on_disk(server)["made:1"] == "other"
    press("ArrowLeft")
    status(browser, "4 of 4 decided · prompt 4")
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map(b => b.dataset.label).join()"
    assert browser.evaluate(pressed) == "not natural"
    press("b")
    status(browser, "4 of 4 decided")
    assert on_disk(server)["made:3"] == "harmful, not natural"


def test_other_keys_decide_nothing(
    browser: Page, serve: Callable[..., ReviewServer], opened: Callable[..., Any]
) -> None:
    server = serve()
    press = opened(server)
    for key, more in (("x", {}), ("a", {"modifiers": 2}), ("a", {"autoRepeat": True}), ("Enter", {})):
        press(key, **more)
    press("ArrowRight")
    status(browser, "0 of 4 decided · prompt 2")
    assert not on_disk(server)


def test_a_hostile_prompt_is_shown_and_not_obeyed(
    browser: Page, serve: Callable[..., ReviewServer], opened: Callable[..., Any]
) -> None:
    server = serve()
    press = opened(server)
    for place in ("prompt", "facts"):
        shown = browser.evaluate(f"document.getElementById('{place}').textContent")
        assert "<script>window.obeyed=1</script>" in shown and "⟨U+202E⟩" in shown, place
    inside = "#item script, #item img, #item svg, #item b, iframe, base"
    assert browser.evaluate(f"document.querySelectorAll('{inside}').length") == 0
    press("a")
    status(browser, "1 of 4 decided · prompt 2")
    assert browser.evaluate("window.obeyed === undefined && document.getElementById('obeyed') === null")
    assert all(address.startswith(server.url) for address in browser.requests())
    assert browser.complaints() == []


def test_what_is_known_stands_below_and_blind_hides_it(
    browser: Page, serve: Callable[..., ReviewServer], opened: Callable[..., Any]
) -> None:
    server = serve()
    opened(server)
    terms = "[...document.querySelectorAll('#facts dt')].map(t => t.textContent).join()"
    assert browser.evaluate(terms) == "seed,strategies,refused,judges of harm"
    shown = browser.evaluate("document.getElementById('facts').innerText")
    assert "75 % of 8 answers" in shown and "anger > despair" in shown and "judge: harmless" in shown
    server.blind = True
    opened(server)
    assert browser.evaluate(terms) == ""
    assert browser.evaluate("document.getElementById('about').hidden") is True


def test_everything_fits_a_telephone(
    browser: Page, serve: Callable[..., ReviewServer], opened: Callable[..., Any]
) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=375, height=700, deviceScaleFactor=1, mobile=False
    )
    opened(serve())
    assert browser.evaluate("document.documentElement.scrollWidth") <= 375


def test_the_page_itself() -> None:
    folder = Path(reviewing.__file__).parent
    template = (folder / "reviewing.html").read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|<script|\sstyle=|\son\w+=", template)
    assert not re.search(
        r"innerHTML|insertAdjacent|eval\(|document\.write", (folder / "reviewing.js").read_text()
    )
    page = reviewing_page("</title><script>", [Choice("a", "accept", "<i>", '"x"')])
    assert "</title><script>" not in page and "&lt;i&gt;" in page
    assert "script-src 'sha256-" in page.replace("&#39;", "'")
