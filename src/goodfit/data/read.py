"""From a file, a folder or a frame to a Dataset: `read` for training, `read_like` for new rows of the same columns."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, did_you_mean
from goodfit.base.files import sha256_of
from goodfit.base.recipe import DataPart
from goodfit.data.convert import named
from goodfit.data.dataset import TEST, TRAIN, VALID, Column, Dataset, Memory, Note, Role, Rows, Schema, fingerprint_of, listed
from goodfit.data.delimited import refuse_duplicates
from goodfit.data.folder import IMAGE, LABEL, check_paths, read_folder, read_gallery, read_pictures
from goodfit.data.frames import from_frame, is_frame
from goodfit.data.graph_columns import with_graph
from goodfit.data.joined import Joined
from goodfit.data.kinds import Choice, find
from goodfit.data.like import like, missing_column, offends
from goodfit.data.objects import annotated, detects, read_objects, read_objects_like
from goodfit.data.pictures import holds_pictures
from goodfit.data.remarks import lenient, remarks
from goodfit.data.roles import check_roles, given_parts, roles_of
from goodfit.data.store import Scratch, write_disk
from goodfit.data.stream import BEGINS, is_stream, read_stream, read_stream_like
from goodfit.data.survey import IMAGES, first_row, in_batches
from goodfit.data.table import HUGE, Table, open_table
from goodfit.data.target import UNLABELLED, detect
from goodfit.data.timeline import choose_time
from goodfit.data.windows import windowed

_SAMPLES = 64  # blocks of 1 MiB that the fingerprint of a huge file is taken from
_DEFAULTS = DataPart()
_KINDS_SAID = {"image": "picture", "tokens": "list of tokens"}


def read(
    source: Any,
    *,
    settings: DataPart = _DEFAULTS,
    valid: Any = None,
    test: Any = None,
    cache: Path | None = None,
    huge: int = HUGE,
) -> Dataset:
    """A table (or a folder of pictures) with the kinds and roles of its columns, ready to be split and encoded.

    source: path of a file or folder, polars or pandas frame, dict of arrays. valid, test: the same for given parts.
    cache: folder for tables of more than `huge` bytes, which are kept on the disk; a temporary one when None.
    Rows without a target are left out, with a note. Raises DataError for everything that cannot be read or learned from.
    """
    with _named(source, huge):
        if is_stream(source, settings):
            return read_stream(source, settings, valid, test)
        if (files := annotated(source, settings)) is not None:
            return read_objects(files, settings, valid=valid, test=test)
        if _is_folder(source):
            gallery = settings.task in UNLABELLED
            return (read_gallery if gallery else read_folder)(Path(source), settings, valid=_path(valid), test=_path(test))
        return _read(source, settings, valid, test, cache, huge)


def _read(source: Any, settings: DataPart, valid: Any, test: Any, cache: Path | None, huge: int) -> Dataset:
    scratch = Scratch(cache)
    settings = _composed_settings(settings)
    given = [(source, TRAIN)] + [(extra, part) for extra, part in ((valid, VALID), (test, TEST)) if extra is not None]
    if settings.split and len(given) > 1:
        raise DataError(f"the parts are given by files and by data.split={settings.split}; give one of the two", column=settings.split)
    tables = [_open(one, huge, scratch) for one, _ in given]
    main = tables[0]
    if main.split and not settings.split and len(given) == 1 and main.split not in settings.drop:
        settings = settings.model_copy(update={"split": main.split})
    _refuse_few(sum(table.rows for table in tables), main.file)
    roles, notes = roles_of(main.names, settings, main.file)
    notes = [note for table in tables for note in table.notes] + notes
    settings = _source_settings(settings, roles, main)
    joined = Joined.of(tables, frozenset(settings.drop), notes)
    root = _root(main)
    choices = _choose(joined, roles, settings, main, root, notes)
    notes += remarks(joined.lazy, choices, joined.place)
    part = np.repeat(np.array([part for _, part in given], dtype=np.int8), joined.counts) if len(given) > 1 else None
    if settings.split:
        words = joined.lazy.select(settings.split).collect(engine="streaming").to_series()
        part = given_parts(words, joined.place, graph="neighbours" in main.kinds.values())
    forecast = settings.task == "forecast"
    choices = choose_time(choices, settings) if forecast else choices
    kept = None if forecast else _kept(joined, choices, notes)
    store, rows = _stored(joined, choices, kept, scratch)
    schema = Schema(tuple(choice.column for choice in choices.values()))
    dataset = Dataset(
        schema=schema if kept is None else _recounted(schema, store, rows),
        rows=rows,
        files=tuple(table.file for table in tables if table.file),
        fingerprint=_fingerprint(tables, huge),
        notes=tuple(notes),
        root=root,
        part=part if kept is None or part is None else part[kept],
        store=store,
        origin=None if kept is None else np.flatnonzero(kept),
        starts=joined.starts,
    )
    return _checked(windowed(dataset, settings) if forecast else dataset, settings)


def read_like(source: Any, schema: Schema, *, labelled: bool = False, cache: Path | None = None, huge: int = HUGE) -> Dataset:
    """New rows with the columns of `schema`, by name, each read as in training.

    labelled: targets must be there, and rows without one are left out; else they are taken along where they can be read.
    Raises DataError for a column that is missing, renamed or of another type (with row and value); extra columns are left out with a note.
    """
    with _named(source, huge):
        if BEGINS in schema.names:
            return read_stream_like(source, schema)
        return _read_like(source, schema, labelled, cache, huge)


def _read_like(source: Any, schema: Schema, labelled: bool, cache: Path | None, huge: int) -> Dataset:
    if detects(schema):
        return read_objects_like(source, schema)
    scratch = Scratch(cache)
    if _is_folder(source):
        table, root = _pictures(Path(source), schema, labelled)
    else:
        table = _open(source, huge, scratch)
        root = _root(table)
    notes, file = list(table.notes), str(table.file) if table.file else None
    names, columns = set(table.names), {column.name: column for column in schema.columns}
    extra = [name for name in table.names if name not in columns and name != table.split]
    wanted = list(schema.features) + (list(schema.targets) + list(schema.with_role("weight")) if labelled else [])
    if missing := [column for column in wanted if column.name not in names and column.role != "weight"]:
        raise missing_column(missing, extra, file)
    wanted = [column for column in wanted if column.name in names]
    if not labelled:
        wanted += [column for column in schema.targets if column.name in names]
    if extra:
        notes.append(Note(f"{len(extra):,} columns that training did not have ({listed(extra, 3)}) were left out", file))
    kept_names = {column.name for column in wanted}
    joined = Joined.of([table], frozenset(names - kept_names), notes)
    types = joined.lazy.collect_schema()
    values: dict[str, pl.Expr] = {}
    for column in wanted:
        value = like(column, types[column.name])
        if value is None:
            if column.role == "target" and not labelled:
                continue
            raise _retyped(joined, column, pl.col(column.name).is_not_null())
        values[column.name] = value.alias(column.name)
    for name, condition in _offenders(joined, columns, types, values).items():
        column = columns[name]
        if column.role == "target" and not labelled:
            values.pop(name)
            notes.append(Note(f"the target {name!r} holds other values than in training and was left out", file, column=name))
            continue
        raise _retyped(joined, column, condition)
    notes += lenient(joined.lazy, {name: (columns[name], values[name]) for name in values}, joined.place, joined.huge)
    choices = {name: Choice(columns[name], value) for name, value in values.items()}
    kept = _kept(joined, choices, notes) if labelled else None
    store, rows = _stored(joined, choices, kept, scratch)
    dataset = Dataset(
        schema=_recounted(Schema(tuple(choice.column for choice in choices.values())), store, rows),
        rows=rows,
        files=(table.file,) if table.file else (),
        fingerprint=_fingerprint([table], huge),
        notes=tuple(notes),
        root=root,
        part=None,
        store=store,
        origin=None if kept is None else np.flatnonzero(kept),
    )
    _check_pictures(dataset)
    return dataset


def _open(source: Any, huge: int, scratch: Scratch) -> Table:
    if is_frame(source):
        frame, notes = from_frame(source)
        return _composed(Table(None, frame.lazy(), tuple(frame.columns), frame.height, False, False, notes=tuple(notes)))
    if not isinstance(source, str | Path):
        raise DataError(f"data are a path, a frame or a dict of arrays; a {type(source).__name__} was given", value=source)
    return _composed(open_table(Path(source), limit=huge, scratch=scratch))


def _source_settings(settings: DataPart, roles: dict[str, Role], main: Table) -> DataPart:
    """Where sequences are turned into others: the one column to read, as texts or pictures; what else there is, is left out."""
    if settings.task not in ("sequence", "caption") and not settings.source:
        return settings
    features = [name for name, role in roles.items() if role == "feature"]
    source = list(settings.source) or features
    if len(source) != 1:
        raise DataError(
            f"one column is read where sequences are written; give it with data.source, one of {listed(features)}", file=main.file
        )
    if source[0] not in features:
        raise DataError(
            f"data.source names {source[0]!r}, which is no column to read{did_you_mean(source[0], features) or '; there are ' + listed(features)}",
            file=main.file,
            column=source[0],
        )
    for name in features:
        if name != source[0]:
            del roles[name]
    targets = {name: "category" for name, role in roles.items() if role == "target"}
    others = tuple(name for name in features if name != source[0])
    kind = "image" if holds_pictures(main.lazy, source[0], settings.kinds.get(source[0]), IMAGES) else "text"
    return settings.model_copy(update={"kinds": settings.kinds | {source[0]: kind} | targets, "drop": settings.drop + others})


def _composed(table: Table) -> Table:
    """Names in Unicode's composed form, so that é is é however the file writes it."""
    names = tuple(normalize("NFC", name) for name in table.names)
    if names == table.names:
        return table
    refuse_duplicates(list(names), table.file, row=1 if table.texts else None)
    return replace(table, names=names, lazy=table.lazy.rename(dict(zip(table.names, names, strict=True))))


