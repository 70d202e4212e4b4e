"""Run folders that try to break the page: names of 300 characters, markup in every value, 1,500 columns, 200 classes, missing records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from example_runs import RECIPE, network, picture, write

MARKUP = "<script>alert('x')</script><img src=http://example.com/x.png onerror=alert(1)>&amp;\"'</td></table></svg>]]>"
LONG = "a_very_long_name_without_any_break_" * 9  # over 300 characters
ODD = "nul \x00 bell \x07 lone \ud800 right to left \u202e emoji 👩‍🔬 newline \n tab \t end"


def history(epochs: int, members: int = 1) -> list[dict[str, Any]]:
    lines = []
    for member in range(members):
        for epoch in range(1, epochs + 1):
            lines.append({
                "epoch": epoch, "step": 10 * epoch, "train_loss": 1 / epoch, "valid": {"log_loss": 1 / epoch + 0.1, "accuracy": 1 - 0.5 / epoch}, "score": 1 / epoch + 0.1,
                "improved": epoch <= 0.8 * epochs, "lr": 1e-3, "seconds": float(epoch), "rows_per_second": 1e4, "member": member,
            })  # fmt: skip
    return lines


def everything(folder: Path, *, columns: int = 1_500, classes: int = 200) -> Path:
    """Markup in every text, and everything in the largest number."""
    stream = np.random.default_rng(0)
    names = [MARKUP, LONG, ODD, "", " "] + [f"{LONG}{i}" for i in range(40)] + [f"column {i}" for i in range(columns - 45)]
    labels = [MARKUP, LONG, LONG + "x", ODD, ""] + [f"class {i}" for i in range(classes - 5)]
    counts = stream.integers(0, 3, (classes, classes)) * (stream.random((classes, classes)) < 0.2) + 40 * np.eye(classes, dtype=int)
    target = {
        "name": MARKUP + LONG, "kind": "multiclass", "classes": labels,
        "scores": {"part": "test", "rows": 10_000, "metrics": {"accuracy": {"value": 0.81, "low": 0.8, "high": 0.82}, MARKUP: {"value": 0.5, "low": None, "high": None}, "log_loss": {"value": 0.5, "low": 0.5, "high": 0.5}}},
        "baselines": [{"name": MARKUP, "metrics": {"accuracy": 0.5, MARKUP: None}, "seconds": 1.0}, {"name": LONG, "metrics": {"accuracy": 0.7}, "seconds": None}],
        "confusion": {"classes": labels, "counts": counts.tolist()}, "residuals": None,
        "calibration": {"bins": [{"low": 0.0, "high": 1.0, "predicted": 0.5, "observed": 0.6, "count": 10_000}], "error": 0.1}, "coverage": None,
        "importance": [{"column": name, "drop": 0.5 / (i + 1), "low": 0.4 / (i + 1), "high": 0.6 / (i + 1)} for i, name in enumerate(names)],
        "importance_metric": MARKUP,
        "mistakes": [
            {"row": i + 1, "actual": MARKUP, "predicted": LONG, "probability": 0.99, "loss": 4.6, "values": {MARKUP: MARKUP, LONG: "words " * 500, ODD: ODD, "number": 1.5, "none": None, "list": [1, MARKUP], "flag": True},
             "image": [None, picture(np.eye(8)), "http://example.com/x.png", "javascript:alert(1)", 'data:image/png;base64,AAAA" onerror="alert(1)'][i % 5] if i else None}
            for i in range(30)
        ],
    }  # fmt: skip
    data = {
        "files": [MARKUP, LONG, *(f"part-{i}.parquet" for i in range(300))], "rows": 123_456_789, "fingerprint": MARKUP,
        "columns": [{"name": name, "kind": "number", "role": "feature", "missing": i, "distinct": 10 * i, "reason": MARKUP if i < 3 else "all values are numbers"} for i, name in enumerate(names)],
        "notes": [MARKUP, LONG, ODD] * 20, "split": {"train": 100_000_000, "valid": 1, "test": 23_456_788, "how": MARKUP},
    }  # fmt: skip
    finding = {"code": MARKUP, "severity": "error", "message": MARKUP + LONG, "evidence": {MARKUP: LONG, "nested": {"deep": [1, 2, MARKUP]}}, "columns": names[:20], "rows": list(range(20)), "remedy": MARKUP, "confidence": 0.5, "probe": {"outcome": MARKUP}, "gain": 0.01}  # fmt: skip
    return write(
        folder,
        recipe=RECIPE.format(target=MARKUP) + f"# {LONG}\n",
        environment={"goodfit": "0.1.0", MARKUP: MARKUP, LONG: LONG, "none": None},
        history=history(2_000, 8),
        findings=[finding] * 40 + [finding | {"severity": MARKUP}],
        ledger=[{"time": MARKUP, "purpose": MARKUP, "rows": 10, "count": i + 1} for i in range(3)],
        run={"status": "finished", "task": MARKUP, "model": LONG, "metric": "log_loss", "score": 0.4, "maximise": False, "seconds": 1e5, "command": MARKUP + LONG, "members": 8, "best_epoch": 3},
        network=network(600) | {"batch_size": 256},
        analysis={"targets": [target], "data": data},
    )  # fmt: skip


def without_baselines_and_test(folder: Path) -> Path:
    """Scores on validation rows, nothing to compare them with."""
    target = {
        "name": "y", "kind": "regression", "classes": None, "scores": {"part": "valid", "rows": 3, "metrics": {"r2": {"value": 0.5, "low": None, "high": None}}}, "baselines": [],
        "confusion": None, "residuals": {"actual": [1.0, 1.0, 1.0], "predicted": [1.0, 1.0, 1.0]}, "calibration": None, "coverage": None, "importance": [], "importance_metric": "r2", "mistakes": [],
    }  # fmt: skip
    data = {
        "files": [],
        "rows": 10,
        "fingerprint": "",
        "columns": [],
        "notes": [],
        "split": {"train": 7, "valid": 3, "test": 0, "how": "at random"},
    }
    return write(
        folder,
        run={"status": "finished", "score": "r2", "maximise": True, "seconds": 0.5},
        history=history(1),
        findings=[],
        ledger=[],
        analysis={"targets": [target], "data": data},
    )


def multilabel(folder: Path) -> Path:
    labels = [{"label": f"label {i}", "f1_score": 0.9 - 0.01 * i, "support": 100 - i} for i in range(60)]
    metrics = {
        "f1_macro": {"value": 0.62, "low": 0.6, "high": 0.64},
        "hamming_loss": {"value": 0.05, "low": 0.045, "high": 0.056},
        "accuracy": {"value": 0.31, "low": 0.29, "high": 0.33},
    }
    target = {
        "name": "tags", "kind": "multilabel", "classes": [item["label"] for item in labels], "scores": {"part": "test", "rows": 1_500, "metrics": metrics},
        "baselines": [{"name": "linear", "metrics": {"f1_macro": 0.55, "hamming_loss": 0.06, "accuracy": 0.25}, "seconds": 2.0}],
        "confusion": None, "residuals": None, "calibration": None, "coverage": None, "importance": [], "importance_metric": "f1_macro",
        "mistakes": [{"row": 7, "actual": ["label 1", "label 2"], "predicted": [], "probability": None, "loss": 2.2, "values": {"text": "A long review. " * 60}, "image": None}],
        "labels": labels,
    }  # fmt: skip
    data = {
        "files": ["tags.csv"],
        "rows": 10_000,
        "fingerprint": "ab" * 32,
        "columns": [{"name": "text", "kind": "text", "role": "feature", "missing": 0, "distinct": 9_999, "reason": "many words"}],
        "notes": [],
        "split": {"train": 7_000, "valid": 1_500, "test": 1_500, "how": "at random"},
    }
    return write(folder, run={"status": "finished", "task": "multilabel", "model": "gru", "metric": "f1_macro", "score": 0.6, "maximise": True, "seconds": 90.0}, history=history(8), findings=[], ledger=[{"time": "2026-11-22T20:24:07+00:00", "purpose": "goodfit train", "rows": 1_500, "count": 1}], analysis={"targets": [target], "data": data})  # fmt: skip


def many_targets(folder: Path, targets: int = 12) -> Path:
    analysed = []
    for i in range(targets):
        value = 0.5 + 0.03 * i
        analysed.append({
            "name": f"target {i}", "kind": "regression", "classes": None, "scores": {"part": "test", "rows": 400, "metrics": {"r2": {"value": value, "low": value - 0.05, "high": value + 0.05}}},
            "baselines": [{"name": "linear", "metrics": {"r2": 0.66}, "seconds": 0.1}], "confusion": None, "residuals": {"actual": [1.0, 2.0, 3.0], "predicted": [1.1, 2.2, 2.7]}, "calibration": None,
            "coverage": {"claimed": 0.9, "observed": 0.91, "half_width": 0.4}, "importance": [{"column": "x", "drop": 0.3, "low": 0.2, "high": 0.4}], "importance_metric": "r2", "mistakes": [],
        })  # fmt: skip
    data = {
        "files": ["t.csv"],
        "rows": 4_000,
        "fingerprint": "cd" * 32,
        "columns": [],
        "notes": [],
        "split": {"train": 3_200, "valid": 400, "test": 400, "how": "by time, the latest rows are the test set"},
    }
    return write(folder, run={"status": "finished", "task": "several", "model": "mlp", "metric": "loss", "score": 0.4, "maximise": False, "seconds": 12.0}, history=history(8), findings=[], ledger=[], analysis={"targets": analysed, "data": data})  # fmt: skip


def interrupted(folder: Path) -> Path:
    """Killed in the eighth epoch, in the middle of a line."""
    write(folder, recipe=RECIPE.format(target="y"), schema={"columns": [{"name": "x", "kind": "number", "role": "feature", "dtype": "float64", "missing": 0, "distinct": 9, "reason": "numbers"}]})  # fmt: skip
    write(
        folder,
        run={"status": "training", "metric": "log_loss", "maximise": False, "command": "goodfit train x.csv --target y"},
        history=history(7),
        data={"fingerprint": "ab" * 32},
    )
    with open(folder / "history.jsonl", "a") as handle:
        handle.write('{"epoch": 8, "step": 80, "train_l')
    return folder


def empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def damaged(folder: Path) -> Path:
    """Every record is there and none can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("run", "schema", "data", "environment", "findings", "network", "analysis"):
        (folder / f"{name}.json").write_text('{"half": ')
    (folder / "history.jsonl").write_bytes(b"\xff\xfe not json\n[1]\n")
    (folder / "recipe.yaml").write_bytes(b"\xff\x00 latin")
    (folder / "test-ledger.jsonl").write_text("torn")
    return folder
