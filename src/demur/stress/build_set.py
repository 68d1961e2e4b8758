"""Finished searches to one set of prompts: read, reviewed, judged again, near-duplicates out.

EvoRefuse, arXiv 2505.23473, "Building the sets": the best prompt of each seed, judged again, what is not safe
out. There one model wrote, cleared and judged; here every prompt needs the word of two different judges of
harm, and people's decisions (``review.py``) count where there are any. ``OUT/records.jsonl`` is a record
file, ``OUT/evorefuse/evo_test.jsonl`` has the form of EVOREFUSE-TEST, ``OUT/dropped.jsonl`` every other row
with its reason, ``OUT/receipt.json`` (``demur.test-set/1``) the counts.

    demur stress build test found --safety MODEL --safety OTHER --out set
    demur measure MODEL --benchmark evorefuse_test --data-dir set
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demur.data.minors import EXCLUDED, ExcludedRow, check_row
from demur.data.records import Record, file_sha256, prompt_id, read_records, write_jsonl, write_records
from demur.errors import BadInput
from demur.judges.graded.store import Store
from demur.judges.safety import Harm, SafetyJudge
from demur.stress.distinct import Embed, stands_for
from demur.stress.review import DECISIONS, RECORDS, read_decisions
from demur.stress.review_votes import verdicts
from demur.stress.run_folder import STORE, taken, write_receipt
from demur.stress.safety_words import Said, independent, judged, named

SCHEMA = "demur.test-set/1"
DROPPED, REVIEW = "dropped.jsonl", "review"
#: Where ``benchmarks/evorefuse_test.py`` looks below a data folder.
TEST = Path("evorefuse") / "evo_test.jsonl"
STAGES = ("rows", "review", "judges of harm", "near-duplicates")
SIMILARITY = 0.9  # OVERT, for prompts that were made of seeds


@dataclass(frozen=True, slots=True)
class SetSettings:
    """How a set is built.

    Attributes:
        refused: least share of the target's answers that refuse, in [0, 1]; rows that do not say it stay.
        least: people who must have decided, where a source has a review.
        similarity: from which on two prompts are one, in (0, 1): of 5-grams, or of an encoder.
    """

    refused: float = 0.0
    least: int = 1
    similarity: float = SIMILARITY

    def __post_init__(self) -> None:
        if not 0 <= self.refused <= 1 or not 0 < self.similarity < 1 or self.least < 1:
            raise BadInput(
                f"refused {self.refused}, similarity {self.similarity}, least {self.least}: the first lies "
                "in [0, 1], the second between 0 and 1, the third is 1 or more"
            )


@dataclass(slots=True)
class Candidate:
    """A row on its way; ``stage`` is empty while it is in, ``twin`` marks a request to be refused."""

    record: Record
    file: str
    stage: str = ""
    reason: str = ""
    twin: bool = False

    def drop(self, stage: str, reason: str) -> None:
        """Out, once."""
        self.stage, self.reason = stage, reason


@dataclass(slots=True)
class Sources:
    """All rows of all files, and the files, reviews among them, by hash."""

    candidates: list[Candidate] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def open(self) -> list[Candidate]:
        """The prompts to be answered that are still in."""
        return [c for c in self.candidates if not c.stage and not c.twin]


def read_sources(paths: Sequence[Path], settings: SetSettings) -> Sources:
    """Rows of record files, or of the folders of ``demur stress`` commands with their reviews; asks nobody.

    Raises:
        BadInput: a file that is missing or no record file, or no rows.
    """
    found, seen = Sources(), set[str]()
    for path in paths:
        file = path / RECORDS if path.is_dir() else path
        if not file.is_file() or file.suffix != ".jsonl":
            raise BadInput(f"{file} is missing: give a .jsonl of records, or a folder with {RECORDS}")
        own = [Candidate(r, str(file), twin=r.expect == "refuse") for r in read_records(file)]
        found.files[str(file)] = file_sha256(file)
        for candidate in own:
            if reason := _unfit(candidate, settings, seen):
                candidate.drop("rows", reason)
        decisions = path / REVIEW / DECISIONS
        if path.is_dir() and decisions.is_file():
            found.files[str(decisions)] = file_sha256(decisions)
            _reviewed(own, decisions, settings.least)
        found.candidates += own
    if not found.candidates:
        raise BadInput(f"{', '.join(map(str, paths))}: no rows to build a set of")
    return found


def _unfit(candidate: Candidate, settings: SetSettings, seen: set[str]) -> str:
    """Why a row is no candidate; empty where it is one. Requests to be refused go with their partners."""
    record = candidate.record
    try:
        check_row(record.id, str(record.prompt), str(record.meta), record.category)
    except ExcludedRow:
        return EXCLUDED
    if candidate.twin:
        return ""
    if not isinstance(record.prompt, str):
        return "a conversation, not one text"
    refused = record.meta.get("refused", record.meta.get("target_refused"))
    if isinstance(refused, int | float) and refused < settings.refused:
        return "refused too seldom"
    if prompt_id(record.prompt) in seen:
        return "the same prompt again"
    seen.add(prompt_id(record.prompt))
    return ""


def _reviewed(own: Sequence[Candidate], decisions: Path, least: int) -> None:
    """Drop what people rejected, and what they did not decide."""
    records = [c.record for c in own if not c.twin]
    why = verdicts(records, read_decisions(decisions), least)
    for candidate in own:
        if not candidate.stage and not candidate.twin and why[candidate.record.id]:
            candidate.drop("review", why[candidate.record.id])


def build(
    sources: Sources,
    judges: Sequence[SafetyJudge],
    out: Path,
    settings: SetSettings = SetSettings(),
    embed: Embed | None = None,
    step: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Judge, take near-duplicates out, write the files, and return the receipt.

    Args:
        sources: of :func:`read_sources`.
        judges: two different ones at least; each must call a prompt harmless.
        out: new, empty, or of the same command before; what judges said is not asked again.
        settings: see there.
        embed: an encoder for near-duplicates; character 5-grams without one.
        step: called with the prompts judged since the last call.

    Raises:
        BadInput: too few judges, or ``out`` holds something else.
    """
    independent(judges)
    about: dict[str, Any] = {
        "refused": settings.refused,
        "least": settings.least,
        "similarity": settings.similarity,
    }
    about |= {"encoder": embed is not None, "judges": [judge.describe() for judge in judges]}
    about |= {"files": sources.files}
    with taken(out, SCHEMA, about):
        store = Store(out / STORE)
        said = _cleared(sources.open(), judges, store, step)
        _distinct(sources.open(), settings.similarity, embed)
        _partners(sources.candidates)
        found = _records(sources, said)
        write_records(out / RECORDS, found)
        write_jsonl(out / TEST, ({"instruction": r.prompt} for r in found if r.expect != "refuse"))
        write_jsonl(out / DROPPED, _rows(sources.candidates, said))
        facts = _facts(sources, said, named(judges))
        facts["files"] = {str(name): file_sha256(out / name) for name in (RECORDS, TEST, DROPPED)}
        write_receipt(out, SCHEMA, about, facts)
    return {"schema": SCHEMA, "settings": about, **facts}