def _composed_settings(settings: DataPart) -> DataPart:
    one = {field: normalize("NFC", value) for field in ("weight", "split", "group", "time") if (value := getattr(settings, field))}
    many = {field: tuple(normalize("NFC", name) for name in getattr(settings, field)) for field in ("target", "drop", "source")}
    kinds = {normalize("NFC", name): kind for name, kind in settings.kinds.items()}
    return settings.model_copy(update={**one, **many, "kinds": kinds})


@contextlib.contextmanager
def _named(source: Any, huge: int) -> Iterator[None]:
    """Errors name the file; damage far down in a huge file, which is found while its rows are streamed, becomes a DataError."""
    file = Path(source) if isinstance(source, str | Path) else None
    try:
        yield
    except DataError as error:
        error.file = error.file or (str(file) if file else None)
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if file is None or file.stat().st_size <= huge:
            raise
        why = (str(error).strip().splitlines() or [""])[0][:120]
        raise DataError(f"{file.name} is damaged: it cannot be read to its end ({why})", file=file) from None


def _choose(
    joined: Joined, roles: dict[str, Role], settings: DataPart, main: Table, root: Path | None, notes: list[Note]
) -> dict[str, Choice]:
    def found(asked: dict[str, str]) -> dict[str, Choice]:
        return find(
            joined.lazy, joined.rows, roles=roles, asked=asked, huge=joined.huge, separator=main.separator, root=root, place=joined.place
        )

    asked = {name: kind for name, kind in {**main.kinds, **settings.kinds}.items() if name in roles}
    choices = with_graph(joined, found(dict(asked)), asked, notes)
    if any(choice.column.role == "feature" for choice in choices.values()) or "target" not in roles.values() or settings.task == "forecast":
        return choices
    # Nothing but columns that count rows: then they are what there is to learn from.
    counters = [
        n
        for n, c in choices.items()
        if c.column.reason == "counts the rows" or (c.column.kind == "identifier" and c.column.reason.startswith("whole numbers"))
    ]
    if counters and not settings.kinds:
        notes.append(
            Note(f"{listed(counters, 3)} look like identifiers and were taken as numbers, since there is nothing else to learn from")
        )
        return found(dict.fromkeys(counters, "number"))
    why = "; ".join(f"{name!r}: {choice.column.reason}" for name, choice in list(choices.items())[:3] if choice.column.role == "ignored")
    raise DataError(
        f"there is no column to learn from beside {listed([n for n in roles if roles[n] != 'feature'])}{f' ({why})' if why else ''}",
        file=main.file,
    )


