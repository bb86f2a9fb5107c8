"""What people asked and what was answered, in the layouts that files of it have.

A record is told by its fields, whatever kind of file it stands in:

- request and response in fields of their own (REQUESTS, MATERIAL, SYSTEM, RESPONSES), as in Alpaca (Taori et al. 2023),
  Dolly (Conover et al. 2023) and Aya (Singh et al. 2024, arXiv 2402.06619);
- a conversation, as OpenAI and ShareGPT have it (CONVERSATIONS): its first request and response;
- messages that name their parent, and trees of them, as in OpenAssistant (Koepf et al. 2023, arXiv 2304.07327): the
  first request with each of its responses but those that people ranked below another.

All that belongs to a request goes with it. What would have to be left out, or chosen, is a reject with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS
from xinstr_core.text import is_storable

REQUESTS = ("instruction", "inputs", "prompt", "question", "query")
MATERIAL = (
    "input", "context", "contexts", "passage", "passages", "paragraph", "article", "document", "documents", "choices", "options",
)  # fmt: skip
SYSTEM = ("system", "system_prompt", "system_message")
RESPONSES = ("response", "targets", "output", "completion", "answer")
CONVERSATIONS = ("messages", "conversations", "conversation")
EARLIER_TURNS = "history"
# What belongs to a request, or is a response, and is no text.
NO_TEXT = (
    "tools", "functions", "tool_calls", "function_call",
    "image", "images", "image_url", "audio", "audios", "video", "videos",
)  # fmt: skip
_NOTHING = frozenset({"<noinput>", "<no input>"})  # as the data of self-instruct says that there is no input
_PLACE_OF_MEDIA = re.compile(r"^\s*<(?:image|audio|video)>\s*$", re.MULTILINE)  # as LLaVA's data has it
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


def exchanges(records: Iterable[Record | Reject]) -> Iterator[Exchange | Reject]:
    """What every record gives: exchanges, or why it gives none. Messages that name a parent come after all others."""
    messages: list[tuple[str, Mapping[str, Any]]] = []
    for record in records:
        if isinstance(record, Reject):
            yield record
            continue
        names = [name.strip().casefold() for name in record.values]
        values = dict(zip(names, record.values.values(), strict=True))
        if len(values) < len(names):
            twice = [name for name, known in zip(record.values, names, strict=True) if names.count(known) > 1]
            yield Reject(record.place, "several_fields", "", " and ".join(twice))
        elif "text" in values and "role" in values:
            messages.append((record.place, values))
        elif isinstance(values.get("prompt"), Mapping):
            yield from _storable(_of_tree(record.place, values["prompt"]))
        else:
            yield from _storable([_of_record(record.place, values)])
    yield from _storable(_of_messages(messages))


def _storable(found: Iterable[Exchange | Reject]) -> Iterator[Exchange | Reject]:
    for one in found:
        if all(is_storable(text) for text in astuple(one)):
            yield one
        else:
            yield Reject(one.place, "not_text", "", "NUL or lone surrogate")


def _of_record(place: str, values: Mapping[str, Any]) -> Exchange | Reject:
    try:
        _require_text(values)
        before, request, response = _first_turn(_turns(values))
        if values.get(EARLIER_TURNS):
            raise UnusableRecord("later_turn", EARLIER_TURNS)
        request = _only("requests", request, values, REQUESTS)
        response = _only("responses", response, values, RESPONSES)
        system, material = [_material(name, values.get(name)) for name in SYSTEM], material_of(values)
        request = request or material.pop("input", "")
        if _PLACE_OF_MEDIA.search(request):
            raise UnusableRecord("not_text", "the place of a picture or recording")
        if not request or not response:
            raise UnusableRecord("no_response" if request else "no_instruction", f"fields: {', '.join(values)}")
    except UnusableRecord as error:
        excerpt = str(values)[:EXCERPT_CHARACTERS].encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
        return Reject(place, error.args[0], excerpt, error.args[1])
    return Exchange(
        place,
        request,
        response,
        "\n\n".join(filter(None, (*system, before))),
        "\n\n".join(material.values()),
        _text(values.get("source")) or _text(values.get("annotation_type")),
        _text(values.get("licence")) or _text(values.get("license")),
        # Elsewhere it is the language of something else as often as not.
        (_text(values.get("language_code")) or _text(values.get("language"))) if "targets" in values else "",
    )


def _require_text(values: Mapping[str, Any]) -> None:
    """UnusableRecord where something belongs to a request, or to a response, that is no text."""
    if other := next((name for name in NO_TEXT if values.get(name)), None):
        raise UnusableRecord("not_text", other)


def _only(what: str, text: str, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """The text that these fields have, and a conversation where there is one."""
    found = {text: "conversation"} if text else {}
    for name in names:
        if text := _text(values.get(name)):
            found.setdefault(text, name)
    if len(found) > 1:
        raise UnusableRecord(f"several_{what}", " and ".join(found.values()))
    return next(iter(found), "")


def material_of(values: Mapping[str, Any]) -> dict[str, str]:
    """What a request is about, by field. UnusableRecord where it is no text."""
    return {name: text for name in MATERIAL if (text := _material(name, values.get(name)))}


def _material(name: str, value: Any) -> str:
    """Text, or texts a line each."""
    if isinstance(value, Sequence) and value and all(isinstance(one, str) for one in value):
        text = value.strip() if isinstance(value, str) else "\n".join(value).strip()
        return "" if text.casefold() in _NOTHING else text
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    raise UnusableRecord("not_text", f"{name}: {type(value).__name__}")


def _turns(values: Mapping[str, Any]) -> list[Any]:
    """The turns of a conversation, of one that a table holds as JSON too."""
    asked, answered = values.get("prompt"), values.get("completion")
    if isinstance(asked, list) and isinstance(answered, list):
        return [*asked, *answered]
    turns: Any = next((values[name] for name in CONVERSATIONS if values.get(name)), [])
    if isinstance(turns, str):
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError) as error:
            raise UnusableRecord("not_json", str(error)[:100]) from None
    return turns if isinstance(turns, list) else []


def _first_turn(turns: Sequence[Any]) -> tuple[str, str, str]:
    """(system messages, request, response): all up to where the user speaks again."""
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    for turn in turns:
        speaker = _speaker(turn) if isinstance(turn, Mapping) else None
        if speaker is None:
            raise UnusableRecord("other_speaker", str(turn)[:EXCERPT_CHARACTERS])
        if said["assistant"] and speaker != "assistant":
            break
        if speaker == "assistant" and not said["user"]:
            raise UnusableRecord("later_turn", "it begins with a response")
        _require_text(turn)
        said[speaker].append(_content(turn))
    before, request, response = ("\n\n".join(filter(None, texts)) for texts in said.values())
    return before, request, response


def _content(turn: Mapping[str, Any]) -> str:
    content = next((turn[name] for name in ("content", "value", "text") if turn.get(name)), "")
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else [content]
    if other := [one for one in parts if not (isinstance(one, Mapping) and isinstance(one.get("text"), str))]:
        raise UnusableRecord("not_text", str(other[0])[:EXCERPT_CHARACTERS])
    return "\n".join(one["text"].strip() for one in parts)


def _of_tree(place: str, root: Mapping[str, Any]) -> Iterator[Exchange | Reject]:
    replies = root.get("replies")
    if not isinstance(replies, list) or not replies:
        yield Reject(place, "no_response", _text(root.get("text"))[:EXCERPT_CHARACTERS], "no replies")
        return
    for reply in replies:
        of_reply = reply if isinstance(reply, Mapping) else {}
        yield _reply(place, root, of_reply)
        for later in _below(of_reply):
            yield Reject(place, "later_turn", _text(later.get("text"))[:EXCERPT_CHARACTERS], "it follows a response")


def _below(reply: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = [reply]
    while waiting:
        replies = waiting.pop().get("replies")
        found = [one for one in replies if isinstance(one, Mapping)] if isinstance(replies, list) else []
        yield from found
        waiting += found


def _of_messages(messages: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Exchange | Reject]:
    """Of every message that answers a first request the exchange, of all others why they are part of none."""
    names = [_identity(message.get("message_id")) for _, message in messages]
    parents = [_identity(message.get("parent_id")) for _, message in messages]
    first: dict[str, dict[str, Mapping[str, Any]]] = {}  # by its text: a file may hold a message twice
    for (_, message), name, parent in zip(messages, names, parents, strict=True):
        if name and not parent:
            first.setdefault(name, {})[_text(message.get("text"))] = message
    known, answered = set(filter(None, names)), set(parents)
    for (place, message), name, parent in zip(messages, names, parents, strict=True):
        speaker, excerpt = _speaker(message), _text(message.get("text"))[:EXCERPT_CHARACTERS]
        root = name if name and not parent else parent
        if len(first.get(root, ())) > 1:
            yield Reject(place, "several_requests", excerpt, f"message_id {root}")
        elif parent in first and speaker == "assistant":
            yield _reply(place, next(iter(first[parent].values())), message)
        elif parent in known:
            yield Reject(place, "later_turn", excerpt, "it follows a response")
        elif parent or speaker == "assistant":
            yield Reject(place, "no_instruction", excerpt, f"no message {parent!r}" if parent else "no parent_id")
        elif name not in answered or not name:
            yield Reject(place, "no_response", excerpt, "no message answers it" if name else "no message_id")


def _identity(value: Any) -> str:
    """A message's name: text, or the number that it has in a table, which holds 7 as 7.0 where some have none."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else ""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _reply(place: str, request: Mapping[str, Any], reply: Mapping[str, Any]) -> Exchange | Reject:
    asked, answered = _text(request.get("text")), _text(reply.get("text"))
    for message, wanted, missing in ((request, "user", "no_instruction"), (reply, "assistant", "no_response")):
        if fault := _fault(message, wanted, missing):
            return Reject(place, fault[0], (asked or answered)[:EXCERPT_CHARACTERS], fault[1])
    return Exchange(
        place,
        asked,
        answered,
        source=_text(reply.get("source")),
        licence=_text(reply.get("licence")) or _text(reply.get("license")),
        said="" if (language := _text(request.get("lang"))) == "en" else language,  # English pairs are seeds as well
    )


def _fault(message: Mapping[str, Any], wanted: str, missing: str) -> tuple[str, str] | None:
    """(reason, value) against a message of OpenAssistant. A table without types holds texts of flags and ranks."""
    deleted, review, rank = (str(message.get(name)).casefold() for name in ("deleted", "review_result", "rank"))
    if deleted == "true" or review == "false":
        return "withdrawn", "deleted" if deleted == "true" else "review_result false"
    if rank.removesuffix(".0") not in ("0", "none", "nan", ""):
        return "worse_response", f"rank {rank}"
    if other := next((name for name in NO_TEXT if message.get(name)), None):
        return "not_text", other
    if not _text(message.get("text")):
        return missing, f"fields: {', '.join(message)}"
    return None if _speaker(message) == wanted else ("other_speaker", _text(message.get("role")))


def _speaker(turn: Mapping[str, Any]) -> str | None:
    return _SPEAKERS.get((_text(turn.get("role")) or _text(turn.get("from"))).casefold())


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
