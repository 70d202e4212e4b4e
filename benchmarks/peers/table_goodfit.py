"""goodfit's presets, through its API, on the columns as they are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sets import Table
from table_trees import Answer

TARGET = "the target"


def goodfit(preset: str, table: Table, seed: int, threads: int, limit: float) -> Answer:
    """Trains on the training rows, of which goodfit takes its own validation rows; the test rows are handed over as its test set."""
    import goodfit as gf

    train, test = (part.assign(**{TARGET: y}) for part, y in ((table.train, table.y_train), (table.test, table.y_test)))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        run = gf.train(train, TARGET, test=test, preset=preset, time_limit=limit, seed=seed, out=place, train__threads=threads)
        predicted = run.predict(table.test)
        names = list(predicted.columns)
        if table.spec.kind == "regression":
            return np.asarray(predicted["prediction"], dtype=np.float64), None, {}
        classes = [name.removeprefix("probability_") for name in names if name.startswith("probability_")]
        return np.column_stack([np.asarray(predicted[f"probability_{name}"]) for name in classes]), np.array(classes, dtype=object), {}
