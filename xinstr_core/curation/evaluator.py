"""The evaluator: what rates (instruction, response) pairs.

Adapters that read a pair, and heads: logistic regressions from the signals of a pair to its level, to the quality of its
instruction by itself, and to how well the response fits it. The heads learn on the rating set of seeds that the adapters
have not seen, so that surprise means there what it will mean on candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.generated import Generated
from xinstr_core.curation.grounding import RareWords
from xinstr_core.curation.head import INVERSE_PENALTY, INVERSE_PENALTY_OF_FEW, Head
from xinstr_core.curation.near_texts import near_texts
from xinstr_core.curation.neighbours import Neighbours
from xinstr_core.curation.rating_set import GENERATED, Material, RatedPair, build_rating_set
from xinstr_core.curation.signals import (
    ALONE,
    COHERENCE,
    GAIN,
    GIVEN,
    GROUNDING,
    LEVEL,
    NEEDS_INSTRUCTIONS,
    NEIGHBOURS,
    NearTexts,
    Readers,
    SignalLog,
    Signals,
    read_signals,
)
from xinstr_core.curation.splits import HEAD_DIGITS, split_material, split_pairs
from xinstr_core.engines.base import SCORED_ROWS
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.identity import fingerprint, normalised
from xinstr_core.languages import Language
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas import evaluator as tables
from xinstr_core.schemas.evaluator import HEADS, NO, YES, adapter_folder, head_table
from xinstr_core.schemas.shared import LEVELS, PROBABILITIES, RIGHT, SCORES
from xinstr_core.settings import EvaluatorSettings
from xinstr_core.store import Partition
from xinstr_core.training.adapter import Earlier, TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example

# What each score may look at: an instruction is judged without the text, a fit without what hangs together in itself.
_FIT = frozenset({*GIVEN, *ALONE, *GAIN, *COHERENCE[-2:], *GROUNDING, *NEIGHBOURS, *LEVEL})
_SEEN = {"instruction_quality": frozenset(ALONE), "pair_fit": _FIT, RIGHT: _FIT}


@dataclass(frozen=True)
class Evaluator:
    """What reads a pair and the heads that judge what was read, by HEADS."""

    readers: Readers
    heads: dict[str, Head]

    @classmethod
    def load(cls, engines: Engines, partition: Partition, settings: EvaluatorSettings, language: Language) -> Evaluator:
        """The evaluator that a partition holds."""
        readers = Readers(
            engines,
            language.name,
            settings.signals,
            {task: partition.folder(adapter_folder(task)) for task in adapter_tasks(settings)},
            RareWords(partition.read(tables.RARE_WORDS.name)),
            Neighbours(partition.read(tables.NEIGHBOURS.name)),
        )
        return cls(readers, {name: Head(partition.read(head_table(name).name)) for name in HEADS})

    def tables(self) -> dict[str, pl.DataFrame]:
        """What a partition has to hold, beside the `folders`."""
        return {
            **{head_table(name).name: head.table for name, head in self.heads.items()},
            tables.RARE_WORDS.name: self.readers.rare_words.table,
            tables.NEIGHBOURS.name: self.readers.neighbours.table,
        }

    @property
    def fingerprint(self) -> str:
        """Of the adapters' content, which tells the rounds apart."""
        return fingerprint({task: adapter_hash(adapter) for task, adapter in self.readers.adapters.items()})

    def folders(self) -> dict[str, Path]:
        return {adapter_folder(task): adapter for task, adapter in self.readers.adapters.items()}

    def rate(
        self, pairs: Sequence[Pair], log: SignalLog, progress: Progress = silent, *, near: NearTexts | None = None
    ) -> tuple[pl.DataFrame, Signals]:
        """(pair_id, PROBABILITIES, SCORES and the signals of every pair that could be read, sorted; what was read).

        `near` are the texts that are most like each pair's own, by pair.
        """
        signals = read_signals(self.readers, pairs, log, progress, near=near)
        scores = {name: self.heads[name].probabilities(signals.table)[YES] for name in SCORES}
        if self.heads[RIGHT].knows:
            scores[RIGHT] = self.heads[RIGHT].probabilities(signals.table)[YES]
        rated = read_levels(self.heads["level"], signals.table).with_columns(
            score.alias(name) for name, score in scores.items()
        )
        return rated.select("pair_id", *PROBABILITIES, *scores, *self.readers.signals), signals

    def rate_rated(
        self, rated: Sequence[RatedPair], pairs: Sequence[Pair], log: SignalLog, progress: Progress = silent
    ) -> pl.DataFrame:
        """Rows of a rating set with their ratings: truth beside what `rate` gives, in their own order.

        `pairs` are the seed pairs that the rows were made of.
        """
        truth = pl.DataFrame(
            [(r.key, r.seed, r.level, r.construction, r.instruction_good, r.fits) for r in rated],
            schema={
                "pair_id": pl.String,
                "seed_id": pl.String,
                "level": pl.String,
                "construction": pl.String,
                "instruction_good": pl.Boolean,
                "fits": pl.Boolean,
            },
            orient="row",
        )
        near = near_of_rated(self.readers, rated, pairs)
        return truth.join(self.rate(rated, log, progress, near=near)[0], on="pair_id", maintain_order="left")


