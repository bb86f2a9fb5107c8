"""Personal data in a text: e-mail addresses, telephone, card and network numbers. A text is cut around it, never altered.

Patterns are written to miss rather than to cry wolf on years, prices and chapter numbers; what they find is verified
where the number carries a check (cards: Luhn; network addresses: their ranges).
"""

from __future__ import annotations

import html
import ipaddress
import re
from collections.abc import Iterator

from xinstr_core.corpus.email_addresses import has_email_address, without_email_addresses
from xinstr_core.corpus.telephone_numbers import has_telephone_number
from xinstr_core.corpus.telephone_words import PRODUCT_WORDS

_CARD = re.compile(r"(?<![\w.,/=-])(?:\d{4}([ .-]?)\d{4}\1\d{4}\1\d{1,7}|\d{4}([ .-])\d{6}\2\d{5})(?![\w-]|[.,]\d)")
_YEAR = re.compile(r"[12]\d{3}")
_OF_GOODS = re.compile(rf"(?:{PRODUCT_WORDS})\D*(?:\b1[0-4]\b\D*)?\Z", re.IGNORECASE)  # EAN-13: 4006381333931
_WINDOW = 24  # characters
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)|(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtbf/\"'\\])")
_BEGINNING = re.compile(r"\S*@\S*\Z|[+(]?\d(?:[ .()/-]{0,3}\d){4,}[ .()/-]*\Z")
_NUMBER = re.compile(r"\d(?:[^\w\n]{0,3}\d){5}")  # six digits: the shortest network address
_OTHER_DIGIT = re.compile(r"[^\D0-9]")  # of Bengali, Devanagari, Thai and so on
# What keeps a number from being seen, and other forms of the signs that are looked for.
_SAME = str.maketrans(
    dict.fromkeys(
        "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff",
        "",
    )
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", " ")
    | {"\uff08": "(", "\uff09": ")", "\uff0b": "+", "\uff0e": ".", "\uff20": "@"}
)


def personal_data(text: str) -> str | None:
    """The kind of the first personal datum found: email, card, phone, network_address; or None."""
    return next(_found(text), None)


def masked(text: str) -> str:
    """A text with its digits and addresses made unreadable: for what is shown of a refused one."""
    return _DIGIT.sub("#", without_email_addresses(text.translate(_SAME)))


def shown(excerpt: str, longest: int) -> str:
    """An excerpt as a table may show it: masked where it holds personal data, escapes of JSON and HTML read.

    Where it is of `longest` characters it was cut, and what may be the beginning of a number or an address is masked too.
    """
    read = html.unescape(_ESCAPE.sub(_unescaped, excerpt))
    if personal_data(read) or personal_data(excerpt):
        return masked(read)[:longest]
    if len(excerpt) >= longest and (beginning := _BEGINNING.search(excerpt)):
        return excerpt[: beginning.start()] + masked(beginning.group())
    return excerpt


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    character = chr(int(code, 16)) if code else escape[0][1]
    return character if character.isprintable() and (code or character in "\"'/\\") else " "


def _found(text: str) -> Iterator[str]:
    if not text.isascii():
        text = text.translate(_SAME)
    if has_email_address(text):
        yield "email"
    if not _NUMBER.search(text) and "::" not in text:
        return
    text = _OTHER_DIGIT.sub(lambda digit: str(int(digit.group())), text)
    if any(_is_card(match) for match in _CARD.finditer(text)):
        yield "card"
    if any(_is_public(match.group()) for match in _ADDRESS.finditer(text)):
        yield "network_address"
    if has_telephone_number(text):
        yield "phone"


def _is_card(found: re.Match[str]) -> bool:
    """ISO/IEC 7812: 13 to 19 digits whose Luhn sum is a multiple of ten, of an industry that issues payment cards.

    Book numbers begin with 9; points in time with 1, or with 2 and fewer than sixteen digits; years follow one another.
    """
    number = found.group()
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    groups = re.findall(r"\d+", number)
    return (
        13 <= len(digits) <= 19
        and (3 <= digits[0] <= 6 or (digits[0] == 2 and len(digits) == 16))
        and len(set(digits)) > 1
        and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
        and not (all(map(_YEAR.fullmatch, groups)) and groups == sorted(groups))
        and not _OF_GOODS.search(found.string, max(0, found.start() - _WINDOW), found.start())
    )


def _is_public(text: str) -> bool:
    """Loopback, private and documentation addresses are nobody's; 3.2.1.4 is a chapter, 10.15.7.1 a version, 12:30:: a time."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    in_use = address.packed[0] >> 5 == 1 if address.version == 6 else max(address.packed) > 99  # RFC 3587: 2000::/3
    return address.is_global and in_use
