"""Licences by their names: one whatever its spelling, as the hub has it, with what it asks for."""

from __future__ import annotations

import pytest

from xinstr_core.licences import conditions, hub_identifier, licence_link, plain_name


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


@pytest.mark.parametrize(
    ("licence", "identifier", "link", "asks"),
    [
        ("CC BY-SA 4.0", "cc-by-sa-4.0", "https://creativecommons.org/licenses/by-sa/4.0/", ("name the author", "adaptations under the same licence")),
        ("CC-BY-NC-ND-4.0", "cc-by-nc-nd-4.0", "https://creativecommons.org/licenses/by-nc-nd/4.0/", ("name the author", "no commercial use", "no adaptations")),
        ("CC-BY", None, None, ("name the author",)),
        ("CC0 1.0", "cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", ("nothing",)),
        ("MIT", "mit", None, ()),
        ("unknown", "unknown", None, ()),
        ("other", None, None, ()),
        ("All rights reserved", None, None, ()),
    ],
)  # fmt: skip
def test_a_licence_is_known_by_its_name_or_not_at_all(
    licence: str, identifier: str | None, link: str | None, asks: tuple[str, ...]
) -> None:
    assert (hub_identifier(licence), licence_link(licence), conditions(licence)) == (identifier, link, asks)
