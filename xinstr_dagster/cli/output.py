"""How the command line prints: the console, text from outside, and errors."""

from __future__ import annotations

from rich.console import Console

from xinstr_core.text import printable

console = Console()


def print_error(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    Console(stderr=True).print(f"[red]error:[/] {plain(message)}", soft_wrap=True, highlight=False)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plain(text: str) -> str:
    """Text from outside, without console markup of its own."""
    from rich.markup import escape

    return escape(printable(" ".join(text.split())))
