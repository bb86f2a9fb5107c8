"""How a build rates pairs that people read: `python benchmarks/readings.py HOME LANGUAGE FILE [--field answers]`.

FILE has a line a pair: instruction, response (or the pair_id of a candidate of that build), and in `--field` 2 for one that the text answers, 1 for one about its
subject, 0 for a wrong one. They are rated by the evaluator of the build in HOME, among the texts of its candidates, and
areas under the curve are printed for every signal and score. Readings are a test: nothing is fitted to them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from parallel_seeds import workspace
from real_languages import built, gemma, records

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.evaluator import Evaluator
from xinstr_core.curation.near_texts import near_texts
from xinstr_core.curation.signals import SignalLog
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS, PAIRS
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.statistics import area_under_curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("language")
    parser.add_argument("file", type=Path)
    parser.add_argument("--field", default="answers")
    arguments = parser.parse_args()
    of_home = workspace(arguments.home)
    language = of_home.language(arguments.language)
    settings = of_home.settings(language)
    candidates = built(arguments.home, CANDIDATE_PAIRS.asset, language.tag).read(PAIRS.name)
    responses = dict(candidates.select("pair_id", "response").iter_rows())
    rows = [{"response": responses.get(row.get("pair_id", "")), **row} for row in records(arguments.file)]
    pairs = [Pair(content_key("read", r["instruction"], r["response"]), r["instruction"], r["response"]) for r in rows]
    answers = {pair.key: int(row[arguments.field]) for pair, row in zip(pairs, rows, strict=True)}
    near = near_texts({pair.key: pair.response for pair in pairs}, responses.values())
    with Engines(settings, gemma()) as engines:
        partition = built(arguments.home, EVALUATOR.asset, language.tag)
        evaluator = Evaluator.load(engines, partition, settings.evaluator, language)
        rated, _ = evaluator.rate(pairs, SignalLog(arguments.home / "readings"), near=near)
    truth = [answers[key] for key in rated["pair_id"]]
    print(f"{len(truth)} pairs: {', '.join(f'{truth.count(level)} of {level}' for level in (2, 1, 0))}")
    for name in rated.columns[1:]:
        right, fair = (area_under_curve(rated[name], [one >= level for one in truth]) for level in (2, 1))
        print(f"{name:28} answers {right:.3f}  not wrong {fair:.3f}")


if __name__ == "__main__":
    main()
