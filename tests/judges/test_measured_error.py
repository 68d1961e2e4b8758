"""The error of the rule judge on human-labelled answers, and that docs/judges.md states what the code gives.

Development data (rules and thresholds were chosen on it): chatgpt-refusals and Do-Not-Answer. Test data
(looked at once, when the rules were done): XSTest. Rewrite the tables of the page after a change with

    python tests/judges/test_measured_error.py ../shared/data
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from demur.judges import phrases, rules
from demur.judges.rules import judge_answer
from demur.metrics.binomial import wilson
from demur.verdict import LEFT_OUT, REFUSALS, SCHEMES, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "judges.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Labelled(NamedTuple):
    """One answer with a human label."""

    prompt: str
    answer: str
    human: Outcome | None
    label: str


def tones(data: Path) -> list[Labelled]:
    rows = json.loads((data / "chatgpt-refusals" / "all_hand_labeled.json").read_text(encoding="utf-8"))
    scheme = SCHEMES["tone"]
    return [Labelled(r["prompt"], r["response"], scheme.outcome(r["tone"]), r["tone"]) for r in rows]


def actions(data: Path, model: str) -> list[Labelled]:
    scheme = SCHEMES["do_not_answer"]
    path = data / "do-not-answer" / f"human_review_{model}.csv"
    return [
        Labelled(r["question"], r["response"], scheme.outcome(r["action"]), r["action"]) for r in _table(path)
    ]


def xstest(data: Path, model: str) -> list[Labelled]:
    scheme = SCHEMES["xstest"]
    path = data / "xstest" / f"completions_{model}.csv"
    return [
        Labelled(r["prompt"], r["completion"], scheme.outcome(r["final_label"]), r["final_label"])
        for r in _table(path)
    ]


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def scorable(rows: list[Labelled]) -> list[Labelled]:
    """Rows whose human label is an answer or a refusal (not "don't know", "incoherent" or ambiguous)."""
    return [row for row in rows if row.human is not None and row.human not in LEFT_OUT]


class Error(NamedTuple):
    """Counts of one source: human against judge, both as refused-or-partly against complied."""

    rows: int
    left_out: Counter[str]
    both: int
    missed: int
    false: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.missed + self.false + self.neither

    @property
    def kappa(self) -> float:
        agreed = (self.both + self.neither) / self.n
        human, judge = (self.both + self.missed) / self.n, (self.both + self.false) / self.n
        chance = human * judge + (1 - human) * (1 - judge)
        return (agreed - chance) / (1 - chance)


def error(rows: list[Labelled]) -> Error:
    cells: Counter[tuple[bool, bool]] = Counter()
    left_out: Counter[str] = Counter()
    for row in rows:
        refused = judge_answer(row.answer).refused()
        if refused is None:
            left_out[judge_answer(row.answer).outcome.value] += 1
        else:
            cells[row.human in REFUSALS, refused] += 1
    return Error(
        len(rows),
        left_out,
        cells[True, True],
        cells[True, False],
        cells[False, True],
        cells[False, False],
    )


def share(count: int, n: int) -> str:
    low, high = wilson(count, n)
    return f"{100 * count / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({count}/{n})"


def error_line(name: str, found: Error) -> str:
    left_out = ", ".join(f"{count} {what}" for what, count in sorted(found.left_out.items())) or "none"
    cells = [
        name,
        str(found.rows),
        left_out,
        share(found.both + found.neither, found.n),
        share(found.false, found.false + found.neither),
        share(found.missed, found.both + found.missed),
        f"{found.kappa:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| source | rows | left out by the judge | accuracy | complying answers called refusals"
    " | refusals missed | kappa |\n|---|---|---|---|---|---|---|"
)


def confusion_lines(name: str, rows: list[Labelled]) -> Iterator[str]:
    """Human label against the judge's, all three classes, left-outs in their own column."""
    scheme = SCHEMES["xstest"]
    columns = [*scheme.outcomes, "left out"]
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        outcome = judge_answer(row.answer).outcome
        counts[row.label, "left out" if outcome in LEFT_OUT else str(scheme.label(outcome))] += 1
    agreed = sum(counts[label, label] for label in scheme.outcomes)
    scored = sum(count for (_, judged), count in counts.items() if judged != "left out")
    yield f"{name}: three classes agree in {share(agreed, scored)}.\n"
    yield "| human \\ judge | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns)
    for label in scheme.outcomes:
        yield f"| {label} | " + " | ".join(str(counts[label, column]) for column in columns) + " |"


