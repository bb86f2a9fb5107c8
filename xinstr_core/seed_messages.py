"""Messages that name their parent, and trees of them, as in OpenAssistant (Koepf et al. 2023, arXiv 2304.07327).

Of each conversation the first request is taken with each of its responses but those that people ranked below another.
Every other message is a reject: one that cannot be placed among the others goes with none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xinstr_core.corpus.readers import Reject
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS
from xinstr_core.seed_fields import (
    Exchange,
    UnusableRecord,
    refuse_placeholders,
    refuse_what_is_no_text,
    speaker_of,
    text_of,
)

MESSAGE = ("message_id", "parent_id", "role", "text", "deleted", "review_result", "rank", "lang")


def of_tree(place: str, root: Mapping[str, Any]) -> Iterator[Exchange | Reject]:
    """Of every reply to the root the exchange or why it gives none, and of all below it that they are later turns."""
    replies = _replies(root)
    if not replies:
        yield Reject(place, "no_response", _excerpt(root), "no replies")
    for reply in replies:
        yield _reply(place, root, reply)
        below = _replies(reply)
        for later in below:  # which grows by what is below them
            yield Reject(place, "later_turn", _excerpt(later), "it follows a response")
            below += _replies(later)


def of_messages(messages: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Exchange | Reject]:
    """Of every message that answers a first request the exchange, of all others why they are part of none.

    A request that stands twice is one. Where it shares its id with another message neither is used, nor are replies to
    them: nobody knows to which.
    """
    called: dict[str, Mapping[str, Any]] = {}
    ambiguous: set[str] = set()
    repeated: set[str] = set()
    for place, message in messages:
        identifier, parent = _identifiers(message)
        known = called.setdefault(identifier, message) if identifier else message
        if known is not message and not (parent and _identifiers(known)[1]):
            (repeated if _said(known) == _said(message) else ambiguous).add(place)
    shared = {_identifiers(message)[0] for place, message in messages if place in ambiguous}
    answered = {_identifiers(message)[1] for _, message in messages}
    for place, message in messages:
        identifier, parent = _identifiers(message)
        if several := next((one for one in (identifier, parent) if one in shared), None):
            yield Reject(place, "several_requests", _excerpt(message), f"message_id {several}")
        elif parent:
            yield _answer(place, message, parent, called.get(parent))
        elif speaker_of(message) != "user":
            yield Reject(place, "no_instruction", _excerpt(message), "no parent_id")
        elif not identifier or identifier not in answered:
            missing = "no message answers it" if identifier else "no message_id"
            yield Reject(place, "no_response", _excerpt(message), missing)
        elif place in repeated:
            yield Reject(place, "duplicate", _excerpt(message), f"message_id {identifier}")


def _answer(place: str, message: Mapping[str, Any], parent: str, called: Mapping[str, Any] | None) -> Exchange | Reject:
    """What a message gives that names a parent, by the message that is `called` so."""
    if called is None:
        return Reject(place, "no_instruction", _excerpt(message), f"no message {parent!r}")
    if _identifiers(called)[1]:
        return Reject(place, "later_turn", _excerpt(message), "it follows a response")
    if not _identifiers(message)[0]:
        return Reject(place, "no_message_id", _excerpt(message), f"fields: {', '.join(message)}")
    return _reply(place, called, message)


def _reply(place: str, request: Mapping[str, Any], reply: Mapping[str, Any]) -> Exchange | Reject:
    asked, answered = text_of(request.get("text")), text_of(reply.get("text"))
    try:
        _refuse(request, "user", "no_instruction")
        _refuse(reply, "assistant", "no_response")
        refuse_placeholders(asked)
    except UnusableRecord as error:
        return Reject(place, error.args[0], (asked or answered)[:EXCERPT_CHARACTERS], error.args[1])
    return Exchange(
        place,
        asked,
        answered,
        source=text_of(reply.get("source")),
        licence=text_of(reply.get("licence")) or text_of(reply.get("license")),
        said="" if (language := text_of(request.get("lang"))) == "en" else language,  # English pairs are seeds as well
    )


def _refuse(message: Mapping[str, Any], wanted: str, missing: str) -> None:
    """UnusableRecord where a message cannot serve. A table without types holds texts of flags and ranks."""
    deleted, review, rank = (str(message.get(name)).casefold() for name in ("deleted", "review_result", "rank"))
    if deleted == "true" or review == "false":
        raise UnusableRecord("withdrawn", "deleted" if deleted == "true" else "review_result false")
    if rank.removesuffix(".0") not in ("0", "none", "nan", ""):
        raise UnusableRecord("worse_response", f"rank {rank}")
    if not text_of(message.get("text")):
        raise UnusableRecord(missing, f"fields: {', '.join(message)}")
    if speaker_of(message) != wanted:
        raise UnusableRecord("other_speaker", text_of(message.get("role")))
    refuse_what_is_no_text(message)


def _identifiers(message: Mapping[str, Any]) -> tuple[str, str]:
    """The ids of a message and of its parent."""
    return _identifier(message.get("message_id")), _identifier(message.get("parent_id"))


def _identifier(value: Any) -> str:
    """An id as a text, whatever type a file gives it; nothing where there is none."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""  # a column of numbers with gaps is read as floats
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


def _said(message: Mapping[str, Any]) -> tuple[str, str | None, str]:
    return _identifiers(message)[1], speaker_of(message), text_of(message.get("text"))


def _replies(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    replies = message.get("replies")
    found = replies if isinstance(replies, list) else []
    return [reply if isinstance(reply, Mapping) else {} for reply in found]


def _excerpt(message: Mapping[str, Any]) -> str:
    return text_of(message.get("text"))[:EXCERPT_CHARACTERS]
