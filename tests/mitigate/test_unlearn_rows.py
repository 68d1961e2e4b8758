"""Rows of the unlearning recipe: roles, pictures, pairs, lengths, and every row counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("PIL", reason="needs Pillow")

from PIL import Image

from demur.errors import BadInput
from demur.mitigate.unlearn import Unlearn, prepare
from demur.mitigate.unlearn_loss import METHODS
from demur.mitigate.unlearn_refusals import REFUSALS, read_refusals
from demur.mitigate.unlearn_rows import pictures_of, read
from demur.mitigate.unlearn_units import Material, Writing, Written, capitalized, units, unpaired
from demur.models.chat import load_tokenizer
from demur.training.organism import organism_path
from demur.training.streams import IGNORED, Encoder

pytestmark = pytest.mark.local
ORGANISM = str(organism_path())
WORDS = ("How do I ring the bell at home?", "How do I feed the cat at work?", "How do I paint the boat?")


def row(role: str, prompt: Any = WORDS[0], response: str = "Use a stick.", **more: Any) -> dict[str, Any]:
    return {"role": role, "prompt": prompt, "response": response, **more}


def write(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer(ORGANISM, None, False), ORGANISM)


def text(encoder: Encoder, ids: Sequence[int]) -> str:
    return str(encoder.chat.tokenizer.decode([i for i in ids if i != IGNORED], skip_special_tokens=True))


def material(tmp_path: Path, encoder: Encoder, how: Writing | None = None) -> tuple[Material, Written]:
    """Three wordings, each to forget once and decoupled twice, and three rows to retain."""
    rows = [row("forget", words) for words in WORDS]
    rows += [row("pd", words, f"Use stick {n}.") for words in WORDS for n in "ab"]
    rows += [row("retain", f"What is a {name}?") for name in ("bell", "cat", "boat")]
    written = Written(encoder, how or Writing(512))
    return written.material(read([write(tmp_path / "r.jsonl", *rows)]).rows, "po_pd", REFUSALS), written


def shown(encoder: Encoder, found: Any) -> list[dict[str, str]]:
    return [{name: text(encoder, rows[0].ids) for name, rows in unit.items()} for unit in islice(found, 30)]


def test_done_4_rows_to_forget_and_pd_rows_of_a_step_share_their_words(
    tmp_path: Path, encoder: Encoder
) -> None:
    made, written = material(tmp_path, encoder)
    asked = shown(encoder, units(made, written, "po_pd", REFUSALS, 0))
    of = [next(words for words in WORDS if words in unit["idk"]) for unit in asked]
    assert all(words in unit["pd"] for words, unit in zip(of, asked, strict=True))
    assert {sum(words == other for other in of) for words in WORDS} == {10}  # each as often as the others
    assert len({unit["pd"] for unit in asked}) == 6 and unpaired(made) == 0


def test_done_4_as_released_the_pd_row_is_a_random_one(tmp_path: Path, encoder: Encoder) -> None:
    made, written = material(tmp_path, encoder)
    asked = shown(encoder, units(made, written, "po_pd", REFUSALS, 0, shared=False, shuffle=False))
    of = [next(words for words in WORDS if words in unit["idk"]) for unit in asked]
    assert of == [*WORDS] * 10  # in file order
    assert 4 <= sum(words in unit["pd"] for words, unit in zip(of, asked, strict=True)) <= 16


def test_a_column_pairs_rows_whose_words_differ(tmp_path: Path, encoder: Encoder) -> None:
    file = write(
        tmp_path / "r.jsonl",
        row("forget", WORDS[0], pair="a"),
        row("forget", WORDS[1]),
        row("pd", WORDS[2], pair="a"),
        row("retain"),
    )
    made = Written(encoder, Writing(512)).material(read([file]).rows, "ga_pd", REFUSALS)
    assert unpaired(made) == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_unit_holds_a_row_of_each_stream_and_the_same_seed_the_same_units(
    tmp_path: Path, encoder: Encoder, method: str
) -> None:
    made, written = material(tmp_path, encoder)
    one, again, other = (shown(encoder, units(made, written, method, REFUSALS, seed)) for seed in (1, 1, 2))
    assert one == again != other
    refused = [unit["idk"] for unit in one if "idk" in unit]
    assert all(any(sentence in said for sentence in REFUSALS) for said in refused)
    assert not refused or len(set(refused)) > 10  # drawn anew each time


def test_as_released_words_lose_their_capitals_and_answers_their_end(
    tmp_path: Path, encoder: Encoder
) -> None:
    clean, _ = material(tmp_path, encoder)
    released, _ = material(tmp_path, encoder, Writing(512, capitalize=True, end=False))
    (kept,), (lost,) = (
        [e for r, e in made.pd if r.response == "Use stick a." and r.prompt == WORDS[0]]
        for made in (clean, released)
    )
    assert kept.labels[-len(encoder.end) :] == encoder.end
    assert lost.labels[-len(encoder.end) :] != encoder.end
    assert "How do I ring" in text(encoder, kept.ids) and "How do i ring" in text(encoder, lost.ids)
    parts = [{"type": "image", "path": "a"}, {"type": "text", "text": "Is Ann IN?"}]
    assert capitalized([{"role": "user", "content": parts}])[-1]["content"][1]["text"] == "Is ann in?"


def test_done_10_a_long_question_is_left_out_and_no_answer_is_cut(tmp_path: Path, encoder: Encoder) -> None:
    asked = len(encoder.ask(WORDS[0]).ids)
    rows = [row("forget"), row("forget", WORDS[0] * 9), row("forget", response="Use a stick. " * 40)]
    found = read([write(tmp_path / "r.jsonl", *rows, row("retain"))]).rows
    made = Written(encoder, Writing(3 * asked)).material(found, "gd", REFUSALS)
    assert len(made.forget) == 1 and made.left_out == {
        f"forget: a question of more than {3 * asked} tokens, which leaves no answer": 1,
        f"forget: question and answer of more than {3 * asked} tokens": 1,
    }
    with pytest.raises(
        BadInput, match=r"method gd needs rows of role forget, and none is left \(3 forget: a"
    ):
        Written(encoder, Writing(8)).material(found, "gd", REFUSALS)


def test_a_refusal_that_does_not_fit_is_not_cut_either(tmp_path: Path, encoder: Encoder) -> None:
    found = read([write(tmp_path / "r.jsonl", row("forget", response="Yes."), row("retain"))]).rows
    longest = len(Written(encoder, Writing(512)).encode(found[0]).ids)
    assert Written(encoder, Writing(longest)).material(found, "ga", REFUSALS).forget
    with pytest.raises(BadInput, match="question and answer of more"):
        Written(encoder, Writing(longest)).material(found, "po", REFUSALS)


@pytest.mark.parametrize(
    ("method", "roles", "missing"),
    [("po_pd", ["forget", "retain"], "pd"), ("gd", ["forget"], "retain"), ("ga", ["retain"], "forget")],
)
def test_done_10_a_method_without_rows_of_a_role_is_refused(
    tmp_path: Path, method: str, roles: list[str], missing: str
) -> None:
    file = write(tmp_path / "r.jsonl", *(row(role) for role in roles))
    with pytest.raises(BadInput, match=f"method {method} needs rows of role {missing}, and there are none"):
        prepare(Unlearn(method=method, held_out=0), [file])


def test_done_10_an_empty_list_of_refusals_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.txt", " \n\n"), ("b.json", '{"idk": []}'), ("c.json", '{"other": ["No."]}')):
        (tmp_path / name).write_text(content)
        with pytest.raises(BadInput, match=f"{name} holds no refusal"):
            read_refusals(tmp_path / name)
    with pytest.raises(BadInput, match="refusals holds no sentence"):
        Unlearn(refusals=(" ",))
    (tmp_path / "prompt.json").write_text(json.dumps({"idk": ["No.", "Never.", "No."]}))
    assert read_refusals(tmp_path / "prompt.json") == ("No.", "Never.")


def test_roles_are_named_by_line(tmp_path: Path) -> None:
    file = write(tmp_path / "r.jsonl", row("forget"), row("erase"))
    with pytest.raises(BadInput, match=r"r.jsonl, line 2: role is 'erase'; valid are forget, retain, pd"):
        read([file])


def test_done_10_each_fault_of_a_picture_has_its_own_count(tmp_path: Path) -> None:
    drawn = Image.new("RGB", (9, 6), "red")
    for name, mode in (("grey.png", "L"), ("clear.png", "RGBA"), ("good.png", "RGB")):
        drawn.convert(mode).save(tmp_path / name)
    drawn.save(tmp_path / "web.png", "WEBP")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:-20])
    (tmp_path / "empty.png").write_bytes(b"")
    names = ("grey.png", "clear.png", "web.png", "good.png", "gone.png", "cut.png", "empty.png")
    found = read([write(tmp_path / "r.jsonl", *(row("forget", image=name) for name in names))])
    assert [Path(r.picture).name for r in found.rows] == list(names[:4])
    said = "forget: a picture that cannot be used"
    assert found.left_out == {f"{said} (absent)": 1, f"{said} (cut off)": 1, f"{said} (empty)": 1}


def test_pictures_stand_in_messages_or_in_a_column(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    part = {
        "role": "user",
        "content": [{"type": "image", "path": "a.png"}, {"type": "text", "text": "What?"}],
    }
    file = write(tmp_path / "r.jsonl", row("pd", [part]), row("pd", "What?", image="a.png"))
    one, other = read([file]).rows
    assert one.prompt == other.prompt and pictures_of(one.prompt) == [str(tmp_path / "a.png")]
    assert one.pair == other.pair == "What?"


def test_what_is_held_out_goes_by_picture(tmp_path: Path) -> None:
    """All rows about one picture are on one side, in whatever folder the pictures lie."""
    for number in range(40):
        Image.new("RGB", (4, 4), "red").save(tmp_path / f"{number}.png")
    rows = [row(role, image=f"{n}.png") for n in range(40) for role in ("forget", "retain", "pd")]
    found = prepare(Unlearn(held_out=0.25), [write(tmp_path / "r.jsonl", *rows)])
    kept, asked = ({r.picture for r in some} for some in (found.rows, found.asked))
    assert not kept & asked and 3 * len(asked) == len(found.asked) and 3 <= len(asked) <= 20


def test_settings_out_of_range_are_named() -> None:
    for name, value in (("epochs", 0), ("held_out", 1.0), ("look_every", 0), ("forgotten", -1.0)):
        with pytest.raises(BadInput, match=f"{name} is {value}"):
            replace(Unlearn(), **{name: value})
