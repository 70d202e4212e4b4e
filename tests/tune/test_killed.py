"""Real workers on one study, killed with -9: at most the trials under way are lost, each is run again, none counts twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
import pytest

TRIALS = 12


def trials_in(database: Path) -> list[Any]:
    if not database.exists():
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.load_study(study_name="study", storage=f"sqlite:///{database}").get_trials(deepcopy=False)
    except (KeyError, optuna.exceptions.StorageInternalError):  # it is being made
        return []


def enough(trials: list[Any]) -> bool:
    """Whether both workers are at work, and some trials are done."""
    return (
        sum(trial.state.is_finished() for trial in trials) >= 3 and len({trial.user_attrs.get("worker") for trial in trials} - {None}) == 2
    )


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_two_killed_workers_lose_what_they_were_at_and_no_more(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 400))
    pl.DataFrame({"a": a, "b": b, "y": 2 * a - b}).write_csv(tmp_path / "data.csv")
    sets = ("model.name=mlp", "train.epochs=150", "train.patience=150", "train.workers=1", "train.threads=1", "space.optim.lr=[1e-4,1e-2]")
    command = [
        sys.executable,
        "-m",
        "goodfit",
        "tune",
        str(tmp_path / "data.csv"),
        "--target",
        "y",
        "--trials",
        str(TRIALS),
        "--strategy",
        "random",
    ]
    command += ["--out", str(tmp_path / "study"), "--json", *(part for text in sets for part in ("--set", text))]
    database = tmp_path / "study" / "study.db"
    workers = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)
    ]  # both make it at the same moment
    try:
        while not (tmp_path / "study" / "call.json").exists() or not enough(trials_in(database)):
            assert [worker.poll() for worker in workers] == [None, None], [worker.stderr.read() for worker in workers if worker.stderr]
            time.sleep(0.1)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
            worker.communicate()
    before = trials_in(database)
    running = [trial for trial in before if trial.state.name == "RUNNING"]
    finished = {trial.number: trial.value for trial in before if trial.state.name == "COMPLETE"}
    assert len(running) <= 2
    assert 3 <= len(finished) < TRIALS
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    after = trials_in(database)
    complete = {trial.number: trial.value for trial in after if trial.state.name == "COMPLETE"}
    assert len(complete) == TRIALS
    assert finished.items() <= complete.items()
    assert {trial.number for trial in after if trial.state.name == "FAIL"} == {trial.number for trial in running}
    again = [trial for trial in after if "again" in trial.user_attrs]
    assert {trial.user_attrs["again"] for trial in again} == {trial.number for trial in running}
    assert len({trial.params["optim.lr"] for trial in after if trial.state.name == "COMPLETE"}) == TRIALS
