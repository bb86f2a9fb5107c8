from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus import packs
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.identification import Identifier
from xinstr_core.corpus.packs import (
    LEAST_DOCUMENTS,
    NO_PACK,
    PROFILE_RUNS,
    STOP_WORDS,
    LanguagePack,
    Maxima,
    Minima,
    bundled_pack,
    fit_from_records,
    fit_pack,
    letter_triples,
)
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.corpus.taught import TaughtLanguage
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.languages import Language
from xinstr_core.pocket.documents import draw_topics, write_document
from xinstr_core.settings import CorpusSettings

BUNDLED = ("bn", "eu", "fi", "hi", "id", "ne", "sw", "ta", "th", "tr", "ur", "vi")
SHORT = CorpusSettings(minimum_characters=20, maximum_characters=200)
# (strictest, loosest) of a limit from above, (loosest, strictest) of one from below, as the documents of packs.py say.
MAXIMA = {
    "link_share": (0.03, 0.10),
    "markup_share": (0.04, 0.15),
    "symbol_share": (0.20, 0.30),
    "digit_share": (0.10, 0.20),
    "menu_share": (0.15, 0.90),
    "bare_line_share": (0.10, 0.60),
    "spaced_mark_share": (0.35, 0.50),
    "repeated_line_share": (0.15, 0.40),
    "repeated_phrase_share": (0.15, 0.40),
}
MINIMA = {
    "script_share": (0.60, 0.80),
    "stop_word_share": (0.0, 0.02),
    "language_score": (0.30, 0.60),
    "cohesion_share": (0.0, 0.15),
}
CLEAN = [f"Watu wote wamezaliwa huru na sawa. Hadithi ya {'abcdefgh'[n % 8] * 3} inaendelea leo." for n in range(40)]
ENGLISH = [
    f"All human beings are born free and equal in dignity and rights. They are endowed with {reason} and should act so."
    for reason in ("reason", "conscience", "a spirit of brotherhood", "sense")
] * 10
DIRTY = [f"<b>{n}</b> , [x](http://a.tz/{n}) . ###\n***\n***\n12 {n}\n" * 3 for n in range(10, 50)]


def invented(number: int) -> str:
    """A text of syllables in a language of nobody."""
    draw = random.Random(number)
    words = (
        "".join(draw.choice(("xo", "qua", "vuz", "ji", "kyx", "wo")) for _ in range(draw.randint(1, 4)))
        for _ in range(11)
    )
    return " ".join(words)


def outside(pack: LanguagePack) -> dict[str, float]:
    spans = [(pack.maximum, MAXIMA), (pack.minimum, MINIMA)]
    found = {name: (getattr(limits, name), span) for limits, ranges in spans for name, span in ranges.items()}
    return {name: value for name, (value, (low, high)) in found.items() if not low <= value <= high}


@pytest.mark.parametrize("language", BUNDLED)
def test_a_bundled_pack_can_be_read_and_its_limits_are_within_their_ranges(language: str) -> None:
    path = bundled_pack(language)
    assert path is not None
    pack = LanguagePack.read(path)
    assert pack.documents >= LEAST_DOCUMENTS
    assert pack.source != ""
    assert len(set(pack.stop_words)) == len(pack.stop_words) == STOP_WORDS
    assert len(set(pack.profile)) == len(pack.profile) == PROFILE_RUNS
    assert outside(pack) == {}


def test_every_file_of_the_folder_is_a_pack_that_is_tested_here() -> None:
    folder = Path(packs.__file__).parent / "languages"
    assert tuple(sorted(path.stem for path in folder.iterdir())) == BUNDLED
    assert bundled_pack("wo") is None


def test_without_a_pack_the_loosest_limits_hold() -> None:
    assert {name: getattr(NO_PACK.maximum, name) for name in MAXIMA} == {
        name: high for name, (_, high) in MAXIMA.items()
    }
    assert outside(NO_PACK) == {}
    assert (NO_PACK.documents, NO_PACK.stop_words, NO_PACK.profile, NO_PACK.taught) == (0, (), (), None)


