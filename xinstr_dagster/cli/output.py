"""How the command line prints: the console, text from outside, and errors."""

from __future__ import annotations

import json
import sys

from rich.console import Console

from xinstr_core.text import printable

console = Console()
_for_programs = False


def tell_programs() -> None:
    """From now on whoever reads standard error reads JSON."""
    global _for_programs
    _for_programs = True


def print_error(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    if _for_programs:
        print(json.dumps({"error": printable(message)}, ensure_ascii=False), file=sys.stderr, flush=True)
    else:
        _print_apart(f"[red]error:[/] {plain(message)}")


def print_notice(message: str) -> None:
    """One line on standard error that is no error: what the user waits for."""
    _print_apart(plain(message))


def _print_apart(line: str) -> None:
    """On standard error, whatever stands for that: over a line that is being redrawn it is printed above."""
    apart = Console(stderr=True)
    with apart.capture() as captured:
        apart.print(line, soft_wrap=True, highlight=False)
    sys.stderr.write(captured.get())
    sys.stderr.flush()


def plain(text: str) -> str:
    """Text from outside, without console markup of its own."""
    from rich.markup import escape

    return escape(printable(" ".join(text.split())))
