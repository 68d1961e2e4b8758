"""A dial without control tokens: a probe on the organism and a predictor, set with the same promise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from demur.data.records import Prompt, Record, write_records
from demur.data.world import Request, World
from demur.errors import BadInput
from demur.measure.dial import Wanted
from demur.measure.dial_forecast import Source, calibrate_on, prepare
from demur.measure.dial_predictor import check_apart, forecast_of, p_of_prompts, read
from demur.measure.dial_probe import check_fit, fit_probe, halves, p_refuse, unit
from demur.measure.dial_prompts import Prompts
from demur.metrics import proportion

WORLD = World(0)
HERE = "demur-local/organism"


def sides(requests: Sequence[Request]) -> Prompts:
    records = [r.to_record() for r in requests]
    return Prompts(*([r for r in records if r.expect == side] for side in ("comply", "refuse")))


@cache
def twins(purpose: str, most: int) -> tuple[Request, ...]:
    """Both twins of ``most // 2`` pairs of a draw, over all verbs."""
    found: dict[str, list[Request]] = {}
    for request in WORLD.draw(purpose):
        if request.kind in ("look_alike", "harmful") and request.pair:
            found.setdefault(request.pair, []).append(request)
    whole = [pair for pair in found.values() if len(pair) == 2]
    return tuple(r for n in range(most // 2) for r in whole[n * len(whole) // (most // 2)])


@pytest.mark.local
def test_a_probe_tells_harmful_twins_apart_and_its_promise_holds_on_prompts_to_come() -> None:
    pytest.importorskip("torch")
    from demur.models.local import LocalModel
    from demur.training.organism import organism_path

    model = LocalModel(str(organism_path())).text_model
    fit = twins("fit", 300)
    shown = {r.id for r in fit}
    rest = [r for r in twins("rest", 800) if r.id not in shown]
    seen: list[int] = []
    fitted = fit_probe(model, sides(fit), step=seen.append)
    assert sum(seen) == len(fit) == fitted.harmless + fitted.harmful
    assert fitted.auc >= 0.9 and 1 <= fitted.probe.layer <= 4

    def p_of(prompts: Sequence[Prompt]) -> list[float]:
        records = [Record(f"r{n}", prompt) for n, prompt in enumerate(prompts)]
        return [p for p in p_refuse(model, fitted.probe, records, lambda count: None) if p is not None]

    found = calibrate_on(p_of, sides(rest[::2]), Wanted(0.1))
    refused = []
    for side in (sides(rest[1::2]).harmless, sides(rest[1::2]).harmful):
        scores = p_of([r.prompt for r in side])
        refused.append(proportion(sum(p >= found.setting.threshold for p in scores), len(side)))
    harmless, harmful = refused
    assert harmless.low is not None and harmless.low <= 0.1
    assert harmful.value is not None and harmful.value >= 0.6


@pytest.mark.local
def test_the_area_is_that_of_prompts_left_out() -> None:
    """Labels at random can be learned by heart from states this wide, and are not forecast."""
    pytest.importorskip("torch")
    from demur.models.local import LocalModel
    from demur.training.organism import organism_path

    model = LocalModel(str(organism_path())).text_model
    rows = [r.to_record() for r in twins("fit", 160)]
    order = np.random.default_rng(0).permutation(len(rows))
    noise = Prompts([rows[i] for i in order[:80]], [rows[i] for i in order[80:]])
    assert abs(fit_probe(model, noise).auc - 0.5) < 0.15


@pytest.mark.local
def test_prompts_that_are_too_long_are_left_out_and_not_guessed() -> None:
    pytest.importorskip("torch")
    from demur.models.control_forecast import Probe
    from demur.models.local import LocalModel
    from demur.training.organism import organism_path

    model = LocalModel(str(organism_path())).text_model
    probe = Probe(1, (0.0,) * model.model.config.hidden_size, 1.0)
    rows = [Record("a", "What colour is the piano?"), Record("b", "piano " * 9_000), Record("c", "Where?")]
    seen: list[int] = []
    found = p_refuse(model, probe, rows, seen.append)
    assert found == [pytest.approx(1 / (1 + np.exp(-1.0))), None, pytest.approx(1 / (1 + np.exp(-1.0)))]
    assert sum(seen) == 3


def test_halves_keep_groups_and_pairs_whole_and_hold_everything_once() -> None:
    prompts = sides(twins("halves", 400))
    fit, rest = halves(prompts, seed=3)
    first, second = ({unit(r) for r in (*half.harmless, *half.harmful)} for half in (fit, rest))
    assert not first & second and abs(len(first) - len(second)) <= 1
    for side in ("harmless", "harmful"):
        got = [r.id for half in (fit, rest) for r in getattr(half, side)]
        assert sorted(got) == sorted(r.id for r in getattr(prompts, side))
    assert halves(prompts, seed=3)[0].harmless == fit.harmless != halves(prompts, seed=4)[0].harmless


def test_what_a_probe_cannot_be_fitted_on_is_said_before_weights_load(tmp_path: Path) -> None:
    prompts = sides(twins("some", 240))
    few = Prompts(prompts.harmless[:19], prompts.harmful)
    with pytest.raises(BadInput, match="19 harmless prompts are too few to fit a probe on; 20 are needed"):
        check_fit(few, prompts)
    with pytest.raises(BadInput, match="1 prompts stand both in --fit and in --calibrate"):
        check_fit(prompts, Prompts([prompts.harmless[0]], []))
    probe, folder = Source("probe"), Source(str(tmp_path), fit=tmp_path / "x.jsonl")
    with pytest.raises(BadInput, match="vllm/m is no model in this process"):
        prepare(probe, "vllm/m", prompts, Wanted(0.1))
    with pytest.raises(BadInput, match="--fit is for --predictor probe"):
        prepare(folder, HERE, prompts, Wanted(0.1))
    with pytest.raises(BadInput, match="harmless prompts cannot support this target"):
        prepare(probe, HERE, prompts, Wanted(0.01))
    with pytest.raises(BadInput, match="is blank"):
        prepare(Source("probe", refusal=" "), HERE, prompts, Wanted(0.1))
    fit, rest = prepare(probe, HERE, prompts, Wanted(0.1))
    assert fit is not None and len(fit.harmless) + len(rest.harmless) == len(prompts.harmless)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predictor of n-grams and cues, fitted on twins of the world."""
    from demur.predict.prompt import PromptClassifier
    from demur.predict.saved import Predictor, save

    made, fit = tmp_path_factory.mktemp("predictor"), twins("fit", 300)
    write_records(made / "fit.jsonl", [r.to_record() for r in fit])
    from demur.data.records import file_sha256

    model = PromptClassifier(blocks=("ngrams", "cues"), replicates=0)
    model.fit([str(r.prompt) for r in fit], [r.expect == "refuse" for r in fit])
    about = {"files": [{"name": "fit.jsonl", "sha256": file_sha256(made / "fit.jsonl")}]}
    save(Predictor(model, about), made / "folder")
    return made


def test_a_predictor_reads_the_last_user_message_and_nothing_else(predictor: Path) -> None:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    from demur.predict.saved import load

    p = read(predictor / "folder")
    asked = str(twins("new", 2)[0].prompt)
    alone = p([ChatMessageUser(content=asked)])
    talk = [
        ChatMessageSystem(content="Be brief."),
        ChatMessageUser(content="Hello"),
        ChatMessageAssistant(content="Hi"),
    ]
    assert p([*talk, ChatMessageUser(content=asked)]) == alone
    assert p_of_prompts(load(predictor / "folder"), [asked]) == [alone]
    values = {r.expect: p([ChatMessageUser(content=str(r.prompt))]) for r in twins("new", 2)}
    assert values["refuse"] > values["comply"]


def test_prompts_that_a_predictor_was_fitted_on_cannot_set_its_dial(predictor: Path, tmp_path: Path) -> None:
    from demur.predict.saved import load

    found = load(predictor / "folder")
    with pytest.raises(BadInput, match=r"fitted on .*fit\.jsonl: it knows those prompts better"):
        check_apart(found, predictor / "fit.jsonl")
    write_records(tmp_path / "other.jsonl", [r.to_record() for r in twins("other", 5)])
    check_apart(found, tmp_path / "other.jsonl")


def test_a_dial_file_names_its_predictor_from_its_own_place(predictor: Path, tmp_path: Path) -> None:
    forecast = forecast_of(predictor / "folder", predictor / "dials" / "d.json", "No.", "")
    assert forecast.predictor == "../folder" and len(forecast.sha256 or "") == 64
    with pytest.raises(BadInput, match="holds no predictor"):
        forecast_of(tmp_path, tmp_path / "d.json", "No.", "")


def test_any_callable_is_set_with_the_same_promise_and_bad_values_are_named() -> None:
    prompts = sides(twins("callable", 400))

    def by_length(asked: Sequence[Prompt]) -> list[float]:
        return [min(1.0, len(str(prompt)) / 100) for prompt in asked]

    found = calibrate_on(by_length, prompts, Wanted(0.1))
    scores = by_length([r.prompt for r in prompts.harmless])
    assert sum(p >= found.setting.threshold for p in scores) == found.promises["all"].refused
    with pytest.raises(BadInput, match=rf"P\(refuse\) of {prompts.harmless[0].id} is 2.0"):
        calibrate_on(lambda asked: [2.0] * len(asked), prompts, Wanted(0.1))
