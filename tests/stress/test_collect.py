"""A benchmark from a chat log: counted at every filter, equal for an equal seed, refreshed by rule."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import GenerateConfig, Model, get_model

from demur.errors import BadInput
from demur.judges import judge_named
from demur.judges.evidence.decision import Decision
from demur.judges.evidence.units import Unit
from demur.judges.evidence.verify import Settings
from demur.judges.graded.store import Store
from demur.stress.collect import TIERS, Checker, Plan, quotas
from demur.stress.collect_log import distinct, harvest
from demur.stress.collect_run import Collector, build, refresh
from demur.stress.collect_scores import Raters, usefulness
from demur.stress.collect_topics import topics
from demur.stress.collect_version import latest

THINGS = ("bridge", "mill", "harbour", "library", "tower", "canal", "garden", "museum", "chapel", "theatre")
TOWNS = ("Quillton", "Marbrook", "Eastwick", "Fernhollow", "Dunmere", "Oakhaven", "Pellworth", "Stonebeck")
PARTS = ("its roof", "the old stairs", "how deep it is", "every window", "paint")
MODELS = ("gpt-4", "gpt-3.5-turbo", "mpt-30b-chat")
START = lambda what, total: lambda count: None  # noqa: E731


class Steps:
    """One unit an answer; how many are wrong stands in the answer itself."""

    def describe(self) -> dict[str, Any]:
        return {"kind": "table"}

    async def units(self, question: str, answer: str) -> list[Unit]:
        return [Unit(word, "fact") for word in re.findall(r"right|wrong", answer)]

    async def statement(self, unit: str, question: str, answer: str) -> str:
        return unit

    async def query(self, statement: str, history: Any) -> str:
        return statement

    async def decide(self, statement: str, passages: Any) -> Decision:
        return Decision("supported" if statement == "right" else "unsupported", "")


class Backend:
    identity = "table"

    def describe(self) -> dict[str, Any]:
        return {"kind": "table"}

    async def search(self, query: str, results: int) -> list[Any]:
        from demur.judges.evidence.backend import Passage

        return [Passage("a passage")]


def collector(raters: Raters | None = None, **plan: Any) -> Collector:
    store = raters.store if raters else Store()
    checker = Checker(Steps(), Backend(), store, Settings(rounds=1), judge_named("rules"))
    return Collector(Plan(**plan), raters, checker)


def log(path: Path, towns: tuple[str, ...] = TOWNS, extra: tuple[dict[str, Any], ...] = ()) -> Path:
    """Chats about every thing in every town; some answers have more that is wrong."""
    rows: list[dict[str, Any]] = []
    for i, (thing, town) in enumerate((thing, town) for thing in THINGS for town in towns):
        wrong = 1 + (7 * i) % 5
        said = (
            "The answer is right on the whole, but "
            + ", ".join(f"wrong about {w}" for w in PARTS[:wrong])
            + "."
        )
        turns = [
            {
                "role": "user",
                "content": f"When was the {thing} of {town} built, and who paid for the building?",
            },
            {"role": "assistant", "content": said},
            {"role": "user", "content": f"And what about the {thing} in the town next to {town}?"},
        ]
        rows.append({"conversation_id": str(i), "model": MODELS[i % 3], "conversation": turns})
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *extra]), encoding="utf-8")
    return path


def chat(prompt: Any, model: str = "gpt-4", answer: str = "It is right.") -> dict[str, Any]:
    return {
        "model": model,
        "conversation": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
    }


def test_every_row_of_a_log_is_counted_under_one_reason(tmp_path: Path) -> None:
    extra = (
        chat("When was the bridge of Quillton built, and who paid for the building??"),
        chat("What did NAME_1 say to NAME_2 about the new bridge over the river?"),
        chat("Wann wurde die Brücke gebaut, und wer hat das Geld dafür gegeben?"),
        chat("Hi"),
        chat("Who built the old lighthouse on the island of the two saints?", model="unknown-7b"),
        chat("Who built the oldest lighthouse on the coast of the northern sea?", answer=""),
        {"model": "gpt-4", "conversation": [{"role": "assistant", "content": "Hello!"}]},
        chat("Write ${NAME} and {city} into the sentence about the old harbour, please."),
    )
    file = log(tmp_path / "log.jsonl", extra=extra)
    with open(file, "a", encoding="utf-8") as out:
        out.write("{half a row\n")
    done = build(file, tmp_path / "out", collector(size=30), START)
    about = json.loads((tmp_path / "out" / "v1" / "collected.json").read_text())
    assert done.left_out == {
        "not readable": 1,
        "near-duplicate": 1,
        "anonymised name": 1,
        "another language": 1,
        "too short or too long": 1,
        "model without a tier": 1,
        "no answer in the log": 1,
        "no first user turn": 1,
    }
    assert about["log"]["rows"] == 80 + 9 and about["left_out"] == done.left_out
    found = distinct(harvest(file))
    assert len(found.chats) + sum(found.left_out.values()) == found.rows
    assert not any("next to" in c.prompt for c in found.chats)  # no later turn
    assert any(c.prompt.startswith("Write ${NAME} and {city}") for c in found.chats)


def test_done_5_quotas_scores_and_seeds(tmp_path: Path) -> None:
    file = log(tmp_path / "log.jsonl")
    first = build(file, tmp_path / "a", collector(size=30), START)
    build(file, tmp_path / "b", collector(size=30), START)
    assert (
        {tier: len(own) for tier, own in first.tiers.items()}
        == quotas(30)
        == {"hard": 16, "moderate": 10, "easy": 4}
    )
    for tier in TIERS.values():
        one, two = (tmp_path / x / "v1" / "factbench" / tier.file for x in "ab")
        assert one.read_bytes() == two.read_bytes()
    for name, own in first.tiers.items():
        scores = [c.hallucination for c in own]
        assert scores == sorted(scores, reverse=True) and {c.tier for c in own} == {name}
        assert {c.chat.model for c in own} == {MODELS[list(TIERS).index(name)]}
    assert sum(quotas(7).values()) == 7 and sum(quotas(999).values()) == 999
    with pytest.raises(BadInput, match="holds a version"):
        build(file, tmp_path / "a", collector(size=30), START)


def test_the_version_is_what_measure_loads(tmp_path: Path) -> None:
    from demur.benchmarks.factbench import read

    done = build(log(tmp_path / "log.jsonl"), tmp_path / "out", collector(size=20), START)
    loaded = read(done.folder)
    assert Counter(r.category for r in loaded.records) == quotas(20)
    assert [r.prompt for r in loaded.records] == latest(tmp_path / "out").prompts


def test_done_6_a_refresh_adds_and_retires_by_rule_and_twice_is_once(tmp_path: Path) -> None:
    build(log(tmp_path / "old.jsonl", TOWNS[:4]), tmp_path / "out", collector(size=20), START)
    old = latest(tmp_path / "out")
    new = log(tmp_path / "new.jsonl", TOWNS[2:])
    done = refresh(tmp_path / "out", new, collector(size=20), START)
    version, diff = latest(tmp_path / "out"), json.loads((tmp_path / "out" / "v2" / "diff.json").read_text())
    assert (
        version.number == 2 and version.about["parent"] == 1 and done.left_out["in the earlier version"] > 0
    )
    before, after = set(old.prompts), set(version.prompts)
    assert {row["prompt"] for row in diff["added"]} == after - before and after - before
    assert {row["prompt"] for row in diff["retired"]} == before - after and before - after
    assert diff["kept"] == len(before & after)
    for tier, own in version.tiers.items():
        worst = min(c.hallucination for c in own)
        gone = [row["hallucination_score"] for row in diff["retired"] if row["tier"] == tier]
        assert all(score <= worst for score in gone)
    again = refresh(tmp_path / "out", new, collector(size=20), START)
    assert again.folder is None and latest(tmp_path / "out").number == 2


def test_done_7_usefulness_is_the_mean_of_the_judges_that_can_be_read() -> None:
    one = {
        "clarity": 5.0,
        "generalizability": 4.0,
        "relevance": 3.0,
        "actionability": 0.0,
        "feasibility": 4.0,
    }
    two = {name: value - 1 if value else 5.0 for name, value in one.items()}
    assert usefulness([one, two]) == (3.5, 2)
    assert usefulness([one, None]) == usefulness([None, one]) == (4.0, 1)
    assert usefulness([None, None]) == (0.0, 0)
    assert usefulness([one | {"actionability": 5.0}]) == usefulness([one])


def rate(asked: str, times: int) -> Mapping[str, Any]:
    """Rates by the thing that is asked about; about some of them in prose."""
    code = re.search(r'"code": "([0-9a-f]{8})"', asked)[1]
    thing = re.search(r"When was the (\w+)", asked)[1]
    if "You sort a request" in asked:
        kind = {"mill": "neither", "tower": "faithful"}.get(thing, "factual")
        return {"content": json.dumps({"code": code, "kind": kind})}
    if thing == "canal":
        return {"content": "I would give it a four."}
    score = 4.0 if thing == "chapel" else 5.0
    names = ("clarity", "generalizability", "relevance", "actionability", "feasibility")
    return {"content": json.dumps({"code": code, **dict.fromkeys(names, score)})}


def model(url: str, name: str) -> Model:
    return get_model(
        f"openai-api/testserver/{name}",
        base_url=url,
        api_key="not a key",  # pragma: allowlist secret
        config=GenerateConfig(max_retries=0),
        memoize=False,
    )


def test_thresholds_of_the_tiers_and_failed_ratings_are_counted(
    endpoint: Callable[..., Any], tmp_path: Path
) -> None:
    server = endpoint(rate)
    store = Store(tmp_path / "store.jsonl")
    raters = Raters({n: model(server.url, n) for n in ("one", "two")}, ("one", "two"), store)
    done = build(log(tmp_path / "log.jsonl"), tmp_path / "out", collector(raters, size=500), START)
    kept = [c for own in done.tiers.values() for c in own]
    assert not any(word in c.chat.prompt for c in kept for word in ("mill", "tower", "canal"))
    assert {c.tier for c in kept if "chapel" in c.chat.prompt} == {"hard"}  # 4.0: at least 4.0, 4.5, 5.0
    assert done.left_out["neither, not factual"] == done.left_out["faithful, not factual"] == 8
    assert done.left_out["usefulness not readable (0)"] == 8
    assert len(kept) + sum(done.left_out.values()) == 80
    asked = len(server.asked)
    again = Raters({n: model(server.url, n) for n in ("one", "two")}, ("one", "two"), Store(store.path))
    build(log(tmp_path / "log.jsonl"), tmp_path / "again", collector(again, size=500), START)
    assert len(server.asked) - asked == 8 * 2 * 2  # what failed, by two raters, each asked once more


def test_candidates_are_spread_over_topics(tmp_path: Path) -> None:
    done = build(log(tmp_path / "log.jsonl"), tmp_path / "out", collector(size=500, candidates=5), START)
    assert {tier: len(own) for tier, own in done.tiers.items()} == {"hard": 5, "moderate": 5, "easy": 5}
    assert done.left_out["beyond --candidates"] == 80 - 15


def test_topics_part_what_is_about_different_things_and_name_it() -> None:
    about = {
        "bread": "How long should the {} bread dough rest in a warm kitchen before baking?",
        "star": "Which telescope shows the {} star and its planets in the night sky?",
        "tax": "What income tax do I pay on the {} house that my company rents?",
    }
    kinds = [kind for kind in about for _ in range(250)]
    prompts = [about[kind].format(f"number{i % 250}") for i, kind in enumerate(kinds)]
    for method in ("kmeans", "hdbscan"):
        labels, names = topics(prompts, method=method)
        pairs = Counter(zip(labels.tolist(), kinds, strict=True))
        of_one_kind = sum(max(pairs[label, kind] for kind in about) for label in set(labels.tolist()))
        assert of_one_kind == len(prompts) and len(set(labels.tolist())) >= 3, method
        assert all("bread" in names[label] for (label, kind) in pairs if kind == "bread")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no prompt is left"),
        ('{"a": 1}\n', "no conversation; one of the columns must be conversation"),
        ('{"conversation": 7}\n', "no prompt is left of 1 rows .too short or too long 1"),
    ],
)
def test_bad_logs_say_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        build(file, tmp_path / "out", collector(), START)
    with pytest.raises(BadInput, match="is no file"):
        build(tmp_path / "none.jsonl", tmp_path / "out", collector(), START)
    with pytest.raises(BadInput, match="holds no version"):
        refresh(tmp_path, file, collector(), START)
    assert not list(tmp_path.glob("out/v*"))


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(BadInput, match="valid are hard, moderate, easy"):
        Plan(tier_of={"gpt-4": "tier_1"})
    assert replace(Plan(), size=3).size == 3
