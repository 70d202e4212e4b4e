"""Run folders as a finished run leaves them, with numbers from small networks of scikit-learn on real data."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

EXAMPLE = Path(__file__).parents[2] / "examples" / "adult.csv.gz"

RECIPE = """\
data:
  target: [{target}]
  valid_fraction: 0.15
  test_fraction: 0.15
model:
  name: mlp
  width: 64
  depth: 2
  dropout: 0.1
optim:
  name: adamw
  lr: 0.002
  weight_decay: 0.0003
  schedule: constant
  clip: 1.0
train:
  patience: 16
  batch_size: 128
  precision: float32
preset: good
seed: 0
device: cpu
"""


def write(folder: Path, **documents: Any) -> Path:
    """Records under their names; a list for a `.jsonl` becomes lines, text is written as it is, None is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        file = {"recipe": "recipe.yaml", "history": "history.jsonl", "ledger": "test-ledger.jsonl"}.get(name, f"{name}.json")
        if document is None:
            continue
        if isinstance(document, str):
            text = document
        elif file.endswith(".jsonl"):
            text = "".join(json.dumps(line) + "\n" for line in document)
        else:
            text = json.dumps(document)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def records(target: str, task: str, analysis: dict[str, Any], history: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Everything beside the analysis, as keyword arguments of `write`."""
    best = max((line["epoch"] for line in history if line["improved"]), default=None)
    documents = {
        "recipe": RECIPE.format(target=target),
        "schema": {"columns": analysis["data"]["columns"]},
        "data": {"fingerprint": analysis["data"]["fingerprint"]},
        "environment": {
            "goodfit": "0.1.0", "torch": "2.13.0+cpu", "python": "3.11.7", "platform": "Linux-6.8-x86_64", "cpu": "AMD EPYC 9B14",
            "cores": 2, "threads": 2, "device": "cpu", "date": "2026-11-22T20:24:07+00:00",
        },
        "history": history,
        "findings": [],
        "ledger": [{"time": "2026-11-22T20:25:12+00:00", "purpose": "evaluation at the end of training", "rows": analysis["targets"][0]["scores"]["rows"], "count": 1}],
        "run": {
            "status": "finished", "task": task, "model": "mlp", "score": "log_loss" if task != "regression" else "root_mean_squared_error",
            "maximise": False, "seconds": 65.3, "command": f"goodfit train data.csv --target {target} --out runs/demo", "members": 1, "best_epoch": best,
        },
        "network": network(),
        "analysis": analysis,
    }  # fmt: skip
    return documents | more


def network(layers: int = 3) -> dict[str, Any]:
    rows = [
        {
            "name": "embedding",
            "kind": "PiecewiseLinear",
            "shape": [14, 16],
            "parameters": 11_520,
            "multiply_adds": 10_752,
            "activation_bytes": 229_376,
        }
    ]
    for i in range(layers):
        rows.append(
            {
                "name": f"blocks.{i}.linear",
                "kind": "Linear",
                "shape": [64],
                "parameters": 4_160 * (i + 1),
                "multiply_adds": 4_096,
                "activation_bytes": 65_536,
            }
        )
    rows.append({"name": "head", "kind": "Linear", "shape": [1], "parameters": 65, "multiply_adds": 64, "activation_bytes": 512})
    return {
        "rows": rows,
        "parameters": sum(int(r["parameters"]) for r in rows),
        "multiply_adds": sum(int(r["multiply_adds"]) for r in rows),
        "training_bytes": 3_482_112,
    }


def _interval(metric: Callable[..., float], *arrays: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Bootstrap: 200 draws of the rows."""
    stream, rows = np.random.default_rng(seed), len(arrays[0])
    drawn = [metric(*(a[pick] for a in arrays)) for pick in (stream.integers(0, rows, rows) for _ in range(60))]
    return {"value": float(metric(*arrays)), "low": float(np.quantile(drawn, 0.025)), "high": float(np.quantile(drawn, 0.975))}


def _parts(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(rows)
    return order[: int(0.7 * rows)], order[int(0.7 * rows) : int(0.85 * rows)], order[int(0.85 * rows) :]


def _numbers(frame: pd.DataFrame, train: np.ndarray) -> Callable[[pd.DataFrame], np.ndarray]:
    """Standardised numbers and one-hot categories, fitted on the training rows."""
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = list(frame.select_dtypes("number").columns)
    rest = [name for name in frame.columns if name not in numeric]
    scaler = StandardScaler().fit(frame[numeric].iloc[train]) if numeric else None
    hot = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=30).fit(frame[rest].iloc[train].astype(str))
        if rest
        else None
    )

    def encode(rows: pd.DataFrame) -> np.ndarray:
        parts = [scaler.transform(rows[numeric])] if scaler else []
        return np.hstack(parts + ([hot.transform(rows[rest].astype(str))] if hot else []))

    return encode


