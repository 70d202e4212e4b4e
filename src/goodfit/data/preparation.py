"""How a network that was trained elsewhere wants its pictures and texts: what is known of it before any data are seen.

C channels, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from goodfit.base.recipe import DataPart
from goodfit.data import encode_image
from goodfit.data.encode_image import ImageEncoder, Place
from goodfit.data.encode_tokenized import TokenizedText

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of its pixels, as torchvision and transformers have them
UNIT = ((0.5,), (0.5,))  # 0 .. 1 to -1 .. 1, as Inception, the first vision transformers and EfficientNet-Lite have it


@dataclass(frozen=True)
class Pictures:
    """The pictures that a network reads; None where it does not matter or is not known, and the training pictures decide.

    mean, std: [C] in units of the brightest value (0 to 1). fixed: whether the network reads no other size.
    """

    channels: int | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    fixed: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer and how many tokens of a text the network has room for.

    model: the JSON text of the `tokenizers` library. blank: the token that stands for a text without any.
    """

    model: str
    most: int | None
    blank: int


@dataclass(frozen=True)
class Preparation:
    """What a network brings along for each kind of column."""

    pictures: Pictures | None = None
    vocabulary: Vocabulary | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Preparation:
        pictures, vocabulary = document["pictures"], document["vocabulary"]
        if pictures is not None:
            pictures = Pictures(**pictures | {name: tuple(pictures[name]) for name in ("mean", "std")})
        return cls(pictures, None if vocabulary is None else Vocabulary(**vocabulary))


def image_encoder(
    column: str, images: pl.Series, root: Path | None, place: Place, settings: DataPart, pictures: Pictures | None, **sides: int
) -> ImageEncoder:
    """The encoder of the image column: as the network was trained, as the settings say, else by (a sample of) the training images.

    images, root, place, sides: as `encode_image.fit` takes them.
    """
    pictures = pictures or Pictures()
    size, channels = settings.image_size or pictures.size, pictures.channels
    mean, std = (pictures.mean, pictures.std) if settings.normalise is None else (None, None)
    if settings.normalise in ("imagenet", "unit"):
        mean, std = IMAGENET if settings.normalise == "imagenet" else UNIT
    if mean is not None and std is not None and size is not None and channels is not None:
        return ImageEncoder(column, channels, size, *spread(mean, std, channels))
    fitted = encode_image.fit(column, images, root, place, size, channels, **sides)
    if mean is not None and std is not None:
        mean, std = spread(mean, std, fitted.channels)
        fitted = replace(fitted, mean=mean, std=std)
    return fitted


def spread(mean: Sequence[float], std: Sequence[float], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel: one number serves them all, and grey pictures get the middle of the colours.

    >>> spread(IMAGENET[0], IMAGENET[1], 1)[0]
    (0.449,)
    """

    def each(values: Sequence[float]) -> tuple[float, ...]:
        if len(values) == channels:
            return tuple(values)
        return (round(sum(values) / len(values), 6),) * channels

    return each(mean), each(std)


def text_encoder(columns: tuple[str, ...], settings: DataPart, vocabulary: Vocabulary) -> TokenizedText:
    """The encoder of the text columns with the network's own tokenizer. Raises SettingError where `data.max_tokens` leaves no room for text."""
    return TokenizedText.fit(columns, vocabulary.model, settings.max_tokens, vocabulary.blank)