@dataclass(frozen=True)
class TrainedEvaluator:
    """An evaluator, its trainings by task, and what its heads learned from: rows of the rating set and their signals."""

    evaluator: Evaluator
    trainings: dict[str, TrainedAdapter]
    rated: list[RatedPair]
    signals: pl.DataFrame


def train_evaluator(
    engines: Engines,
    pairs: Sequence[Pair],
    settings: EvaluatorSettings,
    folder: Path,
    *,
    language: Language,
    log: SignalLog | None = None,
    material: Material | None = None,
    write: Callable[[Path, Sequence[Pair]], Generated] | None = None,
    added: Sequence[Pair] = (),
    start_from: Mapping[str, Path] | None = None,
    earlier: Mapping[str, Earlier | None] | None = None,
    progress: Progress = silent,
) -> TrainedEvaluator:
    """Train the adapters on most `pairs` and on all `added`, and the heads on the rating set of the others.

    `write` gives what the adapter writes of texts that it has not seen; without, `material` has it.

    `start_from` continues the adapters of a round before, and `earlier` holds those of an earlier run, by task. Killed
    and run again with the same `folder`, it goes on where it was.
    """
    for_adapters, for_heads = split_pairs(pairs, settings.head_share, digits=HEAD_DIGITS)
    material_for_adapters, material_for_heads = split_material(
        material or Material(), settings.head_share, digits=HEAD_DIGITS
    )
    if not for_adapters:
        different = len({normalised(pair.response) for pair in pairs})
        raise StageError(
            f"{len(pairs)} seed pairs with {different} different responses are too few to train an evaluator on: give 100 or "
            "more whose responses differ"
        )
    trained = {
        task: train_adapter(
            engines,
            examples,
            settings,
            folder / adapter_folder(task),
            start_from=(start_from or {}).get(task),
            earlier=(earlier or {}).get(task),
            progress=progress,
        )
        for task, examples in _examples(for_adapters, added, settings, material_for_adapters).items()
    }
    readers = Readers(
        engines,
        language.name,
        settings.signals,
        {task: adapter.folder for task, adapter in trained.items()},
        RareWords.count(pair.instruction for pair in for_adapters),
        seed_neighbours(engines, for_adapters) if "neighbours" in settings.signals else Neighbours.of([], []),
    )
    if write:
        material_for_heads = replace(material_for_heads, instructions=write(readers.adapters["instruction"], for_heads))
    rated = build_rating_set(for_heads, settings.constructions, material_for_heads)
    signals = read_signals(
        readers, rated, log or SignalLog(folder / "heads"), progress, near=near_of_rated(readers, rated, for_heads)
    ).table
    return TrainedEvaluator(Evaluator(readers, fit_heads(signals, rated, settings)), trained, rated, signals)


def seed_neighbours(engines: Engines, pairs: Sequence[Pair]) -> Neighbours:
    """The pairs with the base model's vectors of their texts."""
    embedder = engines.embedder()
    ordered = sorted(pairs, key=lambda pair: (len(pair.response), pair.key))
    batches = [ordered[start : start + SCORED_ROWS] for start in range(0, len(ordered), SCORED_ROWS)]
    vectors = [vector for batch in batches for vector in embedder().embed([pair.response for pair in batch])]
    return Neighbours.of([(pair.key, pair.instruction, pair.response) for pair in ordered], vectors)


