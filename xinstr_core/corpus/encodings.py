"""The text of a page's bytes: in the encoding that it declares, or in the one whose letters are the language's own.

Order as in HTML (WHATWG, Encoding and HTML 13.2.3): byte order mark, server, page, then the code page that browsers fall
back to for the language. Browsers believe all of it; here what comes out is judged by the letters that the language has,
and by where they stand: what may have been meant otherwise is no text.
"""

from __future__ import annotations

import codecs
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex

from xinstr_core.corpus.shifting import shifting_text

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DECLARATION = re.compile(rb"<meta[^>]*?\scharset\s*=\s*[\"']?\s*([\w:.+-]+)|<meta[^>]*?;\s*charset\s*=\s*[\"']?\s*([\w:.+-]+)|<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w:.+-]+)", re.IGNORECASE)  # fmt: skip
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
# Bytes; the standard's 1024 are what a browser waits for, a later declaration makes it read again.
_DECLARED_WITHIN = 4096

# What browsers fall back to, by language (HTML 13.2.3.2); windows-1252 for all others.
_FALLBACK = {
    "cp1250": "cs hr sk", "iso8859_2": "hu pl sl", "cp1251": "ba be bg kk ky mk ru sah sr tg tt uk", "iso8859_7": "el",
    "cp1254": "az ku tr", "cp1255": "he yi", "cp1256": "ar ckb fa ps sd ug ur", "cp1257": "et lt lv", "cp874": "th",
    "cp1258": "vi", "cp932": "ja", "cp949": "ko", "gb18030": "zh zh-hans", "big5hkscs": "zh-hant zh-hk zh-tw yue",
}  # fmt: skip
# All in which pages without a declaration are found. Of those that give the same letters the earlier one is taken. Those of
# DOS and the Macintosh with Latin letters are not among them: they make letters of the quotation marks of others.
_CANDIDATES = (
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "koi8_u", "iso8859_5", "cp866", "cp1125", "mac_cyrillic", "kz1048",
    "ptcp154", "koi8_t", "cp1253", "iso8859_7", "cp1254", "cp1255", "iso8859_8", "cp1256", "iso8859_6", "cp1257",
    "iso8859_13", "iso8859_4", "cp874", "cp1258", "iso8859_3", "iso8859_10", "iso8859_14", "iso8859_15", "iso8859_16",
    "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949",
)  # fmt: skip
_DECLARED_ALONE = (
    "mac_roman", "mac_latin2", "mac_turkish", "mac_iceland", "mac_greek", "cp437", "cp737", "cp775", "cp850", "cp852",
    "cp855", "cp857",
)  # fmt: skip
_TRADITIONAL = {"hant", "tw", "hk", "mo"}  # parts of tags of languages that are written in traditional Chinese
# Names that mean a larger encoding than they say, in browsers (WHATWG Encoding 4.2).
_MEANT = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "euc_kr": "cp949",
    "utf-16": "utf-16-le", "utf-8-sig": "utf-8",
}  # fmt: skip
# Names that Python does not know.
_ALIASES = {
    "windows-874": "cp874", "dos-874": "cp874", "x-sjis": "cp932", "x-gbk": "gb18030", "x-euc-jp": "euc_jp",
    "x-mac-cyrillic": "mac_cyrillic", "x-mac-roman": "mac_roman", "x-cp1250": "cp1250", "x-cp1251": "cp1251",
    "x-cp1252": "cp1252", "ks_c_5601-1987": "cp949", "x-x-big5": "big5hkscs", "iso-8859-8-i": "iso8859_8", "unicode": "utf-16-le",
    "unicode-1-1-utf-8": "utf-8",
}  # fmt: skip
_OF_PLAIN_BYTES = ("utf-16-le", "utf-16-be", "iso2022_jp")  # in which other text is bytes of ASCII, NUL or ESC
_KNOWN = {codecs.lookup(name).name: name for name in (*_CANDIDATES, *_DECLARED_ALONE, "utf-8", *_OF_PLAIN_BYTES)}

