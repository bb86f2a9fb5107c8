"""A build's surroundings: registry and store, and of each language its settings, its model and where its inputs come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xinstr_core.corpus.learned_filter import LearnedFilter, read_filter, weights_file
from xinstr_core.corpus.packs import NO_PACK, LanguagePack, bundled_pack
from xinstr_core.corpus.refuse_lists import RefuseLists, list_entries, list_files
from xinstr_core.corpus.sources import beside, files_of
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.precision import ChosenPrecision, choose_precision
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.languages import CorpusSource, Language, active_languages, get_language
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.pocket.world import POCKET, WORLDS, write_english_pairs, write_world
from xinstr_core.presets import PRESET, THIS_RUN, Chosen, Layer, choose
from xinstr_core.settings import Settings
from xinstr_core.store import Store
from xinstr_core.text import as_utf8, is_storable

_OTHERS, _MOST_OTHERS = 2, 3  # languages of the arm pinch beside the language itself: unless named, and at most


def home_folder() -> Path:
    """XINSTR_HOME, or the current folder: where languages.toml, xinstr.toml and data/ are. SettingsError where it is none."""
    named = os.environ.get("XINSTR_HOME", ".")
    try:
        home = Path(named).resolve()
    except RuntimeError as error:  # a link to itself
        raise SettingsError(f"XINSTR_HOME={named}: {error}: set it to the project's folder") from None
    if not is_storable(str(home)):
        raise SettingsError(f"{as_utf8(str(home))}: the name is not UTF-8, which no table can keep: rename the folder")
    return home


@dataclass(frozen=True)
class Workspace:
    """A home folder, and what is given for this run alone, which wins over what languages.toml and xinstr.toml keep.

    Every language has its own settings and model; all that hangs on them is asked for with the language.
    """

    home: Path
    preset: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    corpus: str | None = None
    seeds: str | None = None
    base_model: str | None = None
    _chosen: dict[str, Chosen] = field(default_factory=dict, init=False, repr=False, compare=False)
    _models: dict[tuple[str, ...], ModelReference] = field(default_factory=dict, init=False, repr=False, compare=False)

    def chosen(self, language: Language) -> Chosen:
        """Preset and settings of the language: of xinstr.toml, its entry and this run, later ones winning."""
        if language.tag not in self._chosen:
            given = {PRESET: self.preset, "base_model": self.base_model}
            self._chosen[language.tag] = choose(
                Layer.read(self.home / "xinstr.toml"),
                Layer(self._entry(language), language.built_with),
                Layer(THIS_RUN, {**self.overrides, **{name: value for name, value in given.items() if value}}),
            )
        return self._chosen[language.tag]

    def settings(self, language: Language) -> Settings:
        return self.chosen(language).settings

    def precision(self, language: Language) -> ChosenPrecision:
        return choose_precision(self.settings(language).precision)

    def model(self, language: Language) -> ModelReference:
        """The base model, of which a relative path is seen from the home folder. It is read once, for all languages that have it."""
        settings, precision = self.settings(language), self.precision(language).name
        name, asked = settings.base_model, (settings.prompt_format, settings.system_text)
        if name != POCKET and (self.home / name).is_dir():
            name = str(self.home / name)
        key = (name, precision, *asked)
        if key not in self._models:
            self._models[key] = resolve_model(name, precision, *asked)
        return self._models[key]

    def places(self, language: Language) -> dict[str, str]:
        """Where settings, preset, corpus and seeds of the language were said, by name; what nobody said is left out."""
        places = dict(self.chosen(language).places)
        for name, given in (("corpus", self.corpus), ("seeds", self.seeds)):
            if given or name in language.model_fields_set:
                places[name] = THIS_RUN if given else self._entry(language)
        return places

    def _entry(self, language: Language) -> str:
        return f"{self.registry.name} [{language.tag}]"

    @cached_property
    def store(self) -> Store:
        return Store(self.home / "data")

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

    def learned_filters(self, language: Language) -> tuple[LearnedFilter, ...]:
        """The filters that were fitted for the language; none for most."""
        path = self.pack_file(language)
        return tuple(read_filter(path, *one) for one in self.pack(language).filters.items()) if path else ()

    def weights_files(self, language: Language) -> dict[str, Path]:
        """Where the weights of its learned filters are, by name."""
        path = self.pack_file(language)
        files = {name: weights_file(path, name) for name in self.pack(language).filters} if path else {}
        return {name: file for name, file in files.items() if file.is_file()}

    def refuse_lists(self, language: Language) -> RefuseLists:
        """The sites and words that its settings refuse."""
        corpus = self.settings(language).corpus
        domains, words = (list_entries(found, self.home) for found in (corpus.refuse_domains, corpus.refuse_words))
        return RefuseLists.of(domains, words, language.script)

    def refuse_files(self, language: Language) -> list[Path]:
        """The files that these lists name."""
        corpus = self.settings(language).corpus
        return list_files((*corpus.refuse_domains, *corpus.refuse_words), self.home)

    def identification_model(self, language: Language) -> Path | None:
        """The further voter's model file, for a language that has a label in it."""
        named = self.settings(language).corpus.identification_model
        if named is None or language.identification_label is None:
            return None
        if not (self.home / named).is_file():
            raise InputError(f"no identification model {self.home / named}: correct corpus.identification_model")
        return self.home / named

    def evaluation_files(self, language: Language) -> list[Path]:
        """Files whose text must not be in the corpus: those that the settings name, and the language's gold pairs."""
        gold = self.gold_pairs_file(language)
        named = [
            self.home / name.replace("{language}", language.tag)
            for name in self.settings(language).corpus.evaluation_sets
        ]
        if missing := [str(path) for path in named if not path.is_file()]:
            raise InputError(f"no evaluation set {', '.join(missing)}: correct corpus.evaluation_sets")
        return [*named, gold] if gold else named

    def seeds_file(self, language: Language) -> Path | None:
        """The seed pairs, or None for a language that has none."""
        source = self.seeds or language.seed_source.path
        if source is None:
            return None
        return (
            self._pocket_file(POCKET, language, "seeds")
            if source == POCKET
            else _one_file(self.home / source, language, "seeds")
        )

    def english_pairs_file(self, language: Language) -> Path | None:
        """English pairs for evaluation.arms: those that are named, else the embedded world's where its seeds are, or None."""
        named = self.settings(language).evaluation.english_pairs
        if named:
            return _one_file(self.home / named, language, "English pairs")
        if not self._has_pocket_seeds(language):
            return None
        path = self.home / "data" / POCKET / "seeds" / "en.jsonl"
        if not path.exists():
            write_english_pairs(path)
        return path

    def pinch_seeds_files(self, language: Language) -> list[tuple[Language, Path]]:
        """The other languages of the arm pinch with their seed pairs, three at most.

        Generated text and what people wrote are not mixed unless evaluation.pinch_languages says so. SettingsError for
        a language that is not registered, InputError for one without seeds.
        """
        registered = replace(self, seeds=None)  # what is given for this run is the language's own
        if named := self.settings(language).evaluation.pinch_languages:
            others = [self.language(tag) for tag in dict.fromkeys(named) if tag != language.tag]
            if len(others) > _MOST_OTHERS:
                raise InputError(
                    f"evaluation.pinch_languages names {len(others)} beside {language.tag}, and {_MOST_OTHERS} are the most: "
                    "take one out"
                )
        else:
            of_pocket = self._has_pocket_seeds(language)
            others = [
                other
                for other in active_languages(self.registry).values()
                if other.tag != language.tag
                and other.seed_source.path
                and registered._has_pocket_seeds(other) is of_pocket
                and (not of_pocket or other.tag in POCKET_LANGUAGES)
            ][:_OTHERS]
        found = [(other, registered.seeds_file(other)) for other in others]
        if lacking := [other.tag for other, path in found if path is None]:
            raise InputError(f"{', '.join(lacking)} has no seeds: take it out of evaluation.pinch_languages")
        return [(other, path) for other, path in found if path is not None]

    def _has_pocket_seeds(self, language: Language) -> bool:
        return (self.seeds or language.seed_source.path) == POCKET

    def parallel_file(self, language: Language) -> Path | None:
        """Documents in English and the language that become seed pairs, or None."""
        named = language.seed_source.parallel
        return _one_file(self.home / named, language, "parallel documents") if named else None

    def prompts_file(self, language: Language) -> Path | None:
        """Evaluation prompts, or None: then held-out instructions serve."""
        if language.prompts:
            return _one_file(self.home / language.prompts, language, "prompts")
        world = self.pocket_world(language)
        return self._pocket_file(world, language, "prompts") if world else None

    def gold_pairs_file(self, language: Language) -> Path | None:
        """Pairs that people wrote, to measure on, or None."""
        return _one_file(self.home / language.gold, language, "gold") if language.gold else None

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
