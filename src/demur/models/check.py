"""Answer-Then-Check messages: a hidden plan and its check, then what the user is to see.

ReSA, https://arxiv.org/abs/2509.11629: one assistant message holds a block between tags, in it a summary of
the answer that the model would give and an analysis of that summary against a policy, and behind it the
answer, a refusal, or a supportive reply. The tags are ordinary text, no added vocabulary.

    python -c "from demur.models.check import CheckTemplate, parse; print(parse('Hello.', CheckTemplate()))"

Where we differ: anything that resembles a tag and is none makes a message broken, so a misspelled tag hides a
plan as surely as a right one; text before the block does too. The sentences are ours.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from demur.errors import BadInput
from demur.models.check_verdict import Safety, verdict_of

Mode = Literal["checked", "direct", "broken"]
#: A tag's name: what the lenient reading below can tell from other words.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
#: What may stand between the parts of a name, and around it, in something that resembles a tag.
_LOOSE = r"[\s_\-\u00ad\u200b-\u200d\u2060\ufeff]*"


@dataclass(frozen=True, slots=True)
class CheckTemplate:
    """Tags and fixed sentences of a message. The tags are the paper's, the sentences ours.

    Attributes:
        check, summary: names of the two tags, lower-case words joined by underscores.
        lead_in: stands before the summary.
        pivot: stands between summary and analysis; never compared where a tag suffices.
        safe, unsafe: the sentence that ends an analysis; free text is read where neither does
            (``check_verdict.py``).
        refusal: what is said where the plan is unsafe, and shown in place of a broken message.
        gap: white space between the parts.

    Raises:
        BadInput: a name that is no tag name, two equal ones, or a sentence that is blank or holds a tag.
    """

    check: str = "safety_check"
    summary: str = "intended_answer_summary"
    lead_in: str = "I will sketch my answer first and look at it before I speak."
    pivot: str = "Now I compare this sketch with what I may say."
    safe: str = "Verdict: safe."
    unsafe: str = "Verdict: unsafe."
    refusal: str = "I won't help with this, because it goes against the policy for my answers."
    gap: str = "\n"

    def __post_init__(self) -> None:
        for name in ("check", "summary"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise BadInput(f"{name} is {getattr(self, name)!r}; a tag's name is like safety_check")
        if self.check.startswith(self.summary) or self.summary.startswith(self.check):
            raise BadInput(f"check is {self.check!r} and summary {self.summary!r}; one begins like the other")
        if self.gap.strip():
            raise BadInput(f"gap is {self.gap!r}; it must be white space")
        for name in ("lead_in", "pivot", "safe", "unsafe", "refusal"):
            text = getattr(self, name)
            if not text.strip() or text != text.strip() or self.resembling(text):
                raise BadInput(f"{name} is {text!r}; it must be a sentence without tags or outer blanks")
        if self.safe.endswith(self.unsafe) or self.unsafe.endswith(self.safe):
            raise BadInput("safe and unsafe end alike; the two verdicts must differ")

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> CheckTemplate:
        """Of :func:`dataclasses.asdict`, or of some of its keys; the others keep their defaults.

        Raises:
            BadInput: an unknown key, a value that is no text, or what the class raises.
        """
        valid = [f.name for f in fields(cls)]
        for name, value in found.items():
            if name not in valid or not isinstance(value, str):
                raise BadInput(f"template: {name} = {value!r}; valid are texts under {', '.join(valid)}")
        return cls(**found)

    def concluded(self, analysis: str, verdict: Safety) -> str:
        """An analysis with the sentence of its verdict behind it; unchanged where it stands there already."""
        sentence = self.safe if verdict == "safe" else self.unsafe
        text = analysis.strip()
        return text if text.endswith(sentence) else self.gap.join(filter(None, (text, sentence)))

    def verdict(self, analysis: str) -> Safety | None:
        """The verdict that an analysis ends in, or ``None``."""
        return verdict_of(analysis, self.safe, self.unsafe)

    @property
    def tags(self) -> tuple[str, str, str, str]:
        """The four tags in the order in which a message holds them."""
        return f"<{self.check}>", f"<{self.summary}>", f"</{self.summary}>", f"</{self.check}>"

    def resembling(self, text: str) -> list[re.Match[str]]:
        """Everything in a text that is one of the tags or begins like one, whatever its case."""
        return list(_resembling(self.check, self.summary).finditer(text))


@dataclass(frozen=True, slots=True)
class CheckedMessage:
    """What a message holds.

    Attributes:
        mode: ``checked``; ``direct`` (no tag: the adaptive path); ``broken`` (anything else).
        summary, analysis: of a checked message; the analysis with the verdict that it ends in.
        verdict: of a checked message; ``None`` where the analysis ends in none.
        answer: what stands behind the block, or the whole of a direct message; empty in a broken one.
        ok: no errors.
        errors: why the message is broken, or that it lacks a verdict.
    """

    mode: Mode
    summary: str = ""
    analysis: str = ""
    verdict: Safety | None = None
    answer: str = ""
    ok: bool = True
    errors: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "errors": list(self.errors)}


def parse(text: object, template: CheckTemplate) -> CheckedMessage:
    """Read a message; never raises."""
    if not isinstance(text, str):
        return _broken(f"the message is {type(text).__name__}, not text")
    if not text.strip():
        return _broken("the message is empty")
    found = template.resembling(text)
    if template.tags[0].startswith(text.strip()) and not found:
        return _broken("the message is cut off in its first tag")
    if not found:
        return CheckedMessage("direct", answer=text.strip())
    opens = template.tags[0]
    seen = [match[0] for match in found]
    if wrong := [tag for tag in seen if tag not in template.tags]:
        return _broken(f"{len(wrong)} tags are misspelled or cut off")
    if seen != list(template.tags):
        return _broken(_wrong_order(seen, template))
    if not text.lstrip().startswith(opens):
        return _broken("text stands before the check")
    summary = text[found[1].end() : found[2].start()].strip()
    answer = text[found[3].end() :].strip()
    if not summary or not answer:
        return _broken("the answer is empty" if summary else "the summary is empty")
    analysis = text[found[2].end() : found[3].start()].strip().removeprefix(template.pivot).strip()
    verdict = template.verdict(analysis)
    errors = () if verdict else ("the analysis ends in no verdict",)
    return CheckedMessage("checked", summary, analysis, verdict, answer, not errors, errors)


def render(message: CheckedMessage, template: CheckTemplate) -> str:
    """The text of a message; :func:`parse` gives the message back.

    Raises:
        BadInput: the message is broken, or a part is empty or holds a tag.
    """
    if message.mode == "broken":
        raise BadInput("a broken message has no text")
    parts = {"answer": message.answer}
    if message.mode == "checked":
        parts |= {"summary": message.summary, "analysis": message.analysis}
    for name, text in parts.items():
        if not text.strip():
            raise BadInput(f"the {name} of a message is empty")
        if template.resembling(text):
            raise BadInput(f"the {name} of a message holds a tag of the template")
    if message.mode == "direct":
        return message.answer
    opens, opens_summary, closes_summary, closes = template.tags
    hidden = (template.lead_in, opens_summary, message.summary, closes_summary, template.pivot)
    return template.gap.join((opens, *hidden, message.analysis, closes, message.answer))


def escaped(text: str, template: CheckTemplate) -> str:
    """A text of a user in which no tag can be read: ``&lt;`` for the bracket. Twice changes nothing more."""
    return _resembling(template.check, template.summary).sub(lambda tag: "&lt;" + tag[0][1:], text)


def visible(text: str, template: CheckTemplate) -> str:
    """What a user may see of a whole message: the answer, or the refusal where the message is broken.

    A blank message stays blank, so that nobody counts it as a refusal.
    """
    if not text.strip():
        return ""
    message = parse(text, template)
    return template.refusal if message.mode == "broken" else message.answer


def _wrong_order(seen: list[str], template: CheckTemplate) -> str:
    if twice := [tag for tag in template.tags if seen.count(tag) > 1]:
        return f"{twice[0]} stands {seen.count(twice[0])} times"
    if missing := [tag for tag in template.tags if tag not in seen]:
        return f"{missing[0]} is missing"
    return "the tags are not nested"


def _broken(error: str) -> CheckedMessage:
    return CheckedMessage("broken", ok=False, errors=(error,))


@lru_cache(maxsize=32)
def _resembling(check: str, summary: str) -> re.Pattern[str]:
    """A bracket and one of the names, loosely written, with the closing bracket where there is one."""
    names = "|".join(_LOOSE.join(map(re.escape, name.split("_"))) for name in (summary, check))
    return re.compile(rf"[<\uff1c]{_LOOSE}(?:/{_LOOSE})?(?:{names})(?:{_LOOSE}>)?", re.IGNORECASE)
