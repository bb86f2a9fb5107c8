from __future__ import annotations

import random

import pytest

from tests.core.corpus.conftest import SENTENCES
from xinstr_core.corpus.damage import damage, with_encoding_repaired

FINNISH = "Käsitellyt äänet ja höyryävä löyly: näin yö jää hämärään. "


def strewn(text: str, characters: str, share: float) -> str:
    """A text of which that share is one of some characters, at drawn places."""
    rng = random.Random(characters)
    letters = list(text)
    for _ in range(round(len(text) * share / (1 - share))):
        letters.insert(rng.randrange(len(letters)), rng.choice(characters))
    return "".join(letters)


def reason(text: str, script: str) -> str:
    found = damage(text, script)
    return found[0] if found else ""


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize(
    ("characters", "reason_"),
    [
        ("\ue000\uf0b7\U000f1234", "unreadable_characters"),
        ("\x01\x08\x1b\x1d\x7f", "unreadable_characters"),
        ("\ufdd0\uffff\U0003abcd", "unreadable_characters"),
        ("\u200b\u2060\u00ad", "invisible_characters"),
        ("\u200c\u200d\ufeff\u034f", "invisible_characters"),
        ("\U000e0041\U000e0062\ufe0f", "invisible_characters"),
    ],
)
def test_a_text_strewn_with_what_nobody_reads_or_sees_is_damaged(language: str, characters: str, reason_: str) -> None:
    script, sentence = SENTENCES[language]
    text = f"{sentence} " * 8
    assert reason(text, script) == ""
    assert reason(strewn(text, characters, 0.25), script) == reason_


@pytest.mark.parametrize("share", [0.01, 0.03, 0.08])
def test_few_unreadable_characters_are_enough_and_named_with_their_share(share: float) -> None:
    text = strewn(FINNISH * 10, "\ue000", share)
    found = damage(text, "Latn")
    assert found is not None
    assert found == ("unreadable_characters", f"{(text.count(chr(0xE000)) - 1) / len(text):.3f} U+E000", "0.002")


@pytest.mark.parametrize(
    "stray", ["\ue000", "\x1b", "\x93", "\ufdd0", "\u200b", "\u00ad", "\ufeff", "\x85", "\x0c", "\u2028"]
)
@pytest.mark.parametrize("place", ["yö{}", "{}ä", "a{}b", "{}"])
def test_one_stray_character_is_a_slip(stray: str, place: str) -> None:
    assert damage(f"{FINNISH}{place.format(stray)} {FINNISH}", "Latn") is None


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("Arab", "می\u200cخواهم کتاب\u200cهای خود را به خانه ببرم و "),
        ("Arab", "ئه\u200cم كتێبه\u200c زۆر باشه\u200c "),
        ("Sinh", "ශ්\u200dරී ලංකාව ප්\u200dරජාතාන්ත්\u200dරික "),
        ("Mlym", "അവന്\u200d വന്നു അവള്\u200d പോയി "),
        ("Khmr", "ភាសា\u200bខ្មែរ\u200bជា\u200bភាសា\u200bកំណើត\u200bរបស់\u200bប្រជាជន\u200b"),
        ("Mong", "ᠮᠣᠩᠭᠣᠯ ᠦᠨ ᠰᠠᠶᠢᠨ\u180eᠠ ᠪᠠᠶᠢᠨᠠ "),
        ("Latn", "Ihmis\u00adoikeuksien yleis\u00admaailmallinen julistus hyväksyttiin Pariisissa "),
        ("Latn", "Hyvää päivää kaikille teille ❤\ufe0f "),
    ],
)
def test_what_spelling_and_hyphenation_need_is_no_damage(script: str, text: str) -> None:
    assert damage(text * 10, script) is None


@pytest.mark.parametrize("script", ["Arab", "Deva", "Jpan", "Khmr", "Latn", "Mong", "Nkoo", "Thaa", "Tibt"])
def test_every_script_has_a_limit_for_what_nobody_sees(script: str) -> None:
    assert reason("a\u200b" * 50, script) == "invisible_characters"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_mojibake_is_said_with_the_word_that_shows_it(encoding: str) -> None:
    found = damage(f"Hyvää. {FINNISH}".encode().decode(encoding, "replace").replace("\ufffd", ""), "Latn")
    assert found == ("mojibake", "'HyvÃ¤Ã¤.' for 'Hyvää.'", "corpus.repair_mojibake repairs it")


@pytest.mark.parametrize("text", ["Â\xa0", "\n\nÂ\xa0sÃ¤Ã¤", "हिन्दी है".encode().decode("latin-1")])
def test_mojibake_is_said_with_something_wherever_it_stands(text: str) -> None:
    found = damage(text, "Latn")
    assert found is not None
    assert found[0] == "mojibake"
    assert found[1].startswith("'")


def test_quotes_that_were_read_as_controls_are_no_mojibake_and_are_repaired() -> None:
    text = f"{FINNISH}Hän sanoi: \x93äiti\x94, \x93isä\x94."
    assert damage(text, "Latn") == ("unreadable_characters", f"{3 / len(text):.3f} U+0093, U+0094", "0.002")
    assert with_encoding_repaired(text) == f"{FINNISH}Hän sanoi: “äiti”, “isä”."
    assert with_encoding_repaired(FINNISH) == FINNISH
