"""A chat: what is read, which model is asked what, and that a reply is shown as text and nothing else."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xinstr_core.engines.base import Completion, Decoding, Request
from xinstr_dagster.cli import main
from xinstr_dagster.cli.commands import chat

Chat = Callable[..., int]


@dataclass
class Replies:
    """An engine that replies as it is told, and remembers what it was asked."""

    reply: Callable[[str], str] = str.upper
    asked: list[tuple[Path | None, Request, Decoding]] = field(default_factory=list)

    def tuned(self, adapter: Path | None) -> Callable[[], Any]:
        def generate(requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
            [request] = requests
            self.asked.append((adapter, request, decoding))
            text = self.reply(request.prompt)
            return [Completion(request.key, text, 3, len(text), len(text) < decoding.maximum_new_tokens)]

        return lambda: SimpleNamespace(generate=generate)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Replies:
    replies = Replies()
    found = SimpleNamespace(
        base=SimpleNamespace(precision="float32"), trained=Path("adapter"), ask=lambda line: f"<{line}>"
    )
    monkeypatch.setattr(chat, "TunedModel", SimpleNamespace(find=lambda workspace, tag: found))
    monkeypatch.setattr(chat, "Engines", lambda settings, base, gpu: replies)
    monkeypatch.setattr(chat, "check_fits", lambda base, precision, copies: None)
    return replies


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Chat:
    """`xinstr chat sw` with bytes piped in; gives the exit code."""

    def run(typed: bytes, *options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["xinstr", "chat", "sw", *options])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def test_every_line_is_asked_for_itself_until_the_end(
    engine: Replies, run: Chat, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "xinstr.toml").write_text("[evaluation]\nmaximum_new_tokens = 100\n", "utf-8")
    assert run(b"  what?  \n\nwhy?") == 0
    assert capsys.readouterr() == ("<WHAT?>\n<WHY?>\n", "")
    (one, first, decoding), (_, second, _) = engine.asked
    assert (one, first.prompt, second.prompt) == (Path("adapter"), "<what?>", "<why?>")
    assert first.key != second.key
    assert decoding == Decoding(100)


def test_exit_ends_it(engine: Replies, run: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(b"what?\n/exit\nwhy?\n") == 0
    assert capsys.readouterr().out == "<WHAT?>\n"


def test_the_base_can_be_asked_instead_or_too(engine: Replies, run: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(b"what?", "--base") == 0
    assert capsys.readouterr().out == "<WHAT?>\n"
    assert run(b"what?", "--both") == 0
    assert capsys.readouterr().out == "base:\n<WHAT?>\ntuned:\n<WHAT?>\n"
    assert [adapter for adapter, *_ in engine.asked] == [None, None, Path("adapter")]


def test_temperature_and_length_are_the_users(engine: Replies, run: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(b"what?", "--temperature", "0.7", "--tokens", "5") == 0
    assert [decoding for *_, decoding in engine.asked] == [Decoding(5, 0.7)]
    assert capsys.readouterr().out == "<WHAT?> (cut at 7 tokens)\n"
    assert run(b"what?", "--temperature", "-1") == 2


def test_the_penalty_is_that_of_the_evaluation_unless_another_is_said(engine: Replies, run: Chat, home: Path) -> None:
    (home / "xinstr.toml").write_text("[evaluation]\nmaximum_new_tokens = 5\nrepetition_penalty = 1.1\n", "utf-8")
    assert run(b"what?") == 0
    assert run(b"what?", "--repetition-penalty", "1.3") == 0
    assert [decoding for *_, decoding in engine.asked] == [Decoding(5, repetition_penalty=p) for p in (1.1, 1.3)]
    assert run(b"what?", "--repetition-penalty", "0.9") == 2


@pytest.mark.parametrize("option", ["--temperature", "--repetition-penalty"])
def test_what_is_no_number_is_told(engine: Replies, run: Chat, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert run(b"what?", option, "nan") == 1
    assert f"{option} nan: a number is wanted" in capsys.readouterr().err


def test_a_reply_is_text_and_nothing_else(engine: Replies, run: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    engine.reply = lambda prompt: "\n[red]one[/] :smile:\x1b[31m\x07\r\ntwo\u202e\x00 \u200d\n"
    assert run(b"what?") == 0
    assert capsys.readouterr().out == "[red]one[/] :smile:[31m\ntwo \u200d\n"


def test_bytes_that_are_no_text_are_asked_as_such(engine: Replies, run: Chat) -> None:
    assert run(b"wh\xffat?") == 0
    assert [request.prompt for _, request, _ in engine.asked] == ["<wh\ufffdat?>"]


def test_a_line_on_which_the_model_fails_costs_its_own_reply(
    engine: Replies, run: Chat, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(prompt: str) -> str:
        if "long" in prompt:
            raise RuntimeError("out of\nmemory [red]")
        return "yes"

    engine.reply = fail
    assert run(b"long\nshort") == 0
    assert capsys.readouterr() == ("yes\n", "error: RuntimeError: out of memory [red]\n")
