from __future__ import annotations

import json
import time
import tomllib
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest

from xinstr_core.curation.self_contained import opening_flaw
from xinstr_core.identity import document_key
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.pocket.world import write_world

LISTS = tomllib.loads((files("xinstr_core.curation") / "openers.toml").read_text("utf-8"))

# Opens with a connective; with a reference; like one of these, and stands alone all the same.
TEXTS = {
    "bn": ("কিন্তু সে আর ফিরে আসেনি।", "তিনি বলেন, কাজটি কঠিন।", "আর একজন লেখকের কথা বলি।"),
    "en": ("But as he told us, it was late.", "He said that it was late.", "These days few people walk to work."),
    "eu": ("Hala ere, ez zen etorri.", "Enpresa horrek itxi egin du.", "Euria ari du Bilbon."),
    "fi": ("Siksi hän lähti kotiin.", "Hän kertoi asiasta eilen.", "Siinä missä muut nukkuvat, leipuri valvoo."),
    "hi": ("लेकिन वह नहीं आया।", "उन्होंने कहा कि देर हो गई है।", "यह लेख चाय के बारे में है।"),
    "id": ("Oleh karena itu, harga naik.", "Perusahaan tersebut tutup.", "Mereka yang ingin sehat perlu tidur cukup."),
    "ne": ("त्यसैले मूल्य बढ्यो।", "उनले भने कि ढिलो भयो।", "यो लेख चियाको बारेमा हो।"),
    "sw": ("Hata hivyo, bei ilipanda.", "Kampuni hiyo ilifungwa.", "Hapo zamani za kale aliishi sungura."),
    "ta": ("ஆனால், விலை உயர்ந்தது.", "அவர் நேற்று வந்தார்.", "அது ஒரு அழகான கிராமம்."),
    "th": ("แต่ราคาสูงขึ้น", "พวกเขากลับบ้านแล้ว", "แต่งงานแบบไทยมีหลายขั้นตอน"),
    "tr": ("Ancak fiyatlar yükseldi.", "Onlar dün geldi.", "Bu yazıda çayı anlatıyoruz."),
    "ur": ("تاہم قیمتیں بڑھ گئیں۔", "انہوں نے کہا کہ دیر ہو گئی ہے۔", "یا اللہ، یہ کیسی بارش ہے۔"),
    "vi": ("Tuy nhiên, giá đã tăng.", "Điều này rất quan trọng.", "Chúng ta đều biết uống trà."),
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", TEXTS)
def test_an_opening_that_leans_on_something_before_is_named(language: str, form: str) -> None:
    connective, reference, whole = (unicodedata.normalize(form, text) for text in TEXTS[language])
    assert opening_flaw(connective, language) == "connective"
    assert opening_flaw(reference, language) == "reference"
    assert opening_flaw(whole, language) == ""


@pytest.mark.parametrize("language", TEXTS)
def test_quotes_bullets_and_space_before_it_hide_no_opening(language: str) -> None:
    connective, _, whole = TEXTS[language]
    for before in ("  \n", "“", "- ", "• ", "## ", "🌎 ", "\u200f«"):
        assert opening_flaw(before + connective, language) == "connective"
        assert opening_flaw(before + whole, language) == ""


def test_case_counts_for_nothing_nor_do_turkish_i_and_arabic_vowel_signs() -> None:
    assert opening_flaw("HOWEVER, IT RAINED", "en") == "connective"
    assert opening_flaw("İKİNCİ OLARAK, yağmur yağdı", "tr") == "connective"
    assert opening_flaw("AYRICA yağmur yağdı", "tr") == "connective"
    assert opening_flaw("اُنہوں نے کہا", "ur") == opening_flaw("انہوں نے کہا", "ur") == "reference"


def test_a_phrase_counts_whole_and_one_with_a_comma_before_a_comma_only() -> None:
    assert opening_flaw("Heat turns water to steam.", "en") == ""
    assert opening_flaw("However hard one tries, ice melts.", "en") == ""
    assert opening_flaw("However, ice melts.", "en") == "connective"
    assert opening_flaw("In. Other words follow.", "en") == ""
    assert opening_flaw("جی ہاں، بارش ہو رہی ہے", "ur") == "connective"


def test_the_longest_phrase_decides() -> None:
    assert opening_flaw("Tämän vuoksi satoi.", "fi") == "connective"
    assert opening_flaw("Sen sijaan satoi.", "fi") == "connective"
    assert opening_flaw("Sen katto vuosi.", "fi") == "reference"
    assert opening_flaw("Wakati huo mvua ilinyesha.", "sw") == "connective"
    assert opening_flaw("Mwanamume huyo alifika.", "sw") == "reference"


@pytest.mark.parametrize(
    "text",
    [
        "ja sitten satoi.",
        "... ja sitten satoi.",
        "…Sitten satoi.",
        ", joka satoi.",
        ") Sitten satoi.",
        "Kolmessa maassa) satoi. Sitten tuuli.",
        "2. Sekoita taikina.",
        "3) sekoita taikina.",
        "(c) Sekoita taikina.",
        "iv) Sekoita taikina.",
        "\u0301a Sitten",
        "- ja sitten satoi.",
    ],
)
def test_what_begins_inside_a_sentence_or_a_list_is_a_fragment_in_every_language(text: str) -> None:
    assert opening_flaw(text, "fi") == opening_flaw(text, "wo") == "fragment"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "***",
        "Sataa.",
        "1. Sekoita taikina.",
        "a) Sekoita taikina.",
        "2. maailmansota alkoi vuonna 1939.",
        "3 munaa ja litra maitoa.",
        "(WHO) Uusi raportti julkaistiin.",
        "(Uusi) raportti julkaistiin.",
        "Ohje: a) sekoita b) paista",
        "Hyvää päivää :) Tänään sataa.",
        "iPhone putosi.",
        "al-Qaida hajosi.",
        "e-kirja maksaa vähän.",
        "www.esimerkki.fi kertoo.",
        ".NET on alusta.",
        "@kissa kertoo.",
        "cache\n\nTallentaa tuloksen.",
        "ʻOkina on kirjain.",
    ],
)
def test_names_code_ordinals_and_first_items_are_none(text: str) -> None:
    assert opening_flaw(text, "fi") == ""


