"""What every stage will have to do: rows, and tokens that are read, written and trained on. From settings and a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from xinstr_core.curation.generated import SAMPLES
from xinstr_core.curation.near_texts import NEAREST
from xinstr_core.curation.openings import DRAWN
from xinstr_core.curation.signals import NEEDS_INSTRUCTIONS
from xinstr_core.curation.written import DECODING as WRITTEN
from xinstr_core.estimate.text import Material, Texts
from xinstr_core.estimate.work import Workload
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.reverse_model import REVERSE_MODEL
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.settings import Settings

# Rough shares, as one build of 200 Finnish documents with Gemma 3 270M had them.
KEPT_DOCUMENTS = 0.95
ACCEPTED = 0.9
KEPT_PAIRS = 0.6
OPENING_TOKENS = 70  # of curation.signals.OPENING characters, in most tokenizers
TEMPLATE_TOKENS = 20  # of a prompt around its text, in most tokenizers


def workloads(material: Material, settings: Settings) -> dict[str, Workload]:
    """The workload of every stage of the line, by its asset's name."""
    plan = _Plan(material, settings)
    stages: dict[str, Callable[[], Workload]] = {
        RAW_CORPUS.asset: lambda: Workload(rows=material.documents.count),
        SEED_PAIRS.asset: plan.seed_pairs,
        REVERSE_MODEL.asset: plan.reverse_model,
        CANDIDATE_PAIRS.asset: plan.candidate_pairs,
        EVALUATOR.asset: plan.evaluator,
        REFINED_PAIRS.asset: plan.refined_pairs,
        DIVERSIFIED_SET.asset: plan.diversified_set,
        TUNED_MODEL.asset: plan.tuned_model,
        EVAL_REPORT.asset: plan.eval_report,
    }
    return {name: workload() for name, workload in stages.items()}


