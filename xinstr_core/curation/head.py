"""From signals to probabilities: a logistic regression that is a table one can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy
import polars as pl

_INTERCEPT = "intercept"
_WEIGHT = "weight_"
_TIMES = " x "
# Inverse strength of the penalty on weights of standardised signals. Ten times weaker than the library's default: with
# some 250 rating rows, 1 left the rarest construction (echo) unlearned.
INVERSE_PENALTY = 10.0
# Where rows are few for their weights: with products, and for what a model wrote. Of 0.01 to 10 the best log loss of level
# and of right instructions, six-fold over the seeds of the heads (Gemma 3 270M on Finnish; benchmarks/heads.py).
INVERSE_PENALTY_OF_FEW = 0.1


@dataclass(frozen=True)
class Head:
    """Multinomial logistic regression over standardised signals: one row a signal and one of intercepts.

    Columns: signal, mean, scale, and `weight_<class>`, the weight of the standardised signal for that class. A product's
    row has the names of both signals and is of their standardised values, standardised in turn.
    """

    table: pl.DataFrame

    @classmethod
    def fit(
        cls,
        signals: pl.DataFrame,
        truth: Sequence[str],
        classes: Sequence[str],
        *,
        products: bool = False,
        balanced: bool = True,
        inverse_penalty: float = INVERSE_PENALTY,
    ) -> Head:
        """The head for `signals` (every column; rows in the order of `truth`), each class weighing the same if `balanced`.

        With `products` of every two signals and of each with itself, too: a surprise means little where another says why.
        Without rows of every class: one that knows nothing, and gives all classes the same probability.
        """
        from sklearn.linear_model import LogisticRegression

        names = [*signals.columns]
        if products:
            names += [_TIMES.join(two) for two in combinations_with_replacement(signals.columns, 2)]
        weights = numpy.zeros((len(names) + 1, len(classes)))
        means, scales = numpy.zeros(len(names)), numpy.ones(len(names))
        if set(truth) == set(classes) and signals.width:
            values = signals.to_numpy()
            means, scales = _moments(values)
            values = (values - means) / scales
            if products:
                multiplied = _products(values, signals.columns, names[signals.width :])
                of_products = _moments(multiplied)
                values = numpy.hstack([values, (multiplied - of_products[0]) / of_products[1]])
                means, scales = (numpy.hstack(both) for both in zip((means, scales), of_products, strict=True))
            model = LogisticRegression(C=inverse_penalty, max_iter=5000, class_weight="balanced" if balanced else None)
            model.fit(values, list(truth))
            learned = numpy.vstack([model.coef_.T, model.intercept_])
            if len(classes) == 2:  # the library gives the weights of the second class alone
                learned = numpy.hstack([numpy.zeros_like(learned), learned])
            weights = learned[:, [list(model.classes_).index(name) for name in classes]]
        columns = {
            "signal": [*names, _INTERCEPT],
            "mean": [*means, 0.0],
            "scale": [*scales, 1.0],
            **{f"{_WEIGHT}{name}": weights[:, index] for index, name in enumerate(classes)},
        }
        return cls(pl.DataFrame(columns).with_columns(pl.selectors.float().round(6)))

    def probabilities(self, signals: pl.DataFrame) -> dict[str, pl.Series]:
        """The probability of each class for every row of signals, by class."""
        every = self.table["signal"].to_list()[:-1]
        names = [name for name in every if _TIMES not in name]
        means, scales = (self.table[name].to_numpy()[:-1] for name in ("mean", "scale"))
        columns = [name for name in self.table.columns if name.startswith(_WEIGHT)]
        weights = self.table.select(columns).to_numpy()
        values = signals.select(names).to_numpy().reshape(len(signals), len(names))  # no columns have rows, too
        plain = len(names)
        values = (values - means[:plain]) / scales[:plain]
        if len(every) > plain:
            multiplied = _products(values, names, every[plain:])
            values = numpy.hstack([values, (multiplied - means[plain:]) / scales[plain:]])
        logits = values @ weights[:-1] + weights[-1]
        likelihoods = numpy.exp(logits - logits.max(axis=1, keepdims=True, initial=-numpy.inf))
        shares = likelihoods / likelihoods.sum(axis=1, keepdims=True)
        return {name.removeprefix(_WEIGHT): pl.Series(shares[:, index]) for index, name in enumerate(columns)}

    @property
    def knows(self) -> bool:
        """Whether it learned anything: there were rows of every class."""
        weights = self.table.select(pl.selectors.starts_with(_WEIGHT)).to_numpy()
        return bool(weights.any())


def _moments(values: Any) -> tuple[Any, Any]:
    """Means and standard deviations of columns."""
    means, scales = values.mean(axis=0), values.std(axis=0)
    scales[scales < 1e-6] = 1.0  # the table keeps six decimals
    return means, scales


def _products(values: Any, names: Sequence[str], wanted: Sequence[str]) -> Any:
    """Products of columns (rows, len(wanted)), each wanted by both names."""
    place = {name: index for index, name in enumerate(names)}
    first, second = zip(*([place[name] for name in both.split(_TIMES)] for both in wanted), strict=True)
    return values[:, first] * values[:, second]
