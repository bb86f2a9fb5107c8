"""One build's surroundings: the registry, the settings, the store, and where a language's inputs come from."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xinstr_core.corpus.packs import NO_PACK, LanguagePack, bundled_pack
from xinstr_core.corpus.sources import beside, files_of
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.precision import ChosenPrecision, choose_precision
from xinstr_core.errors import InputError
from xinstr_core.languages import CorpusSource, Language, get_language
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.pocket.world import POCKET, WORLDS, write_world
from xinstr_core.presets import declared_settings, load_settings
from xinstr_core.settings import Settings
from xinstr_core.store import Store


def home_folder() -> Path:
    """XINSTR_HOME, or the current folder: where languages.toml, xinstr.toml and data/ are."""
    return Path(os.environ.get("XINSTR_HOME", ".")).resolve()


@dataclass(frozen=True)
class Workspace:
    """`corpus`, `seeds` and `base_model` replace what the registry and the settings say, for one build."""

    home: Path
    preset: str = "pocket"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    corpus: str | None = None
    seeds: str | None = None
    base_model: str | None = None

    @cached_property
    def settings(self) -> Settings:
        settings = load_settings(self.preset, self.home / "xinstr.toml", self.overrides)
        return settings.model_copy(update={"base_model": self.base_model}) if self.base_model else settings

    def changed_settings(self, sections: Collection[str]) -> dict[str, Any]:
        """What in these sections is other than the preset says, and the sources of this build alone, by name."""
        preset = {name: value for name, _, value in declared_settings(load_settings(self.preset))}
        changed = {
            name: value
            for name, _, value in declared_settings(self.settings)
            if value != preset[name] and name.partition(".")[0] in sections
        }
        sources = {"corpus": self.corpus, "seeds": self.seeds}
        return changed | {name: source for name, source in sources.items() if source}

    @cached_property
    def store(self) -> Store:
        return Store(self.home / "data")

    @cached_property
    def precision(self) -> ChosenPrecision:
        return choose_precision(self.settings.precision)

    @cached_property
    def model(self) -> ModelReference:
        return resolve_model(self.settings.base_model, self.precision.name)

    @property
    def registry(self) -> Path:
        return self.home / "languages.toml"

    def language(self, tag: str) -> Language:
        return get_language(self.registry, tag)

    def corpus_source(self, language: Language) -> CorpusSource:
        """Where the language's text is. InputError when there is nothing."""
        declared = CorpusSource(path=self.corpus) if self.corpus else language.corpus_source
        if declared.path in WORLDS:
            return CorpusSource(path=str(self._pocket_file(declared.path, language, "corpus")))
        source = beside(declared, self.home)
        files_of(source, language.tag)
        return source

    def pack_file(self, language: Language) -> Path | None:
        """The language's pack: `packs/<tag>.toml` beside the registry, or the one that ships, or None."""
        own = self.home / "packs" / f"{language.tag}.toml"
        return own if own.is_file() else bundled_pack(language.tag)

    def pack(self, language: Language) -> LanguagePack:
        """What documents of the language look like; the loosest limits for a language without a pack."""
        path = self.pack_file(language)
        return LanguagePack.read(path) if path else NO_PACK

    def identification_model(self, language: Language) -> Path | None:
        """The further voter's model file, for a language that has a label in it."""
        named = self.settings.corpus.identification_model
        if named is None or language.identification_label is None:
            return None
        if not (self.home / named).is_file():
            raise InputError(f"no identification model {self.home / named}: correct corpus.identification_model")
        return self.home / named

    def evaluation_files(self, language: Language) -> list[Path]:
        """Files whose text must not be in the corpus: those that the settings name."""
        named = [self.home / name.replace("{language}", language.tag) for name in self.settings.corpus.evaluation_sets]
        if missing := [str(path) for path in named if not path.is_file()]:
            raise InputError(f"no evaluation set {', '.join(missing)}: correct corpus.evaluation_sets")
        return named

    def seeds_file(self, language: Language) -> Path | None:
        """The seed pairs, or None for a language that has none."""
        source = self.seeds or language.seeds
        if source is None:
            return None
        return (
            self._pocket_file(POCKET, language, "seeds")
            if source == POCKET
            else _one_file(self.home / source, language, "seeds")
        )

    def prompts_file(self, language: Language) -> Path | None:
        """Evaluation prompts, or None: then held-out instructions serve."""
        if language.prompts:
            return _one_file(self.home / language.prompts, language, "prompts")
        world = self.pocket_world(language)
        return self._pocket_file(world, language, "prompts") if world else None

    def gold_file(self, language: Language, part: str = "") -> Path | None:
        """Gold of a pocket corpus: for the evaluation only."""
        world = self.pocket_world(language)
        return self._pocket_file(world, language, "gold", part) if world else None

    def is_pocket(self, language: Language) -> bool:
        return self.pocket_world(language) is not None

    def pocket_world(self, language: Language) -> str | None:
        """The embedded world that the language's text is from, or None for text from outside."""
        path = self.corpus or language.corpus_source.path
        return path if path in WORLDS else None

    def _pocket_file(self, world: str, language: Language, kind: str, part: str = "") -> Path:
        if language.tag not in POCKET_LANGUAGES:
            raise InputError(
                f"the pocket world has no {language.name} ({language.tag}): set its corpus and seeds in {self.registry.name}; pocket languages: {', '.join(POCKET_LANGUAGES)}"
            )
        folder = self.home / "data" / world
        path = folder / kind / f"{language.tag}{part}.jsonl"
        if not path.exists():
            write_world(folder, language.tag, world)
        return path


def _one_file(path: Path, language: Language, what: str) -> Path:
    return Path(files_of(CorpusSource(path=str(path)), language.tag, what)[0])