def _kept(joined: Joined, choices: dict[str, Choice], notes: list[Note]) -> np.ndarray | None:
    """[n] bool rows that have all targets, None when all have."""
    targets = [name for name, choice in choices.items() if choice.column.role == "target"]
    if not targets or any(choice.column.kind == "neighbours" for choice in choices.values()):
        return None  # a node without a label is a neighbour all the same
    there = pl.all_horizontal([choices[name].value.is_not_null() for name in targets])
    kept = joined.lazy.select(there.alias("kept")).collect(engine="streaming" if joined.huge else "auto").to_series().to_numpy()
    gone = int((~kept).sum())
    if gone == 0:
        return None
    file, row = joined.place(int(np.argmin(kept)))
    if gone == kept.size:
        raise DataError(
            f"the target {listed(targets, 3)} has no value in any row; give rows with a known target", file=file, column=targets[0]
        )
    much = "; half of the rows and more have no target" if 2 * gone >= kept.size else ""
    notes.append(
        Note(f"{gone:,} rows without a value of {listed(targets, 3)} (first row {row}) were left out{much}", file, row, targets[0])
    )
    return kept


def _stored(joined: Joined, choices: dict[str, Choice], kept: np.ndarray | None, scratch: Scratch) -> tuple[Rows, int]:
    lazy = joined.lazy.select([choice.value for choice in choices.values()])
    if not joined.huge:
        frame = lazy.collect()
        frame = frame if kept is None else frame.filter(pl.Series(kept))
        return Memory(frame.rechunk()), frame.height
    if kept is not None:
        lazy = lazy.filter(pl.all_horizontal([pl.col(n).is_not_null() for n, c in choices.items() if c.column.role == "target"]))
    disk = write_disk(lazy, scratch.path("rows.arrow"), scratch)
    scratch.keep_only(disk.path)
    expected = joined.rows if kept is None else int(kept.sum())
    if disk.rows != expected:
        raise DataError(
            f"{disk.rows:,} rows were read where {expected:,} lie; write the fields of the table in quotes", file=joined.place(0)[0]
        )
    return disk, disk.rows


