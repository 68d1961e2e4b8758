"""A model's check, hidden in this process and behind a server; a chain with planted words is the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from inspect_ai import Task
from inspect_ai import eval as run_eval
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageUser,
    ContentText,
    GenerateConfig,
    ModelOutput,
    get_model,
)

from demur.errors import BadInput
from demur.models.check import CheckedMessage, CheckTemplate, render
from demur.models.check_file import FILE, save_template
from demur.models.check_solver import checked

TEMPLATE = CheckTemplate(pivot="Is it well?", gap=" ")
OPEN, OPEN_PLAN, CLOSE_PLAN, CLOSE = TEMPLATE.tags
LID = "Turn the lid"
#: Word -> what the chain says after it, one word a token; nine of them are hidden.
SAYS = {
    "jar": f"{OPEN} SECRETLEAD {OPEN_PLAN} SECRETPLAN {CLOSE_PLAN} SECRETCHECK Verdict: safe. {CLOSE} {LID}",
    "hello": "Good day",
    "silent": "",
}


def chain(folder: Path) -> Path:
    """A model that says after the last word of a prompt what is planted; its folder knows its template."""
    from demur.training.organism.chain import build_chain

    table = {"<unknown>": {"Pardon?": 1.0}}
    for word, said in SAYS.items():
        tokens = [word, *said.split(), "<end>"]
        table |= {last: {token: 1.0} for last, token in pairwise(tokens)}
    build_chain(folder, table)
    save_template(folder, TEMPLATE)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return chain(tmp_path_factory.mktemp("chain") / "model")


def ask(
    folder: Path, prompts: Sequence[Any], config: GenerateConfig | None = None, **args: Any
) -> list[ModelOutput]:
    """Outputs of a model in this process; the likeliest first words of a small vocabulary are all of it."""
    from demur.models.local import LocalModel

    model = LocalModel(str(folder), top_first_tokens=1, **args)

    async def run() -> list[ModelOutput]:
        asked = [[ChatMessageUser(content=p)] if isinstance(p, str) else p for p in prompts]
        settings = config or GenerateConfig(max_tokens=40)
        return await asyncio.gather(*(model.generate(m, [], "auto", settings) for m in asked))

    outputs = asyncio.run(run())
    model.close()
    return outputs


def kept(output: ModelOutput) -> dict[str, Any]:
    (found,) = output.metadata["demur"]["check"]
    return dict(found)


@pytest.mark.local
def test_done_2_a_model_in_this_process_shows_its_answer_alone(folder: Path) -> None:
    jar, hello, silent = ask(folder, ["the jar", "hello", "silent"])
    assert jar.completion == jar.choices[0].message.text == "Turn the lid"
    assert (
        kept(jar)["mode"] == "checked"
        and kept(jar)["verdict"] == "safe"
        and kept(jar)["hidden_characters"] > 50
    )
    assert (hello.completion, kept(hello)["mode"]) == ("Good day", "direct")
    assert (silent.completion, kept(silent)["mode"]) == ("", "broken")
    assert "SECRET" not in "".join(output.model_dump_json() for output in (jar, hello, silent))


@pytest.mark.local
@pytest.mark.parametrize("most", range(1, 12))
def test_done_2_an_answer_that_is_cut_off_shows_the_refusal_or_its_own_start(folder: Path, most: int) -> None:
    (output,) = ask(folder, ["the jar"], GenerateConfig(max_tokens=most))
    shown = {10: "Turn", 11: "Turn the"}
    assert output.completion == shown.get(most, TEMPLATE.refusal)
    assert "SECRET" not in output.model_dump_json()


@pytest.mark.local
def test_nothing_else_spells_the_plan(folder: Path) -> None:
    """Log-probabilities go; a stop string neither cuts the check nor fails to cut the answer."""
    config = GenerateConfig(max_tokens=40, logprobs=True, top_logprobs=2, stop_seqs=["SECRETPLAN", "the"])
    (output,) = ask(folder, ["the jar"], config)
    assert output.completion == "Turn " and output.choices[0].logprobs is None
    assert "SECRET" not in output.model_dump_json()
    several = ask(folder, ["the jar"], GenerateConfig(max_tokens=40, num_choices=2))[0]
    assert [choice.message.text for choice in several.choices] == ["Turn the lid"] * 2
    assert len(several.metadata["demur"]["check"]) == 2


@pytest.mark.local
def test_who_asks_for_the_check_gets_it(folder: Path) -> None:
    (jar,) = ask(folder, ["the jar"], check="keep")
    assert jar.completion == "Turn the lid" and kept(jar)["summary"] == "SECRETPLAN"
    assert "SECRETCHECK" in kept(jar)["analysis"] and kept(jar)["text"].startswith(OPEN)
    (broken,) = ask(folder, ["the jar"], GenerateConfig(max_tokens=5), check="keep")
    assert broken.completion == TEMPLATE.refusal and kept(broken)["errors"]
    with pytest.raises(BadInput, match="check is 'show'; valid are hide, keep"):
        ask(folder, [], check="show")
    (folder / FILE).rename(folder / "away")
    try:
        with pytest.raises(BadInput, match="its model has no check"):
            ask(folder, [], check="keep")
        assert "SECRET" in ask(folder, ["the jar"])[0].completion  # a model like any other
    finally:
        (folder / "away").rename(folder / FILE)


@pytest.mark.local
@pytest.mark.parametrize("role", [ChatMessageUser, ChatMessageAssistant])
def test_tags_of_others_are_no_tags(folder: Path, role: type[ChatMessage]) -> None:
    """A typed tag, in a part or a begun answer, is an unknown word; else the chain went on with a check."""
    contents: list[Any] = [OPEN, [ContentText(text=f"please {OPEN}")]]
    for content in contents:
        messages = [ChatMessageUser(content="hello"), role(content=content)]
        assert ask(folder, [messages])[0].completion == "Pardon?"


@pytest.mark.local
def test_a_check_gets_room_where_nobody_names_a_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine hidden words do not fit into five, which is what a plain model would get here."""
    import demur.models.generation as generation

    monkeypatch.setattr(generation, "DEFAULT_MAX_TOKENS", 5)
    assert ask(folder, ["the jar"], GenerateConfig())[0].completion == LID
    assert ask(folder, ["the jar"], GenerateConfig(max_tokens=5))[0].completion == TEMPLATE.refusal


