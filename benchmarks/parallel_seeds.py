"""Seeds from parallel documents against English seeds alone: `python benchmarks/parallel_seeds.py id sw`.

Builds seeds and evaluator of each language twice with Gemma 3 270M and preset `small`, once with the English pairs and 200
parallel documents and once with the English pairs alone. Both evaluators then read the same
pairs in the language, which neither has learned from: how often is a text's own instruction the one that gains most, and
how well does the rated fit tell a pair from a text under another's instruction? Writes benchmarks/parallel_seeds.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from found_by_gain import own_found
from real import table
from real_languages import FOLDER, LANGUAGES, SET, build, built, gemma, prepare
from real_models import GEMMA, MODELS

from xinstr_core.curation.constructions import OWN, Pair
from xinstr_core.curation.evaluator import Evaluator, near_of_rated
from xinstr_core.curation.rating_set import RatedPair, shuffled_pairs
from xinstr_core.curation.signals import SignalLog
from xinstr_core.curation.splits import HEAD_DIGITS, split_pairs
from xinstr_core.engines.roles import Engines
from xinstr_core.files import write_text
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.seed_pairs import IS_IN_LANGUAGE, SEED_PAIRS, SEEDS
from xinstr_core.settings import Settings
from xinstr_core.stages.evaluator import as_pairs
from xinstr_core.stages.reverse_model import choose_seeds
from xinstr_core.statistics import area_under_curve, share_interval
from xinstr_core.workspace import Workspace

PARALLEL, ENGLISH = "parallel", "english"
FOUND = "parallel_seeds.json"
CORPUS = 40  # documents, of which nothing is built
# What writes the instructions learns from 400 pairs, what rates them from 160: an hour a language on one core.
SETTINGS = SET | {"reverse_model.maximum_seed_pairs": "400", "evaluator.maximum_seed_pairs": "160"}


def workspace(home: Path, of_build: Mapping[str, str] = SET) -> Workspace:
    overrides: dict[str, dict[str, object]] = {}
    for key, value in of_build.items():
        section, name = key.split(".")
        overrides.setdefault(section, {})[name] = json.loads(value)
    return Workspace(home, preset="small", overrides=overrides, base_model=str(MODELS / GEMMA.name))


def unseen(home: Path, tag: str, settings: Settings) -> tuple[list[Pair], list[Pair]]:
    """(pairs of the language that the evaluator's adapter has not learned from; those of them that its heads have not either)."""
    seeds = built(home, SEED_PAIRS.asset, tag).read(SEEDS.name).filter(IS_IN_LANGUAGE)
    pairs = as_pairs(choose_seeds(seeds, settings.evaluator.maximum_seed_pairs))
    training, held_out = split_pairs(pairs, settings.evaluator.held_out_share)
    _, for_heads = split_pairs(training, settings.evaluator.head_share, digits=HEAD_DIGITS)
    return [*for_heads, *held_out], held_out


def rated_fit(evaluator: Evaluator, pairs: list[Pair], folder: Path) -> float:
    """AUC of the fit of pairs against their texts under other instructions."""
    own_pairs = [RatedPair(p.key, p.instruction, p.response, p.key, "3", OWN, True, True) for p in pairs]
    rated = [*own_pairs, *shuffled_pairs(pairs)]
    ratings, _ = evaluator.rate(rated, SignalLog(folder), near=near_of_rated(evaluator.readers, rated, pairs))
    own = ratings["pair_id"].is_in([pair.key for pair in pairs])
    return round(area_under_curve(ratings["pair_fit"], own), 4)


def measure(tag: str, homes: dict[str, Path]) -> list[dict[str, object]]:
    rows = []
    for name, home in homes.items():
        of_home = workspace(home, SETTINGS)
        language = of_home.language(tag)
        settings = of_home.settings(language)
        pairs, held_out = unseen(homes[PARALLEL], tag, settings)
        with Engines(settings, gemma()) as engines:
            evaluator = Evaluator.load(engines, built(home, EVALUATOR.asset, tag), settings.evaluator, language)
            found = own_found(engines.rater(evaluator.readers.adapters["instruction"])(), pairs)
            fit = rated_fit(evaluator, held_out, home / "fit")
        nearest = found["among its nearest"]
        texts = round(found["texts"])
        low, high = share_interval(round(nearest * texts), texts)
        rows.append(
            {
                "seeds": name,
                "own among 32": found["among 32"],
                "own among its nearest": f"{nearest} ({low:.2f} to {high:.2f})",
                "fit, AUC": fit,
                "rows": len(held_out),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", default=["id", "sw"])
    for tag in parser.parse_args().languages:
        homes = {PARALLEL: prepare(tag, CORPUS, f"{tag}-{PARALLEL}"), ENGLISH: prepare(tag, CORPUS, f"{tag}-{ENGLISH}")}
        registry = homes[ENGLISH] / "languages.toml"
        entry = registry.read_text("utf-8").splitlines()
        entry = ['seeds = "seeds.jsonl"' if line.startswith("seeds") else line for line in entry]
        write_text(registry, "\n".join(entry) + "\n")
        for home in homes.values():
            build(tag, home, SEED_PAIRS.asset, settings=SETTINGS)
            build(tag, home, EVALUATOR.asset, first=EVALUATOR.asset, settings=SETTINGS)
        write_text(FOLDER / f"{tag}-{PARALLEL}" / FOUND, json.dumps(measure(tag, homes)))
    lines = ["# Seeds from parallel documents against English seeds alone", "", *(__doc__ or "").splitlines()[2:], ""]
    for found in sorted(FOLDER.glob(f"*-{PARALLEL}/{FOUND}")):
        rows = pl.DataFrame(json.loads(found.read_text("utf-8")))
        lines += [f"## {LANGUAGES[found.parent.name.split('-')[0]][0]}", "", *table(rows.rows(), rows.columns)]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    main()
