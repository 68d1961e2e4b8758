"""Suites: named lists of benchmarks that answer one question together.

    demur measure MODEL --suite text --dry-run

A suite is one run: one estimate, one folder, one resumable set of tasks, one report. ``planted`` is in none:
it is about the organism, which is measured on it where no model is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from demur.errors import BadInput

_TEXT = (
    *("starter", "xstest", "or_bench", "ok_test", "ph_test", "evorefuse_test", "emotional", "factbench"),
    *("chatgpt_refusals", "coconot", "fortress", "do_not_answer", "harmbench_behaviors", "strong_reject"),
    *("actor_attack", "red_queen", "resa"),
)
_MULTIMODAL, _IMAGE, _CODE = ("mossbench", "safe_eraser"), ("overt",), ("rmcbench",)
#: Suite -> benchmarks, in the order in which they run.
SUITES: dict[str, tuple[str, ...]] = {
    "quick": ("starter",),  # ships with the package: no data, no network, under a minute on the organism
    "text": _TEXT,
    "multimodal": _MULTIMODAL,  # pictures in, words out
    "image": _IMAGE,  # words in, pictures out
    "code": _CODE,
    "all": (*_TEXT, *_CODE, *_MULTIMODAL, *_IMAGE),
}


def resolve(suite: str | None, benchmarks: Sequence[str]) -> list[str]:
    """The benchmarks to run, in order, without repetition; empty where none is named.

    Raises:
        BadInput: both a suite and benchmarks are named, or the suite is unknown.
    """
    if suite and benchmarks:
        raise BadInput("name either --suite or --benchmark, not both")
    if suite is None:
        return list(dict.fromkeys(benchmarks))
    if suite not in SUITES:
        raise BadInput(f"no suite is named {suite!r}; valid are {', '.join(SUITES)}")
    return list(SUITES[suite])


def label(names: Sequence[str]) -> str:
    """What a run of these benchmarks is called in its folder's name: the suite's name where it is one.

    >>> label(SUITES["text"]), label(("starter", "xstest"))
    ('text', 'starter+xstest')
    """
    suites = (suite for suite, of in SUITES.items() if of == tuple(names) and len(of) > 1)
    return next(suites, "+".join(names))
