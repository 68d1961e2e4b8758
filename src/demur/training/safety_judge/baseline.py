"""What a judge of requests must beat: TF-IDF of words and word pairs with logistic regression.

A term must occur twice, sublinear counts, C = 10, weights halfway between equal rows and equal sources.
Chosen of eleven settings on the scored folds; others are compared in ``design/safety-judge.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from demur.training.safety_judge.fit import row_weights
from demur.training.safety_judge.rows import SafetyRow


def predict(train: Sequence[SafetyRow], test: Sequence[SafetyRow]) -> NDArray[np.float64]:
    """P(harmful) of m test rows, shape (m,), after training on the others."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = LogisticRegression(C=10.0, max_iter=300, tol=1e-3)
    table = words.fit_transform([row.text for row in train])
    model.fit(table, [row.harmful for row in train], sample_weight=row_weights(train, power=0.5))
    return np.asarray(model.predict_proba(words.transform([row.text for row in test]))[:, 1])
