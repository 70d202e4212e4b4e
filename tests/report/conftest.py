"""Each run folder is made once a session, when the first test asks for it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

import example_runs
import hostile_runs

from goodfit.report import build

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


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of a name in MAKERS; tests read it and write nothing but its report."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # small networks of scikit-learn that do not converge serve as well
                made[name] = MAKERS[name](tmp_path_factory.mktemp("runs") / name)
        return made[name]

    return make


@pytest.fixture(scope="session")
def report(run_folder: Callable[[str], Path]) -> Callable[[str], Path]:
    """The report of a run folder, built once a session."""
    built: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in built:
            built[name] = build(run_folder(name))
        return built[name]

    return make