def _recounted(schema: Schema, store: Rows, rows: int) -> Schema:
    """The schema with types and missing values as they are in the rows that stayed."""
    types = store.slice(0, 0).schema
    missing = dict.fromkeys(schema.names, 0)
    for start in range(0, rows, 1 << 20):
        counts = store.slice(start, min(1 << 20, rows - start)).null_count().row(0, named=True)
        missing = {name: missing[name] + counts[name] for name in missing}
    return Schema(tuple(replace(c, missing=missing[c.name], dtype=named(types[c.name])) for c in schema.columns))


def _checked(dataset: Dataset, settings: DataPart) -> Dataset:
    file = dataset.files[0] if dataset.files else None
    _refuse_few(dataset.rows, file)
    check_roles(dataset)
    _check_pictures(dataset)
    if not dataset.schema.targets:
        return dataset
    spec = detect(dataset, settings)
    schema = dataset.schema
    if spec.kind != "tagging" and (tokens := [column.name for column in schema.features if column.kind == "tokens"]):
        raise DataError(
            f"column {tokens[0]!r} holds lists of texts, which are read for tagging, where the target has a list of as many tags; write a column "
            f"per entry, or one text, or leave it out with data.drop={tokens[0]}",
            file=file,
            column=tokens[0],
        )
    for one in spec.parts or (spec,):
        for name in one.names:
            schema = schema.changed(name, kind="number" if one.numeric else "category", reason=f"the target, {one.kind}")
    alike: dict[str, list[str]] = {}
    for label in spec.classes or ():
        if isinstance(label, str):
            alike.setdefault(label.casefold(), []).append(label)
    notes = [
        Note(f"the classes {listed(same)} of {spec.names[0]!r} differ in case only; are they one?")
        for same in alike.values()
        if len(same) > 1
    ]
    return replace(dataset, schema=schema, notes=dataset.notes + tuple(notes))


