from __future__ import annotations

import time
import unicodedata

import pytest

from xinstr_core.corpus.machine_text import machine_cue

# What a translator's disclaimer says, what a chat model says, and a sentence about machine translation as a topic.
TEXTS = {
    "bn": (
        "এই পাতাটি স্বয়ংক্রিয়ভাবে অনুবাদ করা হয়েছে।",
        "একটি এআই ভাষা মডেল হিসেবে আমি মত দিতে পারি না।",
        "মেশিন অনুবাদ একটি গবেষণার ক্ষেত্র।",
    ),
    "eu": (
        "Orri hau automatikoki itzuli da.",
        "Adimen artifizialeko hizkuntza-eredua naiz.",
        "Itzulpen automatikoa ikerketa-arlo bat da.",
    ),
    "fi": (
        "Tämä sivu on käännetty automaattisesti.",
        "Tekoälykielimallina en voi ottaa kantaa.",
        "Konekääntäminen on kieliteknologian ala, ja konekäännös on sen tulos.",
    ),
    "hi": (
        "यह पृष्ठ स्वचालित रूप से अनुवादित है।",
        "एक एआई भाषा मॉडल के रूप में मेरी कोई राय नहीं है।",
        "मशीनी अनुवाद शोध का एक क्षेत्र है।",
    ),
    "id": (
        "Halaman ini diterjemahkan secara otomatis.",
        "Sebagai model bahasa, saya tidak punya pendapat.",
        "Terjemahan mesin adalah bidang penelitian.",
    ),
    "ne": (
        "यो पृष्ठ स्वचालित रूपमा अनुवाद गरिएको हो।",
        "एआई भाषा मोडेलको रूपमा म भन्न सक्दिनँ।",
        "मेसिन अनुवाद अनुसन्धानको क्षेत्र हो।",
    ),
    "sw": (
        "Ukurasa huu umetokana na tafsiri ya kiotomatiki.",
        "Kama modeli ya lugha, siwezi kusema.",
        "Tafsiri ya mashine ni uwanja wa utafiti.",
    ),
    "ta": (
        "இந்தப் பக்கம் தானாக மொழிபெயர்க்கப்பட்டது.",
        "ஒரு AI மொழி மாதிரியாக என்னால் சொல்ல முடியாது.",
        "இயந்திர மொழிபெயர்ப்பு ஒரு ஆய்வுத் துறை.",
    ),
    "th": (
        "หน้านี้แปลโดยอัตโนมัติจากภาษาอังกฤษ",
        "ในฐานะโมเดลภาษา ฉันไม่มีความเห็น",
        "การแปลด้วยเครื่องเป็นสาขาหนึ่งของภาษาศาสตร์",
    ),
    "tr": (
        "Bu sayfa otomatik olarak çevrilmiştir.",
        "Bir yapay zekâ dil modeli olarak görüş bildiremem.",
        "Makine çevirisi bir araştırma alanıdır.",
    ),
    "ur": (
        "یہ صفحہ خودکار ترجمہ ہے۔",
        "ایک اے آئی زبان کے ماڈل کے طور پر میں رائے نہیں دے سکتا۔",
        "مشینی ترجمہ تحقیق کا ایک میدان ہے۔",
    ),
    "vi": (
        "Trang này là bản dịch tự động.",
        "Là một mô hình ngôn ngữ, tôi không có ý kiến.",
        "Dịch máy là một lĩnh vực nghiên cứu.",
    ),
}


def reason(text: str, language: str) -> str | None:
    cue = machine_cue(text, language)
    return cue and cue[0]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", TEXTS)
def test_a_page_that_says_it_was_translated_or_written_by_a_machine_is_found(language: str, form: str) -> None:
    translated, written, _ = (unicodedata.normalize(form, text) for text in TEXTS[language])
    assert reason(f"...\n{translated}\n...", language) == "machine_translated"
    assert reason(f"...\n{written}\n...", language) == "machine_written"


@pytest.mark.parametrize("language", TEXTS)
def test_a_page_about_machine_translation_gives_no_cue(language: str) -> None:
    assert machine_cue(TEXTS[language][2], language) is None
    assert machine_cue("Machine translation is a field. A language model as an aid.", language) is None


@pytest.mark.parametrize("language", ["sw", "wo"])
def test_english_disclaimers_are_cues_in_every_language(language: str) -> None:
    assert machine_cue("Imewahi: this page was Automatically Translated.", language) == (
        "machine_translated",
        "automatically translated",
    )
    assert reason("As an AI language model, I cannot say", language) == "machine_written"
    assert reason("I’m sorry, but I can’t help with that", language) == "machine_written"
    assert reason('<meta name="generator" content="GTranslate">', language) == "machine_translated"


def test_a_cue_of_one_language_is_none_in_another() -> None:
    assert machine_cue(TEXTS["fi"][0], "tr") is None


def test_a_language_with_a_region_has_the_cues_of_its_base() -> None:
    assert machine_cue("Dịch bằng máy", "vi-vn") == ("machine_translated", "dịch bằng máy")


def test_turkish_capitals_are_read() -> None:
    assert reason("OTOMATİK OLARAK ÇEVRİLDİ", "tr") == "machine_translated"


@pytest.mark.parametrize("language", TEXTS)
def test_plain_text_and_nothing_give_no_cue(language: str) -> None:
    assert machine_cue("", language) is None
    assert machine_cue("Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.", language) is None


@pytest.mark.parametrize(
    "unit", ["a", "käännet", "automaattise", "otomatik ", "tafsiri ya ", "แปล", "การแปล", " ", "translated "]
)
@pytest.mark.parametrize("language", ["fi", "sw", "th", "tr"])
def test_a_long_run_takes_no_long_time(unit: str, language: str) -> None:
    machine_cue("", language)
    started = time.process_time()
    assert machine_cue(unit * (100_000 // len(unit)), language) is None
    assert time.process_time() - started < 2
