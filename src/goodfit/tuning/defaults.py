"""What is searched when nobody says: the rate and the decay over their own ranges, and the sizes and dropout that the network takes."""

from __future__ import annotations

from typing import Any

from goodfit.base.recipe import Recipe, bound
from goodfit.models import catalogue

# Networks over columns, whose sizes are free: what tuned ones take (Gorishniy et al., TabM, 2025, Appendix; Holzmüller et al., RealMLP, 2024).
_SIZES: dict[str, dict[str, Any]] = {
    "mlp": {"model.width": {"low": 64, "high": 512, "log": True}, "model.depth": [1, 4]},
    "tabm": {"model.width": {"low": 64, "high": 512, "log": True}, "model.depth": [1, 4]},
    "realmlp": {"model.width": {"low": 64, "high": 512, "log": True}, "model.depth": [1, 4]},
    "mixed": {"model.width": {"low": 64, "high": 512, "log": True}, "model.depth": [1, 4]},
}
_DROPOUT = [0.0, 0.5]  # beyond a half, most of what a unit says is noise


def given(name: str, base: Recipe) -> dict[str, Any]:
    """The space of the network `name`, as `space.build` takes it, without what `base` fixes."""
    entry = catalogue.entry(name)
    found: dict[str, Any] = {}
    if entry.solved:
        found["model.penalty"] = _usual("model.penalty")
    else:
        found |= {"optim.lr": _usual("optim.lr"), "optim.weight_decay": _usual("optim.weight_decay")}
        found |= _SIZES.get(name, {})
        if "dropout" in entry.settings:
            found["model.dropout"] = _DROPOUT
    return {setting: value for setting, value in found.items() if not base.given(setting)}


def _usual(name: str) -> list[float]:
    limits = bound(name)
    assert limits is not None
    assert limits.search is not None
    return list(limits.search)
