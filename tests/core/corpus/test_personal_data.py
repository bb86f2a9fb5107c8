from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus.personal_data import masked, personal_data

CARDS = ("4111 1111 1111 1111", "4111111111111111", "5500-0000-0000-0004", "3782 822463 10005", "2221 0000 0000 0009")


@pytest.mark.parametrize(
    "text",
    [
        "juma.ali+kazi@mfano.co.tz",
        "Juma@Example.COM",
        "อีเมล์somchai@example.in.th",
        "رابطہ: ali_khan@example.pk۔",
        "jäsen@yhdistys.fi",
        "<a@b-c.museum>",
    ],
)
def test_an_e_mail_address_is_found(text: str) -> None:
    assert personal_data(text) == "email"
    assert personal_data(f"Tuma barua kwa {text}, tafadhali.") == "email"


@pytest.mark.parametrize(
    "text",
    [
        "@juma",
        "saa 4 @ Nairobi",
        "juma@localhost",
        "5kg@12.50",
        "3 @1.50",
        "@media.print{a}",
        "a@@b.c",
    ],
)
def test_other_uses_of_the_at_sign_are_no_e_mail_addresses(text: str) -> None:
    assert personal_data(f"Bei {text} hapa.") is None


@pytest.mark.parametrize(
    "text",
    [
        "+255 712 345 678",
        "+255712345678",
        "0712 345 678",
        "0712345678",
        "+358 40 123 4567",
        "040 1234567",
        "09 1234 5678",
        "+62 (21) 555 1234",
        "(021) 555-1234",
        "0812-3456-7890",
        "+66 2 123 4567",
        "+84.90.123.45.67",
        "0532 123 45 67",
        "+91-98765-43210",
        "0300-1234567",
        "01712-345678",
        "০১৭১২-৩৪৫৬৭৮",
        "+९७७ ९८४१ २३४५६७",
        "٠٣٠٠ ١٢٣٤ ٥٦٧",
    ],
)
def test_a_telephone_number_is_found(text: str) -> None:
    assert personal_data(text) == "phone"
    assert personal_data(f"Piga simu ({text}), au njoo.") == "phone"


@pytest.mark.parametrize("number", CARDS)
def test_a_card_number_is_found(number: str) -> None:
    assert personal_data(f"Kadi {number}.") == "card"


@pytest.mark.parametrize("number", CARDS)
def test_a_card_number_with_another_last_digit_is_none(number: str) -> None:
    changed = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert personal_data(f"Kadi {changed}.") is None


@pytest.mark.parametrize(
    "text",
    [
        "Msimu wa 2019-2020 2020-2021",
        "พ.ศ. 2561-2562-2563-2566",
        "EAN 5449000000996",
        "EAN-13: 5449000000996",
        "barcode 5449000000996",
        "4111-1111 1111-1111",
    ],
)
def test_years_and_numbers_of_goods_are_no_cards(text: str) -> None:
    assert personal_data(text) is None


def test_a_card_number_in_devanagari_digits_is_found() -> None:
    assert personal_data("कार्ड ४१११ ११११ ११११ ११११") == "card"


@pytest.mark.parametrize("text", ["41.59.200.10", "197.250.9.1", "2a00:1450:4001:0829:0000:0000:0000:200e"])
def test_a_public_network_address_is_found(text: str) -> None:
    assert personal_data(f"Seva {text} imezimwa.") == "network_address"


@pytest.mark.parametrize(
    "text",
    [
        "192.168.0.1",
        "192.168.100.200",
        "10.120.30.40",
        "172.16.254.1",
        "127.0.0.1",
        "169.254.100.1",
        "192.0.2.146",
        "255.255.255.255",
        "999.999.999.999",
        "1.41.59.200.10",
        "fe80:0000:0000:0000:0202:b3ff:fe1e:8329",
        "12:30:45",
    ],
)
def test_private_reserved_and_impossible_network_addresses_are_nobodys(text: str) -> None:
    assert personal_data(f"Mwaka 2020 seva {text} ilizimwa.") is None


@pytest.mark.parametrize(
    "text",
    [
        "1984, 1990-1995 na 2001-2002-2003",
        "Rp 1.250.000, $1,000,000, 100 000 000",
        "0,25 0,50 0,75",
        "0.0000000001",
        "ISBN 0306406152",
        "ISBN-10: 0306406152",
        "ISBN 978-0-306-40615-7",
        "9780306406157 9780306406164 9780306406171 9780306406188 9780306406195",
        "9783161484100 9791234567896",
        "ISSN 0317-8471",
        "sura ya 3.2.1.4",
        "toleo 10.15.7.1",
        "tarehe 05-12-2020, 05/12/2020, 05.12.2020, 05 12 2020",
        "2020-10-22 08:15:30",
        "०५-१२-२०२० को",
        "1602547200000",
        "20201022153000 20201022153001 20201022153002 20201022153003 20201022153004 20201022153005",
        "kurasa 01 02 03 04 05 06",
        "001 002 003 004",
        "00 000 000",
        "0000 0000 0000 0000",
        "Mwanzo 1:1-31; 2:1-25",
        "7-0, 21-14, 03-04-05",
        "พ.ศ. ๒๕๖๓",
    ],
)
def test_years_prices_dates_book_and_chapter_numbers_are_no_personal_data(text: str) -> None:
    assert personal_data(text) is None
    assert personal_data(f"Mwaka wa 2020 ({text}).") is None


def test_a_column_of_numbers_is_no_telephone_number() -> None:
    assert personal_data("0123\n4567\n8901\n") is None
    assert personal_data("+15\n000\n250") is None


