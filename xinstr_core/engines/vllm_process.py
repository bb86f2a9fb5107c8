"""A vLLM engine in a process of its own, with the Python of another environment, and what it is asked."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from itertools import count
from pathlib import Path
from typing import IO, Any

from xinstr_core.engines import vllm_worker
from xinstr_core.engines.base import Usage
from xinstr_core.engines.busy import Busy
from xinstr_core.errors import InputError, StageError

_SECONDS_TO_END = 10.0
_SHOWN = 300  # characters of the last thing that it printed


class VllmProcess:
    """vLLM with one base model. Its methods may be called by several threads, whose questions it answers together.

    It ends when it is closed, or nobody knows it any more, or this process ends, however that is.
    """

    def __init__(self, python: str, options: Mapping[str, Any], devices: int) -> None:
        """Loads the model, which takes from seconds to minutes. `options` are vLLM's EngineArgs; it runs on `devices` GPUs.

        InputError where the environment has no vLLM, or vLLM cannot load the model.
        """
        self.options = options
        self.proven: set[Path] = set()  # adapters that were seen to have an effect
        self._where = f"vLLM of {python}"
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115
        command = [python, "-I", str(Path(vllm_worker.__file__))]
        try:
            # In a session of its own, so that Ctrl-C is this process's to handle.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                encoding="utf-8",
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(f"{python} cannot be started ({error.strerror}): correct the role's python") from None
        assert self._process.stdin and self._process.stdout
        self._questions: IO[str] = self._process.stdin
        self.close = weakref.finalize(self, _end, self._process)
        self._numbers, self._asking = count(), threading.Lock()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self.usage = Usage()
        self._say(json.dumps(options))
        there = self._first_answer()
        self.positions: int = there["positions"]
        self._busy = Busy(self.usage, 0 if there["device"] == "cpu" else devices)
        answers = threading.Thread(
            target=_read, args=(weakref.ref(self), self._process.stdout), name="vllm answers", daemon=True
        )
        answers.start()

    def ask(self, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The answers, in the order of the questions (see vllm_worker.py).

        ValueError for a question that vLLM cannot take, once all others of the call have their answers. StageError where the
        process has ended.
        """
        asked = [Future[dict[str, Any]]() for _ in questions]
        with self._asking:
            numbers = [next(self._numbers) for _ in questions]
            self._waiting |= dict(zip(numbers, asked, strict=True))
        with self._busy:
            self._say(*(json.dumps({"id": n, **one}) for n, one in zip(numbers, questions, strict=True)))
            answers = [one.result() for one in asked]
        with self._asking:
            for question, answer in zip(questions, answers, strict=True):
                if "error" not in answer:
                    self._count(question, answer)
        if errors := [answer["error"] for answer in answers if "error" in answer]:
            raise ValueError(self.told(errors[0]))
        return answers

    def give_up(self) -> None:
        """End all that is under way: calls that wait for it raise CancelledError."""
        self._say(json.dumps({"abort": True}))
        self._fail(CancelledError())

    def told(self, message: str) -> str:
        return f"{self._where}: {message}"

    def answered(self, answer: dict[str, Any]) -> None:
        """Hand an answer to whoever waits for it."""
        with self._asking:
            waiting = self._waiting.pop(answer["id"], None)
        if waiting is not None:
            waiting.set_result(answer)

    def ended(self) -> None:
        """Tell all who wait that there will be no answers any more."""
        self._fail(self._end_error())

    def _say(self, *lines: str) -> None:
        try:
            with self._asking:
                self._questions.write("".join(f"{line}\n" for line in lines))
                self._questions.flush()
        except (OSError, ValueError):  # a pipe that nobody reads, or a closed one
            self._fail(self._end_error())

    def _first_answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        try:
            there: dict[str, Any] = (
                json.loads(line) if line else {"failed": f"it did not start: {self._last_printed()}"}
            )
        except ValueError:
            said = line.strip()[:_SHOWN]
            there = {"failed": f"it is no Python that runs vLLM, and says: {said}: correct the role's python"}
        if "failed" in there:
            self.close()
            raise InputError(self.told(there["failed"]))
        return there

    def _count(self, question: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        self.usage.rows += 1
        self.usage.prompt_tokens += len(question["ids"])
        self.usage.cached_tokens += answer["cached"]
        self.usage.completion_tokens += len(answer.get("ids", ()))

    def _fail(self, error: BaseException) -> None:
        with self._asking:
            waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            one.set_exception(error)

    def _end_error(self) -> StageError:
        status = self._process.wait()
        if status < 0:
            why = f"it was killed by signal {-status} (was memory short?)"
        else:
            why = f"it ended ({status}): {self._last_printed()}"
        return StageError(self.told(f"{why}; the next build goes on from here"))

    def _last_printed(self) -> str:
        """The last line that names an error, or the last one."""
        self._printed.seek(0)
        lines = [line.strip() for line in self._printed.read().decode("utf-8", "replace").splitlines() if line.strip()]
        named = [line for line in lines if "Error" in line]
        line = (named or lines or ["it printed nothing"])[-1]
        return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."


def _read(process: weakref.ref[VllmProcess], answers: IO[str]) -> None:
    for line in answers:
        if (asked := process()) is not None:
            asked.answered(json.loads(line))
        del asked
    if (asked := process()) is not None:
        asked.ended()


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    try:
        process.stdin.close()
        process.wait(_SECONDS_TO_END)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
