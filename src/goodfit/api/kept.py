"""What a run keeps of its validation rows: what networks that did not learn from them said of each, and what is true of them.

One file, validation.safetensors, v rows in the order of the folds:

    rows [v], fold [v], truth [v, ...] as `TargetSpec.encode` has it, learned [folds] rows that the networks of a fold learned from,
    weight [v] and group [v] where the data have a column of them, and `said/<name>` [v, ...], decoded, as the whole bundle would say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from goodfit.api.scoring import row_weights
from goodfit.base.errors import BundleError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.bundle.bundle import Bundle
from goodfit.data.dataset import Dataset
from goodfit.data.splits import group_ids
from goodfit.data.target import TargetSpec
from goodfit.evaluation.comparison import COMPARED
from goodfit.evaluation.cross_validation import Judged

NAME = "validation.safetensors"
MOST = 20_000_000  # numbers that are kept: 80 MB; more would take longer to write than they are worth


@dataclass(frozen=True)
class Kept:
    """The file as arrays; see above. prediction: {"probability": [v, C]}, {"mean": [v]}, or `<target>/...` of several targets."""

    rows: np.ndarray
    fold: np.ndarray
    truth: np.ndarray
    learned: np.ndarray
    prediction: dict[str, np.ndarray]
    weight: np.ndarray | None = None
    group: np.ndarray | None = None

    @property
    def folds(self) -> list[Judged]:
        """What was said and what is true, fold by fold."""
        found = []
        for number, learned in enumerate(self.learned):
            own = self.fold == number
            said = {name: values[own] for name, values in self.prediction.items()}
            found.append(Judged(said, self.truth[own], int(learned), None if self.weight is None else self.weight[own]))
        return found


def comparable(target: TargetSpec) -> bool:
    """Whether what was said of a target is kept: classes, labels and numbers, whose means over networks say something."""
    return all(part.kind in COMPARED for part in target.parts or (target,))


def keep(folder: Path, bundle: Bundle, data: Dataset, folds: list[tuple[np.ndarray, int, dict[str, np.ndarray]]]) -> None:
    """Write the file of a `comparable` target, where it is not too large.

    folds: rows, how many rows were learned from, and the mean prediction of the networks of each fold.
    """
    target = bundle.target
    assert comparable(target)
    rows = np.concatenate([own for own, _, _ in folds])
    said = bundle.cool({name: np.concatenate([part[name] for _, _, part in folds]) for name in folds[0][2]})
    if sum(values.size for values in said.values()) > MOST:
        return
    arrays = {
        "rows": rows,
        "fold": np.concatenate([np.full(len(own), number) for number, (own, _, _) in enumerate(folds)]),
        "truth": target.encode(data.take(rows, target.names)),
        "learned": np.array([learned for _, learned, _ in folds]),
    } | {f"said/{name}": values for name, values in said.items()}
    if (weight := row_weights(data, rows)) is not None:
        arrays["weight"] = weight
    if (group := row_groups(data, rows)) is not None:
        arrays["group"] = group
    write_tensors(folder / NAME, {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


def kept(folder: Path) -> Kept:
    """Read the file of a run. Raises BundleError where there is none, or it is damaged."""
    path = folder / NAME
    if not path.is_file():
        raise BundleError(
            f"{folder} kept no predictions of its validation rows; compare on the test rows, or on labelled rows of a file", file=path
        )
    tensors = {name: tensor.numpy() for name, tensor in read_tensors(path).items()}
    said = {name.removeprefix("said/"): tensors.pop(name) for name in list(tensors) if name.startswith("said/")}
    try:
        found = Kept(prediction=said, **tensors)
    except TypeError as error:
        raise BundleError(
            f"{NAME} does not hold what a run keeps of its validation rows ({error}); train the run anew", file=path
        ) from error
    columns = [found.fold, found.truth, *said.values(), *(part for part in (found.weight, found.group) if part is not None)]
    if not said or any(len(column) != len(found.rows) for column in columns):
        raise BundleError(f"{NAME} holds columns of different lengths; the run folder is damaged", file=path)
    return found


def row_groups(data: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """[n] int64 ids of the groups of the rows, None where there is no column of groups."""
    columns = data.schema.with_role("group")
    return group_ids(data.column(columns[0].name))[rows] if columns else None