@pytest.mark.parametrize("text", ["", " \n", "Watu wote wamezaliwa huru.", "มนุษย์ทั้งหลาย", "1", "@"])
def test_text_without_such_data_has_none(text: str) -> None:
    assert personal_data(text) is None


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.text(st.sampled_from("0149+-. ()@:af\n٣०๙²ก\u0301\ud800"), max_size=60))
def test_any_text_is_judged(text: str) -> None:
    assert personal_data(text) in (None, "email", "card", "phone", "network_address")


@pytest.mark.parametrize(
    "unit",
    ["a", "0", "1", "٣", "a at b", " at a dot ", "0 - ", "( 0 ) ", "9-", "08.00 ", "123-4-", "tel", "a @ ", "a @ b . c ", "&commat;", "\\u0030", "+", "+1", "+1 ", "(0", "0 ", "1 ", "12 ", "01-", "1-", "0000-", "1.", "1.1.1.1", "a.", "a@", "@",
     "f:", "1:", "::", "::1 ", "-", " ", "(at)", " (at) ", "a (at) ", "a@b.", "&#64;", "tel ", "tel 1", "โทร", "ISBN ", "\n",
     "0712 345 678\n"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "@", "\n12@"])
@pytest.mark.parametrize("function", [personal_data, masked])
def test_a_long_run_takes_no_long_time(function: Callable[[str], object], unit: str, end: str) -> None:
    text = unit * (200_000 // len(unit)) + end
    started = time.process_time()
    function(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", ["a", "a" * 64])
def test_a_domain_of_many_numbers_takes_no_long_time(name: str) -> None:
    started = time.process_time()
    assert personal_data(f"{name}@1" + ".12" * 60_000) is None
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["088-888-8888", "02 222 2222", "0888888888", "099-999-9999"])
def test_a_number_that_somebody_masked_is_nobodys(text: str) -> None:
    assert personal_data(f"โทร. {text} ค่ะ") is None


@pytest.mark.parametrize("text", ["088-888-8889", "02 222 2223", "0888888881", "+66 88 888 8888"])
def test_a_number_with_another_digit_is_somebodys(text: str) -> None:
    assert personal_data(f"โทร. {text} ค่ะ") == "phone"


def test_a_book_number_is_one_in_its_own_line_alone() -> None:
    assert personal_data("ISBN: 0306406152") is None
    assert personal_data("ISBN-10: 0306406152") is None
    assert personal_data("ISBN:\n0306406152") == "phone"


def test_what_is_shown_of_a_line_names_nobody() -> None:
    assert masked("Juma: juma.ali@mfano.co.tz, 0712 345 678") == "Juma: # #### ### ###"
    assert masked("Simu: ٠٧١٢ ٣٤٥ ٦٧٨") == "Simu: #### ### ###"
    assert masked("1juma@mfano.tz, juma [at] mfano.tz, juma\u00a0(at)\u00a0mfano.tz, juma＠mfano.tz") == "# # # #"


PARTS = [*"a1٣@＠ \u00a0\u200b.-+\n", "b.cc", "(at)", "[AT]", "&#64;", "(dot)", "::", "0712 345 678"]


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_nothing_is_left_to_find_in_a_masked_text(text: str) -> None:
    assert personal_data(masked(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "โทร. 0 2273 9020", "โทรศัพท์ 0-2123-4567", "042-35761234", "(042) 35761234", "۰۴۲-۳۵۷۶۱۲۳۴", "०२२-२७८९४५६१",
        "(021) 3456789", "(022) 2113456", "0 (212) 345 67 89", "0(212)3456789", "024.3942.1234", "0912.345.678",
        "081234567890", "09-1234567", "09 1234567", "00255 22 211 3456", "00358401234567", "+255–22–211–3456",
        "＋２５５ ２２ ２１１ ３４５６", "+255\u200b22\u200b2113456", "+255 22 2113456/7", "+ 255 22 211 3456",
        "(202) 555-0143", "WhatsApp 255712345678", "https://wa.me/255712345678", "فون نمبر 27765774", "Tel: 3456789",
        "फ़ोन 27894561", "Điện thoại: 39421234",
    ],
)  # fmt: skip
def test_telephone_numbers_are_found_as_they_are_written_in_many_countries(text: str) -> None:
    assert personal_data(f"Habari: {text}, karibu.") == "phone"


@pytest.mark.parametrize(
    "text",
    [
        "01.02.2024 12:30", "01-02-2024 10 00", "3.5.2023 14.30", "0.125.000", "1.000.000.000", "2019-2020", "0-0 na 2-1",
        "0.5-0.75", "00:00:00", "1948 1998 2003", "010203", "0:1:2", "1::2 1", "12:30::", "Na. 0712/345/2020",
        "Telefoni milioni 25", "Telegram 2024", "hotline 1669",
    ],
)  # fmt: skip
def test_dates_sums_scores_and_times_are_no_telephone_numbers(text: str) -> None:
    assert personal_data(f"Habari: {text}, karibu.") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("nimi.suku(at)yritys.fi", "email"),
        ("nimi [at] yritys [dot] fi", "email"),
        ("name＠host.tz", "email"),
        ("name\u200b@host.tz", "email"),
        ("name&#64;host.tz", "email"),
        ("4111.1111.1111.1111", "card"),
        ("4111\u00a01111\u00a01111\u00a01111", "card"),
        ("2a02:26f7:b5c0::1", "network_address"),
    ],
)
def test_other_spellings_of_the_same_data_are_found(text: str, kind: str) -> None:
    assert personal_data(f"Habari: {text} hapa.") == kind