@dataclass(frozen=True)
class _Plan:
    """How the settings multiply what there is."""

    material: Material
    settings: Settings

    @property
    def _texts(self) -> int:
        """Documents that get instructions."""
        kept = round(self.material.documents.count * KEPT_DOCUMENTS)
        return min(kept, self.settings.generation.maximum_documents)

    @property
    def _asked(self) -> int:
        """Instructions that are tried for a text."""
        settings = self.settings.generation
        return settings.candidates + settings.guided_candidates + len(settings.openings)

    @property
    def _pairs(self) -> int:
        """Candidates that are rated: what little gain refuses is not known beforehand."""
        accepted = self._asked * ACCEPTED
        return round(self._texts * min(accepted, self.settings.generation.chosen_candidates or accepted))

    @property
    def _gains(self) -> Workload:
        """What is read to know what texts add to their instructions."""
        if not self.settings.generation.chooses_by_gain:
            return Workload()
        return self._read_for_gains(self._texts, self._asked * ACCEPTED, self.material.documents.tokens)

    def _read_for_gains(self, texts: int, accepted: float, tokens: float) -> Workload:
        """So many instructions of each of so many texts of so many tokens, after their text and alone."""
        instructions = 2 * accepted * (self.material.instructions.tokens + TEMPLATE_TOKENS)
        return Workload(
            read_tokens=texts * (tokens + instructions), repeated_tokens=texts * max(0.0, accepted - 1) * tokens
        )

    def _instructions(self, count: int) -> Workload:
        """The tokens of so many, which with guidance go through the model a second time, without their text."""
        tokens = count * self.material.instructions.tokens
        doubled = tokens if self.settings.generation.guidance else 0.0
        return Workload(written_tokens=tokens + doubled, doubled_tokens=doubled)

    def _row(self, response: float) -> float:
        """Tokens of a training row: prompt, response and an instruction."""
        return response + self.material.instructions.tokens + TEMPLATE_TOKENS

    def _trained(
        self, rows: int, epochs: float, response: float, longest: int, maximum: int, labels: float
    ) -> Workload:
        tokens = min(self._row(response), maximum)
        longest = min(longest + self.material.instructions.longest + TEMPLATE_TOKENS, maximum)
        return Workload(
            rows, trained_tokens=rows * epochs * tokens, longest=longest, trained_row=tokens, labels=min(labels, tokens)
        )

    def _on_seeds(self, rows: int, epochs: float, maximum: int, *, responses: bool = False) -> Workload:
        """What is learned are the instructions of the seeds, or their responses."""
        seeds = self.material.responses
        labels = seeds.tokens if responses else self.material.instructions.tokens
        return self._trained(rows, epochs, seeds.tokens, seeds.longest, maximum, labels)

    def seed_pairs(self) -> Workload:
        """Nothing for a model, but where instructions of parallel documents are written, by one that learns from English pairs."""
        seeds = Workload(rows=self.material.responses.count)
        parallel, english = self.material.parallel, self.material.english
        if not parallel.count:
            return seeds
        training, generation = self.settings.reverse_model, self.settings.generation
        tried = generation.candidates + len(generation.openings)
        prompts = parallel.count * (parallel.tokens + TEMPLATE_TOKENS)
        written = Workload(
            read_tokens=prompts,
            repeated_tokens=prompts * (tried - 1),
            longest=parallel.longest + TEMPLATE_TOKENS + generation.maximum_new_tokens,
        )
        trained = self._trained(
            min(english.count, training.maximum_seed_pairs),
            training.epochs,
            english.tokens,
            english.longest,
            training.maximum_tokens,
            self.material.instructions.tokens,
        )
        work = written + self._instructions(parallel.count * tried) + replace(trained, rows=0)
        return seeds + work + self._read_for_gains(parallel.count, tried * ACCEPTED, parallel.tokens)

    def reverse_model(self) -> Workload:
        settings = self.settings.reverse_model
        rows = min(self.material.responses.count, settings.maximum_seed_pairs)
        return self._on_seeds(rows, settings.epochs, settings.maximum_tokens)

    def candidate_pairs(self) -> Workload:
        settings, asked = self.settings.generation, self._asked
        # A text is read once for all its candidates, and once more where openings of seeds are tried.
        guided = bool(settings.guided_candidates)
        prompts = self._texts * (self.material.documents.tokens + TEMPLATE_TOKENS)
        written = Workload(
            rows=self._texts * asked,
            read_tokens=prompts * (1 + guided),
            repeated_tokens=prompts * (asked - 1 + guided * (DRAWN - 1)),
            longest=self.material.documents.longest + TEMPLATE_TOKENS + settings.maximum_new_tokens,
        )
        return written + self._instructions(self._texts * asked) + self._gains

    def evaluator(self) -> Workload:
        settings = self.settings.evaluator
        seeds = min(self.material.responses.count, settings.maximum_seed_pairs)
        held_out = round(seeds * settings.held_out_share)
        for_heads = round((seeds - held_out) * settings.head_share)
        a_seed = len(settings.constructions) + 1
        work = self._adapters(seeds - held_out - for_heads, settings.epochs, a_seed)
        rated = (held_out + for_heads) * a_seed + held_out
        if "generated" in settings.constructions:
            texts = held_out + for_heads
            rated += round(texts * (SAMPLES * ACCEPTED - 1))
            work += self._instructions(texts * SAMPLES) + Workload(
                read_tokens=texts * (self.material.responses.tokens + TEMPLATE_TOKENS),
                repeated_tokens=texts * (SAMPLES - 1) * (self.material.responses.tokens + TEMPLATE_TOKENS),
                longest=self.material.responses.longest + TEMPLATE_TOKENS + self.settings.generation.maximum_new_tokens,
            )
        work += self._readings(rated, self.material.responses.tokens)
        if "base_response" in settings.constructions:
            work += self._written(seeds * settings.written_share)
        if "weaker_response" in settings.constructions:
            work += self._written(seeds * settings.written_share)
            work += self._on_seeds(seeds, settings.epochs, settings.maximum_tokens, responses=True)
        return replace(work, rows=seeds * a_seed)

    def refined_pairs(self) -> Workload:
        work = self._readings(self._pairs, self.material.documents.tokens)
        settings, of_evaluator = self.settings.curation, self.settings.evaluator
        for _ in range(settings.rounds - 1):
            seeds = min(self.material.responses.count, of_evaluator.maximum_seed_pairs)
            learned = round(seeds * (1 - of_evaluator.held_out_share) * (1 - of_evaluator.head_share))
            added = min(settings.maximum_added_pairs, round(self._texts * KEPT_PAIRS))
            work += self._adapters(learned, settings.round_epochs, len(of_evaluator.constructions) + 1)
            work += self._trained(
                added,
                settings.round_epochs,
                self.material.documents.tokens,
                self.material.documents.longest,
                of_evaluator.maximum_tokens,
                self.material.instructions.tokens,
            )
            work += self._readings(self._pairs, self.material.documents.tokens)
        longest = self.material.documents.longest + self.material.instructions.longest + TEMPLATE_TOKENS
        return replace(work, rows=self._pairs, longest=max(work.longest, longest))

    def diversified_set(self) -> Workload:
        kept = round(self._texts * KEPT_PAIRS)
        tokens = self.material.instructions.tokens
        return Workload(kept, read_tokens=kept * tokens, longest=self.material.instructions.longest)

    def tuned_model(self) -> Workload:
        return self._tuned + self._preferences

    @property
    def _tuned(self) -> Workload:
        settings, documents = self.settings.tuning, self.material.documents
        work = self._trained(
            self._selected,
            settings.epochs,
            documents.tokens,
            documents.longest,
            settings.maximum_tokens,
            documents.tokens,
        )
        seeds = self.material.responses.count if settings.include_seeds else 0
        return work + self._on_seeds(seeds, settings.epochs, settings.maximum_tokens, responses=True)

    @property
    def _preferences(self) -> Workload:
        """Both sides of every triple are learned from, after a reading of what each is likely; before the first step all are read."""
        settings, documents = self.settings.tuning, self.material.documents
        if not settings.preferences:
            return Workload()
        pairs = self._selected + (self.material.responses.count if settings.include_seeds else 0)
        sides = 2 * min(settings.preference_triples, pairs * len(settings.preferences))
        work = self._trained(
            sides,
            settings.preference_epochs,
            documents.tokens,
            documents.longest,
            settings.maximum_tokens,
            documents.tokens,
        )
        readings = sides * (1 + settings.preference_epochs)
        work = replace(work, rows=0, read_tokens=readings * work.trained_row)
        if "untuned" in settings.preferences:
            work += self._written(round(sides / 2 / len(settings.preferences)))
        return work

    def eval_report(self) -> Workload:
        settings = self.settings.evaluation
        arms = [arm for arm in dict.fromkeys(("selected", *settings.arms)) if settings.arms]
        models = 2 + len(arms)
        held_out = min(self.settings.diversity.held_out_rows, round(self._texts * KEPT_PAIRS / 10))
        prompts, gold, documents = self.material.prompts, self.material.gold, self.material.documents
        if not prompts.count:  # then held-out instructions serve
            instructions = self.material.instructions
            prompts = Texts(min(settings.maximum_prompts, held_out), instructions.tokens, instructions.longest)
        scored = held_out * self._row(documents.tokens) + gold.count * self._row(gold.tokens)
        work = Workload(
            rows=prompts.count * models,
            read_tokens=models * (prompts.count * (prompts.tokens + TEMPLATE_TOKENS) + scored),
            written_tokens=models * prompts.count * min(settings.maximum_new_tokens, documents.tokens),
            longest=prompts.longest + TEMPLATE_TOKENS + settings.maximum_new_tokens,
        )
        trained = self._tuned
        # The tuned model is the first arm, unless it learned preferences, which no arm does.
        for _ in arms if self.settings.tuning.preferences else arms[1:]:
            work += replace(trained, rows=0)
        return work

    @property
    def _selected(self) -> int:
        settings = self.settings.diversity
        kept = round(self._texts * KEPT_PAIRS)
        return min(settings.target_rows, kept - min(settings.held_out_rows, kept // 10))

    def _adapters(self, seeds: int, epochs: float, a_seed: int) -> Workload:
        """Training of the evaluator's adapters: one on seeds as they stand, one on all that can be wrong with them."""
        settings = self.settings.evaluator
        work = Workload()
        if NEEDS_INSTRUCTIONS.intersection(settings.signals):
            work += self._on_seeds(seeds, epochs, settings.maximum_tokens)
        if "level" in settings.signals:
            work += self._on_seeds(seeds * a_seed, epochs, settings.maximum_tokens)
        return work

    def _readings(self, pairs: int, tokens: float) -> Workload:
        """What the signals read of so many pairs whose response has so many tokens."""
        instruction = self.material.instructions.tokens + TEMPLATE_TOKENS
        asked = {*self.settings.evaluator.signals}
        passes = {
            "surprise": tokens,
            "gain": NEAREST * instruction + 2 * OPENING_TOKENS,
            "coherence": 2 * OPENING_TOKENS + 2.5 * tokens + 2 * instruction,
            "neighbours": 2 * tokens,
            "level": tokens,
        }
        read = sum(passes.get(group, 0.0) for group in asked)
        read += tokens + 2 * instruction if NEEDS_INSTRUCTIONS & asked else 0.0
        near = NEAREST * (tokens + TEMPLATE_TOKENS) if "gain" in asked else 0.0
        return Workload(read_tokens=pairs * (read + TEMPLATE_TOKENS), repeated_tokens=pairs * near)

    def _written(self, responses: float) -> Workload:
        asked = round(responses)
        return Workload(
            read_tokens=asked * (self.material.instructions.tokens + TEMPLATE_TOKENS),
            written_tokens=asked * WRITTEN.maximum_new_tokens,
            longest=self.material.instructions.longest + WRITTEN.maximum_new_tokens,
        )
