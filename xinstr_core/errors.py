"""Errors that tell the user what to do. The command line prints them in one line, without a traceback."""

from __future__ import annotations


class XinstrError(Exception):
    """Something the user can mend: the message says what and how."""


class SettingsError(XinstrError):
    """A setting, preset or registry entry that does not exist or has an impossible value."""


class InputError(XinstrError):
    """A corpus, seed file or model that cannot be used as it is."""


class StageError(XinstrError):
    """A stage that would go on with garbage: the message carries the numbers."""


class BudgetError(StageError):
    """The money that a build may spend is spent: what it has done is kept."""
