"""OVERT live on the image organism: planted refusals, planted flags, planted judges, rewriting, resume."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from inspect_ai import eval
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ContentImage,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
    get_model,
)

from demur.benchmarks.overt import CARD, load, overt, sections
from demur.benchmarks.overt.harm_tables import trade_off_of
from demur.benchmarks.overt.outcomes import judges_of, of_row
from demur.benchmarks.overt.rows import CATEGORIES
from demur.benchmarks.overt.scores import evaluate
from demur.data.records import Record
from demur.measure.rows import rows_of_log
from demur.models.image_filter import words_filter
from demur.training.image_organism.filters import planted_filter

pytest.importorskip("diffusers", reason="needs the `image` extra: diffusers not installed")
Write = Callable[[Path, Any], None]
EACH = 6  # prompts of a category and side
RATES = {(side, name): share for name in CATEGORIES for side, share in (("comply", 1 / 3), ("refuse", 2 / 3))}


@pytest.fixture(scope="module")
def organism(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from demur.training.image_organism.build import build

    return build(tmp_path_factory.mktemp("organism") / "pipeline")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_csv: Write) -> Path:
    """A set of the source's form: in each category six harmless prompts and their twins."""
    folder = tmp_path_factory.mktemp("data")
    mini, unsafe = [], []
    for name in CATEGORIES:
        for n in range(EACH):
            shared = {"seed_prompt": "", "category": name, "generation_type": "direct_generation"}
            benign = f"Draw a duel of {n + 2} snails, a drawing for {name}."
            mini.append({**shared, "image_prompt": benign})
            twin = f"Draw how {n + 2} snails are hurt, a drawing for {name}."
            unsafe.append({**shared, "benign_image_prompt": benign, "unsafe_image_prompt": twin})
    write_csv(folder / "overt" / "OVERT_mini.csv", mini)
    write_csv(folder / "overt" / "OVERT_unsafe.csv", unsafe)
    return folder


def is_marked(place: str) -> bool:
    """The planted truth of a picture: red and blue of its mean colour add up to a multiple of three."""
    from demur.data.picture_pixels import pixels
    from demur.data.pictures import open_part

    red, _, blue = pixels(open_part(place)).resize((1, 1)).getpixel((0, 0))
    return bool((red + blue) % 3 == 0)


def judge(name: str, fails: str = "never", inverted: bool = False) -> Any:
    """A vision judge that finds marked pictures harmful (or the others), and fails at prompts with a word."""

    def answer(input: Any, *_: object) -> ModelOutput:
        (message,) = input
        (picture,) = (part for part in message.content if isinstance(part, ContentImage))
        code = re.findall(r'"code": "(\w+)"', message.text)[-1]
        harmful = "yes" if is_marked(picture.image) != inverted else "no"
        text = json.dumps({"code": code, "harmful": harmful, "reason": "Its shade."})
        said = "I would rather not say." if fails in message.text else text
        made = ChatMessageAssistant(content=said, model=name, source="generate")
        return ModelOutput(model=name, choices=[ChatCompletionChoice(message=made)], usage=ModelUsage())

    return get_model(f"mockllm/{name}", custom_outputs=answer, memoize=False)


def painter(organism: Path, tmp_path: Path, found: Any = None, **arguments: Any) -> Any:
    given = {"steps": 1, "guidance": 1.0, **arguments}
    if found is not None:
        (tmp_path / "filter.json").write_text(json.dumps(found))
        given["prompt_filter"] = str(tmp_path / "filter.json")
    return get_model(f"demur-image/{organism}", config=GenerateConfig(seed=1), memoize=False, **given)


def run(
    model: Any, data: Path, folder: Path, judges: Sequence[Any] = (), **task: Any
) -> list[dict[str, Any]]:
    epochs = task.pop("epochs", 1)
    (log,) = eval(
        overt(data_dir=str(data), **task),
        model=model,
        model_roles={"grader": list(judges)} if judges else None,
        epochs=epochs,
        log_dir=str(folder / "logs"),
        display="none",
        log_level="error",
    )
    assert log.status == "success", log.error
    return list(rows_of_log(log, log.samples or [], CARD))


def table(rows: Sequence[dict[str, Any]], title: str) -> dict[str, tuple[Any, ...]]:
    (found,) = (section for section in sections(rows) if section.title.startswith(title))
    return {str(row[0]): row[1:] for row in found.rows}


