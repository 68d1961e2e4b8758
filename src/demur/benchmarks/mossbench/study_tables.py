"""The tables of ``demur study``: stages of refusals, classes of perception, system prompts, contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from demur.benchmarks.mossbench.answers import Scores, by_stimulus
from demur.benchmarks.mossbench.entries import STIMULI
from demur.benchmarks.mossbench.perception import CLASSES, perception
from demur.benchmarks.mossbench.studies import contrast, system_prompts
from demur.benchmarks.sections import Cell, Measure, Section, mean_over
from demur.metrics import Rate, proportion
from demur.metrics.paired import Comparison, Difference, compare
from demur.verdict import Outcome, refused

Outcomes = Mapping[str, Outcome]
_STAGES = (
    *("stimulus", "pairs", "refused with description", "refused with intent too"),
    *("perception", "intent", "judgement", "refused again", "left out"),
)


def stages_table(chosen: Mapping[str, Sequence[str]], described: Outcomes, intended: Outcomes) -> Section:
    """Shares of the stages, with the rates that they are made of; ``studies.stages`` with intervals.

    Args:
        chosen: of ``studies.choose``.
        described, intended: pid -> outcome; without ``intended`` only the share of perception is known.
    """
    lines: list[tuple[Cell, ...]] = []
    both: list[tuple[Rate, Rate]] = []
    for stimulus, pids in chosen.items():
        if not intended:
            lines.append((_words(stimulus), *_perception_alone(pids, described)))
            continue
        found = _compared(pids, described, intended)
        lines.append((_words(stimulus), *_stage_cells(found, len(pids))))
        if found.n:
            both.append((found.second, found.first))
    if len(both) > 1:
        lines.append(("mean of the stimuli", *_mean_cells(both)))
    missing = (
        ()
        if intended
        else (
            "Intent and judgement need what users mean: write it into intents.csv of this folder, column "
            "intent, and start the same command again.",
        )
    )
    return Section("Where refusals come from", _STAGES, tuple(lines), _STAGE_NOTES, missing)


_STAGE_NOTES = (
    "Requests that the model refused, asked again: with the true description of the picture, then also with "
    "what the user means. Perception: the refusal went away with the description. Intent: it went away with "
    "the intent. Judgement: it stayed. The three add to 100 % of the pairs.",
    "A share of intent below 0 is possible: the pairs under `refused again` answered the description and "
    "refused once the intent was added. Few pairs give wide intervals.",
)


def _compared(pids: Sequence[str], described: Outcomes, intended: Outcomes) -> Comparison:
    """Described less intended, over the pairs with an outcome in both."""
    return compare(
        [intended.get(pid, Outcome.ERROR) for pid in pids],
        [described.get(pid, Outcome.ERROR) for pid in pids],
    )


def _stage_cells(found: Comparison, asked: int) -> tuple[Cell, ...]:
    return (
        found.n,
        *(rate if found.n else None for rate in (found.second, found.first)),
        _rest(found.second),
        _points(found.difference),
        _share(found.first),
        found.table.only_first,
        asked - found.n,
    )


def _perception_alone(pids: Sequence[str], described: Outcomes) -> tuple[Cell, ...]:
    said = [told for pid in pids if (told := refused(described.get(pid, Outcome.ERROR))) is not None]
    rate = proportion(sum(said), len(said))
    left_out = len(pids) - len(said)
    return len(said), rate if said else None, None, _rest(rate), None, None, None, left_out


def _mean_cells(both: Sequence[tuple[Rate, Rate]]) -> tuple[Cell, ...]:
    """Means of the stimuli, each weighing the same, as the paper averages."""
    described, intended = (mean_over(rates, "stimuli") for rates in zip(*both, strict=True))
    assert described.value is not None and intended.value is not None
    intent = Measure(described.value - intended.value, n=len(both), unit="%", over="stimuli")
    perception = Measure(
        100 - described.value, 100 - (described.high or 0), 100 - (described.low or 0), len(both), "%",
        over="stimuli",
    )  # fmt: skip
    return None, described, intended, perception, intent, intended, None, None


def _rest(rate: Rate) -> Measure:
    """100 % less a rate."""
    if rate.value is None or rate.low is None or rate.high is None:
        return Measure(None, n=0, unit="%")
    return Measure(100 * (1 - rate.value), 100 * (1 - rate.high), 100 * (1 - rate.low), rate.n, "%")


def _share(rate: Rate) -> Measure:
    if rate.value is None or rate.low is None or rate.high is None:
        return Measure(None, n=0, unit="%")
    return Measure(100 * rate.value, 100 * rate.low, 100 * rate.high, rate.n, "%")


def _points(gap: Difference) -> Measure:
    if gap.value is None or gap.low is None or gap.high is None:
        return Measure(None, n=0, unit="%")
    return Measure(100 * gap.value, 100 * gap.low, 100 * gap.high, gap.n, "%")


def perception_table(
    chosen: Mapping[str, Sequence[str]], outcomes: Outcomes, labels: Mapping[str, str]
) -> Section:
    """What the model says that it sees: right, wrong in what matters, or a refusal."""
    found = perception(chosen, outcomes, labels)
    lines: list[tuple[Cell, ...]] = [
        (_words(name), *(part.shares[kind] for kind in CLASSES), part.left_out)
        for name, part in found.items()
    ]
    missing = "Whether a description is right is for people to say: write correct or misperceived into "
    return Section(
        "What the model sees",
        ("stimulus", *CLASSES, "no class"),
        tuple(lines),
        notes=("Asked only to describe the picture. A general lecture on safety counts as a refusal.",),
        missing=(missing + "perception.csv of this folder, column class, and start the same command again.",)
        if any(part.left_out for part in found.values())
        else (),
    )


def system_prompts_table(
    harmless: Mapping[str, Outcomes],
    contrasts: Mapping[str, Outcomes],
    stimuli: Mapping[str, str],
    baseline: str,
) -> Section:
    """Refusals of both sides under each system prompt, and the change against the baseline on the same pairs.

    Args:
        harmless, contrasts: name of the prompt -> pid -> outcome.
        stimuli: pid -> stimulus.
        baseline: the prompt that the others are held against.
    """
    own = {row.name: row for row in system_prompts(harmless, stimuli, baseline)}
    other = {row.name: row for row in system_prompts(contrasts, stimuli, baseline)} if contrasts else {}
    lines: list[tuple[Cell, ...]] = []
    for name, row in own.items():
        sides = [row.scores, other[name].scores if name in other else {}]
        gaps = [row.difference, other[name].difference if name in other else None]
        cells: list[Cell] = [_of(sides[0], stimulus) for stimulus in STIMULI]
        cells += [mean_over((score.strict for score in side.values()), "stimuli") for side in sides]
        lines.append((name, *cells, *(None if gap is None else _in_points(gap.difference) for gap in gaps)))
    return Section(
        "Refused under each system prompt",
        (
            *("system prompt", *(f"harmless, type {number}" for number in range(1, len(STIMULI) + 1))),
            *("harmless, mean", "contrast, mean", "harmless, change", "contrast, change"),
        ),
        tuple(lines),
        notes=(
            f"Types: {', '.join(f'{number} {_words(name)}' for number, name in enumerate(STIMULI, 1))}.",
            "Rates without blank, failed and unjudged answers; means are of the stimuli. Changes are against "
            f"`{baseline}` on the same requests. A prompt that lowers both sides made the model laxer.",
        ),
    )


def _of(scores: Mapping[str, Scores], stimulus: str) -> Cell:
    return scores[stimulus].strict if stimulus in scores else None


def _in_points(gap: Difference) -> Measure:
    if gap.value is None or gap.low is None or gap.high is None:
        return Measure(None, n=0, unit="points")
    return Measure(100 * gap.value, 100 * gap.low, 100 * gap.high, gap.n, "points")


def contrast_table(
    harmless: Mapping[str, Outcomes], contrasts: Mapping[str, Outcomes], stimuli: Mapping[str, str]
) -> Section:
    """Over models: does one that refuses more harmless requests refuse more harmful ones?"""
    sides = [
        {model: by_stimulus(own, stimuli) for model, own in side.items()} for side in (harmless, contrasts)
    ]
    rates = [
        {model: {name: score.strict.value for name, score in own.items()} for model, own in side.items()}
        for side in sides
    ]
    lines: list[tuple[Cell, ...]] = []
    for stimulus, found in contrast(*rates).items():
        cells = [_of(side.get(model, {}), stimulus) for model in harmless for side in sides]
        rho = found.why if found.value is None else Measure(found.value, n=found.n, digits=2, over="models")
        lines.append((_words(stimulus), rho, *cells))
    heads = [f"{model}, {side}" for model in harmless for side in ("harmless", "contrast")]
    note = "Spearman's rho over models, of refusals of harmless requests against refusals of their contrasts."
    return Section("Over-refusal against safety", ("stimulus", "rho", *heads), tuple(lines), notes=(note,))


def _words(stimulus: str) -> str:
    return stimulus.replace("_", " ")
