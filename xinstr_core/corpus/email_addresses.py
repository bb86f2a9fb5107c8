"""E-mail addresses in a text: also written out against crawlers, or with the spaces of tokenised text."""

from __future__ import annotations

import re

# The sign is often written out, as in matti(at)yritys.fi.
_AT = r"(?:@|&#64;|&#x40;|&commat;|%40| ?[\[({<] ?(?:at|ät|@) ?[\])}>] ?)"
_DOT = r"(?:\.| ?[\[({<] ?dot ?[\])}>] ?)"
_LABEL = r"[a-z0-9-]{1,63}"
# Letters of any script with the marks that \w lacks, which are letters in Indic scripts and Thai; no danda.
_LETTERS = r"\w\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e\u0eb1-\u0ecd\u102b-\u103e\u17b4-\u17d3"
_COMMON = r"(?:com|org|net|edu|gov|info|biz|[a-z]{2})(?![\w-])"  # after a space not every word is a domain
# No pattern may take more than linear time: lines of a megabyte come. So of the name before an at sign one character is
# looked at. 5kg@12.50 is a price.
_ADDRESS = re.compile(
    rf"[{_LETTERS}.+\"-](?:{_AT}[{_LETTERS}-]{{1,63}}(?:\.[{_LETTERS}-]{{2,63}})*{_DOT}[^\W\d_][{_LETTERS}-]{{1,62}}"
    rf"|(?<=[a-z0-9.+_-])@{_LABEL}(?:[.。｡]{_LABEL}){{0,4}}[。｡][a-z]{{2,24}}(?!\w)"
    rf"|(?: @ |@ ){_LABEL}(?: ?\. ?{_LABEL}){{0,4}} ?\. ?{_COMMON}|@(?=[0-9-]{{0,63}}[a-z]){_LABEL}(?:\.{_LABEL}){{0,4}}(?: \. ?|\. ){_COMMON}"
    rf"| at {_LABEL}(?: dot {_LABEL}){{0,3}} dot {_COMMON})",
    re.IGNORECASE,
)
_SIGNS = ("@", "&#64;", "&#x40;", "&commat;", "%40", "at)", "at]", "at}", "at>", "at )", "ät)", "ät]", " dot ")
_TELLING = re.compile(rf"(?<!\S)\S+(?: @ |@ |{_AT}| at (?=\S+ dot ))\S+(?: ?\. ?{_COMMON}| dot \S+)*", re.IGNORECASE)
# logo@2x.png is a file and no host.
_FILE = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|ico|pdf|docx?|xlsx?|css|html?|js|json|xml|ya?ml|txt|csv|zip|mp[34])\Z", re.IGNORECASE
)
_NAME = re.compile(r"(?:@|://(?:[^\s/@]*:)?)?[\w.+-]*\Z")
_NAME_CHARACTERS = 64  # RFC 5321
_ON_HOST = re.compile(r":(?=[/~.]|[^\W\d])")  # git@host:project.git, user@host:/srv
_PROGRAMS = ("git", "svn", "hg")


def has_email_address(text: str) -> bool:
    """Whether an address of the text is somebody's, and not a file, a program's or a host's user, a handle (@name@host)."""
    lower = text if text.islower() else text.lower()
    return any(sign in lower for sign in _SIGNS) and any(map(_is_email, _ADDRESS.finditer(text)))


def without_email_addresses(text: str) -> str:
    """The text with a # in place of everything that could be an address."""
    return _TELLING.sub("#", text)


def _is_email(found: re.Match[str]) -> bool:
    text, start, end = found.string, found.start() + 1, found.end()
    name = _NAME.search(text, max(0, start - _NAME_CHARACTERS), start)
    user = name.group() if name else ""
    return not (
        _FILE.search(found.group()) or _ON_HOST.match(text, end) or user.startswith(("@", "://")) or user in _PROGRAMS
    )