shares = st.floats(0, 1).map(lambda share: round(share, 3))


@settings(derandomize=True, deadline=None, database=None, max_examples=60)
@given(
    st.builds(
        LanguagePack,
        documents=st.integers(0, 10**6),
        source=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        maximum=st.builds(Maxima, **dict.fromkeys(MAXIMA, shares)),
        minimum=st.builds(Minima, **dict.fromkeys(MINIMA, shares)),
        stop_words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=5).map(tuple),
        profile=st.lists(st.sampled_from([" 'a", '"\\"', "क्ष", "ี่ย", "گ\u200cا"]), max_size=5).map(tuple),
        taught=st.none()
        | st.builds(
            TaughtLanguage,
            model_n_grams=st.integers(1, 10**6),
            relatives=st.lists(st.tuples(st.sampled_from(["sw", "zu"]), st.integers(1, 9)), max_size=2).map(tuple),
            n_grams=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 9)), max_size=3).map(tuple),
        ),
    )
)
def test_a_pack_written_and_read_back_is_equal(tmp_path_factory: pytest.TempPathFactory, pack: LanguagePack) -> None:
    path = tmp_path_factory.mktemp("packs") / "new" / "sw.toml"
    pack.write(path)
    assert LanguagePack.read(path) == pack


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("documnets = 3", "documnets"),
        ("[maximum]\nlink_shares = 0.1", r"maximum\.link_shares"),
        ("[minimum]\nscript_share = 'high'", r"minimum\.script_share"),
        ("[minimum]\nscript_share = nan", r"minimum\.script_share"),
        ("documents = -1", "documents"),
        ("stop_words = ['na', 3]", r"stop_words\.1"),
        ("stop_words = ['na'", ""),
        ("\xff", ""),
    ],
)
def test_a_wrong_key_value_or_file_is_an_error_that_names_the_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "sw.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=rf"sw\.toml: {message}"):
        LanguagePack.read(path)


def test_what_a_person_leaves_out_is_as_loose_as_without_a_pack(tmp_path: Path) -> None:
    path = tmp_path / "sw.toml"
    path.write_text("[maximum]\nlink_share = 0.5\n", "utf-8")
    assert LanguagePack.read(path) == LanguagePack(maximum=Maxima(link_share=0.5))


@pytest.mark.parametrize(
    ("texts", "language"), [(CLEAN, "sw"), (CLEAN + DIRTY, "sw"), (DIRTY, "wo"), (CLEAN + DIRTY, "wo")]
)
def test_a_fitted_limit_never_leaves_its_range(texts: list[str], language: str) -> None:
    assert outside(fit_pack(texts, Identifier(language), "Latn", "", SHORT)) == {}


@pytest.mark.parametrize(
    ("texts", "again", "copies", "limit"),
    [
        (LEAST_DOCUMENTS - 1, 3, 5, 0.0),
        (LEAST_DOCUMENTS, 3, 5, 2 / 33),
        (LEAST_DOCUMENTS, 10, 5, 0.15),
        (LEAST_DOCUMENTS, 3, 3, 1 / 33),  # of 150 documents half of it
    ],
)
def test_the_limit_of_cohesion_is_its_first_percentile_where_enough_texts_are_long(
    texts: int, again: int, copies: int, limit: float
) -> None:
    """Ten sentences of three words of their own, of which `again` also name the text's own town."""
    draw = random.Random(0)

    def word() -> str:
        return "".join(draw.choice("bdfghjklmnprstvwyz") for _ in range(6))

    def text() -> str:
        town = f"z{word()}"  # not among the first hundred words, all of which stand in one text
        return " ".join(f"{word()} {word()} {word()} {town if n < again else ''}." for n in range(10))

    pack = fit_pack(
        [*(text() for _ in range(texts)), *CLEAN * copies],
        Identifier("sw"),
        "Latn",
        "mine",
        SHORT.model_copy(update={"maximum_characters": 500}),
    )
    assert pack.minimum.cohesion_share == pytest.approx(limit, abs=0.001)


