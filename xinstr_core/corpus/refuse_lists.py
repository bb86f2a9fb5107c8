"""Lists of a user's own: sites whose pages, and words with which a page, is not wanted."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import regex

from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES
from xinstr_core.errors import InputError

FILE = "@"  # an entry that begins so names a file with one entry a line
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’]+")
_UNSEEN = regex.compile(r"[\p{Cf}\p{Default_Ignorable_Code_Point}]")
# Strokes through letters, stress and vowel points: what is left of marks on letters where all that have a form of their own
# are put together. Marks of Indic scripts and Thai are letters.
_LOOSE_MARK = regex.compile(r"[\p{M}&&[\p{Script=Inherited}\p{Script=Hebrew}]]", regex.V1)
# Turkish and Azerbaijani capitals are İ and I; in other languages I is that of i.
_ONE_I = regex.compile("i\u0307|ı")
_ABSOLUTE = regex.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", regex.IGNORECASE)


def list_files(entries: Iterable[str], home: Path) -> list[Path]:
    """The files that entries name, seen from a folder. InputError when one is not there."""
    paths = [home / entry.removeprefix(FILE) for entry in entries if entry.startswith(FILE)]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise InputError(f"no list {', '.join(missing)}: correct corpus.refuse_domains or corpus.refuse_words")
    return paths


def list_entries(entries: Sequence[str], home: Path) -> Iterator[str]:
    """The entries of a list and of the files that it names; empty lines and those that begin with # are none."""
    yield from (entry for entry in entries if not entry.startswith(FILE))
    for path in list_files(entries, home):
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 ({error.reason}): save it as UTF-8") from None
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


@dataclass(frozen=True)
class RefuseLists:
    """Domains, each with those below it, and words or phrases, whole and as somebody reads them (`_folded`)."""

    domains: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    script: str = field(default="Latn")

    @classmethod
    def of(cls, domains: Iterable[str], words: Iterable[str], script: str) -> RefuseLists:
        """From entries as people write them: addresses for domains and lines of a hosts file, too."""
        hosts = (_host(entry.split("#")[0].split()[-1]) for entry in domains if entry.split("#")[0].strip())
        phrases = (" ".join(_tokens(_folded(entry), script)) for entry in words)
        return cls(frozenset(filter(None, hosts)), frozenset(filter(None, phrases)), script)

    def find(self, addresses: Iterable[str], text: str) -> tuple[str, str, str] | None:
        """(reason, what was found, the setting) of a page, by its address, by the name of its source, or by its text."""
        for address in addresses if self.domains else ():
            labels = _host(address).split(".")
            parents = (".".join(labels[start:]) for start in range(len(labels)))
            if listed := next((parent for parent in parents if parent in self.domains), None):
                return "refused_domain", listed, "corpus.refuse_domains"
        readings = _readings(text) if self.words else ()
        if word := next(filter(None, map(self._word_in, readings)), None):
            return "refused_word", word, "corpus.refuse_words"
        return None

    def _word_in(self, folded: str) -> str | None:
        tokens = _tokens(folded, self.script)
        if self.script in SCRIPTS_WITHOUT_SPACES:
            return next((word for word in sorted(self.words) if any(word in token for token in tokens)), None)
        for length in self._lengths:
            phrases = tokens if length == 1 else map(" ".join, zip(*(tokens[i:] for i in range(length)), strict=False))
            if found := next((phrase for phrase in phrases if phrase in self.words), None):
                return found
        return None

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({word.count(" ") + 1 for word in self.words})


NO_LISTS = RefuseLists()


def _readings(text: str) -> Iterator[str]:
    """A text folded, and that without its loose marks: an entry that has none stands for both."""
    yield (folded := _folded(text))
    if (bare := _LOOSE_MARK.sub("", folded)) != folded:
        yield bare


def _folded(text: str) -> str:
    """In one form of case, composition, letters' style and i, without what nobody sees."""
    folded = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    return unicodedata.normalize("NFKC", _ONE_I.sub("i", folded))


def _tokens(folded: str, script: str) -> list[str]:
    """Words; in scripts without spaces all in one, white space aside."""
    return ["".join(folded.split())] if script in SCRIPTS_WITHOUT_SPACES else _WORD.findall(folded)


def _host(address: str) -> str:
    """The host of an address, or of what is a bare host: lower case, no `www.`, no wildcard; as Punycode where it is not ASCII."""
    try:
        host = urlsplit(address if _ABSOLUTE.match(address) else f"//{address}").hostname or ""
    except ValueError:  # no address at all
        return ""
    host = host.removeprefix("*").strip(".").removeprefix("www.")
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host
