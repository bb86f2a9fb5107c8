from __future__ import annotations

import unicodedata

import pytest

from xinstr_core.corpus.identification import UNKNOWN, identify, knows, script_share, symbol_share

SENTENCES = {
    "bn": ("Beng", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।"),
    "en": ("Latn", "All human beings are born free and equal in dignity and rights."),
    "fi": ("Latn", "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."),
    "hi": ("Deva", "उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।"),
    "sw": ("Latn", "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."),
    "ta": ("Taml", "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்."),
    "th": ("Thai", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"),
    "tr": ("Latn", "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar."),
    "ur": ("Arab", "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔"),
    "vi": ("Latn", "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền."),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_in_its_language_and_script(language: str) -> None:
    script, sentence = SENTENCES[language]
    found = identify(sentence)
    assert found.label == language
    assert found.of(language) == found.probability > 0.9
    assert script_share(sentence, script) == 1.0
    assert symbol_share(sentence) < 0.12


def test_probabilities_are_of_all_languages_best_first() -> None:
    values = [probability for _, probability in identify(SENTENCES["fi"][1]).ranked]
    assert len(values) > 90
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-4)


def test_a_language_with_a_region_or_script_is_looked_up_by_its_base() -> None:
    found = identify(SENTENCES["sw"][1])
    assert found.of("sw-ke") == found.of("sw") > 0.9
    assert knows("zh-hant")


def test_a_language_the_identifier_does_not_know_has_probability_zero() -> None:
    assert knows("sw")
    assert not knows("wo")
    assert identify(SENTENCES["sw"][1]).of("wo") == 0.0


@pytest.mark.parametrize(
    "text", ["", " \n\t", "123 456", "!?.,;:", "١٢٣ ৪৫৬", "https://example.org/habari", "→ ★ 😀", "👨‍👩‍👧 7", "\u0301" * 50],
)  # fmt: skip
def test_a_text_without_letters_is_in_no_language(text: str) -> None:
    found = identify(text)
    assert (found.label, found.probability, found.of("sw")) == (UNKNOWN, 0.0, 0.0)


def test_addresses_numbers_and_punctuation_do_not_change_the_answer() -> None:
    sentence = SENTENCES["sw"][1]
    noisy = f"https://www.example.com/the-english-page-about-everything?id=7 ### 12/05/2020 -- {sentence}"
    assert identify(noisy) == identify(f"  {sentence}")


@pytest.mark.parametrize("text", ["habari \x00 yako", "habari \ud800 yako", "ก" * 100_000])
def test_hostile_text_is_identified_as_something(text: str) -> None:
    assert 0 < identify(text).probability <= 1


def test_the_script_share_counts_letters_and_marks_only() -> None:
    assert script_share("abcd กขคง 1234 !!", "Thai") == 0.5
    assert script_share("abc กขคงจฉ", "Latn") == pytest.approx(1 / 3)
    assert script_share("1234 !!", "Latn") == 0.0
    assert script_share("", "Latn") == 0.0


@pytest.mark.parametrize("language", ["vi", "fi", "tr", "bn", "hi"])
def test_decomposed_letters_belong_to_their_script(language: str) -> None:
    script, sentence = SENTENCES[language]
    assert script_share(unicodedata.normalize("NFD", sentence), script) == 1.0


def test_the_symbol_share_leaves_space_out_and_counts_marks_as_letters() -> None:
    assert symbol_share("ab 12") == 0.5
    assert symbol_share("ป่า กี่ เชื่อ") == 0.0
    assert symbol_share("e\u0301 ক্ষি") == 0.0
    assert symbol_share("| * | 1") == 1.0
    assert symbol_share("") == symbol_share(" \n") == 1.0
