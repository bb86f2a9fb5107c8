"""Ctrl-C is known of, even where what it raised was swallowed."""

import os
import signal
import sys
import threading
from contextlib import suppress
from types import ModuleType

import pytest

from xinstr_dagster.cli import main
from xinstr_dagster.interrupts import interrupts


def test_an_interrupt_is_known_of_although_what_it_raised_was_swallowed() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
    try:
        with interrupts() as interrupted:
            assert not interrupted()
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            assert interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_signal_is_no_interrupt() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with interrupts() as interrupted:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_thread_is_never_interrupted() -> None:
    found: list[bool] = []

    def ask() -> None:
        with interrupts() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [False]


def test_to_be_told_to_end_is_an_interrupt_too() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with interrupts() as interrupted:
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupted()
    finally:
        signal.signal(signal.SIGTERM, before)


def _loading(error: str) -> ModuleType:
    """A module that Ctrl-C reaches while it is being loaded."""

    class Loading(ModuleType):
        def __getattr__(self, name: str) -> object:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt:
                if error:
                    raise ImportError(error)  # noqa: B904  # as native modules have it
                raise

    return Loading("xinstr_dagster.cli.program")


@pytest.mark.parametrize("error", ["", "numpy could not be loaded"])
def test_ctrl_c_while_the_commands_are_loaded_is_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: str
) -> None:
    monkeypatch.setitem(sys.modules, "xinstr_dagster.cli.program", _loading(error))
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capfd.readouterr().err) == (130, "")


def test_the_command_line_loads_nothing_before_it_can_be_interrupted() -> None:
    import subprocess

    code = (
        "import sys, xinstr_dagster.cli; print([n for n in ('typer', 'polars', 'dagster', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
