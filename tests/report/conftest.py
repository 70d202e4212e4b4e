"""Each run folder is made once a session, when the first test asks for it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from run_makers import MAKERS

from goodfit.report import build


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
