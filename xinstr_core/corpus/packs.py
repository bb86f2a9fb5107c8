"""Language packs: the limits, stop words and profile of one language, in a file that a person can read and edit.

A pack is fitted from the language's own text by one rule. A limit from above is half as much again as the 99th
percentile of its documents, a limit from below half of their first percentile (cohesion: all of it), so that a text is
refused for being unlike the language's own and not for being unlike English. No limit leaves the range declared here:
little text cannot make one too strict, dirty text cannot make one that lets everything pass.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xinstr_core.corpus.identification import identify, knows
from xinstr_core.corpus.learned_filter import FilterName, FittedFilter
from xinstr_core.corpus.quality import measure, units
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.spans import cut_spans
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.settings import CorpusSettings
from xinstr_core.store import write_text
from xinstr_core.text import is_storable

STOP_WORDS = 100  # of fifty, agglutinative languages found hardly one in a clean text about another matter
PROFILE_RUNS = 400  # as long as Cavnar and Trenkle's profiles at their best
_SOURCES_NAMED = 5
LEAST_DOCUMENTS = 30  # below this a percentile is one document's

# What a limit may be: (strictest, loosest). The loosest is what a language without a pack gets. They were chosen by what
# the rule gives on 9,543 clean documents of twelve languages, and by what noisy ones have (decision 0004).
_MAXIMA = {
    "link_share": (0.03, 0.10),
    "markup_share": (0.04, 0.15),
    "symbol_share": (0.20, 0.30),
    "digit_share": (0.10, 0.20),
    "menu_share": (0.15, 0.90),
    "bare_line_share": (0.10, 0.60),
    "spaced_mark_share": (0.35, 0.50),
    "repeated_line_share": (0.15, 0.40),
    "repeated_phrase_share": (0.15, 0.40),
}
_MINIMA = {
    "script_share": (0.60, 0.80),
    "stop_word_share": (0.0, 0.02),
    "language_score": (0.30, 0.60),
    "profile_share": (0.0, 0.25),
}
_COHESION = (0.0, 0.15)


class Limits(BaseModel):
    """One number a measure. What a person writes here is taken as it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Maxima(Limits):
    link_share: float = Field(default=_MAXIMA["link_share"][1], ge=0, le=1)
    markup_share: float = Field(default=_MAXIMA["markup_share"][1], ge=0, le=1)
    symbol_share: float = Field(default=_MAXIMA["symbol_share"][1], ge=0, le=1)
    digit_share: float = Field(default=_MAXIMA["digit_share"][1], ge=0, le=1)
    menu_share: float = Field(default=_MAXIMA["menu_share"][1], ge=0, le=1)
    bare_line_share: float = Field(default=_MAXIMA["bare_line_share"][1], ge=0, le=1)
    spaced_mark_share: float = Field(default=_MAXIMA["spaced_mark_share"][1], ge=0, le=1)
    repeated_line_share: float = Field(default=_MAXIMA["repeated_line_share"][1], ge=0, le=1)
    repeated_phrase_share: float = Field(default=_MAXIMA["repeated_phrase_share"][1], ge=0, le=1)
    foreign_share: float = Field(default=0.40, ge=0, le=1)  # not fitted: a page is not a language's for quoting another


class Minima(Limits):
    script_share: float = Field(default=_MINIMA["script_share"][0], ge=0, le=1)
    stop_word_share: float = Field(default=_MINIMA["stop_word_share"][0], ge=0, le=1)
    language_score: float = Field(default=0.5, ge=0, le=1)  # half of the voters' weight, where no text says better
    profile_share: float = Field(default=_MINIMA["profile_share"][0], ge=0, le=1)
    cohesion_share: float = Field(default=_COHESION[0], ge=0, le=1)


