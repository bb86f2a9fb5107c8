"""Languages: what the line has to know about each, read from languages.toml and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from xinstr_core.errors import SettingsError
from xinstr_core.files import write_text
from xinstr_core.identity import is_language_key
from xinstr_core.scripts import unicode_scripts
from xinstr_core.store import ALL_LANGUAGES
from xinstr_core.text import printable


class CorpusSource(BaseModel):
    """`corpus` of a language in languages.toml: a text, which is taken as `path`, or a table of these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="file, folder, pattern or URL; with reader = 'hub' the dataset's id")
    reader: Literal["jsonl", "json", "csv", "parquet", "text", "html", "warc", "hub"] | None = Field(
        default=None, description="the format; the files' names tell it unless named"
    )
    text: str = Field(default="text", description="the field with the text")
    source: str = Field(default="source", description="the field that names the source")
    url: str = Field(default="url", description="the field with the address")
    licence: str = Field(default="licence", description="the field with the licence")
    config: str | None = Field(default=None, description="of a hub dataset, e.g. swh_Latn")
    split: str = Field(default="train", description="of a hub dataset")


class SeedSource(BaseModel):
    """`seeds` of a language in languages.toml: a text, which is taken as `path`, or a table of these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = Field(default=None, min_length=1, description="'pocket', a file or a folder with pairs")
    parallel: str | None = Field(
        default=None,
        min_length=1,
        description="JSONL of documents in English and the language (text_en, text) that people translated; the English "
        "pairs of `path` teach a model to write their instructions",
    )

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.path, f"parallel {self.parallel}" if self.parallel else "")))


class Language(BaseModel):
    """One target language. `corpus` and `seeds` are `pocket`, a file, or a folder that holds `<tag>.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    name: str = Field(min_length=1, description="English name, as the prompts use it")
    script: str = Field(description="ISO 15924 code of the script")
    corpus: str | CorpusSource = Field(
        default="pocket", description="'pocket', a file, a folder, a URL, or a table that says more"
    )
    seeds: str | SeedSource | None = Field(
        default="pocket", description="'pocket', a file, a folder, a table that says more, or nothing"
    )
    prompts: str | None = Field(default=None, description="JSONL of evaluation prompts in the language itself")
    gold: str | None = Field(
        default=None,
        description="JSONL of (English instruction, response) pairs that people wrote, to measure on; never trained on",
    )
    licence: str | None = Field(default=None, description="of documents that name none")
    minimum_language_score: float | None = Field(default=None, ge=0, le=1)
    identification_label: str | None = Field(
        default=None, description="of the language in corpus.identification_model, e.g. swh_Latn in GlotLID"
    )
    identified_as: tuple[str, ...] = Field(
        default=(),
        description="labels that the identifiers give text of the language in place of its own: a text with one of them passes",
    )
    preset: str | None = Field(default=None, description="preset of settings that it is built with")
    base_model: str | None = Field(default=None, min_length=1, description="model that it is built with")
    settings: dict[str, Any] = Field(default_factory=dict, description="its settings, in their sections")
    retired: bool = Field(default=False, description="kept in the store, no longer built")

    @field_validator("settings")
    @classmethod
    def _each_is_said_once(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if beside := {"preset", "base_model"} & settings.keys():
            raise ValueError(f"{', '.join(sorted(beside))} stands in the entry itself, not among its settings")
        return settings

    @property
    def corpus_source(self) -> CorpusSource:
        return self.corpus if isinstance(self.corpus, CorpusSource) else CorpusSource(path=self.corpus)

    @property
    def seed_source(self) -> SeedSource:
        return self.seeds if isinstance(self.seeds, SeedSource) else SeedSource(path=self.seeds)

    @property
    def built_with(self) -> dict[str, Any]:
        """What its entry says of preset, base model and settings."""
        named = {"preset": self.preset, "base_model": self.base_model}
        return {**self.settings, **{name: value for name, value in named.items() if value is not None}}


def check_tag(tag: str) -> str:
    """The tag itself. SettingsError when it cannot be a key."""
    if not is_language_key(tag) or tag == ALL_LANGUAGES:
        raise SettingsError(f"{tag!r} is no language key: use a lower-case BCP 47 tag such as sw, ur or zh-hant")
    return tag


def read_languages(path: Path) -> dict[str, Language]:
    """All registered languages by tag. SettingsError names the entry that is wrong."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"no language registry at {path}: copy languages.toml there or set XINSTR_HOME") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return {tag: _language(path, tag, entry) for tag, entry in raw.items()}


def _language(path: Path, tag: str, entry: Any) -> Language:
    check_tag(tag)
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{path}: {tag} must be a table: [{tag}]")
    if "tag" in entry:
        raise SettingsError(f"{path}: [{tag}] tag: the section's own name is the key; remove this line")
    try:
        language = Language(tag=tag, **entry)
    except (ValidationError, TypeError) as error:
        found = error.errors() if isinstance(error, ValidationError) else [{"loc": (tag,), "msg": str(error)}]
        # Of a corpus or seeds that are a table, what is wrong inside it and not that it is no text.
        tables: dict[Any, type[BaseModel]] = {one.__name__: one for one in (CorpusSource, SeedSource)}
        inside = (
            one for one in found if tables.keys() & {*one["loc"]} and isinstance(entry.get(one["loc"][0]), Mapping)
        )
        first = next(inside, found[0])
        known = next((tables[part] for part in first["loc"] if part in tables), Language)
        place = ".".join(str(part) for part in first["loc"] if part not in tables)
        raise SettingsError(
            f"{path}: [{tag}] {place}: {first['msg']}; known: {', '.join(name for name in known.model_fields if name != 'tag')}"
        ) from None
    if language.name != printable(language.name):
        raise SettingsError(f"{path}: [{tag}] name {language.name!r} holds control characters; remove them")
    if not unicode_scripts(language.script):
        raise SettingsError(
            f"{path}: [{tag}] script {language.script!r} is not known: give an ISO 15924 code such as Latn, Arab, Cyrl, Deva, Hans"
        )
    return language


def active_languages(path: Path) -> dict[str, Language]:
    return {tag: language for tag, language in read_languages(path).items() if not language.retired}


def get_language(path: Path, tag: str) -> Language:
    """The registered language. SettingsError lists the known ones."""
    languages = read_languages(path)
    if check_tag(tag) not in languages:
        raise SettingsError(
            f"unknown language {tag!r}; known: {', '.join(sorted(languages))}; add it with: xinstr languages add {tag} --name NAME --script SCRIPT --corpus PATH --seeds PATH"
        )
    return languages[tag]


def write_entry(path: Path, tag: str, values: Mapping[str, Any]) -> None:
    """Add or change one entry and keep the rest of the file, comments included, as it is."""
    read_languages(path)  # a broken registry is reported, not rewritten
    document = tomlkit.parse(path.read_text("utf-8"))
    entry: Any = document.setdefault(check_tag(tag), tomlkit.table())
    given = {key: value for key, value in values.items() if value is not None}
    entry.update({key: tomlkit.inline_table() if value == {} else value for key, value in given.items()})
    _language(path, tag, tomllib.loads(tomlkit.dumps(document))[tag])
    write_text(path, tomlkit.dumps(document))
