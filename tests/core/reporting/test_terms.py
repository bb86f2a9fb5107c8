"""Rows are counted by what their licences ask for."""

from __future__ import annotations

from xinstr_core.licences import Condition
from xinstr_core.reporting.terms import Licences


def test_rows_are_counted_by_what_their_licences_ask_for() -> None:
    found = Licences({"CC-BY-4.0": 3, "CC-BY-NC-SA-4.0": 4, "CC-BY-ND-4.0": 5, "MIT": 1, "CC0-1.0": 7, "unknown": 2})
    assert found.total == 22
    assert found.asking(Condition.NAME_THE_AUTHOR) == {"CC-BY-4.0": 3, "CC-BY-NC-SA-4.0": 4, "CC-BY-ND-4.0": 5}
    assert found.asking(Condition.SAME_LICENCE) == {"CC-BY-NC-SA-4.0": 4}
    assert found.restricted == {"CC-BY-NC-SA-4.0": 4, "CC-BY-ND-4.0": 5}
    assert found.publishable == {"CC-BY-4.0": 3, "MIT": 1, "CC0-1.0": 7}
    assert found.unknown == {"unknown": 2}
