"""seed_pairs: the (English instruction, response) pairs that the reverse model and the evaluator learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.corpus.readers import Reject
from xinstr_core.corpus.rows import REJECT_SCHEMA
from xinstr_core.engines.translators import (
    ENGLISH,
    Translator,
    language_codes,
    translate_texts,
    translator_identity,
)
from xinstr_core.errors import InputError
from xinstr_core.languages import Language
from xinstr_core.schemas import frame
from xinstr_core.seeds import SeedPair, Untranslated, read_seeds, translated_seeds, untranslated
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import ShardLog, StageOutput
from xinstr_core.workspace import Workspace

SEED_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "pair_id": pl.String,
        "instruction": pl.String,
        "response": pl.String,
        "source": pl.String,
        "licence": pl.String,
        "native": pl.Boolean,
        "origin": pl.String,
        "original": pl.String,
        "translator": pl.String,
    }
)


def run(run: StageRun) -> StageOutput:
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
        tables={"seeds": frame(seeds, SEED_SCHEMA), "rejected": frame(rejects, REJECT_SCHEMA)},
        figures={
            "seed pairs": len(seeds),
            "native": sum(bool(seed["native"]) for seed in seeds),
            "english only": origins["english"] == len(seeds),
            "by origin": dict(origins.most_common()),
            "funnel": {
                "records": len(outcomes),
                **{f"- {reason}": count for reason, count in reasons.most_common()},
                "kept": len(seeds),
            },
        },
    )


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    translator = workspace.settings.seeds.translator
    return {
        "seeds": workspace.seeds_file(language),
        "translator": translator_identity(translator) if translator else None,
    }


STAGE = Stage("seed_pairs", "3", run, settings=("seeds",), files=files, uses_model=False)
