"""Each check sees the fault that was planted, names the columns and rows, and is silent on healthy data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import datasets
from sklearn.metrics import brier_score_loss, r2_score, roc_auc_score

from goodfit.base.files import plain
from goodfit.base.recipe import DataPart
from goodfit.base.records import Finding
from goodfit.data.checks import check
from goodfit.data.checks.outliers import drowned
from goodfit.data.checks.sample import Answer, coded
from goodfit.data.checks.shift import _told_apart
from goodfit.data.checks.skill import ranks, skill
from goodfit.data.dataset import Column, Dataset, Schema, in_memory
from goodfit.data.splits import split
from goodfit.data.target import detect

Columns = dict[str, Any]


def dataset(
    columns: Columns, target: str | tuple[str, ...] = "y", part: np.ndarray | None = None, root: Path | None = None, **kinds: str
) -> Dataset:
    """A data set with plain kinds: numbers, booleans, and categories for texts; `kinds` overrules, "time" and "group" are roles."""
    frame = pl.DataFrame(columns)
    targets = (target,) if isinstance(target, str) else target
    described = []
    for name in frame.columns:
        series = frame[name]
        kind = "number" if series.dtype.is_numeric() else "boolean" if series.dtype == pl.Boolean else "category"
        role = kinds[name] if kinds.get(name) in ("time", "group") else "target" if name in targets else "feature"
        kind = kinds[name] if kinds.get(name) not in (None, "time", "group") else kind
        if kind in ("identifier", "constant"):
            role = "ignored"
        described.append(Column(name, kind, role, str(series.dtype), series.null_count(), series.n_unique(), "in the test"))  # type: ignore[arg-type]
    return in_memory(frame, Schema(tuple(described)), part=part, root=root)


def found(data: Dataset, seed: int = 0, **settings: Any) -> list[Finding]:
    recipe = DataPart(**settings)
    target = detect(data, recipe)
    return check(data, target, split(data, target, recipe, seed), seed)


def coded_as(findings: list[Finding], code: str, severity: str = "warning") -> list[Finding]:
    return [finding for finding in findings if finding.code == code and finding.severity == severity]


def healthy(n: int = 1_000, m: int = 6, seed: int = 0) -> Columns:
    """Numbers and a category that say something of two classes."""
    stream = np.random.default_rng(seed)
    x = stream.normal(size=(n, m))
    y = (x[:, 0] + x[:, 1] + stream.normal(size=n) > 0).astype(int)
    return {f"f{i}": x[:, i] for i in range(m)} | {"kind": stream.choice(["a", "b", "c"], n).tolist(), "y": y}


# ---- healthy data


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
@pytest.mark.parametrize("seed", [0, 1])
def test_well_known_data_give_no_warning(name: str, seed: int) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    columns = {f"f{i}": bunch.data[:, i] for i in range(bunch.data.shape[1])}
    assert [f for f in found(dataset(columns | {"y": bunch.target}), seed) if f.severity != "remark"] == []
    if name == "iris":  # easy classes, which two columns separate without a mistake
        for label in range(3):
            assert [f for f in found(dataset(columns | {"y": (bunch.target == label).astype(int)}), seed) if f.severity != "remark"] == []


GENERATED: dict[str, Callable[[int, int], tuple[np.ndarray, np.ndarray]]] = {
    "classes": lambda n, s: datasets.make_classification(n, 8, n_informative=3, class_sep=2.0, random_state=s),
    "moons": lambda n, s: datasets.make_moons(n, noise=0.1, random_state=s),
    "blobs": lambda n, s: datasets.make_blobs(n, n_features=2, centers=3, random_state=s),
    "regression": lambda n, s: datasets.make_regression(n, 8, n_informative=3, noise=3, random_state=s),
    "friedman": lambda n, s: datasets.make_friedman1(n, random_state=s),
}


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("n", [60, 700])
def test_generated_data_give_no_warning(name: str, n: int) -> None:
    for seed in range(3):
        x, y = GENERATED[name](n, seed)
        columns = {f"f{i}": x[:, i] for i in range(x.shape[1])} | {"y": y}
        assert [f.message for f in found(dataset(columns), seed) if f.severity != "remark"] == []


@pytest.mark.parametrize(("n", "m", "values"), [(2_000, 3, 4), (1_500, 12, 2), (600, 6, 3)])
def test_coarse_rows_that_repeat_by_nature_are_no_leak(n: int, m: int, values: int) -> None:
    stream = np.random.default_rng(0)
    columns = {f"f{i}": stream.integers(0, values, n) for i in range(m)} | {"y": stream.integers(0, 2, n)}
    findings = found(dataset(columns))
    assert [f for f in findings if f.severity != "remark"] == []
    assert coded_as(findings, "data.label-noise", "remark")
    sparse = {f"f{i}": (stream.random(3_000) < 0.03).astype(int) for i in range(30)} | {"y": stream.integers(0, 2, 3_000)}
    assert [f for f in found(dataset(sparse)) if f.severity != "remark"] == []


def test_the_smallest_data_are_checked_without_an_error() -> None:
    for n in (3, 4, 5, 8, 20):
        columns = {"a": np.arange(n) * 1.5, "b": [None] * n, "c": ["x", "y"] * (n // 2) + ["x"] * (n % 2), "y": np.arange(n) % 2}
        findings = found(dataset(columns | {"b": pl.Series([None] * n, dtype=pl.Float64)}))
        assert n < 8 or all(f.severity != "error" for f in findings)  # below, chance may leave one class to train on
        assert isinstance(found(dataset({"a": np.arange(n) ** 2.0, "y": np.arange(n) * 0.37}), task="regression"), list)
    only = dataset({"y": [0, 1] * 50})
    assert found(only) == []


def test_findings_are_the_same_again_and_are_json() -> None:
    columns = healthy() | {"copy": healthy()["y"] * 3}
    first, again = found(dataset(columns)), found(dataset(columns))
    assert first == again
    text = json.dumps([plain(finding.to_json()) for finding in first])
    assert "data.leak" in text
    for finding in first:
        assert finding.remedy
        assert 0 < finding.confidence <= 1
        assert all(type(value).__module__ == "builtins" for value in finding.evidence.values())


# ---- columns


def test_constant_and_duplicate_columns_are_named() -> None:
    columns = healthy()
    columns |= {"one": [7.0] * 1_000, "none": pl.Series([None] * 1_000, dtype=pl.Float64), "word": ["w"] * 1_000}
    columns |= {"again": columns["f2"], "renamed": [{"a": "1", "b": "2", "c": "3"}[k] for k in columns["kind"]]}
    findings = found(dataset(columns, none="constant"))
    (constant,) = coded_as(findings, "data.constant", "remark")
    assert set(constant.columns) == {"one", "none", "word"}
    (copies,) = coded_as(findings, "data.duplicate-column", "remark")
    assert copies.evidence["pairs"] == [["f2", "again"], ["kind", "renamed"]]
    assert "data.drop=again,renamed" in copies.remedy


def test_a_column_that_varies_in_a_few_rows_only_is_not_constant() -> None:
    columns = healthy() | {"rare": [0.0] * 990 + [1.0] * 10}
    assert not coded_as(found(dataset(columns)), "data.constant", "remark")
    almost = columns["f2"].copy()
    almost[np.random.default_rng(0).permutation(1_000)[:300]] += 1e-9
    assert not coded_as(found(dataset(columns | {"almost": almost})), "data.duplicate-column", "remark")


def test_counters_are_identifiers_and_measurements_are_not() -> None:
    columns = healthy()
    (finding,) = coded_as(
        found(dataset(columns | {"counter": np.arange(1_000) + 17, "CustomerID": np.random.default_rng(0).permutation(10_000)[:1_000]})),
        "data.identifier",
    )
    assert finding.columns == ("counter", "CustomerID")
    fine = (
        columns
        | {
            "year": np.arange(1_000),  # a time
            "salary": np.random.default_rng(0).permutation(50_000)[:1_000],  # whole, all different, in no order
            "weight": columns["f0"] * 100,  # all different, not whole
        }
    )
    assert not coded_as(found(dataset(fine)), "data.identifier")
    # x = 0, 1, 2, ... with y = f(x): the counter is what there is to learn from
    x = np.arange(400)
    curve = dataset({"x": x, "z": np.random.default_rng(0).normal(size=400), "y": np.sin(x / 30)})
    assert not coded_as(found(curve), "data.identifier")
    (remark,) = coded_as(
        found(dataset(columns | {"name": [f"n{i}" for i in range(1_000)]}, name="identifier")), "data.identifier", "remark"
    )
    assert remark.columns == ("name",)


# ---- leaks


def test_a_copy_of_the_target_is_a_leak() -> None:
    columns = healthy()
    flip = np.random.default_rng(1).random(1_000) < 0.005
    for copy in (columns["y"] * 5 - 2, [f"status {v}" for v in columns["y"]], np.where(flip, 1 - columns["y"], columns["y"])):
        (finding,) = coded_as(found(dataset(columns | {"copy": copy})), "data.leak")
        assert finding.columns == ("copy",)
        assert finding.evidence["skill"] > 0.95
        assert finding.evidence["skill_of_others"] < 0.8
        assert "data.drop=copy" in finding.remedy
    # Ten in a hundred wrong is a good column, not the answer.
    weak = np.where(np.random.default_rng(1).random(1_000) < 0.1, 1 - columns["y"], columns["y"])
    assert not coded_as(found(dataset(columns | {"weak": weak})), "data.leak")


def test_where_many_columns_separate_the_classes_the_classes_are_easy() -> None:
    stream = np.random.default_rng(0)
    y = stream.integers(0, 2, 800)
    columns = {f"f{i}": stream.normal(size=800) + 8 * y * (i < 3) for i in range(6)}
    assert not coded_as(found(dataset(columns | {"y": y})), "data.leak")
    alone = {f"f{i}": stream.normal(size=800) + 8 * y * (i < 1) for i in range(6)}
    assert coded_as(found(dataset(alone | {"y": y})), "data.leak")


def test_a_number_in_another_unit_is_a_leak_and_a_strong_column_is_not() -> None:
    stream = np.random.default_rng(0)
    x = stream.normal(size=(1_500, 6))
    price = np.exp(x[:, 0] + 0.5 * x[:, 1] + 0.3 * stream.normal(size=1_500))
    columns = {f"f{i}": x[:, i] for i in range(6)}
    for copy in (price * 0.9, np.log(price), np.round(price * 1.1, 2)):
        (finding,) = coded_as(found(dataset(columns | {"other": copy, "y": price})), "data.leak")
        assert finding.columns == ("other",)
    strong = np.log(price) + 0.15 * stream.normal(size=1_500)
    assert not coded_as(found(dataset(columns | {"strong": strong, "y": price})), "data.leak")


def test_a_column_that_is_filled_for_one_class_alone_is_a_leak() -> None:
    columns = healthy()
    stream = np.random.default_rng(2)
    body = pl.Series([float(stream.integers(1, 300)) if y == 0 and stream.random() < 0.3 else None for y in columns["y"]])
    (finding,) = coded_as(found(dataset(columns | {"body": body})), "data.leak")
    assert finding.columns == ("body",)
    assert "filled" in finding.message
    assert all(columns["y"][row - 1] == 0 and body[row - 1] is not None for row in finding.rows)
    # Missing at random, and missing more often in one class, are no leak.
    columns["half"] = pl.Series([None if stream.random() < 0.2 + 0.4 * y else 1.0 * i for i, y in enumerate(columns["y"])])
    assert not coded_as(found(dataset(columns)), "data.leak")


def test_a_leak_into_one_of_several_targets_or_labels_is_found() -> None:
    columns = healthy()
    stream = np.random.default_rng(3)
    columns["z"] = stream.normal(size=1_000)
    columns["unit"] = columns["z"] * 2.54
    (finding,) = coded_as(found(dataset(columns, ("y", "z"))), "data.leak")
    assert (finding.columns, "'z'" in finding.message) == (("unit",), True)
    labels = healthy() | {"second": stream.integers(0, 2, 1_000)}
    labels["echo"] = labels["second"] * 2
    (finding,) = coded_as(found(dataset(labels, ("y", "second"))), "data.leak")
    assert finding.columns == ("echo",)


# ---- repeats


def test_rows_shared_between_parts_are_found_and_named() -> None:
    columns = pl.DataFrame(healthy(1_000))
    train = columns[:700]
    copied = pl.concat([train, columns[700:850], columns[850:980], train[:20]])
    part = np.repeat([0, 1, 2], [700, 150, 150]).astype(np.int8)
    (finding,) = coded_as(found(dataset(copied.to_dict(), part=part)), "data.leak")
    assert finding.evidence["part"] == "test"
    assert finding.evidence["rows"] == 20
    assert finding.rows == tuple(range(981, 1_001))
    assert "row 981 of row 1" in finding.message
    clean = dataset(columns.to_dict(), part=part)
    assert not coded_as(found(clean), "data.leak")


def test_copies_among_rows_that_repeat_by_nature_are_found_by_their_number() -> None:
    stream = np.random.default_rng(0)
    n = 4_000
    columns = {f"f{i}": stream.integers(0, 3, n) for i in range(8)}
    columns["y"] = (columns["f0"] + columns["f1"] + stream.integers(0, 3, n) > 3).astype(int)
    part = np.repeat([0, 1, 2], [2_800, 600, 600]).astype(np.int8)
    assert not coded_as(found(dataset(columns, part=part)), "data.leak")
    rows = np.arange(n)
    rows[3_400:3_600] = stream.integers(0, 2_800, 200)
    (finding,) = coded_as(found(dataset({name: values[rows] for name, values in columns.items()}, part=part)), "data.leak")
    assert finding.evidence["part"] == "test"
    assert finding.evidence["share"] > finding.evidence["share_of_training_rows_set_aside"] + 0.1


def test_copies_with_other_labels_are_contradictions() -> None:
    frame = pl.DataFrame(healthy(900))
    wrong = frame[:100].with_columns(y=1 - pl.col("y"))
    findings = found(dataset(pl.concat([frame, wrong]).to_dict()))
    (finding,) = coded_as(findings, "data.label-noise")
    assert {(row - 1) % 900 for row in finding.rows} <= set(range(100))
    assert finding.rows[0] != finding.rows[1]
    assert (finding.rows[1] - finding.rows[0]) % 900 == 0


def test_equal_texts_and_equal_pictures_are_copies(tmp_path: Path) -> None:
    from PIL import Image

    stream = np.random.default_rng(0)
    texts = [" ".join(stream.choice(["red", "blue", "old", "new", "far", "near", "cold"], 12)) for _ in range(400)]
    part = np.repeat([0, 1, 2], [280, 60, 60]).astype(np.int8)
    texts[340:360] = texts[:20]
    (finding,) = coded_as(found(dataset({"text": texts, "y": stream.integers(0, 2, 400)}, part=part, text="text")), "data.leak")
    assert finding.rows[0] == 341
    for index in range(60):
        pixels = stream.integers(0, 255, (8, 8), dtype=np.uint8) if index < 50 else np.asarray(Image.open(tmp_path / f"{index - 50}.png"))
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    pictures = {"picture": [f"{index}.png" for index in range(60)], "y": np.arange(60) % 2}
    given = np.repeat([0, 1, 2], [40, 10, 10]).astype(np.int8)
    (finding,) = coded_as(found(dataset(pictures, part=given, root=tmp_path, picture="image")), "data.leak")
    assert finding.rows == tuple(range(51, 61))
    (tmp_path / "3.png").unlink()  # what cannot be read is the encoder's to say
    assert coded_as(found(dataset(pictures, part=given, root=tmp_path, picture="image")), "data.leak")


# ---- labels


def test_one_class_in_training_is_an_error() -> None:
    columns = healthy() | {"y": np.repeat([0, 1], [700, 300])}
    part = np.repeat([0, 1, 2], [700, 150, 150]).astype(np.int8)
    findings = found(dataset(columns, part=part))
    assert findings[0].severity == "error"
    assert findings[0].code == "data.labels-wrong"
    values = healthy() | {"y": np.where(np.arange(1_000) < 700, 5.0, np.arange(1_000) * 0.1)}
    assert found(dataset(values, part=part))[0].severity == "error"


def test_rare_classes_are_warned_of_and_uneven_ones_said() -> None:
    stream = np.random.default_rng(0)
    y = np.array(["often"] * 600 + ["also"] * 390 + ["rare"] * 3)
    columns = {name: values[:993] for name, values in healthy().items()} | {"y": y.tolist()}
    (finding,) = coded_as(found(dataset(columns)), "data.imbalance")
    assert finding.evidence["rows"]["rare"] <= 3
    assert all(y[row - 1] == "rare" for row in finding.rows)
    uneven = healthy() | {"y": (stream.random(1_000) < 0.05).astype(int)}
    (remark,) = coded_as(found(dataset(uneven)), "data.imbalance", "remark")
    assert remark.evidence["largest_share"] > 0.9
    assert not coded_as(found(dataset(healthy() | {"y": (stream.random(1_000) < 0.25).astype(int)})), "data.imbalance", "remark")


def test_the_targets_of_the_test_rows_are_never_looked_at() -> None:
    columns = healthy()
    part = np.repeat([0, 1, 2], [700, 150, 150]).astype(np.int8)
    changed = columns | {"y": np.where(part == 2, 1 - columns["y"], columns["y"])}
    assert found(dataset(columns, part=part)) == found(dataset(changed, part=part))


# ---- outliers


def test_values_that_drown_all_others_are_found_with_their_rows() -> None:
    columns = healthy()
    for value in (99_999.0, -999.0, 1e300):
        spoiled = columns["f3"].copy()
        spoiled[[5, 250, 700]] = value
        data = dataset(columns | {"f3": spoiled}, part=np.repeat([0, 1, 2], [800, 100, 100]).astype(np.int8))
        (finding,) = coded_as(found(data), "data.inputs-unscaled")
        assert finding.columns == ("f3",)
        assert finding.rows == (6, 251, 701)
        assert finding.evidence["f3"]["values"][0] == value
    target = np.random.default_rng(0).normal(size=1_000)
    target[10] = 1e6
    part = np.repeat([0, 1, 2], [800, 100, 100]).astype(np.int8)
    (finding,) = coded_as(found(dataset(columns | {"y": target}, part=part)), "data.targets-unscaled")
    assert finding.rows == (11,)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).lognormal(0, 2, 20_000),
        np.random.default_rng(0).standard_t(3, 20_000),
        np.random.default_rng(0).pareto(2.5, 20_000),
        np.random.default_rng(0).poisson(0.02, 20_000) * 5_000.0,
        np.concatenate([np.zeros(950), np.random.default_rng(0).normal(500, 50, 50)]),
        np.concatenate([np.zeros(1_939), np.random.default_rng(0).uniform(100, 600, 60), [17_000.0]]),  # one garage among few extras
        np.arange(1_000.0),
        np.zeros(1_000),
        np.array([0.0] * 60 + [1e9]),
    ],
)
def test_heavy_tails_and_rare_amounts_are_no_outliers(values: np.ndarray) -> None:
    assert drowned(values) is None


# ---- shift


def test_a_shifted_validation_part_is_found_with_its_column() -> None:
    stream = np.random.default_rng(0)
    columns = healthy(1_500)
    part = stream.choice([0, 1, 2], 1_500, p=[0.6, 0.3, 0.1]).astype(np.int8)
    assert not coded_as(found(dataset(columns, part=part)), "data.shift")
    shifted = columns | {"f4": columns["f4"] + (part == 1)}
    (finding,) = coded_as(found(dataset(shifted, part=part)), "data.shift")
    assert finding.columns == ("f4",)
    assert finding.evidence["low"] > 0.55
    category = columns | {"kind": ["c" if p == 1 and stream.random() < 0.5 else k for p, k in zip(part, columns["kind"], strict=True)]}
    (finding,) = coded_as(found(dataset(category, part=part)), "data.shift")
    assert finding.columns == ("kind",)


def test_a_split_by_time_differs_by_design() -> None:
    columns = healthy(1_500)
    columns |= {"t": np.arange(1_500), "f4": columns["f4"] + np.arange(1_500) / 500}
    findings = found(dataset(columns, t="time"))
    assert not coded_as(findings, "data.shift")
    (remark,) = coded_as(findings, "data.shift", "remark")
    assert remark.columns == ("f4",)


@pytest.mark.slow
def test_a_random_split_is_hardly_ever_called_shifted() -> None:
    alarms = 0
    for seed in range(120):
        stream = np.random.default_rng(seed)
        n = int(stream.choice([210, 300, 600]))
        columns = {f"f{i}": stream.normal(size=n) for i in range(int(stream.choice([2, 5, 15])))} | {"y": stream.integers(0, 2, n)}
        alarms += len(coded_as(found(dataset(columns), seed), "data.shift"))
    assert alarms <= 1  # one in a thousand is claimed


def test_wide_tables_are_looked_at_by_halves() -> None:
    stream = np.random.default_rng(0)
    n, m = 1_200, 200
    x = stream.normal(size=(n, m))
    part = stream.choice([0, 1], n, p=[0.6, 0.4]).astype(np.int8)
    columns = {f"f{i}": x[:, i] for i in range(m)} | {"y": stream.integers(0, 2, n)}
    assert [f.message for f in found(dataset(columns, part=part)) if f.severity != "remark"] == []
    (finding,) = coded_as(found(dataset(columns | {"f77": x[:, 77] + 1.5 * (part == 1)}, part=part)), "data.shift")
    assert finding.columns[0] == "f77"


# ---- the parts


def test_skill_is_the_brier_skill_and_r2_of_leaving_one_out() -> None:
    stream = np.random.default_rng(0)
    bins = stream.integers(0, 7, 300)
    y = (stream.random(300) < bins / 7).astype(np.int64)
    out = [y[(bins == bins[i]) & (np.arange(300) != i)].mean() for i in range(300)]
    wanted = 1 - brier_score_loss(y, out) / (y.mean() * (1 - y.mean()))
    assert skill(bins, Answer("y", y, None)) == pytest.approx(wanted)
    values = bins + stream.normal(size=300)
    u = ranks(values)
    out = [u[(bins == bins[i]) & (np.arange(300) != i)].mean() for i in range(300)]
    assert skill(bins, Answer("y", None, values)) == pytest.approx(r2_score(u, out))
    noise = stream.integers(0, 50, 300)
    assert skill(noise, Answer("y", y, None)) < 0.05
    assert abs(skill(np.arange(300), Answer("y", y, None))) < 1e-9  # a name for every row knows nothing
    assert skill(y, Answer("y", y, None)) == 1.0


def test_bins_keep_order_equal_values_and_missing_ones() -> None:
    series = pl.Series([3.0, None, 1.0, 3.0, 2.0, None, -5.0])
    assert coded(series, 100).tolist() == [4, 0, 2, 4, 3, 0, 1]
    many = pl.Series(np.random.default_rng(0).normal(size=1_000))
    bins = coded(many, 10)
    assert np.bincount(bins).tolist() == [0] + [100] * 10
    assert (np.diff(bins[np.argsort(many.to_numpy())]) >= 0).all()
    assert coded(pl.Series(["b", None, "a", "b"]), 2).tolist() == [2, 0, 1, 2]
    assert coded(pl.Series([None, None], dtype=pl.Float64), 4).tolist() == [0, 0]


def test_the_interval_of_the_auc_is_that_of_delong() -> None:
    stream = np.random.default_rng(0)
    x = stream.normal(size=(600, 1))
    part = (x[:, 0] + stream.normal(size=600) > 0).astype(np.int64)
    auc, low, high = _told_apart(x, part, 0)
    assert 0.75 < auc < 0.85
    # Hanley and McNeil (1982), for about even classes
    n1, n0 = part.sum(), (1 - part).sum()
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = np.sqrt((auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)) / (n1 * n0))
    assert (high - low) / 2 == pytest.approx(3.29 * error, rel=0.15)
    assert low < roc_auc_score(part, x[:, 0]) < high
