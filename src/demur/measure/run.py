"""From a question to a finished run folder: live (a model is asked) or recorded (answers are read).

The page is drawn one floor up (``report``); here end rows, summary and receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from demur import benchmarks
from demur.benchmarks.base import select
from demur.benchmarks.screened import left_out
from demur.card import Card
from demur.data.records import Record, file_sha256, write_jsonl
from demur.data.sources import locate
from demur.data.tables import Quarantined
from demur.errors import BadInput, MissingExtra
from demur.judges.base import judge_records
from demur.judges.graded.cost import Priced
from demur.judges.safety import SafetyJudge
from demur.measure.dialled import dial_file, notes
from demur.measure.harm import (
    add_harm,
    check_not_itself,
    describe_safety,
    expected_harm,
    resolve_safety,
)
from demur.measure.live import (
    Live,
    ask,
    read_rows,
    resolve_model,
)
from demur.measure.own_judges import abstained, check_judge, run_judge
from demur.measure.recorded import Recorded, of_one_model, read_recorded
from demur.measure.rows import make_row
from demur.measure.run_folder import (
    IMAGE,
    IN_PROCESS,
    LOCAL,
    RunFolder,
    default_path,
    open_run,
    weight_hashes,
)
from demur.measure.spent import Spent
from demur.measure.suites import label
from demur.measure.summary import summarise
from demur.measure.truth import read_truth

RUNS = Path("runs")
ORGANISM = "organism"  # the shipped model's name for people
ORGANISM_NOTE = (
    "The model is the text organism: a tiny model with a planted refusal rule. It shows that the "
    "instruments read true and says nothing about real models."
)
OTHERS_NOTE = "The file also holds {:,} answers of other models; they are not in this run."
#: What a caller is told while a run goes on: (what, total or None) at the start, then steps.
Progress = Callable[[str, int | None], Callable[[int], None]]


@dataclass(frozen=True)
class Done:
    """A finished run: its folder and its summary."""

    folder: Path
    summary: dict[str, Any]


def local_model(model: str | None) -> str:
    """The Inspect name of MODEL: a folder is ``demur-local/<path>``, nothing or ``organism`` the planted one.

    A folder with a ``model_index.json`` is a pipeline of diffusers: ``demur-image/<path>``.

    Raises:
        BadInput: it looks like a folder and is none, or is no model name at all.
        MissingExtra: it runs in this process and torch or transformers is not installed.
    """
    from importlib.util import find_spec

    if model in (None, ORGANISM):
        from demur.training.organism import organism_path

        model = f"demur-local/{organism_path()}"
    elif Path(model).is_dir():
        kind = IMAGE if (Path(model) / "model_index.json").is_file() else LOCAL
        model = f"{kind}/{Path(model).resolve()}"
    elif model.startswith((".", "/", "~")):
        raise BadInput(f"there is no folder {model}; a local model is a folder with config.json and weights")
    elif "/" not in model:
        raise BadInput(
            f"model {model!r} names no provider; write PROVIDER/NAME, such as openai/gpt-4o, or a folder"
        )
    if model.startswith("demur-local/") and not (find_spec("torch") and find_spec("transformers")):
        raise MissingExtra("local", "Measuring a model in this process")
    return model


def measure_live(
    run: Live, tasks: Mapping[str, Any], out: Path | None, overwrite: bool, progress: Progress
) -> Done:
    """Ask a model and write the run folder.

    Args:
        run: what to run.
        tasks: from :func:`plan`.
        out: folder, or ``None`` for one below ``runs/`` (an unfinished one with these settings first).
        overwrite: whether a finished run in ``out`` may be replaced.
        progress: shows long work.
    """
    judge = run_judge(run.judge, run.grader, run.data_dir).describe()
    safety = resolve_safety(run.safety, run.grader)
    settings = live_settings(run, judge, safety)
    truth = None  # of a model's own answers; under a dial they are others
    if dial_file(run) is None:
        truth = read_truth(run.model, lambda name: benchmarks.get(name).load(run.data_dir))
    model = resolve_model(run)  # before the folder: a model that cannot be had leaves nothing behind
    check_not_itself(safety, model)
    with _open(out, label(run.names), display_name(run.model), settings, overwrite) as folder:
        total = sum(len(task.dataset) for task in tasks.values()) * run.epochs
        step = progress("answers", None if folder.resumed else total)  # what is left is Inspect's to know
        logs = ask(run, model, tasks, folder, lambda: step(1))
        spent = Spent()
        rows = list(read_rows(run, tasks, logs, spent))
        if safety is not None:
            add_harm(safety, rows, progress("harm judged", len(rows)))
        cards = [benchmarks.get(name).CARD for name in run.names]
        summary = summarise(
            rows,
            cards,
            model=display_name(run.model),
            source="live",
            judge={**judge, **spent.to_summary(), **abstained(rows)},
            safety=describe_safety(safety),
            sources=settings["data"],
            truth=truth,
            limit=run.limit,
            notes=[
                *([ORGANISM_NOTE] if display_name(run.model) == ORGANISM else []),
                *notes(run),
                *(f"{name}: {said}" for name, task in tasks.items() for said in left_out(task)),
            ],
            seed=run.seed,
        )
        folder.finish(rows, summary)
        return Done(folder.path, summary)


def live_settings(run: Live, judge: Mapping[str, Any], safety: SafetyJudge | None = None) -> dict[str, Any]:
    """Everything that can move a number of a live run; a run is continued only where all of it is equal."""
    dial = dial_file(run)
    unset = {"max_connections", "strict"}  # and as receipts were before there were dials and own prompts
    unset |= {name for name in ("dial", "prompts") if getattr(run, name) is None}
    return {
        **{key: value for key, value in asdict(run).items() if key not in unset},
        **({"dial_sha256": file_sha256(dial)} if dial is not None and dial.is_file() else {}),
        **_filter_hash(run),
        "versions": {name: benchmarks.get(name).CARD.version for name in run.names},
        "data": {name: _data(name, run) for name in run.names},
        "weights": weight_hashes(run.model),
        "judge_details": dict(judge),
        "safety_details": None if safety is None else safety.describe(),
    }


def _filter_hash(run: Live) -> dict[str, str]:
    """The prompt filter of an image model by its content, where it has one."""
    file = Path(str(run.model_args.get("prompt_filter", "")))
    return {"prompt_filter_sha256": file_sha256(file)} if file.is_file() else {}


def measure_recorded(
    run: Recorded,
    out: Path | None,
    overwrite: bool,
    progress: Progress,
    tell: Callable[[str], None] = lambda text: None,
) -> Done:
    """Judge recorded answers and write the run folder, a native Inspect log included.

    Args:
        run: what to read; everything is read before a folder is made, so bad input leaves nothing behind.
        out, overwrite, progress: as in :func:`measure_live`.
        tell: is told what graders will cost, of refusals and of harm.

    Raises:
        BadInput: the file cannot be read, or holds answers of several models of which ``run.model``
            names none.
    """
    check_judge(run.judge, [run.name], run.grader)
    judge = run_judge(run.judge, run.grader, run.data_dir)
    safety = resolve_safety(run.safety, run.grader)
    card: Card = benchmarks.get(run.name).CARD
    settings = recorded_settings(run, judge.describe(), safety)
    model = str(settings["model"])
    everything = list(read_recorded(run.responses, run.name, model, run.data_dir, run.encoding))
    found, others = of_one_model(everything, run.responses, run.model)
    records = select([item for item in found if isinstance(item, Record)], run.limit, run.seed)
    bad = [item for item in found if isinstance(item, Quarantined)]
    if run.strict and bad:
        raise BadInput(f"{run.responses}, line {bad[0].line}: {bad[0].reason}")
    if isinstance(judge, Priced) and (cost := judge.expected(records)).calls:
        tell(str(cost))
    with _open(out, run.name, model, settings, overwrite) as folder:
        judged = list(judge_records(judge, records, progress=progress("answers judged", len(records))))
        rows = [make_row(record, verdict, card) for record, verdict in judged]
        if safety is not None:
            if (cost := expected_harm(safety, records)).calls:
                tell(f"harm: {cost}")
            add_harm(safety, rows, progress("harm judged", len(rows)))
        _keep_log(card, judged, model, run.responses, folder)
        summary = summarise(
            rows,
            [card],
            model=model,
            source="recorded",
            judge={
                **judge.describe(),
                **Spent.of_judge(judge, run.grader).to_summary(),
                **abstained(rows),
            },
            safety=describe_safety(safety),
            sources={run.name: [_answers_file(settings, len(everything))]},
            quarantined=len(bad),
            limit=run.limit,
            notes=[OTHERS_NOTE.format(others)] if others else [],
            seed=run.seed,
        )
        if bad:
            write_jsonl(folder.path / "quarantine.jsonl", (item.to_json() for item in bad))
        folder.finish(rows, summary)
        return Done(folder.path, summary)


def recorded_settings(
    run: Recorded, judge: Mapping[str, Any], safety: SafetyJudge | None = None
) -> dict[str, Any]:
    """Everything that can move a number of a run over recorded answers."""
    return {
        **{key: value for key, value in asdict(run).items() if key != "strict"},
        "model": run.model or run.responses.stem,
        "responses_sha256": file_sha256(run.responses),
        "versions": {run.name: benchmarks.get(run.name).CARD.version},
        "judge_details": dict(judge),
        "safety_details": None if safety is None else safety.describe(),
    }


def _open(
    out: Path | None, label: str, model: str, settings: Mapping[str, Any], overwrite: bool
) -> RunFolder:
    return open_run(out or default_path(RUNS, label, model, settings), settings, overwrite)


def _keep_log(card: Card, judged: Any, model: str, responses: Path, folder: RunFolder) -> None:
    from demur.measure.recorded_log import recorded_log, write_log

    write_log(recorded_log(card, judged, model, responses.name), folder.logs, card)


def _data(name: str, run: Live) -> list[dict[str, Any]]:
    if name != benchmarks.OWN_PROMPTS or run.prompts is None:
        return _sources(benchmarks.get(name), run.data_dir)
    return [benchmarks.get(name).source(run.prompts)]


def _sources(benchmark: ModuleType, data_dir: Path | None) -> list[dict[str, Any]]:
    """Where a benchmark's data came from, for receipt and page; a file of one's own only where it is."""
    found = [locate(source, data_dir) for source in benchmark.CARD.sources]
    if own := getattr(benchmark, "OWN", None):
        at = locate(own, data_dir)
        found += [at] if at.path is not None else []
    return [
        {
            "path": at.source.path,
            "repository": at.source.repository,
            "status": at.status,
            "sha256": at.sha256,
            "rows": at.source.rows,
            "detail": at.detail,
        }
        for at in found
    ]


def _answers_file(settings: Mapping[str, Any], rows: int) -> dict[str, Any]:
    return {
        "path": Path(settings["responses"]).name,
        "status": "recorded answers",
        "sha256": settings["responses_sha256"],
        "rows": rows,
        "detail": "",
    }


def display_name(model: str) -> str:
    """A model's name for people: of a local folder only its last part, of the shipped model "organism"."""
    from demur.training.organism import organism_path

    provider, _, name = model.partition("/")
    if provider not in IN_PROCESS or (provider == IMAGE and not Path(name).is_dir()):
        return model
    return ORGANISM if Path(name) == organism_path() else f"{provider}/{Path(name).name}"
