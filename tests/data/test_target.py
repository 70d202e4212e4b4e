"""What is to be learned is found from the column, can be set, and is encoded as scikit-learn would."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, MultiLabelBinarizer, StandardScaler

from goodfit.base.errors import DataError, SettingError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read
from goodfit.data.target import TargetSpec, detect


def data(columns: dict[str, list[Any]], **given_settings: Any) -> tuple[Dataset, DataPart]:
    count = len(next(iter(columns.values())))
    part = DataPart(target=tuple(columns), **given_settings)
    return read({"feature": [i * 0.3 for i in range(count)], **columns}, settings=part), part


def found(values: list[Any], **given_settings: Any) -> TargetSpec:
    dataset, part = data({"y": values}, **given_settings)
    spec = detect(dataset, part).fit(dataset)
    assert TargetSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    return spec


CASES: list[tuple[list[Any], str, tuple[Any, ...] | None]] = [
    (["no", "yes"] * 10, "binary", ("no", "yes")),
    (["True", "False"] * 10, "binary", ("False", "True")),
    ([True, False] * 10, "binary", (False, True)),
    ([0, 1] * 10, "binary", (0, 1)),
    ([-1, 1] * 10, "binary", (-1, 1)),
    ([0.0, 1.0] * 10, "binary", (0.0, 1.0)),
    ([0.0, 1.0, 2.0] * 10, "multiclass", (0.0, 1.0, 2.0)),
    (["c", "a", "b"] * 10, "multiclass", ("a", "b", "c")),
    ([3, 1, 2] * 10, "multiclass", (1, 2, 3)),
    (list(range(10)) * 10, "multiclass", tuple(range(10))),
    (["001", "002", "010"] * 10, "multiclass", ("001", "002", "010")),
    (list(range(30)) * 10, "regression", None),
    ([7, 250, 18, 400, 91, 33, 1000, 62, 5, 77, 120, 3000] * 10, "regression", None),
    ([1, 2, 3, 4, 5, 6, 7, 8], "regression", None),
    ([0.5, 1.5] * 10, "regression", None),
    ([1.0, 2.5, 7.0] * 10, "regression", None),
    (["1,200.5", "300", "2,000"] * 10, "regression", None),
    ([["a"], ["b", "a"], []] * 10, "multilabel", ("a", "b")),
    ([[1, 2], [2], [3, 1]] * 10, "multilabel", (1, 2, 3)),
    (["a;b", "b;c", "a", "c; a"] * 10, "multilabel", ("a", "b", "c")),
    (["a|b", "b|c", "a", "c|a"] * 10, "multilabel", ("a", "b", "c")),
    (["yes;really", "no;never"] * 10, "binary", ("no;never", "yes;really")),
]


@pytest.mark.parametrize(("values", "kind", "classes"), CASES, ids=[f"{kind}-{values[0]}" for values, kind, _ in CASES])
def test_found(values: list[Any], kind: str, classes: tuple[Any, ...] | None) -> None:
    spec = found(values)
    assert (spec.kind, spec.classes) == (kind, classes)


def test_set() -> None:
    assert found([0, 1] * 10, task="regression").kind == "regression"
    assert found([0, 1] * 10, task="multiclass").kind == "multiclass"
    assert found([0.5, 1.5] * 10, task="multiclass").classes == (0.5, 1.5)
    assert found(list(range(30)) * 3, kinds={"y": "category"}).kind == "multiclass"
    assert found([1, 2, 3] * 10, kinds={"y": "number"}).kind == "regression"
    assert found(["a,b", "b"] * 10, task="multilabel").classes == ("a", "b")
    assert found(["a;b", "b;c", "a", "c"] * 10, task="multiclass").kind == "multiclass"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["u", "v", "w x", "é"]), min_size=12, max_size=40).filter(lambda x: len(set(x)) > 1))
def test_classes_as_scikit_learn_encodes_them(values: list[str]) -> None:
    dataset, part = data({"y": values})
    spec = detect(dataset, part)
    codes = spec.encode(dataset)
    assert codes.dtype == np.int64
    assert codes.tolist() == LabelEncoder().fit_transform(values).tolist()
    assert [spec.classes[code] for code in codes] == values  # type: ignore[index]


@settings(max_examples=40, deadline=None)
@example([0.0, 2.0, 1e-87, 0.0, 0.0, 0.0])
@example([0.0, 1e9, 1e-30, 0.0, 0.0, 0.0])
@given(st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=40).filter(lambda x: max(x) - min(x) > 1))
def test_regression_as_scikit_learn_scales_it(values: list[float]) -> None:
    dataset, part = data({"y": values}, task="regression")
    rows = np.arange(0, len(values), 2)
    spec = detect(dataset, part).fit(dataset, rows)
    encoded = spec.encode(dataset)
    assert encoded.dtype == np.float32
    assert np.isfinite(encoded).all()  # also where the rows of `fit` hardly differ
    column = np.array(values)[:, None]
    if np.ptp(column[rows]) > 1e-3:
        np.testing.assert_allclose(encoded, StandardScaler().fit(column[rows]).transform(column)[:, 0], rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=30, max_size=50))
def test_labels_as_scikit_learn_binarizes_them(values: list[set[str]]) -> None:
    oracle = MultiLabelBinarizer().fit_transform(values)
    lists, part = data({"y": [sorted(value) for value in values]})
    np.testing.assert_array_equal(detect(lists, part).encode(lists), oracle)
    texts, part = data({"y": [" ; ".join(sorted(value)) for value in values]}, task="multilabel")
    np.testing.assert_array_equal(detect(texts, part).encode(texts), oracle)


def test_several() -> None:
    columns = {"a": [True, False] * 10, "b": [i * 1.5 for i in range(20)], "c": ["u", "v", "w", "u"] * 5}
    dataset, part = data(columns)
    spec = detect(dataset, part).fit(dataset)
    assert [one.kind for one in spec.parts] == ["binary", "regression", "multiclass"]
    encoded = spec.encode(dataset)
    assert encoded.dtype == np.float32
    assert encoded[:4, 0].tolist() == [1, 0, 1, 0]
    assert encoded[:4, 2].tolist() == [0, 1, 2, 0]
    assert encoded[:, 1].mean() == pytest.approx(0, abs=1e-6)
    assert TargetSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "columns", [{"a": [True, False], "b": [False, True]}, {"a": [1, 0], "b": [0, 1]}, {"a": ["true", "false"], "b": ["False", "True"]}]
)
def test_several_flags_are_labels(columns: dict[str, list[Any]]) -> None:
    dataset, part = data({name: values * 10 for name, values in columns.items()})
    spec = detect(dataset, part)
    assert (spec.kind, spec.classes) == ("multilabel", ("a", "b"))
    assert spec.encode(dataset)[:2].tolist() == [[1, 0], [0, 1]]


REFUSED: list[tuple[list[Any], dict[str, Any], str]] = [
    (["a"] * 20, {}, "one value 'a' in every row"),
    ([5] * 20, {}, "one value"),
    ([5.5] * 20, {}, "one value 5.5"),
    ([None] * 20, {}, "no value in any row"),
    ([f"name {i}" for i in range(20)], {}, "20 different values in 20 rows; classes must repeat"),
    ([f"name {i}" for i in range(15)] + ["a"] * 5, {}, "classes must repeat"),
    ([1.5, float("inf"), 2.5, 3.5] * 5, {}, "finite number for regression; row 2 holds inf"),
    (["1.5", "inf", "2.5", "3.5"] * 5, {}, "finite number for regression; row 2 holds inf"),
    ([1e300, 2.5, 3.5, 7.5] * 5, {}, "too large"),
    (["2024-01-05", "2024-02-05", "2024-03-05"] * 5, {}, "holds dates"),
    (["a", "b"] * 10, {"task": "regression"}, "finite number for regression; row 1 holds 'a'"),
    (["a", "b", "c"] * 10, {"task": "binary"}, "needs two classes"),
    ([1, 2] * 10, {"task": "multilabel"}, "needs lists or texts such as 'a;b'"),
    ([[1.5], [2.5]] * 10, {}, "labels are texts or whole numbers"),
    ([[], []] * 10, {}, "empty lists only"),
    ([[f"l{i}"] for i in range(20)], {}, "hardly repeat"),
    (["a", "b"] * 10, {"kinds": {"y": "text"}}, "a target is a number or a category"),
    (["a", "b"] * 10, {"kinds": {"y": "number"}}, "kind"),
    ([str(i * 1.5) for i in range(60)] + ["oops"], {}, "row 61 holds 'oops'"),
]


@pytest.mark.parametrize(("values", "given_settings", "words"), REFUSED, ids=[case[2] for case in REFUSED])
def test_refused(values: list[Any], given_settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        found(values, **given_settings)
    assert caught.value.column == "y"


def test_several_refused() -> None:
    with pytest.raises(SettingError, match="at least two targets"):
        found(["a", "b"] * 10, task="several")
    with pytest.raises(DataError, match="true and false or 0 and 1; 'b' holds"):
        data({"a": [0, 1] * 10, "b": ["u", "v"] * 10}, task="multilabel")
    with pytest.raises(DataError, match="predict it alone"):
        data({"a": [["u"], ["v", "u"]] * 10, "b": [1.5, 2.5] * 10})
    with pytest.raises(DataError, match="a target is needed"):
        detect(read({"u": [1.5, 2.5] * 9, "v": [1.5, 2.5] * 9}), DataPart())


def test_values_that_training_never_saw() -> None:
    spec = found(["a", "b"] * 10)
    with pytest.raises(DataError, match="value 'z' in row 2, which is none of the classes 'a', 'b'") as caught:
        spec.encode(pl.DataFrame({"y": ["a", "z"]}))
    assert (caught.value.row, caught.value.column, caught.value.value) == (2, "y", "z")
    with pytest.raises(DataError, match="missing in row 2"):
        spec.encode(pl.Series(["a", None]))
    with pytest.raises(DataError, match="is not among the columns 'other'"):
        spec.encode(pl.DataFrame({"other": [1]}))
    labels = found([["a"], ["b", "a"]] * 10)
    with pytest.raises(DataError, match="value 'z' in row 2"):
        labels.encode(pl.Series([["a"], ["b", "z"]]))


def test_a_target_of_nothing_to_scale() -> None:
    spec = found([1.0, 2.5, 4.0] * 5).fit(pl.Series("y", [3.0, 3.0, 3.0]))
    assert (spec.mean, spec.std) == (3.0, 1.0)
