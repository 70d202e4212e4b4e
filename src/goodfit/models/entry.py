"""What the catalogue says of a network: how it is built, what it reads, its settings with their reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import nn

Inputs = Mapping[str, Mapping[str, Any]]
Settings = Mapping[str, Any]
Scaling = Literal["quantile", "standard", "robust"]


class Setting(NamedTuple):
    """A setting's default, and the reason for it."""

    default: Any
    reason: str


@dataclass(frozen=True)
class Entry:
    """One network. settings: every setting that it takes. inputs: the kinds it can read. scaling: how its numbers are encoded.

    solved: whether its weights are found by a solver of their own, instead of training.
    grams: letters of the runs that it reads beside the words of a text, 0 for none; None where it reads the order of tokens, among which runs have no place.
    All networks serve all tasks: they give O numbers (or K times O), and the task says what they mean.
    """

    build: Callable[[Inputs, int, Settings], nn.Module]
    inputs: tuple[str, ...]
    settings: dict[str, Setting]
    purpose: str
    source: str
    scaling: Scaling = "quantile"
    grams: int | None = 0
    solved: bool = False
    tasks: tuple[str, ...] = ("binary", "multiclass", "multilabel", "regression", "several")

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: setting.default for name, setting in self.settings.items()}


def columns_of(inputs: Inputs) -> tuple[int, list[int]]:
    """N numbers and the sizes of the categories."""
    return len(inputs.get("numbers", {}).get("names", ())), list(inputs.get("categories", {}).get("sizes", ()))


def image_of(inputs: Inputs) -> tuple[int, int, int] | None:
    image = inputs.get("image")
    return (image["channels"], image["height"], image["width"]) if image else None


def vocabulary_of(inputs: Inputs) -> int:
    return int(inputs["text"]["vocabulary"]) if "text" in inputs else 0