def tables(data: Path) -> str:
    """Everything between the markers of the page."""
    labelled = scorable(tones(data))
    others = [row for row in labelled if "statue" not in row.prompt]
    lines = ["**Development data** (rules and thresholds were chosen on these rows).\n", HEAD]
    lines.append(error_line("chatgpt-refusals", error(labelled)))
    lines.append(error_line("chatgpt-refusals without one template", error(others)))
    for model in ("ChatGPT", "GPT4", "vicuna-7b"):
        lines.append(error_line(f"Do-Not-Answer, {model}", error(scorable(actions(data, model)))))
    lines += ["\n**Test data** (not looked at while the rules were written).\n", HEAD]
    models = {"gpt4": "XSTest, GPT-4", "llama2orig": "XSTest, Llama 2 original"}
    for model, name in models.items():
        lines.append(error_line(name, error(scorable(xstest(data, model)))))
    for model, name in models.items():
        lines += ["", *confusion_lines(name, xstest(data, model))]
    return "\n".join(lines)


def stated() -> str:
    page = PAGE.read_text(encoding="utf-8")
    return page[page.index(BEGIN) + len(BEGIN) : page.index(END)].strip()


def test_the_page_states_what_the_code_gives(shared_data: Path) -> None:
    assert stated() == tables(shared_data)


def test_flipped_labels_change_the_figures(shared_data: Path) -> None:
    rows = scorable(tones(shared_data))
    flipped = [
        row._replace(human=Outcome.REFUSE if row.human is Outcome.COMPLY else Outcome.COMPLY)
        for row in rows[:10]
    ]
    before, after = error(rows), error(flipped + rows[10:])
    assert before.n == after.n
    assert before.both + before.neither != after.both + after.neither


def test_the_bar_of_phrase_lists_is_passed(shared_data: Path) -> None:
    """73 % is what a phrase list reached on these rows (arXiv 2306.03423's data); always comply is 62 %."""
    found = error(scorable(tones(shared_data)))
    assert found.rows == 1706
    always_comply = (found.false + found.neither) / found.n
    assert always_comply == pytest.approx(0.62, abs=0.01)
    assert (found.both + found.neither) / found.n > 0.73


def test_gibberish_never_fires_on_real_answers(shared_data: Path) -> None:
    """Also not on the three that the annotators called incoherent: off the point, but well-formed."""
    rows = tones(shared_data)
    for model in ("ChatGPT", "GPT4", "vicuna-7b"):
        rows += actions(shared_data, model)
    for model in ("gpt4", "llama2orig"):
        rows += xstest(shared_data, model)
    fired = [judge_answer(row.answer).decided_by for row in rows]
    gibberish = {"rules:loop", "rules:few_distinct_words", "rules:broken_characters", "rules:signs_only"}
    assert len(rows) > 5_000
    assert not gibberish & set(fired)


def test_english_answers_are_called_english(shared_data: Path) -> None:
    rows = tones(shared_data) + xstest(shared_data, "gpt4") + xstest(shared_data, "llama2orig")
    languages = Counter(judge_answer(row.answer).language for row in rows)
    assert languages["en"] / len(rows) > 0.995
    assert not set(languages) - {"en", "und"}


def test_the_pieces_spare_no_answer_a_rule(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipping rules of which no piece stands in the text is only for speed: no verdict may depend on it."""
    rows = tones(shared_data) + actions(shared_data, "vicuna-7b")
    fast = [judge_answer(row.answer) for row in rows]
    monkeypatch.setattr(rules, "leads_in", lambda text: set(phrases.LEADS))
    monkeypatch.setattr(rules, "rules_in", lambda text: {rule.name for rule in phrases.RULES})
    assert [judge_answer(row.answer) for row in rows] == fast


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    head, tail = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{head}\n{tables(Path(sys.argv[1]))}\n{tail}", encoding="utf-8")
    print(f"rewrote the tables of {PAGE}")
