"""Prompts labelled by ``expect`` to what a prompt predictor learns: which are to be refused, asked of nobody.

    demur predict fit prompts.jsonl --labels expect --out harm

Such a predictor is a judge of harm for its domain (``stress/fitted_safety.py``), no forecast of a model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from demur.data.language import UNDETERMINED, detect
from demur.data.prompt_records import read_prompt_records
from demur.data.records import Record
from demur.errors import BadInput
from demur.judges.safety.features import request_text
from demur.measure.prompt_labels import PromptLabels
from demur.predict.labelled import conflicting, same_prompt, two_classes

#: Whose refusals such a predictor forecasts.
SOURCE = "a model that does what expect says"
#: Prompts of a domain are often made by one pattern; at the usual 0.5 these chain into one cluster, of which
#: nothing can be left out. OVERT's similarity of prompts that were written freely.
SIMILAR = 0.7
NO_SIDE, IN_TEST = "expect is either", "in the test set"


def read_expectations(paths: Sequence[Path], exclude: Collection[str] = ()) -> PromptLabels:
    """Read tables or record files with a column ``expect``.

    Args:
        paths: of the files.
        exclude: prompts of a test set, which are left out and counted.

    Raises:
        BadInput: nothing to learn from, or one side only.
    """
    found = PromptLabels(similar=SIMILAR)
    found.models[SOURCE] = 0
    test = {same_prompt(prompt) for prompt in exclude}
    for path in paths:
        read = read_prompt_records(path, purpose="learn from")
        found.left_out.update(read.left_out)
        found.files.append({"name": path.name, "sha256": read.sha256})
        for record in read.records:
            _add(found, record, path.name, test)
    if not found.prompts:
        raise BadInput(
            f"{paths[0]}: no prompt says comply or refuse in a column expect, so there is nothing to learn"
        )
    found.left_out = +found.left_out
    conflicting(found.prompts, found.refused, found.numbers)
    two_classes(np.array(found.refused, dtype=np.bool_), ", ".join(map(str, paths)))
    return found


def _add(found: PromptLabels, record: Record, file: str, test: Collection[str]) -> None:
    text = request_text(record.prompt)
    reason = NO_SIDE if record.expect == "either" else IN_TEST if same_prompt(text) in test else None
    if reason is not None:
        found.left_out[reason] += 1
        return
    found.prompts.append(text)
    found.refused.append(record.expect == "refuse")
    found.numbers.append(len(found.numbers) + 1)
    found.sources.append(record.benchmark or file)
    found.models[SOURCE] += 1
    language = detect(text).split("-")[0]
    if language != UNDETERMINED:
        found.languages[language] += 1
