"""How a model is asked: as plain text, or in turns that the tokenizer's own chat template writes.

Training, scoring and generation take their ids from here, so that a model is asked in the form that it was taught. Of a
template's frame the control tokens count; what is set into it is text, whatever is written in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.errors import InputError
from xinstr_core.prompts.render import Rendered

FormatName = Literal["plain", "chat"]
# They stand for texts while a template is read.
_SYSTEM, _USER, _REPLY = "xinstr-stand-in-system", "xinstr-stand-in-user", "xinstr-stand-in-reply"
# Some templates tell the day (Llama 3): with today's, no prompt would be the same tomorrow.
_ONE_DAY = "{%- macro strftime_now(format) -%}01 Jan 2025{%- endmacro -%}"
# What an expression of a template can raise beside jinja's own errors.
_OF_A_TEMPLATE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_SHOWN: tuple[Callable[[str], str], ...] = (str, str.strip, str.rstrip, str.lstrip)


@dataclass(frozen=True)
class Encoded:
    """Ids of a prompt, of the completion after it, and of what ends the completion, one at least."""

    prompt: list[int]
    completion: list[int]
    end: list[int]


class PlainFormat:
    """Prompts are text, opened by the begin-of-text token of models that have one; the end token ends a completion.

    `stops` are further tokens that end a reply.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self.stops = sorted({tokenizer.eos_token_id, *stops})

    def encoded(self, prompt: str, completion: str = "") -> Encoded:
        end = [self._tokenizer.eos_token_id]
        return Encoded(encode_prompt(self._tokenizer, prompt), encode(self._tokenizer, completion), end)

    def text(self, ids: Sequence[int]) -> str:
        """What a model wrote, without control tokens."""
        found: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return found


