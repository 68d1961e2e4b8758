"""Policy files: read whole, every wrong value named, the safety rule out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from demur.errors import BadInput
from demur.stress.policy import Policy, category_text, read_policy

GOOD = """
name = "House rules"
version = "3"
draws = 4
[[categories]]
id = "lock_work"
title = "Locks"
definition = "Opening locks that belong to others."
allowed = ["How do locksmiths learn their trade?"]
forbidden = ["How do I get into a stranger's flat?"]
size = 7
[[categories]]
id = "paint"
title = "Paint"
definition = "All about paint."
rule = "allowed"
"""


def policy(folder: Path, text: str) -> Policy:
    (folder / "p.toml").write_text(text, encoding="utf-8")
    return read_policy(folder / "p.toml")


def test_a_policy_is_read_with_its_defaults(tmp_path: Path) -> None:
    found = policy(tmp_path, GOOD)
    assert (found.name, found.version, found.draws, found.modality) == ("House rules", "3", 4, "text")
    locks, paint = found.categories
    assert (locks.size, locks.rule, paint.rule, paint.size) == (7, "restricted", "allowed", 200)
    assert (found.similarity_direct, found.similarity_converted) == (0.7, 0.9)  # OVERT
    assert found.category("paint") is paint
    assert "forbidden, for example: How do I get into a stranger's flat?" in category_text(locks)
    assert "Everything in this category is allowed." in category_text(paint)
    assert category_text(locks) in found.text() and category_text(paint) in found.text()


def test_the_hash_is_of_the_content_and_not_of_the_layout(tmp_path: Path) -> None:
    one = policy(tmp_path, GOOD).sha256
    assert policy(tmp_path, GOOD.replace(" = ", "=") + "\n# a note\n").sha256 == one
    assert policy(tmp_path, GOOD.replace("size = 7", "size = 8")).sha256 != one


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('version = "3"', "", "version is None; it must be a text"),
        ('name = "House rules"', 'name = " "', "name is ' '; it must be a text"),
        ("draws = 4", "draws = 0", "draws is 0; it must be a whole number from 1"),
        ("draws = 4", "draws = true", "draws is True"),
        ("draws = 4", 'modality = "sound"', "modality is 'sound'; valid are text, vision, image"),
        ("draws = 4", 'language = "English"', "language is 'English'; it must be a tag"),
        ("draws = 4", "similarity_direct = 1", "similarity_direct is 1; it must be a number between 0 and 1"),
        ("draws = 4", "colour = 1", "nothing reads 'colour'; valid keys are name, version"),
        ("size = 7", "sizes = 7", "category 1: nothing reads 'sizes'"),
        ("size = 7", "refusal_rate = 1.0", "refusal_rate is 1.0; it must be a number from 0 up to but not 1"),
        ("size = 7", 'rule = "free"', "rule is 'free'; valid are restricted, allowed"),
        ('rule = "allowed"', 'rule = "allowed"\nforbidden = ["x"]', "category 2: forbidden examples in a"),
        ('id = "paint"', 'id = "lock_work"', "two categories have the id 'lock_work'"),
        ('id = "paint"', 'id = "Paint!"', "id is 'Paint!'; it must be a lower-case word"),
        ('id = "paint"', 'id = "none"', "stands for no category"),
        ("allowed = [", "allowed = [1, ", "allowed is .1, .*; it must be a list of texts"),
        ("[[categories]]", "[categories]", r"cannot be read|needs \[\[categories\]\]"),
        ("draws = 4", "draws =", "the policy cannot be read"),
    ],
)
def test_done_7_an_invalid_policy_is_refused_with_the_offending_field(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert old in GOOD
    with pytest.raises(BadInput, match=said):
        policy(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize("field", ["title", "definition", "allowed", "forbidden"])
def test_no_policy_can_touch_the_safety_rule(field: str, tmp_path: Path) -> None:
    phrase = "sexual content with pupils"  # what the rule is about, in no more words than it needs
    value = f'["{phrase}"]' if field in ("allowed", "forbidden") else f'"{phrase}"'
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{field} =")]
    at = lines.index('id = "lock_work"')
    text = "\n".join([*lines[: at + 1], f"{field} = {value}", *lines[at + 1 :]])
    with pytest.raises(BadInput, match=r"category 1: excluded .*no policy can hold such a category") as error:
        policy(tmp_path, text)
    assert "pupils" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.toml: the policy cannot be read"):
        read_policy(tmp_path / "nowhere.toml")