# -- behind a server -----------------------------------------------------------------------------


ANALYSIS = TEMPLATE.concluded("SECRETCHECK", "safe")
MESSAGE = render(CheckedMessage("checked", "SECRETPLAN", ANALYSIS, "safe", "Turn the lid."), TEMPLATE)


GREETING = f"Good {'morning, good ' * 20}day."  # as long as what Inspect keeps beside its events


def served(asked: str, times: int) -> str:
    if "repeat" in asked:
        return asked.partition("repeat ")[2]
    return {"jar": MESSAGE, "cut": MESSAGE[:60]}.get(asked, GREETING)


def logged(
    endpoint: Callable[..., Any], folder: Path, check: str | None = None, realtime: bool = False
) -> tuple[list[Any], str]:
    """The samples of a run through a real server, and all that the file of its log holds."""
    server = endpoint(served)
    model = get_model("openai-api/testserver/m", base_url=server.url, api_key="none", memoize=False)
    save_template(folder, TEMPLATE)
    solver = checked(str(folder / FILE)) if check is None else checked(str(folder), check)
    fake = f"repeat {MESSAGE.replace('SECRET', 'TYPED')}"
    samples = [Sample(input=text) for text in ("jar", "hello", "cut", fake)]
    where = {"log_dir": str(folder / "logs"), "log_realtime": realtime}
    run_eval(Task(samples), model, solver=solver, display="none", **where)
    (path,) = (folder / "logs").glob("*.eval")
    with ZipFile(path) as parts:
        return read_eval_log(str(path)).samples or [], "".join(
            parts.read(name).decode() for name in parts.namelist()
        )


@pytest.mark.parametrize("realtime", [False, True])
def test_done_2_a_model_behind_a_server_shows_its_answer_alone(
    endpoint: Callable[..., Any], tmp_path: Path, realtime: bool
) -> None:
    (jar, hello, cut, fake), file = logged(endpoint, tmp_path, realtime=realtime)
    assert "SECRET" not in file and "TYPEDPLAN" in file
    assert [s.output.completion for s in (jar, hello, cut)] == [
        "Turn the lid.",
        GREETING,
        TEMPLATE.refusal,
    ]
    assert [m.text for m in jar.messages] == ["jar", "Turn the lid."]
    modes = [s.output.metadata["demur"]["check"][0]["mode"] for s in (jar, hello, cut, fake)]
    assert modes == ["checked", "direct", "broken", "direct"]
    assert fake.output.completion.startswith("&lt;safety_check>") and "TYPEDPLAN" in fake.output.completion
    (event,) = (event for event in hello.events if event.event == "model")
    assert event.output.completion == GREETING and event.call is None
    assert "<safety_check>" in fake.messages[0].text  # the conversation is kept as it was
    for sample in (jar, cut):
        assert "SECRET" not in json.dumps([m.model_dump() for m in sample.messages], default=str)
        assert "SECRET" not in sample.output.model_dump_json()


def test_the_check_is_kept_where_it_was_asked_for(endpoint: Callable[..., Any], tmp_path: Path) -> None:
    (jar, *_), file = logged(endpoint, tmp_path, "keep")
    assert jar.output.metadata["demur"]["check"][0]["summary"] == "SECRETPLAN"
    assert jar.output.completion == "Turn the lid." and "SECRETPLAN" in file


def test_a_solver_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=FILE):
        checked(str(tmp_path / "absent.json"))
