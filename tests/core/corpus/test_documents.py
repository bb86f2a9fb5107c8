from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.corpus.conftest import FINNISH, SECOND, SMALL, SWAHILI, TEXT, THIRD, WOLOF, judge, reasons
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.packs import LanguagePack, bundled_pack
from xinstr_core.corpus.quality import measure
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.identity import document_key
from xinstr_core.languages import Language
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.pocket.world import write_world
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.raw_corpus import DOCUMENTS, REJECTED
from xinstr_core.settings import CorpusSettings

SCRIPTS = {"bn": "Beng", "hi": "Deva", "ta": "Taml", "th": "Thai", "ur": "Arab"}


def test_a_good_record_becomes_a_document_with_its_measurements() -> None:
    (found,) = judge({"text": f" {TEXT}\n", "source": "UDHR", "url": "https://example.org", "licence": "PD"})
    assert isinstance(found, Document)
    assert found.lid_score > 0.5
    assert found == Document(
        doc_id=document_key("sw", TEXT),
        text=TEXT,
        source="UDHR",
        url="https://example.org",
        licence="PD",
        place="sw.jsonl:1",
        span_start=1,
        span_end=54,
        n_chars=53,
        repaired=False,
        lid_label="sw",
        lid_score=found.lid_score,
        features=measure(TEXT, "Latn"),
    )


@pytest.mark.parametrize("value", [None, "", 3, ["a"]])
def test_a_licence_that_is_not_given_is_the_languages_or_unknown(value: Any) -> None:
    (registered,) = judge({"text": TEXT, "licence": value})
    (unknown,) = judge({"text": TEXT, "licence": value}, language=SWAHILI.model_copy(update={"licence": None}))
    assert isinstance(registered, Document)
    assert isinstance(unknown, Document)
    assert (registered.licence, unknown.licence) == ("CC0-1.0", "unknown")


def test_every_span_of_a_long_record_is_its_text_byte_for_byte() -> None:
    text = f"\n{TEXT}\r\n\r\n  {SECOND}\n\n{THIRD}"
    found = judge({"text": text})
    assert [f.text for f in found if isinstance(f, Document)] == [TEXT, SECOND, THIRD]
    for document in found:
        assert isinstance(document, Document)
        assert text[document.span_start : document.span_end] == document.text
        assert document.n_chars == len(document.text)
        assert document.place == f"sw.jsonl:1[{document.span_start}:{document.span_end}]"


def test_a_decomposed_text_is_kept_decomposed_and_has_the_key_of_its_composed_form() -> None:
    composed = "Nguy\u1ec5n V\u0103n \u00c2n s\u1ed1ng \u1edf \u0110\u00e0 N\u1eb5ng."
    decomposed = unicodedata.normalize("NFD", composed)
    assert decomposed != composed
    vietnamese = Language(tag="vi", name="Vietnamese", script="Latn", minimum_language_score=0)
    first, second = judge({"text": decomposed}, {"text": composed}, language=vietnamese)
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.text, second.text) == (decomposed, composed)
    assert first.doc_id == second.doc_id


@pytest.mark.parametrize("value", [None, "", " \n\t", 3, ["text"], {"a": 1}])
def test_a_record_without_text_is_rejected_with_the_type_it_has(value: Any) -> None:
    found = judge({"text": value}, {"body": value})
    assert found == [
        Reject("sw.jsonl:1", "no_text", str({"text": value}), type(value).__name__, "text"),
        Reject("sw.jsonl:2", "no_text", str({"body": value}), "NoneType", "text"),
    ]


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_a_text_with_nul_or_a_lone_surrogate_is_no_text_and_its_excerpt_is_storable(bad: str) -> None:
    assert judge({"text": bad + TEXT}) == [Reject("sw.jsonl:1", "not_text", f"?{TEXT}", "NUL or lone surrogate", "")]


def test_the_first_failed_check_is_the_reason() -> None:
    (too_short,) = judge({"text": "1 | 2"})
    assert too_short == Reject("sw.jsonl:1", "too_short", "1 | 2", "5", "20")
    (too_long,) = judge({"text": f"{SECOND[:-1]} na mali yake"})
    assert too_long == Reject("sw.jsonl:1", "too_long_paragraph", f"{SECOND[:-1]} na mali yake", "72", "70")
    (symbols,) = judge({"text": "1 2 ป่า 12 3 ป่า 34 4 ป่า 56"})
    assert symbols == Reject("sw.jsonl:1", "symbols", "1 2 ป่า 12 3 ป่า 34 4 ป่า 56", "0.526", "0.3")
    (script,) = judge({"text": "มนุษย์ทั้งหลายเกิดมามีอิสระ"})
    assert script == Reject("sw.jsonl:1", "wrong_script", "มนุษย์ทั้งหลายเกิดมามีอิสระ", "0.000", "0.6 Latn")
    (language,) = judge({"text": FINNISH}, settings=SMALL.model_copy(update={"maximum_characters": 100}))
    assert isinstance(language, Reject)
    assert (language.reason, language.excerpt, language.threshold) == ("wrong_language", FINNISH, "sw 0.5")
    assert language.value.startswith("fi ")


def test_an_over_long_paragraph_does_not_take_its_neighbours_with_it() -> None:
    found = judge({"text": f"{TEXT}\n\n{SECOND[:-1]} {THIRD}\n\n{THIRD}"})
    assert [type(f).__name__ if isinstance(f, Document) else f.reason for f in found] == [
        "Document",
        "too_long_paragraph",
        "Document",
    ]