def _cleared(
    open_: Sequence[Candidate], judges: Sequence[SafetyJudge], store: Store, step: Callable[[int], None]
) -> dict[int, list[Said]]:
    """Drop what a judge does not call harmless; the place in memory of each candidate -> what was said."""
    heard = judged([c.record for c in open_], judges, store, step)
    for candidate, words in zip(open_, heard, strict=True):
        against = [one for one in words if one.harm != Harm.HARMLESS.value]
        if against:
            how = "not clear" if against[0].harm == Harm.UNSCORED.value else "harmful"
            candidate.drop("judges of harm", f"{how} to {against[0].judge}")
    return {id(candidate): words for candidate, words in zip(open_, heard, strict=True)}


def _distinct(open_: Sequence[Candidate], similarity: float, embed: Embed | None) -> None:
    """Of prompts that say nearly the same the one that was refused most stays."""
    order = sorted(open_, key=lambda c: -_refused(c.record))
    for place, kept in enumerate(stands_for([str(c.record.prompt) for c in order], similarity, embed)):
        if kept != place:
            order[place].drop("near-duplicates", f"of {order[kept].record.id}")


def _refused(record: Record) -> float:
    value = record.meta.get("refused", record.meta.get("target_refused"))
    return float(value) if isinstance(value, int | float) else 0.0


def _partners(candidates: Sequence[Candidate]) -> None:
    """A request to be refused stays where its harmless partner does, or where it has none."""
    stays = {(c.file, c.record.pair) for c in candidates if not c.stage and not c.twin}
    for candidate in candidates:
        pair = candidate.record.pair
        if candidate.twin and not candidate.stage and pair and (candidate.file, pair) not in stays:
            candidate.drop("rows", "its partner went")


def _records(sources: Sources, said: Mapping[int, Sequence[Said]]) -> list[Record]:
    """What stays, with the judges' words; ids that two files share get their prompt's."""
    kept = [c for c in sources.candidates if not c.stage]
    ids = Counter(c.record.id for c in kept)
    for candidate in kept:
        record = candidate.record
        if words := said.get(id(candidate)):
            record.meta = record.meta | {"safety": "; ".join(map(str, words))}
        if ids[record.id] > 1:
            record.id = f"{record.id}:{prompt_id(record.prompt)}"
    return [c.record for c in kept]


def _rows(candidates: Sequence[Candidate], said: Mapping[int, Sequence[Said]]) -> Iterator[dict[str, Any]]:
    """One row a dropped candidate; of what the safety rule excludes only that it was there."""
    for candidate in candidates:
        if candidate.stage:
            row: dict[str, Any] = {
                "stage": candidate.stage,
                "reason": candidate.reason,
                "file": candidate.file,
            }
            if candidate.reason != EXCLUDED:
                row |= {"id": candidate.record.id, "prompt": candidate.record.prompt}
                row["safety"] = [one._asdict() for one in said.get(id(candidate), ())]
            yield row


def _facts(sources: Sources, said: Mapping[int, Sequence[Said]], names: Sequence[str]) -> dict[str, Any]:
    """Counts of every stage, which with the kept rows sum to all rows, and each judge's words."""
    dropped: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for candidate in sources.candidates:
        if candidate.stage:
            reason = "of another" if candidate.stage == "near-duplicates" else candidate.reason
            dropped[candidate.stage][reason] += 1
    kept = [c for c in sources.candidates if not c.stage]
    heard = {name: Counter(words[place].harm for words in said.values()) for place, name in enumerate(names)}
    return {
        "rows": len(sources.candidates),
        "dropped": {stage: dict(own.most_common()) for stage, own in dropped.items()},
        "kept": sum(not c.twin for c in kept),
        "partners": sum(c.twin for c in kept),
        "said": {name: dict(counts) for name, counts in heard.items()},
    }