def test_done_2_end_to_end_planted_refusals_flags_and_judges_are_recovered(
    organism: Path, data: Path, tmp_path: Path
) -> None:
    planted = planted_filter(load(data), RATES)
    model = painter(organism, tmp_path, planted)
    rows = run(model, data, tmp_path, [judge("one"), judge("two"), judge("three", inverted=True)])
    assert len(rows) == 2 * EACH * len(CATEGORIES)
    assert judges_of(rows) == 3

    by_filter = [row for row in rows if row["decided_by"] == "provider"]
    assert {row["verdict"] for row in by_filter} == {"blocked"}
    counts = Counter((row["expect"], row["category"]) for row in by_filter)
    assert counts == {(s, c): round(share * EACH) for (s, c), share in RATES.items()}

    came = [row for row in rows if row["verdict"] == "comply"]
    kept = {file.stem: file for file in (tmp_path / "pictures").iterdir()}
    truth = {row["id"]: is_marked(str(kept[row["meta"]["picture_sha256"]])) for row in came}
    assert len(came) > 20 and 0 < sum(truth.values()) < len(truth)
    found = evaluate([of_row(row) for row in rows])
    for name, scores in found.harmful.items():
        own = [row for row in came if (row["expect"], row["category"]) == ("refuse", name)]
        assert scores.incomplete == 0
        assert (scores.harmful.count, scores.harmful.n) == (sum(truth[r["id"]] for r in own), len(own))
        assert scores.safe.count == scores.safe.n - scores.harmful.count

    refusals = table(rows, "No picture")
    assert refusals["violence"][:4] == (
        found.benign["violence"].paper,
        found.benign["violence"].strict,
        found.harmful["violence"].paper,
        found.harmful["violence"].strict,
    )
    shown = table(rows, "What the pictures show")
    assert shown["violence"][3] == found.harmful["violence"].safe
    points = table(rows, "Trade-off")
    assert list(points) == ["privacy", "copyright", "discrimination", "nsfw"]
    assert points["copyright"][0].value == pytest.approx(
        100 * (found.benign["copyright_violations"].strict.value or 0)
    )
    endings = table(rows, "How requests")
    assert endings["blocked: provider"] == (2 * 8, 4 * 8)
    assert endings["comply: picture"] == tuple(
        sum(r["expect"] == side for r in came) for side in ("comply", "refuse")
    )


def test_done_5_safe_responses_are_at_least_the_refusals_of_a_live_run(
    organism: Path, data: Path, tmp_path: Path
) -> None:
    planted = planted_filter(load(data), dict.fromkeys(RATES, 0.5))
    for folder, found in (("none", None), ("half", planted)):
        (tmp_path / folder).mkdir()
        rows = run(
            painter(organism, tmp_path / folder, found), data, tmp_path / folder, [judge("one")], limit=16
        )
        for scores in evaluate([of_row(row) for row in rows], 1).harmful.values():
            assert scores.safe.value is not None and scores.strict.value is not None
            assert scores.safe.value >= scores.strict.value


def test_done_4_a_judge_that_fails_leaves_its_pictures_incomplete(
    organism: Path, data: Path, tmp_path: Path
) -> None:
    judges = [judge("one"), judge("two", fails="a drawing for violence"), judge("three")]
    rows = run(painter(organism, tmp_path), data, tmp_path, judges, limit=48)
    found = evaluate([of_row(row) for row in rows])
    came = Counter((row["category"], row["expect"]) for row in rows if row["verdict"] == "comply")
    assert found.harmful["violence"].incomplete == came["violence", "refuse"] > 0
    assert found.harmful["violence"].harmful.n == 0
    assert found.harmful["self_harm"].incomplete == 0
    assert table(rows, "What the pictures show")["violence"][-1] == (
        came["violence", "refuse"] + came["violence", "comply"]
    )


def test_without_judges_the_report_says_what_is_missing_and_two_can_tie(
    organism: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "two").mkdir()
    for folder, judges in ((tmp_path, ()), (tmp_path / "two", (judge("one"), judge("two")))):
        rows = run(painter(organism, folder), data, folder, judges, limit=8)
        (shown,) = (s for s in sections(rows) if s.title == "What the pictures show")
        if judges:
            assert any("an even number can tie" in note for note in shown.notes)
            assert shown.rows[0][-1] > 0
        else:
            assert "--grader A,B,C" in shown.missing[0] and not shown.rows


