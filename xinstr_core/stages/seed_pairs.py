"""seed_pairs: the (English instruction, response) pairs that the reverse model and the evaluator learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xinstr_core.corpus.readers import Reject
from xinstr_core.engines.translators import (
    ENGLISH,
    Translator,
    language_codes,
    translate_texts,
    translator_identity,
)
from xinstr_core.errors import InputError
from xinstr_core.languages import Language
from xinstr_core.schemas.seed_pairs import IN_ENGLISH, REJECTED, SEED_PAIRS, SEEDS, SeedFigures, SeedFunnel
from xinstr_core.seeds import SeedPair, Untranslated, read_seeds, translated_seeds, untranslated
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import ShardLog, StageOutput
from xinstr_core.workspace import Workspace


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    translator = workspace.settings(language).seeds.translator
    return {
        "seeds": workspace.seeds_file(language),
        "translator": translator_identity(translator) if translator else None,
    }


@stage(gives=SEED_PAIRS, takes=(), version="3", settings=("seeds",), files=files, uses_model=False)
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
    translations = translate_texts([one.text for one in pending], load, shards, settings, run.progress)
    kept = [outcome for outcome in outcomes if isinstance(outcome, SeedPair)]
    identity = translator_identity(settings.translator)
    return list(translated_seeds(pending, translations, kept, run.language.tag, identity))


def _output(run: StageRun, path: Path, outcomes: list[SeedPair | Reject]) -> StageOutput:
    tag = {"language": run.language.tag}
    seeds: list[dict[str, Any]] = [tag | asdict(one) for one in outcomes if isinstance(one, SeedPair)]
    rejects: list[dict[str, Any]] = [tag | asdict(one) for one in outcomes if isinstance(one, Reject)]
    reasons = Counter(str(reject["reason"]) for reject in rejects)
    if not seeds:
        advice = "; set seeds.translator to a translation model" if reasons["needs_translation"] else ""
        raise InputError(
            f"{path} gave no seed pair ({dict(reasons)}): records need instruction and response, or inputs and targets{advice}"
        )
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
