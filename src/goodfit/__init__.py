"""goodfit: neural networks that fit, and the reason when they don't.

    import goodfit as gf
    run = gf.train("adult.csv", target="income")
    run.predict("new.csv")

Names are imported when they are first used, so that `import goodfit` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "train": "goodfit.api",
    "tune": "goodfit.api.tuning",
    "predict": "goodfit.api",
    "evaluate": "goodfit.api",
    "combine": "goodfit.api",
    "compare": "goodfit.api",
    "describe": "goodfit.api",
    "generate": "goodfit.api",
    "generate_pictures": "goodfit.api",
    "load": "goodfit.api",
    "Run": "goodfit.api",
    "Tuned": "goodfit.api",
    "Classifier": "goodfit.estimators",
    "Regressor": "goodfit.estimators",
    "Recipe": "goodfit.base.recipe",
    "GoodfitError": "goodfit.base.errors",
}
__all__ = [*sorted(_NAMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    try:
        return import_module(f"goodfit.{name}")
    except ModuleNotFoundError:
        raise AttributeError(f"module 'goodfit' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return __all__
