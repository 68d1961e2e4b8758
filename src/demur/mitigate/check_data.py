"""Build rows with a check: requests in, rows and a receipt out, every request accounted for.

    demur mitigate check_data --requests FILE --helper MODEL --guard offline --out DIR

``OUT/rows.jsonl`` (``demur.check-row/1``), ``OUT/policy.json``, ``OUT/replies.jsonl`` (all that was said,
by content: nothing is paid twice, and a killed run goes on), ``OUT/receipt.json`` (``demur.check-data/1``)
last. The replies hold intended answers to harmful requests: keep them as you would keep those, or delete
them when the rows are built.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demur.data.records import file_sha256, write_jsonl, write_text
from demur.data.versions import versions
from demur.errors import BadInput, ModelFailure
from demur.judges import judge_named
from demur.judges.graded.store import Store
from demur.judges.graded.structured import TRIES
from demur.judges.safety import SafetyJudge
from demur.judges.safety.graded import GradedSafety
from demur.mitigate.check_builder import ROLES, Builder
from demur.mitigate.check_policy import Policy
from demur.mitigate.check_queries import Queries, Query, read_queries
from demur.mitigate.check_rows import CheckRow, count_types, stratified
from demur.mitigate.receipt import FILE
from demur.mitigate.unfinished import begin, check_out, finish
from demur.models.check import CheckTemplate

if TYPE_CHECKING:
    from inspect_ai.model import Model

NAME, SCHEMA = "check_data", "demur.check-data/1"
#: Most calls of one request: answer, guard, and three forms, each of which may be asked for twice.
CALLS = 2 + 3 * TRIES
ROWS, REPLIES, POLICY = "rows.jsonl", "replies.jsonl", "policy.json"


@dataclass(frozen=True, slots=True)
class CheckData:
    """Settings.

    Attributes:
        template: whose tags no part may hold.
        near_duplicates: share of character 5-grams in common from which on two requests of one query type
            count as one, and the first is kept; ``None`` keeps all. ours: they differ in a word or two.
        limit: how many requests, in the proportions of the query types; ``None`` for all.
        refusal: judge of the second filter.
        at_once: requests in work at a time. ours: as many as a provider takes without complaint.
        seed: of the choice under a limit.
    """

    template: CheckTemplate = field(default_factory=CheckTemplate)
    near_duplicates: float | None = 0.8
    limit: int | None = None
    refusal: str = "offline"
    at_once: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.at_once < 1:
            raise BadInput(f"at_once is {self.at_once}; it must be 1 or more")
        if self.near_duplicates is not None and not 0 < self.near_duplicates < 1:
            raise BadInput(f"near_duplicates is {self.near_duplicates}; it must be above 0 and below 1")


def prepare(config: CheckData, paths: Sequence[Path]) -> Queries:
    """Read the requests; asks nobody.

    Raises:
        BadInput: see ``check_queries.read_queries``; or fewer requests than the limit.
    """
    found = read_queries(paths, config.near_duplicates)
    if config.limit is not None:
        kept = stratified(found.queries, config.limit, config.seed)
        found.left_out["beyond the limit"] += len(found.queries) - len(kept)
        found.queries = kept
    return found


def run(
    config: CheckData,
    found: Queries,
    policy: Policy,
    models: Mapping[str, Model],
    guard: SafetyJudge,
    out: Path,
    step: Callable[[int], None] = lambda count: None,
    replies: Path | None = None,
) -> dict[str, Any]:
    """Build, write the rows and the receipt, and return it.

    Args:
        config, found: of :func:`prepare`.
        policy: that plans are checked against.
        models: role of ``ROLES`` -> model.
        guard: of the first filter.
        out: new, empty, or of a killed run of the same settings.
        step: called with the requests done since the last call.
        replies: of another build, to go on with; ``None`` keeps them in ``out``.

    Raises:
        BadInput: ``out`` holds something else, or the guard is the model that answers.
        ModelFailure: no row was built because helpers failed.
    """
    check_out(out)
    names = {role: str(models[role]) for role in ROLES}
    about = {"policy": policy.to_json(), "models": names, "guard": guard.describe()}
    begin(out, {"recipe": NAME, "config": asdict(config), "rows": found.files, **about})
    (replies or out / REPLIES).touch(mode=0o600)
    store = Store(replies or out / REPLIES)
    judge = judge_named(config.refusal)
    builder = Builder(models, guard, judge, policy, config.template, store, found.twins)
    made = asyncio.run(_all(builder, found.queries, config.at_once, step))
    receipt = {"schema": SCHEMA, "config": asdict(config), **about, **_counts(found, made)}
    if not receipt["kept"]:
        raise _nothing(receipt)
    write_jsonl(out / ROWS, (row.to_json() for row in made if isinstance(row, CheckRow)))
    write_text(out / POLICY, json.dumps(asdict(policy), indent=1, ensure_ascii=False) + "\n")
    spent = {role: account.to_json() for role, account in builder.accounts.items()}
    if isinstance(guard, GradedSafety):
        spent["guard"] = guard.account.to_json()
    receipt |= {
        "spent": spent,
        "files": {**found.files, ROWS: file_sha256(out / ROWS)},
        "versions": versions(("inspect_ai",)),
    }
    write_text(out / FILE, json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")
    finish(out)
    return receipt


async def _all(
    builder: Builder, queries: Sequence[Query], at_once: int, step: Callable[[int], None]
) -> list[CheckRow | str]:
    """Rows, or reasons, in the order of the requests; what is paid for is stored, also on Ctrl-C."""
    room = asyncio.Semaphore(at_once)

    async def one(query: Query) -> CheckRow | str:
        async with room:
            made = await builder.row(query)
        step(1)
        return made

    try:
        return await asyncio.gather(*map(one, queries))
    finally:
        await builder.store.drain()


def _counts(found: Queries, made: Sequence[CheckRow | str]) -> dict[str, Any]:
    """Rows in, what became of them by reason, and what is kept by type; the sums match."""
    rows = [row for row in made if isinstance(row, CheckRow)]
    dropped = Counter(reason for reason in made if isinstance(reason, str))
    by_type = {name: Counter[str]() for name in count_types(rows)}
    for query, result in zip(found.queries, made, strict=True):
        by_type[query.query_type]["kept" if isinstance(result, CheckRow) else result] += 1
    assert found.rows == found.left_out.total() + dropped.total() + len(rows)
    return {
        "rows": found.rows,
        "left_out": dict(found.left_out.most_common()),
        "dropped": dict(dropped.most_common()),
        "kept": len(rows),
        "kept_by_type": count_types(rows),
        "by_type": {name: dict(counts.most_common()) for name, counts in by_type.items()},
        "supportive": sum(bool(row.supportive) for row in rows),
    }


def failed_share(receipt: Mapping[str, Any]) -> float:
    """Share of the requests that were asked about of which a stage or the guard had no answer."""
    asked = sum(receipt["dropped"].values()) + receipt["kept"]
    failed = sum(
        n for why, n in receipt["dropped"].items() if why.startswith("failed") or "cannot say" in why
    )
    return failed / asked if asked else 0.0


def _nothing(receipt: Mapping[str, Any]) -> Exception:
    why = ", ".join(f"{reason} {n}" for reason, n in receipt["dropped"].items())
    kind = ModelFailure if failed_share(receipt) == 1 else BadInput
    return kind(f"no row was built of {receipt['rows']}: {why}")
