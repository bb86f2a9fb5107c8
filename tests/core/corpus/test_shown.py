"""What tables show of refused text: excerpts that name nobody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus.personal_data import personal_data, shown

PARTS = [
    *"a1٣@＠ \u00a0\u200b.-+",
    "b.cc",
    "(at)",
    "&#64;",
    "(dot)",
    "0712 345 678",
    "\\n",
    "\\u0040",
    "\\ud800",
    "&#48;",
]


@pytest.mark.parametrize(
    ("excerpt", "seen"),
    [
        ('["Piga 0712 345 678"]', '["Piga #### ### ###"]'),
        ('{"text": "Simu\\n0712 345 678", "email": "juma@example.tz"', '{"text": "Simu #### ### ###", "email": #'),
        ('{"text": "\\u0e50\\u0e52-\\u0e55\\u0e55\\u0e55-\\u0e50\\u0e51\\u0e54\\u0e52"', '{"text": "##-###-####"'),
        ("{'text': '\\ud83d 0712\\xa0345\\xa0678'}", "{'text': '  #### ### ###'}"),
        ("<a>juma&#64;example.tz</a>", "#"),
        ('{"text": "1948\\n10-12-1948"', '{"text": "1948\\n10-12-1948"'),
        ("Kadi 4111 1111 1111 1111", "Kadi #### #### #### ####"),
        ("", ""),
    ],
)
def test_what_a_table_shows_of_a_reject_names_nobody_whatever_its_escapes(excerpt: str, seen: str) -> None:
    assert shown(excerpt, 200) == seen


@pytest.mark.parametrize(
    ("end", "seen"),
    [("0712 34", "#### ##"), ("juma.hamisi@exa", "#"), ("(+255 71", "(+### ##"), ("1948", "1948")],
)
def test_what_may_be_cut_off_a_number_or_an_address_is_masked_too(end: str, seen: str) -> None:
    excerpt = f"Habari {end}"
    assert shown(excerpt, len(excerpt)) == f"Habari {seen}"
    assert shown(excerpt, len(excerpt) + 1) == excerpt


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_nothing_is_left_to_find_in_what_is_shown(text: str) -> None:
    assert personal_data(shown(text, len(text) + 1)) is None
