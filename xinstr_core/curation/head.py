"""From signals to probabilities: a logistic regression that is a table one can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import polars as pl

_INTERCEPT = "intercept"
_WEIGHT = "weight_"
# Inverse strength of the penalty on weights of standardised signals. Ten times weaker than the library's default: with
# some 250 rating rows, 1 left the rarest construction (echo) unlearned.
_INVERSE_PENALTY = 10.0


@dataclass(frozen=True)
class Head:
    """Multinomial logistic regression over standardised signals: one row a signal and one of intercepts.

    Columns: signal, mean, scale, and `weight_<class>`, the weight of the standardised signal for that class.
    """

    table: pl.DataFrame

    @classmethod
    def fit(cls, signals: pl.DataFrame, truth: Sequence[str], classes: Sequence[str]) -> Head:
        """The head for `signals` (every column; rows in the order of `truth`), each class weighing the same.

        Without rows of every class: one that knows nothing, and gives all classes the same probability.
        """
        from sklearn.linear_model import LogisticRegression

        weights = numpy.zeros((signals.width + 1, len(classes)))
        means, scales = numpy.zeros(signals.width), numpy.ones(signals.width)
        if set(truth) == set(classes) and signals.width:
            values = signals.to_numpy()
            means, scales = values.mean(axis=0), values.std(axis=0)
            scales[scales < 1e-6] = 1.0  # the table keeps six decimals
            model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=5000, class_weight="balanced")
            model.fit((values - means) / scales, list(truth))
            learned = numpy.vstack([model.coef_.T, model.intercept_])
            if len(classes) == 2:  # the library gives the weights of the second class alone
                learned = numpy.hstack([numpy.zeros_like(learned), learned])
            weights = learned[:, [list(model.classes_).index(name) for name in classes]]
        columns = {
            "signal": [*signals.columns, _INTERCEPT],
            "mean": [*means, 0.0],
            "scale": [*scales, 1.0],
            **{f"{_WEIGHT}{name}": weights[:, index] for index, name in enumerate(classes)},
        }
        return cls(pl.DataFrame(columns).with_columns(pl.selectors.float().round(6)))

    def probabilities(self, signals: pl.DataFrame) -> dict[str, pl.Series]:
        """The probability of each class for every row of signals, by class."""
        names = self.table["signal"].to_list()[:-1]
        means, scales = (self.table[name].to_numpy()[:-1] for name in ("mean", "scale"))
        columns = [name for name in self.table.columns if name.startswith(_WEIGHT)]
        weights = self.table.select(columns).to_numpy()
        values = signals.select(names).to_numpy().reshape(len(signals), len(names))  # no columns have rows, too
        logits = (values - means) / scales @ weights[:-1] + weights[-1]
        likelihoods = numpy.exp(logits - logits.max(axis=1, keepdims=True, initial=-numpy.inf))
        shares = likelihoods / likelihoods.sum(axis=1, keepdims=True)
        return {name.removeprefix(_WEIGHT): pl.Series(shares[:, index]) for index, name in enumerate(columns)}