def test_scripts_without_capitals_are_not_read_for_them() -> None:
    assert opening_flaw("covid के बारे में यह लेख है।", "hi") == ""
    assert opening_flaw("ქართული ენა ძველია.", "ka") == ""
    assert opening_flaw("मुंबई में बारिश हुई।", "hi") == ""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ने कहा कि बारिश होगी।", "hi"),
        ("کے بارے میں کتاب ہے۔", "ur"),
        ("ๆ ของประเทศ", "th"),
        ("ารประชุม", "th"),
        ("ிய நாடு", "ta"),
    ],
)
def test_words_and_letters_that_only_follow_others_show_a_cut(text: str, language: str) -> None:
    assert opening_flaw(text, language) == "fragment"


def test_a_language_without_a_list_gets_the_check_for_fragments_alone() -> None:
    assert opening_flaw("But it rained.", "wo") == ""
    assert opening_flaw("but it rained.", "wo") == "fragment"


def test_a_language_with_a_region_has_the_lists_of_its_base() -> None:
    assert opening_flaw("Tuy nhiên, giá đã tăng.", "vi-vn") == "connective"


@pytest.mark.parametrize("language", LISTS)
def test_every_listed_phrase_is_found_and_stands_in_one_list_only(language: str) -> None:
    flaws = {"continuing": "fragment", "connective": "connective", "reference": "reference", "independent": ""}
    lists = {kind: LISTS[language].get(kind, []) for kind in flaws}
    phrases = [phrase for found in lists.values() for phrase in found]
    assert len(phrases) == len(set(phrases))
    follows = "" if language == "th" else " X"
    for kind, flaw in flaws.items():
        for phrase in lists[kind]:
            text = phrase.replace("*", "Zorro")
            assert opening_flaw(text[0].title() + text[1:] + follows, language) == flaw, phrase


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_clean_documents_of_the_pocket_world_stand_alone(language: str, tmp_path: Path) -> None:
    write_world(tmp_path, language)

    def rows(path: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (tmp_path / path).read_text("utf-8").splitlines()]

    clean = {row["doc_id"] for row in rows(f"gold/{language}.jsonl") if row["kind"] == "clean"}
    texts = [row["text"] for row in rows(f"corpus/{language}.jsonl") if document_key(language, row["text"]) in clean]
    texts += [row["response"] for row in rows(f"seeds/{language}.jsonl")]
    assert len(texts) > 500
    assert sum(bool(opening_flaw(text, language)) for text in texts) < len(texts) / 100


@pytest.mark.parametrize("unit", ["a", " ", "'", "(", "#", "ก", "แต่", "\u0300", "1.", "but ", "\u200d", "A-"])
def test_a_long_run_takes_no_long_time(unit: str) -> None:
    opening_flaw("", "en"), opening_flaw("", "th")
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    for language in ("en", "th", "id"):
        opening_flaw(text, language)
    assert time.process_time() - started < 0.5
