"""The part that each column plays: target, weight, given split, group, time, or feature; and what their values must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, did_you_mean
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import NO_PART, TRAIN, Column, Dataset, Note, Role, listed
from goodfit.data.folder import PARTS
from goodfit.data.target import UNLABELLED

_USUAL = ("target", "label", "labels", "class", "y")  # names that say "target" in most published tables

Place = Callable[[int], tuple[str | None, int]]


def roles_of(names: Sequence[str], settings: DataPart, file: Path | None) -> tuple[dict[str, Role], list[Note]]:
    """The role of every column that is not dropped. Raises DataError for names that the table does not have."""
    for field in ("target", "drop", "weight", "split", "group", "time", "kinds"):
        value = getattr(settings, field)
        for name in (value,) if isinstance(value, str) else value or ():
            if name not in names:
                raise _absent(name, field, names, file)
    roles: dict[str, Role] = {name: "feature" for name in names if name not in settings.drop}
    notes: list[Note] = []
    target = settings.target
    if not target and len(usual := [name for name in roles if name.lower() in _USUAL]) == 1:
        target = (usual[0],)
        if settings.task not in UNLABELLED:
            notes.append(Note(f"no target was given; {usual[0]!r} was taken, by its name", str(file) if file else None, column=usual[0]))
    if len(set(target)) < len(target):
        raise DataError(f"each target is named once; data.target={','.join(target)} names one twice", column=target[0])
    wanted: list[tuple[str, Role]] = [(name, "label" if settings.task in UNLABELLED else "target") for name in target]
    for role in ("weight", "split", "group", "time"):
        if name := getattr(settings, role):
            wanted.append((name, role))
    taken: dict[str, Role] = {}
    for name, role in wanted:
        if name in settings.drop:
            raise DataError(f"the column {name!r} is named by data.{role} and by data.drop; take it out of one", column=name)
        if name in taken and {role, taken[name]} != {"group", "time"}:
            raise DataError(f"the column {name!r} is named by data.{taken[name]} and by data.{role}; a column has one part", column=name)
        taken[name] = roles[name] = role
    return roles, notes


def _absent(name: str, field: str, names: Sequence[str], file: Path | None) -> DataError:
    where = f"{file.name} has" if file else "the table has"
    hint = did_you_mean(name, names)
    if not hint:
        same = [known for known in names if known.lower() == name.lower()]
        hint = f"; did you mean {same[0]!r}?" if same else ""
    if len(names) == 1 and name in names[0]:
        hint = ""
    if not hint and len(names) == 1:
        hint = f"; its only column is {names[0][:80]!r}: is the separator one of comma, semicolon, tab or bar?"
    what = {"kinds": f"data.kinds.{name} names", "target": "the target is", "drop": "data.drop names"}.get(field, f"data.{field} names")
    return DataError(f"{what} {name!r}, and {where} no such column{hint or '; the columns are ' + listed(names)}", file=file, column=name)


def given_parts(values: pl.Series, place: Place, *, graph: bool = False) -> np.ndarray:
    """[n] int8 from a column of train, valid, test (without regard to case). graph: rows are nodes, which may be of no part."""
    words = values.cast(pl.String).str.strip_chars().str.to_lowercase()
    codes = words.replace_strict(list(PARTS), list(PARTS.values()), default=None, return_dtype=pl.Int8)
    if graph:
        codes = codes.fill_null(NO_PART)
    if codes.null_count():
        first = int(codes.is_null().arg_max())  # type: ignore[arg-type]
        file, row = place(first)
        what = "is empty" if values[first] is None else f"holds {values[first]!r}"
        raise DataError(
            f"the split column {values.name!r} says train, valid or test in every row; row {row} {what}",
            file=file, row=row, column=values.name, value=values[first],
        )  # fmt: skip
    return codes.to_numpy().astype(np.int8)


def check_roles(dataset: Dataset) -> None:
    """Raises DataError when weights, times or groups cannot serve, or when there is nothing to learn from or for."""
    for column in dataset.schema.columns:
        if column.role == "weight":
            _check_weight(dataset, column)
        elif column.role == "time" and column.kind not in ("datetime", "number", "boolean"):
            raise DataError(
                f"data.time needs dates or numbers; {column.name!r} holds {column.reason}; write dates as 2024-01-31", column=column.name
            )
        if column.role in ("time", "group") and column.missing:
            values = dataset.column(column.name)
            if values.null_count():
                file, row = dataset.place(int(values.is_null().arg_max()))  # type: ignore[arg-type]
                raise DataError(
                    f"data.{column.role} needs a value in every row; {column.name!r} is missing in row {row}",
                    file=file,
                    row=row,
                    column=column.name,
                )
    if dataset.part is not None and not (dataset.part == TRAIN).any():
        name = next((column.name for column in dataset.schema.with_role("split")), None)
        raise DataError("the given split leaves no row for training; mark some rows 'train'", column=name)


def _check_weight(dataset: Dataset, column: Column) -> None:
    values = dataset.column(column.name).cast(pl.Float64)
    wrong = (values.is_null() | ~values.is_finite() | (values < 0)).fill_null(True)
    if wrong.any():
        first = int(wrong.arg_max())  # type: ignore[arg-type]
        file, row = dataset.place(first)
        what = "is missing or no finite number" if values[first] is None else f"is {values[first]:g}"
        raise DataError(
            f"weights are numbers from 0 upwards; {column.name!r} {what} in row {row}",
            file=file,
            row=row,
            column=column.name,
            value=values[first],
        )
    if not (values > 0).any():
        raise DataError(f"some weight must be above 0; {column.name!r} is 0 in every row", column=column.name)
