"""Every run folder that the pages are tested on, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import example_runs
import hostile_runs

MAKERS: dict[str, Callable[[Path], Path]] = {
    "binary": example_runs.binary,
    "classes": example_runs.classes,
    "numbers": example_runs.numbers,
    "images": example_runs.images,
    "several": example_runs.several,
    "everything": hostile_runs.everything,
    "bare": hostile_runs.without_baselines_and_test,
    "multilabel": hostile_runs.multilabel,
    "many": hostile_runs.many_targets,
    "interrupted": hostile_runs.interrupted,
    "empty": hostile_runs.empty,
    "damaged": hostile_runs.damaged,
}
