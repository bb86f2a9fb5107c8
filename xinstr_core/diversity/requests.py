"""What an English instruction asks for: its verb and what the verb acts on, by a few rules and a list of verbs.

This is no parser. It counts how varied a set of instructions is; docs/decisions/0006-diversification.md has how often it is right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import regex

LONGEST_READ = 1000  # characters: a text that is handed over stands behind what is asked of it
# A point behind a single capital letter belongs to a name.
_SENTENCE_END = regex.compile(r"(?<!\b\p{Lu})[.!?:]+\s+|[!?\n]+")
_IS = regex.compile(r"(?<=\b(?:what|who|where|how|when|that|it|there))[’']s\b")
_CONTRACTED = regex.compile(r"[’'](?:ve|d|ll|re|m)\b")
_TOKEN = regex.compile(r"\p{L}[\p{L}\p{M}\p{N}]*(?:[-’'][\p{L}\p{M}\p{N}]+)*|\p{N}+|[,;()\"“”]")


class Request(NamedTuple):
    """Lower-case base form of the verb; the head noun of its object in the singular, or None."""

    verb: str
    noun: str | None


class _Lexicon(NamedTuple):
    base: frozenset[str]
    irregular: dict[str, str]
    be: frozenset[str]
    auxiliaries: frozenset[str]
    questions: frozenset[str]
    openings: frozenset[str]
    greetings: frozenset[str]
    same_in_plural: frozenset[str]
    stop: frozenset[str]


def verb_object(instruction: str) -> Request | None:
    """The request of an instruction, or None where no verb is found.

    Of the first sentence that asks, be it a question or one that begins with a verb. Its verb is the first one behind
    question words, auxiliaries and the subject. The noun is the last word of the first run of content words behind it;
    in "What dishes can we eat?" that behind the question word.
    """
    parts = _SENTENCE_END.split(instruction[:LONGEST_READ])
    sentences = [_without_opening(_words(part)) for part in parts]
    asking = [words for words in sentences if _asks(words)]
    return next((found for words in [*asking, *sentences] if (found := _request(words))), None)


def _words(sentence: str) -> list[str]:
    text = _CONTRACTED.sub("", _IS.sub(" is", sentence.casefold()))
    return [str(token) for token in _TOKEN.findall(text)]


def _without_opening(words: list[str]) -> list[str]:
    """A sentence from where it asks: without "Given the facts," and without "please"."""
    lexicon = _lexicon()
    if words and words[0] in lexicon.openings and "," in words:
        rest = words[words.index(",") + 1 :]
        words = rest if _asks(rest) else words
    while words and words[0] in lexicon.greetings:
        words = words[1:]
    return words


def _asks(words: Sequence[str]) -> bool:
    lexicon = _lexicon()
    first = next((word for word in words if word not in lexicon.greetings), "")
    return first in lexicon.base | lexicon.questions | lexicon.auxiliaries | lexicon.be


def _request(words: list[str]) -> Request | None:
    lexicon = _lexicon()
    start = _behind_auxiliary(words) if words and words[0] in lexicon.questions else 0
    for place, word in enumerate(words[start:], start):
        if word in lexicon.be:
            return _of_being(words, place)
        if word in lexicon.stop and not (word in lexicon.base and not _behind_auxiliary(words[place:])):
            continue
        if verb := _verb(word):
            asked_for = _noun(words[1 : start - 1]) if start and words[0] in {"what", "which"} else None
            return Request(verb, asked_for or _noun(words[place + 1 :]))
    return None


def _behind_auxiliary(words: Sequence[str]) -> int:
    """The place behind the first auxiliary that a main verb follows; 0 without one, or where a form of "be" is first."""
    lexicon = _lexicon()
    for place, word in enumerate(words, start=1):
        if word in lexicon.be:
            return 0
        if word in lexicon.auxiliaries and any(_verb(later) or later in lexicon.be for later in words[place:]):
            return place
    return 0


def _of_being(words: list[str], place: int) -> Request:
    """ "What is the capital?": (be, capital). "How is tea made?": (make, tea)."""
    phrase, following = _phrase(words[place + 1 :])
    if len(phrase) == 1 and (verb := _participle(phrase[0])):  # "How many languages are spoken?"
        return Request(verb, _noun(words[:place]))
    return Request(_participle(following) or "be", _head(phrase) or _noun(words[:place]))


def _noun(words: Sequence[str]) -> str | None:
    return _head(_phrase(words)[0])


def _phrase(words: Sequence[str]) -> tuple[list[str], str]:
    """The first run of content words, and the word that ended it. A participle ends a run, "to" and a verb are none."""
    lexicon, run = _lexicon(), list[str]()
    for before, word in zip(["", *words], words, strict=False):
        if run and _participle(word):
            return run, word
        if word.isdigit():
            continue
        if word in lexicon.stop or not word[0].isalpha() or (before == "to" and word in lexicon.base):
            if run:
                return run, word
            continue
        run.append(word)
    return run, ""


def _head(phrase: Sequence[str]) -> str | None:
    """The last word of a noun phrase, in the singular."""
    return _singular(phrase[-1]) if phrase else None


def _singular(word: str) -> str:
    word = regex.sub(r"[’']s?$", "", word)
    if word in _lexicon().same_in_plural or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "shes", "ches", "xes")) else word.removesuffix("s")


def _verb(word: str) -> str | None:
    """The base form of a verb in any form, or None for a word that is none."""
    lexicon = _lexicon()
    if word in lexicon.base:
        return word
    if word in lexicon.irregular:
        return lexicon.irregular[word]
    for ending, replacement in (("ies", "y"), ("ied", "y"), ("es", ""), ("s", ""), ("ed", "e"), ("ing", "e")):
        stem = word.removesuffix(ending)
        single = stem[:-1] if len(stem) > 2 and stem[-1] == stem[-2] else stem
        if stem != word and (found := {stem + replacement, stem, single} & lexicon.base):
            return min(found)
    return None


def _participle(word: str) -> str | None:
    """The base form of a verb in a past form."""
    return _verb(word) if word.endswith("ed") or word in _lexicon().irregular else None


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads((files(__package__) / "verbs.toml").read_text("utf-8"))
    words = {name: frozenset(text.split()) for name, text in data["words"].items()}
    return _Lexicon(
        base=frozenset(data["verbs"].split()),
        irregular={form: verb for verb, forms in data["irregular"].items() for form in forms.split()},
        be=words["be"],
        auxiliaries=words["auxiliaries"],
        questions=words["questions"],
        openings=words["openings"],
        greetings=words["greetings"],
        same_in_plural=words["same_in_plural"],
        stop=words["other"] | words["be"] | words["auxiliaries"] | words["questions"],
    )
