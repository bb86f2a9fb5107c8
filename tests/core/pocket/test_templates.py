"""What every template file has to keep, so that texts read naturally and the oracle reads them back exactly."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from xinstr_core.pocket.templates import HELD_OUT_SUBJECTS_PER_INTENT, POCKET_LANGUAGES, load_templates

LANGUAGES = (*POCKET_LANGUAGES, "en")
PARTS = ("openings", "details", "closings", "instructions")
END_MARKS = ".!।۔"
ANY_END_MARK = re.compile(r"[.!?।۔؟]")
SLOT = re.compile(r"\{(\w+)\}")


def raw(language: str) -> dict[str, Any]:
    return tomllib.loads((files("xinstr_core.pocket") / "world" / f"{language}.toml").read_text("utf-8"))


def sentences(language: str, *parts: str) -> Iterator[str]:
    for intent in raw(language)["intents"].values():
        for part in parts:
            yield from intent[part]


def names(language: str) -> Iterator[str]:
    content = raw(language)
    yield from content["people"]
    yield from content["places"]
    for intent in content["intents"].values():
        yield from intent["subjects"]
        yield from intent["items"]


def repeated(values: Iterator[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def test_there_is_a_template_file_for_every_pocket_language_and_english() -> None:
    found = {path.name for path in (files("xinstr_core.pocket") / "world").iterdir() if path.name.endswith(".toml")}
    assert found == {f"{language}.toml" for language in LANGUAGES}
    assert len(set(POCKET_LANGUAGES)) == 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_says_which_language_it_is_in(language: str) -> None:
    assert raw(language)["language"] == language
    assert load_templates(language).language == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_twelve_intents(language: str) -> None:
    assert list(raw(language)["intents"]) == list(raw("en")["intents"])
    assert len(raw(language)["intents"]) == 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_as_many_names_and_sentences_as_the_world_needs(language: str) -> None:
    content = raw(language)
    assert len(set(content["people"])) == len(set(content["places"])) == 24
    wanted = {
        "subjects": 24 if language == "en" else 40,
        "items": 12,
        "openings": 5,
        "details": 9,
        "closings": 4,
        "instructions": 5 if language == "en" else 4,
    }
    for intent in content["intents"].values():
        assert {part: len(set(intent[part])) for part in wanted} == wanted
        assert {part: len(intent[part]) for part in PARTS} == {part: wanted[part] for part in PARTS}


@pytest.mark.parametrize("language", LANGUAGES)
def test_enough_sentences_name_the_subject(language: str) -> None:
    for intent in raw(language)["intents"].values():
        for part in ("openings", "closings", "instructions"):
            assert [sentence for sentence in intent[part] if "{subject}" not in sentence] == []
        assert sum("{subject}" in sentence for sentence in intent["details"]) >= 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_slots_are_known_and_stand_once_in_a_sentence(language: str) -> None:
    allowed = {"subject", "item", "number", "place", "person"}
    for sentence in sentences(language, *PARTS):
        slots = SLOT.findall(sentence)
        assert set(slots) <= allowed, sentence
        assert len(slots) == len(set(slots)), sentence
        assert re.sub(SLOT, "", sentence).count("{") == 0, sentence
    for sentence in sentences(language, "instructions"):
        assert SLOT.findall(sentence) == ["subject"], sentence


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_two_slots_are_never_neighbours(language: str) -> None:
    assert [sentence for sentence in sentences(language, *PARTS) if re.search(r"\}\s*\{", sentence)] == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "th"])
def test_nothing_is_glued_to_a_slot_where_words_are_spaced(language: str) -> None:
    assert [sentence for sentence in sentences(language, *PARTS) if re.search(r"\}[^\s.,?!।۔؟]", sentence)] == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "th"])
def test_a_sentence_has_one_end_mark_at_its_end(language: str) -> None:
    assert [s for s in sentences(language, "openings", "details", "closings") if s[-1] not in END_MARKS] == []
    assert [s for s in sentences(language, *PARTS) if re.search(ANY_END_MARK.pattern + r"\s", s)] == []


def test_thai_sentences_and_names_hold_no_space() -> None:
    assert [text for text in (*sentences("th", *PARTS), *names("th")) if re.search(r"\s", text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_documents_are_neither_fragments_nor_paragraphs(language: str) -> None:
    assert [s for s in sentences(language, "openings", "details", "closings") if not 25 <= len(s) <= 120] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_composed_and_without_digits_or_punctuation(language: str) -> None:
    assert [name for name in names(language) if unicodedata.normalize("NFC", name) != name] == []
    assert [name for name in names(language) if re.search(r"[0-9.!?।۔؟\"():,{}]", name) or name != name.strip()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_and_no_subject_stands_twice(language: str) -> None:
    subjects = [s for intent in raw(language)["intents"].values() for s in intent["subjects"]]
    assert repeated(sentences(language, *PARTS)) == []
    assert repeated(iter(subjects)) == []
    assert set(raw(language)["places"]) & set(subjects) == set()


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_a_fifth_of_the_subjects_of_each_intent_is_held_out(language: str) -> None:
    for name, intent in load_templates(language).intents.items():
        assert len(intent.held_out) == HELD_OUT_SUBJECTS_PER_INTENT == 8
        assert len(intent.train) == 32
        assert sorted(intent.train + intent.held_out) == sorted(raw(language)["intents"][name]["subjects"])


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_no_other_template_text_contains_a_held_out_subject(language: str) -> None:
    texts = [text.casefold() for text in (*names(language), *sentences(language, *PARTS))]
    held_out = [subject for intent in load_templates(language).intents.values() for subject in intent.held_out]
    assert {s: count for s in held_out if (count := sum(s.casefold() in text for text in texts)) != 1} == {}


def test_nothing_is_held_out_in_english() -> None:
    assert {intent.held_out for intent in load_templates("en").intents.values()} == {()}


def test_a_held_out_subject_is_found_inside_words_and_in_any_case() -> None:
    templates = load_templates("sw")
    held_out, train = templates.intents["cook_dish"].held_out[0], templates.intents["cook_dish"].train[0]
    assert templates.mentions_held_out(f"xx{held_out.upper()}yy")
    assert not templates.mentions_held_out(f"{train} {train}")
    assert not templates.mentions_held_out("")


def test_only_thai_sets_subjects_off_with_quotes() -> None:
    assert load_templates("th").quoted("ส้มตำ") == "“ส้มตำ”"
    assert {language for language in LANGUAGES if load_templates(language).quotes != ("", "")} == {"th"}
    assert load_templates("sw").quoted("wali") == "wali"


@pytest.mark.parametrize("language", ["xx", "", "SW"])
def test_a_language_outside_the_world_has_no_templates(language: str) -> None:
    with pytest.raises(FileNotFoundError):
        load_templates(language)
