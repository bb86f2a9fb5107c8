"""What web text is made of, measured: links, markup, menus, repetition, stop words. The limits are a language's own.

Every measure is a share between 0 and 1, so that limits can be read, compared between languages and fitted (packs.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain, groupby

import numpy as np
import regex

from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES, count_characters
from xinstr_core.corpus.runs import code_points, run_hashes
from xinstr_core.text import whole_sentences

_LINK = re.compile(r"https?://\S+|www\.\S+|\]\s?\([^)\]\s]*\)", re.IGNORECASE)
# Fenced code, HTML comments and tags, formulas, roles, LaTeX commands; and the characters that carry markup, of which a
# run is one: a row of asterisks is a rule between paragraphs.
_MARKUP = re.compile(
    r"```.*?(?:```|\Z)|<!--.*?(?:-->|\Z)|</?[a-z][^<>]{0,200}>|\$[^$\n]{0,120}[\\^_{}=+][^$\n]{0,120}\$|:\w+:`[^`]*`|`[^`\n]{1,80}`|\\[a-z]+"
    r"|([{}\[\]<>=_\\|$#*@^~`])\1*",
    re.DOTALL | re.IGNORECASE,
)
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
# Marks that no typography sets off: Urdu and Hindi often put a space before the full stop, French one before ; : ! and ?.
_MARK = re.compile(r"[.,،]")
# Within a number too, 122 ,653; but .35 .42 are decimals.
_SPACED_MARK = regex.compile(r"(?<=[\w\p{M}\p{Pe}\p{Pf}%\"']) [.,،](?=\s|$)|(?<=(?:^|[^\d.,])\d+) [.,](?=\d)")
_SENTENCE_ENDS = frozenset(".!?…:;।۔؟\"”»')")
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}\u200c\u200d'’]*")
_SHORT_LINE = 40  # characters; menus and indexes are made of shorter ones
_MENU_LINES = 5  # short lines in a row; verse and picture books end a sentence before that
_PHRASE_WORDS = 5
_PHRASE_CHARACTERS = 20
_STEM = 5  # letters: what an inflected word has in common with its other forms, near enough (McNamee and Mayfield 2004)
_COHESION_SENTENCES = 10  # of eight, one honest text in a hundred has nothing in common


@dataclass(frozen=True)
class Features:
    """Shares measured on one text; what each is, schemas/raw_corpus.py declares."""

    link_share: float
    markup_share: float
    symbol_share: float
    digit_share: float
    script_share: float
    menu_share: float
    bare_line_share: float
    spaced_mark_share: float
    repeated_line_share: float
    repeated_phrase_share: float
    stop_word_share: float
    cohesion_share: float


def lines_of(text: str) -> list[str]:
    """Lines with something in them, trimmed."""
    return [line for raw in text.splitlines() if (line := raw.strip())]


def units(text: str, script: str) -> list[str]:
    """Words, lower case; in scripts that write no spaces, runs of three characters."""
    if script in SCRIPTS_WITHOUT_SPACES:
        letters = "".join(text.split())
        return [letters[i : i + 3] for i in range(len(letters) - 2)]
    words: list[str] = _WORD.findall(text.casefold())
    return words


def measure(text: str, script: str, stop_words: Collection[str] = ()) -> Features:
    """The features of a text that has at least one visible character."""
    characters = count_characters(text, script)
    lines = lines_of(text)
    total = sum(map(len, lines))
    by_sentence = [units(sentence, script) for sentence in _sentences(text, script)]
    words = [*chain.from_iterable(by_sentence)]
    phrases, different = _phrases(text, words, script)
    return Features(
        link_share=_all_but_one(map(len, _LINK.findall(text))) / len(text),
        markup_share=sum(1 if found[1] else len(found[0]) for found in _MARKUP.finditer(text)) / len(text),
        symbol_share=characters.symbol_share,
        digit_share=characters.digit_share,
        script_share=characters.script_share,
        menu_share=_share(_menu_characters(lines), total),
        bare_line_share=_share(_beyond_one(sum(not _LETTER_OR_DIGIT.search(line) for line in lines)), len(lines)),
        spaced_mark_share=_spaced_marks(text, script),
        repeated_line_share=_share(total - sum(map(len, set(lines))), total),
        repeated_phrase_share=_share(phrases - different, phrases),
        stop_word_share=_share(sum(map(stop_words.__contains__, words)), len(words)),
        cohesion_share=_cohesion(by_sentence, stop_words),
    )


def _phrases(text: str, words: list[str], script: str) -> tuple[int, int]:
    """How many phrases a text has, and how many different ones."""
    if script in SCRIPTS_WITHOUT_SPACES:
        hashes = run_hashes(code_points("".join(text.split())), _PHRASE_CHARACTERS)
        return len(hashes), len(np.unique(hashes))
    phrases = list(zip(*(words[i:] for i in range(_PHRASE_WORDS)), strict=False))
    return len(phrases), len(set(phrases))


def _sentences(text: str, script: str) -> list[str]:
    """Scripts without spaces mark no sentence's end that could be trusted."""
    return [text] if script in SCRIPTS_WITHOUT_SPACES else whole_sentences(text)


def _cohesion(by_sentence: list[list[str]], stop_words: Collection[str]) -> float:
    """Lexical cohesion (Halliday and Hasan 1976): a text comes back to its words, unrelated sentences have their own.

    Mentions beyond a stem's first, over all mentions; a sentence mentions a stem once.
    """
    if len(by_sentence) < _COHESION_SENTENCES:
        return 1.0
    stems = [{word[:_STEM] for word in words if word not in stop_words} for words in by_sentence]
    stems = [sentence for sentence in stems if sentence]
    if len(stems) < _COHESION_SENTENCES:
        return 1.0
    mentions, different = sum(map(len, stems)), len(set().union(*stems))
    return _share(mentions - different, mentions)


def _menu_characters(lines: Iterable[str]) -> int:
    rows = groupby(lines, lambda line: len(line) < _SHORT_LINE and line[-1] not in _SENTENCE_ENDS)
    menus = [list(row) for is_short, row in rows if is_short]
    return sum(sum(map(len, menu)) for menu in menus if len(menu) >= _MENU_LINES)


def _spaced_marks(text: str, script: str) -> float:
    """Scripts without spaces between words set them around marks."""
    if script in SCRIPTS_WITHOUT_SPACES:
        return 0.0
    return _share(_beyond_one(len(_SPACED_MARK.findall(text))), len(_MARK.findall(text)))


def _beyond_one(count: int) -> int:
    """A count without its first: one may be a slip, or an ornament between two paragraphs."""
    return max(count - 1, 0)


def _all_but_one(lengths: Iterable[int]) -> int:
    """Their sum without the longest."""
    found = list(lengths)
    return sum(found) - max(found, default=0)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
