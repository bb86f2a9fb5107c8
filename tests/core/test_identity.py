from __future__ import annotations

import unicodedata
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.identity import (
    KEY_LENGTH,
    content_key,
    document_key,
    file_hash,
    files_hash,
    fingerprint,
    normalised,
    pair_key,
)


def test_keys_are_pinned_because_stored_tables_hold_them() -> None:
    assert content_key("ab", "c") == "430fb1b4ac43316eca81"
    assert document_key("th", "ป่า") == "03c156320da2e8564b54"
    assert pair_key("d", "v", "k") == "5a614be8d36d2604c48e"
    assert fingerprint({"b": 1, "a": ["é", None]}) == "6b940ff97b8f64e75080"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("ab", "c"), ("a", "bc")),
        (("ab",), ("ab", "")),
        ((), ("",)),
        (("a", "b"), ("b", "a")),
        (("1:a",), ("a",)),
        (("a1:b",), ("a", "b")),
    ],
)
def test_a_content_key_knows_where_each_part_ends(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert content_key(*left) != content_key(*right)


def test_a_content_key_counts_bytes_not_characters() -> None:
    assert content_key("é1:x") != content_key("é", "x")


@pytest.mark.parametrize("part", ["", "\x00", "\ud800", "\U0010ffff", "<|endoftext|>", "x" * 1_000_000])
def test_a_content_key_of_a_hostile_part_has_its_length(part: str) -> None:
    key = content_key(part)
    assert len(key) == KEY_LENGTH == 20
    assert set(key) <= set("0123456789abcdef")


def test_different_lone_surrogates_have_different_keys() -> None:
    assert content_key("\ud800") != content_key("\udfff") != content_key("?")


def test_normalised_is_lower_case_with_single_spaces() -> None:
    assert normalised("  Grüße\taus\u00a0KÖLN \r\n\n und\u3000Ulm ") == "grüsse aus köln und ulm"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("ปา ป่า ป้า ป๊า ป๋า", id="Thai tone marks"),
        pytest.param("กน กิน กัน กุน กี่น", id="Thai vowel marks"),
        pytest.param("ma má mà mả mã mạ mâ mă", id="Vietnamese tones"),
        pytest.param("क कि की कु कू के कै क्", id="Devanagari matras"),
        pytest.param("ক কি কী ড ড়", id="Bengali matras and nukta"),
        pytest.param("க கி கீ கு க்", id="Tamil"),
        pytest.param("علم عَلَم عِلم", id="Urdu short vowels"),
        pytest.param("öljy oljy", id="Finnish umlaut"),
    ],
)
def test_marks_that_are_letters_survive_normalisation(words: str) -> None:
    for left, right in combinations(words.split(), 2):
        assert normalised(left) != normalised(right)
        assert document_key("xx", left) != document_key("xx", right)


def test_joiners_that_change_the_spelling_survive_normalisation() -> None:
    assert normalised("ক্\u200dষ") != normalised("ক্ষ")
    assert normalised("می\u200cخواهم") != normalised("میخواهم")


@pytest.mark.parametrize(
    "text",
    [
        "Vi\u1ec7t Nam",
        "\u00d6sterreich",
        pytest.param("\u09dc\u09be\u09b2", id="Bengali rra, which NFC itself decomposes"),
        pytest.param("\u0958\u0932\u092e", id="Devanagari qa, which NFC itself decomposes"),
        "\uac00\ub098\ub2e4",
        "\u03ac\u03bb\u03c6\u03b1",
        "\u0622",
    ],
)
def test_composed_and_decomposed_texts_have_one_document_key(text: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert decomposed != text
    assert document_key("xx", composed) == document_key("xx", decomposed) == document_key("xx", text)


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_canonically_equal_texts_always_have_one_document_key(text: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert document_key("xx", composed) == document_key("xx", decomposed) == document_key("xx", text)


def test_case_and_spacing_do_not_enter_a_document_key_but_the_language_does() -> None:
    assert document_key("sw", "Habari ya\n\nasubuhi") == document_key("sw", " habari YA asubuhi ")
    assert document_key("sw", "habari") != document_key("id", "habari")


def test_every_argument_of_a_pair_key_matters() -> None:
    arguments = [("d", "v", "k"), ("e", "v", "k"), ("d", "w", "k"), ("d", "v", "l")]
    assert len({pair_key(*a) for a in arguments}) == 4


def test_a_fingerprint_does_not_depend_on_key_order_at_any_depth() -> None:
    assert fingerprint({"a": 1, "b": {"x": 1, "y": 2}}) == fingerprint({"b": {"y": 2, "x": 1}, "a": 1})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.5}),
        ({"a": None}, {}),
        ({"a": None}, {"a": "null"}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": 'x","b":"y'}, {"a": "x", "b": "y"}),
    ],
)
def test_different_parts_have_different_fingerprints(left: dict[str, object], right: dict[str, object]) -> None:
    assert fingerprint(left) != fingerprint(right)


def test_a_fingerprint_of_something_that_is_not_json_is_an_error() -> None:
    with pytest.raises(TypeError):
        fingerprint({"path": Path("x")})


def test_a_file_hash_is_the_beginning_of_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_hash(tmp_path / "empty") == "e3b0c44298fc1c149afb"
    assert file_hash(tmp_path / "abc") == "ba7816bf8f01cfea4141"


def test_a_hash_of_files_depends_on_names_and_contents_but_not_on_their_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    before = files_hash(tmp_path, ["a", "b"])
    assert files_hash(tmp_path, ["b", "a"]) == before
    assert files_hash(tmp_path, ["a"]) != before
    (tmp_path / "a").write_bytes(b"2")
    (tmp_path / "b").write_bytes(b"1")
    assert files_hash(tmp_path, ["a", "b"]) != before