def test_clean_text_gives_the_strictest_limits_and_dirty_text_the_loosest() -> None:
    clean = fit_pack(CLEAN * 5, Identifier("sw"), "Latn", "mine", SHORT)
    assert (clean.documents, clean.source) == (200, "mine")
    assert (clean.maximum.link_share, clean.maximum.menu_share, clean.minimum.stop_word_share) == (0.03, 0.15, 0.02)
    dirty = fit_pack([*CLEAN, *DIRTY] * 3, Identifier("sw"), "Latn", "", SHORT)
    assert (dirty.maximum.link_share, dirty.maximum.markup_share, dirty.maximum.symbol_share) == (0.10, 0.15, 0.30)
    assert dirty.minimum.language_score == 0.30


def test_of_few_documents_a_limit_goes_half_of_the_way_from_the_loosest() -> None:
    few, many = (fit_pack(texts, Identifier("sw"), "Latn", "", SHORT) for texts in (CLEAN, CLEAN * 5))
    for name, (_, loosest) in MAXIMA.items():
        half = (getattr(many.maximum, name) + loosest) / 2
        assert getattr(few.maximum, name) == pytest.approx(half, abs=0.001), name
    for name, (loosest, _) in MINIMA.items():
        half = (getattr(many.minimum, name) + loosest) / 2
        assert getattr(few.minimum, name) == pytest.approx(half, abs=0.001), name


@pytest.mark.parametrize("tag", ["sw", "bem"])
def test_a_fit_on_one_half_keeps_no_less_of_the_other_than_no_pack(tag: str) -> None:
    draw = random.Random(1)
    texts = [write_document(topic, draw) for topic in draw_topics("sw", 70, draw)]
    settings = CorpusSettings(minimum_characters=60)
    language = Language(tag=tag, name="x", script="Latn")

    def kept(pack: LanguagePack, texts: list[str]) -> int:
        one = DocumentFilter(language, settings, pack)
        found = (list(one.judge(Record("x", {"text": text}))) for text in texts)
        return sum(any(isinstance(outcome, Document) for outcome in outcomes) for outcomes in found)

    for own, other in ((texts[::2], texts[1::2]), (texts[1::2], texts[::2])):
        fitted = fit_pack(own, Identifier(tag), "Latn", "", settings)
        assert kept(fitted, other) >= kept(NO_PACK, other) > 30


def test_text_of_another_language_is_not_fitted_to_and_the_message_names_what_it_is_and_what_helps() -> None:
    with pytest.raises(InputError) as caught:
        fit_pack(CLEAN, Identifier("fi"), "Latn", "", SHORT)
    assert str(caught.value) == (
        "only 0 of 40 documents look like fi: the identifiers find sw in 40. Fit it from text of its own; or if that is what "
        'they call fi, put identified_as = ["sw"] into its entry of languages.toml'
    )
    assert fit_pack(CLEAN, Identifier("fi", identified_as=("sw",)), "Latn", "", SHORT).documents == 40
    with pytest.raises(InputError, match="only 0 of 40 documents look like wo: the identifiers find en in 40"):
        fit_pack(ENGLISH, Identifier("wo"), "Latn", "", SHORT)


def test_a_language_that_no_voter_knows_is_told_from_others_after_a_fit() -> None:
    texts = [invented(n) for n in range(60)]
    pack = fit_pack(texts[::2], Identifier("wo"), "Latn", "", SHORT)
    identifier = Identifier("wo", taught=pack.taught)

    def passing(found: list[str]) -> int:
        return sum(identifier.score(identifier.identify(one)) >= pack.minimum.language_score for one in found)

    assert identifier.knows
    assert (passing(texts[1::2]), passing(CLEAN), passing(ENGLISH)) == (30, 0, 0)


def test_a_language_that_the_voters_know_and_tell_is_not_taught() -> None:
    assert fit_pack(CLEAN, Identifier("sw"), "Latn", "", SHORT).taught is None


