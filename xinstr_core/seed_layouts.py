"""What people asked and what was answered, in the layouts that files of it have.

A record is told by its fields, whatever kind of file it stands in:

- request and response in fields of their own (`seed_fields`), as in Alpaca (Taori et al. 2023),
  Dolly (Conover et al. 2023) and Aya (Singh et al. 2024, arXiv 2402.06619);
- a conversation, as OpenAI and ShareGPT have it (`seed_fields`): its first request and response;
- messages that name their parent, and trees of them, as in OpenAssistant (`seed_messages`).

All that belongs to a request goes with it. What would have to be left out, or chosen, is a reject with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS
from xinstr_core.seed_fields import (
    CONVERSATIONS,
    EARLIER_TURNS,
    MATERIAL,
    NOT_TEXT,
    RENDERED,
    REQUESTS,
    RESPONSES,
    SYSTEM,
    Exchange,
    UnusableRecord,
    has_value,
    material_of,
    refuse_placeholders,
    refuse_what_is_no_text,
    speaker_of,
    text_of,
    texts_of,
)
from xinstr_core.seed_messages import MESSAGE, of_messages, of_tree
from xinstr_core.text import is_storable

_READ = frozenset((
    *REQUESTS, *MATERIAL, *SYSTEM, *RESPONSES, *CONVERSATIONS, *EARLIER_TURNS, RENDERED, *NOT_TEXT, *MESSAGE,
))  # fmt: skip


def exchanges(records: Iterable[Record | Reject]) -> Iterator[Exchange | Reject]:
    """What every record gives: exchanges, or why it gives none. Messages that name a parent come after all others."""
    messages: list[tuple[str, Mapping[str, Any]]] = []
    for record in records:
        if isinstance(record, Reject):
            yield record
            continue
        try:
            values = _by_name(record.values)
        except UnusableRecord as error:
            yield _unusable(record.place, record.values, error)
            continue
        if "text" in values and "role" in values:
            messages.append((record.place, values))
        elif isinstance(values.get("prompt"), Mapping):
            yield from _storable(of_tree(record.place, values["prompt"]))
        else:
            yield from _storable([_of_record(record.place, values)])
    yield from _storable(of_messages(messages))


def _by_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values by name, whose case does not count. UnusableRecord where two differ in nothing else and both say something."""
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for called, value in fields.items():
        name = called.strip().casefold()
        if has_value(values.get(name)) and has_value(value) and values[name] != value and name in _READ:
            raise UnusableRecord("several_fields", f"{spelled[name]} and {called.strip()}")
        if name not in values or has_value(value):
            values[name], spelled[name] = value, called.strip()
    return values


def _unusable(place: str, values: Mapping[str, Any], error: UnusableRecord) -> Reject:
    excerpt = str(values)[:EXCERPT_CHARACTERS].encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
    return Reject(place, error.args[0], excerpt, error.args[1])


def _storable(found: Iterable[Exchange | Reject]) -> Iterator[Exchange | Reject]:
    for one in found:
        if all(is_storable(text) for text in astuple(one)):
            yield one
        else:
            yield Reject(one.place, "not_text", "", "NUL or lone surrogate")


def _of_record(place: str, values: Mapping[str, Any]) -> Exchange | Reject:
    try:
        turns = _turns(values)
        before, request, response = _first_turn(turns)
        if earlier := next((name for name in EARLIER_TURNS if has_value(values.get(name))), None):
            raise UnusableRecord("later_turn", earlier)
        refuse_what_is_no_text(values)
        request = _only("requests", request, values, REQUESTS)
        response = _only("responses", response, values, RESPONSES)
        material = material_of(values)
        request = request or material.pop("input", "")
        if not request or not response:
            raise UnusableRecord("no_response" if request else "no_instruction", f"fields: {', '.join(values)}")
        if other := next((name for name in REQUESTS if not turns and not _is_text(values.get(name))), None):
            raise UnusableRecord("not_text", f"{other}: {type(values[other]).__name__}")
        material |= _beside(request, response, values)
        before = "\n\n".join(filter(None, (*texts_of(values, SYSTEM).values(), before)))
        about = "\n\n".join(material.values())
        refuse_placeholders("\n".join((before, request, about)))
    except UnusableRecord as error:
        return _unusable(place, values, error)
    return Exchange(
        place,
        request,
        response,
        before,
        about,
        text_of(values.get("source")) or text_of(values.get("annotation_type")),
        text_of(values.get("licence")) or text_of(values.get("license")),
        # Elsewhere it is the language of something else as often as not.
        (text_of(values.get("language_code")) or text_of(values.get("language"))) if "targets" in values else "",
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or not has_value(value)


def _beside(request: str, response: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The field `text` where it is what is asked about, and not request and response once more as a trainer reads them."""
    return {
        name: text
        for name, text in texts_of(values, (RENDERED,)).items()
        if text != request and " ".join(response.split()) not in " ".join(text.split())
    }


def _only(what: str, text: str, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """The text that these fields have, and a conversation where there is one."""
    found = {text: "conversation"} if text else {}
    for name in names:
        if text := text_of(values.get(name)):
            found.setdefault(text, name)
    if len(found) > 1:
        raise UnusableRecord(f"several_{what}", " and ".join(found.values()))
    return next(iter(found), "")


def _turns(values: Mapping[str, Any]) -> list[Any]:
    """The turns of a conversation, of one that a table holds as JSON too."""
    asked, answered = values.get("prompt"), values.get("completion")
    if isinstance(asked, list) and isinstance(answered, list):
        return [*asked, *answered]
    name = next((name for name in CONVERSATIONS if has_value(values.get(name))), None)
    turns: Any = values[name] if name else []
    if isinstance(turns, str):
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError) as error:
            raise UnusableRecord("not_json", str(error)[:100]) from None
    if not isinstance(turns, list):
        raise UnusableRecord("not_text", f"{name}: {type(turns).__name__}")
    return turns


def _first_turn(turns: Sequence[Any]) -> tuple[str, str, str]:
    """(system messages, request, response): all up to where the user speaks again."""
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    for turn in turns:
        speaker = speaker_of(turn) if isinstance(turn, Mapping) else None
        if speaker is None:
            raise UnusableRecord("other_speaker", str(turn)[:EXCERPT_CHARACTERS])
        if said["assistant"] and speaker != "assistant":
            break
        if speaker == "assistant" and not said["user"]:
            raise UnusableRecord("later_turn", "it begins with a response")
        refuse_what_is_no_text(turn)
        said[speaker].append(_content(turn))
    before, request, response = ("\n\n".join(filter(None, texts)) for texts in said.values())
    return before, request, response


def _content(turn: Mapping[str, Any]) -> str:
    content = next((turn[name] for name in ("content", "value", "text") if turn.get(name)), "")
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if not (isinstance(part, Mapping) and isinstance(part.get("text"), str)):
            raise UnusableRecord("not_text", str(part)[:EXCERPT_CHARACTERS])
        refuse_what_is_no_text(part)
    return "\n".join(one["text"].strip() for one in parts)
