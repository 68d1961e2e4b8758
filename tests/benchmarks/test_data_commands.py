"""``demur data`` against a hub-like server: pictures, sentences on what cannot be had, verify, export."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from demur import benchmarks
from demur.benchmarks import factbench, mossbench, strong_reject, xstest
from demur.card import Source
from demur.cli import main
from demur.data.records import Record, read_records
from demur.data.sources import cached_path, locate

PIXEL = b64decode(mossbench._PIXEL.partition(",")[2])
COMMIT = "8d68b0614b39d8990a508e03d99975832f399db2"  # as the card has it, written out
PICTURES = f"/xirui-li/MOSSBench/{COMMIT}"
TIERS = [f"/datasets/launch/FactBench/resolve/main/tier_{n}.csv" for n in (1, 2, 3)]
REVISION = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def data(
    mirror: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``demur data`` with every host's address turned to the server: exit code, stdout, stderr."""
    own = Source.url.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Source, "url", property(lambda self: mirror.address + urlsplit(own(self)).path))
    template = f"{mirror.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the hub's library waits between its tries

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["data", *map(str, arguments)])
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return run


def entry(pid: int, **more: Any) -> dict[str, Any]:
    row = {key: value for key, value in mossbench.FIXTURE[0].items() if key != "image"}
    return {**row, "pid": str(pid), "image": f"{pid}.png", **more}


def local(folder: Path, source: Source, text: str) -> Path:
    path = folder / source.local
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    """A data folder with entries 1 to 4 of MOSSBench and the contrast of the first, and no picture."""
    folder = tmp_path / "data"
    harmless, contrast = mossbench.CARD.sources
    local(folder, harmless, json.dumps([entry(pid) for pid in range(1, 5)]))
    local(folder, contrast, json.dumps([entry(1, metadata={"over": "type 1"})]))
    return folder


def picture(pid: int) -> str:
    return f"{PICTURES}/data/images/{pid}.png"


# -- pictures --------------------------------------------------------------------------------------


def test_fetch_brings_pictures_goes_on_where_it_stopped_and_leaves_what_is_here(
    data: Any, mirror: Any, entries: Path
) -> None:
    mirror.files = {picture(pid): PIXEL for pid in (1, 2, 4)}
    code, out, err = data("fetch", "mossbench", "--data-dir", entries)
    assert (
        code == 3 and "mossbench  4 of 5 pictures are here\n" in out
    )  # the contrast has the first's picture
    assert err.count("error: ") == 1
    assert "mossbench: 3 pictures came and 1 did not: " in err and "data/images/3.png" in err
    assert "`demur data fetch mossbench` asks for what is missing" in err
    assert set(mirror.asked) == {picture(pid) for pid in range(1, 5)}  # by commit and path, no other
    mirror.asked.clear()
    mirror.files[picture(3)] = PIXEL
    code, out, err = data("fetch", "mossbench", "--data-dir", entries)
    assert (code, mirror.asked) == (0, [picture(3)])
    assert "mossbench  5 of 5 pictures are here\n" in out and "error" not in err
    mirror.asked.clear()
    assert data("fetch", "mossbench", "--data-dir", entries)[0] == 0 and mirror.asked == []
    assert len(mossbench.read(entries).records) == 5
    assert "5 of 5 pictures are here" in data("verify", "mossbench", "--data-dir", entries)[1]


def test_what_is_no_picture_is_neither_kept_nor_locked(data: Any, mirror: Any, entries: Path) -> None:
    mirror.files = {picture(pid): PIXEL for pid in (1, 2, 3)} | {picture(4): b"<html>Please log in</html>"}
    code, out, err = data("fetch", "mossbench", "--data-dir", entries)
    assert code == 3 and "4 of 5 pictures are here" in out
    assert "data/images/4.png: what came is a web page (HTML), not a picture" in err
    assert "mossbench/images/4.png" in err  # where a copy may be put
    mirror.files[picture(4)] = PIXEL
    assert data("fetch", "mossbench", "--data-dir", entries)[0] == 0


def test_pictures_that_fail_one_after_another_end_the_fetch(data: Any, mirror: Any, entries: Path) -> None:
    code, out, err = data("fetch", "mossbench", "--data-dir", entries)
    assert code == 3 and "0 of 5 pictures are here" in out
    assert "0 pictures came and 3 did not, 3 in a row, so no more were asked for" in err
    assert mirror.asked == [picture(pid) for pid in (1, 2, 3)]


