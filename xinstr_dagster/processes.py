"""Build several languages at once, each in a process of its own: one that dies costs its own language alone.

Two languages with a thread each are sooner done than one after the other with two threads: a tiny model's matrices are
too small to share well (docs/decisions/0003).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import dagster as dg

from xinstr_core.disk import full_disk_told
from xinstr_core.engines.budget import Budget
from xinstr_core.errors import XinstrError
from xinstr_core.parallel import THREADS, cores, end_with_parent
from xinstr_core.progress import Event, Listener
from xinstr_dagster.build import BuildRequest, Outcome, build
from xinstr_dagster.execution import listeners, shared_budgets
from xinstr_dagster.instance import open_instance


def build_each(
    home: Path, request: BuildRequest, tags: Sequence[str], jobs: int, listen: Listener
) -> Iterator[Outcome]:
    """Build every language: the outcomes, as they end. At most `jobs` are built at a time. They have one budget."""
    budgets = [Budget(request.budget)] if request.budget else []
    if min(jobs, len(tags)) == 1:
        yield from _one_after_the_other(home, request, tags, listen, budgets)
    elif tags:
        yield from _at_once(home, request, tags, min(jobs, len(tags)), listen, budgets)


def _one_after_the_other(
    home: Path, request: BuildRequest, tags: Sequence[str], listen: Listener, budgets: list[Budget]
) -> Iterator[Outcome]:
    listeners.append(listen)
    shared_budgets.extend(budgets)
    try:
        with open_instance() as instance:
            for tag in tags:
                yield _outcome(instance, home, request, tag)
    finally:
        listeners.remove(listen)
        shared_budgets.clear()


def _at_once(
    home: Path, request: BuildRequest, tags: Sequence[str], jobs: int, listen: Listener, budgets: list[Budget]
) -> Iterator[Outcome]:
    os.environ.setdefault(THREADS, str(max(1, cores() // jobs)))
    waiting = list(tags)
    running: dict[Connection, tuple[str, SpawnProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                tag = waiting.pop(0)
                receiver, process = _start(home, request, tag, budgets)
                running[receiver] = tag, process
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                tag, process = running[connection]
                try:
                    message = connection.recv()
                except EOFError:
                    process.join()
                    listen(Event("", tag, 0.0, ended="failed"))
                    message = Outcome(tag, up_to_date=False, error=_last_words(process.exitcode))
                if isinstance(message, Outcome):
                    del running[connection]
                    process.join()
                    yield message
                else:
                    listen(message)
    finally:  # Ctrl-C, or a reader that left: what is unfinished goes on where it was when it is started again
        for _, process in running.values():
            process.kill()  # Dagster turns SIGTERM into an exception, which a callback may swallow or print
            process.join()


def _start(home: Path, request: BuildRequest, tag: str, budgets: list[Budget]) -> tuple[Connection, SpawnProcess]:
    """A process that builds one language, and where it tells of its progress. Ctrl-C is for its parent alone."""
    receiver, sender = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_work, args=(sender, home, request, tag, budgets))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    sender.close()  # the child's copy is now the only one: its end is seen here
    return receiver, process


def _last_words(exit_code: int | None) -> str:
    killed = exit_code == -signal.SIGKILL
    return f"its process ended with {exit_code}: " + ("was memory short?" if killed else "see what it printed")


def _work(sender: Connection, home: Path, request: BuildRequest, tag: str, budgets: list[Budget]) -> None:
    os.setsid()  # no longer of the terminal's group: Dagster would turn its Ctrl-C into tracebacks
    end_with_parent()  # a killed command line leaves nothing behind that holds a partition
    listeners.append(sender.send)
    shared_budgets.extend(budgets)
    try:
        with full_disk_told(home), open_instance() as instance:
            sender.send(_outcome(instance, home, request, tag))
    except (XinstrError, OSError) as error:
        sender.send(Outcome(tag, up_to_date=False, error=str(error)))
    except KeyboardInterrupt:  # of this process alone: its run was ended in the UI
        sender.send(Outcome(tag, up_to_date=False, error="interrupted: the same command goes on from here"))


def _outcome(instance: dg.DagsterInstance, home: Path, request: BuildRequest, tag: str) -> Outcome:
    """How the build of a language ended, errors that the user can mend included: others are built all the same."""
    try:
        with full_disk_told(home):
            return build(instance, home, request, tag)
    except (XinstrError, OSError) as error:
        return Outcome(tag, up_to_date=False, error=str(error))
