"""The file of held-out logits: what is kept, how exactly, which files are refused."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demur.errors import BadInput
from demur.judges.offline.manifest import Band, Calibration
from demur.training.offline_judge.held_out import (
    DIGEST_DIGITS,
    SCHEMA,
    HeldFold,
    HeldOut,
    short_digest,
)

ENGLISH = Calibration(
    fast=(1.25, 0.1, 0.2, 0.4, -1.0),
    joint=(0.5, 1.5, 0.1, 0.2, 0.4, 0.25),
    ask_encoder=Band(0.1, 0.9),
    abstain=Band(0.4, 0.6),
    abstain_fast=Band(0.3, 0.7),
)
OTHER = Calibration((0.75, 0.5), (0.25, 2.0, -0.5), Band(0.05, 0.95), Band(0.5, 0.5), Band(0.2, 0.8))


def fold(n: int, seed: int, calibration: Calibration = ENGLISH, flags: int = 3) -> HeldFold:
    rng = np.random.default_rng(seed)
    return HeldFold(
        calibration,
        rng.integers(0, 2**64, n, dtype=np.uint64, endpoint=False),
        rng.normal(0, 5, (n, 4)).astype(np.float32),
        rng.normal(0, 5, (n, 4)).astype(np.float32),
        rng.integers(0, 2, (n, flags)).astype(np.float64),
    )


def made() -> HeldOut:
    folds = {
        "without:do-not-answer": fold(7, 1),
        "group:0": fold(1, 2),
        "wording:3": fold(5, 3, OTHER, flags=0),
    }
    return HeldOut(11, folds)


def same(one: HeldFold, other: HeldFold) -> None:
    assert one.calibration == other.calibration
    assert one.digests.dtype == np.uint64 and one.digests.tolist() == other.digests.tolist()
    assert one.flags.dtype == np.float64 and one.flags.shape == other.flags.shape
    assert one.flags.tolist() == other.flags.tolist()
    for found, given_ in ((one.fast, other.fast), (one.encoder, other.encoder)):
        assert found.dtype == np.float32 and found.shape == given_.shape
        assert np.abs(found - given_).max(initial=0.0) < 0.01


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    given_ = made()
    given_.save(tmp_path / "deep" / "held.npz")  # makes the folder
    found = HeldOut.load(tmp_path / "deep" / "held.npz")
    assert found.seed == 11
    assert list(found.folds) == list(given_.folds)
    for name, kept in found.folds.items():
        same(kept, given_.folds[name])
    assert found.folds["wording:3"].flags.shape == (5, 0)


def test_loading_and_saving_again_changes_nothing(tmp_path: Path) -> None:
    made().save(tmp_path / "a.npz")
    HeldOut.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_largest_digests_and_no_folds_at_all(tmp_path: Path) -> None:
    ends = HeldFold(
        OTHER,
        np.array([0, 2**63, 2**64 - 1], dtype=np.uint64),
        np.zeros((3, 4), dtype=np.float32),
        np.zeros((3, 4), dtype=np.float32),
        np.zeros((3, 0)),
    )
    HeldOut(0, {"wording:0": ends}).save(tmp_path / "h.npz")
    assert HeldOut.load(tmp_path / "h.npz").folds["wording:0"].digests.tolist() == [0, 2**63, 2**64 - 1]
    HeldOut(0, {}).save(tmp_path / "none.npz")
    assert HeldOut.load(tmp_path / "none.npz") == HeldOut(0, {})


def test_a_fold_is_no_prefix_of_another_number(tmp_path: Path) -> None:
    folds = {f"without:{k}": fold(2, k) for k in range(13)}  # the arrays of 1 and of 11 are told apart
    HeldOut(0, folds).save(tmp_path / "h.npz")
    for name, kept in HeldOut.load(tmp_path / "h.npz").folds.items():
        same(kept, folds[name])


@settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.floats(-32, 32, width=32), min_size=4, max_size=40))
def test_half_precision_moves_a_logit_by_less_than_a_hundredth(tmp_path: Path, values: list[float]) -> None:
    logits = np.array(values[: len(values) // 4 * 4], dtype=np.float32).reshape(-1, 4)
    n = len(logits)
    kept = HeldFold(ENGLISH, np.zeros(n, dtype=np.uint64), logits, -logits, np.zeros((n, 3)))
    HeldOut(0, {"f": kept}).save(tmp_path / "h.npz")
    found = HeldOut.load(tmp_path / "h.npz").folds["f"]
    assert np.abs(found.fast - logits).max() < 0.01
    assert np.abs(found.encoder + logits).max() < 0.01


def test_twenty_thousand_rows_are_less_than_a_megabyte(tmp_path: Path) -> None:
    HeldOut(0, {f"f{k}": fold(2_000, k) for k in range(10)}).save(tmp_path / "h.npz")
    assert (tmp_path / "h.npz").stat().st_size < 1_000_000


def test_the_short_digest_is_the_first_digits() -> None:
    assert DIGEST_DIGITS == 16
    assert short_digest("00000000000000ff" + "a" * 48) == 255
    assert short_digest("f" * 64) == 2**64 - 1
    digest = "0123456789abcdef" + "7" * 48
    assert f"{short_digest(digest):016x}" == digest[:16]


# Files that are refused


def arrays(**changes: Any) -> bytes:
    """The parts of a good file, some of them changed or, with ``None``, left out."""
    about = {"schema": SCHEMA, "seed": 1, "calibration": {"f": ENGLISH.to_json()}}
    parts: dict[str, Any] = {
        "about": np.array(json.dumps(about)),
        "0-digests": np.zeros(1, dtype=np.uint64),
        "0-fast": np.zeros((1, 4), dtype=np.float16),
        "0-encoder": np.zeros((1, 4), dtype=np.float16),
        "0-flags": np.zeros((1, 3), dtype=np.uint8),
    }
    stream = io.BytesIO()
    parts |= {name.replace("_", "0-"): value for name, value in changes.items()}
    np.savez(stream, **{name: value for name, value in parts.items() if value is not None})
    return stream.getvalue()


def about(**changes: Any) -> bytes:
    content = {"schema": SCHEMA, "seed": 1, "calibration": {"f": ENGLISH.to_json()}} | changes
    return arrays(about=np.array(json.dumps(content)))


def array_alone() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def test_the_parts_are_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "h.npz").write_bytes(arrays())
    assert list(HeldOut.load(tmp_path / "h.npz").folds) == ["f"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "No data"),
        (b"{}", "pickle"),
        (pickle.dumps({"schema": SCHEMA}), "pickle"),
        (array_alone(), "holds no held-out logits"),
        (arrays(about=None), "about"),
        (arrays(_encoder=None), "0-encoder"),
        (arrays(_flags=None), "0-flags"),
        (arrays(_digests=np.array([{}], dtype=object)), "pickle|allow_pickle"),
        (arrays(about=np.array("not JSON")), "holds no held-out logits"),
        (arrays(about=np.array("[]")), "holds no held-out logits"),
        (about(schema="demur.held-out/9"), "schema 'demur.held-out/9', not demur.held-out/1"),
        (about(seed=None), "holds no held-out logits"),
        (about(calibration={"f": ENGLISH.to_json(), "g": ENGLISH.to_json()}), "1-flags"),
        (about(calibration={"f": {}}), "fast"),
        (about(calibration={"f": OTHER.to_json()}), "fold f: calibration fast must hold 5 numbers"),
        (
            about(calibration={"f": ENGLISH.to_json() | {"abstain": [0.5]}}),
            "fold f: calibration abstain must hold 2 numbers",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "held.npz").write_bytes(content)
    with pytest.raises(BadInput, match=r"held\.npz") as caught:
        HeldOut.load(tmp_path / "held.npz")
    assert caught.match(why)


def test_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"held\.npz is missing; the training command writes it"):
        HeldOut.load(tmp_path / "held.npz")
    with pytest.raises(BadInput, match="is missing"):
        HeldOut.load(tmp_path)  # a folder


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "held.npz"
    made().save(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(BadInput, match=r"held\.npz"):
            HeldOut.load(path)


@pytest.mark.filterwarnings("ignore")  # of zipfile, about names that appear twice
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "held.npz"
    made().save(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = HeldOut.load(path)
        except BadInput:
            refused += 1
            continue
        for name, kept in found.folds.items():
            same(kept, made().folds[name])
    assert refused > len(whole) / 6


# An unfinished file is never the result


def test_nothing_is_left_beside_the_file_and_any_name_will_do(tmp_path: Path) -> None:
    for name in ("held.npz", "held", "held.bin"):
        made().save(tmp_path / name)
        assert HeldOut.load(tmp_path / name).seed == 11
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "held.bin", "held.npz"]


def test_a_second_save_replaces_the_first(tmp_path: Path) -> None:
    made().save(tmp_path / "held.npz")
    HeldOut(12, {"group:1": fold(2, 5)}).save(tmp_path / "held.npz")
    found = HeldOut.load(tmp_path / "held.npz")
    assert (found.seed, list(found.folds)) == (12, ["group:1"])


class Unwritable:
    """Cannot be pickled, so that writing the array that holds it stops."""

    def __reduce__(self) -> Any:
        raise OSError("no space left")


@pytest.mark.parametrize("before", [False, True])
def test_a_write_that_stops_leaves_what_was_there(tmp_path: Path, before: bool) -> None:
    path = tmp_path / "held.npz"
    if before:
        made().save(path)
    whole = path.read_bytes() if before else None
    good = fold(3, 1)
    bad: Any = np.array([Unwritable()], dtype=object)
    stopped = HeldOut(9, {"a": good, "b": HeldFold(ENGLISH, bad, good.fast, good.encoder, good.flags)})
    with pytest.raises(OSError, match="no space left"):
        stopped.save(path)
    assert (path.read_bytes() if path.exists() else None) == whole
    made().save(path)  # what was left over does not stand in the way
    assert HeldOut.load(path).seed == 11
    assert [found.name for found in tmp_path.iterdir()] == ["held.npz"]


def test_the_file_holds_numbers_and_names_only(tmp_path: Path) -> None:
    made().save(tmp_path / "held.npz")
    with np.load(tmp_path / "held.npz", allow_pickle=False) as found:
        assert set(found.files) == {
            "about",
            *(f"{k}-{part}" for k in range(3) for part in ("digests", "fast", "encoder", "flags")),
        }
        assert found["0-fast"].dtype == np.float16 and found["0-flags"].dtype == np.uint8
        assert json.loads(str(found["about"])) == {
            "schema": SCHEMA,
            "seed": 11,
            "calibration": {
                "without:do-not-answer": ENGLISH.to_json(),
                "group:0": ENGLISH.to_json(),
                "wording:3": OTHER.to_json(),
            },
        }
