"""A language that no voter knows, taught to the second one: a further class of py3langid's naive Bayes model.

The class is estimated over the n-grams that the model looks at, from text of the language, half and half with the
languages that the model took that text for (linear interpolation, Jelinek and Mercer 1980). So an n-gram that was not seen costs little where a
relative has it, and what tells the language from its relatives is what it has more often than they.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xinstr_core.corpus.voters import letters_of, py3langid
from xinstr_core.errors import InputError

# Of 30 and 60 passages of 18 languages, judged on others: with half of the weight own text has 0.5 and more of the
# probability, with 0.8 some Maltese and Rundi 0.2; English has none either way (benchmarks/look_alikes.py).
_OWN_WEIGHT = 0.5
_N_GRAMS = 3000  # some 40 kB of a pack; all 7,000 of a Maltese text of 60 passages gained nothing that was seen


class TaughtLanguage(BaseModel):
    """What a pack keeps of a language that was taught: enough to make its class again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_n_grams: int = Field(ge=1, description="how many n-grams the model has that it was counted with")
    relatives: tuple[tuple[str, int], ...] = Field(description="languages that the model took its documents for")
    n_grams: tuple[tuple[int, int], ...] = Field(
        description="number of an n-gram in the model, and how often it occurs"
    )

    def check(self) -> None:
        """InputError where the model that is installed is not the one that was taught."""
        if self.model_n_grams != len(py3langid().nb_ptc):
            raise InputError("the pack's language was taught to another version of py3langid: fit it anew")


def teach(texts: Iterable[str]) -> TaughtLanguage | None:
    """What the second voter learns of a language from documents of it; None where it sees nothing in them."""
    model = py3langid()
    relatives, counts = Counter[str](), Counter[int]()
    for text in texts:
        letters = letters_of(text)
        counts.update(_n_grams(letters))
        relatives[str(model.classify(letters)[0])] += 1
    if not counts:
        return None
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_N_GRAMS]
    return TaughtLanguage(
        model_n_grams=len(model.nb_ptc), relatives=tuple(sorted(relatives.items())), n_grams=tuple(ranked)
    )


def voter_that_knows(language: str, taught: TaughtLanguage) -> Any:
    """py3langid with a class for the language, the last of its labels."""
    from py3langid.langid import LanguageIdentifier

    model = py3langid()
    classes: Sequence[str] = model.nb_classes
    of_relatives = np.zeros(len(model.nb_ptc))
    for label, documents in taught.relatives:
        of_relatives += documents * np.exp(model.nb_ptc[:, classes.index(label)].astype(np.float64))
    own = np.zeros(len(model.nb_ptc))
    for number, count in taught.n_grams:
        own[number] = count
    mixed = _OWN_WEIGHT * own / own.sum() + (1 - _OWN_WEIGHT) * of_relatives / of_relatives.sum()
    prior = model.nb_pc.mean()  # as likely as other languages beforehand
    return LanguageIdentifier(
        np.column_stack([model.nb_ptc, np.log(mixed).astype(model.nb_ptc.dtype)]),
        np.append(model.nb_pc, prior).astype(model.nb_pc.dtype),
        [*classes, language],
        model.tk_nextmove,
        model.tk_output,
        norm_probs=True,
        tk_row=model.tk_row,
    )


def _n_grams(letters: str) -> Counter[int]:
    """How often each of the model's n-grams occurs in what it reads of a text."""
    from py3langid.langid import visit_counts

    model = py3langid()
    rows = [row << 8 for row in model.tk_row]
    read = unicodedata.normalize("NFC", letters).encode()
    return visit_counts(model.tk_nextmove, rows, model.tk_output, read) or Counter()