def test_a_page_of_one_line_is_cut_into_whole_sentences() -> None:
    page = f"{TEXT} {SECOND}  {THIRD}"
    found = judge({"text": page})
    assert [one.text for one in found if isinstance(one, Document)] == [TEXT, SECOND, THIRD]
    assert all(page[one.span_start : one.span_end] == one.text for one in found if isinstance(one, Document))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{SECOND[:-1]} [na] [mali] {{yake}} <b>yote</b> <i>pia</i>", "markup"),
        (f"{SECOND[:-1]} ".replace(",", " ,") + "mali , ardhi , maji na mifugo", "spaced_punctuation"),
        ("habari za leo asubuhi " * 5, "repeated_phrases"),
        (FINNISH, "wrong_language"),
        ("1 2 ป่า 12 3 ป่า 34 4 ป่า 56" * 3, "symbols"),
    ],
)
def test_what_else_is_wrong_with_an_over_long_text_is_named_before_its_length(text: str, reason: str) -> None:
    assert len(text) > SMALL.maximum_characters
    assert reasons(judge({"text": text})) == [reason]


def test_limits_belong_to_the_document() -> None:
    exactly = CorpusSettings(minimum_characters=len(TEXT), maximum_characters=len(TEXT))
    (found,) = judge({"text": TEXT}, settings=exactly)
    assert isinstance(found, Document)


def test_the_registered_score_of_a_language_wins_over_the_setting() -> None:
    strict = SWAHILI.model_copy(update={"minimum_language_score": 1.0})
    mixed = f"{SECOND} Kaikki"
    (lenient,) = judge({"text": mixed})
    (rejected,) = judge({"text": mixed}, language=strict)
    assert isinstance(lenient, Document)
    assert isinstance(rejected, Reject)
    assert (rejected.reason, rejected.threshold) == ("wrong_language", "sw 1.0")


def test_a_registered_score_of_zero_is_not_taken_for_no_score() -> None:
    lenient = SWAHILI.model_copy(update={"minimum_language_score": 0.0})
    (found,) = judge({"text": FINNISH[:60]}, language=lenient)
    assert isinstance(found, Document)
    assert found.lid_label == "fi"


def test_a_language_the_identifier_does_not_know_is_judged_by_its_script() -> None:
    text = "Doomi aadama yépp danuy juddu, yam ci tawfeex ci sag ak sañ-sañ."
    kept, thai = judge({"text": text}, {"text": "มนุษย์ทั้งหลายเกิดมามีอิสระ"}, language=WOLOF)
    assert isinstance(kept, Document)
    assert kept.lid_score > 0.9
    assert isinstance(thai, Reject)
    assert thai.reason == "wrong_script"


def test_an_excerpt_holds_the_first_two_hundred_characters() -> None:
    (found,) = judge({"text": "ป" * 5000}, settings=CorpusSettings())
    assert isinstance(found, Reject)
    assert found.excerpt == "ป" * 200


@pytest.mark.parametrize("field", ["source", "url", "licence"])
def test_a_lone_surrogate_beside_the_text_never_reaches_a_table(field: str) -> None:
    (found,) = judge({"text": TEXT, field: "x\ud800"})
    if isinstance(found, Document):
        assert frame([found.row("sw")], DOCUMENTS.schema).height == 1
    else:
        assert found.reason == "not_text"


def test_documents_and_rejects_fit_their_tables() -> None:
    document, reject = judge({"text": TEXT}, {"text": "x\x00"})
    rows = frame([document.row("sw")], DOCUMENTS.schema)
    unscored = {"learned_filter": None, "learned_score": None}
    rejects = frame([{"language": "sw", **vars(reject), **unscored}], REJECTED.schema)
    assert rows.row(0, named=True)["doc_id"] == document_key("sw", TEXT)
    assert rejects.row(0, named=True)["reason"] == "not_text"


def test_the_same_record_gives_the_same_outcome_wherever_it_stands() -> None:
    assert judge({"text": TEXT}, {"text": TEXT})[0] == judge({"text": TEXT})[0]
    first, second = judge({"text": TEXT}, {"text": TEXT})
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert replace(second, place=first.place) == first


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_planted_junk_falls_for_its_own_reason_and_good_documents_stay(tmp_path: Path, language: str) -> None:
    """The kinds that only a rater of pairs can tell from good documents stay, too."""
    write_world(tmp_path, language)
    path = bundled_pack(language)
    assert path is not None
    entry = Language(tag=language, name="x", script=SCRIPTS.get(language, "Latn"))
    one = DocumentFilter(entry, CorpusSettings(), LanguagePack.read(path))
    counts: Counter[tuple[str, str]] = Counter()
    corpus = (tmp_path / "corpus" / f"{language}.jsonl").read_text("utf-8").splitlines()
    gold = (tmp_path / "gold" / f"{language}.jsonl").read_text("utf-8").splitlines()
    for line, answer in zip(corpus, gold, strict=True):
        record = json.loads(line)
        (found,) = one.judge(Record(record["id"], record))
        counts[json.loads(answer)["kind"], reasons([found])[0]] += 1
    assert counts["navigation", "markup"] == 6
    assert counts["price_table", "symbols"] == 5
    assert counts["too_short", "too_short"] == 6
    assert counts["other_language", "wrong_script"] + counts["other_language", "wrong_language"] == 7
    for kind, count in (("truncated", 28), ("spliced", 28), ("shuffled", 22), ("boilerplate", 6)):
        assert counts[kind, "kept"] + counts[kind, "unrelated_sentences"] >= count - 2
    clean = {reason: count for (kind, reason), count in counts.items() if kind == "clean"}
    assert clean["kept"] / sum(clean.values()) >= 0.97