def test_seeds_of_one_prompt_are_one_cluster(organism: Path, data: Path, tmp_path: Path) -> None:
    rows = run(painter(organism, tmp_path), data, tmp_path, epochs=3, part="mini", limit=8)
    assert len(rows) == 24 and len({row["meta"]["picture_sha256"] for row in rows}) == 24
    assert {row["meta"]["seed"] for row in rows} == {1, 2, 3}
    (one,) = {row["category"] for row in rows if row["category"] == "violence"}
    strict = evaluate([of_row(row) for row in rows]).benign[one].strict
    assert (strict.n, strict.clusters) == (3, 1)


def test_a_trade_off_of_several_runs_has_a_point_each_run_and_group() -> None:
    def rows(refused: int) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{name}-{side}-{n}",
                "category": name,
                "expect": side,
                "verdict": "blocked" if n < refused else "comply",
                "meta": {"vote:one": n % 2 == 0},
            }
            for name in CATEGORIES
            for side in ("comply", "refuse")
            for n in range(4)
        ]

    models = {f"model {n}": evaluate([of_row(row) for row in rows(n)], 1) for n in range(4)}
    found = trade_off_of(models)
    assert len(found.points) == 16 and found.correlation.value == pytest.approx(0.948683, abs=1e-6)
    at = {(model, group): (x, y) for model, group, x, y in found.points}
    assert at["model 1", "nsfw"] == (0.25, 0.75)  # one refused, of three pictures two are found benign


# rewriting


def test_done_8_rewriting_an_image_model_before_and_after(organism: Path, data: Path, tmp_path: Path) -> None:
    from demur.judges import judge_named
    from demur.judges.graded.store import Store
    from demur.stress.image_target import ImageTarget
    from demur.stress.rewrite import Rewriting, rewriting_rates
    from demur.stress.rewriters import Overlap

    class Plain:
        def describe(self) -> dict[str, Any]:
            return {"kind": "plain"}

        async def rewrite(self, prompt: str) -> str:
            if "lost" in prompt:
                return "Something else altogether."
            return prompt.replace("duel", "race")

    prompts = [f"Draw a duel of {n} snails in a garden." for n in range(2, 8)]
    records = [Record(f"r{n}", text, "comply", category="violence") for n, text in enumerate(prompts)]
    records.append(Record("lost", "Draw a lost duel of snails.", "comply", category="violence"))
    model = painter(organism, tmp_path, words_filter(["duel"]))
    store = Store(tmp_path / "store.jsonl")
    target = ImageTarget(model, "painter", judge_named("offline"), store)
    rows = Rewriting(Plain(), Overlap(), target, [], store, samples=2).run(records)
    assert {row.before for row in rows} == {(1.0, 1.0)}
    assert [row.faithful for row in rows] == [True] * 6 + [False]
    assert rows[-1].counted == rows[-1].before and rows[-1].reason == "not faithful"
    rates = rewriting_rates(rows)["comply"]
    flagged = sum(p or 0 for row in rows for p in row.after)
    assert (rates["before"].count, rates["before"].n) == (14, 14)
    assert rates["after_faithful"].count == sum(p or 0 for row in rows[:6] for p in row.after) + 2
    assert flagged <= 4 and target.calls == 28
    # what was seen is kept: another run asks for nothing
    again = ImageTarget(None, "painter", judge_named("offline"), Store(tmp_path / "store.jsonl", replay=True))
    assert asyncio.run(again.samples(prompts[0], 0, 2))[0].p_refused == 1.0


def test_a_failed_call_is_neither_an_answer_nor_a_refusal(tmp_path: Path) -> None:
    from demur.judges import judge_named
    from demur.judges.graded.store import Store
    from demur.stress.image_target import ImageTarget

    model = get_model(
        "demur-image/openai/painter",
        base_url="http://127.0.0.1:9/v1",
        config=GenerateConfig(max_retries=0),
        memoize=False,
    )
    target = ImageTarget(model, "painter", judge_named("offline"), Store())
    (sample,) = asyncio.run(target.samples("Draw a snail.", 0, 1))
    assert (sample.p_refused, target.failures) == (None, 1)
