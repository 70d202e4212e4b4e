"""Running text for language modelling: files, a folder of files or a column of texts, as one stream of characters in pieces.

A piece is a row: as many characters as the network reads at once, in the order of the text. The stream is cut into training, validation and
test part where it stands, never shuffled: neighbouring passages are too alike for a fair test. A second column says where a text begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, SettingError, did_you_mean
from goodfit.base.parts import DataPart
from goodfit.data.content import as_utf8, format_of, open_content
from goodfit.data.dataset import TEST, TRAIN, VALID, Column, Dataset, Memory, Note, Schema, fingerprint_of, listed
from goodfit.data.frames import from_frame, is_frame
from goodfit.data.store import Scratch
from goodfit.data.table import open_table

TEXT, BEGINS = "text", "begins"  # the columns; that of the texts keeps its name where a table has one
LANGUAGE = "language"
# Of the characters, where nobody says otherwise: a tenth says the bits of a character to a hundredth, and what is left teaches.
SHARES = {"valid_fraction": 0.05, "test_fraction": 0.1}
LEAST = 1_000  # characters: of fewer, the parts hold no sentence
LARGEST = 256 << 20  # bytes of a text: it is held in memory, as are its tokens at four bytes each
_SUFFIXES = {".txt", ".text", ".md"}
_COMPRESSED = {".gz", ".zst", ".zstd", ".bz2", ".xz", ".zip"}
_TARGETS = {"target", "label", "labels", "class", "y"}  # a header that has one is a table's


@dataclass(frozen=True)
class Passage:
    """One text, its name, and the part that it is given to, None where the stream is to be divided."""

    text: str
    name: str
    part: int | None = None


def is_stream(source: Any, settings: DataPart) -> bool:
    """Whether to read running text: because the task says so, or because a text file alone can be nothing else."""
    if settings.task is not None or settings.target or settings.source or settings.split or settings.group or settings.time:
        return settings.task == LANGUAGE
    if not isinstance(source, str | Path) or not is_text_file(Path(source)):
        return False
    try:
        content = open_content(Path(source), limit=LARGEST, spill=Scratch(None).path)
    except DataError:
        return False
    first = content.head(4096).partition(b"\n")[0].decode(errors="replace").lower()
    fields = {field.strip().strip('"') for separator in ",;\t|" for field in first.split(separator)}
    return not fields & _TARGETS


def is_text_file(path: Path) -> bool:
    """Whether the name says that it is a text, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    try:
        return bool(suffixes) and suffixes[-1] in _SUFFIXES and path.is_file()
    except OSError:
        return False


def shares(settings: DataPart) -> dict[str, float]:
    """valid_fraction and test_fraction of the characters: as given, else SHARES."""
    return {name: getattr(settings, name) if name in settings.model_fields_set else usual for name, usual in SHARES.items()}


def read_stream(source: Any, settings: DataPart, valid: Any = None, test: Any = None) -> Dataset:
    """The stream of `source` in pieces, with its parts. Raises DataError where there is too little to learn from."""
    _refuse_settings(settings)
    given = [(source, TRAIN if valid is not None or test is not None else None), (valid, VALID), (test, TEST)]
    notes: list[Note] = []
    column = TEXT
    passages: list[Passage] = []
    for one, part in given:
        if one is None:
            continue
        column, texts = _texts(one, settings, notes)
        passages += [Passage(text, name, part) for name, text in texts]
    total = sum(len(passage.text) for passage in passages)
    if total < LEAST:
        raise DataError(
            f"a language is learned from {LEAST:,} characters at least, better a million; there are {total:,}", file=_file(source)
        )
    if len(set().union(*(set(passage.text) for passage in passages))) < 2:
        raise DataError(f"a language has at least two different characters; there is {passages[0].text[:1]!r} only", file=_file(source))
    return _in_pieces(passages, column, settings, notes, _files(source, valid, test))


