"""The labelling page in a real browser (a fixture of this folder): keys, a hostile answer, a dead server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from demur.measure.label_draw import open_labels
from demur.measure.label_server import LabelServer
from demur.measure.verdict_rows import read_verdict_rows
from demur.page import items, labelling
from demur.page.labelling import Choice, labelling_page

Page = Any  # a Browser of conftest.py


@pytest.fixture
def server(tmp_path: Path, hostile: str) -> Iterator[LabelServer]:
    rows = [
        {"id": f"r{i}", "prompt": f"Q{i} {hostile}?", "response": f"A{i} {hostile}", "model": hostile}
        | {"verdict": "refuse", "decided_by": "the-judge", "evidence": "A"}
        for i in range(3)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows_ = read_verdict_rows(path)
    with open_labels(tmp_path / "l", rows_, 10, 0) as folder, LabelServer(folder, hostile) as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def wait(browser: Page, expression: str) -> Any:
    deadline = time.monotonic() + 20
    while not (found := browser.evaluate(expression)):
        assert time.monotonic() < deadline, (
            expression,
            browser.complaints(),
            browser.evaluate("document.body.innerText"),
        )
    return found


@pytest.fixture
def press(browser: Page, server: LabelServer) -> Callable[[str], None]:
    """Opens the page; then presses keys as a keyboard does."""
    browser.events.clear()
    browser.call("Page.navigate", url=server.url)
    wait(browser, "location.href.startsWith('http') && document.getElementById('item')?.hidden === false")

    def press(key: str, **more: Any) -> None:
        text = {"text": key} if len(key) == 1 else {}
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
        browser.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    return press


def status(browser: Page, text: str) -> None:
    wait(browser, f"document.getElementById('status').textContent === {json.dumps(text)}")


def on_disk(server: LabelServer) -> dict[str, str]:
    lines = (server.folder.path / "labels.jsonl").read_text().splitlines()
    return {row["id"]: row["label"] for row in map(json.loads, lines)}


def test_a_person_labels_with_keys(browser: Page, server: LabelServer, press: Callable[..., None]) -> None:
    ids = [row.id for row in server.folder.rows]
    status(browser, "0 of 3 labelled · answer 1")
    press("4")
    status(browser, "1 of 3 labelled · answer 2")
    assert on_disk(server) == {ids[0]: "refuse"}
    press("s")  # comes again at the end
    status(browser, "1 of 3 labelled · answer 3")
    press("2")
    status(browser, "2 of 3 labelled · answer 2")
    press("0")
    status(browser, "3 of 3 labelled")
    assert on_disk(server) == {ids[0]: "refuse", ids[1]: "unscored", ids[2]: "partial"}
    assert browser.evaluate("document.getElementById('done').hidden") is False
    press("u")
    status(browser, "2 of 3 labelled · answer 2")
    assert ids[1] not in on_disk(server)
    press("ArrowLeft")
    status(browser, "2 of 3 labelled · answer 1")
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map(b => b.dataset.label).join()"
    assert browser.evaluate(pressed) == "refuse"
    press("ArrowRight")
    status(browser, "2 of 3 labelled · answer 2")
    press("1")
    status(browser, "3 of 3 labelled")
    assert on_disk(server)[ids[1]] == "comply"


def test_other_keys_label_nothing(browser: Page, server: LabelServer, press: Callable[..., None]) -> None:
    for key, more in (("5", {}), ("q", {}), ("1", {"modifiers": 2}), ("1", {"autoRepeat": True}), (" ", {})):
        press(key, **more)
    press("ArrowRight")
    status(browser, "0 of 3 labelled · answer 2")
    assert not server.folder.labels


def test_buttons_do_what_keys_do(browser: Page, server: LabelServer, press: Callable[..., None]) -> None:
    browser.evaluate("document.querySelector('[data-label=deflect]').click()")
    status(browser, "1 of 3 labelled · answer 2")
    assert list(on_disk(server).values()) == ["deflect"]


def test_a_hostile_answer_is_shown_and_not_obeyed(
    browser: Page, server: LabelServer, press: Callable[..., None]
) -> None:
    shown = browser.evaluate("document.getElementById('response').textContent")
    assert "<script>window.obeyed=1</script>" in shown and "⟨U+202E⟩" in shown and "⟨U+001B⟩" in shown
    assert (
        browser.evaluate(
            "document.querySelectorAll('#item script, #item img, #item svg, iframe, base').length"
        )
        == 0
    )
    assert browser.evaluate("document.getElementById('response').children.length") == 0
    press("1")
    status(browser, "1 of 3 labelled · answer 2")
    assert browser.evaluate("window.obeyed === undefined && document.getElementById('obeyed') === null")
    assert all(address.startswith(server.url) for address in browser.requests())
    assert browser.complaints() == []
    assert "the-judge" not in browser.evaluate("document.documentElement.outerHTML")
    assert browser.evaluate("document.title").startswith("</title></style>")


def test_a_server_that_is_gone_is_said_so_and_nothing_moves(
    browser: Page, server: LabelServer, press: Callable[..., None]
) -> None:
    press("1")
    status(browser, "1 of 3 labelled · answer 2")
    server.shutdown()
    server.socket.close()
    press("4")
    wait(browser, "document.getElementById('trouble').hidden === false")
    assert "Not saved" in browser.evaluate("document.getElementById('trouble').textContent")
    status(browser, "1 of 3 labelled · answer 2")
    assert list(on_disk(server).values()) == ["comply"]


def test_the_policy_lets_nothing_else_run(
    browser: Page, server: LabelServer, press: Callable[..., None]
) -> None:
    browser.evaluate(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.obeyed = 1';"
        " document.body.append(s);"
        " document.body.insertAdjacentHTML('beforeend', '<b onclick=\"window.obeyed=1\" id=x>');"
        " document.getElementById('x').click(); })()"
    )
    assert browser.evaluate("window.obeyed === undefined")


def test_the_page_itself() -> None:
    folder, frame = Path(labelling.__file__).parent, Path(items.__file__).parent
    templates = [folder / "labelling.html", frame / "items.html"]
    for template in (path.read_text(encoding="utf-8") for path in templates):
        assert not re.search(r"\|\s*safe\b|autoescape|\sstyle=|\son\w+=", template)
    assert [path.read_text(encoding="utf-8").count("<script") for path in templates] == [0, 1]
    for script in (folder / "labelling.js", frame / "items.js"):
        assert not re.search(r"innerHTML|insertAdjacent|eval\(|document\.write", script.read_text())
    page = labelling_page("</title><script>", [Choice("1", "comply", "<i>", '"x"')])
    assert "</title><script>" not in page and "&lt;i&gt;" in page
    assert "script-src 'sha256-" in page.replace("&#39;", "'") and "connect-src 'self'" in page.replace(
        "&#39;", "'"
    )
