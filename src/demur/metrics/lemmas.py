"""Base forms of English words for measures of diversity, from the list that the usual package carries.

    python -c "
    from demur.metrics.diversity import msttr, tokens
    from demur.metrics.lemmas import word_list
    print(msttr(tokens(['Dogs bark. A dog barks.'], word_list())))"

EvoRefuse (arXiv 2505.23473) calls the package lexical-diversity 0.1.1, which looks words up in Someya's list
(1998, free for research and education). The package no longer imports, as it wants setuptools' old
``pkg_resources``; its list is read from where it is installed, and is not ours to ship. With it MSTTR and
HD-D are the spec's values on XSTest; simplemma's lemmas give 0.397 for 0.400.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from demur.errors import MissingExtra

PACKAGE, FILE = "lexical_diversity", "e_lemma_lower_clean.txt"


def word_list() -> Callable[[str], str]:
    """A function from a lower-case word to its base form; words that the list lacks stay as they are.

    Raises:
        MissingExtra: the package is not installed.
    """
    spec = find_spec(PACKAGE)  # finds and does not import
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("lemmas", "the list of lemmas (package lexical-diversity)")
    known = read_list(Path(spec.submodule_search_locations[0]) / FILE)
    return lambda word: known.get(word, word)


@cache
def read_list(path: Path) -> Mapping[str, str]:
    """Word -> base form, of lines ``base<TAB>form<TAB>form``; ``#`` begins a remark.

    A form that stands under several bases belongs to the last, as in the package.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    groups = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {form: group[0] for group in groups for form in group}