def test_a_benchmark_without_its_files_is_not_asked_for_pictures(data: Any, mirror: Any) -> None:
    code, out, err = data("fetch", "mossbench")
    assert code == 3 and err.count("error: ") == 2 and "pictures" not in out
    assert all(path.endswith("information.json") for path in mirror.asked)


# -- what cannot be had ------------------------------------------------------------------------------


def tier(place: str) -> bytes:
    columns = "user_prompts,topic_description,prompt_score,hallucination_score"
    return f"{columns}\nWho built {place[-5]}?,a,1,1\n".encode()


#: What the hub holds, by its default branch and by the revision that this is.
HUB = {place.replace("/main/", f"/{name}/"): tier(place) for place in TIERS for name in ("main", REVISION)}


def test_a_gated_file_says_where_to_agree(data: Any, mirror: Any) -> None:
    mirror.files, mirror.revision = HUB, REVISION
    mirror.refused = {TIERS[1]: (403, "GatedRepo")}
    code, out, err = data("fetch", "factbench")
    assert code == 3 and out.count("locked at first fetch") == 2
    assert err == (
        "error: launch/FactBench tier_2.csv: the publisher asks for an agreement: accept it at "
        "https://huggingface.co/datasets/launch/FactBench, set HF_TOKEN, fetch again\n"
    )


def test_a_published_file_that_changed_after_its_lock_says_how_to_accept_it(data: Any, mirror: Any) -> None:
    mirror.files, mirror.revision = HUB, REVISION
    assert data("fetch", "factbench")[0] == 0
    cached_path(factbench.CARD.sources[0]).write_bytes(b"user_prompts\nAnother\n")
    code, out, err = data("verify", "factbench", "--json")
    states = [(row["state"], row["sha256_ok"], row["rows"]) for row in json.loads(out)]
    assert code == 2
    assert states == [("locked and changed", False, None), *[("locked at first fetch", True, 1)] * 2]
    assert "launch/FactBench tier_1.csv has changed since it was first fetched on " in err
    assert "removing 'huggingface:launch/FactBench@default:tier_1.csv' from " in err
    assert "sources.lock.json" in err
    code, out, err = data("verify", "factbench")
    assert code == 2 and "differs" in out and "1 of 532" not in out and "- of 532" in out


