"""What a log's questions are about: clusters of their embeddings, each named by its most telling words.

FactBench, arXiv 2410.22257, has BERTopic on bought embeddings; here any embedding will do (a sentence
encoder's, or TF-IDF reduced to a few hundred dimensions), and k-means or HDBSCAN of scikit-learn. Names are
the words with the highest class-based TF-IDF, so they need no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from demur.errors import BadInput

Method = Literal["kmeans", "hdbscan"]
METHODS: tuple[Method, ...] = ("kmeans", "hdbscan")
Embed = Callable[[Sequence[str]], NDArray[np.floating[Any]]]
OUTLIER = -1
DIMENSIONS = 100  # ours: latent semantic analysis of short texts is usual with 100 to 300
PROMPTS_A_TOPIC = 250  # ours: FactBench has 294,333 prompts and 382 topics, half of the prompts outliers
LEAST_TOPIC = 10  # ours: smaller groups are outliers to HDBSCAN
WORDS = 4  # of a name


def topics(
    prompts: Sequence[str], seed: int = 0, method: Method = "kmeans", embed: Embed | None = None
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """The topic of each prompt, and the name of each topic.

    Args:
        prompts: any number.
        seed: of the clustering.
        method: of ``METHODS``; HDBSCAN leaves outliers (topic -1) and grows faster than the number of
        prompts. embed: texts to vectors [n, d]; TF-IDF reduced to ``DIMENSIONS`` where it is ``None``.

    Raises:
        BadInput: an unknown method.
    """
    if method not in METHODS:
        raise BadInput(f"--clusters {method!r}; valid are {', '.join(METHODS)}")
    if len(prompts) < 2 * LEAST_TOPIC:
        return np.zeros(len(prompts), dtype=np.int64), {0: "all"}
    vectors = embed(prompts) if embed is not None else _latent(prompts, seed)
    labels = _clustered(np.asarray(vectors, dtype=np.float32), seed, method)
    return labels, _names(prompts, labels)


def _latent(prompts: Sequence[str], seed: int) -> NDArray[np.floating[Any]]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    words = TfidfVectorizer(stop_words="english", min_df=2, max_features=50_000, sublinear_tf=True)
    grams = words.fit_transform(prompts)
    size = min(DIMENSIONS, grams.shape[1] - 1)
    reduced = make_pipeline(TruncatedSVD(size, random_state=seed), Normalizer(copy=False))
    found: NDArray[np.floating[Any]] = reduced.fit_transform(grams)
    return found


def _clustered(vectors: NDArray[np.float32], seed: int, method: Method) -> NDArray[np.int64]:
    from sklearn.cluster import HDBSCAN, MiniBatchKMeans

    if method == "hdbscan":
        found = HDBSCAN(min_cluster_size=LEAST_TOPIC, copy=True).fit_predict(vectors)
    else:
        count = max(2, len(vectors) // PROMPTS_A_TOPIC)
        found = MiniBatchKMeans(count, random_state=seed, batch_size=4096, n_init=3).fit_predict(vectors)
    return np.asarray(found, dtype=np.int64)


def _names(prompts: Sequence[str], labels: NDArray[np.int64]) -> dict[int, str]:
    """Class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794): tf in the class x log(1 + mean / df)."""
    from sklearn.feature_extraction.text import CountVectorizer

    kinds = sorted(set(labels.tolist()) - {OUTLIER})
    counter = CountVectorizer(stop_words="english", max_features=50_000, min_df=2)
    counts = counter.fit_transform(prompts)
    words = counter.get_feature_names_out()
    by_class = np.stack([np.asarray(counts[labels == kind].sum(axis=0)).ravel() for kind in kinds])
    total = by_class.sum(axis=0)
    weight = by_class * np.log1p(by_class.sum() / len(kinds) / np.maximum(total, 1))
    named = {
        kind: ", ".join(words[i] for i in np.argsort(-row, kind="stable")[:WORDS] if row[i] > 0) or "other"
        for kind, row in zip(kinds, weight, strict=True)
    }
    return named | ({OUTLIER: "(outlier)"} if OUTLIER in labels else {})
