"""The exit codes of `xinstr`, each with its meaning: what a script may rely on."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. USAGE is click's own number, INTERRUPTED is 128 and the number of SIGINT, as shells have it."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> ExitCode:
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning = meaning
        return code

    DONE = 0, "done"
    FAILED = 1, "not done, or not all of it: standard error says why"
    USAGE = 2, "no such command, or an option or value that it does not take"
    NOT_ACCEPTED = 3, "no row has a licence that was accepted: nothing was written"
    INTERRUPTED = 130, "interrupted with Ctrl-C"


ORDINARY = (ExitCode.DONE, ExitCode.FAILED, ExitCode.USAGE, ExitCode.INTERRUPTED)  # of what works in this process


def exit_codes_help(codes: Iterable[ExitCode]) -> str:
    """The codes as the last paragraph of a help text, a line each: typer prints an empty line as a new one."""
    return "\n\n".join(["Exit codes:", *(f"{code.value}: {code.meaning}" for code in codes)])