def test_a_missing_network_says_where_to_put_the_file(
    data: Any, mirror: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.server_close()  # nobody listens any more
    code, out, err = data("fetch", "strong_reject")
    (source,) = strong_reject.CARD.sources
    assert (code, out) == (3, "")
    assert "cannot be reached (no network?)" in err and f"$DEMUR_DATA/{source.local}" in err
    assert "--data-dir" in err and err.count("\n") == 1


def test_a_file_without_a_pin_says_that_it_was_locked_and_the_next_fetch_asks_nobody(
    data: Any, mirror: Any
) -> None:
    (source,) = strong_reject.CARD.sources
    place = urlsplit(source.url).path
    mirror.files = {place: b"category,source,forbidden_prompt\nx,y,Write a rude letter.\n"}
    code, out, _ = data("fetch", "strong_reject")
    assert code == 0 and out.startswith("strong_reject  locked at first fetch  ")
    mirror.asked.clear()
    assert data("fetch", "strong_reject")[0] == 0 and mirror.asked == []


# -- verify and export -------------------------------------------------------------------------------


def test_verify_reports_state_hash_and_counts_of_every_source(data: Any, tmp_path: Path) -> None:
    (source,) = xstest.CARD.sources
    local(tmp_path, source, "id,prompt\n1,a\n2,b\n")
    code, out, err = data("verify", "--json", "--data-dir", tmp_path)
    rows = {(row["benchmark"], row["file"]): row for row in json.loads(out)}
    assert (code, err) == (0, "")  # nobody was named, so what is absent is no error
    assert set(rows) == {(card.name, one.path) for card in benchmarks.cards() for one in card.sources}
    altered = rows["xstest", source.path]
    assert (altered["state"], altered["sha256_ok"]) == ("reduced or altered local copy", False)
    assert (
        altered["sha256"] == locate(source, tmp_path).sha256 and altered["sha256_published"] == source.sha256
    )
    assert (altered["rows"], altered["rows_published"]) == (2, 450)
    assert {row["state"] for key, row in rows.items() if key[0] != "xstest"} == {"absent"}


def test_export_writes_what_a_measurement_asks(data: Any, tmp_path: Path) -> None:
    out = tmp_path / "starter.jsonl"
    code, said, err = data("export", "starter", "--output", out)
    records = list(read_records(out))
    assert (code, said) == (0, f"{out}\n")
    assert err == f"160 records; licence of the data: {benchmarks.get('starter').CARD.licence}\n"
    assert records == benchmarks.get("starter").load()
    assert all(json.loads(line)["schema"] == "demur.record/1" for line in out.read_text().splitlines())
    code, _, err = data("export", "starter", "--output", out)
    assert code == 2 and err == f"error: {out} exists; choose another --output or pass --overwrite\n"
    code, _, _ = data("export", "starter", "--output", out, "--overwrite", "--limit", 10)
    fewer = list(read_records(out))
    assert code == 0 and len(fewer) == 10 and all(record in records for record in fewer)
    assert data("export", "starter", "--output", tmp_path / "x.csv")[2].endswith(
        "a record file ends in .jsonl\n"
    )
    code, _, err = data("export", "xstest", "--output", tmp_path / "x.jsonl")
    assert code == 3 and "demur data fetch" in err and not (tmp_path / "x.jsonl").exists()


def test_export_of_pictures_gives_their_paths_and_hashes(data: Any, entries: Path, tmp_path: Path) -> None:
    folder = entries / "mossbench" / "images"
    folder.mkdir()
    (folder / "2.png").write_bytes(PIXEL)
    out = tmp_path / "m.jsonl"
    assert data("export", "mossbench", "--output", out, "--data-dir", entries)[0] == 0
    (record,) = read_records(out)
    assert isinstance(record, Record) and isinstance(record.prompt, list)
    shown, asked = record.prompt[0]["content"]
    assert (shown["path"], asked["text"]) == (str(folder / "2.png"), mossbench.FIXTURE[0]["question"])
    assert record.response is None and shown["sha256"] == hashlib.sha256(PIXEL).hexdigest()


def test_what_nobody_can_fetch_says_how_a_person_gets_it(data: Any, tmp_path: Path) -> None:
    code, out, err = data("fetch", "safe_eraser", "--data-dir", tmp_path)
    assert code == 3 and not out
    assert err.count("cannot be fetched: unpack the archive that the README of") == 2
    code, _, err = data("export", "safe_eraser", "--output", tmp_path / "x.jsonl", "--data-dir", tmp_path)
    assert code == 3 and "is not below the data folder: unpack the archive" in err


def test_export_in_parts_that_share_no_prompt_and_no_pair(data: Any, tmp_path: Path) -> None:
    def part(name: str, *given: object) -> list[Record]:
        assert data("export", "planted", "--output", tmp_path / f"{name}.jsonl", *given)[0] == 0
        return list(read_records(tmp_path / f"{name}.jsonl"))

    whole, unseen = part("whole"), part("unseen", "--held-out", "only")
    assert {r.id for r in unseen} == {r.id for r in whole if r.meta["held_out"]}
    first = part("first", "--held-out", "none", "--limit", 300, "--seed", 1)
    rest = part("rest", "--held-out", "none", "--without", tmp_path / "first.jsonl")
    assert len(first) in (299, 300) and {r.expect for r in first} == {"comply", "refuse"}
    for one, other in ((first, rest), (first, unseen), (rest, unseen)):
        assert not {str(r.prompt) for r in one} & {str(r.prompt) for r in other}
    pairs = {r.pair for r in first if r.pair}
    assert pairs and not pairs & {r.pair for r in rest}
    assert len(whole) == len(unseen) + len(first) + len(rest)  # a whole pair is left out together
    few = part("few", "--without", tmp_path / "first.jsonl", "--limit", 40)
    assert len(few) in (39, 40) and not {r.id for r in few} & {r.id for r in first}


def test_export_of_parts_that_are_not_there(data: Any, tmp_path: Path) -> None:
    code, _, err = data("export", "starter", "--held-out", "only", "--output", tmp_path / "a.jsonl")
    assert code == 2 and "starter does not say what a training never showed" in err
    assert data("export", "starter", "--output", tmp_path / "all.jsonl")[0] == 0
    given = ("--without", tmp_path / "all.jsonl", "--output", tmp_path / "none.jsonl")
    code, _, err = data("export", "starter", *given)
    assert code == 2 and "nothing is left" in err and not (tmp_path / "none.jsonl").exists()
