"""The encoder as a whole: training rows alone, the same bits after loading, memory-mapped files, weights, places of errors."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from goodfit.base.errors import BundleError, DataError, SettingError, StorageError
from goodfit.base.recipe import DataPart
from goodfit.data import encode_fit
from goodfit.data import encoder as encoder_module
from goodfit.data.dataset import Column, Dataset, Schema, in_memory
from goodfit.data.encoded import Encoded, Ragged, allocate, machine_memory
from goodfit.data.encoder import Encoder
from goodfit.data.target import TargetSpec

BINARY = TargetSpec("binary", ("y",), classes=("no", "yes"))
KINDS = {"x": "number", "z": "number", "c": "category", "b": "boolean", "when": "datetime", "t": "text", "s": "text", "p": "image"}


def schema_of(frame: pl.DataFrame, **roles: str) -> Schema:
    def column(name: str) -> Column:
        role = roles.get(name, "feature" if name in KINDS else "target")
        kind, dtype, missing = KINDS.get(name, "category"), str(frame[name].dtype), frame[name].null_count()
        return Column(name, kind, role, dtype, missing, 2, "test")  # type: ignore[arg-type]

    return Schema(tuple(column(name) for name in frame.columns))


def table(rows: int = 240, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)

    def holes(values: list[Any], every: int = 7) -> list[Any]:
        return [None if i % every == 3 else value for i, value in enumerate(values)]

    return pl.DataFrame(
        {
            "x": holes(rng.normal(size=rows).tolist()),
            "z": rng.integers(0, 100, rows),
            "c": holes(rng.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2]).tolist()),
            "b": holes((rng.random(rows) < 0.5).tolist(), 11),
            "when": [datetime.fromtimestamp(int(s)) for s in rng.integers(10**9, 1_700_000_000, rows)],
            "t": holes([" ".join(rng.choice(["alpha", "beta", "gamma"], rng.integers(0, 9))) for _ in range(rows)]),
            "s": [str(v) for v in rng.integers(0, 5, rows)],
            "y": rng.choice(["no", "yes"], rows, p=[0.75, 0.25]),
        }
    )


def dataset(frame: pl.DataFrame | None = None, root: Path | None = None, **roles: str) -> Dataset:
    frame = table() if frame is None else frame
    return in_memory(frame, schema_of(frame, **roles), root=root)


def fitted(
    data: Dataset, rows: np.ndarray | None = None, target: TargetSpec = BINARY, scaling: str = "quantile", **settings: Any
) -> Encoder:
    rows = np.arange(data.rows) if rows is None else rows
    return Encoder.fit(data, data.schema, target, rows, DataPart(**settings), 0, scaling=scaling)  # type: ignore[arg-type]


def same(left: Encoded, right: Encoded) -> bool:
    def flat(encoded: Encoded) -> list[torch.Tensor]:
        tensors = [part for t in encoded.inputs.values() for part in ((t.values, t.offsets) if isinstance(t, Ragged) else (t,))]
        return tensors + [t for t in (encoded.target, encoded.weight) if t is not None]

    pairs = list(zip(flat(left), flat(right), strict=True))
    return left.rows == right.rows and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def test_every_kind_becomes_its_tensor() -> None:
    data = dataset()
    encoder = fitted(data)
    encoded = encoder.encode(data)
    numbers, categories, text = encoded.inputs["numbers"], encoded.inputs["categories"], encoded.inputs["text"]
    assert isinstance(numbers, torch.Tensor)
    assert isinstance(categories, torch.Tensor)
    assert isinstance(text, Ragged)
    names = encoder.inputs["numbers"]["names"]
    assert names[:2] == ["x", "z"]
    assert names[-1] == "x (missing)"
    assert "when (year)" in names
    assert (numbers.shape, numbers.dtype) == ((240, len(names)), torch.float32)
    assert (categories.shape, categories.dtype) == ((240, 2), torch.int32)
    assert encoder.inputs["categories"] == {"names": ["c", "b"], "sizes": [4, 3]}
    assert (len(text), text.values.dtype, int(text.lengths.min()) > 0) == (240, torch.int32, True)
    assert encoder.inputs["text"]["vocabulary"] == 3 + 3 + 5
    assert int(text.values.max()) < encoder.inputs["text"]["vocabulary"]
    missing = torch.from_numpy(data.column("x").is_null().to_numpy())
    assert torch.equal(numbers[:, -1].bool(), missing)
    assert numbers[missing, 0].unique().numel() == 1
    assert torch.equal(categories[:, 0] == 0, torch.from_numpy(data.column("c").is_null().to_numpy()))
    assert encoded.target is not None
    assert encoded.target.tolist() == (data.column("y") == "yes").cast(pl.Int64).to_list()
    assert encoded.weight is None
    bins = encoder.bins(8)
    assert len(bins) == len(names)
    assert bins[-1].tolist() == [0, 1]


@pytest.mark.parametrize("scaling", ["quantile", "standard", "robust"])
def test_statistics_come_from_the_training_rows_alone(scaling: str) -> None:
    frame = table()
    train = np.arange(0, 240, 2)
    changed = {"x": 1e9, "z": -(10**6), "c": "violet", "b": None, "when": datetime(1900, 1, 1), "t": "omega " * 50, "s": "9"}
    is_train = pl.Series([True, False] * 120)
    other = frame.with_columns(pl.when(is_train).then(pl.col(n)).otherwise(pl.lit(v)).alias(n) for n, v in changed.items())
    other = other.cast(dict(frame.schema))  # type: ignore[arg-type]
    mine, others = fitted(dataset(frame), train, scaling=scaling), fitted(dataset(other), train, scaling=scaling)
    assert mine.inputs == others.inputs
    assert mine.target == others.target
    assert all(torch.equal(a, b) for a, b in zip(mine.bins(48), others.bins(48), strict=True))
    assert same(mine.encode(dataset(frame)), others.encode(dataset(frame)))
    encoded = mine.encode(dataset(other))  # and what was never seen stays finite and in range
    numbers, categories = encoded.inputs["numbers"], encoded.inputs["categories"]
    assert isinstance(numbers, torch.Tensor)
    assert isinstance(categories, torch.Tensor)
    assert numbers.isfinite().all()
    assert (categories[1::2] == 0).all()


def test_a_regression_target_is_standardised_by_the_training_rows() -> None:
    frame = table().drop("y").with_columns(y=pl.col("z") * 2.0 + 5)
    train = np.arange(100)
    encoder = fitted(dataset(frame), train, TargetSpec("regression", ("y",)))
    values = frame["y"].to_numpy()
    assert encoder.target.mean == pytest.approx(values[:100].mean())
    assert encoder.target.std == pytest.approx(values[:100].std())
    target = encoder.encode(dataset(frame)).target
    assert target is not None
    np.testing.assert_allclose(target, (values - values[:100].mean()) / values[:100].std(), rtol=1e-5, atol=1e-6)


def test_loading_gives_an_encoder_of_the_same_bits(tmp_path: Path) -> None:
    data = dataset(table().with_columns(w=pl.lit(2.0)), w="weight")
    for name, encoder in {
        "words": fitted(data, balance="classes"),
        "pairs": fitted(data, tokens="bpe", vocabulary=300, scaling="robust"),
        "runs of letters": fitted(data, grams=3),
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        encoder.save(folder)
        assert sorted(path.name for path in folder.iterdir()) == ["encoder.json", "encoder.safetensors"]
        again = Encoder.load(folder)
        assert (again.inputs, again.target, again.notes) == (encoder.inputs, encoder.target, encoder.notes)
        assert same(again.encode(data), encoder.encode(data))
        assert all(torch.equal(a, b) for a, b in zip(again.bins(16), encoder.bins(16), strict=True))


def test_an_encoder_without_numbers_is_saved_too(tmp_path: Path) -> None:
    data = dataset(table().select("c", "y"))
    encoder = fitted(data)
    encoder.save(tmp_path)
    assert Encoder.load(tmp_path).inputs == encoder.inputs == {"categories": {"names": ["c"], "sizes": [4]}}
    assert encoder.bins(4) == []


@pytest.mark.parametrize(("old", "new"), [('"version": 1', '"version": 99'), ('"kept"', '"kep"'), ('"quantile"', "7"), ('"levels"', '"x"')])
def test_a_damaged_encoder_is_said(tmp_path: Path, old: str, new: str) -> None:
    fitted(dataset()).save(tmp_path)
    path = tmp_path / "encoder.json"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(BundleError):
        Encoder.load(tmp_path)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = dataset()
    whole = fitted(data)
    for module in (encode_fit, encoder_module):
        monkeypatch.setattr(module, "chunk_rows", lambda columns: 17)
    pieces = fitted(data)
    assert pieces.inputs == whole.inputs
    assert same(pieces.encode(data), whole.encode(data))
    monkeypatch.undo()
    assert same(pieces.encode(data), whole.encode(data))


def test_errors_name_the_row_of_the_table_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table()
    encoder = fitted(dataset(frame))
    monkeypatch.setattr(encoder_module, "chunk_rows", lambda columns: 17)
    frame[50, "y"] = None
    for source, rows, row in ((dataset(frame), None, 51), (frame, None, 51), (dataset(frame), np.array([9, 50]), 51)):
        with pytest.raises(DataError, match="missing in row 51") as caught:
            encoder.encode(source, rows)
        assert caught.value.row == row
    assert encoder.encode(dataset(frame), np.arange(50)).rows == 50  # rows that nobody asked for do no harm


def test_large_numbers_of_rows_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(table(2_000))
    exact = fitted(data).encode(data).inputs["numbers"]
    monkeypatch.setattr(encode_fit, "SAMPLE_ROWS", 700)
    sampled = fitted(data)
    near = sampled.encode(data).inputs["numbers"]
    assert isinstance(near, torch.Tensor)
    assert isinstance(exact, torch.Tensor)
    assert not torch.equal(near, exact)
    assert (near - exact).abs().mean() < 0.1
    assert same(sampled.encode(data), fitted(data).encode(data))


def test_rows_frames_and_datasets_encode_alike() -> None:
    data = dataset()
    encoder = fitted(data)
    rows = np.array([5, 3, 3, 200])
    chosen = encoder.encode(data, rows)
    assert same(chosen, encoder.encode(table(), rows))
    assert same(chosen, encoder.encode(table()[rows]))
    assert encoder.encode(table().drop("y"), with_target=False).target is None
    assert encoder.encode(table().clear(), with_target=False).rows == 0
    with pytest.raises(DataError, match="they lack 'c'"):
        encoder.encode(table().drop("c"))


def test_infinities_and_nan_never_reach_the_network() -> None:
    data = dataset(table().with_columns(x=pl.Series([float("inf"), float("-inf"), float("nan"), 1e308] * 60)))
    for scaling in ("quantile", "standard", "robust"):
        encoder = fitted(dataset(), scaling=scaling)
        numbers = encoder.encode(data).inputs["numbers"]
        assert isinstance(numbers, torch.Tensor)
        assert numbers.isfinite().all()


def test_columns_that_do_not_vary_are_left_out_and_said() -> None:
    frame = table().with_columns(
        x=pl.lit(3.0), c=pl.lit(None, dtype=pl.String), z=pl.when(pl.int_range(pl.len()) % 2 == 0).then(None).otherwise(8)
    )
    encoder = fitted(dataset(frame))
    assert "x" not in encoder.inputs["numbers"]["names"]
    assert "z" not in encoder.inputs["numbers"]["names"]
    assert encoder.inputs["numbers"]["names"][-1] == "z (missing)"  # that it is missing still says something
    assert encoder.inputs["categories"]["names"] == ["b"]
    assert [note.message for note in encoder.notes] == [
        "'x', 'z' do not vary in the training rows and are left out",
        "'c' is empty in the training rows and is left out",
    ]
    encoded = encoder.encode(dataset())  # the columns may vary elsewhere
    numbers = encoded.inputs["numbers"]
    assert isinstance(numbers, torch.Tensor)
    assert numbers.shape[1] == len(encoder.inputs["numbers"]["names"])


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one column must vary"):
        fitted(dataset(table().select("y", x=pl.lit(1.0))))
    with pytest.raises(DataError, match="at least one row"):
        fitted(dataset(), np.array([], dtype=np.int64))
    with pytest.raises(SettingError, match="scaling"):
        fitted(dataset(), scaling="log")


def test_large_data_are_memory_mapped(tmp_path: Path) -> None:
    data = dataset()
    encoder = fitted(data, memory=1e-6)
    in_memory_ = encoder.encode(data)
    mapped = encoder.encode(data, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["categories.i32", "numbers.f32", "text.i32"]
    assert same(in_memory_, mapped)
    assert (mapped.folder, in_memory_.folder) == (tmp_path, None)
    first = torch.empty_like(mapped.inputs["numbers"]).copy_(mapped.inputs["numbers"])  # type: ignore[arg-type]
    other = encoder.encode(data, np.arange(9), folder=tmp_path)  # the same names again: what was mapped before stays as it was
    assert other.rows == 9
    assert torch.equal(first, mapped.inputs["numbers"])  # type: ignore[arg-type]
    assert fitted(data).encode(data, folder=tmp_path / "unused").folder is None
    assert not (tmp_path / "unused").exists()


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="No space left"):
        allocate("numbers", (10, 10), np.float32, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_memory_of_the_machine_is_known() -> None:
    assert 1 << 28 < machine_memory() < 1 << 50


def weighted(weights: list[Any], **settings: Any) -> tuple[Encoder, Dataset]:
    data = dataset(table(len(weights)).with_columns(w=pl.Series(weights, dtype=pl.Float64)), w="weight")
    return fitted(data, **settings), data


def test_weights_have_mean_1_in_the_training_rows() -> None:
    weights = [0.0, 5.0, 10.0, 5.0] * 20
    encoder, data = weighted(weights)
    weight = encoder.encode(data).weight
    assert weight is not None
    np.testing.assert_allclose(weight, np.array(weights) / 5)
    assert encoder.encode(data, np.array([2])).weight.tolist() == [2.0]  # type: ignore[union-attr]
    assert encoder.encode(data, with_target=False).weight is None
    assert "w" not in encoder.inputs["numbers"]["names"]


@pytest.mark.parametrize(("bad", "row"), [(-1.0, 4), (float("inf"), 4), (float("nan"), 4), (None, 4)])
def test_weights_that_are_none_name_their_row(bad: float | None, row: int) -> None:
    with pytest.raises(DataError, match="finite and not negative") as caught:
        weighted([1.0, 0.0, 2.0, bad] * 10)
    assert (caught.value.row, caught.value.column) == (row, "w")


def test_weights_that_are_all_0_are_an_error() -> None:
    with pytest.raises(DataError, match="all are 0"):
        weighted([0.0] * 20)


def test_balanced_classes_weigh_the_same() -> None:
    data = dataset()
    train = np.arange(200)
    encoder = fitted(data, train, balance="classes")
    encoded = encoder.encode(data)
    assert encoded.weight is not None
    assert encoded.target is not None
    weight, target = encoded.weight[:200], encoded.target[:200]
    assert weight[target == 0].sum().item() == pytest.approx(100, rel=1e-4)
    assert weight[target == 1].sum().item() == pytest.approx(100, rel=1e-4)
    assert encoder.encode(data, balance=False).weight is None
    with pytest.raises(SettingError, match="needs one target of classes"):
        fitted(dataset(), target=TargetSpec("regression", ("z",)), balance="classes")


def test_balance_and_weights_multiply() -> None:
    encoder, data = weighted([1.0, 3.0] * 40, balance="classes")
    encoded = encoder.encode(data)
    assert encoded.weight is not None
    assert encoded.weight.mean().item() == pytest.approx(1, rel=1e-4)
    assert encoded.weight[encoded.target == 0].sum().item() == pytest.approx(40, rel=1e-4)
    plain = encoder.encode(data, balance=False).weight
    assert plain is not None
    np.testing.assert_allclose(plain, [0.5, 1.5] * 40)


@pytest.mark.parametrize(
    ("setting", "value", "kind"),
    [("image_size", 32, "image"), ("augment", False, "image"), ("vocabulary", 500, "text"), ("tokens", "bpe", "text")],
)
def test_settings_of_a_kind_that_no_column_has_are_refused(setting: str, value: Any, kind: str) -> None:
    data = dataset(table().select("x", "c", "y"))
    with pytest.raises(SettingError, match=f"data.{setting} has no effect, since no column is read as {kind}"):
        fitted(data, **{setting: value})
    fitted(data, **{setting: DataPart.model_fields[setting].default})  # as a resolved recipe writes it


def pictures(folder: Path, count: int = 12) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (10, 10), dtype=np.uint8)).save(folder / f"{i}.png")
    return pl.DataFrame({"p": [f"{i}.png" for i in range(count)], "z": range(count), "y": ["no", "yes"] * (count // 2)})


def test_images_are_encoded_beside_other_columns(tmp_path: Path) -> None:
    frame = pictures(tmp_path)
    data = dataset(frame, root=tmp_path)
    encoder = fitted(data, memory=1e-6)
    encoded = encoder.encode(data, folder=tmp_path / "cache")
    image = encoded.inputs["image"]
    assert isinstance(image, torch.Tensor)
    assert (image.shape, image.dtype) == ((12, 1, 10, 10), torch.uint8)
    assert (tmp_path / "cache" / "image.u8").stat().st_size == 1_200
    np.testing.assert_array_equal(image[3, 0], np.asarray(Image.open(tmp_path / "3.png")))
    specification = encoder.inputs["image"]
    assert (specification["channels"], specification["height"], specification["width"]) == (1, 10, 10)
    assert specification["mean"][0] == pytest.approx(image.float().mean().item() / 255, rel=1e-6)


@pytest.mark.parametrize("chunk", [100, 5])
def test_a_broken_image_names_the_row_of_the_table(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "chunk_rows", lambda columns: chunk)
    frame = pictures(tmp_path)
    data = dataset(frame, root=tmp_path)
    encoder = fitted(data)
    (tmp_path / "7.png").write_bytes(b"broken")
    for attempt in (lambda: encoder.encode(data), lambda: encoder.encode(data, np.array([1, 7])), lambda: fitted(data, np.array([0, 7]))):
        with pytest.raises(DataError, match=r"7\.png") as caught:
            attempt()
        assert caught.value.row == 8


def test_missing_images_are_said(tmp_path: Path) -> None:
    frame = pictures(tmp_path).with_columns(p=pl.when(pl.col("z") == 2).then(None).otherwise(pl.col("p")))
    encoder = fitted(dataset(frame, root=tmp_path))
    assert [note.message for note in encoder.notes] == ["1 training rows have no image in 'p'; they see its mean colour"]


def test_two_image_columns_are_refused(tmp_path: Path) -> None:
    frame = pictures(tmp_path)
    schema = schema_of(frame.with_columns(q=pl.col("p")))
    schema = Schema(tuple(replace(c, kind="image", role="feature") if c.name == "q" else c for c in schema.columns))
    data = in_memory(frame.with_columns(q=pl.col("p")), schema, root=tmp_path)
    with pytest.raises(SettingError, match="one image a row"):
        fitted(data)


def test_rare_levels_are_said() -> None:
    frame = pl.DataFrame({"c": [str(i // 2) for i in range(300)] + [f"rare{i}" for i in range(20)], "y": ["no", "yes"] * 160})
    encoder = fitted(dataset(frame))
    assert encoder.inputs["categories"]["sizes"] == [151]
    assert encoder.notes[0].message == "20 rare levels of 'c' share the code of unknown ones; 150 levels are told apart"
