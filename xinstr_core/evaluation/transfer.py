"""What the published baselines of cross-lingual transfer are tuned on: what one has without any text of the language.

- `english_only`: English pairs alone (Chirkova and Nikoulina 2024, arXiv 2402.14778). Its learning rate is lower than that
  of the other arms: large ones teach a model to reply in English whatever it is asked for, which its authors found decisive.
- `pinch`: the same pairs, and among them a few rows of two to four languages (Shaham et al. 2024, arXiv 2401.01854), the
  language itself first.

Each row has the prompt that seeds have, "Answer in" with the language of its response, and so has each reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.engines.translators import ENGLISH, language_codes
from xinstr_core.errors import InputError
from xinstr_core.evaluation.arms import PINCH, TRANSFER_ARMS
from xinstr_core.languages import Language
from xinstr_core.schemas.shared import SEED
from xinstr_core.seeds import SeedPair, read_seeds
from xinstr_core.settings import Arm, EvaluationSettings

PAIR_SCHEMA = pl.Schema({"pair_id": pl.String, "instruction": pl.String, "response": pl.String})


@dataclass(frozen=True)
class TransferMaterial:
    """What the arms of transfer are made of: `english` pairs, and by its name those of every language of the pinch."""

    english: pl.DataFrame
    pinch: Mapping[str, pl.DataFrame]

    def check(self, wanted: Sequence[Arm], rows: int, settings: EvaluationSettings) -> None:
        """InputError for an arm that cannot be made, of so many training rows."""
        asked = [arm for arm in TRANSFER_ARMS if arm in wanted]
        if asked and self.english.is_empty():
            raise InputError(
                f"arm {asked[0]} needs English pairs, and there is none whose instruction and response are English: name a "
                "file of some in evaluation.english_pairs, or take it out of evaluation.arms"
            )
        if PINCH not in wanted:
            return
        if sum(not pairs.is_empty() for pairs in self.pinch.values()) < 2:
            raise InputError(
                f"arm {PINCH} needs seed pairs with responses in two languages or more, and has them in "
                f"{', '.join(name for name, pairs in self.pinch.items() if len(pairs)) or 'none'} of "
                f"{', '.join(self.pinch)}: name registered languages that have some in evaluation.pinch_languages, or "
                "take it out of evaluation.arms"
            )
        if settings.pinch_rows >= rows:
            raise InputError(
                f"arm {PINCH} has {rows} rows, so {settings.pinch_rows} of other languages are no pinch: lower "
                "evaluation.pinch_rows, or take it out of evaluation.arms"
            )

    def english_rows(self) -> pl.DataFrame:
        """The English pairs by key, as rows of an arm (ARM_SCHEMA and `answered_in`)."""
        return _as_rows(self.english.sort("pair_id"), ENGLISH.name)

    def pinch_rows(self, count: int) -> pl.DataFrame:
        """`count` pairs or as many as there are, the languages in turn and each by key; rows as those of english_rows()."""
        dealt = [
            _as_rows(pairs.sort("pair_id"), name).with_columns(turn=pl.int_range(pl.len()), place=pl.lit(place))
            for place, (name, pairs) in enumerate(self.pinch.items())
        ]
        return pl.concat(dealt).sort("turn", "place").head(count).drop("turn", "place")


def read_pairs(path: Path, language: Language) -> pl.DataFrame:
    """The pairs of a file whose response people wrote in the language and whose instruction is English, in PAIR_SCHEMA."""
    called = (language.name, *language_codes(language))
    found = [one for one in read_seeds(path, language.tag, called) if isinstance(one, SeedPair) and one.native]
    return pl.DataFrame([(one.pair_id, one.instruction, one.response) for one in found], PAIR_SCHEMA, orient="row")


def _as_rows(pairs: pl.DataFrame, language: str) -> pl.DataFrame:
    return pairs.select(PAIR_SCHEMA.names()).with_columns(source_tag=pl.lit(SEED), answered_in=pl.lit(language))
