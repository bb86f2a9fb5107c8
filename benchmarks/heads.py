"""What an evaluator's heads are read from, and how strongly weights are held down: `python benchmarks/heads.py HOME LANGUAGE`.

Of the build in HOME (benchmarks/real.py) the rows that the heads learn from, six-fold over their seeds, so that no row that
proves them decides anything: log loss and accuracy of the level, AUC and log loss of right instructions of the model, each
class weighing the same, for signals and products and several penalties. And of 32 of the pairs that the adapter has not
learned from, how often the own instruction is the one that gains most. All rows were read before: minutes, not hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy
import polars as pl
from found_by_gain import own_found
from parallel_seeds import unseen, workspace
from real_languages import built, gemma

from xinstr_core.curation.evaluator import Evaluator, near_of_rated, seen_by
from xinstr_core.curation.generated import by_pair
from xinstr_core.curation.head import Head
from xinstr_core.curation.rating_set import GENERATED, Material, build_rating_set
from xinstr_core.curation.signals import SignalLog, read_signals
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key
from xinstr_core.schemas import evaluator as tables
from xinstr_core.schemas.evaluator import EVALUATOR, NO, YES
from xinstr_core.schemas.shared import LEVELS, RIGHT
from xinstr_core.statistics import area_under_curve

FOLDS = 6
PENALTIES = (0.01, 0.1, 1.0, 10.0)


def folded(rows: pl.DataFrame, seen: Sequence[str], classes: Sequence[str], products: bool, penalty: float) -> str:
    """Accuracy, log loss and, of two classes, AUC of rows (seed, truth and signals), each rated by a head that has not seen its seed."""
    fold = [int(content_key("fold", seed), 16) % FOLDS for seed in rows["seed"]]
    rows = rows.with_columns(fold=pl.Series(fold))
    parts = []
    for number in range(FOLDS):
        rest, asked = rows.filter(pl.col("fold") != number), rows.filter(pl.col("fold") == number)
        head = Head.fit(
            rest.select(seen),
            rest["truth"].to_list(),
            classes,
            products=products,
            balanced=YES not in classes,
            inverse_penalty=penalty,
        )
        parts.append(asked.select("truth").with_columns(**head.probabilities(asked.select(seen))))
    judged = pl.concat(parts)
    probabilities = judged.select(classes).to_numpy()
    truth = numpy.array([classes.index(one) for one in judged["truth"]])
    of_classes = [truth == index for index in range(len(classes)) if (truth == index).any()]
    right = probabilities.argmax(axis=1) == truth
    loss = -numpy.log(numpy.clip(probabilities[numpy.arange(len(truth)), truth], 1e-12, 1))
    accuracy, log_loss = (numpy.mean([values[of].mean() for of in of_classes]) for values in (right, loss))
    area = f", AUC {area_under_curve(judged[YES], truth == classes.index(YES)):.3f}" if YES in classes else ""
    return f"accuracy {accuracy:.3f}, log loss {log_loss:.3f}{area}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("language")
    arguments = parser.parse_args()
    of_home = workspace(arguments.home)
    language = of_home.language(arguments.language)
    settings = of_home.settings(language)
    partition = built(arguments.home, EVALUATOR.asset, language.tag)
    pairs, held_out = unseen(arguments.home, language.tag, settings)
    for_heads = [pair for pair in pairs if pair not in held_out]
    material = Material(instructions=by_pair(partition.read(tables.GENERATED.name)))
    rated = build_rating_set(for_heads, settings.evaluator.constructions, material)
    with Engines(settings, gemma()) as engines:
        evaluator = Evaluator.load(engines, partition, settings.evaluator, language)
        near = near_of_rated(evaluator.readers, rated, for_heads)
        log = SignalLog(arguments.home / "heads", partition)
        signals = read_signals(evaluator.readers, rated, log, near=near).table
        of_rows = pl.DataFrame(
            [(row.key, row.seed, row.level, row.construction) for row in rated],
            schema=["pair_id", "seed", "level", "construction"],
            orient="row",
        ).join(signals, on="pair_id")
        made = pl.col("construction") != GENERATED
        level = of_rows.filter(made).with_columns(truth="level")
        right = of_rows.filter(~made).with_columns(
            truth=pl.when(pl.col("level") == LEVELS[-1]).then(pl.lit(YES)).otherwise(pl.lit(NO))
        )
        names = evaluator.readers.signals
        print(f"{len(level)} rows of known level, {len(right)} of a model, of {of_rows['seed'].n_unique()} seeds")
        for penalty in PENALTIES:
            for products in (False, True):
                terms = "products" if products else "signals "
                print(f"level, {terms} {penalty:5}: {folded(level, names, LEVELS, products, penalty)}")
        for penalty in PENALTIES:
            print(f"right, signals  {penalty:5}: {folded(right, seen_by(RIGHT, names), (NO, YES), False, penalty)}")
        found = own_found(engines.rater(evaluator.readers.adapters["instruction"])(), pairs)
        print(f"own instruction by gain, of {len(pairs)} unseen pairs: {found}")


if __name__ == "__main__":
    main()
