"""What licences ask for, by the names that records give them."""

from __future__ import annotations

import pytest

from xinstr_core.reporting.terms import Licences, Terms, terms


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC0-1.0", Terms.FREE),
        ("cc-0", Terms.FREE),
        ("Public Domain", Terms.FREE),
        ("CC-BY-4.0", Terms.ATTRIBUTION),
        ("CC BY 4.0", Terms.ATTRIBUTION),
        ("cc-by", Terms.ATTRIBUTION),
        ("CC-BY-3.0-IGO", Terms.ATTRIBUTION),
        ("Apache-2.0", Terms.ATTRIBUTION),
        ("MIT", Terms.ATTRIBUTION),
        ("ODC-By-1.0", Terms.ATTRIBUTION),
        ("CC_BY-SA 4.0", Terms.SHARE_ALIKE),
        ("GPL-3.0-only", Terms.SHARE_ALIKE),
        ("GPL-3.0-or-later", Terms.SHARE_ALIKE),
        ("CC-BY-NC-4.0", Terms.NOT_COMMERCIAL),
        ("cc-by-nc-sa-4.0", Terms.NOT_COMMERCIAL),
        ("CC-BY-ND-4.0", Terms.NO_DERIVATIVES),
        ("CC-BY-NC-ND-4.0", Terms.NO_DERIVATIVES),
        ("unknown", Terms.UNKNOWN),
        ("", Terms.UNKNOWN),
        ("all rights reserved", Terms.UNKNOWN),
        ("cc-by-and-more", Terms.UNKNOWN),
        ("see LICENSE, MIT", Terms.UNKNOWN),
    ],
)
def test_a_licence_is_read_by_its_name(licence: str, expected: Terms) -> None:
    assert terms(licence) is expected


def test_rows_are_counted_by_what_their_licences_ask_for() -> None:
    found = Licences({"CC-BY-4.0": 3, "MIT": 1, "unknown": 2})
    assert found.total == 6
    assert found.under(Terms.ATTRIBUTION) == {"CC-BY-4.0": 3, "MIT": 1}
    assert found.under(Terms.NOT_COMMERCIAL, Terms.FREE) == {}
