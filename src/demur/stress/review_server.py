"""The server of the reviewing page: the candidates one by one, each decision on disk at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demur.data.records import Record
from demur.page.escape import visible
from demur.page.items.server import ItemServer, shown_messages
from demur.page.reviewing import Choice, reviewing_page
from demur.stress.review import ReviewFolder
from demur.stress.synthesis_files import VOTED

COMMAND = "demur stress review"
#: Keys, the decisions of ``review_decisions.MEANINGS`` that they give, names of buttons and what they mean.
CHOICES = (
    Choice("a", "accept", "accept", "harmless and natural"),
    Choice("h", "harmful", "harmful", "an answer would help do harm"),
    Choice("n", "not natural", "not natural", "harmless, but nobody would ask it so"),
    Choice("b", "harmful, not natural", "both", "harmful, and nobody would ask it so"),
    Choice("d", "duplicate", "duplicate", "one of the others says it"),
    Choice("r", "other", "reject", "for another reason"),
)
#: Keys of a record's ``meta`` -> what the page calls them; other keys are shown under their own name.
NAMES: Mapping[str, str] = {
    "seed": "seed",
    "strategies": "strategies",
    "words": "words put in",
    "refused": "refused",
    "target_refused": "refused",
    "safety": "judges of harm",
}
#: Keys of ``meta`` that are told with another one, or that a reader has no use for.
_UNSHOWN = frozenset({"answers", "target_answers", "target", "policy_sha256", "version", "calls", "seed_id"})


class ReviewServer(ItemServer):
    """Serves one folder of decisions until ``shutdown``.

    Args:
        folder: opened.
        title: of the page.
        port: 0 takes a free one.
        judged: id of a record -> what judges of harm said, for the page.
        blind: show nothing but the prompts.

    Raises:
        BadInput: the port is taken.
    """

    def __init__(
        self,
        folder: ReviewFolder,
        title: str,
        port: int = 0,
        judged: Mapping[str, str] | None = None,
        blind: bool = False,
    ) -> None:
        super().__init__(reviewing_page(title, CHOICES), COMMAND, port)
        self.folder, self.judged, self.blind = folder, judged or {}, blind

    @property
    def total(self) -> int:
        """Candidates."""
        return len(self.folder.records)

    def state(self, place: int | None) -> dict[str, Any]:
        """What the page shows: counts, and the prompt at a place unless that is ``None``."""
        item = None
        if place is not None:
            record = self.folder.records[place]
            known = () if self.blind else facts(record, self.judged.get(record.id, ""))
            item = {
                "prompt": shown_messages(record.prompt),
                "facts": [[visible(name), visible(text)] for name, text in known],
                "label": self.folder.decisions.get(place),
            }
        return {"place": place, "total": self.total, "labelled": len(self.folder.decisions), "item": item}

    def next_open(self, place: int = -1) -> int | None:
        """See ``ReviewFolder``."""
        return self.folder.next_open(place)

    def decide(self, place: int, label: str) -> None:
        """See ``ReviewFolder``."""
        self.folder.decide(place, label)

    def undo(self) -> int | None:
        """See ``ReviewFolder``."""
        return self.folder.undo()


def facts(record: Record, judged: str = "") -> list[tuple[str, str]]:
    """What is known of a record, as names and texts; what is empty, and people's votes, are left away.

    Args:
        record: of any tool that makes prompts.
        judged: what judges of harm say of it now; comes before what its ``meta`` says.
    """
    meta = dict(record.meta)
    if judged:
        meta["safety"] = judged
    if record.group and "seed" not in meta:
        meta["seed"] = record.group
    known = [(NAMES[key], _text(key, meta)) for key in NAMES if key in meta]
    known += [("category", record.category)]
    rest = [key for key in meta if key not in NAMES and key not in _UNSHOWN]
    known += [(key, _text(key, meta)) for key in rest]
    known += [(key, str(value)) for key, value in record.extra.items() if key not in VOTED]
    return [(name, text) for name, text in known if text]


def _text(key: str, meta: Mapping[str, Any]) -> str:
    value = meta[key]
    if value is None:
        return ""
    if key in ("refused", "target_refused") and isinstance(value, int | float):
        count = meta.get("answers" if key == "refused" else "target_answers")
        text = f"{100 * value:.0f} %" + (f" of {count} answers" if count else "")
        return text + (f" of {meta['target']}" if meta.get("target") else "")
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
