"""The fields of a record that belong to a request, and what is asked of their values.

What is text goes with the request; what is not (pictures, tools, calls) makes the record unusable, and says which field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex

REQUESTS = ("instruction", "inputs", "prompt", "question", "query")
MATERIAL = (
    "input", "context", "contexts", "passage", "passages", "document", "documents", "article", "articles", "paragraph",
    "paragraphs", "excerpt", "story", "dialogue", "background", "knowledge", "source_text", "source_document",
    "premise", "hypothesis", "sentence", "sentences", "table", "choices", "options", "constraints",
)  # fmt: skip
_NUMBERS = frozenset({"input", "context", "choices", "options", "constraints"})
SYSTEM = ("system", "system_prompt", "system_message", "definition")
RESPONSES = ("response", "targets", "output", "completion", "answer")
CONVERSATIONS = ("messages", "conversations", "conversation")
EARLIER_TURNS = ("history", "chat_history", "conversation_history", "dialogue_history")
RENDERED = "text"  # beside a request and its response: both as one text, in files made for trainers
NOT_TEXT = (
    "tools", "functions", "tool_calls", "function_call", "image", "images", "image_url", "image_urls", "image_path",
    "image_paths", "picture", "pictures", "photo", "photos", "audio", "audios", "audio_path", "speech", "video",
    "videos", "video_path", "attachment", "attachments",
)  # fmt: skip
_NOTHING = frozenset({"<noinput>", "<no input>"})  # as the data of self-instruct says that there is no input
_NO_VALUE = frozenset({"", "[]", "{}", "null", "none", "nan"})  # as tables of texts write that a field has none
# Amid a line, <audio> and <video> are tags that somebody asks about.
_PLACEHOLDER = regex.compile(r"<\|?image(?:_?\d+)?\|?>|^<(?:audio|video)>|<(?:audio|video)>[ \t]*$", regex.MULTILINE)
_SPEAKERS = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot"), "assistant"),
}


@dataclass(frozen=True)
class Exchange:
    """A request and its response. What stands `before` it and its `material` belong to the request.

    `said` is the language that the record names, if any.
    """

    place: str
    request: str
    response: str
    before: str = ""
    material: str = ""
    source: str = ""
    licence: str = ""
    said: str = ""

    def asked(self, request: str | None = None) -> str:
        """All that is asked, with another wording of the request if one is given."""
        return "\n\n".join(filter(None, (self.before, request or self.request, self.material)))


class UnusableRecord(ValueError):
    """Why a record gives no exchange: reason and value."""


def material_of(values: Mapping[str, Any]) -> dict[str, str]:
    """What a request is about, by field. UnusableRecord where it is no text."""
    return texts_of(values, MATERIAL)


def texts_of(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """The texts of those of these fields that have one. UnusableRecord where a value is no text.

    A number is what is asked about where it is the input; of an article or a paragraph it is the place in some file.
    """
    found = {name: _texts(name, values.get(name)) for name in names}
    return {name: text for name, text in found.items() if text and (name in _NUMBERS or not text.isdecimal())}


def refuse_what_is_no_text(values: Mapping[str, Any]) -> None:
    """UnusableRecord where a record, a turn or a message has pictures, sounds, tools or calls of them."""
    if found := next((name for name in NOT_TEXT if has_value(values.get(name))), None):
        raise UnusableRecord("not_text", found)


def refuse_placeholders(request: str) -> None:
    """UnusableRecord where a request has the mark of a picture or a sound that is elsewhere."""
    if found := _PLACEHOLDER.search(request):
        raise UnusableRecord("not_text", found.group().strip())


def has_value(value: Any) -> bool:
    """Whether a field that is no text says something."""
    return value.strip().casefold() not in _NO_VALUE if isinstance(value, str) else bool(value)


def text_of(value: Any) -> str:
    """A text without the space around it; nothing of other values."""
    return value.strip() if isinstance(value, str) else ""


def speaker_of(turn: Mapping[str, Any]) -> str | None:
    """system, user or assistant, whatever a layout calls them."""
    return _SPEAKERS.get((text_of(turn.get("role")) or text_of(turn.get("from"))).casefold())


def _texts(name: str, value: Any) -> str:
    """Text, or texts a line each."""
    if isinstance(value, str):
        return "" if value.strip().casefold() in _NOTHING else value.strip()
    if value in (None, [], {}):
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Sequence) and None not in (parts := [_part(one) for one in value]):
        return "\n".join(part.strip() for part in parts if part).strip()
    raise UnusableRecord("not_text", f"{name}: {type(value).__name__}")


def _part(part: Any) -> str | None:
    """The text of a part of a content: a text, or an object that holds one and nothing else. None of all others."""
    if isinstance(part, Mapping) and part.keys() - {"type"} == {"text"}:
        part = part["text"]
    return part if isinstance(part, str) else None
