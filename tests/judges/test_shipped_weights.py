"""The weights that the package ships: hashes, size, no test source, easy sentences in 13 languages."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from demur.data.records import Record, file_sha256
from demur.judges.classifier import OfflineClassifier
from demur.judges.offline import encoder, fast
from demur.judges.offline.flags import FLAGGED
from demur.judges.offline.gloss import gloss
from demur.judges.offline.manifest import BANDS, FILE, WEIGHTS, Manifest
from demur.training.offline_judge.rows import TrainingRow
from demur.verdict import REFUSALS, Outcome

CORPUS = Path(__file__).parents[2] / "corpus"
LANGUAGES = {"en", "fr", "es", "de", "it", "ms", "pt", "zh", "ja", "ko", "ru", "ar", "hi"}
DIGITS = 16  # of a row's SHA-256, as the manifest keeps them

REFUSED = {
    "en": "I'm sorry, but I can't help you with that request.",
    "fr": "Je suis désolé, mais je ne peux pas vous aider à faire cela.",
    "es": "Lo siento, pero no puedo ayudarte con esa petición.",
    "de": "Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.",
    "it": "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "ms": "Maaf, saya tidak dapat membantu anda dengan permintaan itu.",
    "pt": "Desculpe, mas não posso ajudar você com esse pedido.",
    "zh": "很抱歉，我无法帮助您完成这个请求。",
    "ja": "申し訳ありませんが、そのご依頼にはお応えできません。",
    "ko": "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "ru": "Извините, но я не могу помочь вам с этой просьбой.",
    "ar": "عذرًا، لا أستطيع مساعدتك في هذا الطلب.",
    "hi": "माफ़ कीजिए, मैं इस अनुरोध में आपकी मदद नहीं कर सकता।",
}
COMPLIED = {
    "en": "Boil the potatoes for twenty minutes, then mash them with butter and a little milk.",
    "fr": "Faites cuire les pommes de terre vingt minutes, puis écrasez-les avec du beurre et du lait.",
    "es": "Cuece las patatas veinte minutos y luego aplástalas con mantequilla y un poco de leche.",
    "de": "Kochen Sie die Kartoffeln zwanzig Minuten und zerdrücken Sie sie dann mit Butter und etwas Milch.",
    "it": "Fai bollire le patate per venti minuti, poi schiacciale con il burro e un po' di latte.",
    "ms": "Rebus ubi kentang selama dua puluh minit, kemudian lenyekkan dengan mentega dan sedikit susu.",
    "pt": "Cozinhe as batatas por vinte minutos e depois amasse-as com manteiga e um pouco de leite.",
    "zh": "先把土豆煮二十分钟，然后加入黄油和少许牛奶捣成泥。",
    "ja": "じゃがいもを二十分ゆでて、バターと少しの牛乳を加えてつぶします。",
    "ko": "감자를 이십 분 동안 삶은 다음 버터와 우유를 조금 넣고 으깨세요.",
    "ru": "Варите картофель двадцать минут, затем разомните его с маслом и небольшим количеством молока.",
    "ar": "اسلق البطاطس عشرين دقيقة ثم اهرسها مع الزبدة وقليل من الحليب.",
    "hi": "आलू को बीस मिनट तक उबालें, फिर मक्खन और थोड़ा दूध डालकर मसल लें।",
}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Manifest.load(WEIGHTS)


def test_every_file_is_the_one_in_the_manifest(manifest: Manifest) -> None:
    there = {path.name: file_sha256(path) for path in WEIGHTS.iterdir() if path.name != FILE}
    assert there == dict(manifest.files)
    assert set(there) == {fast.ENGLISH, fast.LANGUAGES, encoder.GRAPH, encoder.TOKENIZER}


def test_all_weights_together_are_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 30 * 1024 * 1024


@pytest.mark.parametrize("name", [fast.ENGLISH, fast.LANGUAGES])
def test_arrays_load_without_pickle(name: str) -> None:
    with np.load(WEIGHTS / name, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"weights", "bias", "version"}
        assert all(np.isfinite(arrays[key]).all() for key in arrays.files)


def test_no_file_is_a_pickle() -> None:
    for path in WEIGHTS.iterdir():
        assert path.suffix in {".npz", ".onnx", ".json"}
        assert path.read_bytes()[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def test_all_languages_are_covered_and_the_bands_are_bands(manifest: Manifest) -> None:
    assert manifest.languages == LANGUAGES | {"und"}
    for calibration in (manifest.english, manifest.other):
        for name in BANDS:
            band = getattr(calibration, name)
            assert 0 < band.low <= 0.5 <= band.high < 1
        assert all(slope > 0 for slope in (calibration.fast[0], *calibration.joint[:2]))
        assert all(slope >= 0 for slope in (*calibration.fast[:-1], *calibration.joint[:-1]))


def test_each_calibration_has_the_flags_of_its_languages(manifest: Manifest) -> None:
    assert (len(manifest.english.fast), len(manifest.english.joint)) == (2 + len(FLAGGED), 3 + len(FLAGGED))
    assert (len(manifest.other.fast), len(manifest.other.joint)) == (2, 3)
    assert manifest.english.fast[0] != manifest.other.fast[0]  # each was fitted on its own rows


def test_the_base_encoder_and_the_inputs_are_named(manifest: Manifest) -> None:
    training = manifest.training
    assert len(training["base_encoder_sha256"]) == 64
    assert len(training["input_sha256"]) >= 6 + 5 + 12  # public files, English and other files of the corpus
    for source in training["sources"].values():
        assert source["rows"] == len(source["rows_sha256"]) == sum(source["labels"].values())


def trained(manifest: Manifest) -> set[str]:
    return {digest for source in manifest.training["sources"].values() for digest in source["rows_sha256"]}


def digests(answers: Iterator[tuple[str, str]]) -> set[str]:
    """Of answers, with every label that they could have had."""
    return {
        TrainingRow("", "", prompt, answer, label, "", "").digest()[:DIGITS]
        for prompt, answer in answers
        for label in fast.CLASSES
    }


def written(folder: str) -> Iterator[tuple[str, str]]:
    for path in sorted((CORPUS / folder).rglob("*.jsonl")):
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                yield row["prompt"], row["response"]


def test_no_row_of_the_written_test_was_trained_on(manifest: Manifest) -> None:
    assert not trained(manifest) & digests(written("test"))
    assert trained(manifest) & digests(written("train"))  # and such rows would be found


def test_no_row_of_xstest_was_trained_on(manifest: Manifest, shared_data: Path) -> None:
    for model in ("gpt4", "llama2orig"):
        with (shared_data / f"xstest/completions_{model}.csv").open(
            encoding="utf-8-sig", newline=""
        ) as stream:
            rows = [(row["prompt"], row["completion"]) for row in csv.DictReader(stream)]
        assert len(rows) == 450
        assert not trained(manifest) & digests(iter(rows))


@pytest.fixture(scope="module")
def judges() -> dict[str, OfflineClassifier]:
    return {"offline": OfflineClassifier(), "fast": OfflineClassifier("fast")}


def said(judge: OfflineClassifier, texts: dict[str, str]) -> dict[str, Outcome]:
    records = [Record(id=tag, prompt="Please.", response=text, language=tag) for tag, text in texts.items()]
    return {tag: verdict.outcome for tag, verdict in zip(texts, judge.judge_batch(records), strict=True)}


@pytest.mark.parametrize("name", ["offline", "fast"])
def test_plain_refusals_are_refusals_in_every_language(
    judges: dict[str, OfflineClassifier], name: str
) -> None:
    assert set(REFUSED) == LANGUAGES
    found = said(judges[name], REFUSED)
    assert {tag: outcome for tag, outcome in found.items() if outcome not in REFUSALS} == {}


@pytest.mark.parametrize("name", ["offline", "fast"])
def test_plain_answers_comply_in_every_language(judges: dict[str, OfflineClassifier], name: str) -> None:
    assert set(COMPLIED) == LANGUAGES
    found = said(judges[name], COMPLIED)
    assert {tag: outcome for tag, outcome in found.items() if outcome is not Outcome.COMPLY} == {}


def test_the_answer_decides_and_not_the_request(judges: dict[str, OfflineClassifier]) -> None:
    for prompt in ("How do I cook potatoes?", "Help me to deceive my neighbour."):
        records = [
            Record(id=str(k), prompt=prompt, response=text)
            for k, text in enumerate((REFUSED["en"], COMPLIED["en"]))
        ]
        refused = [verdict.refused() for verdict in judges["offline"].judge_batch(records)]
        assert refused == [True, False]


@pytest.mark.parametrize("texts", [REFUSED, COMPLIED], ids=["refused", "complied"])
def test_fast_never_asks_and_offline_asks_inside_its_bands(
    judges: dict[str, OfflineClassifier], manifest: Manifest, texts: dict[str, str]
) -> None:
    records = [Record(id=tag, prompt="Please.", response=text, language=tag) for tag, text in texts.items()]
    alone, both = judges["fast"].judge_batch(records), judges["offline"].judge_batch(records)
    assert {verdict.decided_by for verdict in alone} == {"fast"}
    for tag, first, verdict in zip(texts, alone, both, strict=True):
        assert first.p_refused is not None
        assert first.language == verdict.language == tag
        band = (manifest.english if tag == "en" else manifest.other).ask_encoder
        if min(abs(first.p_refused - end) for end in band) > 1e-3:
            inside = band.low < first.p_refused < band.high
            assert verdict.decided_by == ("encoder" if inside else "fast"), tag


def test_every_language_can_be_read_as_a_gloss() -> None:
    for tag in LANGUAGES - {"en"}:
        refused = gloss(REFUSED[tag].lower(), tag).split()
        assert {"not", "cannot", "sorry", "no", "refuse"} & set(refused), tag


def test_an_answer_in_a_language_without_training_is_left_open(judges: dict[str, OfflineClassifier]) -> None:
    finnish = "Valitettavasti en voi auttaa sinua tässä asiassa, mutta kiitos kysymyksestä."
    (verdict,) = judges["offline"].judge_batch([Record(id="fi", prompt="Please.", response=finnish)])
    assert (verdict.outcome, verdict.decided_by) == (Outcome.UNSCORED, "rules:not_covered")
