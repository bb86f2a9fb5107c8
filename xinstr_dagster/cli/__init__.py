"""The command line `xinstr`: thin, over the same Dagster assets as the UI."""

from __future__ import annotations

import sys

from xinstr_dagster.cli.exit_codes import ExitCode


def main() -> None:
    """Run the command line. Ctrl-C while it is being loaded, which takes a second, ends it as it does later."""
    try:
        from xinstr_dagster.cli.program import run  # all else is imported from there: see above

        run()
    except (KeyboardInterrupt, Exception) as error:
        if not _is_interrupt(error):
            raise
        sys.exit(ExitCode.INTERRUPTED)


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an error is Ctrl-C, or what a library made of it that was being loaded."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
