"""Ctrl-C is known of, even where what it raised was swallowed."""

import os
import signal
import threading
from contextlib import suppress

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