def near_of_rated(readers: Readers, rated: Sequence[RatedPair], pairs: Sequence[Pair]) -> NearTexts:
    """The texts of other `pairs` that are most like that of the pair that a row was made of, by row.

    Not like the row's own: what was made of a text is too much like it. None where no signal asks for them.
    """
    if not readers.reads_near_texts:
        return {}
    texts = {pair.key: pair.response for pair in pairs}
    near = near_texts(texts, texts.values())
    return {row.key: near.get(row.seed, ()) for row in rated}


def adapter_tasks(settings: EvaluatorSettings) -> list[str]:
    """What adapters the signals need."""
    needs = {"instruction": NEEDS_INSTRUCTIONS, "level": frozenset({"level"})}
    return [task for task, groups in needs.items() if groups.intersection(settings.signals)]


def _examples(
    pairs: Sequence[Pair], added: Sequence[Pair], settings: EvaluatorSettings, material: Material
) -> dict[str, list[Example]]:
    """What each adapter learns: to write the instruction of a text, and to write the level of a pair."""
    reverse, rating = prompt("reverse"), prompt("rating")
    examples: dict[str, list[Example]] = {}
    if NEEDS_INSTRUCTIONS.intersection(settings.signals):
        examples["instruction"] = [
            Example(pair.key, reverse.render(text=pair.response), pair.instruction) for pair in (*pairs, *added)
        ]
    if "level" in settings.signals:
        best = [
            RatedPair(pair.key, pair.instruction, pair.response, pair.key, LEVELS[-1], "kept", True, True)
            for pair in added
        ]
        rated = [*build_rating_set(pairs, settings.constructions, material), *best]
        examples["level"] = [
            Example(r.key, rating.render(instruction=r.instruction, text=r.response), r.level) for r in rated
        ]
    return examples


def fit_heads(signals: pl.DataFrame, rated: Sequence[RatedPair], settings: EvaluatorSettings) -> dict[str, Head]:
    """A head for the level and one for each score."""
    return {name: fit_head(name, signals, rated, settings) for name in HEADS}


def fit_head(name: str, signals: pl.DataFrame, rated: Sequence[RatedPair], settings: EvaluatorSettings) -> Head:
    """The head for the level or for a score, from the rows that say something of it.

    Rows of known level and what a model wrote teach different heads: beside wrong ones that are close to right, levels
    judged by another model, seed pairs themselves would pass for flawed.
    """
    made = [row for row in rated if row.construction != GENERATED]
    truths: dict[str, dict[str, str | None]] = {
        "level": {row.key: row.level for row in made},
        "instruction_quality": {row.key: _answer(row.instruction_good) for row in made},
        "pair_fit": {row.key: _answer(row.fits) for row in made},
        RIGHT: {row.key: _answer(row.level == LEVELS[-1]) for row in rated if row.construction == GENERATED},
    }
    truth = truths[name]
    known = signals.filter([truth.get(key) is not None for key in signals["pair_id"]])
    seen = seen_by(name, signals.columns[1:])
    products = name == "level" and settings.head_terms == "products"
    # A wanted precision takes what it is told for a probability, so how rarely a model is right must count: with classes
    # weighing the same, and shares estimated from the candidates, 0.8 came to 0.5 (docs/decisions/0015).
    written = name == RIGHT
    return Head.fit(
        known.select(seen),
        [str(truth[key]) for key in known["pair_id"]],
        HEADS[name],
        products=products,
        balanced=not written,
        inverse_penalty=INVERSE_PENALTY_OF_FEW if products or written else INVERSE_PENALTY,
    )


def seen_by(name: str, signals: Sequence[str]) -> list[str]:
    """Those of the signals that a head may look at, by its name in HEADS."""
    return [signal for signal in signals if signal in _SEEN.get(name, signals)]


def read_levels(head: Head, signals: pl.DataFrame) -> pl.DataFrame:
    """Rows with every signal, and the level's PROBABILITIES as a head reads them off."""
    levels = head.probabilities(signals)
    return signals.with_columns(levels[level].alias(name) for level, name in zip(LEVELS, PROBABILITIES, strict=True))


def _answer(value: bool | None) -> str | None:
    return None if value is None else YES if value else NO