_JUDGED = 200_000  # bytes of a page: more would not say more
_HIDDEN = re.compile(rb"<(/?)(?:script|style)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(rb"<[^<>]*>")
_STRANGE_OF_TEXT = 0.003  # of all characters that are shown: names of other languages
_STRANGE_WITHOUT_OWN = 0.05  # where the language writes ASCII alone: all that can be lost are such names
_STRANGE_BESIDE_OWN = 0.1
_OF_LETTERS = 0.5  # of those of a decoding that does not hold, what one that does must have
_GLUED = 0.1  # of all characters beyond ASCII: ellipses and quotation marks without their space
_MISPLACED_OF_OTHERS = 0.1  # of signs and foreign letters
_MISPLACED_OF_OWN = 0.01  # of letters of the language: names of products
_SOUND_A_LOST_ONE = 10  # characters of several bytes: other encodings give next to none by chance
_SHOWN = 200  # characters of an excerpt
# A capital inside a word, a Cyrillic or Greek letter in a Latin one, a sign between letters, or one behind a letter that
# stands before words or among numbers alone, a box beside a letter, the last sigma of a word inside one, or a letter at the
# end of one where Greek has next to none: each is a letter decoded wrongly.
_MISPLACED = regex.compile(
    r"(?<=\p{Ll})[\p{Lu}--[A-Z]]|(?<=[A-Za-z])[\p{Cyrillic}\p{Greek}]|[\p{Cyrillic}\p{Greek}](?=[A-Za-z])"
    r"|(?<=[\p{Ll}\p{Lu}])[[\p{S}\p{P}\p{N}\p{C}\p{Z}]--[\x00-\x7f\u00a0\u00ad’‘ʼ·´‐‑–—\u200b-\u200f\ufffd]](?=[\p{Ll}\p{Lu}])"
    r"|ς(?=\p{L})|(?<=\p{Ll}[.,!?;])[\p{Lu}--[A-Z]](?![\p{L}.])|(?<![\p{L}\p{N}])[ÑÐ](?![\p{L}\p{N}.])"
    r"|(?<=\p{Ll})[‚‰•‡ˆ¤¬¦±÷¼½¾¢£¥¿¡∙√∞≈≠≤≥\u2500-\u259f]|[∙√\u2500-\u259f](?=\p{L})|[§¬¤¦](?=\p{Ll})"
    r"|(?<=\p{Ll}{2})[ξχ](?![\p{L}.’'])",
    regex.VERSION1,
)
_TYPOGRAPHY = "…“”‘"
# Letters; and controls, boxes and what could not be decoded.
_LETTER_OR_NO_TEXT = regex.compile(r"[\p{L}\p{M}\p{Cc}\p{Cn}\p{Co}\u2500-\u259f\ufffd]")
_CONTROL = re.compile(
    "[\x80-\x9f]"
)  # of which no page has one: they are quotation marks and letters of other encodings
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_SNIFFED = 1445  # bytes, as there
_ASCII = re.compile(r"[\x00-\x7f]+")
_LETTERS = files("xinstr_core.corpus") / "letters.toml"


@dataclass(frozen=True)
class Letters:
    """Letters beyond ASCII that a language's own text has, and those that it may borrow.

    `tag` says which language; `are_known` also of one that has none of its own.
    """

    tag: str = ""
    own: frozenset[str] = frozenset()
    borrowed: frozenset[str] = frozenset()
    are_known: bool = False

    def finds_strange(self, character: str) -> bool:
        """Whether a character beyond ASCII is a letter of other languages alone, or no part of a text."""
        if character in self.own or character in self.borrowed:
            return False
        return bool(_LETTER_OR_NO_TEXT.match(character))

    @property
    def is_han(self) -> bool:
        return "一" in self.own

    @property
    def fallback(self) -> str:
        """The code page that browsers fall back to."""
        by_language = {tag: page for page, tags in _FALLBACK.items() for tag in tags.split()}
        return by_language.get(self.tag) or by_language.get(self.tag.partition("-")[0], "cp1252")


NO_LETTERS = Letters()  # of no language in particular


@dataclass(frozen=True)
class Undecodable:
    """Bytes of which no encoding gives the language's letters: what came of the likeliest, and a piece of that."""

    said: str
    excerpt: str


def letters_of(tag: str, texts: Iterable[str] = (), script: str = "") -> Letters:
    """The letters of a language, as CLDR has them and as they stand in texts of its own, such as its stop words.

    `script` (ISO 15924) is the one that it is written in, where its tag does not tell.
    """
    base, *parts = tag.split("-")
    written = "hant" if _TRADITIONAL.intersection(parts) else script.lower()
    # Languages of China without letters of their own in the table are written with those of Chinese.
    of_chinese = {"hans": "zh", "hant": "zh-hant"}.get(written, "")
    named = next((one for one in (f"{base}-{written}", tag, base, of_chinese) if one in _table()), "")
    own, borrowed = _table().get(named, ("", ""))
    seen = (character for text in texts for character in text if not character.isascii() and character.isalpha())
    return Letters(named or tag, _both_cases({*own, *seen}), _both_cases(borrowed), are_known=bool(named))


def decoded(content: bytes, letters: Letters, server: str = "") -> str | Undecodable:
    """The text of a page. `server` is the encoding that was named where it was fetched, empty where none was."""
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    if mark:
        return content[len(mark) :].decode(_BYTE_ORDER_MARKS[mark], "replace")
    declared = _codec(server) or _codec(_named_within(content))
    if declared in _OF_PLAIN_BYTES and (b"\0" in content or b"\x1b" in content):
        return content.decode(declared, "replace")
    if declared is None and (shifted := shifting_text(content, letters.is_han)) is not None:
        return shifted if isinstance(shifted, str) else Undecodable(f"as {shifted.encoding} {shifted.reason}", "")
    # What is valid UTF-8 was written in it, whatever is declared, and so was what is but for some characters.
    text = content.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    if not lost or len(_ASCII.sub("", text)) > _SOUND_A_LOST_ONE * lost:
        return text
    if is_binary(content):
        return Undecodable("binary", "")
    return _likeliest(content, letters, None if declared in ("utf-8", *_OF_PLAIN_BYTES) else declared)


def is_binary(content: bytes) -> bool:
    """Whether bytes begin like no text in any encoding of HTML but UTF-16 (WHATWG MIME Sniffing 7.2)."""
    return bool(_BINARY.search(content[:_SNIFFED]))


def _named_within(content: bytes) -> str:
    """The encoding that a page names itself; one that can be read there is none of UTF-16 (HTML 13.2.3.2)."""
    found = _DECLARATION.search(_COMMENT.sub(b"", content[:_DECLARED_WITHIN]))
    named = next(filter(None, found.groups()), b"").decode("ascii", "replace") if found else ""
    return "" if named.lower().startswith("utf-16") else named


def _codec(name: str) -> str | None:
    """The codec of a declared name; None for names of no encoding that pages are written in."""
    name = name.strip().lower()
    try:
        found = codecs.lookup(_ALIASES.get(name, name)).name
    except (LookupError, ValueError):
        return None
    return _KNOWN.get(codecs.lookup(_MEANT.get(found, found)).name)


def _likeliest(content: bytes, letters: Letters, declared: str | None) -> str | Undecodable:
    """The decoding with most of the language's letters; what was declared is left only where they speak against it."""
    shown = _shown(content)[:_JUDGED]
    best = _Judgement.of(shown, declared or letters.fallback, letters)
    holds = best.holds if declared else best.is_clean
    for encoding in () if declared and holds else (letters.fallback, *_CANDIDATES):
        # What is likeliest beforehand and holds gives way to more of the language's letters, not to fewer strange ones.
        least = best.own + 1 if holds else max(1, _OF_LETTERS * best.own)
        found = _Judgement.of(shown, encoding, letters, least)
        if found.own >= least and found.is_clean and (found.score > best.score or not holds):
            best, holds = found, True
    text = _text(content, best.encoding)
    if holds or declared:
        return text
    start = next((max(0, at - _SHOWN // 2) for at, one in enumerate(text) if not one.isascii()), 0)
    said = f"as {best.encoding} {best.strange} letters that are not of {letters.tag or 'the language'}, {best.own} that are"
    return Undecodable(said, text[start : start + _SHOWN])


def _shown(content: bytes) -> bytes:
    """A page without its scripts and tags, in time linear in its length."""
    pieces = _HIDDEN.split(content)
    closing = [b"/", *pieces[1::2]]
    return _TAG.sub(b" ", b" ".join(piece for slash, piece in zip(closing, pieces[::2], strict=True) if slash))


@dataclass(frozen=True)
class _Judgement:
    """What a decoding gives beyond ASCII: letters of the language in their place, and what is strange to it.

    `holds` where what is strange may be names of other languages: enough for what somebody declared. `is_clean` where
    nothing says besides that other letters were meant.
    """

    encoding: str
    own: int
    strange: int
    holds: bool
    is_clean: bool

    @property
    def score(self) -> int:
        return self.own - self.strange

    @classmethod
    def of(cls, content: bytes, encoding: str, letters: Letters, least: float = 0) -> _Judgement:
        """The places of letters are looked at only where their number may be `least` or more."""
        text = _text(content, encoding)
        beyond = Counter(_ASCII.sub("", text))
        own = sum(count for character, count in beyond.items() if character in letters.own)
        strange = sum(count for character, count in beyond.items() if letters.finds_strange(character))
        found = _MISPLACED.findall(text) if own >= least else []
        glued = sum(character in _TYPOGRAPHY for character in found)
        most_glued = max(_GLUED * beyond.total(), not letters.own)
        most_misplaced = _MISPLACED_OF_OTHERS * (beyond.total() - own) + _MISPLACED_OF_OWN * own
        own -= sum(character in letters.own for character in found)
        strange += len(found)
        share = _STRANGE_WITHOUT_OWN if letters.are_known and not letters.own else _STRANGE_OF_TEXT
        holds = strange <= max(_STRANGE_BESIDE_OWN * own, share * (len(text) - beyond.total()))
        # Where a language has letters of its own, names of others are fewer.
        in_place = (
            len(found) - glued <= most_misplaced and glued <= most_glued and (not letters.own or strange <= max(1, own))
        )
        return cls(encoding, own, strange, holds, holds and in_place and not _CONTROL.search(text))


def _text(content: bytes, encoding: str) -> str:
    text = content.decode(encoding, "replace")
    # Windows-1258 writes the tone of a letter behind it, what no other Vietnamese text does.
    return unicodedata.normalize("NFC", text) if encoding == "cp1258" else text


def _both_cases(letters: Iterable[str]) -> frozenset[str]:
    """Also the capitals, where they are one character."""
    return frozenset(case for letter in letters for case in (letter, letter.upper()) if len(case) == 1)


@cache
def _table() -> dict[str, tuple[str, str]]:
    return {tag: (own, borrowed) for tag, (own, borrowed) in tomllib.loads(_LETTERS.read_text("utf-8")).items()}
