from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus.personal_data import personal_data
from xinstr_core.corpus.spans import cut_around

LONG = "Haki za binadamu ni za watu wote, bila kujali rangi, dini, jinsia, lugha, siasa au mali waliyo nayo."
PROSE = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."
PHONE = "Piga simu 0712 345 678."


def parts(text: str) -> tuple[list[str], list[str]]:
    around = cut_around(text)
    return [text[start:end] for start, end in around.stretches], [kind for kind, _ in around.found]


@pytest.mark.parametrize(
    ("text", "left", "kinds"),
    [
        (LONG, [LONG], []),
        (f"{LONG}\n0712 345 678", [LONG], ["phone"]),
        (f"0712 345 678\n{LONG}", [LONG], ["phone"]),
        (f"{LONG}\na@b.tz\n{LONG}", [LONG, LONG], ["email"]),
        (f"{LONG}\nJuma\n0712 345 678\nDodoma\n{LONG}", [LONG, LONG], ["phone"]),
        (f"{LONG}\nA\nB\nC\n0712 345 678\nD\nE\nF", [f"{LONG}\nA", "F"], ["phone"]),
        (f"{LONG}\nJuma\n\n0712 345 678\n\nDodoma{' ' * 80}", [f"{LONG}\nJuma", "Dodoma"], ["phone"]),
        (f"0712 345 678\n{LONG}\na@b.tz", [LONG], ["phone", "email"]),
        ("0712 345 678", [], ["phone"]),
        (" \n\n", [], []),
    ],
)
def test_a_text_is_cut_around_lines_with_personal_data_and_the_short_ones_beside_them(
    text: str, left: list[str], kinds: list[str]
) -> None:
    assert parts(text) == (left, kinds)


@pytest.mark.parametrize("border", ["\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b"])
def test_whatever_ends_a_line_is_its_end(border: str) -> None:
    text = border.join([LONG, "Juma", "0712 345 678", "", "Dodoma", LONG])
    assert parts(text) == ([LONG, f"Dodoma{border}{LONG}"], ["phone"])


@pytest.mark.parametrize(
    ("text", "left", "kinds"),
    [
        (f"{LONG} {PHONE} {LONG}", [LONG, LONG], ["phone"]),
        (f"{LONG} {PHONE}", [LONG], ["phone"]),
        (f"{LONG} {PHONE} {LONG} Andika kwa a@b.tz!", [LONG, LONG], ["phone", "email"]),
        (f"{LONG} Juma Ali. Mkuu wa shule. {PHONE} Karibu. {LONG}", [LONG, LONG], ["phone"]),
        (f"{LONG} A kwanza. B pili. C tatu. {PHONE} {LONG}", [f"{LONG} A kwanza.", LONG], ["phone"]),
        (f"{LONG} {PHONE} {PROSE} {LONG}", [LONG, f"{PROSE} {LONG}"], ["phone"]),
        (f"{LONG} {PHONE}\n{LONG}", [LONG, LONG], ["phone"]),
        (f"{LONG[:-1]} na namba 0712 345 678 bila kikomo. {LONG}", [LONG], ["phone"]),
        (f"{LONG[:-1]} na namba 0712 345 678 bila kikomo", [], ["phone"]),
    ],
)
def test_a_long_line_is_cut_around_its_sentences_with_personal_data_and_the_short_ones_beside_them(
    text: str, left: list[str], kinds: list[str]
) -> None:
    assert parts(text) == (left, kinds)


def test_a_line_of_thai_is_cut_at_its_spaces() -> None:
    clause = "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิต่างมีเหตุผลและมโนธรรมควรปฏิบัติต่อกัน"
    assert parts(f"{clause} {clause} โทร 02 281 0859 ครับ {clause}") == ([f"{clause} {clause}", clause], ["phone"])


def test_a_datum_that_lies_across_sentences_takes_the_line() -> None:
    """The number alone is ten digits; the word for telephone that makes it one stands in the sentence before."""
    line = f"{LONG} Ring oss på telefon! Nr 5551234567"
    assert personal_data("Nr 5551234567") is None
    assert parts(f"{LONG}\n{line}\n{LONG}") == ([LONG, LONG], ["phone"])


PIECES = [
    LONG,
    "Juma",
    "",
    " ",
    "0712 345 678",
    "a@b.tz",
    "Dodoma \r",
    f"{LONG} {PHONE} {LONG}",
    "telefon! Nr 5551234567",
]


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["\n", " ", ". ", "\u2028"]))
def test_stretches_are_in_order_apart_and_without_personal_data(pieces: list[str], border: str) -> None:
    text = border.join(pieces)
    around = cut_around(text)
    assert bool(around.found) == (personal_data(text) is not None)
    assert all(personal_data(text[start:end]) is None and text[start:end].strip() for start, end in around.stretches)
    assert all(personal_data(text[slice(*place)]) == kind for kind, place in around.found)
    for places in (around.stretches, [place for _, place in around.found]):
        flat = [end for place in places for end in place]
        assert flat == sorted(flat)


@pytest.mark.parametrize("unit", ["0712 345 678\n", "0712 345 678. ", "a@b.tz ", "ก ", ". ", "\n", f"{LONG} {PHONE} "])
def test_a_long_text_takes_no_long_time(unit: str) -> None:
    text = unit * (200_000 // len(unit)) + " 0712 345 678"
    started = time.process_time()
    cut_around(text)
    assert time.process_time() - started < 2