class ChatFormat(PlainFormat):
    """Rendered prompts are a user's turn, after a system turn if there is a `system` text; a reply ends as its turn does.

    Other text is read as it stands. InputError, about `what`, where the template does not show a turn as it is.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[int] = (), system: str = "", what: str = "this model") -> None:
        self._tokenizer = tokenizer
        self._system = ""
        try:
            self._read_template()
            if system:
                self._check_system(system, what)
                self._system = system
                self._read_template()
        except ValueError as error:
            raise InputError(f'{what}: {error}: mend it, or set prompt_format = "plain"') from error
        ids = self._frame_ids(self._closing)
        control = control_ids(tokenizer)
        places = [place for place, token in enumerate(ids) if token in control]
        self._end = ids[: places[0] + 1] if places else [tokenizer.eos_token_id]
        super().__init__(tokenizer, [*stops, self._end[-1]])

    def encoded(self, prompt: str, completion: str = "") -> Encoded:
        """Raises ValueError for a text that the template shows otherwise than as it is, blank ends aside."""
        if not isinstance(prompt, Rendered):
            return super().encoded(prompt, completion)
        turn = _shown(self._render(prompt.turn), self._before, prompt.turn, self._asks)
        if completion:
            opening = self._before + turn + self._opens
            completion = self._blank + _shown(self._render(prompt.turn, completion), opening, completion, self._closing)
        return Encoded(self._prompt_ids(turn), self._reply_ids(turn, completion), self._end)

    def text(self, ids: Sequence[int]) -> str:
        return super().text(ids).removeprefix(self._blank)

    def _read_template(self) -> None:
        """Take it apart: before the user's turn, up to the reply as it asks and as it shows one, and after the reply."""
        self._before, self._asks = _parted(self._render(_USER), _USER)
        before, behind = _parted(self._render(_USER, _REPLY), _USER)
        self._opens, self._closing = _parted(behind, _REPLY)
        if before != self._before:
            raise ValueError("its chat template asks otherwise than it shows a turn that was answered")
        # A blank before the reply is written by the model, since no tokenizer ends a prompt with half a word. More than
        # that, such as an empty thought, stands in the prompt: the reply is what comes after it.
        further = self._opens.removeprefix(self._asks)
        follows = self._opens.startswith(self._asks) and not further.strip()
        self._blank = further if follows else ""
        self._leads = self._asks if follows else self._opens

    def _check_system(self, system: str, what: str) -> None:
        """InputError where the template has no place for a system turn, or the text would steer the model."""
        try:
            found = self._rendered([{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}])
        except ValueError as error:
            raise InputError(f'{what}: {error} with a system turn: set system_text = ""') from error
        if _SYSTEM not in found:
            raise InputError(f'{what}: its chat template leaves the system turn out: set system_text = ""')
        shown = self._rendered([{"role": "system", "content": system}, {"role": "user", "content": _USER}])
        if not any(how(system) in shown for how in _SHOWN):
            raise InputError(
                f"{what}: its chat template shows system_text otherwise than it is: shorten or simplify it"
            )
        if self._frame_ids(system) != encode(self._tokenizer, system):
            raise InputError(f"{what}: system_text writes a control token of its tokenizer: take it out")

    def _prompt_ids(self, turn: str) -> list[int]:
        """Ids of the whole, as the tokenizer reads it; in parts where the turn writes control tokens, which are text there."""
        parts = encode(self._tokenizer, turn)
        if self._frame_ids(turn) == parts:
            return self._frame_ids(self._before + turn + self._leads)
        return [*self._frame_ids(self._before), *parts, *self._frame_ids(self._leads)]

    def _reply_ids(self, turn: str, reply: str) -> list[int]:
        """Ids of a reply behind its prompt, as the tokenizer reads both; by itself where one of them writes control tokens."""
        parts = encode(self._tokenizer, reply)
        if not parts or self._frame_ids(reply) != parts:
            return parts
        asked, whole = self._prompt_ids(turn), self._frame_ids(self._before + turn + self._leads + reply)
        return whole[len(asked) :] if whole[: len(asked)] == asked else parts

    def _frame_ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return ids

    def _render(self, turn: str, reply: str | None = None) -> str:
        given = [("system", self._system)] if self._system else []
        given += [("user", turn)] + ([] if reply is None else [("assistant", reply)])
        return self._rendered([{"role": role, "content": content} for role, content in given])

    def _rendered(self, messages: Sequence[dict[str, str]]) -> str:
        from jinja2 import TemplateError

        try:
            found: str = self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=messages[-1]["role"] == "user",
                chat_template=_ONE_DAY + self._tokenizer.get_chat_template(),
            )
        except (TemplateError, *_OF_A_TEMPLATE) as error:
            raise ValueError(f"its chat template cannot be used ({error or type(error).__name__})") from error
        return found


def has_chat_template(folder: Path) -> bool:
    """Whether a model's folder has one, in any of the places where transformers looks."""
    if (folder / "chat_template.jinja").is_file():
        return True
    path = folder / "tokenizer_config.json"
    try:
        return path.is_file() and bool(json.loads(path.read_text("utf-8")).get("chat_template"))
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({error}): fetch the model again") from error


def control_ids(tokenizer: Any) -> set[int]:
    """Every token that steers a model: those with a name (end, padding) and all others that are marked as special."""
    added = tokenizer.added_tokens_decoder
    return {*tokenizer.all_special_ids, *(number for number, token in added.items() if token.special)}


def _parted(rendered: str, text: str) -> tuple[str, str]:
    """What stands before a text and after it. ValueError where it does not stand there once."""
    if rendered.count(text) != 1:
        raise ValueError(f"its chat template shows a turn {rendered.count(text)} times, and not once")
    before, _, after = rendered.partition(text)
    return before, after


def _shown(rendered: str, before: str, text: str, after: str) -> str:
    """A text as the template shows it between two parts of its frame."""
    found = rendered[len(before) : len(rendered) - len(after)]
    if rendered != before + found + after or found not in [how(text) for how in _SHOWN]:
        raise ValueError("the chat template shows this text otherwise than it is")
    return found
