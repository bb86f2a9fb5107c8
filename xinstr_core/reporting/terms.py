"""What the licences of rows allow, as far as their names tell: a reading aid for the verdict, and no legal advice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from xinstr_core.licences import plain_name


class Terms(StrEnum):
    """What whoever publishes rows under a licence has to do, as a sentence continues "rows are under licences that ..."."""

    FREE = "ask for nothing"
    ATTRIBUTION = "ask to name who made the text"
    SHARE_ALIKE = "ask to name who made the text and to publish under the same licence"
    NOT_COMMERCIAL = "forbid commercial use"
    NO_DERIVATIVES = "forbid to publish changed or combined texts"
    UNKNOWN = "are not known here"


# Of a name as `_family` has it; the first that fits counts, so what restricts stands before what allows.
_READ_AS: tuple[tuple[str, Terms], ...] = (
    (r"cc-by(-nc)?(-sa)?-nd", Terms.NO_DERIVATIVES),
    (r"cc-by-nc(-sa)?", Terms.NOT_COMMERCIAL),
    (r"cc-by-sa|odbl|gfdl|fdl|gpl|agpl|lgpl", Terms.SHARE_ALIKE),
    (r"cc-by|odc-by|cdla-permissive|apache|mit|bsd-[23]-clause|ogl|ogl-uk|etalab|afl|isc", Terms.ATTRIBUTION),
    (r"cc0|pddl|unlicense|public-domain|pd|wtfpl|0bsd", Terms.FREE),
)
PUBLISHABLE = (Terms.FREE, Terms.ATTRIBUTION, Terms.SHARE_ALIKE)


def terms(licence: str) -> Terms:
    """What a licence asks for, by its name: SPDX identifiers and how people write them, with or without a version."""
    name = _family(licence)
    return next((found for pattern, found in _READ_AS if re.fullmatch(pattern, name)), Terms.UNKNOWN)


def _family(licence: str) -> str:
    """CC BY-SA 4.0 and CC_BY_SA are cc-by-sa; ported and "only" versions are what they are versions of."""
    name = plain_name(licence).replace("creativecommons", "cc").replace("cc-0", "cc0")
    return re.sub(r"-v?\d+(\.\d+)*(-[a-z]{2,3})?(-only|-or-later)?$", "", name)


@dataclass(frozen=True)
class Licences:
    """Rows by licence."""

    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def under(self, *wanted: Terms) -> dict[str, int]:
        """Rows of licences with these terms, by licence."""
        return {licence: count for licence, count in self.rows.items() if terms(licence) in wanted}
