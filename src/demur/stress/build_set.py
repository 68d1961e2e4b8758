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
from pathlib import Path
from typing import Any

from demur.data.minors import EXCLUDED
from demur.data.records import Record, file_sha256, prompt_id, write_jsonl, write_records
from demur.judges.graded.store import Store
from demur.judges.safety import Harm, SafetyJudge
from demur.stress.build_sources import Candidate, SetSettings, Sources, refused
from demur.stress.distinct import Embed, stands_for
from demur.stress.review import RECORDS
from demur.stress.run_folder import STORE, taken, write_receipt
from demur.stress.safety_words import Said, independent, judged, named

SCHEMA = "demur.test-set/1"
DROPPED = "dropped.jsonl"
#: Where ``benchmarks/evorefuse_test.py`` looks below a data folder.
TEST = Path("evorefuse") / "evo_test.jsonl"
STAGES = ("rows", "review", "judges of harm", "near-duplicates")


def build(
    sources: Sources,
    judges: Sequence[SafetyJudge],
    out: Path,
    settings: SetSettings,
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
    order = sorted(open_, key=lambda c: -(refused(c.record) or 0.0))
    for place, kept in enumerate(stands_for([str(c.record.prompt) for c in order], similarity, embed)):
        if kept != place:
            order[place].drop("near-duplicates", f"of {order[kept].record.id}")


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
