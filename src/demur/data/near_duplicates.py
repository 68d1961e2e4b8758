"""Clusters of texts that say nearly the same: MinHash over character 5-grams (library datasketch).

    python -c "
    from demur.data.near_duplicates import clusters
    print(clusters(['Open a jar.', 'open a jar!', 'Hi']))"

Broder 1997, *On the resemblance and containment of documents*. Pairs that the index proposes are compared
exactly, so no two texts join by chance; pairs that it misses stay apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: Share of 5-grams in common (Jaccard) from which on two texts are one. ours: templates with a short slot
#: join.
THRESHOLD = 0.5
#: Hash functions of a text. ours: bands of 3 of them propose 99.6 % of the pairs that have half of their
#: grams in common (1 - (1 - 0.5^3)^42).
HASHES = 126
#: Share of pairs at the threshold that the index may miss. ours: 1 in 250.
MISSED = 0.004
GRAM = 5


def clusters(
    texts: Sequence[str], step: Callable[[int], None] | None = None, threshold: float = THRESHOLD
) -> list[int]:
    """The number of each text's cluster; texts joined by a chain of near-duplicates are one cluster.

    Args:
        texts: any; case, spaces and punctuation at the ends do not matter.
        step: called with texts read since the last call.
        threshold: share of 5-grams in common, in (0, 1).
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=HASHES, params=bands(threshold))
    parent = list(range(len(texts)))
    plain = [_plain(text) for text in texts]
    first: dict[str, int] = {}
    for i, signature in enumerate(MinHash.generator(map(_grams, plain), num_perm=HASHES)):
        if plain[i] in first:
            _join(parent, i, first[plain[i]])
        elif plain[i]:
            first[plain[i]] = i
            for j in index.query(signature):
                if _root(parent, i) != _root(parent, j) and _similar(plain[i], plain[j], threshold):
                    _join(parent, i, j)
            index.insert(i, signature)
        if step is not None:
            step(1)
    roots = [_root(parent, i) for i in range(len(texts))]
    numbers = {root: number for number, root in enumerate(dict.fromkeys(roots))}
    return [numbers[root] for root in roots]


def bands(threshold: float) -> tuple[int, int]:
    """Bands of an index and hash functions of a band: as many of these as miss few enough pairs.

    >>> bands(0.5), bands(0.9)
    ((42, 3), (14, 9))
    """
    rows = [r for r in range(1, HASHES + 1) if HASHES % r == 0]
    longest = max(r for r in rows if r == 1 or (1 - threshold**r) ** (HASHES // r) <= MISSED)
    return HASHES // longest, longest


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .?!")


def _grams(plain: str) -> frozenset[bytes]:
    parts = [plain[i : i + GRAM] for i in range(max(1, len(plain) - GRAM + 1))] if plain else []
    return frozenset(part.encode("utf-8", "surrogatepass") for part in parts)


def _similar(one: str, other: str, threshold: float) -> bool:
    a, b = _grams(one), _grams(other)
    common = len(a & b)
    return common >= threshold * (len(a) + len(b) - common)


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _join(parent: list[int], a: int, b: int) -> None:
    parent[max(_root(parent, a), _root(parent, b))] = min(_root(parent, a), _root(parent, b))