class LanguagePack(BaseModel):
    """What documents of one language look like. `profile` is kept for languages that no voter knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: int = Field(
        default=0, ge=0, description="how many documents it was fitted from; 0: none, the loosest limits"
    )
    source: str = Field(default="", description="which text that was")
    maximum: Maxima = Maxima()
    minimum: Minima = Minima()
    stop_words: tuple[str, ...] = Field(default=(), description="the units that occur in most documents")
    profile: tuple[str, ...] = Field(default=(), description="the most frequent letter triples")
    filters: dict[FilterName, FittedFilter] = Field(default={}, description="learned filters, by what they refuse")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The pack of a file. SettingsError names the key that is wrong."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            sections: dict[str, type[BaseModel]] = {"maximum": Maxima, "minimum": Minima, "filters": FittedFilter}
            known = sections.get(str(first["loc"][0]), cls).model_fields
            raise SettingsError(
                f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; known: {', '.join(known)}"
            ) from None

    def write(self, path: Path) -> None:
        document = tomlkit.document()
        document.add(
            tomlkit.comment(
                "Fitted by `xinstr languages fit`; edit it as you like. What each measure is: xinstr_core/corpus/quality.py"
            )
        )
        for key, value in self.model_dump(exclude=None if self.filters else {"filters"}).items():
            if isinstance(value, tuple):
                words = tomlkit.array()
                words.extend(value)
                document[key] = words
            else:
                document[key] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, tomlkit.dumps(document))


NO_PACK = LanguagePack()


def bundled_pack(language: str) -> Path | None:
    """The pack that ships for a language, or None."""
    path = Path(__file__).parent / "languages" / f"{language}.toml"
    return path if path.is_file() else None


def letter_triples(text: str) -> Iterable[str]:
    """Runs of three characters of words, word borders included."""
    for word in text.casefold().split():
        padded = f" {word} "
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))


def profile_share(text: str, profile: frozenset[str]) -> float:
    """Share of a text's letter triples that are in the profile (after Cavnar and Trenkle 1994)."""
    triples = list(letter_triples(text))
    return sum(triple in profile for triple in triples) / len(triples) if triples else 0.0


def fit_from_records(
    records: Iterable[Record | Reject], language: str, script: str, settings: CorpusSettings
) -> LanguagePack:
    """The pack of a language from records of it; `source` tells whose text that is."""
    texts, sources = [], Counter[str]()
    for record in records:
        text = record.values.get("text") if isinstance(record, Record) else None
        if isinstance(record, Record) and isinstance(text, str) and is_storable(text):
            texts.append(text)
            sources[f"{record.values.get('source') or 'unnamed'} ({record.values.get('licence') or 'unknown'})"] += 1
    named = ", ".join(f"{count} of {source}" for source, count in sources.most_common(_SOURCES_NAMED))
    return fit_pack(texts, language, script, named, settings)


def fit_pack(
    texts: Iterable[str], language: str, script: str, source: str, settings: CorpusSettings | None = None
) -> LanguagePack:
    """The pack of a language from documents of it, by the rule above. InputError when they are too few.

    The documents are cut and the pieces measured as the stage will do it; around personal data they are not cut.
    """
    shortest, longest = (settings or CorpusSettings()).span_bounds
    kept = [
        text[start:end]
        for text in texts
        for start, end in cut_spans(text, shortest, longest)
        if shortest <= end - start <= longest
    ]
    if len(kept) < LEAST_DOCUMENTS:
        raise InputError(
            f"{len(kept)} documents of {shortest} to {longest} characters are too few to fit {language} from: "
            f"give at least {LEAST_DOCUMENTS}"
        )
    stop_words = _most_common((set(units(text, script)) for text in kept), STOP_WORDS)
    profile = _most_common((letter_triples(text) for text in kept), PROFILE_RUNS)
    known, triples = frozenset(stop_words), frozenset(profile)
    rows = [asdict(measure(text, script, known)) | {"profile_share": profile_share(text, triples)} for text in kept]
    if knows(language):
        for row, text in zip(rows, kept, strict=True):
            row["language_score"] = identify(text).of(language)
        alike = sum(row["language_score"] >= _MINIMA["language_score"][0] for row in rows)
        if alike < len(rows) / 2:
            raise InputError(f"only {alike} of {len(rows)} documents look like {language}: fit it from text of its own")
    maxima = {name: _above([row[name] for row in rows], *span) for name, span in _MAXIMA.items() if name in rows[0]}
    minima = {name: _below([row[name] for row in rows], *span) for name, span in _MINIMA.items() if name in rows[0]}
    minima["cohesion_share"] = _least_cohesion([row["cohesion_share"] for row in rows if row["cohesion_share"] < 1])
    return LanguagePack(
        documents=len(kept),
        source=source,
        maximum=Maxima(**maxima),
        minimum=Minima(**minima),
        stop_words=stop_words,
        profile=profile,
    )


def _most_common(found: Iterable[Iterable[str]], count: int) -> tuple[str, ...]:
    """The most frequent, ties by themselves."""
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(one)
    return tuple(sorted(counts, key=lambda unit: (-counts[unit], unit))[:count])


def _above(values: list[float], strictest: float, loosest: float) -> float:
    return round(min(loosest, max(strictest, 1.5 * float(np.quantile(values, 0.99)))), 3)


def _below(values: list[float], loosest: float, strictest: float, part: float = 0.5) -> float:
    return round(min(strictest, max(loosest, part * float(np.quantile(values, 0.01)))), 3)


def _least_cohesion(values: list[float]) -> float:
    """The whole of the first percentile: half of it would find far fewer documents of random sentences (decision 0004)."""
    return _below(values, *_COHESION, part=1) if len(values) >= LEAST_DOCUMENTS else _COHESION[0]