def _data(frame: pd.DataFrame, targets: list[str], file: str, parts: tuple[np.ndarray, ...]) -> dict[str, Any]:
    columns = []
    for name in frame.columns:
        number = pd.api.types.is_numeric_dtype(frame[name])
        distinct = int(frame[name].nunique())
        columns.append({
            "name": name, "kind": "number" if number else "category", "role": "target" if name in targets else "feature",
            "missing": int(frame[name].isna().sum()), "distinct": distinct,
            "reason": f"all values are numbers, {distinct} of them distinct" if number else f"{distinct} words, each in many rows",
        })  # fmt: skip
    return {
        "files": [file], "rows": len(frame), "fingerprint": "9f2c4e1ab0d75c6688e3a7f1440b21d3" * 2, "columns": columns,
        "notes": [f"'{frame.columns[0]}' has spaces around 12 values; they were cut off"],
        "split": {"train": len(parts[0]), "valid": len(parts[1]), "test": len(parts[2]), "how": "at random, stratified by the target, seed 0"},
    }  # fmt: skip


def _history(
    network: Any,
    x: np.ndarray,
    y: np.ndarray,
    parts: tuple[np.ndarray, ...],
    look: Callable[[Any, np.ndarray, np.ndarray], tuple[float, dict[str, float], float]],
    fit: Callable[[Any, np.ndarray, np.ndarray], None],
    epochs: int,
) -> list[dict[str, Any]]:
    history, best, stream = [], float("inf"), np.random.default_rng(0)
    for epoch in range(1, epochs + 1):
        fit(network, x[parts[0]][(order := stream.permutation(len(parts[0])))], y[parts[0]][order])
        loss, valid, score = look(network, x, y)
        history.append({
            "epoch": epoch, "step": epoch * (len(parts[0]) // 128 + 1), "train_loss": loss, "valid": valid, "score": score, "improved": score < best,
            "lr": 0.002 * (1 - (epoch - 1) / epochs), "seconds": 1.4 * epoch, "rows_per_second": 52_000.0 - 130 * epoch,
        })  # fmt: skip
        best = min(best, score)
    return history


def classification(
    frame: pd.DataFrame, target: str, *, file: str, epochs: int = 20, images: np.ndarray | None = None, name: str | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Analysis of one target of classes, and the history of its training."""
    from sklearn import metrics
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    parts = _parts(len(frame))
    train, valid, test = parts
    classes, y = np.unique(frame[target].astype(str), return_inverse=True)
    features = frame.drop(columns=target)
    encode = _numbers(features, train)
    x = encode(features)
    every = np.arange(len(classes))

    def look(net: Any, x: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, float], float]:
        loss = metrics.log_loss(y[train], net.predict_proba(x[train]), labels=every)
        probability = net.predict_proba(x[valid])
        checked = metrics.log_loss(y[valid], probability, labels=every)
        return float(loss), {"log_loss": float(checked), "accuracy": float((probability.argmax(1) == y[valid]).mean())}, float(checked)

    net = MLPClassifier(hidden_layer_sizes=(64, 64), batch_size=128, learning_rate_init=2e-3, random_state=0)
    history = _history(net, x, y, parts, look, lambda n, a, b: n.partial_fit(a, b, classes=every), epochs)
    probability = net.predict_proba(x[test])

    def area(y: np.ndarray, p: np.ndarray) -> float:
        return float(
            metrics.roc_auc_score(y, p[:, 1]) if len(classes) == 2 else metrics.roc_auc_score(y, p, multi_class="ovr", labels=every)
        )

    measures: dict[str, Callable[..., float]] = {
        "accuracy": lambda y, p: float((p.argmax(1) == y).mean()),
        "balanced_accuracy": lambda y, p: float(metrics.recall_score(y, p.argmax(1), average="macro", zero_division=0)),
        "f1_macro": lambda y, p: float(metrics.f1_score(y, p.argmax(1), average="macro")),
        "log_loss": lambda y, p: float(metrics.log_loss(y, p, labels=every)),
    } | ({"roc_auc": area} if len(classes) == 2 else {})  # fmt: skip
    compared = (
        ("majority", DummyClassifier(), 0.01),
        ("linear", LogisticRegression(max_iter=200), 1.9),
        ("gradient-boosted trees", HistGradientBoostingClassifier(max_iter=15, random_state=0), 4.1),
    )
    baselines = []
    for title, model, took in compared:
        guessed = model.fit(x[train], y[train]).predict_proba(x[test])
        baselines.append({"name": title, "metrics": {key: measure(y[test], guessed) for key, measure in measures.items()}, "seconds": took})
    right = probability.argmax(1) == y[test]
    worst = np.argsort(probability[np.arange(len(test)), y[test]])[:12]
    confident = probability.max(1)
    stated = probability[:, 1] if len(classes) == 2 else confident
    came = y[test] == 1 if len(classes) == 2 else right
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = (stated >= low) & (stated < low + 0.1 + 1e-9 * (low > 0.85))
        if inside.any():
            bins.append(
                {
                    "low": float(low),
                    "high": float(low + 0.1),
                    "predicted": float(stated[inside].mean()),
                    "observed": float(came[inside].mean()),
                    "count": int(inside.sum()),
                }
            )
    analysis = {
        "name": name or target, "kind": "binary" if len(classes) == 2 else "multiclass", "classes": [str(c) for c in classes],
        "scores": {"part": "test", "rows": len(test), "metrics": {key: _interval(measure, y[test], probability) for key, measure in measures.items()}},
        "baselines": baselines,
        "confusion": {"classes": [str(c) for c in classes], "counts": metrics.confusion_matrix(y[test], probability.argmax(1), labels=every).tolist()},
        "residuals": None, "coverage": None,
        "calibration": {"bins": bins, "error": float(sum(b["count"] * abs(b["predicted"] - b["observed"]) for b in bins) / len(test))},
        "importance": [] if images is not None else _importance(features, test, lambda f: float((net.predict_proba(encode(f)).argmax(1) == y[test]).mean())),
        "importance_metric": "accuracy",
        "mistakes": [
            {
                "row": int(test[i]) + 1, "actual": str(classes[y[test][i]]), "predicted": str(classes[probability[i].argmax()]), "probability": float(confident[i]),
                "loss": float(-np.log(probability[i, y[test][i]] + 1e-9)),
                "values": {"path": f"{classes[y[test][i]]}/{test[i]:05d}.png"} if images is not None else json.loads(features.iloc[test[i]].to_json()),
                "image": None if images is None else picture(images[test[i]]),
            }
            for i in worst
        ],
    }  # fmt: skip
    return {"targets": [analysis], "data": _data(frame, [target], file, parts)}, history


def regression(frame: pd.DataFrame, target: str, *, file: str, epochs: int = 20) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Analysis of one numeric target, and the history of its training."""
    from sklearn import metrics
    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor

    parts = _parts(len(frame))
    train, valid, test = parts
    y = frame[target].to_numpy(dtype=float)
    features = frame.drop(columns=target)
    encode = _numbers(features, train)
    x = encode(features)
    mean, std = y[train].mean(), y[train].std()

    def look(net: Any, x: np.ndarray, z: np.ndarray) -> tuple[float, dict[str, float], float]:
        loss, checked = (float(((net.predict(x[rows]) - z[rows]) ** 2).mean()) for rows in (train, valid))
        off = float(np.sqrt(checked) * std)
        return loss, {"loss": checked, "root_mean_squared_error": off, "r2": float(1 - checked / z[valid].var())}, off

    net = MLPRegressor(hidden_layer_sizes=(64, 64), batch_size=128, learning_rate_init=2e-3, random_state=0)
    history = _history(net, x, (y - mean) / std, parts, look, lambda n, a, b: n.partial_fit(a, b), epochs)
    predicted = net.predict(x[test]) * std + mean
    measures: dict[str, Callable[..., float]] = {
        "root_mean_squared_error": lambda a, p: float(np.sqrt(((a - p) ** 2).mean())),
        "mean_absolute_error": lambda a, p: float(np.abs(a - p).mean()),
        "r2": lambda a, p: float(metrics.r2_score(a, p)),
    }
    baselines = []
    for title, model, took in (
        ("mean", DummyRegressor(), 0.01),
        ("linear", Ridge(), 0.2),
        ("gradient-boosted trees", HistGradientBoostingRegressor(max_iter=30, random_state=0), 2.3),
    ):
        guessed = model.fit(x[train], y[train]).predict(x[test])
        baselines.append({"name": title, "metrics": {key: measure(y[test], guessed) for key, measure in measures.items()}, "seconds": took})
    half = float(np.quantile(np.abs(net.predict(x[valid]) * std + mean - y[valid]), 0.9))
    worst = np.argsort(-np.abs(predicted - y[test]))[:12]
    analysis = {
        "name": target, "kind": "regression", "classes": None,
        "scores": {"part": "test", "rows": len(test), "metrics": {key: _interval(measure, y[test], predicted) for key, measure in measures.items()}},
        "baselines": baselines, "confusion": None, "calibration": None,
        "residuals": {"actual": y[test].tolist(), "predicted": predicted.tolist()},
        "coverage": {"claimed": 0.9, "observed": float((np.abs(predicted - y[test]) <= half).mean()), "half_width": half},
        "importance": _importance(features, test, lambda f: float(-np.sqrt(((net.predict(encode(f)) * std + mean - y[test]) ** 2).mean()))),
        "importance_metric": "root_mean_squared_error",
        "mistakes": [
            {"row": int(test[i]) + 1, "actual": float(y[test][i]), "predicted": float(predicted[i]), "probability": None, "loss": float(((predicted[i] - y[test][i]) / std) ** 2),
             "values": json.loads(features.iloc[test[i]].to_json()), "image": None}
            for i in worst
        ],
    }  # fmt: skip
    return {"targets": [analysis], "data": _data(frame, [target], file, parts)}, history


def _importance(features: pd.DataFrame, test: np.ndarray, score: Callable[[pd.DataFrame], float]) -> list[dict[str, Any]]:
    found, stream = [], np.random.default_rng(0)
    held = features.iloc[test]
    whole = score(held)
    for name in features.columns:
        drops = [whole - score(held.assign(**{name: held[name].to_numpy()[stream.permutation(len(held))]})) for _ in range(3)]
        found.append({"column": name, "drop": float(np.mean(drops)), "low": float(min(drops)), "high": float(max(drops))})
    return sorted(found, key=lambda item: -float(item["drop"]))


def picture(pixels: np.ndarray) -> str:
    """A PNG as a data address. pixels: [H, W] between 0 and 1."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray((255 * pixels).astype(np.uint8)).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


FINDINGS: list[dict[str, Any]] = [
    {"code": "data.duplicate_column", "severity": "remark", "message": "'education' and 'education-num' say the same thing in different words; one of them is enough.", "evidence": {"agreement": 1.0}, "columns": ["education", "education-num"], "rows": [], "remedy": "Leave one out: --set data.drop=education", "confidence": 1.0, "probe": None, "gain": 0.0},
    {"code": "data.leak", "severity": "error", "message": "'capital-gain' alone predicts the target almost as well as all columns together; ask whether it is known at the time of the prediction.", "evidence": {"roc_auc_alone": 0.981, "roc_auc_all": 0.987, "rows": 4000}, "columns": ["capital-gain"], "rows": [], "remedy": "Leave it out and compare: --set data.drop=capital-gain", "confidence": 0.86, "probe": {"outcome": "confirmed", "roc_auc_without": 0.904}, "gain": -0.02},
    {"code": "data.label_conflict", "severity": "warning", "message": "37 rows have the same values in every column and another answer; no network can get all of them right.", "evidence": {"rows": 37, "groups": 17}, "columns": [], "rows": list(range(11, 31)), "remedy": "Look at these rows; correct them where one answer is wrong.", "confidence": 1.0, "probe": None, "gain": None},
]  # fmt: skip


def adult(rows: int = 4_000) -> pd.DataFrame:
    return pd.read_csv(EXAMPLE, keep_default_na=False, na_values=[""]).iloc[:rows]


def binary(folder: Path, rows: int = 2_000) -> Path:
    analysis, history = classification(adult(rows), "income", file="examples/adult.csv.gz")
    return write(folder, **records("income", "binary", analysis, history, findings=FINDINGS))


def classes(folder: Path) -> Path:
    """26 classes."""
    from sklearn.datasets import make_classification

    x, y = make_classification(2_600, 16, n_informative=12, n_classes=26, n_clusters_per_class=1, class_sep=2.2, random_state=0)
    frame = pd.DataFrame(x.round(3), columns=[f"feature {i}" for i in range(16)]).assign(letter=[chr(65 + code) for code in y])
    analysis, history = classification(frame, "letter", file="letter.csv", epochs=12)
    return write(folder, **records("letter", "multiclass", analysis, history))


def numbers(folder: Path) -> Path:
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    analysis, history = regression(frame, "target", file="diabetes.csv", epochs=40)
    return write(folder, **records("target", "regression", analysis, history))


def images(folder: Path) -> Path:
    from sklearn.datasets import load_digits

    digits = load_digits()
    frame = pd.DataFrame(digits.data).rename(columns=str).assign(digit=digits.target)
    analysis, history = classification(frame, "digit", file="digits/", epochs=12, images=digits.images / 16)
    analysis["data"]["columns"] = [
        {"name": "image", "kind": "image", "role": "feature", "missing": 0, "distinct": 1797, "reason": "PNG files of 8 × 8 pixels, grey"},
        {
            "name": "class",
            "kind": "category",
            "role": "target",
            "missing": 0,
            "distinct": 10,
            "reason": "the name of the folder that a picture lies in",
        },
    ]
    analysis["targets"][0]["importance"] = []
    return write(folder, **records("digit", "multiclass", analysis, history, members=3))


def several(folder: Path) -> Path:
    """A class and a number at once."""
    frame = adult(1_500)
    first, history = classification(frame.drop(columns="hours-per-week"), "income", file="examples/adult.csv.gz", epochs=8)
    second, _ = regression(frame.drop(columns="income"), "hours-per-week", file="examples/adult.csv.gz", epochs=8)
    analysis = {
        "targets": first["targets"] + second["targets"],
        "data": _data(frame, ["income", "hours-per-week"], "examples/adult.csv.gz", _parts(len(frame))),
    }
    return write(folder, **records("income, hours-per-week", "several", analysis, history))
