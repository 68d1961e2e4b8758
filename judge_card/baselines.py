"""Plain baselines trained on the judge's own rows: TF-IDF and logistic regression, on answers or on prompts.

scikit-learn's defaults but for word 1- and 2-grams; whoever doubts the judge should beat it with ten lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from demur.training.offline_judge.rows import TrainingRow
from demur.verdict import REFUSALS
from judge_card.answers import Answer
from judge_card.figures import Said

Reads = Literal["response", "prompt"]


def pipeline() -> Any:
    """An unfitted TF-IDF and logistic-regression pipeline over texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))


def fit(rows: Sequence[TrainingRow], reads: Reads) -> Any:
    """The pipeline, trained on one side of the training rows."""
    labels = np.array([row.label in REFUSALS for row in rows])
    return pipeline().fit([getattr(row, reads) for row in rows], labels)


def predicted(model: Any, answers: Sequence[Answer], reads: Reads) -> Said:
    """What the pipeline says, shape (n,)."""
    return np.asarray(model.predict([getattr(answer, reads) for answer in answers]), dtype=np.int8)
