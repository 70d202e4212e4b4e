"""Linear networks whose weights are solved for, not trained: the problem is convex, and its one optimum is found."""

from __future__ import annotations

from torch import nn

from goodfit.models.entry import Entry, Inputs, Setting, Settings, columns_of
from goodfit.models.linear import Linear

# Penalties that are tried where none is given, the largest first; that with the best validation score is taken, the larger of two alike.
# Columns and numbers that are learned are standardised, so that these mean the same in all tables: below 1e-3 nothing is held back, above 1e3 little is left.
PENALTIES = {
    "ridge": tuple(10.0**power for power in range(3, -4, -1)),
    "svm": tuple(10.0**power for power in range(2, -4, -1)),
    "lasso": (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003),  # at 1 no weight is left
}
_PENALTY = Setting(None, "tried from large to small, by the score of the validation rows")


def _linear(inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
    """What the settings say, the solver knows."""
    return Linear(*columns_of(inputs), outputs)


def _solved(settings: dict[str, Setting], what: str, source: str) -> Entry:
    tasks = ("binary", "multiclass", "regression")
    return Entry(_linear, ("numbers", "categories"), settings, what, source, scaling="standard", tasks=tasks, solved=True)


ENTRIES: dict[str, Entry] = {
    "ridge": _solved(
        {"penalty": _PENALTY},
        "linear, logistic or softmax regression with a penalty on squared weights (0 for none), solved exactly",
        "Legendre 1805; Cox 1958; Hoerl and Kennard 1970",
    ),
    "lasso": _solved(
        {"penalty": _PENALTY},
        "the same with a penalty on absolute weights, which leaves most of them 0: which columns matter",
        "Tibshirani 1996; Friedman, Hastie and Tibshirani 2010; Beck and Teboulle 2009",
    ),
    "svm": _solved(
        {
            "penalty": _PENALTY,
            "loss": Setting("hinge", "the original; squared_hinge is scikit-learn's LinearSVC"),
            "tube": Setting(0.1, "of numbers: standard deviations that an error may have for nothing; scikit-learn's"),
        },
        "a linear support vector machine: the widest margin between classes, or the flattest line near numbers",
        "Cortes and Vapnik 1995; Drucker et al. 1996",
    ),
}
