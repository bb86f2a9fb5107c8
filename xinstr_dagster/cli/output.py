"""How the command line prints: the console, text from outside, and errors."""

from __future__ import annotations

from rich.console import Console

from xinstr_core.text import printable

console = Console()


def print_error(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    Console(stderr=True).print(f"[red]error:[/] {plain(message)}", soft_wrap=True, highlight=False)


def print_notice(message: str) -> None:
    """One line on standard error that is no error: what the user waits for."""
    Console(stderr=True).print(plain(message), soft_wrap=True, highlight=False)


def plain(text: str) -> str:
    """Text from outside, without console markup of its own."""
    from rich.markup import escape

    return escape(printable(" ".join(text.split())))
