"""The encoder: from columns of any kind to the tensors that networks read, with statistics of the training rows alone.

n rows, N numbers, M categories, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.base.errors import BundleError, DataError, SettingError
from goodfit.base.files import read_json, read_tensors, write_json, write_tensors
from goodfit.base.recipe import DataPart
from goodfit.data import encode_category, encode_number, encode_text, encode_window
from goodfit.data.dataset import Dataset, Note, Schema, listed
from goodfit.data.encode_fit import (
    Numbers,
    Weights,
    chunk_rows,
    fit_categories,
    fit_image,
    fit_numbers,
    fit_series,
    fit_source,
    fit_stream,
    fit_text,
    fit_tokens,
    fit_weights,
    named,
    observe,
    refuse_without_effect,
    weights_of,
)
from goodfit.data.encode_graph import encoded_graph, fit_graph, graph_encoder
from goodfit.data.encode_graphs import GraphEncoder
from goodfit.data.encode_image import ImageEncoder
from goodfit.data.encode_nodes import NodeEncoder
from goodfit.data.encode_number import NumberScaler, Scaling
from goodfit.data.encode_sequence import SequenceEncoder
from goodfit.data.encode_series import SeriesEncoder
from goodfit.data.encode_stream import Stream, StreamEncoder
from goodfit.data.encode_text import TextEncoder
from goodfit.data.encode_tokenized import TokenizedText
from goodfit.data.encode_tokens import Lexicon, TokenEncoder
from goodfit.data.encode_window import WindowEncoder
from goodfit.data.encoded import Appended, Encoded, Ragged, allocate, machine_memory
from goodfit.data.gaps import codes_of, has_gaps
from goodfit.data.preparation import UNIT, Pictures, Preparation, text_encoder
from goodfit.data.target import STRUCTURED, UNLABELLED, TargetSpec

VERSION = 1  # of encoder.json
# Of the machine's memory that encoded data may take. Beyond, they lie in files, which are read as fast as long as there is room for them, which
# several processes share, and which the system takes back when it needs the room.
IN_MEMORY = 1 / 32

# What reads columns alone, without others beside them.
Alone = TokenEncoder | SequenceEncoder | WindowEncoder | StreamEncoder | GraphEncoder | NodeEncoder
_ALONE: dict[str, Callable[[Any], Alone]] = {
    "tokens": TokenEncoder.from_json,
    "source": SequenceEncoder.from_json,
    "graph": graph_encoder,
    "window": WindowEncoder.from_json,
    "stream": StreamEncoder.from_json,
}


class Encoder:
    """Fitted statistics of the inputs, and the target. Build one with `fit` or `load`.

    inputs: the specification of the network's inputs, of JSON types:
    `{"numbers": {"names", "scaling"}, "categories": {"names", "sizes"}, "text": {"columns", "vocabulary", "max_tokens"},
    "image": {"column", "channels", "height", "width", "mean", "std"}, "series": {"columns", "channels", "length"},
    "tokens": {"column", "vocabulary", "alphabet", "letters", "length"},
    "source": {"column", "vocabulary", "length"}, "window": {"columns", "length", "channels", "plain", "horizon", "season"},
    "graph": {"rows", "features", "words", "edge_features", ...}, "stream": {"column", "vocabulary", "length"}, "caption": {"length"},
    "points": {"columns", "channels", "length", "visits"}, "boxes": {"classes", "most"}}`, the parts that the data have.
    target: with the mean and standard deviation of the training rows. notes: what was left out, and why.
    """

    def __init__(
        self,
        *,
        numbers: Numbers | None,
        categories: dict[str, tuple[str, ...]],
        text: TextEncoder | TokenizedText | None,
        image: ImageEncoder | None,
        series: SeriesEncoder | None,
        alone: Mapping[str, Alone],
        target: TargetSpec,
        weights: Weights,
        memory: float | None,
        notes: tuple[Note, ...],
    ) -> None:
        self._numbers, self._categories, self._text, self._image, self._series = numbers, categories, text, image, series
        self.alone = dict(alone)
        self._levels = {name: pl.Enum(list(levels)) for name, levels in categories.items()}
        self._weights, self._memory = weights, memory
        self.target, self.notes = target, notes
        self.inputs: dict[str, dict[str, Any]] = {}
        if numbers:
            self.inputs["numbers"] = {"names": list(numbers.names), "scaling": numbers.scaler.scaling}
        if categories:
            sizes = [len(levels) + 1 for levels in categories.values()]
            self.inputs["categories"] = {"names": list(categories), "sizes": sizes}
        if text:
            self.inputs["text"] = {"columns": list(text.columns), "vocabulary": text.vocabulary, "max_tokens": text.max_tokens}
        if image:
            self.inputs["image"] = image.inputs()
        self._steps = "points" if target.kind == "pointing" else "series"  # what the network calls the series
        if series:
            self.inputs[self._steps] = series.inputs() | ({"visits": target.visits} if target.kind == "pointing" else {})
        self.inputs |= {name: part.inputs() for name, part in self.alone.items()}
        if target.kind == "detection":
            self.inputs["boxes"] = {"classes": len(target.classes or ()), "most": target.longest}
        if target.kind == "caption":
            self.inputs["caption"] = {"length": target.longest + 1}

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        schema: Schema,
        target: TargetSpec,
        train_rows: np.ndarray,
        settings: DataPart,
        seed: int,
        *,
        scaling: Scaling = "quantile",
        prepared: Preparation | None = None,
    ) -> Encoder:
        """Statistics from the rows `train_rows` (0-based positions), in one pass over the data.

        scaling: "quantile" (a normal by quantiles, for deep networks), "standard" (mean 0, deviation 1, for linear models) or
        "robust" (RealMLP's). prepared: how a network that was trained elsewhere wants its pictures and texts. Raises DataError where nothing is left to learn from, or weights are negative or not finite, and SettingError for
        settings of kinds of columns that the data do not have.
        """
        if scaling not in encode_number.SCALINGS:
            raise SettingError(f"scaling must be one of {', '.join(encode_number.SCALINGS)}; {scaling!r} was given", value=scaling)
        rows = np.unique(np.asarray(train_rows, dtype=np.int64))
        if rows.size == 0:
            raise DataError("training needs at least one row; the training part is empty")
        columns = [column for column in schema.features if column.kind not in ("identifier", "constant")]
        refuse_without_effect(settings, columns)
        fitted = target.fit(dataset.take(rows, target.names)) if has_gaps(dataset) else target.fit(dataset, rows)
        graph = fit_graph(dataset, columns, target, rows, settings, seed)
        window = encode_window.fit(dataset, fitted, rows) if target.kind == "forecast" else None
        columns = [] if graph or window else columns  # they read them all
        text, images, series = named(columns, "text"), named(columns, "image"), named(columns, "series")
        if len(images) > 1:
            raise SettingError(f"a network reads one image a row; {listed(images)} are images: leave out all but one with data.drop")
        read = text[0] if target.kind == "sequence" else None
        stream = fit_stream(dataset, text[0], rows, settings) if target.kind == "language" else None
        text = () if read or stream else text
        vocabulary = prepared.vocabulary if prepared and text else None
        pictures = Pictures(mean=UNIT[0], std=UNIT[1]) if target.kind in UNLABELLED else prepared.pictures if prepared else None
        if text and not vocabulary:
            encode_text.check_settings(len(text), settings.tokens, settings.vocabulary, settings.max_tokens)
        alone: dict[str, Alone | None] = {
            "tokens": fit_tokens(dataset, tokens[0], rows, settings) if (tokens := named(columns, "tokens")) else None,
            "source": fit_source(dataset, read, rows) if read else None,
            "graph": graph,
            "window": window,
            "stream": stream,
        }
        notes: list[Note] = []
        weights = fit_weights(dataset, schema, target, rows, settings)
        seen = observe(dataset, columns, rows, seed, text if settings.tokens == "word" and not vocabulary else ())
        encoder = cls(
            numbers=fit_numbers(seen, columns, scaling, rows.size, seed, notes),
            categories=fit_categories(seen, columns, notes),
            text=text_encoder(text, settings, vocabulary) if vocabulary else fit_text(dataset, seen, text, rows, settings, seed),
            image=fit_image(dataset, images[0], rows, settings, seed, notes, pictures, objects=target.kind == "detection")
            if images
            else None,
            series=fit_series(dataset, series, rows, seed) if series else None,
            alone={name: part for name, part in alone.items() if part is not None},
            target=fitted if stream is None else replace(fitted, classes=tuple(stream.characters)),
            weights=weights,
            memory=settings.memory,
            notes=(),
        )
        encoder.notes = tuple(notes)
        if not encoder.inputs:
            raise DataError(
                f"at least one column must vary in the training rows; of {listed([column.name for column in schema.features])} none does. "
                "Give more columns, or overrule their kinds with data.kinds"
            )
        return encoder

    def encode(
        self,
        source: Dataset | pl.DataFrame,
        rows: np.ndarray | None = None,
        *,
        folder: Path | None = None,
        with_target: bool = True,
        balance: bool = True,
    ) -> Encoded:
        """The rows (all when None) as tensors, in chunks, so that little but the result is held in memory.

        folder: where tensors are memory-mapped when together they exceed `data.memory` (see IN_MEMORY when None): numbers.f32,
        categories.i32, image.u8, text.i32, series.f32. They stay until the caller removes the folder; files of an earlier call are unlinked first.
        Target and weights stay in memory. balance: whether the weights hold the balance of classes; scores want those without.
        Raises DataError with the row of a value that cannot be used.
        """
        table = _Source(source, rows)
        n = table.rows
        folder = folder if folder is not None and self._bytes(n) > self._limit() else None
        inputs: dict[str, Tensor | Ragged | Stream] = {}
        numbers = allocate("numbers", (n, len(self._numbers.names)), np.float32, folder) if self._numbers else None
        categories = allocate("categories", (n, len(self._categories)), np.int32, folder) if self._categories else None
        tokens = Appended("text", folder) if self._text else None
        lengths = np.zeros(n + 1, np.int64)  # of the texts, behind a 0
        steps, times = Appended(self._steps, folder, np.float32, self._series.width) if self._series else None, np.zeros(n + 1, np.int64)
        side = self._image.size if self._image else 0
        image = allocate("image", (n, self._image.channels, side, side), np.uint8, folder) if self._image else None
        columns = self._columns()
        for start, frame in table.chunks(columns) if columns else ():
            part = slice(start, start + frame.height)
            if self._numbers and numbers is not None:
                self._numbers.encode_into(numbers[part], frame)
            if categories is not None:
                for place, name in enumerate(self._categories):
                    categories[part, place] = encode_category.codes(frame[name], self._levels[name])
            if self._text and tokens is not None:
                ids, lengths[start + 1 : part.stop + 1] = self._text.encode(frame)
                tokens.append(ids)
            if self._series and steps is not None:
                values, times[start + 1 : part.stop + 1] = self._series.encode(frame, partial(table.place, start))
                steps.append(values)
            if self._image and image is not None:
                self._image.encode_into(image[part], frame[self._image.column], table.root, partial(table.place, start))
        lexicon: Lexicon | None = None
        for name, encoder in self.alone.items():
            if isinstance(encoder, TokenEncoder):  # at once: the words are numbered over all rows
                places, widths, lexicon = encoder.encode(table.column(encoder.column))
                inputs[name] = Ragged(torch.from_numpy(places), torch.from_numpy(np.concatenate([[0], widths.cumsum()])))
            elif isinstance(encoder, SequenceEncoder):
                ids, widths = encoder.encode(table.column(encoder.column))
                inputs[name] = Ragged(torch.from_numpy(ids), torch.from_numpy(np.concatenate([[0], widths.cumsum()])))
            elif isinstance(encoder, WindowEncoder):
                assert isinstance(source, Dataset)
                inputs[name] = torch.from_numpy(encoder.encode(source, rows, folder))
            elif isinstance(encoder, StreamEncoder):
                inputs[name] = encoder.encode(source, rows)
            else:
                inputs |= encoded_graph(encoder, table.frame(self.inputs[name]["columns"]), partial(table.place, 0))
        for name, array in (("numbers", numbers), ("categories", categories), ("image", image)):
            if array is not None:
                inputs[name] = torch.from_numpy(array)
        if tokens is not None:
            inputs["text"] = Ragged(tokens.finish(), torch.from_numpy(lengths.cumsum()))
        if steps is not None:
            inputs[self._steps] = Ragged(steps.finish(), torch.from_numpy(times.cumsum()))
        codes = self._codes(table) if with_target else None
        weight = self._weight(table, codes if balance else None) if with_target else None
        return Encoded(inputs, None if codes is None else torch.from_numpy(codes), weight, n, folder, lexicon)

    def told(self, data: Dataset) -> np.ndarray:
        """int64: the nodes of `data` whose labels are among the network's inputs, none where the rows are no nodes of the graph of training."""
        graph = self.alone.get("graph")
        if not isinstance(graph, NodeEncoder):
            return np.zeros(0, np.int64)
        frame = data.take(np.arange(data.rows), [graph.neighbours])
        return graph.known if graph.knows(frame) else np.zeros(0, np.int64)

    @property
    def stream(self) -> StreamEncoder:
        """Of running text, what turns characters into ids."""
        stream = self.alone["stream"]
        assert isinstance(stream, StreamEncoder)
        return stream

    def bins(self, count: int) -> list[Tensor]:
        """Edges of `count` quantile bins of each number input, float32 [2 to count + 1], rising; an indicator has the edges 0 and 1."""
        if self._numbers is None:
            return []
        return self._numbers.scaler.bins(count) + [torch.tensor([0.0, 1.0]) for _ in self._numbers.flagged]

    def save(self, folder: Path) -> None:
        """Write encoder.json and encoder.safetensors into the folder."""
        numbers = self._numbers
        document = {
            "version": VERSION,
            "numbers": None
            if numbers is None
            else {name: getattr(numbers, name) for name in ("plain", "dated", "kept", "flagged", "names")}
            | {"scaling": numbers.scaler.scaling},
            "categories": [{"column": name, "levels": levels} for name, levels in self._categories.items()],
            "text": self._text.to_json() if self._text else None,
            "image": self._image.to_json() if self._image else None,
            "series": self._series.to_json() if self._series else None,
            "alone": {name: part.to_json() for name, part in self.alone.items()},
            "target": self.target.to_json(),
            "weights": {"column": self._weights.column, "scale": self._weights.scale, "classes": self._weights.classes},
            "memory": self._memory,
            "notes": [note.to_json() for note in self.notes],
        }
        write_tensors(folder / "encoder.safetensors", numbers.scaler.tensors() if numbers else {})
        write_json(folder / "encoder.json", document)

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Read what `save` wrote; the encoder encodes to the same bits. Raises BundleError when the files are damaged."""
        path = folder / "encoder.json"
        document = read_json(path)
        tensors = read_tensors(folder / "encoder.safetensors")
        try:
            if document["version"] != VERSION:
                raise BundleError(
                    f"encoder.json has version {document['version']}, this goodfit reads {VERSION}; install the other", file=path
                )
            numbers = document["numbers"]
            if numbers is not None:
                scaling = numbers.pop("scaling")
                if scaling not in encode_number.SCALINGS:
                    raise ValueError(f"unknown scaling {scaling!r}")
                numbers = Numbers(
                    **{name: tuple(value) for name, value in numbers.items()}, scaler=NumberScaler(scaling=scaling, **tensors)
                )
            weights = document["weights"]
            return cls(
                numbers=numbers,
                categories={item["column"]: tuple(item["levels"]) for item in document["categories"]},
                text=_text_from(document["text"]) if document["text"] else None,
                image=ImageEncoder.from_json(document["image"]) if document["image"] else None,
                series=SeriesEncoder.from_json(document["series"]) if document.get("series") else None,
                alone={name: _ALONE[name](part) for name, part in document["alone"].items()},
                target=TargetSpec.from_json(document["target"]),
                weights=Weights(weights["column"], weights["scale"], tuple(weights["classes"]) if weights["classes"] else None),
                memory=document["memory"],
                notes=tuple(Note(**note) for note in document["notes"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, RuntimeError, pl.exceptions.PolarsError) as error:
            raise BundleError(f"encoder.json does not describe an encoder ({error!r}); the folder is damaged", file=path) from error

    def _columns(self) -> list[str]:
        columns = [*(self._numbers.plain + self._numbers.dated if self._numbers else ()), *self._categories]
        columns += self._text.columns if self._text else ()
        columns += self._series.columns if self._series else ()
        return [*columns, self._image.column] if self._image else columns

    def _limit(self) -> float:
        return IN_MEMORY * machine_memory() if self._memory is None else self._memory * 2**30

    def _bytes(self, n: int) -> int:
        """Bytes of the encoded rows; texts and series at their longest, since their length is known only afterwards."""
        row = 4 * len(self._numbers.names) if self._numbers else 0
        row += 4 * len(self._categories) + (4 * self._text.max_tokens + 8 if self._text else 0)
        row += 4 * self._series.width * self._series.longest + 8 if self._series else 0
        row += 4 * window["length"] * window["channels"] if (window := self.inputs.get("window")) else 0
        return n * (row + (self._image.channels * self._image.size**2 if self._image else 0))

    def _codes(self, table: _Source) -> np.ndarray:
        """The target of each row as numbers, chunk by chunk: a column of texts takes many times their room."""
        if self.target.kind in UNLABELLED:
            return np.zeros(table.rows, np.float32)
        if has_gaps(table.source) and isinstance(table.source, Dataset):
            return table.pick(codes_of(table.source, self.target))
        if self.target.kind in ("forecast", "language", *STRUCTURED):
            return self.target.encode(table.frame(self.target.names))
        try:
            parts = [self.target.encode(frame) for _, frame in table.chunks(self.target.names)]
        except DataError:
            self.target.encode(table.source)  # raises the same, with the row in the file instead of in the chunk
            raise
        return np.concatenate(parts) if parts else self.target.encode(table.source)[:0].copy()

    def _weight(self, table: _Source, codes: np.ndarray | None) -> Tensor | None:
        """float32 [n], None for all 1."""
        weight = None
        if self._weights.column is not None:
            weight = table.pick(weights_of(table.source, self._weights.column)) * self._weights.scale
        if self._weights.classes is not None and codes is not None:
            factor = np.array(self._weights.classes)[codes]
            weight = factor if weight is None else weight * factor
        return None if weight is None else torch.from_numpy(weight.astype(np.float32))


def _text_from(document: dict[str, Any]) -> TextEncoder | TokenizedText:
    return TokenizedText.from_json(document) if document["kind"] == "tokenizer" else TextEncoder.from_json(document)


class _Source:
    """Chosen rows of a dataset or frame, chunk by chunk."""

    def __init__(self, source: Dataset | pl.DataFrame, rows: np.ndarray | None) -> None:
        self.source = source
        self._chosen = None if rows is None else np.asarray(rows, dtype=np.int64)
        self.rows = (source.rows if isinstance(source, Dataset) else source.height) if self._chosen is None else self._chosen.size
        self.root = source.root if isinstance(source, Dataset) else None

    def chunks(self, columns: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
        """(position of the first row among the chosen, frame)."""
        size = chunk_rows(len(columns))
        if isinstance(self.source, Dataset) and self._chosen is None:
            yield from self.source.chunks(size, columns)
            return
        if isinstance(self.source, pl.DataFrame):
            absent = [name for name in columns if name not in self.source.columns]
            if absent:
                raise DataError(
                    f"the data must have the columns that the network was trained on; they lack {listed(absent)}", column=absent[0]
                )
        for start in range(0, self.rows, size):
            chosen = slice(start, min(start + size, self.rows))
            if isinstance(self.source, Dataset):
                assert self._chosen is not None
                yield start, self.source.take(self._chosen[chosen], columns)
            else:
                frame = self.source.select(columns)
                yield start, frame[chosen] if self._chosen is None else frame[self._chosen[chosen]]

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Some columns of all chosen rows."""
        if isinstance(self.source, Dataset):
            return self.source.take(np.arange(self.source.rows) if self._chosen is None else self._chosen, list(columns))
        frame = self.source.select(columns)
        return frame if self._chosen is None else frame[self._chosen]

    def column(self, name: str) -> pl.Series:
        """One column of all chosen rows."""
        return self.frame([name]).to_series()

    def pick(self, values: np.ndarray) -> np.ndarray:
        """The chosen of the values of all rows."""
        return values if self._chosen is None else values[self._chosen]

    def place(self, start: int, position: int) -> tuple[str | None, int]:
        """File and 1-based row of the chosen row at `position` of the chunk that begins at `start`."""
        position += start
        row = position if self._chosen is None else int(self._chosen[position])
        return self.source.place(row) if isinstance(self.source, Dataset) else (None, row + 1)
