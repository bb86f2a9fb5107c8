"""Licences by their names: one whatever its spelling, as the hub has it, with what it asks for."""

from __future__ import annotations

import pytest

from xinstr_core.licences import Condition, asked_for, conditions, hub_identifier, licence_link, plain_name


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("cc_by_sa  4.0 ", "cc-by-sa-4.0"),
        ("Apache-2.0", "apache-2.0"),
        (" ", "unknown"),
    ],
)
def test_spellings_of_a_licence_are_one(spelled: str, name: str) -> None:
    assert plain_name(spelled) == name


NAME, NOTICES, NC, ND, SAME = Condition


@pytest.mark.parametrize(
    ("licence", "identifier", "link", "asked"),
    [
        ("CC BY-SA 4.0", "cc-by-sa-4.0", "https://creativecommons.org/licenses/by-sa/4.0/", (NAME, SAME)),
        ("CC-BY-NC-ND-4.0", "cc-by-nc-nd-4.0", "https://creativecommons.org/licenses/by-nc-nd/4.0/", (NAME, NC, ND)),
        ("CC-BY", None, None, (NAME,)),
        ("CC0 1.0", "cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", ()),
        ("Apache-2.0", "apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", (NOTICES,)),
        ("MIT", "mit", "https://opensource.org/license/mit", (NOTICES,)),
        ("unknown", "unknown", None, None),
        ("other", None, None, None),
        ("All rights reserved", None, None, None),
    ],
)
def test_a_licence_is_known_by_its_name_or_not_at_all(
    licence: str, identifier: str | None, link: str | None, asked: tuple[Condition, ...] | None
) -> None:
    assert (hub_identifier(licence), licence_link(licence), conditions(licence)) == (identifier, link, asked)


@pytest.mark.parametrize(
    ("licence", "asked"),
    [
        ("cc-0", ()),
        ("CC Zero", ()),
        ("https://creativecommons.org/publicdomain/zero/1.0/", ()),
        ("Public Domain", ()),
        ("CC-BY-3.0-IGO", (NAME,)),
        ("https://creativecommons.org/licenses/by/4.0/", (NAME,)),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/deed.fi", (NAME, NC, SAME)),
        ("Creative Commons Attribution-NonCommercial 4.0 International", (NAME, NC)),
        ("CC_BY-SA 4.0", (NAME, SAME)),
        ("ODC-By-1.0", (NAME,)),
        ("GPL-3.0-only", (NOTICES, SAME)),
        ("GPL-3.0-or-later", (NOTICES, SAME)),
        ("GFDL", (NOTICES, SAME)),
        ("", None),
        ("cc-by-and-more", None),
        ("see LICENSE, MIT", None),
        ("https://example.org/licenses/by/4.0/", None),
    ],
)
def test_what_a_licence_asks_for_is_read_by_its_name_however_it_is_written(
    licence: str, asked: tuple[Condition, ...] | None
) -> None:
    assert conditions(licence) == asked


def test_what_is_asked_for_is_said_in_words() -> None:
    assert [asked_for(name) for name in ("CC-BY-NC-4.0", "CC0", "unknown")] == [
        "name the author, no commercial use",
        "nothing",
        "see its text",
    ]


def test_the_deed_of_a_licence_is_where_it_is_read() -> None:
    assert (
        licence_link("https://creativecommons.org/licenses/by/4.0/") == "https://creativecommons.org/licenses/by/4.0/"
    )
