"""Files are whole or absent, whatever the disk does; tensors and JSON come back as they were; nothing leaves its folder."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base import files
from goodfit.base.errors import BundleError, StorageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_leaves_the_version_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    path = tmp_path / "weights.bin"
    files.write_bytes(path, b"before")

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    if call == "write":
        real = open

        def filling(*args: Any, **kwargs: Any) -> Any:
            handle = real(*args, **kwargs)
            full = type("Full", (), {"write": refuse, "__enter__": lambda self: self, "__exit__": lambda self, *_: handle.close()})
            return full()

        monkeypatch.setattr("builtins.open", filling)
    elif call == "open":
        monkeypatch.setattr("builtins.open", refuse)
    else:
        monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StorageError, match=r"weights.bin cannot be written: .*what stood there before is whole") as caught:
        files.write_bytes(path, b"after")
    monkeypatch.undo()
    assert ("free some space" in caught.value.message) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert caught.value.exit_code == 2
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["weights.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_really_full_device(tmp_path: Path) -> None:
    (tmp_path / "report.json.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device"):
        files.write_json(tmp_path / "report.json", {"a": "b" * 100_000})
    assert not (tmp_path / "report.json").exists()


def test_folders_that_do_not_take_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none" / "a.json", tmp_path / "file" / "a.json", tmp_path / ("n" * 300)):
        with pytest.raises(StorageError, match="cannot be written"):
            files.write_json(path, {})


_WRITER = """
import sys
from pathlib import Path
from goodfit.base.files import write_bytes
path = Path(sys.argv[1])
print("ready", flush=True)
for number in range(10**9):
    write_bytes(path, bytes([number % 251]) * 400_000)
"""


def test_killed_at_any_instant_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    pauses = np.random.default_rng(0).uniform(0.0, 0.03, size=4)  # a second each, to import torch
    for pause in pauses:
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while not path.exists():
                time.sleep(0.001)
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
        content = path.read_bytes()
        assert len(content) == 400_000
        assert len(set(content)) == 1


def test_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    digest = files.write_bytes(path, b"abc" * 1_000_000)
    assert digest == files.sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@settings(max_examples=100, deadline=None)
@given(document=JSON)
def test_json_comes_back(document: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    files.write_json(path, document)
    assert files.read_json(path) == document


def test_json_of_everything_else(tmp_path: Path) -> None:
    document = {
        1: np.float32(0.5),
        "nan": [math.nan, math.inf, np.nan, torch.tensor([1.0, math.inf])],
        "path": Path("a/b"),
        "set": {3},
        "array": np.array([[1, 2]]),
        "flag": np.bool_(True),
        "half a pair": "\udc80x",
    }
    files.write_json(tmp_path / "a.json", document)
    assert files.read_json(tmp_path / "a.json") == {
        "1": 0.5,
        "nan": [None, None, None, [1.0, None]],
        "path": "a/b",
        "set": [3],
        "array": [[1, 2]],
        "flag": True,
        "half a pair": "\udc80x",
    }


def test_broken_json_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(BundleError, match="is missing in"):
        files.read_json(path)
    for content in (b"", b"{", b"\xff", b"[" * 200_000, b'{"a": 1}}'):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="not readable as JSON"):
            files.read_json(path)
    path.write_text(json.dumps("x" * 100))
    with pytest.raises(BundleError, match="larger than 50 bytes"):
        files.read_json(path, limit=50)
    with pytest.raises(BundleError):
        files.read_json(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_tensors_come_back_with_equal_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randint(0, 2**31, (6, 5, 4, 4), generator=generator).to(dtype)
    shared = base[1:3]
    tensors = {
        "plain": base,
        "channels/last": base.to(memory_format=torch.channels_last),
        "view": shared,
        "transposed": base[0, 0].T,
        "scalar": base[0, 0, 0, 0],
        "empty": base[:0],
        "learned": torch.nn.Parameter(base.float()),
    }
    digest = files.write_tensors(tmp_path / "a.safetensors", tensors, {"format": "1"})
    back = files.read_tensors(tmp_path / "a.safetensors", sha256=digest)
    assert set(back) == set(tensors)
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_changed_and_broken_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    digest = files.write_tensors(path, {"a": torch.arange(100.0)})
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match="was changed after it was written"):
        files.read_tensors(path, sha256=digest)
    for broken in (b"", content[:50], b"\x80\x04pickle", b"\xff" * 64):
        path.write_bytes(broken)
        with pytest.raises(BundleError, match="is not a safetensors file"):
            files.read_tensors(path)
    path.unlink()
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        files.read_tensors(path)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_tensors_or_one_sentence(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError):
        files.read_tensors(path)


def test_paths_stay_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "out").symlink_to(tmp_path)
    (tmp_path / "run" / "round").symlink_to(tmp_path / "run" / "round")
    assert files.inside(tmp_path / "run", "model/a.json") == (tmp_path / "run" / "model" / "a.json").resolve()
    assert files.inside(tmp_path / "run", "model/../b") == (tmp_path / "run" / "b").resolve()
    for name in ("..", "../b", "/etc/passwd", "out/b", "model/../../b", "a\0b", "round/a"):
        with pytest.raises(BundleError, match="leaves the folder"):
            files.inside(tmp_path / "run", name)
