"""seed_pairs: the (English instruction, response) pairs that the reverse model and the evaluator learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from xinstr_core.corpus.readers import Reject
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS, reject_row
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.parallel_documents import (
    ParallelDocument,
    check_sides,
    parallel_seeds,
    read_parallel_documents,
)
from xinstr_core.curation.reverse import written_by
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.translators import (
    ENGLISH,
    Translator,
    language_codes,
    translate_texts,
    translator_identity,
)
from xinstr_core.errors import InputError
from xinstr_core.files import ShardLog
from xinstr_core.identity import fingerprint
from xinstr_core.languages import Language
from xinstr_core.schemas.seed_pairs import IN_ENGLISH, REJECTED, SEED_PAIRS, SEEDS, SeedFigures, SeedFunnel
from xinstr_core.seeds import SeedPair, Untranslated, read_seeds, translated_seeds, untranslated
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    settings, parallel = workspace.settings(language), workspace.parallel_file(language)
    translator = settings.seeds.translator
    # Of a document's instructions the one that gains most is taken, whatever is chosen of candidates.
    writing = {
        "reverse_model": settings.reverse_model.model_dump(),
        "instruction": written_by(settings.generation),
        "tried": [settings.generation.candidates, *settings.generation.openings],
    }
    return {
        "seeds": workspace.seeds_file(language),
        "translator": translator_identity(translator) if translator else None,
        "parallel": parallel,
        # How instructions of parallel documents are written, where there are any.
        "writing": fingerprint(writing) if parallel else None,
    }


def has_parallel(workspace: Workspace, language: Language) -> bool:
    """Whether a model has to write instructions of parallel documents."""
    return language.seed_source.parallel is not None


@stage(
    gives=SEED_PAIRS,
    takes=(),
    version="7",
    settings=("seeds",),
    prompts=("reverse",),
    roles=("reverse",),
    files=files,
    uses_model=has_parallel,
)
def read_seed_pairs(run: StageRun) -> StageOutput:
    path = run.workspace.seeds_file(run.language)
    if path is None:
        raise InputError(
            f"{run.language.tag} has no seeds: name a file of English pairs in {run.workspace.registry.name} "
            "(seeds = ...) or give --seeds"
        )
    settings = run.settings.seeds
    outcomes: list[SeedPair | Reject] = []
    pending: list[Untranslated] = []
    for outcome in read_seeds(
        path,
        run.language.tag,
        (run.language.name, *language_codes(run.language)),
        translate_responses=settings.translate_responses and settings.translator is not None,
    ):
        if isinstance(outcome, Untranslated):
            pending.append(outcome)
        else:
            outcomes.append(outcome)
    if settings.translator is None:
        outcomes += [untranslated(one, run.language.tag) for one in pending]
    else:
        for part, source, target in (("instruction", run.language, ENGLISH), ("response", ENGLISH, run.language)):
            texts = [one for one in pending if one.part == part]
            outcomes += _translated(run, part, texts, outcomes, run.engines.translator(source, target))
    outcomes += _of_parallel_documents(run, outcomes)
    return _output(run, path, outcomes)


def _translated(
    run: StageRun,
    part: str,
    pending: list[Untranslated],
    outcomes: list[SeedPair | Reject],
    load: Callable[[], Translator],
) -> list[SeedPair | Reject]:
    """The pending pairs of one direction, each kept or refused."""
    settings = run.settings.seeds
    assert settings.translator is not None
    shards = ShardLog(run.unfinished / "translations" / part)
    progress = partial(run.progress, doing="translating")
    translations = translate_texts([one.text for one in pending], load, shards, settings, progress)
    kept = [outcome for outcome in outcomes if isinstance(outcome, SeedPair)]
    identity = translator_identity(settings.translator)
    return list(translated_seeds(pending, translations, kept, run.language.tag, identity))


def _of_parallel_documents(run: StageRun, outcomes: list[SeedPair | Reject]) -> list[SeedPair | Reject]:
    """A seed pair of every parallel document, or a reject, by the English pairs among the `outcomes`."""
    path = run.workspace.parallel_file(run.language)
    if path is None:
        return []
    english = [one for one in outcomes if isinstance(one, SeedPair) and one.origin == IN_ENGLISH]
    if not english:
        raise InputError(
            f"{path.name}: English pairs have to teach how instructions are written, and there are none: name a file of "
            f'them beside it in {run.workspace.registry.name}: seeds = {{ path = "english.jsonl", parallel = "{path.name}" }}'
        )
    found = [_short_enough(run, one) for one in read_parallel_documents(path, run.language)]
    documents = [one for one in found if isinstance(one, ParallelDocument)]
    if not documents:
        reasons = Counter(str(one.reason) for one in found if isinstance(one, Reject))
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "no records"
        raise InputError(
            f"{path} gave no parallel document ({listed}): records need text_en in English and text in {run.language.name}"
        )
    check_sides(path, documents)
    pairs = sorted((Pair(one.pair_id, one.instruction, one.response) for one in english), key=lambda pair: pair.key)
    written = parallel_seeds(
        run.engines,
        pairs[: run.settings.reverse_model.maximum_seed_pairs],
        documents,
        run.language,
        run.settings.reverse_model,
        run.settings.generation,
        run.unfinished / "parallel",
        run.progress,
    )
    return [*(one for one in found if isinstance(one, Reject)), *written]


def _short_enough(run: StageRun, found: ParallelDocument | Reject) -> ParallelDocument | Reject:
    """A document, or a reject where one of its sides is longer than what the reverse model learns from and reads."""
    if isinstance(found, Reject):
        return found
    most = run.settings.reverse_model.maximum_tokens
    longest = max(len(encode(run.engines.tokenizer, side)) for side in (found.english, found.text))
    if longest <= most:
        return found
    return Reject(found.place, "too_long", found.text[:EXCERPT_CHARACTERS], f"{longest} tokens", f"{most} tokens")


def _output(run: StageRun, path: Path, outcomes: list[SeedPair | Reject]) -> StageOutput:
    tag = {"language": run.language.tag}
    seeds: list[dict[str, Any]] = [tag | asdict(one) for one in outcomes if isinstance(one, SeedPair)]
    rejects = [reject_row(run.language.tag, one) for one in outcomes if isinstance(one, Reject)]
    reasons = Counter(str(reject["reason"]) for reject in rejects)
    if not seeds:
        raise InputError(f"{path} gave no seed pair{_of_what(reasons, run.language)}")
    origins = Counter(str(seed["origin"]) for seed in seeds)
    return StageOutput(
        tables={SEEDS.name: SEEDS.frame(seeds), REJECTED.name: REJECTED.frame(rejects)},
        figures=SeedFigures(
            seed_pairs=len(seeds),
            native=sum(bool(seed["native"]) for seed in seeds),
            english_only=origins[IN_ENGLISH] == len(seeds),
            by_origin=dict(origins.most_common()),
            funnel=SeedFunnel(taken=len(outcomes), lost=dict(reasons.most_common()), kept=len(seeds)),
        ),
    )


def _of_what(reasons: Counter[str], language: Language) -> str:
    """What became of a file's records when none of them is a seed pair, and what the commonest reason asks for."""
    if not reasons:
        return ": it holds no records"
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    advice = {
        "needs_translation": "set seeds.translator to a translation model",
        "wrong_language": f"instructions have to be in English and responses in {language.name}, or translated",
    }.get(reasons.most_common(1)[0][0], "records need instruction and response, or another layout that README.md lists")
    return f" of {reasons.total()} records ({listed}): {advice}"
