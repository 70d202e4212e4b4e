"""A training whose rows say which part they are in: every combination of parts works, or is refused in a sentence."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.api import train
from goodfit.base.errors import DataError, SettingError

ROWS = 90
QUICK: dict[str, Any] = {"model__name": "linear", "train__epochs": 1, "optim__lr": 0.01, "train__precision": "float32", "train__threads": 1}
PARTS = [parts for count in (1, 2, 3) for parts in combinations(("train", "valid", "test"), count)]


def table(rows: int, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=rows)
    return {"x": x, "y": np.where(x + generator.normal(size=rows) > 0, "p", "q")}


def sizes(folder: Path) -> dict[str, int]:
    about = json.loads((folder / "data.json").read_text())["split"]
    return {name: about[name] for name in ("train", "valid", "test")}


@pytest.mark.parametrize("parts", PARTS, ids="-".join)
def test_a_column_of_parts(parts: tuple[str, ...], tmp_path: Path) -> None:
    source = table(ROWS) | {"part": [parts[row % len(parts)] for row in range(ROWS)]}
    call: dict[str, Any] = {"data__split": "part", "out": tmp_path / "run"} | QUICK
    if "train" not in parts:
        with pytest.raises(DataError, match="the given split leaves no row for training; mark some rows 'train'"):
            train(source, "y", **call)
        assert not (tmp_path / "run").exists()
        return
    run = train(source, "y", **call)
    each = ROWS // len(parts)
    valid = each if "valid" in parts else round(0.15 * each)
    test = each if "test" in parts else 0
    assert sizes(tmp_path / "run") == {"train": ROWS - valid - test, "valid": valid, "test": test}
    assert 0 <= run.to_json()["metrics"]["accuracy"]["value"] <= 1
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("given", [("valid",), ("test",), ("valid", "test")], ids="-".join)
def test_parts_in_tables_of_their_own(given: tuple[str, ...], tmp_path: Path) -> None:
    train(table(ROWS), "y", out=tmp_path / "run", **{part: table(20, seed=1) for part in given}, **QUICK)
    valid = 20 if "valid" in given else round(0.15 * ROWS)
    left = ROWS if "valid" in given else ROWS - valid
    assert sizes(tmp_path / "run") == {"train": left, "valid": valid, "test": 20 if "test" in given else 0}


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_share_of_a_part_that_is_given_is_refused(part: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"data.{part}_fraction has no effect, since the {part} rows are given"):
        train(table(ROWS), "y", out=tmp_path / "run", **{part: table(20), f"data__{part}_fraction": 0.3}, **QUICK)
    assert not (tmp_path / "run").exists()


def test_every_network_is_judged_by_the_validation_rows_that_were_chosen(tmp_path: Path) -> None:
    """Two networks: none learns from the user's validation rows, whose target is turned round and would be found out."""
    valid = table(40, seed=1)
    valid["y"] = np.where(valid["y"] == "p", "q", "p")
    run = train(table(ROWS), "y", valid=valid, train__members=2, out=tmp_path / "run", **QUICK | {"train__epochs": 30})
    assert len(run.bundle.members) == 2
    for member in run.bundle.members:
        found = member.predict(run.bundle.read(table(ROWS)))["probability"].argmax(1)
        assert (found == (table(ROWS)["y"] == "q")).mean() > 0.7
    assert all(line["valid"]["accuracy"] < 0.5 for line in run.history if line["epoch"] == 30)
