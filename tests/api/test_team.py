"""Networks side by side in processes of their own: the same bits as one after the other, and no quiet deaths."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.api.test_spine import table

import goodfit as gf
from goodfit.api.fitting import Fold
from goodfit.api.plan import ROWS_OF_A_WORKER, worker_count
from goodfit.api.worker import load_fold, save_fold
from goodfit.base.errors import SettingError, TrainingError
from goodfit.base.files import read_tensors
from goodfit.base.recipe import Recipe
from goodfit.data.encoded import Encoded, Ragged
from goodfit.data.encoder import Encoder
from goodfit.data.read import read
from goodfit.data.target import detect

SETS = (
    "model.name=tabm", "model.width=16", "model.members=4", "train.epochs=6", "train.members=2", "train.threads=2",
    "partner={model: {name: mlp, width: 32}, train: {epochs: 8}}",
)  # fmt: skip


def _weights(run: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((run / "model").rglob("*.safetensors")):
        digest.update(path.relative_to(run).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _networks(run: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((run / "model").rglob("network.safetensors"))]


def _history(run: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if "second" not in name} for line in run.history]


def test_side_by_side_equals_one_after_the_other(tmp_path: Path) -> None:
    data = table().drop("label")
    before = torch.get_num_threads()
    alone = gf.train(data, "price", sets=(*SETS, "train.workers=1", "train.threads=1"), out=tmp_path / "alone")
    together = gf.train(data, "price", sets=(*SETS, "train.workers=2"), out=tmp_path / "together")
    assert torch.get_num_threads() == before
    assert together.recipe.train.workers == 2
    mapped = gf.train(data, "price", sets=(*SETS, "train.workers=2", "data.memory=1e-9"), out=tmp_path / "mapped")
    assert _weights(alone.folder) == _weights(together.folder)
    assert _networks(alone.folder) == _networks(mapped.folder)
    assert _history(alone) == _history(together)
    assert alone.recipe.optim.lr == together.recipe.optim.lr
    assert alone.recipe.second.optim.lr == together.recipe.second.optim.lr
    assert not (together.folder / "cache").exists()


def test_what_goes_wrong_in_a_worker_is_said_as_if_it_were_here(tmp_path: Path) -> None:
    sets = ("model.name=mlp", "optim.name=sgd", "optim.lr=100", "optim.clip=null", "train.epochs=30", "train.members=2")
    with pytest.raises(TrainingError, match="not finite") as alone:
        gf.train(table().drop("label"), "price", sets=(*sets, "train.workers=1"), out=tmp_path / "alone")
    with pytest.raises(TrainingError, match="not finite") as together:
        gf.train(table().drop("label"), "price", sets=(*sets, "train.workers=2", "train.threads=2"), out=tmp_path / "together")
    assert type(alone.value) is type(together.value)


def _workers(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z" and b"goodfit.api.worker" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except (OSError, IndexError):
            continue
    return found


@pytest.fixture
def training(tmp_path: Path) -> Any:
    """A training with two workers that would go on for long, when both of them have begun."""
    table().drop("label").write_csv(tmp_path / "data.csv")
    sets = ("model.name=mlp", "train.epochs=100000", "train.members=2", "train.workers=2", "train.threads=2", "train.checkpoint_every=0")
    command = [sys.executable, "-m", "goodfit", "train", str(tmp_path / "data.csv"), "--target", "price", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [*command, "--json", *(part for setting in sets for part in ("--set", setting))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 120
    while len(list((tmp_path / "run").glob("checkpoints/*/last/*.json"))) < 2 and time.monotonic() < end and process.poll() is None:
        time.sleep(0.1)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_a_worker_that_is_killed_ends_the_run_with_the_reason(training: Any) -> None:
    os.kill(_workers(training.pid)[0], signal.SIGKILL)
    out, error = training.communicate(timeout=60)
    assert training.returncode == 1, out + error
    assert "signal 9" in out + error
    assert "--resume" in out + error


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_workers_end_with_the_process_that_asked(training: Any) -> None:
    workers = _workers(training.pid)
    assert len(workers) == 2
    training.send_signal(signal.SIGKILL)
    training.wait()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_fold_comes_back_as_it_was(tmp_path: Path, mapped: bool) -> None:
    frame = table(60).with_columns(
        pl.Series("note", [f"word{i % 7} and word{i % 5}" for i in range(60)]), pl.Series("w", np.arange(1.0, 61.0))
    )
    recipe = Recipe.build(None, ["data.weight=w"], data__target="label")
    data = read(frame, settings=recipe.data)
    target = detect(data, recipe.data)
    encoder = Encoder.fit(data, data.schema, target, np.arange(40), recipe.data, 0)
    if mapped:
        encoder = Encoder.fit(data, data.schema, target, np.arange(40), recipe.with_(data__memory=1e-9).data, 0)
    fold = Fold(encoder, encoder.encode(data, folder=tmp_path / "cache"), np.arange(40), np.arange(40, 60), np.arange(60) / 60)
    save_fold(fold, tmp_path)
    other = load_fold(tmp_path)
    assert (tmp_path / "cache/numbers.f32").exists() == mapped
    written = set(read_tensors(tmp_path / "fold.safetensors"))
    assert ("input/numbers" in written, "input/text" in written, "offsets/text" in written) == (not mapped, not mapped, True)
    assert other.encoder.inputs == encoder.inputs
    assert other.encoded.inputs.keys() == fold.encoded.inputs.keys()
    assert other.encoded.rows == fold.encoded.rows == 60
    for name, own in fold.encoded.inputs.items():
        again = other.encoded.inputs[name]
        for a, b in ((own.values, again.values), (own.offsets, again.offsets)) if isinstance(own, Ragged) else ((own, again),):
            assert torch.equal(a, b)
    assert torch.equal(fold.encoded.target, other.encoded.target)
    assert torch.equal(fold.encoded.weight, other.encoded.weight)
    assert all(
        np.array_equal(a, b)
        for a, b in zip((fold.train_rows, fold.valid_rows, fold.weight), (other.train_rows, other.valid_rows, other.weight), strict=True)
    )


def test_how_many_work_side_by_side() -> None:
    encoded = Encoded({"numbers": torch.zeros(10, 2)}, None, None, 10)
    cpu, many = torch.device("cpu"), ROWS_OF_A_WORKER
    request = Recipe.build(None, ["train.threads=4", "train.members=3", "train.time_limit=60"])
    assert worker_count(request, encoded, many, cpu) == 3
    assert worker_count(request.with_(train__threads=2), encoded, many, cpu) == 2
    assert worker_count(request.with_(train__members=1), encoded, many, cpu) == 1
    assert worker_count(request, encoded, many - 1, cpu) == 1
    assert worker_count(request.with_(train__time_limit=10), encoded, many, cpu) == 1
    assert worker_count(request.with_(train__workers=2), encoded, many - 1, cpu) == 2
    assert worker_count(request, encoded, many, torch.device("cuda")) == 1
    with pytest.raises(SettingError, match=r"train\.workers=2 is for networks on the CPU"):
        worker_count(request.with_(train__workers=2), encoded, many, torch.device("cuda"))
    large = Encoded({"numbers": torch.zeros(1, 1).expand(1 << 40, 1)}, None, None, 1 << 40)
    assert worker_count(request, large, many, cpu) == 1
    large.folder = Path()
    assert worker_count(request, large, many, cpu) == 1
    assert json.loads(request.model_dump_json())["train"]["workers"] is None