def test_what_would_lose_its_own_text_is_not_taught() -> None:
    """Every text in letters of its own: nothing that the others have helps."""
    texts = [" ".join([chr(0x1400 + n) * 5] * 10) for n in range(40)]
    assert fit_pack(texts, Identifier("iu"), "Cans", "", SHORT).taught is None


def test_of_a_taught_language_the_voter_that_was_taught_is_asked_alone() -> None:
    """lid.176 has the label of Sindhi, and Arabic stands in for it."""
    identifier = Identifier("sd", taught=TaughtLanguage(model_n_grams=7, relatives=(), n_grams=()))
    assert (identifier.voters, identifier.own, identifier.stand_ins, identifier.rivals) == (1, {"sd"}, set(), set())


def test_what_was_taught_to_another_model_is_an_error() -> None:
    taught = TaughtLanguage(model_n_grams=7, relatives=(("sw", 1),), n_grams=((1, 1),))
    with pytest.raises(InputError, match="taught to another version of py3langid: fit it anew"):
        Identifier("wo", taught=taught).check()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[maximum]\nlink_share = 7\n", "maximum.link_share: .*known: link_share"),
        ("[minimum]\nscript_share = -1\n", "minimum.script_share"),
        ("[maximum]\nlinks = 0.1\n", "maximum.links: .*known: link_share, markup_share"),
        ("words = 3\n", "words: .*known: documents, source, maximum, minimum"),
    ],
)
def test_a_limit_that_is_no_share_or_unknown_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "sw.toml"
    path.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=said):
        LanguagePack.read(path)


def test_a_limit_within_its_range_is_half_as_much_again_as_the_99th_percentile() -> None:
    texts = [f"{'abcdefgh'[n % 8] * 80} 1234567890" for n in range(200)]  # 10 digits of 90 visible characters
    assert fit_pack(texts, Identifier("wo"), "Latn", "", SHORT).maximum.digit_share == 0.167


def test_the_stop_words_are_the_words_of_most_documents() -> None:
    pack = fit_pack(CLEAN, Identifier("sw"), "Latn", "", SHORT)
    assert pack.stop_words[:3] == ("hadithi", "huru", "inaendelea")
    assert {"aaa", "bbb"} < set(pack.stop_words[-8:])
    assert " wa" in pack.profile[:10]


def test_a_pack_is_the_same_whatever_the_order_of_its_documents() -> None:
    assert fit_pack(CLEAN, Identifier("sw"), "Latn", "", SHORT) == fit_pack(
        CLEAN[::-1], Identifier("sw"), "Latn", "", SHORT
    )


def test_too_few_documents_are_an_input_error() -> None:
    few = [*CLEAN[: LEAST_DOCUMENTS - 1], "fupi", "x" * 500]
    with pytest.raises(
        InputError, match="29 documents of 20 to 200 characters are too few to fit sw from: give at least 30"
    ):
        fit_pack(few, Identifier("sw"), "Latn", "", SHORT)
    assert fit_pack(CLEAN[:LEAST_DOCUMENTS], Identifier("sw"), "Latn", "", SHORT).documents == 30


def test_a_pack_is_fitted_from_the_texts_of_records_and_says_whose_they_are() -> None:
    rows = [{"text": text, "source": "Kitabu", "licence": "CC0"} for text in CLEAN[:31]]
    rows += [{"text": CLEAN[0]}, {"text": None}, {"title": "x"}, {"text": "Watu wote \x00 wamezaliwa huru na sawa."}]
    records = [Reject("sw.jsonl:0", "not_json", "{"), *(Record("sw.jsonl:1", row) for row in rows)]
    pack = fit_from_records(records, Identifier("sw"), "Latn", SHORT)
    assert (pack.documents, pack.source) == (32, "31 of Kitabu (CC0), 1 of unnamed (unknown)")


def test_letter_triples_are_those_of_words_with_their_borders() -> None:
    assert list(letter_triples("Ya  ป่า")) == [" ya", "ya ", " ป่", "ป่า", "่า "]
    assert list(letter_triples(" \n")) == []