def _refuse_few(rows: int, file: Path | None) -> None:
    if rows < 2:
        raise DataError(f"training needs at least two rows with a target, better some hundred; there is {rows}", file=file)


def _check_pictures(dataset: Dataset) -> None:
    for column in dataset.schema.features:
        if column.kind == "image" and column.dtype == "String":
            check_paths(dataset.column(column.name), dataset.root or Path.cwd(), dataset.place)


def _offenders(joined: Joined, columns: dict[str, Column], types: pl.Schema, values: dict[str, pl.Expr]) -> dict[str, pl.Expr]:
    """The columns that hold values of another kind, each with the condition that says where."""
    # Most columns have no doubtful value at all, which is quickly seen; the words for missing are looked up for the others only.
    doubtful = [pl.col(name).is_not_null() & value.is_null() for name, value in values.items()]
    found = in_batches(joined.lazy, [doubt.any() for doubt in doubtful], joined.huge)
    conditions = {name: offends(columns[name], types[name], values[name]) for name, is_so in zip(values, found, strict=True) if is_so}
    wrong = in_batches(joined.lazy, [condition.any() for condition in conditions.values()], joined.huge)
    return {name: condition for (name, condition), is_wrong in zip(conditions.items(), wrong, strict=True) if is_wrong}


def _retyped(joined: Joined, column: Column, condition: pl.Expr) -> DataError:
    name, kind = column.name, _KINDS_SAID.get(column.kind, column.kind)
    kind = "path of a picture" if kind == "picture" and column.dtype == "String" else kind
    found = first_row(joined.lazy, condition, name)
    if found is None:
        return DataError(
            f"the column {name!r} was a {kind} in training and has no value of that kind here", file=joined.place(0)[0], column=name
        )
    file, row = joined.place(found[0])
    held = "an array" if isinstance(found[1], pl.Series) else repr(str(found[1])[:60])
    return DataError(
        f"the column {name!r} was a {kind} in training; row {row} holds {held}: write it as in the training data",
        file=file,
        row=row,
        column=name,
        value=found[1],
    )


def _pictures(folder: Path, schema: Schema, labelled: bool) -> tuple[Table, Path]:
    if [column.name for column in schema.features] != [IMAGE] or [column.name for column in schema.targets] not in ([LABEL], []):
        raise DataError(
            f"{folder} is a folder, and training read a table with {listed([c.name for c in schema.features], 5)}; give a table",
            file=folder,
        )
    frame, root = read_pictures(folder, labelled=labelled and bool(schema.targets))
    return Table(folder, frame.lazy(), tuple(frame.columns), frame.height, False, False), root


def _fingerprint(tables: Sequence[Table], huge: int) -> str:
    """SHA-256 over the files as they lie on the disk (of huge ones 64 blocks of 1 MiB), or over the values of frames."""
    prints = []
    for table in tables:
        if table.file is None or table.file.is_dir():
            prints.append(fingerprint_of(table.lazy.collect()))
        elif table.file.stat().st_size <= huge:
            prints.append(sha256_of(table.file))
        else:
            prints.append(_sampled(table.file))
    return prints[0] if len(prints) == 1 else hashlib.sha256("\n".join(prints).encode()).hexdigest()


def _sampled(file: Path) -> str:
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(file, "rb") as handle:
        for position in np.linspace(0, max(0, size - (1 << 20)), _SAMPLES).astype(np.int64):
            handle.seek(int(position))
            digest.update(handle.read(1 << 20))
    return digest.hexdigest()


def _is_folder(source: Any) -> bool:
    try:
        return isinstance(source, str | Path) and Path(source).is_dir()
    except (OSError, ValueError):
        return False


def _path(source: Any) -> Path | None:
    if source is None:
        return None
    if not isinstance(source, str | Path):
        raise DataError(
            f"training reads a folder of pictures, so every part must be a folder; a {type(source).__name__} was given", value=source
        )
    return Path(source)


def _root(table: Table) -> Path:
    """What picture paths are relative to: the folder of the file, else the current one."""
    return table.file.parent if table.file else Path.cwd()