def read_stream_like(source: Any, schema: Schema) -> Dataset:
    """New texts: of a text file or a folder in pieces as in training, of a table the column of that name, a row a text."""
    name = next(column.name for column in schema.features)
    if isinstance(source, str | Path) and (is_text_file(Path(source)) or Path(source).is_dir()):
        notes: list[Note] = []
        passages = [Passage(text, where) for where, text in _written(Path(source), notes)]
        return _in_pieces(passages, name, DataPart(), notes, _files(source), divided=False)
    frame = _frame(source)
    if name not in frame.columns:
        hint = did_you_mean(name, frame.columns) or "; there are " + listed(frame.columns)
        raise DataError(f"the column {name!r} of the training data is missing{hint}", file=_file(source), column=name)
    _refuse_no_texts(frame[name], source)
    texts = frame[name].cast(pl.String)
    table = pl.DataFrame([texts, pl.repeat(True, frame.height, eager=True).alias(BEGINS)])
    return Dataset(_schema(name, table), table.height, _files(source), fingerprint_of(table), (), None, None, Memory(table))


def _in_pieces(
    passages: Sequence[Passage], column: str, settings: DataPart, notes: list[Note], files: tuple[Path, ...], *, divided: bool = True
) -> Dataset:
    pieces: list[str] = []
    begins: list[bool] = []
    parts: list[int] = []
    size = settings.max_tokens
    for passage, stretches in zip(passages, _stretches(passages, settings if divided else None), strict=True):
        start = 0
        for end, part in stretches:
            firsts = range(start, end, size)
            pieces += [passage.text[first : min(first + size, end)] for first in firsts]
            begins += [first == 0 for first in firsts]
            parts += [part] * len(firsts)
            start = end
    table = pl.DataFrame({column: pl.Series(pieces, dtype=pl.String), BEGINS: pl.Series(begins, dtype=pl.Boolean)})
    given = np.array(parts, dtype=np.int8) if divided else None
    return Dataset(_schema(column, table), table.height, files, _fingerprint(passages), tuple(notes), None, given, Memory(table))


def _stretches(passages: Sequence[Passage], settings: DataPart | None) -> list[list[tuple[int, int]]]:
    """Of each text the stretches of one part: where each ends, and its part. All characters count together; training is first, test last.

    settings: None where nothing is divided.
    """
    if settings is None:
        return [[(len(passage.text), TRAIN)] for passage in passages]
    given = {passage.part for passage in passages}
    share = {part: 0.0 if part in given else shares(settings)[name] for part, name in ((VALID, "valid_fraction"), (TEST, "test_fraction"))}
    if sum(share.values()) >= 1:
        raise SettingError(
            f"data.valid_fraction and data.test_fraction must leave text to train on; {share[VALID]:g} and {share[TEST]:g} were given, so lower one",
            value=share[VALID],
        )
    total = sum(len(passage.text) for passage in passages if passage.part in (None, TRAIN))
    marks = ((int((1 - share[TEST] - share[VALID]) * total), TRAIN), (int((1 - share[TEST]) * total), VALID), (total, TEST))
    found: list[list[tuple[int, int]]] = []
    begun = 0
    for passage in passages:
        length = len(passage.text)
        if passage.part in (VALID, TEST):
            found.append([(length, passage.part)])
            continue
        own: list[tuple[int, int]] = []
        for mark, part in marks:
            end = min(mark - begun, length)
            if end > (own[-1][0] if own else 0):
                own.append((end, part))
        found.append(own)
        begun += length
    return found


def _texts(source: Any, settings: DataPart, notes: list[Note]) -> tuple[str, list[tuple[str, str]]]:
    """The name of the column, and (name, text) of each text."""
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir() or is_text_file(path):
            if settings.source and settings.source != (TEXT,):
                raise DataError(
                    f"data.source names {settings.source[0]!r}, and {path.name} is running text without columns; leave it out", file=path
                )
            return TEXT, list(_written(path, notes))
    frame = _frame(source)
    name = _column(frame, settings, source)
    _refuse_no_texts(frame[name], source)
    texts = frame[name].drop_nulls().cast(pl.String).to_list()
    notes.append(Note(f"the {len(texts):,} texts of {name!r} were read one after the other, a line each", _file(source), column=name))
    return name, [(name, "\n".join(texts) + "\n")]


def _written(path: Path, notes: list[Note]) -> Iterator[tuple[str, str]]:
    """(name, text) of a file, or of every text file below a folder, by name."""
    if not path.is_dir():
        yield path.name, _text(path, notes)
        return
    files = sorted(file for file in path.rglob("*") if is_text_file(file) and not file.name.startswith("."))
    if not files:
        raise DataError(f"{path} holds no text file; give a folder with files that end in .txt", file=path)
    for file in files:
        yield str(file.relative_to(path)), _text(file, notes)


def _text(path: Path, notes: list[Note]) -> str:
    scratch = Scratch(None)
    content = open_content(path, limit=LARGEST, spill=scratch.path)
    if format_of(content) not in ("text", "json"):
        raise DataError(f"{path.name} is a table and no running text; name its column of texts with data.source", file=path)
    content = as_utf8(content, limit=LARGEST, spill=scratch.path)
    if content.data is None:
        raise DataError(
            f"a text for language modelling is held in memory, at most {LARGEST >> 20} MiB; {path.name} has {content.size >> 20:,}",
            file=path,
        )
    notes += content.notes
    text = content.data.decode().replace("\r\n", "\n").replace("\r", "\n")
    if (place := text.find("\0")) >= 0:
        raise DataError(
            f"{path.name} holds a zero byte (character {place + 1:,}), as programs and pictures do and texts do not; give plain text",
            file=path,
        )
    return text


def _frame(source: Any) -> pl.DataFrame:
    if is_frame(source):
        return from_frame(source)[0]
    if not isinstance(source, str | Path):
        raise DataError(f"data are a path, a frame or a dict of arrays; a {type(source).__name__} was given", value=source)
    return open_table(Path(source), scratch=Scratch(None)).lazy.collect()


def _column(frame: pl.DataFrame, settings: DataPart, source: Any) -> str:
    """The column of texts: the one that was named, else the only one, else the one with the longest."""
    names = [name for name in frame.columns if frame[name].dtype == pl.String and name not in settings.drop]
    if settings.source:
        if len(settings.source) > 1 or settings.source[0] not in frame.columns:
            hint = did_you_mean(settings.source[0], frame.columns) or "; there are " + listed(frame.columns)
            raise DataError(
                f"data.source is the one column of texts; {listed(settings.source)} was given{hint}",
                file=_file(source),
                column=settings.source[0],
            )
        return settings.source[0]
    if not names:
        raise DataError(f"a language is learned from texts, and no column of {listed(frame.columns)} holds any", file=_file(source))
    return max(names, key=lambda name: float(frame[name].str.len_chars().mean() or 0))  # type: ignore[arg-type]


def _refuse_no_texts(column: pl.Series, source: Any) -> None:
    if column.dtype != pl.String:
        raise DataError(
            f"column {column.name!r} holds {column.dtype}, and a language is learned from texts", file=_file(source), column=column.name
        )
    if column.drop_nulls().is_empty():
        raise DataError(f"column {column.name!r} holds no text in any row", file=_file(source), column=column.name)


def _refuse_settings(settings: DataPart) -> None:
    if settings.target:
        raise SettingError(
            f"what a language model learns is the next character, so it has no target; leave data.target={settings.target[0]} out",
            value=settings.target[0],
        )
    for field in ("weight", "split", "group", "time"):
        if value := getattr(settings, field):
            raise SettingError(f"data.{field} is for rows, and running text has none; leave it out", value=value)
    if settings.tokens != "word":
        raise SettingError("a language model reads characters; leave data.tokens out", value=settings.tokens)


def _schema(name: str, table: pl.DataFrame) -> Schema:
    return Schema(
        (
            Column(name, "text", "feature", "String", 0, table.height, "running text, in pieces"),
            Column(BEGINS, "boolean", "ignored", "Boolean", 0, 2, "whether a text begins"),
        )
    )


def _fingerprint(passages: Sequence[Passage]) -> str:
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(f"{passage.part}:{len(passage.text)}:".encode() + passage.text.encode(errors="surrogatepass"))
    return digest.hexdigest()


def _file(source: Any) -> str | None:
    return str(source) if isinstance(source, str | Path) else None


def _files(*sources: Any) -> tuple[Path, ...]:
    return tuple(Path(source) for source in sources if isinstance(source, str | Path))
